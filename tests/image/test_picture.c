/* Pictures to files and back. */
#include "image/image.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <vips/vips.h>
#include <cmocka.h>

static char *folder;

static int setup(void **state) {
  (void)state;
  nd_image_start();
  folder = g_dir_make_tmp("nd-picture-XXXXXX", NULL);
  return g_chdir(folder);
}

static int teardown(void **state) {
  (void)state;
  GDir *dir = g_dir_open(".", 0, NULL);
  for (const char *name; (name = g_dir_read_name(dir));)
    g_remove(name);
  g_dir_close(dir);
  int failed = g_chdir("/") || g_rmdir(folder);
  g_free(folder);
  return failed;
}

/* Values that `levels` steps can hold. */
static nd_image made(int channels, int bits, bool alpha) {
  nd_image image;
  assert_int_equal(nd_image_new(17, 11, channels, &image), 0);
  int top = bits == 16 ? 65535 : 255;
  image.bits = bits;
  for (int i = 0; i < 17 * 11 * channels; i++)
    image.data[i] = (float)(i * 7919 % (top + 1)) / (float)top;
  if (alpha)
    image.alpha = nd_mem_alloc(17 * 11 * sizeof(float), "test");
  for (int i = 0; alpha && i < 17 * 11; i++)
    image.alpha[i] = (float)(i % 256) / 255;
  return image;
}

static double difference(const float *a, const float *b, int n) {
  double d = 0;
  for (int i = 0; i < n; i++)
    d = fmax(d, fabs((double)a[i] - (double)b[i]));
  return d;
}

static void expect_round_trip(const char *path, int channels, int bits, bool alpha) {
  nd_image a = made(channels, bits, alpha), b;
  if (nd_image_save(path, &a, NULL) || nd_image_load(path, &b))
    fail_msg("%s", nd_error());
  assert_int_equal(b.width, 17);
  assert_int_equal(b.height, 11);
  assert_int_equal(b.channels, channels);
  assert_int_equal(b.bits, bits);
  assert_true(difference(a.data, b.data, 17 * 11 * channels) < 1e-7);
  assert_int_equal(b.alpha != NULL, alpha);
  if (alpha)
    assert_true(difference(a.alpha, b.alpha, 17 * 11) < 1e-4);
  nd_image_free(&a);
  nd_image_free(&b);
}

static void lossless_formats_are_exact(void **state) {
  (void)state;
  for (int channels = 1; channels <= 3; channels += 2)
    for (int bits = 8; bits <= 16; bits += 8)
      for (int alpha = 0; alpha < 2; alpha++) {
        expect_round_trip("a.png", channels, bits, alpha);
        expect_round_trip("a.tif", channels, bits, alpha);
      }
}

static void lossy_formats_are_close(void **state) {
  (void)state;
  nd_image a, b;
  assert_int_equal(nd_image_new(64, 48, 3, &a), 0);
  for (int i = 0; i < 64 * 48 * 3; i++)
    a.data[i] = 0.5f + 0.4f * sinf((float)(i / 3 % 64) * 0.1f);
  static const char *const paths[] = {"a.jpg", "a.webp"};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(nd_image_save(paths[i], &a, NULL), 0);
    assert_int_equal(nd_image_load_rgb(paths[i], &b), 0);
    assert_true(nd_psnr(a.data, b.data, 48, 64, 3, (nd_metric_options){0}) > 38);
    nd_image_free(&b);
  }
  nd_image_free(&a);
}

/* A JPEG that says "turn me by 90 degrees", with a profile and a resolution, written by libvips itself. */
static void write_turned(const char *path) {
  VipsImage *bare, *image;
  assert_int_equal(vips_black(&bare, 32, 16, "bands", 3, NULL), 0);
  assert_int_equal(
      vips_copy(bare, &image, "interpretation", VIPS_INTERPRETATION_sRGB, "xres", 11.8, "yres", 11.8, NULL),
      0);
  vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
  vips_image_set_string(image, "exif-ifd0-Model", "Testcam (Testcam, ASCII, 8 components, 8 bytes)");
  VipsBlob *profile;
  size_t size;
  assert_int_equal(vips_profile_load("srgb", &profile, NULL), 0);
  const void *bytes = vips_blob_get(profile, &size);
  vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, bytes, size);
  vips_area_unref(VIPS_AREA(profile));
  assert_int_equal(vips_jpegsave(image, path, NULL), 0);
  g_object_unref(bare);
  g_object_unref(image);
}

static void metadata_travels_and_pixels_stand_upright(void **state) {
  (void)state;
  write_turned("turned.jpg");
  nd_image image;
  int width, height;
  assert_int_equal(nd_image_size("turned.jpg", &width, &height), 0);
  assert_int_equal(nd_image_load("turned.jpg", &image), 0);
  assert_true(image.width == 16 && image.height == 32 && width == 16 && height == 32);
  assert_int_equal(nd_image_save("out.jpg", &image, NULL), 0);
  nd_image_free(&image);
  VipsImage *out = vips_image_new_from_file("out.jpg", NULL);
  const char *model = NULL;
  assert_int_equal(vips_image_get_string(out, "exif-ifd0-Model", &model), 0);
  assert_non_null(strstr(model, "Testcam"));
  assert_true(vips_image_get_typeof(out, VIPS_META_ICC_NAME) != 0);
  assert_int_equal(vips_image_get_orientation(out), 1);
  assert_true(fabs(vips_image_get_xres(out) - 11.8) < 0.1);
  g_object_unref(out);
}

static void a_failed_write_leaves_the_old_file(void **state) {
  (void)state;
  nd_image a = made(3, 8, false);
  assert_int_equal(nd_image_save("none/a.png", &a, NULL), -1);
  assert_non_null(strstr(nd_error(), "none/a.png"));
  assert_int_equal(nd_image_save("a.bmp", &a, NULL), -1);
  assert_non_null(strstr(nd_error(), "a.bmp"));
  nd_image_free(&a);
}

static gpointer load_often(gpointer failures) {
  for (int i = 0; i < 20; i++) {
    nd_image image;
    if (nd_image_load_rgb("shared.png", &image))
      *(int *)failures += 1;
    nd_image_free(&image);
  }
  return NULL;
}

static void several_threads_may_load(void **state) {
  (void)state;
  nd_image a = made(3, 16, false);
  assert_int_equal(nd_image_save("shared.png", &a, NULL), 0);
  nd_image_free(&a);
  GThread *threads[4];
  int failures[4] = {0};
  for (int i = 0; i < 4; i++)
    threads[i] = g_thread_new("load", load_often, &failures[i]);
  for (int i = 0; i < 4; i++)
    g_thread_join(threads[i]);
  assert_int_equal(failures[0] + failures[1] + failures[2] + failures[3], 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lossless_formats_are_exact),
      cmocka_unit_test(lossy_formats_are_close),
      cmocka_unit_test(metadata_travels_and_pixels_stand_upright),
      cmocka_unit_test(a_failed_write_leaves_the_old_file),
      cmocka_unit_test(several_threads_may_load),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
