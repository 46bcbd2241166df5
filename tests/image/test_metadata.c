/* What comes with a picture survives load and save; orientation ends up in the pixels, and only there. Files
 * are looked into with libvips itself. */
#include "fields.h"

/* ---- Orientation ---- */
/* Where the pixel at (x, y) of the upright picture stands in the file, by EXIF's table; w, h: the file's
 * size. */
static size_t stored_at(int orientation, int x, int y, int w, int h) {
  switch (orientation) {
  case 2:
    return (size_t)(y * w + w - 1 - x);
  case 3:
    return (size_t)((h - 1 - y) * w + w - 1 - x);
  case 4:
    return (size_t)((h - 1 - y) * w + x);
  case 5:
    return (size_t)(x * w + y);
  case 6:
    return (size_t)((h - 1 - x) * w + y);
  case 7:
    return (size_t)((h - 1 - x) * w + w - 1 - y);
  case 8:
    return (size_t)(x * w + w - 1 - y);
  default:
    return (size_t)(y * w + x);
  }
}

/* full.jpg with its orientation, 6, replaced: tag 0x0112, type 3, one value; in either byte order. */
static char *with_orientation(int orientation, size_t *size) {
  static const unsigned char little[] = {0x12, 1, 3, 0, 1, 0, 0, 0}, big[] = {1, 0x12, 0, 3, 0, 0, 0, 1};
  char *bytes = golden_bytes("full.jpg", size);
  char *at = memmem(bytes, *size, little, 8);
  if (at) {
    assert_int_equal(at[8], 6);
    at[8] = (char)orientation;
  } else {
    assert_non_null(at = memmem(bytes, *size, big, 8));
    assert_int_equal(at[9], 6);
    at[9] = (char)orientation;
  }
  return bytes;
}

static void check_orientation(void **state, int orientation, const nd_image *stored) {
  size_t size;
  nd_image image;
  int width, height;
  g_autofree char *bytes = with_orientation(orientation, &size), *path = scratch_path(state, "turned.jpg");
  must(nd_file_write_atomic(path, bytes, size));
  must(nd_image_size(path, &width, &height));
  must(nd_image_load(path, &image));
  assert_int_equal(image.width, orientation > 4 ? stored->height : stored->width);
  assert_int_equal(image.height, orientation > 4 ? stored->width : stored->height);
  assert_int_equal(width, image.width);
  assert_int_equal(height, image.height);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      assert_memory_equal(image.data + 3 * (y * width + x),
                          stored->data + 3 * stored_at(orientation, x, y, stored->width, stored->height),
                          3 * sizeof(float));
  nd_image_free(&image);
  g_unlink(path);
}

static void every_orientation_is_applied(void **state) {
  nd_image stored;
  size_t size;
  g_autofree char *bytes = with_orientation(1, &size);
  must(nd_image_decode(bytes, size, "upright", &stored));
  for (int orientation = 1; orientation <= 8; orientation++)
    check_orientation(state, orientation, &stored);
  nd_image_free(&stored);
}

/* More rows and columns than are decoded at a time, 16 bits, with alpha: against the same pixels unturned. */
enum { WIDE = 150, HIGH = 131 };

static void save_turned(const char *path, int orientation) {
  uint16_t pixels[WIDE * HIGH * 4];
  for (int i = 0; i < WIDE * HIGH * 4; i++)
    pixels[i] = (uint16_t)(i * 40503);
  VipsImage *bare = vips_image_new_from_memory(pixels, sizeof pixels, WIDE, HIGH, 4, VIPS_FORMAT_USHORT),
            *image;
  assert_int_equal(
      vips_copy(bare, &image, "interpretation", VIPS_INTERPRETATION_RGB16, "xres", 20.0, "yres", 10.0, NULL),
      0);
  vips_image_set_int(image, VIPS_META_ORIENTATION, orientation);
  assert_int_equal(vips_image_write_to_file(image, path, NULL), 0);
  g_object_unref(image);
  g_object_unref(bare);
}

