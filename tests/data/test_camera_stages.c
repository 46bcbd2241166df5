/* The simulated camera stage by stage: noise of the sensor, colours, tone, demosaicing. */
#include "data/camera-private.h"
#include "degrading.h"

#include <math.h>

static void sensor_levels_are_those_published(void **state) {
  (void)state;
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  double shot, read, shot_a, read_a;
  assert_string_equal(nd_sensor_name(0), "pixel");
  nd_sensor_noise(0, 800, &rng, &shot, &read); /* Google Pixel at ISO 800: 0.001764, 0.000012 */
  assert_true(fabs(shot / 0.001764 - 1) < 1e-9 && fabs(read / 0.000012 - 1) < 1e-9);
  nd_sensor_noise(0, 800 * sqrt(2), &rng, &shot, &read); /* halfway to 1600 */
  assert_true(fabs(shot / sqrt(0.001764 * 0.003519) - 1) < 1e-9);
  assert_true(fabs(read / sqrt(0.000012 * 0.000045) - 1) < 1e-9);
  nd_sensor_noise(0, 6400, &rng, &shot, &read);
  assert_true(fabs(shot / (2 * 0.007029) - 1) < 1e-9 && fabs(read / (4 * 0.000179) - 1) < 1e-9);
  for (int sensor = 0; strcmp(nd_sensor_name(sensor), "dnd"); sensor++)
    for (double iso = 50; iso < 20000; iso *= 1.3) {
      nd_sensor_noise(sensor, iso, &rng, &shot, &read);
      nd_sensor_noise(sensor, iso * 1.3, &rng, &shot_a, &read_a);
      assert_true(shot > 0 && read > 0 && shot_a > shot && read_a >= read);
    }
}

static void dnd_levels_follow_the_fit(void **state) {
  (void)state;
  enum { DRAWS = 4000 };
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  int dnd = 0;
  while (strcmp(nd_sensor_name(dnd), "dnd"))
    dnd++;
  assert_null(nd_sensor_name(dnd + 1));
  double mean = 0, residual = 0, squares = 0;
  for (int i = 0; i < DRAWS; i++) {
    double shot, read;
    nd_sensor_noise(dnd, 100, &rng, &shot, &read);
    assert_true(shot >= 0.0001 && shot <= 0.012);
    double off = log(read) - 2.18 * log(shot) - 1.20;
    mean += log(shot) / DRAWS, residual += off / DRAWS, squares += off * off / DRAWS;
  }
  assert_true(fabs(mean - (log(0.0001) + log(0.012)) / 2) < 0.1);
  assert_true(fabs(residual) < 0.02 && fabs(sqrt(squares) - 0.26) < 0.02);
}

static void raw_noise_has_the_variance_of_the_model(void **state) {
  (void)state;
  enum { N = 60000 };
  static const double cases[][3] = {/* level, shot, read */
                                    {0.5, 0.007, 0.0002}, {0.1, 0.007, 0.0002},   {0.02, 0.007, 0.0002},
                                    {0, 0.007, 0.0002},   {0.3, 0.0002, 0.00001}, {0.05, 0.02, 0},
                                    {0.4, 0, 0.001}};
  g_autofree float *raw = g_new(float, N);
  for (size_t c = 0; c < G_N_ELEMENTS(cases); c++) {
    double level = cases[c][0], expected = cases[c][1] * level + cases[c][2];
    nd_rng rng = nd_rng_make(1, c, 0, ND_RANDOM_TEST);
    for (int i = 0; i < N; i++)
      raw[i] = (float)level;
    nd_sensor_expose(raw, N, cases[c][1], cases[c][2], &rng);
    stats s = measure(raw, N, 1);
    assert_true(fabs(s.mean - level) < 4 * sqrt(expected / N));
    assert_true(fabs(s.variance / expected - 1) < 0.04);
    assert_true(fabs(s.neighbour) < 0.02);
  }
}

static void raw_saturates_above_and_keeps_negatives(void **state) {
  (void)state;
  float raw[2000];
  for (int i = 0; i < 2000; i++)
    raw[i] = i < 1000 ? 1.0f : 0.0f;
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_sensor_expose(raw, 2000, 0.01, 0.001, &rng);
  int white = 0, negative = 0;
  for (int i = 0; i < 2000; i++) {
    assert_true(raw[i] <= 1);
    white += i < 1000 && raw[i] == 1;
    negative += i >= 1000 && raw[i] < 0;
  }
  assert_in_range(white, 400, 600);
  assert_in_range(negative, 400, 600);
}

static void colours_are_inverted_and_keep_white(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 50; i++) {
    nd_rng rng = nd_rng_make(1, i, 0, ND_RANDOM_TEST);
    nd_camera_colour c = nd_camera_colour_draw(i > 0, i > 0, &rng);
    assert_true(c.gains[0] >= 1.9f && c.gains[0] <= 2.4f && c.gains[1] == 1);
    assert_true(c.gains[2] >= 1.5f && c.gains[2] <= 1.9f);
    for (int r = 0; r < 3; r++) {
      assert_true(fabsf(c.to_camera[r][0] + c.to_camera[r][1] + c.to_camera[r][2] - 1) < 1e-5f);
      assert_true(c.to_camera[r][r] > 0.4f); /* each channel sees most of its own colour */
      for (int k = 0; k < 3; k++) {
        float product = 0;
        for (int j = 0; j < 3; j++)
          product += c.from_camera[r][j] * c.to_camera[j][k];
        assert_true(fabsf(product - (r == k)) < 1e-5f);
      }
    }
  }
}

