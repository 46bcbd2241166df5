/* EXIF of TIFF files, into and out of them. The files that are read are put together here, byte by byte;
 * those that are written are looked into with libtiff and, for the other formats, libexif as libvips has it.
 */
#include "fields.h"
#include "image/exif-private.h"

#include <tiffio.h>

/* ---- A TIFF file by hand ---- */
typedef struct hand {
  GByteArray *bytes, *directory;
  bool big_endian, big;
  unsigned entries;
} hand;

static void put(GByteArray *to, size_t bytes, bool big_endian, uint64_t value) {
  for (size_t i = 0; i < bytes; i++) {
    guint8 byte = (guint8)(value >> 8 * (big_endian ? bytes - 1 - i : i));
    g_byte_array_append(to, &byte, 1);
  }
}

static void begin_directory(hand *h) {
  h->directory = g_byte_array_new();
  h->entries = 0;
}

/* numbers: count of them, `size` bytes each. */
static void entry(hand *h, unsigned tag, unsigned type, unsigned count, size_t size, const uint32_t *numbers,
                  size_t n) {
  GByteArray *value = g_byte_array_new();
  size_t room = h->big ? 8 : 4;
  for (size_t i = 0; i < n; i++)
    put(value, size, h->big_endian, numbers[i]);
  put(h->directory, 2, h->big_endian, tag);
  put(h->directory, 2, h->big_endian, type);
  put(h->directory, room, h->big_endian, count);
  if (value->len > room) {
    put(h->directory, room, h->big_endian, h->bytes->len);
    g_byte_array_append(h->bytes, value->data, value->len);
    if (h->bytes->len % 2)
      put(h->bytes, 1, false, 0);
  } else {
    while (value->len < room)
      put(value, 1, false, 0);
    g_byte_array_append(h->directory, value->data, value->len);
  }
  g_byte_array_unref(value);
  h->entries++;
}

static void number(hand *h, unsigned tag, unsigned type, uint32_t value) {
  entry(h, tag, type, 1, type == 3 ? 2 : 4, &value, 1);
}

static void text(hand *h, unsigned tag, unsigned type, const char *s, size_t n) {
  uint32_t numbers[1024];
  for (size_t i = 0; i < n; i++)
    numbers[i] = (unsigned char)s[i];
  entry(h, tag, type, (unsigned)n, 1, numbers, n);
}

static uint32_t end_directory(hand *h) {
  uint32_t at = h->bytes->len;
  put(h->bytes, h->big ? 8 : 2, h->big_endian, h->entries);
  g_byte_array_append(h->bytes, h->directory->data, h->directory->len);
  put(h->bytes, h->big ? 8 : 4, h->big_endian, 0);
  g_byte_array_unref(h->directory);
  return at;
}

static uint32_t put_exif(hand *h) {
  begin_directory(h);
  entry(h, 0x829a, 5, 1, 4, (const uint32_t[]){1, 250}, 2);                          /* ExposureTime */
  entry(h, 0x829d, 5, 1, 4, (const uint32_t[]){28, 10}, 2);                          /* FNumber */
  number(h, 0x8827, 3, 640);                                                         /* ISOSpeedRatings */
  text(h, 0x9000, 7, "0232", 4);                                                     /* ExifVersion */
  text(h, 0x9003, 2, "2024:05:06 07:08:09", 20);                                     /* DateTimeOriginal */
  entry(h, 0x9204, 10, 1, 4, (const uint32_t[]){-1u, 3}, 2);                         /* ExposureBiasValue */
  text(h, 0x9286, 7, h->big_endian ? "UNICODE\0\0h\0\xe4" : "UNICODE\0h\0\xe4", 12); /* UserComment */
  number(h, 0xa002, 3, 99); /* PixelXDimension, wrong */
  number(h, 0xa003, 4, 98);
  return end_directory(h);
}

static uint32_t put_gps(hand *h) {
  begin_directory(h);
  text(h, 1, 2, "N", 2);
  entry(h, 2, 5, 3, 4, (const uint32_t[]){47, 1, 22, 1, 25, 2}, 6); /* GPSLatitude */
  return end_directory(h);
}