static void check_turned(const char *path, int orientation) {
  nd_image image;
  nd_raster *raster;
  must(nd_image_load(path, &image));
  must(nd_raster_load(path, NULL, 0, 0, &raster)); /* in a file */
  assert_int_equal(image.width, orientation > 4 ? HIGH : WIDE);
  assert_int_equal(nd_raster_shape_of(raster)->height, image.height);
  uint16_t row[3 * WIDE];
  for (int y = 0; y < image.height; y++) {
    must(nd_raster_get_samples(raster, y, row));
    for (int x = 0; x < image.width; x++) {
      size_t at = stored_at(orientation, x, y, WIDE, HIGH) * 4, pixel = (size_t)(y * image.width + x);
      float rgb[3], alpha;
      must(nd_raster_get(raster, y, x, 1, rgb, &alpha));
      for (size_t c = 0; c < 3; c++)
        assert_true(image.data[3 * pixel + c] == (float)(uint16_t)((at + c) * 40503) / 65535.0f &&
                    row[3 * (size_t)x + c] == (uint16_t)((at + c) * 40503));
      assert_true(image.alpha[pixel] == (float)(uint16_t)((at + 3) * 40503) / 65535.0f);
      assert_memory_equal(rgb, image.data + 3 * pixel, sizeof rgb);
      assert_memory_equal(&alpha, image.alpha + pixel, sizeof alpha);
    }
  }
  nd_raster_free(raster);
  nd_image_free(&image);
}

/* Twice as many pixels a millimetre along what were rows. */
static void check_density(const char *path, int orientation) {
  nd_image image;
  must(nd_image_load(path, &image));
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  VipsImage *saved = look_into(path);
  assert_true(fabs(vips_image_get_xres(saved) / vips_image_get_yres(saved) - (orientation > 4 ? 0.5 : 2)) <
              1e-3);
  g_object_unref(saved);
}

static void pictures_of_many_strips_are_turned_too(void **state) {
  g_autofree char *path = scratch_path(state, "turned.tif"), *jpeg = scratch_path(state, "turned.jpg");
  for (int orientation = 1; orientation <= 8; orientation++) {
    save_turned(path, orientation);
    check_turned(path, orientation);
    check_density(path, orientation);
    save_turned(jpeg, orientation); /* whose EXIF says it too */
    check_density(jpeg, orientation);
  }
  g_unlink(jpeg);
  g_unlink(path);
}

static void samples_of_grey_pictures_come_three_times(void **state) {
  g_autofree char *path = scratch_path(state, "grey.png");
  uint8_t row[3 * 5];
  nd_image image;
  nd_raster *raster;
  must(nd_image_new(5, 3, 1, &image));
  for (int i = 0; i < 15; i++)
    image.data[i] = (float)(17 * i) / 255;
  must(nd_image_save(path, &image, NULL));
  must(nd_raster_load(path, NULL, 0, SIZE_MAX, &raster));
  for (int y = 0; y < 3; y++) {
    must(nd_raster_get_samples(raster, y, row));
    for (int i = 0; i < 15; i++)
      assert_int_equal(row[i], 17 * (5 * y + i / 3));
  }
  nd_raster_free(raster);
  nd_image_free(&image);
  g_unlink(path);
}

/* ---- What is kept ---- */
static char *save_full_as(void **state, const char *name) {
  g_autofree char *from = golden_path("full.jpg");
  char *path = scratch_path(state, name);
  nd_image image;
  must(nd_image_load(from, &image));
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  return path;
}

static void check_exif(VipsImage *image) {
  check_text(image, "exif-ifd0-Make", "Sonne & Co");
  check_text(image, "exif-ifd0-Model", "Model 7");
  check_text(image, "exif-ifd2-ISOSpeedRatings", "640");
  check_text(image, "exif-ifd2-ExposureTime", "1/250");
  check_text(image, "exif-ifd2-DateTimeOriginal", "2024:05:06 07:08:09");
  check_text(image, "exif-ifd3-GPSLatitude", "47/1 22/1 25/2");
  assert_int_equal(vips_image_get_orientation(image), 1);
}

