/* IPTC's records and Photoshop's blocks, between JPEG, PNG and TIFF, which hold them differently. The files
 * that are read are put together here; those that are written are looked into byte by byte, TIFF with
 * libtiff, and PNG with libvips, whose libpng holds a chunk with a wrong checksum for none. */
#include "fields.h"

#include <tiffio.h>

static const char records[] = "\x1c\x02\x19\0\x04reef"; /* a keyword; 9 bytes */
enum { RECORDS = sizeof records - 1 };

/* ---- Blocks ---- */
static void put(GByteArray *to, const char *bytes, size_t n) {
  g_byte_array_append(to, (const guint8 *)bytes, (guint)n);
}

static void put_block(GByteArray *to, unsigned id, const char *data, size_t n) {
  const char head[] = {'8', 'B', 'I', 'M', (char)(id >> 8), (char)(id & 255), 3, 'a', 'b',
                       'c', 0,   0,   0,   (char)n};
  put(to, head, sizeof head);
  put(to, data, n);
  put(to, "", n % 2);
}

static GByteArray *blocks(bool with_records) {
  GByteArray *b = g_byte_array_new();
  put_block(b, 0x0bb7, "what is kept", 12);
  if (with_records)
    put_block(b, 0x0404, records, RECORDS);
  put_block(b, 0x040c, "thumbnail", 9);
  put_block(b, 0x03f3, "and this", 8);
  return b;
}

/* full.jpg with a segment of Photoshop in front. */
static GByteArray *jpeg_with_blocks(void) {
  size_t n;
  g_autofree char *plain = golden_bytes("full.jpg", &n);
  g_autoptr(GByteArray) b = blocks(true);
  GByteArray *jpeg = g_byte_array_new();
  put(jpeg, "\xff\xd8\xff\xed", 4);
  put(jpeg, (const char[]){0, (char)(2 + 14 + b->len)}, 2);
  put(jpeg, "Photoshop 3.0", 14);
  g_byte_array_append(jpeg, b->data, b->len);
  put(jpeg, plain + 2, n - 2);
  return jpeg;
}

/* A TIFF file as libtiff writes it; the records within the blocks alone, or in a tag of their own. */
static void write_tiff(const char *path, const char *mode, bool apart) {
  TIFF *tiff = TIFFOpen(path, mode);
  g_autoptr(GByteArray) b = blocks(!apart);
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 1);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 1);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  TIFFSetField(tiff, TIFFTAG_PHOTOSHOP, (uint32_t)b->len, b->data);
  if (apart)
    TIFFSetField(tiff, TIFFTAG_RICHTIFFIPTC, (uint32_t)RECORDS, records);
  assert_true(TIFFWriteEncodedStrip(tiff, 0, (char[]){7}, 1) == 1);
  TIFFClose(tiff);
}

/* ---- What is in a file ---- */
static void check_others(const void *bytes, size_t n) {
  static const char kept[] = "8BIM\x0b\xb7\3abc\0\0\0\x0cwhat is kept"
                             "8BIM\3\xf3\3abc\0\0\0\x08"
                             "and this";
  assert_non_null(memmem(bytes, n, kept, sizeof kept - 1));
  assert_null(memmem(bytes, n, "thumbnail", 9));
}

static void check_jpeg(const char *path) {
  char *bytes;
  gsize n;
  assert_true(g_file_get_contents(path, &bytes, &n, NULL));
  char *front = memmem(bytes, n, "Photoshop 3.0", 14);
  assert_non_null(front);
  assert_int_equal((unsigned char)front[-3], 0xed);
  assert_memory_equal(front + 14, "8BIM\4\4\0\0\0\0\0\x09\x1c\x02\x19\0\x04reef",
                      22); /* one byte of padding */
  check_others(bytes, n);
  g_free(bytes);
}

static void check_tiff(const char *path) {
  TIFF *tiff = TIFFOpen(path, "r");
  uint32_t n = 0;
  const char *found = NULL;
  assert_int_equal(TIFFGetField(tiff, TIFFTAG_RICHTIFFIPTC, &n, &found), 1);
  assert_true(n == 3 || n == 12); /* numbers of 4 bytes, or bytes: libtiff's versions differ */
  assert_memory_equal(found, "\x1c\x02\x19\0\x04reef\0\0", 12);
  assert_int_equal(TIFFGetField(tiff, TIFFTAG_PHOTOSHOP, &n, &found), 1);
  check_others(found, n);
  TIFFClose(tiff);
}

/* The text's digits are blocks as in JPEG. */
static void check_png(const char *path) {
  VipsImage *image = look_into(path);
  const char *text;
  assert_int_equal(vips_image_get_string(image, "png-comment-0-Raw profile type iptc", &text), 0);
  unsigned length, byte;
  int skipped;
  assert_int_equal(sscanf(text, "\niptc\n%8u%n", &length, &skipped), 1);
  g_autoptr(GByteArray) found = g_byte_array_new();
  for (const char *at = text + skipped; sscanf(at, " %2x%n", &byte, &skipped) == 1; at += skipped)
    put(found, (const char[]){(char)byte}, 1);
  assert_int_equal(found->len, length);
  assert_memory_equal(found->data, "8BIM\4\4\0\0\0\0\0\x09\x1c\x02\x19\0\x04reef", 22);
  check_others(found->data, found->len);
  assert_int_equal(vips_image_get_typeof(image, "png-comment-1-Raw profile type iptc"), 0);
  g_object_unref(image);
}

