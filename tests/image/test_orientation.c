/* EXIF's orientation ends up in the pixels, and only there. Files are looked into with libvips itself. */
#include "fields.h"

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

int main(void) {
  if (nd_image_start())
    return 1;
  const struct CMUnitTest tests[] = {
      IN_SCRATCH(every_orientation_is_applied),
      IN_SCRATCH(pictures_of_many_strips_are_turned_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