static void check_xmp(VipsImage *image) {
  const void *xmp;
  size_t n;
  assert_int_equal(vips_image_get_blob(image, VIPS_META_XMP_NAME, &xmp, &n), 0);
  assert_non_null(memmem(xmp, n, "someone", 7));
  assert_non_null(memmem(xmp, n, "tiff:Orientation=\"1\"", 20));
}

static void check_profile(VipsImage *image, VipsImage *original) {
  const void *a, *b;
  size_t n, m;
  assert_int_equal(vips_image_get_blob(image, VIPS_META_ICC_NAME, &a, &n), 0);
  assert_int_equal(vips_image_get_blob(original, VIPS_META_ICC_NAME, &b, &m), 0);
  assert_int_equal(n, m);
  assert_memory_equal(a, b, n);
}

static void metadata_survives(void **state) {
  static const struct {
    const char *name;
    bool exif, resolution; /* as libvips shows them */
  } cases[] = {{"a.jpg", true, true}, {"a.png", true, true}, {"a.webp", true, false}, {"a.tif", false, true}};
  g_autofree char *original_path = golden_path("full.jpg");
  VipsImage *original = look_into(original_path);
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *path = save_full_as(state, cases[i].name);
    VipsImage *image = look_into(path);
    if (cases[i].exif)
      check_exif(image);
    check_xmp(image);
    check_profile(image, original);
    if (cases[i].resolution)
      assert_true(fabs(vips_image_get_xres(image) - 300 / 25.4) < 0.01);
    g_object_unref(image);
    g_unlink(path);
  }
  g_object_unref(original);
}

/* Twice through the program is no different from once. */
static void upright_stays_upright(void **state) {
  g_autofree char *path = save_full_as(state, "a.png");
  nd_image once, twice;
  must(nd_image_load(path, &once));
  must(nd_image_save(path, &once, NULL));
  must(nd_image_load(path, &twice));
  assert_int_equal(once.width, 16);
  assert_int_equal(twice.width, 16);
  assert_memory_equal(once.data, twice.data, (size_t)once.width * (size_t)once.height * 3 * sizeof(float));
  nd_image_free(&once);
  nd_image_free(&twice);
  g_unlink(path);
}

static void pixels_are_not_converted_by_a_profile(void **state) {
  (void)state;
  g_autofree char *path = golden_path("full.jpg");
  nd_image with, without;
  size_t size;
  g_autofree char *bytes = golden_bytes("full.jpg", &size);
  char *marker = memmem(bytes, size, "ICC_PROFILE", 11);
  must(nd_image_load(path, &with));
  assert_non_null(marker);
  memcpy(marker, "XXX", 3);
  must(nd_image_decode(bytes, size, "no profile", &without));
  assert_memory_equal(with.data, without.data, (size_t)with.width * (size_t)with.height * 3 * sizeof(float));
  nd_image_free(&with);
  nd_image_free(&without);
}

/* An RGB picture's profile must not end up on a grey one. */
static void a_profile_for_other_pixels_stays_behind(void **state) {
  g_autofree char *from = golden_path("full.jpg"), *path = scratch_path(state, "grey.jpg");
  nd_image image, grey;
  must(nd_image_load(from, &image));
  must(nd_image_new(image.width, image.height, 1, &grey));
  grey.meta = image.meta;
  image.meta = NULL;
  must(nd_image_save(path, &grey, NULL));
  VipsImage *saved = look_into(path);
  assert_int_equal(vips_image_get_typeof(saved, VIPS_META_ICC_NAME), 0);
  check_text(saved, "exif-ifd0-Make", "Sonne & Co");
  g_object_unref(saved);
  nd_image_free(&image);
  nd_image_free(&grey);
  g_unlink(path);
}

