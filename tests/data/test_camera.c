/* The simulated camera as a whole. */
#include "data/camera-private.h"
#include "degrading.h"

#include <math.h>

enum { SIDE = 128, PIXELS = SIDE * SIDE, VALUES = PIXELS * 3 };

/* Smooth and colourful, no value near the ends. */
static float *smooth(void) {
  float *rgb = g_new(float, VALUES);
  for (int i = 0; i < PIXELS; i++) {
    double x = i % SIDE / (double)SIDE, y = i / SIDE / (double)SIDE;
    rgb[3 * i] = (float)(0.5 + 0.3 * sin(5 * x + 2 * y));
    rgb[3 * i + 1] = (float)(0.45 + 0.25 * cos(4 * y - 3 * x));
    rgb[3 * i + 2] = (float)(0.4 + 0.2 * sin(6 * x * y + 1));
  }
  return rgb;
}

static double psnr(const float *a, const float *b) {
  double sum = 0;
  for (int i = 0; i < VALUES; i++)
    sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
  return -10 * log10(sum / VALUES);
}

static nd_degrade_settings quiet_camera(void) {
  nd_degrade_settings s = chosen("camera", "");
  set(&s, "noise", "false");
  set(&s, "quality", "0");
  set(&s, "quantize", "false");
  return s;
}

static void without_noise_the_camera_returns_the_picture(void **state) {
  (void)state;
  nd_degrade_settings s = quiet_camera();
  for (int tone = 0; tone < 2; tone++) {
    set(&s, "tone_curve", tone ? "true" : "false");
    g_autofree float *clean = smooth(), *out = smooth();
    degrade(&s, out, SIDE, 1);
    assert_true(psnr(clean, out) > 45);
  }
}

/* Red beside blue is the hardest edge for a mosaic; it may not be felt more than the kernels' reach away. */
static void an_edge_is_felt_only_nearby(void **state) {
  (void)state;
  nd_degrade_settings s = quiet_camera();
  g_autofree float *clean = g_new(float, VALUES), *out = g_new(float, VALUES);
  for (int i = 0; i < VALUES; i++)
    clean[i] = (i / 3 % SIDE < SIDE / 2) == (i % 3 == 0) ? 0.6f : 0.35f;
  memcpy(out, clean, VALUES * sizeof *out);
  degrade(&s, out, SIDE, 1);
  float near = 0;
  for (int i = 0; i < VALUES; i++) {
    int distance = i / 3 % SIDE - SIDE / 2;
    if (distance >= -3 && distance < 3)
      near = fmaxf(near, fabsf(out[i] - clean[i]));
    else
      assert_true(fabsf(out[i] - clean[i]) < 1e-3f);
  }
  assert_true(near > 0.01f);
}

static double linear_green_variance(const nd_degrade_settings *s, double level) {
  double sum = 0;
  for (uint64_t step = 0; step < 4; step++) {
    g_autofree float *rgb = flat(SIDE, (float)level), *green = g_new(float, PIXELS);
    nd_tone_apply(nd_tone_to_display(false), rgb, VALUES);
    degrade(s, rgb, SIDE, step);
    nd_tone_apply(nd_tone_to_linear(false), rgb, VALUES);
    for (int i = 0; i < PIXELS; i++)
      green[i] = rgb[3 * i + 1];
    sum += measure(green, PIXELS, 1).variance;
  }
  return sum / 4;
}

/* Every step from the sensor to linear RGB is linear, so variance stays affine in the light. */
static void camera_noise_grows_with_the_light(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  set(&s, "quality", "0");
  set(&s, "quantize", "false");
  set(&s, "tone_curve", "false");
  set(&s, "white_balance", "fixed");
  set(&s, "ccm", "fixed");
  set(&s, "iso", "400");
  set(&s, "exposure", "0.5");
  double low = linear_green_variance(&s, 0.15), middle = linear_green_variance(&s, 0.3),
         high = linear_green_variance(&s, 0.6);
  assert_true(low > 0 && middle > 1.5 * low);
  assert_true(fabs((high - middle) / (middle - low) - 2) < 0.15);
}

static void camera_noise_is_correlated(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  set(&s, "quality", "0");
  g_autofree float *rgb = flat(SIDE, 0.5f);
  degrade(&s, rgb, SIDE, 0);
  for (int c = 0; c < 3; c++) {
    g_autofree float *plane = g_new(float, PIXELS);
    for (int i = 0; i < PIXELS; i++)
      plane[i] = rgb[3 * i + c];
    assert_true(measure(plane, PIXELS, 1).neighbour > 0.15);
    assert_true(measure(plane, PIXELS, SIDE).neighbour > 0.15);
    assert_true(fabs(measure(plane, PIXELS, 8).neighbour) < 0.05);
  }
}

static void camera_pictures_are_files_of_8_bits(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  for (int jpeg = 0; jpeg < 2; jpeg++) {
    if (!jpeg)
      set(&s, "quality", "0");
    else
      set(&s, "quality", "80");
    g_autofree float *rgb = smooth();
    degrade(&s, rgb, SIDE, 5);
    for (int i = 0; i < VALUES; i++) {
      assert_true(rgb[i] >= 0 && rgb[i] <= 1);
      assert_true(fabsf(rgb[i] * 255 - (float)byte_of(rgb[i])) < 1e-3f);
    }
  }
}

static void jpeg_loses_more_at_lower_quality(void **state) {
  (void)state;
  nd_degrade_settings s = quiet_camera();
  g_autofree float *none = smooth(), *fine = smooth(), *coarse = smooth();
  degrade(&s, none, SIDE, 1);
  set(&s, "quality", "95");
  degrade(&s, fine, SIDE, 1);
  set(&s, "quality", "20");
  degrade(&s, coarse, SIDE, 1);
  double at_95 = psnr(none, fine), at_20 = psnr(none, coarse);
  assert_true(at_95 > 38 && at_95 < 60);
  assert_true(at_20 > 25 && at_20 < at_95 - 3);
}

static void camera_is_a_function_of_its_generator(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  g_autofree float *a = smooth(), *b = smooth(), *other = smooth();
  degrade(&s, a, SIDE, 1);
  degrade(&s, b, SIDE, 1);
  degrade(&s, other, SIDE, 2);
  assert_memory_equal(a, b, VALUES * sizeof *a);
  assert_true(psnr(a, other) < 40);
}

static void the_standard_camera_is_a_phone_at_night(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  g_autofree float *clean = smooth();
  double mean = 0;
  for (uint64_t step = 0; step < 16; step++) {
    g_autofree float *rgb = smooth();
    degrade(&s, rgb, SIDE, step);
    mean += psnr(clean, rgb) / 16;
  }
  assert_true(mean > 20 && mean < 26);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_noise_the_camera_returns_the_picture),
      cmocka_unit_test(an_edge_is_felt_only_nearby),
      cmocka_unit_test(camera_noise_grows_with_the_light),
      cmocka_unit_test(camera_noise_is_correlated),
      cmocka_unit_test(camera_pictures_are_files_of_8_bits),
      cmocka_unit_test(jpeg_loses_more_at_lower_quality),
      cmocka_unit_test(camera_is_a_function_of_its_generator),
      cmocka_unit_test(the_standard_camera_is_a_phone_at_night),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
