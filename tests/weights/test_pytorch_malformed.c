/* Checkpoints nobody should have written: each is refused with a message that says why, or read for what it
 * is. The bytes stand in blocks of exactly their size, so that the address sanitizer sees the first byte read
 * too far. */
#include "weights/model.h"
#include "weights/pytorch-private.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int parse(const char *bytes, size_t n) {
  g_autofree char *exact = n ? g_memdup2(bytes, n) : NULL;
  nd_safetensors *file;
  nd_error_clear();
  int result = nd_pytorch_parse(exact, n, &file);
  assert_true((result == 0) == (file != NULL));
  assert_true((result == 0) == (*nd_error() == 0));
  nd_safetensors_close(file);
  return result;
}

static void expect(int result, const char *bytes, size_t n, const char *message) {
  if (parse(bytes, n) != result || (result && !strstr(nd_error(), message)))
    fail_msg("'%s': %s", message, *nd_error() ? nd_error() : "it was read");
}

/* ---- Pickles by hand, in the old container ---- */

#define PROTO "\x80\x02"
#define MAGIC PROTO "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define VERSION PROTO "M\xe9\x03."
#define MACHINE PROTO "}X\x0d\0\0\0little_endian\x88s."
#define HEAD MAGIC VERSION MACHINE PROTO
/* One storage '0' of 4 floats, and what follows the object: the list of keys, the storage. */
#define ID(kind, count)                                                                                      \
  "(U\x07storagec"                                                                                           \
  "torch\n" kind "\nU\x01"                                                                                   \
  "0U\x03"                                                                                                   \
  "cpuK" count "NtQ"
#define STORAGE ID("FloatStorage", "\x04")
#define KEYS                                                                                                 \
  PROTO "]U\x01"                                                                                             \
        "0a."
#define COUNT "\x04\0\0\0\0\0\0\0"
#define NUMBERS "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40"
#define TAIL KEYS COUNT NUMBERS
#define NO_STORAGE PROTO "]."
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
/* offset, shape and stride as operations */
#define TENSOR(offset, shape, stride)                                                                        \
  REBUILD "(" STORAGE offset shape stride "\x89"                                                             \
          "}tR"
#define WHOLE TENSOR("K\x00", "K\x04\x85", "K\x01\x85")
#define DICT(name, value) "}U\x01" name value "s."

#define CASE(result, body, message)                                                                          \
  { result, body, sizeof body - 1, message }
