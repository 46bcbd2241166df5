/* Reading at any place of what gzip files hold, which GLib packed. */
#include "base/gunzip.h"

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

enum { BYTES = 15 << 20, PIECE = 1 << 16 };

/* Some that can be packed, some that cannot. */
static char *make_bytes(void) {
  char *bytes = g_malloc(BYTES);
  guint32 x = 1;
  for (int i = 0; i < BYTES; i++) {
    x = x * 1664525 + 1013904223;
    bytes[i] = (char)(i >> 16 & 1 ? x >> 24 : 'a' + (x >> 30));
  }
  return bytes;
}

static void append_packed(GByteArray *out, const char *bytes, size_t n) {
  g_autoptr(GConverter) gzip = G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, 6));
  g_autofree char *piece = g_malloc(PIECE);
  for (GConverterResult r = G_CONVERTER_CONVERTED; r != G_CONVERTER_FINISHED;) {
    gsize taken, made;
    r = g_converter_convert(gzip, bytes, n, piece, PIECE, G_CONVERTER_INPUT_AT_END, &taken, &made, NULL);
    assert_int_not_equal(r, G_CONVERTER_ERROR);
    g_byte_array_append(out, (guint8 *)piece, (guint)made);
    bytes += taken;
    n -= taken;
  }
}

typedef struct packed {
  char *bytes, *path;
  GByteArray *file;
} packed;

/* parts: gzip files, one after the other. */
static packed pack(size_t parts) {
  packed p = {make_bytes(), NULL, g_byte_array_new()};
  for (size_t i = 0; i < parts; i++)
    append_packed(p.file, p.bytes + BYTES / parts * i, BYTES / parts);
  int fd = g_file_open_tmp("noiseda-XXXXXX", &p.path, NULL);
  assert_true(fd >= 0 && g_close(fd, NULL));
  return p;
}

static void write_first(const packed *p, size_t n) {
  assert_true(g_file_set_contents(p->path, (const char *)p->file->data, (gssize)n, NULL));
}

static void clear(packed *p) {
  g_unlink(p->path);
  g_free(p->path);
  g_free(p->bytes);
  g_byte_array_unref(p->file);
}

static void expect_bytes(nd_gunzip *g, const char *bytes, size_t at, size_t n) {
  g_autofree char *read = g_malloc(n);
  size_t got, there = at < BYTES ? MIN(n, BYTES - at) : 0;
  assert_int_equal(nd_gunzip_read(g, at, read, n, &got), 0);
  assert_int_equal(got, there);
  assert_memory_equal(read, bytes + MIN(at, BYTES), there);
}

static void any_place_is_read(void **state) {
  (void)state;
  for (size_t parts = 1; parts <= 3; parts += 2) {
    packed p = pack(parts);
    nd_gunzip *g;
    write_first(&p, p.file->len);
    assert_int_equal(nd_gunzip_open(p.path, &g), 0);
    expect_bytes(g, p.bytes, 9 << 20, 1000); /* before anything behind it is known */
    expect_bytes(g, p.bytes, 100, 70000);
    expect_bytes(g, p.bytes, 0, BYTES + 10);
    guint32 x = 7;
    for (int i = 0; i < 40; i++) {
      x = x * 1664525 + 1013904223;
      expect_bytes(g, p.bytes, x % BYTES, 1 + x % 200000);
    }
    expect_bytes(g, p.bytes, BYTES - 5, 100);
    expect_bytes(g, p.bytes, BYTES + 5, 100);
    expect_bytes(g, p.bytes, BYTES / 3 - 500, 1000); /* from one part to the next */
    nd_gunzip_close(g);
    clear(&p);
  }
}

static void expect_refused(const char *path, const char *part) {
  g_autofree char *read = g_malloc(BYTES);
  nd_gunzip *g;
  size_t got;
  assert_int_equal(nd_gunzip_open(path, &g), 0);
  assert_int_equal(nd_gunzip_read(g, 0, read, BYTES, &got) || nd_gunzip_read(g, BYTES, read, 1, &got), true);
  if (!strstr(nd_error(), part))
    fail_msg("the error lacks '%s': %s", part, nd_error());
  nd_gunzip_close(g);
}

static void damage_is_told(void **state) {
  (void)state;
  packed p = pack(1);
  write_first(&p, p.file->len - 20);
  expect_refused(p.path, "ends early");
  p.file->data[p.file->len - 6] ^= 1; /* of the checksum */
  write_first(&p, p.file->len);
  expect_refused(p.path, "incorrect data check");
  clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(any_place_is_read), cmocka_unit_test(damage_is_told)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