/* 3 x 2 pixels, to be turned by a quarter. */
static GByteArray *tiff_by_hand(bool big_endian, bool big) {
  hand h = {.bytes = g_byte_array_new(), .big_endian = big_endian, .big = big};
  put(h.bytes, 2, false, big_endian ? 0x4d4d : 0x4949);
  put(h.bytes, 2, big_endian, big ? 43 : 42);
  if (big) {
    put(h.bytes, 2, big_endian, 8);
    put(h.bytes, 2, big_endian, 0);
  }
  put(h.bytes, big ? 8 : 4, big_endian, 0); /* where the first directory is: later */
  uint32_t pixels = h.bytes->len;
  for (unsigned i = 0; i < 18; i++)
    put(h.bytes, 1, big_endian, i * 13);
  uint32_t exif = put_exif(&h), gps = put_gps(&h);
  begin_directory(&h);
  number(&h, 0x100, 3, 3);
  number(&h, 0x101, 3, 2);
  entry(&h, 0x102, 3, 3, 2, (const uint32_t[]){8, 8, 8}, 3);
  number(&h, 0x103, 3, 1);
  number(&h, 0x106, 3, 2);
  text(&h, 0x10f, 2, "Sonne & Co", 11);
  text(&h, 0x110, 2, "M7", 3);
  number(&h, 0x111, 4, pixels);
  number(&h, 0x112, 3, 6);
  number(&h, 0x115, 3, 3);
  number(&h, 0x116, 3, 2);
  number(&h, 0x117, 4, 18);
  entry(&h, 0x11a, 5, 1, 4, (const uint32_t[]){300, 1}, 2);
  entry(&h, 0x11b, 5, 1, 4, (const uint32_t[]){300, 1}, 2);
  number(&h, 0x128, 3, 2);
  number(&h, 0x8769, 4, exif);
  number(&h, 0x8825, big ? 13 : 4, gps);
  uint32_t first = end_directory(&h);
  GByteArray *at = g_byte_array_new();
  put(at, big ? 8 : 4, big_endian, first);
  memcpy(h.bytes->data + (big ? 8 : 4), at->data, at->len);
  g_byte_array_unref(at);
  return h.bytes;
}

/* ---- What is in a file ---- */
static void check_block(const char *path) {
  VipsImage *image = look_into(path);
  check_text(image, "exif-ifd0-Make", "Sonne & Co");
  check_text(image, "exif-ifd0-Model", "M7");
  check_text(image, "exif-ifd2-ExposureTime", "1/250");
  check_text(image, "exif-ifd2-FNumber", "28/10");
  check_text(image, "exif-ifd2-ISOSpeedRatings", "640");
  check_text(image, "exif-ifd2-DateTimeOriginal", "2024:05:06 07:08:09");
  check_text(image, "exif-ifd2-ExposureBiasValue", "-1/3");
  check_text(image, "exif-ifd2-PixelXDimension", "2");
  check_text(image, "exif-ifd2-PixelYDimension", "3");
  check_text(image, "exif-ifd3-GPSLatitude", "47/1 22/1 25/2");
  assert_int_equal(vips_image_get_orientation(image), 1);
  g_object_unref(image);
}

static void check_text_tag(TIFF *tiff, uint32_t tag, const char *expected) {
  const char *found = "missing";
  TIFFGetField(tiff, tag, &found);
  assert_string_equal(found, expected);
}

/* libtiff gives some as float and some as double, its versions not the same. */
static double rational(TIFF *tiff, uint32_t tag) {
  union {
    float f;
    double d;
  } value = {0};
  assert_int_equal(TIFFGetField(tiff, tag, &value), 1);
  return TIFFFieldSetGetSize(TIFFFieldWithTag(tiff, tag)) == 8 ? value.d : (double)value.f;
}

static void check_exif_directory(TIFF *tiff, bool by_hand) {
  uint16_t n = 0, *iso = NULL;
  uint32_t width = 0, height = 0;
  assert_true(fabs(rational(tiff, EXIFTAG_EXPOSURETIME) - 1 / 250.0) < 1e-9);
  assert_int_equal(TIFFGetField(tiff, EXIFTAG_ISOSPEEDRATINGS, &n, &iso), 1);
  assert_int_equal(n, 1);
  assert_int_equal(iso[0], 640);
  check_text_tag(tiff, EXIFTAG_DATETIMEORIGINAL, "2024:05:06 07:08:09");
  if (!by_hand)
    return;
  assert_true(fabs(rational(tiff, EXIFTAG_FNUMBER) - 2.8) < 1e-6);
  assert_int_equal(TIFFGetField(tiff, EXIFTAG_PIXELXDIMENSION, &width), 1);
  assert_int_equal(TIFFGetField(tiff, EXIFTAG_PIXELYDIMENSION, &height), 1);
  assert_int_equal(width, 2);
  assert_int_equal(height, 3);
}

static void check_comment(TIFF *tiff) {
  uint16_t n = 0;
  const unsigned char *comment;
  assert_int_equal(TIFFGetField(tiff, EXIFTAG_USERCOMMENT, &n, &comment), 1);
  assert_int_equal(n, 12);
  assert_memory_equal(comment, TIFFIsBigEndian(tiff) ? "UNICODE\0\0h\0\xe4" : "UNICODE\0h\0\xe4", 12);
}

