/* What a degraded picture keeps of the clean one. */
#include "program.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <vips/vips.h>
#include <cmocka.h>

enum { WIDTH = 120, HEIGHT = 90, PIXELS = WIDTH * HEIGHT };

static nd_image loaded(const char *path) {
  nd_image image;
  if (nd_image_load(path, &image))
    fail_msg("%s", nd_error());
  return image;
}

static void make_grey(const char *path, float level) {
  nd_image image;
  assert_int_equal(nd_image_new(WIDTH, HEIGHT, 1, &image), 0);
  for (int i = 0; i < PIXELS; i++)
    image.data[i] = level;
  assert_int_equal(nd_image_save(path, &image, NULL), 0);
  nd_image_free(&image);
}

/* By the names that restore takes as well. */
static void the_format_is_chosen(void **state) {
  (void)state;
  make_picture("in.png", 24, 16, 1, 0);
  expect_status(0, "degrade", "gaussian", "in.png", "-o", "chosen", "--format", "jpeg", NULL);
  expect_status(0, "degrade", "gaussian", "in.png", "-o", "chosen", "--format", "tif", NULL);
  assert_true(g_file_test("chosen/in.jpg", G_FILE_TEST_EXISTS) &&
              g_file_test("chosen/in.tif", G_FILE_TEST_EXISTS));
  outcome o = run_program("degrade", "gaussian", "in.png", "-o", "chosen", "--format", "gif", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "--format is 'gif'; png, jpeg, tiff and webp are written"));
  outcome_clear(&o);
}

static void transparency_and_metadata_come_along(void **state) {
  (void)state;
  VipsImage *black, *image;
  assert_int_equal(vips_black(&black, 30, 20, "bands", 4, NULL), 0);
  assert_int_equal(vips_linear1(black, &image, 1, 77, "uchar", TRUE, NULL), 0);
  g_object_unref(black);
  assert_int_equal(vips_copy(image, &black, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), 0);
  vips_image_set_string(black, "exif-ifd0-Artist", "somebody (somebody, ASCII, 9 components, 9 bytes)");
  assert_int_equal(vips_webpsave(black, "in.webp", NULL), 0);
  g_object_unref(image);
  g_object_unref(black);
  expect_status(0, "degrade", "gaussian", "in.webp", "-o", "noisy", "--format", "png", "--set", "sigma=40",
                NULL);
  nd_image out = loaded("noisy/in.png");
  assert_non_null(out.alpha);
  for (int i = 0; i < 30 * 20; i++)
    assert_float_equal(out.alpha[i], 77.0f / 255, 1e-6);
  assert_true(fabsf(out.data[0] - out.data[3]) + fabsf(out.data[0] - out.data[6]) > 0);
  nd_image_free(&out);
  const char *artist;
  image = vips_image_new_from_file("noisy/in.png", NULL);
  assert_int_equal(vips_image_get_string(image, "exif-ifd0-Artist", &artist), 0);
  assert_non_null(strstr(artist, "somebody"));
  g_object_unref(image);
}

static double deviation(const nd_image *image, double mean) {
  double sum = 0;
  for (int i = 0; i < PIXELS; i++)
    sum += (image->data[i] - mean) * (image->data[i] - mean);
  return sqrt(sum / PIXELS);
}

/* Noise of a mean of three channels would be sqrt(3) times weaker. */
static void grey_stays_grey_with_the_noise_asked_for(void **state) {
  (void)state;
  make_grey("flat.png", 0.5f);
  expect_status(0, "degrade", "gaussian", "flat.png", "-o", "one", "--set", "sigma=25", NULL);
  nd_image out = loaded("one/flat.png");
  assert_int_equal(out.channels, 1);
  assert_float_equal(deviation(&out, 0.5) * 255, 25, 25 * 4 / sqrt(2.0 * PIXELS));
  nd_image_free(&out);
}