/* A thumbnail shows the picture as it was before. */
static char *file_with_thumbnail(void **state) {
  g_autofree char *from = golden_path("full.jpg");
  char *path = scratch_path(state, "thumbnail.jpg");
  VipsImage *image = look_into(from), *copy;
  size_t n;
  g_autofree char *small = golden_bytes("l.jpg", &n);
  assert_int_equal(vips_copy(image, &copy, NULL), 0);
  vips_image_set_blob_copy(copy, "jpeg-thumbnail-data", small, n);
  assert_int_equal(vips_image_write_to_file(copy, path, NULL), 0);
  g_object_unref(copy);
  g_object_unref(image);
  return path;
}

static size_t thumbnail_size(const char *path) {
  VipsImage *image = look_into(path);
  const void *bytes;
  size_t n = 0;
  bool found = !vips_image_get_blob(image, "jpeg-thumbnail-data", &bytes, &n);
  g_object_unref(image);
  return found ? n : 0;
}

static void the_old_thumbnail_goes(void **state) {
  g_autofree char *path = file_with_thumbnail(state);
  assert_true(thumbnail_size(path) > 0);
  nd_image image;
  must(nd_image_load(path, &image));
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  assert_int_equal(thumbnail_size(path), 0);
  VipsImage *after = look_into(path);
  check_exif(after);
  g_object_unref(after);
  g_unlink(path);
}

/* libvips reads keywords with blanks, and writes them without what follows; UTF-8 it writes as Latin-1. */
static void texts_keep_their_keywords_and_letters(void **state) {
  static const char *const texts[][3] = {{"png-comment-0-Author", "nobody", "tEXt"},
                                         {"png-comment-1-Creation Time", "1 Jan 2000", "tEXt"},
                                         {"png-comment-2-Title", "M\xc3\xb6we", "iTXt"}};
  g_autofree char *path = scratch_path(state, "a.png");
  nd_image image;
  g_autofree char *golden = golden_path("rgb8.png");
  must(nd_image_load(golden, &image));
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    vips_image_set_string(image.meta, texts[i][0], texts[i][1]);
  for (int round = 0; round < 2; round++) { /* the second time of what was read */
    must(nd_image_save(path, &image, NULL));
    nd_image_free(&image);
    g_autofree char *bytes = NULL;
    size_t n;
    assert_true(g_file_get_contents(path, &bytes, &n, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
      const char *keyword = strrchr(texts[i][0], '-') + 1, *at = memmem(bytes, n, keyword, strlen(keyword));
      assert_non_null(at);
      assert_memory_equal(at - 4, texts[i][2], 4);
      assert_int_equal(at[strlen(keyword)], 0);
    }
    must(nd_image_load(path, &image));
    VipsImage *saved = look_into(path);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
      const char *text;
      assert_int_equal(vips_image_get_string(saved, texts[i][0], &text), 0);
      assert_string_equal(text, texts[i][1]);
    }
    g_object_unref(saved);
  }
  nd_image_free(&image);
  g_unlink(path);
}

/* As PNG means it to be; here in place of a text of ASCII. */
static void a_text_in_latin_is_read(void **state) {
  g_autofree char *path = scratch_path(state, "a.png"), *golden = golden_path("rgb8.png"), *bytes = NULL;
  size_t n;
  nd_image image;
  must(nd_image_load(golden, &image));
  vips_image_set_string(image.meta, "png-comment-0-Source", "Koeln");
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  assert_true(g_file_get_contents(path, &bytes, &n, NULL));
  unsigned char *chunk = memmem(bytes, n, "tEXtSource", 10);
  assert_non_null(chunk);
  memcpy(chunk + 11, "K\xf6ln!", 5);
  uint32_t sum = GUINT32_TO_BE(nd_crc32(chunk, 4 + 7 + 5));
  memcpy(chunk + 16, &sum, sizeof sum);
  must(nd_image_decode(bytes, n, "Latin-1", &image));
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  VipsImage *saved = look_into(path);
  check_text(saved, "png-comment-0-Source", "K\xc3\xb6ln!");
  g_object_unref(saved);
  g_unlink(path);
}