static void colours_are_random_only_when_told(void **state) {
  (void)state;
  nd_rng a = nd_rng_make(1, 1, 0, ND_RANDOM_TEST), b = nd_rng_make(1, 2, 0, ND_RANDOM_TEST), a2 = a, b2 = b;
  nd_camera_colour fixed_a = nd_camera_colour_draw(false, false, &a);
  nd_camera_colour fixed_b = nd_camera_colour_draw(false, false, &b);
  nd_camera_colour drawn_a = nd_camera_colour_draw(true, true, &a2),
                   drawn_b = nd_camera_colour_draw(true, true, &b2);
  assert_memory_equal(&fixed_a, &fixed_b, sizeof fixed_a);
  assert_true(drawn_a.gains[0] != drawn_b.gains[0] && drawn_a.to_camera[0][0] != drawn_b.to_camera[0][0]);
  assert_memory_equal(&a, &a2, sizeof a); /* the draws are made all the same */
}

static void tone_curves_are_known_and_inverse(void **state) {
  (void)state;
  float known[] = {0.5f, 0.18f, 0.18f};
  nd_tone_apply(nd_tone_to_linear(false), known, 1);
  nd_tone_apply(nd_tone_to_display(false), known + 1, 1);
  nd_tone_apply(nd_tone_to_display(true), known + 2, 1);
  assert_true(fabsf(known[0] - 0.2140411f) < 1e-5f);
  assert_true(fabsf(known[1] - 0.4613561f) < 1e-5f);
  assert_true(fabsf(known[2] - 0.4421522f) < 1e-4f); /* s = 0.4613561: 3 s^2 - 2 s^3 */
  for (int contrast = 0; contrast < 2; contrast++)
    for (int i = -10; i <= 1010; i++) {
      float x = (float)i / 1000;
      nd_tone_apply(nd_tone_to_linear(contrast), &x, 1);
      nd_tone_apply(nd_tone_to_display(contrast), &x, 1);
      assert_true(fabsf(x - fminf(fmaxf((float)i / 1000, 0), 1)) < 5e-4f);
    }
}

/* Figure 2 of Malvar et al., times 8: what is estimated, at which place. */
static const float green_at_red_or_blue[25] = {0, 0,  -1, 0, 0, 0, 0, 2, 0, 0,  -1, 2, 4,
                                               2, -1, 0,  0, 2, 0, 0, 0, 0, -1, 0,  0};
static const float along_the_row[25] = {0, 0,  0.5f, 0,  0, 0,  -1, 0, -1, 0,    -1, 4, 5,
                                        4, -1, 0,    -1, 0, -1, 0,  0, 0,  0.5f, 0,  0};
static const float along_the_column[25] = {0, 0,    -1, 0,  0, 0,  -1, 4, -1, 0,  0.5f, 0, 5,
                                           0, 0.5f, 0,  -1, 4, -1, 0,  0, 0,  -1, 0,    0};
static const float at_the_opposite[25] = {0, 0,     -1.5f, 0, 0, 0, 2, 0, 2, 0,     -1.5f, 0, 6,
                                          0, -1.5f, 0,     2, 0, 2, 0, 0, 0, -1.5f, 0,     0};

static const float *kernel_for(int y, int x, int channel) {
  bool even_row = y % 2 == 0, even_column = x % 2 == 0;
  if (even_row != even_column) { /* green */
    if (channel == 1)
      return NULL;
    return even_row == (channel == 0) ? along_the_row : along_the_column;
  }
  if (channel == 1)
    return green_at_red_or_blue;
  return even_row == (channel == 0) ? NULL : at_the_opposite;
}

static int mirror(int i, int n) {
  return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

static void demosaicing_agrees_with_the_papers_kernels(void **state) {
  (void)state;
  enum { H = 7, W = 10 };
  float raw[H * W], rgb[H * W * 3];
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_rng_fill_normal(&rng, raw, H * W);
  assert_int_equal(nd_demosaic(raw, H, W, rgb), 0);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++)
      for (int c = 0; c < 3; c++) {
        const float *kernel = kernel_for(y, x, c);
        float expected = kernel ? 0 : raw[y * W + x];
        for (int k = 0; kernel && k < 25; k++)
          expected += kernel[k] / 8 * raw[mirror(y + k / 5 - 2, H) * W + mirror(x + k % 5 - 2, W)];
        assert_true(fabsf(rgb[(y * W + x) * 3 + c] - expected) < 1e-5f);
      }
}

static void demosaicing_takes_pictures_of_any_size(void **state) {
  (void)state;
  for (int height = 1; height < 5; height++)
    for (int width = 1; width < 5; width++) {
      float raw[16], rgb[48];
      for (int i = 0; i < 16; i++)
        raw[i] = 0.25f;
      assert_int_equal(nd_demosaic(raw, height, width, rgb), 0);
      for (int i = 0; i < height * width * 3; i++)
        assert_true(fabsf(rgb[i] - 0.25f) < 1e-6f);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sensor_levels_are_those_published),
      cmocka_unit_test(dnd_levels_follow_the_fit),
      cmocka_unit_test(raw_noise_has_the_variance_of_the_model),
      cmocka_unit_test(raw_saturates_above_and_keeps_negatives),
      cmocka_unit_test(colours_are_inverted_and_keep_white),
      cmocka_unit_test(colours_are_random_only_when_told),
      cmocka_unit_test(tone_curves_are_known_and_inverse),
      cmocka_unit_test(demosaicing_agrees_with_the_papers_kernels),
      cmocka_unit_test(demosaicing_takes_pictures_of_any_size),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