/* In a chain as well: JPEG sees a grey picture, and does what libvips does to a grey one. */
static void a_chain_sees_grey_throughout(void **state) {
  (void)state;
  make_grey("flat.png", 0.5f);
  expect_status(0, "degrade", "gaussian", "flat.png", "-o", "first", "--set", "sigma=25", NULL);
  expect_status(0, "degrade", "gaussian", "flat.png", "-o", "both", "--set", "sigma=25", "--then",
                "jpeg quality=30", NULL);
  VipsImage *first = vips_image_new_from_file("first/flat.png", NULL);
  assert_int_equal(vips_jpegsave(first, "wanted.jpg", "Q", 30, NULL), 0);
  g_object_unref(first);
  nd_image wanted = loaded("wanted.jpg"), both = loaded("both/flat.png");
  assert_int_equal(both.channels, 1);
  for (int i = 0; i < PIXELS; i++)
    assert_float_equal(both.data[i], wanted.data[i], 1e-6);
  nd_image_free(&wanted);
  nd_image_free(&both);
}

static void a_camera_makes_colours_of_grey(void **state) {
  (void)state;
  make_grey("flat.png", 0.5f);
  expect_status(0, "degrade", "gaussian", "flat.png", "-o", "camera", "--then", "camera", NULL);
  nd_image out = loaded("camera/flat.png");
  assert_int_equal(out.channels, 3);
  nd_image_free(&out);
}

/* What prepare says a recipe would take: clean pictures of a test have no place in data.clean. */
static void clean_pictures_of_a_test_are_its_truth(void **state) {
  (void)state;
  g_mkdir_with_parents("got/DIV2K_train_HR", 0777);
  g_mkdir_with_parents("got/CBSD68", 0777);
  make_picture("got/DIV2K_train_HR/0001.png", 24, 16, 1, 0);
  make_picture("got/CBSD68/3096.png", 24, 16, 2, 0);
  outcome o = run_program("data", "prepare", "denoise", "--from", "got", "-o", "made", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.out, "  data.clean: made/div2k/train/clean\n"));
  assert_non_null(
      strstr(o.out, "  validation.target: made/cbsd68/test/clean (noiseda degrade makes its input)\n"));
  outcome_clear(&o);
}

/* A telephone's HEIC among JPEGs: who is not told believes that all of them were taken. */
static void pictures_that_are_passed_over_are_told(void **state) {
  (void)state;
  assert_int_equal(g_mkdir("mixed", 0777), 0);
  make_picture("mixed/a.png", 24, 16, 1, 0);
  write_text("mixed/b.HEIC", "not read");
  write_text("mixed/c.bmp", "not read");
  write_text("mixed/notes.txt", "no picture");
  outcome o = run_program("degrade", "gaussian", "mixed", "-o", "passed", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "passed over in 'mixed': 2 pictures in a format that is not read, such as "
                                "'b.HEIC'"));
  outcome_clear(&o);
  o = run_program("data", "check", "mixed", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "passed over in 'mixed': 2 pictures"));
  assert_non_null(strstr(o.out, "mixed: 1 picture read"));
  outcome_clear(&o);
  make_picture("alone.png", 24, 16, 2, 0);
  o = run_program("data", "check", "alone.png", "--against", "mixed", NULL);
  const char *told = strstr(o.err, "passed over in 'mixed'");
  assert_true(told && !strstr(told + 1, "passed over")); /* once */
  outcome_clear(&o);
}

static void help_tells_words_and_defaults(void **state) {
  (void)state;
  outcome o = run_program("degrade", "--help", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(
      strstr(o.out, "whatever the iso [pixel; galaxy_s6, nexus_6, lg_g4, canon_s110, canon_g1x, dnd]\n"));
  assert_non_null(strstr(o.out, "sensitivity, drawn uniformly in its logarithm [800 to 1600]\n"));
  assert_non_null(strstr(o.out, "in degrees [3]\n"));
  outcome_clear(&o);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_format_is_chosen),
      cmocka_unit_test(transparency_and_metadata_come_along),
      cmocka_unit_test(grey_stays_grey_with_the_noise_asked_for),
      cmocka_unit_test(a_chain_sees_grey_throughout),
      cmocka_unit_test(a_camera_makes_colours_of_grey),
      cmocka_unit_test(clean_pictures_of_a_test_are_its_truth),
      cmocka_unit_test(pictures_that_are_passed_over_are_told),
      cmocka_unit_test(help_tells_words_and_defaults),
  };
  return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
