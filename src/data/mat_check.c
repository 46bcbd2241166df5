/* Whether a .mat file (level 5) is whole: matio takes what is missing for zeros. */
#include "data/mat-private.h"

#include <gio/gio.h>
#include <string.h>

enum { HEADER = 128, TAG = 8, COMPRESSED = 15, PIECE = 1 << 16 };

typedef struct reading {
  const char *name;
  const unsigned char *bytes;
  size_t size;
  bool swapped; /* the other order of bytes */
} reading;

static guint32 number(const reading *r, size_t at) {
  guint32 n;
  memcpy(&n, r->bytes + at, sizeof n);
  return r->swapped ? GUINT32_SWAP_LE_BE(n) : n;
}

static int check_header(reading *r) {
  guint16 version, mark;
  if (r->size >= 8 &&
      (!memcmp(r->bytes, "\x89HDF", 4) || (r->size > 516 && !memcmp(r->bytes + 512, "\x89HDF", 4))))
    return nd_fail("'%s' is a MATLAB file of version 7.3 (HDF5), which is not read; save it with -v7",
                   r->name);
  if (r->size < HEADER)
    return nd_fail("'%s' is no MATLAB file: it has %zu bytes, the header alone has 128", r->name, r->size);
  memcpy(&version, r->bytes + 124, 2);
  memcpy(&mark, r->bytes + 126, 2);
  r->swapped = mark == GUINT16_SWAP_LE_BE(0x4d49);
  if ((mark != 0x4d49 && !r->swapped) || (r->swapped ? GUINT16_SWAP_LE_BE(version) : version) != 0x0100)
    return nd_fail("'%s' is no MATLAB file of version 5 to 7; save it with -v7", r->name);
  return 0;
}

/* To the end, where zlib compares the checksum. */
static int inflate_all(const reading *r, size_t at, size_t n) {
  g_autoptr(GConverter) zlib = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB));
  g_autofree char *piece = g_malloc(PIECE);
  GConverterResult result = G_CONVERTER_CONVERTED;
  while (result != G_CONVERTER_FINISHED) {
    g_autoptr(GError) error = NULL;
    gsize taken, made;
    result = g_converter_convert(zlib, r->bytes + at, n, piece, PIECE, G_CONVERTER_INPUT_AT_END, &taken,
                                 &made, &error);
    if (result == G_CONVERTER_ERROR)
      return nd_fail("'%s' is damaged: what it holds cannot be unpacked (%s)", r->name, error->message);
    at += taken;
    n -= taken;
  }
  return 0;
}

static int check_elements(const reading *r) {
  size_t at = HEADER;
  while (at < r->size) {
    size_t left = r->size - at, n = left < TAG ? 0 : number(r, at + 4);
    if (left < TAG || n > left - TAG)
      return nd_fail("'%s' is cut short: %zu bytes are missing", r->name,
                     left < TAG ? TAG - left : n - left + TAG);
    if (number(r, at) == COMPRESSED && inflate_all(r, at + TAG, n))
      return -1;
    at += TAG + n;
  }
  return 0;
}

static int open_file(const char *path, const char *called, GMappedFile **file, reading *r) {
  g_autoptr(GError) error = NULL;
  *file = g_mapped_file_new(path, FALSE, &error);
  if (!*file)
    return nd_fail("cannot read '%s': %s", called, error->message);
  *r = (reading){.name = called,
                 .bytes = (const unsigned char *)g_mapped_file_get_contents(*file),
                 .size = g_mapped_file_get_length(*file)};
  return check_header(r);
}

int nd_mat_check(const char *path, const char *called, bool all) {
  reading r = {0};
  GMappedFile *file;
  int failed = open_file(path, called, &file, &r);
  if (!failed && all)
    failed = check_elements(&r);
  if (file)
    g_mapped_file_unref(file);
  return failed;
}