static const struct {
  int result;
  const char *body;
  size_t size;
  const char *message;
} pickles[] = {
    CASE(0, DICT("w", WHOLE) TAIL, ""),
    /* twice the same, shared through the memo */
    CASE(0, "}U\x01w" WHOLE "q\x01sU\x01vh\x01s." TAIL, ""),
    CASE(0, DICT("w", TENSOR("K\x01", "K\x03\x85", "K\x01\x85")) TAIL, ""),
    CASE(0, DICT("w", TENSOR("K\x00", "K\x02K\x02\x86", "K\x01K\x02\x86")) TAIL, ""),
    CASE(0, DICT("w", TENSOR("K\x00", ")", ")")) TAIL, ""),
    CASE(0, DICT("w", TENSOR("K\x04", "K\x00\x85", "K\x01\x85")) TAIL, ""),
    /* a module's prefix, a parameter, an ordered dictionary of Python 2, an object that is nothing here */
    CASE(0, "ccollections\nOrderedDict\n(](](U\x08module.w" WHOLE "eetR." TAIL, ""),
    CASE(0, "}U\x01wctorch._utils\n_rebuild_parameter\n(" WHOLE "\x88}tRs." TAIL, ""),
    CASE(0,
         "}(U\x01"
         "acargparse\nNamespace\n)\x81}U\x01xK\x01sbU\x01w" WHOLE "u." TAIL,
         ""),
    /* cycles: a list in itself, a dictionary in itself, a dictionary under its own key */
    CASE(0,
         "}q\x00U\x01w" WHOLE "sU\x01l]q\x01h\x01"
         "asU\x01"
         "dh\x00s." TAIL,
         ""),
    CASE(-1, "}q\x00U\x05modelh\x00s." NO_STORAGE, "no dictionary of tensors"),
    CASE(-1,
         "]q\x00h\x00"
         "a." NO_STORAGE,
         "it holds a list or tuple, no dictionary"),
    /* torch.save(model): class, file and source text, then the object */
    CASE(-1,
         "(U\x06modulec__main__\nNet\nU\x01"
         "fU\x01stQ)\x81}b." NO_STORAGE,
         "an object of the class '__main__.Net'"),
    /* what the tensors claim */
    CASE(-1, DICT("w", TENSOR("K\x00", "K\x05\x85", "K\x01\x85")) TAIL, "reaches beyond its storage '0'"),
    CASE(-1, DICT("w", TENSOR("K\x01", "K\x04\x85", "K\x01\x85")) TAIL, "reaches beyond its storage '0'"),
    CASE(-1, DICT("w", TENSOR("K\x00", "K\x02K\x02\x86", "K\x03K\x01\x86")) TAIL, "reaches beyond"),
    CASE(-1, DICT("w", TENSOR("K\x05", ")", ")")) TAIL, "reaches beyond"),
    CASE(-1, DICT("w", TENSOR("J\xff\xff\xff\xff", "K\x04\x85", "K\x01\x85")) TAIL,
         "not described as PyTorch"),
    CASE(-1, DICT("w", TENSOR("K\x00", "K\x04\x85", "J\xff\xff\xff\xff\x85")) TAIL,
         "not made of whole numbers"),
    CASE(-1, DICT("w", TENSOR("K\x00", "J\xff\xff\xff\xff\x85", "K\x01\x85")) TAIL,
         "not made of whole numbers"),
    CASE(-1, DICT("w", TENSOR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "K\x02\x85", "K\x01\x85")) TAIL,
         "reaches beyond"),
    CASE(-1, DICT("w", TENSOR("K\x00", "\x8a\x08\0\0\0\0\0\0\0\x40K\x04\x86", "K\x00K\x01\x86")) TAIL,
         "reaches beyond"),
    /* 2^30 numbers out of one */
    CASE(-1, DICT("w", TENSOR("K\x00", "J\0\0\0\x40\x85", "K\x00\x85")) TAIL,
         "far more numbers than the file"),
    CASE(-1,
         DICT("w", TENSOR("K\x00",
                          "("
                          "K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t",
                          "K\x01\x85")) TAIL,
         "not described as PyTorch"),
    CASE(-1,
         DICT("w", TENSOR("K\x00",
                          "("
                          "K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t",
                          "("
                          "K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t")) TAIL,
         "9 dimensions"),
    CASE(-1,
         "}U\x01w" REBUILD "(NK\x00)){tR"
         "s." TAIL,
         "0x7b"),
    CASE(-1, DICT("w", REBUILD "(NK\x00))tR") TAIL, "a tensor has no storage"),
    CASE(-1, DICT("w", REBUILD "(" STORAGE "tR") TAIL, "not described as PyTorch"),
    /* what the storages claim */
    CASE(-1, DICT("w", WHOLE) KEYS "\x05\0\0\0\0\0\0\0" NUMBERS,
         "storage '0' has 5 elements in one place and 4"),
    CASE(-1, DICT("w", WHOLE) KEYS "\xff\xff\xff\xff\xff\xff\xff\xff" NUMBERS,
         "in one place and 4 in another"),
    CASE(-1, DICT("w", WHOLE) KEYS COUNT "1234", "needs 16 bytes, 4 are left"),
    CASE(-1, DICT("w", WHOLE) KEYS "\x04", "ends before storage '0'"),
    CASE(-1, DICT("w", WHOLE) PROTO "].", "storage '0' is not in the file"),
    CASE(-1,
         DICT("w", WHOLE) PROTO "]U\x01"
                                "1a." COUNT NUMBERS,
         "'1' is unknown"),
    CASE(-1,
         DICT("w", WHOLE) PROTO "](U\x01"
                                "0U\x01"
                                "0e." COUNT NUMBERS COUNT NUMBERS,
         "occurs twice"),
    CASE(-1,
         DICT("w", WHOLE) PROTO "]K\x01"
                                "a." COUNT NUMBERS,
         "the name of a storage is no text"),
    CASE(-1, DICT("w", WHOLE) PROTO "N." COUNT NUMBERS, "its storages are not listed"),
    CASE(-1, "}(U\x01w" WHOLE "U\x01v" ID("FloatStorage", "\x05") "u." TAIL, "described in two ways"),
    CASE(-1, "}(U\x01w" WHOLE "U\x01v" ID("LongStorage", "\x04") "u." TAIL, "described in two ways"),
    CASE(-1, DICT("w", ID("FancyStorage", "\x04")) TAIL, "'torch.FancyStorage', which is not read"),
    CASE(-1, DICT("w", ID("ComplexFloatStorage", "\x04")) TAIL, "storage '0' needs 32 bytes, 16 are left"),
    CASE(-1, "}(U\x01w" WHOLE "U\x01v" ID("QInt32Storage", "\x04") "u." TAIL, "described in two ways"),
    CASE(-1, DICT("w", REBUILD "(" ID("QInt32Storage", "\x04") "tR") TAIL,
         "it has 'w' (torch.qint32, which is not read)"),
    CASE(-1, "}U\x01w(U\x07storageK\x01tQs." TAIL, "a storage is not described"),
    CASE(-1, "}U\x01wNQs." TAIL, "a storage is not described"),
    CASE(-1,
         "}U\x01w(U\x07storagectorch\nFloatStorage\nU\x01"
         "0U\x03"
         "cpu\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fNtQs." TAIL,
         "a storage is not described"),
    CASE(-1,
         "}U\x01w(U\x07storagectorch\nFloatStorage\nU\x01"
         "0U\x03"
         "cpuK\x04(U\x01"
         "9K\x02K\x03ttQs." TAIL,
         "a part of storage '0' lies outside"),
    /* names */
    CASE(-1, "}(U\x01w" WHOLE "U\x01w" WHOLE "u." TAIL, "the name 'w' occurs twice"),
    CASE(-1, "}K\x01" WHOLE "s." TAIL, "the name of a tensor is no text"),
    CASE(-1, "}U\x02\xff\xfe" WHOLE "s." TAIL, "the name of a tensor is no text"),
    CASE(-1, "}U\x01wK\x01s." NO_STORAGE, "it has 'w'"),
    CASE(-1, "N." NO_STORAGE, "it holds no dictionary"),
    CASE(-1, "}." NO_STORAGE, "its dictionary is empty"),
    CASE(-1, "}K\x01K\x02s." NO_STORAGE, "the keys of its dictionary are no names"),
    CASE(-1, WHOLE "." TAIL, "it holds a single tensor, no dictionary"),
    CASE(-1, "cmodels\nUNet\n)\x81}U\x01w" WHOLE "sb." TAIL, "an object of the class 'models.UNet'"),
    /* calls: nothing is executed, and what is not on the list is refused */
    CASE(-1,
         "cposix\nsystem\nU\x04"
         "true\x85R." TAIL,
         "it wants to call 'posix.system'"),
    CASE(-1,
         "c__builtin__\neval\nU\x01"
         "1\x85R." TAIL,
         "it wants to call '__builtin__.eval'"),
    CASE(-1,
         "\x8c\x05posix\x8c\x06system\x93U\x04"
         "true\x85R." TAIL,
         "it wants to call 'posix.system'"),
    CASE(-1,
         "}(U\x01w" WHOLE "U\x01x"
         "csubprocess\nrun\nU\x04"
         "true\x85Ru." TAIL,
         "it wants to call 'subprocess.run'"),
    /* ... nor is what it would return called in its turn */
    CASE(-1, "cbuiltins\ngetattr\n(cos\nU\x06systemtR)R." TAIL, "is no text"),
    CASE(-1, "cbuiltins\ngetattr\n(cos\nx\nU\x06systemtR)R." TAIL, "it calls what is no function"),
    CASE(-1, "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nN(tNtR." TAIL,
         "not described as PyTorch"),
    CASE(-1, "ctorch._tensor\n_rebuild_from_type_v2\n(cposix\nsystem\nN(tNtR." TAIL, "call 'posix.system'"),
    CASE(-1, "K\x01)R." TAIL, "it calls what is no function"),
    CASE(-1, "K\x01)\x81." TAIL, "what is no class"),
    CASE(-1, "ctorch\nSize\n)R." TAIL, "called without arguments"),
    CASE(-1, "i__main__\nevil\n." TAIL, "operation 0x69"),
    CASE(-1, "\x82\x01." TAIL, "operation 0x82"),
    /* the machine */
    CASE(-1, "." TAIL, "empty stack"),
    CASE(-1, "0." TAIL, "empty stack"),
    CASE(-1, "K\x01(0." TAIL, "empty stack"),
    CASE(-1, "t." TAIL, "a mark is missing"),
    CASE(-1, "1." TAIL, "a mark is missing"),
    CASE(-1, "K\x01\x86." TAIL, "empty stack"),
    CASE(-1,
         "N"
         "a." TAIL,
         "not there"),
    CASE(-1,
         "}K\x01"
         "as." TAIL,
         "has no value"),
    CASE(-1, "}(K\x01u." TAIL, "has no value"),
    CASE(-1, "h\x07." TAIL, "recalls a value 7"),
    CASE(-1, "Nq\x09h\x08." TAIL, "recalls a value 8"),
    CASE(-1, "Nr\xff\xff\xff\xff." TAIL, "memo has no place 4294967295"),
    CASE(-1, "q\x01." TAIL, "empty stack"),
    CASE(-1, "X\xff\xff\xff\x7fxyz." TAIL, "are left"),
    CASE(-1, "\x8d\xff\xff\xff\xff\xff\xff\xff\xffxyz." TAIL, "are left"),
    CASE(-1, "\x8b\xff\xff\xff\xffxyz." TAIL, "are left"),
    CASE(-1, "cname without end", "has no end"),
    CASE(-1, "c\xff\nx\n." TAIL, "is no text"),
    CASE(-1, "NN\x93." TAIL, "is no text"),
    CASE(-1, "\x80\x06N." TAIL, "protocol 6"),
};