static void grey_and_alpha_keep_their_metadata(void **state) {
  g_autofree char *path = scratch_path(state, "a.png");
  VipsImage *plain, *with;
  assert_int_equal(vips_black(&plain, 5, 4, "bands", 2, NULL), 0);
  assert_int_equal(
      vips_copy(plain, &with, "interpretation", VIPS_INTERPRETATION_B_W, "xres", 20.0, "yres", 10.0, NULL),
      0);
  vips_image_set_string(with, "png-comment-0-Author", "nobody");
  assert_int_equal(vips_image_write_to_file(with, path, NULL), 0);
  nd_image image;
  must(nd_image_load(path, &image));
  assert_non_null(image.alpha);
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  VipsImage *saved = look_into(path);
  check_text(saved, "png-comment-0-Author", "nobody");
  assert_true(fabs(vips_image_get_xres(saved) - 20) < 1e-6 && fabs(vips_image_get_yres(saved) - 10) < 1e-6);
  g_object_unref(saved);
  g_object_unref(with);
  g_object_unref(plain);
  g_unlink(path);
}

/* ---- WebP that loses nothing ---- */
/* A picture with detail, as a WebP file of libvips; a profile makes the file begin with other chunks, and so
 * does an animation: the upper half, then the lower one. */
static void write_webp(const char *path, bool lossless, bool profile, bool animation) {
  enum { SIDE = 40 };
  unsigned char pixels[SIDE * SIDE * 3];
  for (int i = 0; i < SIDE * SIDE * 3; i++)
    pixels[i] = (unsigned char)(i * 2654435761u >> 24);
  VipsImage *image = vips_image_new_from_memory(pixels, sizeof pixels, SIDE, SIDE, 3, VIPS_FORMAT_UCHAR),
            *srgb;
  assert_non_null(image);
  assert_int_equal(vips_copy(image, &srgb, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), 0);
  if (animation)
    vips_image_set_int(srgb, VIPS_META_PAGE_HEIGHT, SIDE / 2);
  assert_int_equal(
      vips_webpsave(srgb, path, "lossless", lossless, "profile", profile ? "srgb" : "none", NULL), 0);
  g_object_unref(srgb);
  g_object_unref(image);
}

/* Whether a picture that was read from path is the same after it was written as WebP and read again. */
static bool survives(const char *path, int quality) {
  nd_image image, again;
  void *bytes;
  size_t size;
  must(nd_image_load(path, &image));
  must(nd_image_encode(&image, ".webp", &(nd_save_options){.quality = quality}, &bytes, &size));
  must(nd_image_decode(bytes, size, "again", &again));
  bool same =
      !memcmp(image.data, again.data, (size_t)image.width * (size_t)image.height * 3 * sizeof *image.data);
  nd_image_free(&image);
  nd_image_free(&again);
  g_free(bytes);
  return same;
}

static void webp_loses_nothing_where_it_had_not(void **state) {
  g_autofree char *path = scratch_path(state, "a.webp");
  for (int kind = 0; kind < 4; kind++) {
    write_webp(path, true, kind & 1, kind & 2);
    assert_true(survives(path, 0));
    assert_false(survives(path, 95)); /* asked for */
    write_webp(path, false, kind & 1, kind & 2);
    assert_false(survives(path, 0));
  }
  g_unlink(path);
}

/* ---- Colours that PNG tells by numbers ---- */
static void put_number(GByteArray *to, uint32_t x) {
  uint32_t big = GUINT32_TO_BE(x);
  g_byte_array_append(to, (guint8 *)&big, sizeof big);
}