static void check_latitude(TIFF *tiff) {
  double *latitude = NULL;
  check_text_tag(tiff, GPSTAG_LATITUDEREF, "N");
  assert_int_equal(TIFFGetField(tiff, GPSTAG_LATITUDE, &latitude), 1);
  assert_true(fabs(latitude[0] - 47) + fabs(latitude[1] - 22) + fabs(latitude[2] - 12.5) < 1e-6);
}

static TIFF *check_tiff(const char *path, const char *make, bool by_hand) {
  TIFF *tiff = TIFFOpen(path, "r");
  toff_t exif = 0, gps = 0;
  float resolution = 0;
  uint16_t orientation = 1;
  assert_non_null(tiff);
  check_text_tag(tiff, TIFFTAG_MAKE, make);
  assert_int_equal(TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &resolution), 1);
  assert_true(fabs(resolution - 300) < 0.1);
  TIFFGetField(tiff, TIFFTAG_ORIENTATION, &orientation);
  assert_int_equal(orientation, 1);
  assert_int_equal(TIFFGetField(tiff, TIFFTAG_EXIFIFD, &exif), 1);
  assert_int_equal(TIFFGetField(tiff, TIFFTAG_GPSIFD, &gps), 1);
  assert_int_equal(TIFFReadGPSDirectory(tiff, gps), 1);
  check_latitude(tiff);
  assert_int_equal(TIFFSetDirectory(tiff, 0), 1);
  assert_int_equal(TIFFReadEXIFDirectory(tiff, exif), 1);
  check_exif_directory(tiff, by_hand);
  return tiff;
}

/* ---- The tests ---- */
static void convert(void **state, const GByteArray *bytes, const char *name, nd_image *pixels) {
  g_autofree char *path = scratch_path(state, name);
  nd_image image, again;
  must(nd_image_decode(bytes->data, bytes->len, "by hand", &image));
  assert_int_equal(image.width, 2);
  assert_int_equal(image.height, 3);
  must(nd_image_save(path, &image, NULL));
  must(nd_image_load(path, &again));
  if (!g_str_has_suffix(name, ".jpg") && !g_str_has_suffix(name, ".webp"))
    assert_memory_equal(image.data, again.data, 18 * sizeof(float));
  nd_image_free(&again);
  *pixels = image;
}

static void exif_of_a_tiff_goes_everywhere(void **state) {
  static const char *const names[] = {"a.jpg", "a.png", "a.webp", "a.tif"};
  for (int form = 0; form < 4; form++) {
    GByteArray *bytes = tiff_by_hand(form & 1, form & 2);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
      g_autofree char *path = scratch_path(state, names[i]);
      nd_image image;
      convert(state, bytes, names[i], &image);
      nd_image_free(&image);
      if (i < 3) {
        check_block(path);
      } else {
        TIFF *tiff = check_tiff(path, "Sonne & Co", true);
        check_comment(tiff);
        TIFFClose(tiff);
      }
      g_unlink(path);
    }
    g_byte_array_unref(bytes);
  }
}

static void exif_of_a_jpeg_goes_into_a_tiff(void **state) {
  g_autofree char *from = golden_path("full.jpg"), *path = scratch_path(state, "a.tif");
  nd_image image;
  must(nd_image_load(from, &image));
  must(nd_image_save(path, &image, NULL));
  TIFFClose(check_tiff(path, "Sonne & Co", false));
  void *encoded;
  char *saved;
  size_t n, m;
  must(nd_image_encode(&image, ".tif", NULL, &encoded, &n)); /* into memory it is the same */
  assert_true(g_file_get_contents(path, &saved, &m, NULL));
  assert_int_equal(n, m);
  assert_memory_equal(encoded, saved, n);
  g_free(encoded);
  g_free(saved);
  nd_image_free(&image);
  g_unlink(path);
}

static void a_tiff_without_exif_stays_without(void **state) {
  g_autofree char *path = scratch_path(state, "a.tif");
  nd_image image;
  toff_t exif;
  char *make;
  must(nd_image_new(4, 4, 3, &image));
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  must(nd_image_load(path, &image));
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  TIFF *tiff = TIFFOpen(path, "r");
  assert_int_equal(TIFFGetField(tiff, TIFFTAG_EXIFIFD, &exif), 0);
  assert_int_equal(TIFFGetField(tiff, TIFFTAG_MAKE, &make), 0);
  TIFFClose(tiff);
  g_unlink(path);
}