static void pickles_are_refused_for_what_they_are(void **state) {
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(pickles); i++) {
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_byte_array_append(all, (const guint8 *)HEAD, sizeof HEAD - 1);
    g_byte_array_append(all, (const guint8 *)pickles[i].body, (guint)pickles[i].size);
    expect(pickles[i].result, (const char *)all->data, all->len, pickles[i].message);
  }
}

#define REFUSED(text, message) expect(-1, text, sizeof(text) - 1, message)

static void heads_are_checked(void **state) {
  (void)state;
  REFUSED(MAGIC, "was the file cut short?");
  REFUSED(MAGIC PROTO "M\xe8\x03." MACHINE, "its version is not 1001");
  REFUSED(MAGIC VERSION PROTO "}X\x0d\0\0\0little_endian\x89s.N.", "big-endian");
  REFUSED(MAGIC VERSION PROTO "N.N.", "big-endian");
  REFUSED("PK\3\4 and then nothing", "it begins as a zip archive");
}

/* Numbers that the element-wise reading of strides must not mix up: w is the transpose of what is stored. */
static void strides_are_followed(void **state) {
  (void)state;
  static const char bytes[] = HEAD DICT("w", TENSOR("K\x00", "K\x02K\x02\x86", "K\x01K\x02\x86")) TAIL;
  nd_safetensors *file;
  assert_int_equal(nd_pytorch_parse(bytes, sizeof bytes - 1, &file), 0);
  float w[4];
  assert_int_equal(nd_st_to_f32(nd_safetensors_find(file, "w"), w), 0);
  assert_true(w[0] == 1 && w[1] == 3 && w[2] == 2 && w[3] == 4);
  nd_safetensors_close(file);
}