static uint32_t checksum(const guint8 *bytes, size_t n) {
  uint32_t c = ~0u;
  for (size_t i = 0; i < n; i++) {
    c ^= bytes[i];
    for (int k = 0; k < 8; k++)
      c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
  }
  return ~c;
}

/* A chunk of numbers, or of one byte, 0. */
static void put_chunk(GByteArray *png, const char *type, const uint32_t *numbers, size_t count) {
  size_t n = numbers ? 4 * count : 1;
  put_number(png, (uint32_t)n);
  g_byte_array_append(png, (const guint8 *)type, 4);
  for (size_t i = 0; numbers && i < count; i++)
    put_number(png, numbers[i]);
  if (!numbers)
    g_byte_array_append(png, (const guint8 *)"", 1);
  put_number(png, checksum(png->data + png->len - 4 - n, n + 4));
}

/* Values along x, on a picture of one row; chunks after the header, where they are not 0. */
static void write_colours(const char *path, int bands, uint32_t gamma, const uint32_t *primaries, bool srgb) {
  enum { HEADER = 33 };
  unsigned char pixels[3 * 256];
  for (int i = 0; i < 256 * bands; i++)
    pixels[i] = (unsigned char)(i / bands);
  VipsImage *bare = vips_image_new_from_memory(pixels, sizeof pixels, 256, 1, bands, VIPS_FORMAT_UCHAR),
            *image;
  VipsInterpretation kind = bands == 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
  void *bytes;
  size_t size;
  assert_int_equal(vips_copy(bare, &image, "interpretation", kind, NULL), 0);
  assert_int_equal(vips_pngsave_buffer(image, &bytes, &size, NULL), 0);
  g_autoptr(GByteArray) png = g_byte_array_new();
  g_byte_array_append(png, bytes, HEADER);
  if (gamma)
    put_chunk(png, "gAMA", &gamma, 1);
  if (primaries)
    put_chunk(png, "cHRM", primaries, 8);
  if (srgb)
    put_chunk(png, "sRGB", NULL, 0);
  g_byte_array_append(png, (guint8 *)bytes + HEADER, (guint)size - HEADER);
  must(nd_file_write_atomic(path, png->data, png->len));
  g_free(bytes);
  g_object_unref(image);
  g_object_unref(bare);
}

static void look_for_frames(nd_log_level level, const char *message, void *found) {
  *(bool *)found |= level == ND_LOG_WARNING && strstr(message, "holds 7 pictures; the first is read");
}

/* Whatever stands before. */
static void frames_of_an_animation_are_mentioned(void **state) {
  enum { HEADER = 33 };
  g_autofree char *path = scratch_path(state, "a.png"), *bytes = NULL;
  g_autoptr(GByteArray) animation = g_byte_array_new();
  gsize n;
  bool found = false;
  nd_image image;
  write_colours(path, 3, 0, NULL, false);
  assert_true(g_file_get_contents(path, &bytes, &n, NULL));
  g_byte_array_append(animation, (guint8 *)bytes, HEADER);
  put_chunk(animation, "sRGB", NULL, 0);
  put_chunk(animation, "acTL", (const uint32_t[]){7, 0}, 2);
  g_byte_array_append(animation, (guint8 *)bytes + HEADER, (guint)(n - HEADER));
  nd_log_set_sink(look_for_frames, &found);
  must(nd_image_load(path, &image));
  assert_false(found);
  nd_image_free(&image);
  must(nd_image_decode(animation->data, animation->len, "animation", &image));
  assert_true(found);
  nd_image_free(&image);
  nd_log_set_sink(NULL, NULL);
  g_unlink(path);
}

/* ---- JPEG with other pictures behind the picture ---- */
static void put_bytes(GByteArray *to, bool big, uint32_t x, int n) {
  for (int i = 0; i < n; i++) {
    guint8 byte = (guint8)(x >> 8 * (big ? n - 1 - i : i));
    g_byte_array_append(to, &byte, 1);
  }
}

