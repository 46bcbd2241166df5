/* Weight files nobody should have written: each is refused with a message that says why. The bytes stand in
 * blocks of exactly their size, so that the address sanitizer sees the first byte read too far. */
#include "weights/safetensors-private.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int parse(const char *bytes, size_t n) {
  g_autofree char *exact = n ? g_memdup2(bytes, n) : NULL;
  nd_safetensors *file;
  nd_error_clear();
  int result = nd_safetensors_parse(exact, n, &file);
  assert_true((result == 0) == (file != NULL));
  assert_true((result == 0) == (*nd_error() == 0));
  nd_safetensors_close(file);
  return result;
}

/* A file of that header and that many bytes of data. */
static int parse_header(const char *header, size_t header_size, size_t data_size) {
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  uint64_t length = header_size;
  g_byte_array_append(bytes, (const guint8 *)&length, sizeof length);
  g_byte_array_append(bytes, (const guint8 *)header, (guint)header_size);
  g_byte_array_set_size(bytes, (guint)(8 + header_size + data_size));
  return parse((const char *)bytes->data, bytes->len);
}

#define ENTRY(name, shape, begin, end)                                                                       \
  "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

static const struct {
  const char *header, *message; /* NULL: fine */
} cases[] = {
    {"{" ENTRY("a", "4", "0", "16") "}", NULL},
    {" \n{ " ENTRY("a", "2,2", "0", "16") "\t}  \r\n", NULL},
    {"{" ENTRY("b", "2", "8", "16") "," ENTRY("a", "2", "0", "8") "," ENTRY("c", "0", "8", "8") "}", NULL},
    {"{\"x\":{\"more\":[1,-2.5e+3,{\"a\":null}],\"dtype\":\"BOOL\",\"shape\":[16],\"data_offsets\":[0,16]}}",
     NULL},
    {"{" ENTRY("\\u00e4\\ud83d\\ude00\\/\\n", "4", "0", "16") "}", NULL},
    /* offsets */
    {"{}", "the last 16 bytes belong to no tensor"},
    {"{" ENTRY("a", "3", "0", "12") "}", "the last 4 bytes belong to no tensor"},
    {"{" ENTRY("a", "3", "4", "16") "}", "4 bytes before the data of tensor 'a' belong to no tensor"},
    {"{" ENTRY("a", "1", "0", "4") "," ENTRY("b", "2", "8", "16") "}",
     "4 bytes before the data of tensor 'b'"},
    {"{" ENTRY("a", "3", "0", "12") "," ENTRY("b", "2", "8", "16") "}", "tensors 'a' and 'b' overlap"},
    {"{" ENTRY("a", "4", "0", "16") "," ENTRY("b", "4", "0", "16") "}", "overlap"},
    {"{" ENTRY("a", "4", "0", "16") "," ENTRY("b", "0", "8", "8") "}", "overlap"},
    {"{" ENTRY("a", "5", "0", "20") "}", "bytes 0 to 20 of 16"},
    {"{" ENTRY("a", "4", "16", "0") "}", "bytes 16 to 0"},
    {"{" ENTRY("a", "4", "9223372036854775792", "9223372036854775807") "}", "of 16"},
    {"{" ENTRY("a", "4", "18446744073709551600", "0") "}", "too large"},
    {"{" ENTRY("a", "4", "-16", "0") "}", "0 or more"},
    {"{" ENTRY("a", "4", "0", "16.0") "}", "whole number"},
    {"{" ENTRY("a", "4", "0", "1e1") "}", "whole number"},
    {"{" ENTRY("a", "4", "0,8", "16") "}", "more than two"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", "needs two numbers"},
    /* shapes */
    {"{" ENTRY("a", "3", "0", "16") "}", "make 12 bytes, its data has 16"},
    {"{" ENTRY("a", "-4", "0", "16") "}", "tensor 'a': expected a whole number, 0 or more"},
    {"{" ENTRY("a", "-18446744073709551612", "0", "16") "}", "0 or more"},
    {"{" ENTRY("a", "4294967296,4294967296", "0", "16") "}", "impossible shape"},
    {"{" ENTRY("a", "4611686018427387908", "0", "16") "}", "impossible shape"},
    {"{" ENTRY("a", "9223372036854775807,3", "0", "16") "}", "impossible shape"},
    {"{" ENTRY("a", "1,1,1,1,1,1,1,4", "0", "16") "}", NULL},
    {"{" ENTRY("a", "1,1,1,1,1,1,1,1,4", "0", "16") "}", "more than 8 dimensions"},
    {"{" ENTRY("a", "04", "0", "16") "}", "begins with 0"},
    {"{" ENTRY("a", "0x4", "0", "16") "}", "',' or ']'"},
    {"{" ENTRY("a", "4,", "0", "16") "}", "whole number"},
    {"{" ENTRY("a", ",4", "0", "16") "}", "whole number"},
    {"{" ENTRY("a", "4 4", "0", "16") "}", "',' or ']'"},
    /* names and members */
    {"{" ENTRY("a", "2", "0", "8") "," ENTRY("a", "2", "8", "16") "}", "the name 'a' occurs twice"},
    {"{" ENTRY("a", "2", "0", "8") "," ENTRY("\\u0061", "2", "8", "16") "}", "the name 'a' occurs twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "'dtype' occurs twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", "needs dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[16],\"data_offsets\":[0,16]}}", "unknown type 'F8_E4M3'"},
    {"{\"a\":{\"dtype\":7,\"shape\":[16],\"data_offsets\":[0,16]}}", "expected a string"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":16,\"data_offsets\":[0,16]}}", "expected an array"},
    {"{\"a\":[]}", "expected an object"},
    {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", "in its metadata: the key 'a' occurs twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", "two '__metadata__'"},
    {"{\"__metadata__\":{\"a\":1}}", "in its metadata: expected a string"},
    {"{\"__metadata__\":{\"a\":{}}}", "expected a string"},
    /* JSON */
    {"", "expected an object '{' at byte 0, but the text ends there"},
    {"[]", "expected an object"},
    {"null", "expected an object"},
    {"{} {}", "expected the end"},
    {"{,}", "expected a string"},
    {"{\"a\"}", "expected ':'"},
    {"{/**/}", "found '/'"},
    {"{'a':1}", "expected a string"},
    {"{" ENTRY("a", "4", "0", "16") ",}", "expected a string"},
    {"{\"\\ud800\":1}", "second half of a surrogate pair"},
    {"{\"\\ud800\\u0041\":1}", "broken surrogate pair"},
    {"{\"\\udc00\":1}", "cannot be part of a text"},
    {"{\"\\u0000\":1}", "cannot be part of a text"},
    {"{\"\\u12g4\":1}", "hexadecimal"},
    {"{\"\\x\":1}", "escape sequence"},
    {"{\"\n\":1}", "found byte 0x0a"},
    {"{\"a\xff\":1}", "not valid UTF-8"},
    {"{\"a\xed\xa0\x80\":1}", "not valid UTF-8"},
    {"{\"a\":{\"x\":tru,", "expected a value"},
    {"{\"a\":{\"x\":-,", "expected a value"},
    {"{\"a\":{\"x\":1.,", "expected a digit"},
    {"{\"a\":{\"x\":1e,", "expected a digit"},
    {"{\"a\":{\"x\":{\"y\" 1}", "expected ':'"},
};

static void headers_are_checked(void **state) {
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    int result = parse_header(cases[i].header, strlen(cases[i].header), 16);
    if (cases[i].message ? result != -1 || !strstr(nd_error(), cases[i].message) : result)
      fail_msg("%s: %d '%s'", cases[i].header, result, nd_error());
  }
  static const char with_nul[] = "{\"a\0\":1}";
  assert_int_equal(parse_header(with_nul, sizeof with_nul - 1, 16), -1);
  assert_non_null(strstr(nd_error(), "UTF-8"));
}

static void truncated_at_every_byte(void **state) {
  (void)state;
  g_autofree char *content = NULL;
  gsize size;
  assert_true(g_file_get_contents("golden.safetensors", &content, &size, NULL));
  assert_int_equal(parse(content, size), 0);
  for (gsize n = 0; n < size; n++)
    assert_int_equal(parse(content, n), -1);
  g_autofree char *longer = g_malloc0(size + 1);
  memcpy(longer, content, size);
  assert_int_equal(parse(longer, size + 1), -1);
}

static void header_lengths_lie(void **state) {
  (void)state;
  g_autofree char *content = NULL;
  gsize size;
  assert_true(g_file_get_contents("golden.safetensors", &content, &size, NULL));
  uint64_t right;
  memcpy(&right, content, sizeof right);
  const uint64_t lies[] = {0,    1,        right - 1, right + 1,         size - 8,       size - 7,
                           size, 99999999, 100000001, (uint64_t)1 << 63, UINT64_MAX - 7, UINT64_MAX};
  for (size_t i = 0; i < G_N_ELEMENTS(lies); i++) {
    memcpy(content, &lies[i], sizeof *lies);
    assert_int_equal(parse(content, size), -1);
  }
}

static void every_byte_flipped(void **state) {
  (void)state;
  g_autofree char *content = NULL;
  gsize size;
  assert_true(g_file_get_contents("golden.safetensors", &content, &size, NULL));
  for (gsize i = 0; i < 700; i++)
    for (int bit = 0; bit < 8; bit++) {
      content[i] ^= (char)(1 << bit);
      parse(content, size); /* a flip in a name is fine; parse() checks result and message agree */
      content[i] ^= (char)(1 << bit);
    }
  assert_int_equal(parse(content, size), 0);
}

static void deep_nesting_is_no_way_down(void **state) {
  (void)state;
  enum { DEPTH = 1000000 };
  g_autoptr(GString) text = g_string_new("{\"a\":{\"x\":");
  for (int i = 0; i < DEPTH; i++)
    g_string_append_c(text, '[');
  assert_int_equal(parse_header(text->str, text->len, 0), -1);
  assert_non_null(strstr(nd_error(), "brackets within each other"));
  g_string_assign(text, "{\"a\":{\"x\":");
  for (int i = 0; i < DEPTH; i++)
    g_string_append(text, "{\"x\":");
  assert_int_equal(parse_header(text->str, text->len, 0), -1);
  assert_non_null(strstr(nd_error(), "brackets within each other"));
}

static void a_header_beyond_the_limit(void **state) {
  (void)state;
  char bytes[16] = {0};
  const uint64_t length = ND_ST_MAX_HEADER + 1;
  memcpy(bytes, &length, sizeof length);
  assert_int_equal(parse(bytes, sizeof bytes), -1);
  assert_non_null(strstr(nd_error(), "it is no safetensors file"));
  g_autoptr(GString) text = g_string_new("{\"__metadata__\":{\"a\":\"");
  for (int i = 0; i < 1 << 20; i++)
    g_string_append(text, "long");
  g_string_append(text, "\"}}");
  assert_int_equal(parse_header(text->str, text->len, 0), 0);
}

static void a_million_tensors_are_too_many(void **state) {
  (void)state;
  g_autoptr(GString) text = g_string_new("{");
  for (int i = 0; i < 1000000; i++)
    g_string_append_printf(text, "%s\"%06d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
                           i ? "," : "", i);
  g_string_append(text, "}");
  assert_int_equal(parse_header(text->str, text->len, 0), -1);
  assert_non_null(strstr(nd_error(), "more than 100000 tensors"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers_are_checked),
      cmocka_unit_test(truncated_at_every_byte),
      cmocka_unit_test(header_lengths_lie),
      cmocka_unit_test(every_byte_flipped),
      cmocka_unit_test(deep_nesting_is_no_way_down),
      cmocka_unit_test(a_header_beyond_the_limit),
      cmocka_unit_test(a_million_tensors_are_too_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