/* ---- The tests ---- */
static void save_and_check(void **state, const nd_image *image) {
  g_autofree char *jpeg = scratch_path(state, "a.jpg"), *tiff = scratch_path(state, "b.tif"),
                  *png = scratch_path(state, "c.png");
  nd_image again;
  must(nd_image_save(jpeg, image, NULL));
  check_jpeg(jpeg);
  must(nd_image_save(tiff, image, NULL));
  check_tiff(tiff);
  must(nd_image_load(tiff, &again));
  g_unlink(tiff);
  must(nd_image_save(tiff, &again, NULL)); /* a second time is no different */
  check_tiff(tiff);
  nd_image_free(&again);
  must(nd_image_save(png, image, NULL));
  check_png(png);
  must(nd_image_load(png, &again));
  g_unlink(png);
  must(nd_image_save(png, &again, NULL));
  check_png(png);
  must(nd_image_save(jpeg, &again, NULL));
  check_jpeg(jpeg);
  nd_image_free(&again);
  g_unlink(jpeg);
  g_unlink(tiff);
  g_unlink(png);
}

static void records_of_a_jpeg_go_everywhere(void **state) {
  g_autoptr(GByteArray) bytes = jpeg_with_blocks();
  nd_image image;
  must(nd_image_decode(bytes->data, bytes->len, "by hand", &image));
  save_and_check(state, &image);
  nd_image_free(&image);
}

static void records_of_a_tiff_go_everywhere(void **state) {
  static const char *const modes[] = {"wl", "wb", "w8l", "w8b"};
  g_autofree char *path = scratch_path(state, "from.tif");
  for (size_t i = 0; i < 2 * G_N_ELEMENTS(modes); i++) {
    nd_image image;
    write_tiff(path, modes[i / 2], i % 2);
    must(nd_image_load(path, &image));
    g_unlink(path);
    save_and_check(state, &image);
    nd_image_free(&image);
  }
}

/* Sizes that lead out of the segment end it. */
static void broken_blocks_do_no_harm(void **state) {
  g_autoptr(GByteArray) bytes = jpeg_with_blocks();
  g_autofree char *path = scratch_path(state, "a.tif");
  guint8 *first = memmem(bytes->data, bytes->len, "8BIM", 4);
  first[10] = 0x7f;
  nd_image image;
  must(nd_image_decode(bytes->data, bytes->len, "by hand", &image));
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  g_unlink(path);
}

/* Written by others: records alone, compressed; texts that are none stay what they are. */
static void texts_of_other_programs_are_read(void **state) {
  static const struct {
    const char *text;
    bool taken;
  } cases[] = {{"\niptc\n       9\n1c02190004\n72656566\n", true},
               {"\niptc\n      22\n3842494d0404000000000009\n1c0219000472656566\n00", true},
               {"\niptc\n       9\n1c021900047265\n", false},
               {"\niptc\n4000000000\n1c02190004\n72656566\n", false},
               {"\niptc\n       4\n72656566\n", false},
               {"reef", false},
               {"", false}};
  g_autofree char *path = scratch_path(state, "a.png"), *jpeg = scratch_path(state, "a.jpg");
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    VipsImage *black;
    assert_int_equal(vips_black(&black, 5, 4, NULL), 0);
    vips_image_set_string(black, "png-comment-0-Raw", cases[i].text); /* libvips writes no blanks */
    void *bytes;
    size_t n;
    assert_int_equal(vips_pngsave_buffer(black, &bytes, &n, NULL), 0);
    g_object_unref(black);
    nd_image image;
    must(nd_image_decode(bytes, n, "by libvips", &image));
    g_free(bytes);
    vips_image_set_string(image.meta, "png-comment-0-Raw profile type iptc", cases[i].text);
    must(nd_image_save(path, &image, NULL));
    nd_image_free(&image);
    must(nd_image_load(path, &image));
    must(nd_image_save(jpeg, &image, NULL));
    nd_image_free(&image);
    g_autofree char *written = NULL;
    assert_true(g_file_get_contents(jpeg, &written, &n, NULL));
    assert_true((memmem(written, n, records, RECORDS) != NULL) == cases[i].taken);
  }
  g_unlink(path);
  g_unlink(jpeg);
}

/* WebP has no place for records: each file says so, and one without any does not. */
static void keep_warning(nd_log_level level, const char *text, void *context) {
  if (level == ND_LOG_WARNING)
    g_string_append_printf(context, "%s\n", text);
}

static void captions_that_are_lost_are_said(void **state) {
  g_autofree char *path = scratch_path(state, "a.webp");
  g_autoptr(GString) said = g_string_new(NULL);
  g_autoptr(GByteArray) bytes = jpeg_with_blocks();
  nd_image with, without;
  must(nd_image_decode(bytes->data, bytes->len, "by hand", &with));
  must(nd_image_new(5, 4, 3, &without));
  nd_log_set_sink(keep_warning, said);
  must(nd_image_save(path, &with, NULL));
  must(nd_image_save(path, &without, NULL));
  g_autofree char *wanted = g_strdup_printf(
      "'%s' has no captions and keywords of IPTC: WebP holds none; PNG, JPEG and TIFF do\n", path);
  assert_string_equal(said->str, wanted);
  nd_log_set_sink(NULL, NULL);
  nd_image_free(&with);
  nd_image_free(&without);
  g_unlink(path);
}

int main(void) {
  nd_image_start();
  const struct CMUnitTest tests[] = {
      IN_SCRATCH(records_of_a_jpeg_go_everywhere), IN_SCRATCH(records_of_a_tiff_go_everywhere),
      IN_SCRATCH(broken_blocks_do_no_harm), IN_SCRATCH(texts_of_other_programs_are_read),
      IN_SCRATCH(captions_that_are_lost_are_said)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