/* ---- Too much of something ---- */

static void repeat(GByteArray *to, const char *what, size_t size, int times) {
  for (int i = 0; i < times; i++)
    g_byte_array_append(to, (const guint8 *)what, (guint)size);
}

static void expect_many(const char *before, const char *repeated, size_t size, int times,
                        const char *message) {
  g_autoptr(GByteArray) all = g_byte_array_new();
  g_byte_array_append(all, (const guint8 *)HEAD, sizeof HEAD - 1);
  g_byte_array_append(all, (const guint8 *)before, (guint)strlen(before));
  repeat(all, repeated, size, times);
  expect(-1, (const char *)all->data, all->len, message);
}

static void counts_have_limits(void **state) {
  (void)state;
  expect_many("", "N", 1, 3000000, "more than 2097152 values");
  expect_many("Nq\x01", "h\x01", 2, 3000000, "its stack grows");
  expect_many("", "(", 1, 3000000, "marks");
  expect_many("", "](", 2, 1000000, "was the file cut short?");
  /* a million tensors: distinct names, one storage */
  g_autoptr(GByteArray) all = g_byte_array_new();
  g_byte_array_append(all, (const guint8 *)HEAD "}", sizeof HEAD);
  static const char tensor[] = WHOLE "q\x01";
  g_byte_array_append(all, (const guint8 *)"U\x01w", 3);
  g_byte_array_append(all, (const guint8 *)tensor, sizeof tensor - 1);
  g_byte_array_append(all, (const guint8 *)"s", 1);
  for (int i = 0; i < 1000000; i++) {
    g_autofree char *entry = g_strdup_printf("U\x06%06dh\x01s", i);
    g_byte_array_append(all, (const guint8 *)entry, (guint)strlen(entry));
  }
  g_byte_array_append(all, (const guint8 *)"." TAIL, sizeof TAIL);
  expect(-1, (const char *)all->data, all->len, "more than 100000 tensors");
}

