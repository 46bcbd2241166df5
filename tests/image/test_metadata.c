/* What comes with a picture survives load and save. Files are looked into with libvips itself. */
#include "fields.h"

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

int main(void) {
  if (nd_image_start())
    return 1;
  const struct CMUnitTest tests[] = {
      IN_SCRATCH(samples_of_grey_pictures_come_three_times),
      IN_SCRATCH(metadata_survives),
      IN_SCRATCH(upright_stays_upright),
      cmocka_unit_test(pixels_are_not_converted_by_a_profile),
      IN_SCRATCH(a_profile_for_other_pixels_stays_behind),
      IN_SCRATCH(the_old_thumbnail_goes),
      IN_SCRATCH(grey_and_alpha_keep_their_metadata),
      IN_SCRATCH(webp_loses_nothing_where_it_had_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