/* A segment that tells of pictures of these kinds (CIPA DC-007, 5.2), behind one that tells nothing. */
static GByteArray *with_pictures(const GByteArray *jpeg, bool big, const uint32_t *kinds, uint32_t count) {
  enum { DIRECTORY = 8, ENTRIES = DIRECTORY + 2 + 3 * 12 + 4 };
  GByteArray *out = g_byte_array_new();
  g_byte_array_append(out, jpeg->data, 2);
  g_byte_array_append(out,
                      (const guint8 *)"\xff\xe2\0\x06"
                                      "MPX",
                      7);
  g_byte_array_append(out, (const guint8 *)"\0\xff\xe2", 3);
  put_bytes(out, true, 2 + 4 + ENTRIES + 16 * count, 2);
  g_byte_array_append(out, (const guint8 *)"MPF", 4);
  g_byte_array_append(out, (const guint8 *)(big ? "MM\0*" : "II*"), 4);
  put_bytes(out, big, DIRECTORY, 4);
  const uint32_t directory[3][3] = {{0xb000 | 7 << 16, 4, 0x30303130},
                                    {0xb001 | 4 << 16, 1, count},
                                    {0xb002 | 7 << 16, 16 * count, ENTRIES}};
  put_bytes(out, big, 3, 2);
  for (int i = 0; i < 3; i++) {
    put_bytes(out, big, directory[i][0] & 0xffff, 2);
    put_bytes(out, big, directory[i][0] >> 16, 2);
    put_bytes(out, big, directory[i][1], 4);
    put_bytes(out, big, directory[i][2], 4);
  }
  put_bytes(out, big, 0, 4);
  for (uint32_t i = 0; i < count; i++) {
    put_bytes(out, big, kinds[i], 4);
    for (int k = 0; k < 3; k++)
      put_bytes(out, big, 0, 4);
  }
  g_byte_array_append(out, jpeg->data + 2, jpeg->len - 2);
  return out;
}

static void count_warnings(nd_log_level level, const char *message, void *said) {
  if (level == ND_LOG_WARNING && strstr(message, "holds 2 pictures; the first is read"))
    ++*(int *)said;
}

static void pictures_behind_a_jpeg_are_mentioned(void **state) {
  static const uint32_t primary = 0x20030000, gain_map = 0, preview = 0x10002;
  static const struct {
    uint32_t kinds[3], count;
    int said;
  } cases[] = {{{primary, gain_map}, 2, 1}, {{primary, preview}, 2, 0}, {{primary, preview, gain_map}, 3, 1}};
  (void)state;
  nd_image image;
  void *bytes;
  size_t n;
  must(nd_image_new(16, 16, 3, &image));
  must(nd_image_encode(&image, ".jpg", NULL, &bytes, &n));
  nd_image_free(&image);
  g_autoptr(GByteArray) jpeg = g_byte_array_new_take(bytes, n);
  for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
    int said = 0;
    g_autoptr(GByteArray) file = with_pictures(jpeg, i % 2, cases[i / 2].kinds, cases[i / 2].count);
    nd_log_set_sink(count_warnings, &said);
    must(nd_image_decode(file->data, file->len, "a.jpg", &image));
    nd_log_set_sink(NULL, NULL);
    nd_image_free(&image);
    assert_int_equal(said, cases[i / 2].said);
  }
}

/* Next to black lcms, asked for 8 bits, interpolates roughly. */
enum { DARK = 3 * 32 };

/* What was read of `from` and written to `to`, as a viewer shows it: RGB or grey samples of sRGB, 256 of
 * them; NULL: no profile. g_free. */