/* ---- Real files, damaged ---- */

static char *read_file(const char *name, gsize *n) {
  g_autofree char *path = g_build_filename("checkpoints", name, NULL);
  char *bytes;
  if (!g_file_get_contents(path, &bytes, n, NULL))
    fail_msg("'%s' is missing", path);
  return bytes;
}

static void cut_files_are_refused(void **state) {
  (void)state;
  static const char *const names[] = {"unet.pth", "swinir_old.pth", "unet_deflated.pth"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    gsize n;
    g_autofree char *bytes = read_file(names[i], &n);
    for (gsize keep = 4; keep < n; keep += 1 + n / 97)
      if (!parse(bytes, keep))
        fail_msg("%s: the first %zu bytes of %zu were read", names[i], keep, n);
    assert_int_equal(parse(bytes, n), 0);
  }
}

/* A changed byte is found by the checksum of an entry, or it does no harm; the sanitizers watch. */
static void changed_bytes_do_no_harm(void **state) {
  (void)state;
  static const char *const names[] = {"unet.pth", "dncnn_old.pth", "unet_deflated.pth"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    gsize n;
    g_autofree char *bytes = read_file(names[i], &n);
    for (gsize at = 0; at < n; at += 1 + n / 997) {
      bytes[at] ^= 0x15;
      parse(bytes, n);
      bytes[at] ^= 0x15;
    }
  }
}