/* In a file whose offsets have 64 bits. */
static void exif_goes_into_a_big_tiff(void **state) {
  for (int big_endian = 0; big_endian < 2; big_endian++) {
    g_autofree char *path = scratch_path(state, "big.tif");
    GByteArray *with = tiff_by_hand(true, false), *bytes;
    nd_exif *exif = nd_exif_read(&(nd_tiff_bytes){.memory = with->data, .size = with->len});
    TIFF *tiff = TIFFOpen(path, big_endian ? "w8b" : "w8l");
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 1);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 1);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_MAKE, "first come");
    TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 300.0);
    assert_true(TIFFWriteEncodedStrip(tiff, 0, (char[]){7}, 1) == 1);
    TIFFClose(tiff);
    gsize n;
    char *before;
    assert_true(g_file_get_contents(path, &before, &n, NULL));
    nd_exif_addition a;
    must(nd_exif_add(exif, &(nd_tiff_bytes){.memory = before, .size = n}, &a));
    bytes = g_byte_array_new_take((guint8 *)before, n);
    memcpy(bytes->data, a.head->data, a.head->len);
    g_byte_array_append(bytes, a.tail->data, a.tail->len);
    must(nd_file_write_atomic(path, bytes->data, bytes->len));
    tiff = check_tiff(path, "first come", false);
    assert_int_equal(TIFFIsBigEndian(tiff), big_endian);
    check_comment(tiff);
    TIFFClose(tiff);
    g_byte_array_unref(a.head);
    g_byte_array_unref(a.tail);
    g_byte_array_unref(bytes);
    g_byte_array_unref(with);
    nd_exif_free(exif);
    g_unlink(path);
  }
}

/* A block is to fit into a segment of JPEG. */
static void too_large_a_value_is_left_out(void **state) {
  (void)state;
  GByteArray *bytes = tiff_by_hand(false, false);
  nd_exif *exif = nd_exif_read(&(nd_tiff_bytes){.memory = bytes->data, .size = bytes->len});
  nd_exif_entry notes[2];
  for (int i = 0; i < 2; i++) {
    notes[i] = (nd_exif_entry){
        .tag = (uint16_t)(0x927c + i), .type = 7, .count = 40000, .size = 40000, .value = g_malloc0(40000)};
    g_array_append_val(exif->of[ND_EXIF_EXIF], notes[i]);
  }
  size_t n;
  void *block = nd_exif_pack(exif, &n);
  nd_exif *again = nd_exif_unpack(block, n);
  assert_true(n < 65500);
  assert_int_equal(again->of[ND_EXIF_EXIF]->len, exif->of[ND_EXIF_EXIF]->len - 2);
  assert_int_equal(again->of[ND_EXIF_GPS]->len, 2);
  nd_exif_free(again);
  nd_exif_free(exif);
  g_free(block);
  g_byte_array_unref(bytes);
}

/* Every byte wrong in turn, and every length: whatever is read can be written. */
static void nonsense_does_no_harm(void **state) {
  (void)state;
  GByteArray *bytes = tiff_by_hand(false, false);
  for (size_t i = 0; i < 2 * bytes->len; i++) {
    size_t at = i % bytes->len, n = i < bytes->len ? bytes->len : at;
    g_autofree unsigned char *copy = g_memdup2(bytes->data, MAX(n, 1));
    if (i < bytes->len)
      copy[at] = (unsigned char)(copy[at] ^ 0xff);
    nd_tiff_bytes file = {.memory = copy, .size = n};
    nd_exif *exif = nd_exif_read(&file);
    nd_exif_addition a;
    size_t size;
    if (!exif)
      continue;
    g_free(nd_exif_pack(exif, &size));
    if (!nd_exif_add(exif, &file, &a)) {
      g_byte_array_unref(a.head);
      g_byte_array_unref(a.tail);
    }
    nd_exif_free(exif);
  }
  g_byte_array_unref(bytes);
}

/* Directories that lead to each other. */
static void circles_end(void **state) {
  (void)state;
  static const unsigned char file[] = {'I', 'I', 42, 0, 8,   0, 0, 0, 2, 0,    0x69, 0x87, 4,
                                       0,   1,   0,  0, 0,   8, 0, 0, 0, 0x0f, 0x01, 2,    0,
                                       2,   0,   0,  0, 'A', 0, 0, 0, 0, 0,    0,    0};
  nd_exif *exif = nd_exif_read(&(nd_tiff_bytes){.memory = file, .size = sizeof file});
  assert_non_null(exif);
  assert_int_equal(exif->of[ND_EXIF_IFD0]->len, 1);
  nd_exif_free(exif);
}

int main(void) {
  if (nd_image_start())
    return 1;
  TIFFSetWarningHandler(NULL);
  const struct CMUnitTest tests[] = {
      IN_SCRATCH(exif_of_a_tiff_goes_everywhere),
      IN_SCRATCH(exif_of_a_jpeg_goes_into_a_tiff),
      IN_SCRATCH(a_tiff_without_exif_stays_without),
      IN_SCRATCH(exif_goes_into_a_big_tiff),
      cmocka_unit_test(too_large_a_value_is_left_out),
      cmocka_unit_test(nonsense_does_no_harm),
      cmocka_unit_test(circles_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