static unsigned char *as_shown(const char *from, const char *to) {
  nd_image image;
  size_t n;
  must(nd_image_load(from, &image));
  must(nd_image_save(to, &image, NULL));
  nd_image_free(&image);
  VipsImage *file = look_into(to), *shown = NULL;
  unsigned char *samples = NULL;
  if (vips_image_get_typeof(file, VIPS_META_ICC_NAME)) {
    assert_int_equal(
        vips_icc_transform(file, &shown, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE, NULL), 0);
    samples = vips_image_write_to_memory(shown, &n);
    assert_int_equal(n, 3 * 256);
    g_object_unref(shown);
  }
  g_object_unref(file);
  return samples;
}

static double srgb_of(double light) {
  return 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055);
}

static void gamma_becomes_a_profile(void **state) {
  static const uint32_t gammas[] = {100000, 55556};
  g_autofree char *from = scratch_path(state, "a.png"), *png = scratch_path(state, "b.png"),
                  *tiff = scratch_path(state, "b.tif");
  for (size_t k = 0; k < G_N_ELEMENTS(gammas); k++)
    for (int bands = 1; bands <= 3; bands += 2) {
      write_colours(from, bands, gammas[k], NULL, false);
      g_autofree unsigned char *shown = as_shown(from, k ? tiff : png);
      assert_non_null(shown);
      for (int i = DARK; i < 3 * 256; i++)
        if (fabs(shown[i] - srgb_of(pow(i / 3 / 255.0, 1e5 / gammas[k]))) > 1.5)
          fail_msg("gamma %u, %d bands: %d is shown as %d", gammas[k], bands, i / 3, shown[i]);
    }
  g_unlink(from), g_unlink(png), g_unlink(tiff);
}

/* Adobe RGB's green lies outside of sRGB: greys stay, and red of it is brighter red. */
static void primaries_become_a_profile(void **state) {
  static const uint32_t adobe[] = {31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000},
                        usual[] = {31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000};
  g_autofree char *from = scratch_path(state, "a.png"), *to = scratch_path(state, "b.png");
  write_colours(from, 3, 45470, adobe, false);
  g_autofree unsigned char *shown = as_shown(from, to);
  assert_non_null(shown);
  for (int i = 0; i < 3 * 256; i++)
    assert_true(fabs(shown[i] - srgb_of(pow(i / 3 / 255.0, 2.1993))) <= 1.5);
  write_colours(from, 3, 45455, usual, false);
  assert_null(as_shown(from, to));
  write_colours(from, 3, 100000, adobe, true); /* sRGB's word counts */
  assert_null(as_shown(from, to));
  write_colours(from, 3, 0, adobe, false);
  assert_null(as_shown(from, to));
  write_colours(from, 3, 100000, (const uint32_t[8]){0}, false); /* of no colours */
  assert_null(as_shown(from, to));
  g_unlink(from), g_unlink(to);
}

int main(void) {
  if (nd_image_start())
    return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_enter, scratch_leave)
  const struct CMUnitTest tests[] = {
      IN_SCRATCH(every_orientation_is_applied),
      IN_SCRATCH(pictures_of_many_strips_are_turned_too),
      IN_SCRATCH(samples_of_grey_pictures_come_three_times),
      IN_SCRATCH(metadata_survives),
      IN_SCRATCH(upright_stays_upright),
      cmocka_unit_test(pixels_are_not_converted_by_a_profile),
      IN_SCRATCH(a_profile_for_other_pixels_stays_behind),
      IN_SCRATCH(the_old_thumbnail_goes),
      IN_SCRATCH(grey_and_alpha_keep_their_metadata),
      IN_SCRATCH(a_text_in_latin_is_read),
      IN_SCRATCH(texts_keep_their_keywords_and_letters),
      IN_SCRATCH(webp_loses_nothing_where_it_had_not),
      IN_SCRATCH(frames_of_an_animation_are_mentioned),
      IN_SCRATCH(pictures_behind_a_jpeg_are_mentioned),
      IN_SCRATCH(gamma_becomes_a_profile),
      IN_SCRATCH(primaries_become_a_profile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