static void archives_are_checked(void **state) {
  (void)state;
  gsize n;
  g_autofree char *longer = read_file("unet_longer.pth", &n);
  expect(-1, longer, n, "storage '0' has 220 bytes, its tensors need 216");
  g_autofree char *bomb = read_file("bomb.pth", &n);
  expect(-1, bomb, n, "20971520 bytes when unpacked, far more than the file suggests");
  g_autofree char *damaged = read_file("unet.pth", &n);
  char *numbers = memmem(damaged, n, "data/0", 6);
  assert_non_null(numbers);
  numbers[200] ^= 1; /* behind the entry's header and padding: within its 216 bytes */
  expect(-1, damaged, n, "entry 'unet/data/0' cannot be unpacked");
}

/* A file of HEAD and the rest, parsed: it looks into *bytes, which the caller frees after it. */
static nd_safetensors *parsed_behind_head(const char *body, size_t size, GByteArray **bytes) {
  nd_safetensors *file;
  *bytes = g_byte_array_new();
  g_byte_array_append(*bytes, (const guint8 *)HEAD, sizeof HEAD - 1);
  g_byte_array_append(*bytes, (const guint8 *)body, (guint)size);
  if (nd_pytorch_parse((const char *)(*bytes)->data, (*bytes)->len, &file))
    fail_msg("%s", nd_error());
  return file;
}

/* A second storage, '1', behind the first. */
#define OTHER(kind, count)                                                                                   \
  "(U\x07storagec" kind "\nU\x01"                                                                            \
  "1U\x03"                                                                                                   \
  "cpuK" count "NtQ"
#define TAIL_OF(count, bytes)                                                                                \
  PROTO "](U\x01"                                                                                            \
        "0U\x01"                                                                                             \
        "1e." COUNT NUMBERS count "\0\0\0\0\0\0\0" bytes
#define SHAPE "K\x00K\x02\x85K\x01\x85"
#define COMPLEX REBUILD "(" OTHER("torch\nComplexFloatStorage", "\x02") SHAPE "\x89}tR"
#define FLOAT8                                                                                               \
  "ctorch._utils\n_rebuild_tensor_v3\n(" OTHER("torch.storage\nUntypedStorage", "\x02") SHAPE                \
      "\x89}ctorch\nfloat8_e4m3fn\ntR"
#define QUANTISED "ctorch._utils\n_rebuild_qtensor\n(" OTHER("torch\nQUInt8Storage", "\x02") SHAPE ")\x89}tR"

typedef struct told {
  const char *body;
  size_t size;
  const char *unread; /* NULL: nothing was passed over */
} told;

/* What a training program adds of its own, and numbers that are not read here. */
static void weights_are_read_past_what_is_unknown(void **state) {
  (void)state;
#define TOLD(body, unread)                                                                                   \
  { body, sizeof body - 1, unread }
  static const told cases[] = {
      /* an enum, as Python up to 3.11 and from then on keeps one; a dictionary of a class of its own; what a
       * function of the program returned */
      TOLD("}(U\x01"
           "ecmine\nMode\nK\x01\x85RU\x01w" WHOLE "u." TAIL,
           NULL),
      TOLD("}(U\x01"
           "ecbuiltins\ngetattr\n(cmine\nMode\nU\x01"
           "atRU\x01w" WHOLE "u." TAIL,
           NULL),
      TOLD("cmine\nState\n)R}U\x01xK\x01sb(U\x01w" WHOLE "u." TAIL, NULL),
      TOLD("cmine\nState\n)\x81(U\x01w" WHOLE "u." TAIL, NULL),
      TOLD("}(U\x01xcmine\nmake\nK\x01\x85R}U\x01yK\x01sbU\x01w" WHOLE "u." TAIL, NULL),
      /* beside the dictionary of weights nobody asks for them */
      TOLD("}(U\x05modelcmine\nState\n)R(U\x01w" WHOLE "uU\x03"
           "fft" COMPLEX "u." TAIL_OF("\x02", NUMBERS),
           NULL),
      TOLD("}(U\x01"
           "c" COMPLEX "U\x01w" WHOLE "u." TAIL_OF("\x02", NUMBERS),
           "'c' (torch.complex64)"),
      TOLD("}(U\x01w" WHOLE "U\x01"
           "f" FLOAT8 "u." TAIL_OF("\x02", "12"),
           "'f' (torch.float8_e4m3fn)"),
      TOLD("}(U\x01w" WHOLE "U\x01q" QUANTISED "u." TAIL_OF("\x02", "12"),
           "'q' (torch._utils._rebuild_qtensor)"),
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GByteArray) bytes = NULL;
    nd_safetensors *file = parsed_behind_head(cases[i].body, cases[i].size, &bytes);
    float w[4];
    assert_int_equal(nd_safetensors_count(file), 1);
    assert_int_equal(nd_st_to_f32(nd_safetensors_find(file, "w"), w), 0);
    assert_true(w[0] == 1 && w[1] == 2 && w[2] == 3 && w[3] == 4);
    const char *format = nd_safetensors_metadata(file, "noiseda.source_format"),
               *said = strstr(format, "passed over, since such are not read: ");
    assert_int_equal(!said, !cases[i].unread);
    if (said)
      assert_string_equal(strchr(said, ':') + 2, cases[i].unread);
    nd_safetensors_close(file);
  }
}

