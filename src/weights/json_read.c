#include "weights/json-private.h"

#include <string.h>

enum { MAX_DEPTH = 32 }; /* of values that are read over */

static int fail(const nd_json *j, const char *expected) {
  if (j->at >= j->size)
    return nd_fail("expected %s at byte %zu, but the text ends there", expected, j->at);
  unsigned char c = (unsigned char)j->text[j->at];
  if (c > ' ' && c < 127)
    return nd_fail("expected %s at byte %zu, found '%c'", expected, j->at, c);
  return nd_fail("expected %s at byte %zu, found byte 0x%02x", expected, j->at, c);
}

static void skip_space(nd_json *j) {
  while (j->at < j->size && j->text[j->at] && strchr(" \t\r\n", j->text[j->at]))
    j->at++;
}

/* The next byte that is no white space, not taken; 0 at the end. */
static char peek(nd_json *j) {
  skip_space(j);
  return j->at < j->size ? j->text[j->at] : 0;
}

static bool take(nd_json *j, char c) {
  if (peek(j) != c)
    return false;
  j->at++;
  return true;
}

int nd_json_enter(nd_json *j, char bracket) {
  if (!take(j, bracket))
    return fail(j, bracket == '{' ? "an object '{'" : "an array '['");
  j->fresh = true;
  return 0;
}

int nd_json_next(nd_json *j, char close) {
  bool fresh = j->fresh;
  j->fresh = false;
  if (take(j, close))
    return 0;
  if (fresh || take(j, ','))
    return 1;
  return fail(j, close == '}' ? "',' or '}'" : "',' or ']'");
}

/* Four hexadecimal digits. */
static int read_unit(nd_json *j, gunichar *unit) {
  *unit = 0;
  for (int i = 0; i < 4; i++, j->at++) {
    if (j->at >= j->size || !g_ascii_isxdigit(j->text[j->at]))
      return fail(j, "four hexadecimal digits");
    *unit = *unit * 16 + (gunichar)g_ascii_xdigit_value(j->text[j->at]);
  }
  return 0;
}

/* What follows "\u": a code point, or the first half of a surrogate pair and then the second. */
static int read_code_point(nd_json *j, GString *out) {
  gunichar high, low;
  if (read_unit(j, &high))
    return -1;
  if (high >= 0xd800 && high < 0xdc00) {
    if (j->size - j->at < 2 || j->text[j->at] != '\\' || j->text[j->at + 1] != 'u')
      return fail(j, "the second half of a surrogate pair");
    j->at += 2;
    if (read_unit(j, &low))
      return -1;
    if (low < 0xdc00 || low > 0xdfff)
      return nd_fail("broken surrogate pair before byte %zu", j->at);
    high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }
  if (!high || (high >= 0xd800 && high <= 0xdfff))
    return nd_fail("\\u%04x before byte %zu cannot be part of a text", (unsigned)high, j->at);
  g_string_append_unichar(out, high);
  return 0;
}

static int read_escape(nd_json *j, GString *out) {
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  char c = j->at < j->size ? j->text[j->at] : 0;
  const char *letter = c ? strchr(letters, c) : NULL;
  if (!letter && c != 'u')
    return fail(j, "an escape sequence");
  j->at++;
  if (c == 'u')
    return read_code_point(j, out);
  g_string_append_c(out, meanings[letter - letters]);
  return 0;
}

static int read_string(nd_json *j, GString *out) {
  if (!take(j, '"'))
    return fail(j, "a string");
  while (j->at < j->size && j->text[j->at] != '"') {
    char c = j->text[j->at];
    if ((unsigned char)c < ' ')
      return fail(j, "the rest of a string");
    j->at++;
    if (c != '\\')
      g_string_append_c(out, c);
    else if (read_escape(j, out))
      return -1;
  }
  return take(j, '"') ? 0 : fail(j, "the end of a string");
}

int nd_json_string(nd_json *j, GStringChunk *strings, const char **value) {
  g_autoptr(GString) text = g_string_new(NULL);
  if (read_string(j, text))
    return -1;
  *value = g_string_chunk_insert_len(strings, text->str, (gssize)text->len);
  return 0;
}

int nd_json_key(nd_json *j, GStringChunk *strings, const char **key) {
  if (nd_json_string(j, strings, key))
    return -1;
  return take(j, ':') ? 0 : fail(j, "':'");
}

int nd_json_count(nd_json *j, int64_t *value) {
  if (!g_ascii_isdigit(peek(j)))
    return fail(j, "a whole number, 0 or more");
  size_t begin = j->at;
  for (*value = 0; j->at < j->size && g_ascii_isdigit(j->text[j->at]); j->at++)
    if (__builtin_mul_overflow(*value, 10, value) ||
        __builtin_add_overflow(*value, j->text[j->at] - '0', value))
      return nd_fail("the number at byte %zu is too large", begin);
  if (j->text[begin] == '0' && j->at - begin > 1)
    return nd_fail("the number at byte %zu begins with 0", begin);
  if (j->at < j->size && j->text[j->at] && strchr(".eE", j->text[j->at]))
    return fail(j, "a whole number");
  return 0;
}

static size_t skip_digits(nd_json *j) {
  size_t begin = j->at;
  while (j->at < j->size && g_ascii_isdigit(j->text[j->at]))
    j->at++;
  return j->at - begin;
}

static bool take_here(nd_json *j, const char *any) {
  if (j->at >= j->size || !j->text[j->at] || !strchr(any, j->text[j->at]))
    return false;
  j->at++;
  return true;
}

static int skip_number(nd_json *j) {
  take_here(j, "-");
  if (!take_here(j, "0") && !skip_digits(j))
    return fail(j, "a value");
  if (take_here(j, ".") && !skip_digits(j))
    return fail(j, "a digit");
  if (take_here(j, "eE")) {
    take_here(j, "+-");
    if (!skip_digits(j))
      return fail(j, "a digit");
  }
  return 0;
}

static int skip_word(nd_json *j) {
  static const char *const words[] = {"true", "false", "null"};
  for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
    size_t n = strlen(words[i]);
    if (j->size - j->at >= n && !memcmp(j->text + j->at, words[i], n)) {
      j->at += n;
      return 0;
    }
  }
  return skip_number(j);
}

static int skip_text(nd_json *j) {
  g_autoptr(GString) text = g_string_new(NULL);
  return read_string(j, text);
}

static int skip_value(nd_json *j, int depth);

static int skip_members(nd_json *j, char bracket, int depth) {
  if (depth >= MAX_DEPTH)
    return nd_fail("more than %d brackets within each other at byte %zu", MAX_DEPTH, j->at);
  if (nd_json_enter(j, bracket))
    return -1;
  int more;
  while ((more = nd_json_next(j, bracket == '{' ? '}' : ']')) > 0) {
    if (bracket == '{' && (skip_text(j) || (!take(j, ':') && fail(j, "':'"))))
      return -1;
    if (skip_value(j, depth + 1))
      return -1;
  }
  return more;
}

static int skip_value(nd_json *j, int depth) {
  char c = peek(j);
  if (c == '"')
    return skip_text(j);
  return c == '{' || c == '[' ? skip_members(j, c, depth) : skip_word(j);
}

int nd_json_skip(nd_json *j) {
  return skip_value(j, 0);
}

int nd_json_end(nd_json *j) {
  skip_space(j);
  return j->at == j->size ? 0 : fail(j, "the end");
}