/* A weight that is missing because it was passed over. */
static void a_weight_that_is_not_read_is_named(void **state) {
  (void)state;
  static const char bytes[] = HEAD "}(U\x01w" WHOLE "U\x01"
                                   "f" FLOAT8 "u." TAIL_OF("\x02", "12");
  g_autofree char *folder = g_dir_make_tmp("noiseda-XXXXXX", NULL),
                  *path = g_build_filename(folder, "m.pth", NULL);
  nd_model *m;
  assert_true(g_file_set_contents(path, bytes, sizeof bytes - 1, NULL));
  assert_int_equal(nd_model_load(path, &m), -1);
  if (!strstr(nd_error(), "without 'f' (torch.float8_e4m3fn), since such are not read"))
    fail_msg("%s", nd_error());
  g_remove(path);
  g_rmdir(folder);
}

/* Tensors and dictionaries that are no weights stand beside them. */
static void weights_are_found_beside_other_things(void **state) {
  (void)state;
#define WEIGHTS "U\x0astate_dict" DICT_INSIDE("w")
#define DICT_INSIDE(name) "}U\x01" name WHOLE "s"
  static const struct {
    const char *body;
    size_t size;
    const char *name;
  } cases[] = {
#define FOUND(body, name) {body, sizeof body - 1, name}
      FOUND("}(U\x01r" WHOLE WEIGHTS "u." TAIL, "w"),
      FOUND("}(U\x06params}U\x02lrK\x01s" WEIGHTS "u." TAIL, "w"),
      FOUND("}(U\x06params" DICT_INSIDE("p") WEIGHTS "u." TAIL, "p"),
      FOUND("}(U\x01r" WHOLE "U\x05model}U\x02lrK\x01su." TAIL, "r"),
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GByteArray) bytes = NULL;
    nd_safetensors *file = parsed_behind_head(cases[i].body, cases[i].size, &bytes);
    assert_int_equal(nd_safetensors_count(file), 1);
    assert_string_equal(nd_safetensors_at(file, 0)->name, cases[i].name);
    nd_safetensors_close(file);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(pickles_are_refused_for_what_they_are),
                                     cmocka_unit_test(heads_are_checked),
                                     cmocka_unit_test(weights_are_found_beside_other_things),
                                     cmocka_unit_test(weights_are_read_past_what_is_unknown),
                                     cmocka_unit_test(a_weight_that_is_not_read_is_named),
                                     cmocka_unit_test(strides_are_followed),
                                     cmocka_unit_test(counts_have_limits),
                                     cmocka_unit_test(cut_files_are_refused),
                                     cmocka_unit_test(changed_bytes_do_no_harm),
                                     cmocka_unit_test(archives_are_checked)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
