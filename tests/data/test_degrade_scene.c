/* Rain, blur, JPEG, lower resolution, in-camera retouching and chains, against closed forms. */
#include "data/blur-private.h"
#include "data/camera-private.h"
#include "degrading.h"

#include <math.h>

enum { SIDE = 256, PIXELS = SIDE * SIDE, VALUES = PIXELS * 3 };

static float *wavy(double frequency) {
  float *rgb = g_new(float, VALUES);
  for (int i = 0; i < VALUES; i++)
    rgb[i] = (float)(0.5 + 0.25 * sin(2 * M_PI * frequency * (i / 3 % SIDE)));
  return rgb;
}

static double mean(const float *rgb) {
  double sum = 0;
  for (int i = 0; i < VALUES; i++)
    sum += (double)rgb[i] / VALUES;
  return sum;
}

static double deviation(const float *rgb) {
  double m = mean(rgb), sum = 0;
  for (int i = 0; i < VALUES; i++)
    sum += ((double)rgb[i] - m) * ((double)rgb[i] - m) / VALUES;
  return sqrt(sum);
}

/* ---- Rain ---- */

/* The direction across which brightness changes least, in degrees from straight down, positive to the right.
 */
static double streak_angle(const float *rgb) {
  double xx = 0, yy = 0, xy = 0;
  for (int y = 1; y < SIDE - 1; y++)
    for (int x = 1; x < SIDE - 1; x++) {
      const float *p = rgb + (y * SIDE + x) * 3;
      double gx = (double)(p[3] - p[-3]), gy = (double)(p[3 * SIDE] - p[-3 * SIDE]);
      xx += gx * gx, yy += gy * gy, xy += gx * gy;
    }
  double across = 0.5 * atan2(2 * xy, xx - yy); /* of the strongest gradient, from the row */
  return -across * 180 / M_PI;
}

static void streaks_fall_at_the_angle_set(void **state) {
  (void)state;
  for (int angle = -40; angle <= 40; angle += 20) {
    nd_degrade_settings s =
        chosen("rain", "spread=0 length=40 width=3 density=10 layers=1 mist=0 brightness=1");
    g_autofree char *text = g_strdup_printf("%d", angle);
    assert_int_equal(nd_degrade_set(&s, "angle", text), 0);
    g_autofree float *rgb = flat(SIDE, 0);
    degrade(&s, rgb, SIDE, (uint64_t)(angle + 50));
    double found = streak_angle(rgb);
    if (!(fabs(found - angle) < 4))
      fail_msg("streaks of %d degrees lie at %g", angle, found);
  }
}

/* What mist alone leaves is a mixture of picture and sky. */
static void mist_is_a_mixture(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("rain", "density=0 mist=0.25 light=0.8");
  g_autofree float *rgb = flat(SIDE, 0.4f);
  degrade(&s, rgb, SIDE, 1);
  for (int i = 0; i < VALUES; i++)
    assert_true(fabsf(rgb[i] - (0.75f * 0.4f + 0.25f * 0.8f)) < 1e-6f);
}

/* Streaks thin enough not to meet cover, per streak, cover x sigma sqrt(2 pi) x length x 7/8: the Gaussian's
 * integral times a line whose last quarters fall to nothing. */
static void streaks_cover_what_their_numbers_say(void **state) {
  (void)state;
  nd_degrade_settings s =
      chosen("rain", "spread=5 length=40 width=2 density=2 layers=1 mist=0 brightness=0.1 light=1");
  double covered = 0, expected = 2e-4 * 0.1 * sqrt(2 * M_PI) * 40 * 7 / 8;
  for (uint64_t step = 0; step < 12; step++) {
    g_autofree float *rgb = flat(SIDE, 0);
    degrade(&s, rgb, SIDE, step);
    covered += mean(rgb) / 12;
  }
  if (!(fabs(covered / expected - 1) < 0.15)) /* 140 streaks: 8 % of counting, twice */
    fail_msg("covered %g, expected %g", covered, expected);
}

static void rain_brightens_and_stays_in_range(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("rain", "");
  g_autofree float *rgb = flat(SIDE, 0.3f);
  degrade(&s, rgb, SIDE, 4);
  assert_true(mean(rgb) > 0.3);
  for (int i = 0; i < VALUES; i++)
    assert_true(rgb[i] >= 0.3f - 1e-6f && rgb[i] <= 0.95f + 1e-6f);
}

/* Drops refract what there is: a flat scene stays flat, and elsewhere the picture is as it was. */
static void drops_show_the_scene(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("rain", "density=0 mist=0 drops=6 drop_radius=8");
  g_autofree float *rgb = flat(SIDE, 0.4f), *wave = wavy(0.05), *before = wavy(0.05);
  degrade(&s, rgb, SIDE, 1);
  degrade(&s, wave, SIDE, 1);
  int changed = 0;
  for (int i = 0; i < VALUES; i++) {
    assert_true(fabsf(rgb[i] - 0.4f) < 1e-6f);
    assert_true(wave[i] >= 0.25f - 1e-6f && wave[i] <= 0.75f + 1e-6f);
    changed += wave[i] != before[i];
  }
  /* 6 in 100 x 100 of radius 8 lie on 1 - exp(-6e-4 pi 64) = 11 %, some less where outlines are dented. */
  double share = (double)changed / VALUES;
  if (!(share > 0.05 && share < 0.17))
    fail_msg("drops changed %g of the picture", share);
}

/* ---- Blur ---- */

typedef struct moments {
  double sum, x, y, xx, yy, xy;
} moments;

static moments moments_of(const nd_blur_kernel *k) {
  moments m = {0};
  for (int i = 0; i < ND_BLUR_SIDE; i++)
    for (int j = 0; j < ND_BLUR_SIDE; j++) {
      double w = (double)k->weight[i][j], x = j - ND_BLUR_RADIUS, y = i - ND_BLUR_RADIUS;
      assert_true(w >= 0);
      m.sum += w, m.x += w * x, m.y += w * y, m.xx += w * x * x, m.yy += w * y * y, m.xy += w * x * y;
    }
  return m;
}

static void kernels_sum_to_one_and_are_centred(void **state) {
  (void)state;
  static nd_blur_kernel k;
  for (uint64_t i = 0; i < 40; i++) {
    nd_rng rng = nd_rng_make(1, i, 0, ND_RANDOM_TEST);
    nd_blur_shake((double)i * 1.5, (double)(i % 3) * 2, (double)(i % 5) / 4, &rng, &k);
    moments m = moments_of(&k);
    assert_true(fabs(m.sum - 1) < 1e-5 && fabs(m.x) < 0.5 && fabs(m.y) < 0.5);
    assert_true(sqrt(m.xx + m.yy) <= (double)i * 1.5 / 2 + 1);
    nd_blur_disc((double)i * 0.75, &k);
    m = moments_of(&k);
    assert_true(fabs(m.sum - 1) < 1e-5 && fabs(m.x) < 1e-4 && fabs(m.y) < 1e-4);
  }
}

/* Mean squared distance from the middle of 400 shakes that do not jerk. */
static double spread_of(double length, double swings) {
  static nd_blur_kernel k;
  double sum = 0;
  for (uint64_t i = 0; i < 400; i++) {
    nd_rng rng = nd_rng_make(2, i, 0, ND_RANDOM_TEST);
    nd_blur_shake(length, swings, 0, &rng, &k);
    moments m = moments_of(&k);
    sum += (m.xx + m.yy - m.x * m.x - m.y * m.y) / 400;
  }
  return sum;
}

/* A hand that drifts turns at random, by 1.6 radians in all: the worm-like chain of Kratky and Porod (1949),
 * whose radius of gyration Benoit and Doty (1953) give. One that swings runs round where it aims, in a circle
 * of radius length / (2 pi swings) at constant pace, or somewhat outside it, as it trembles. Falling between
 * pixels adds a third of a pixel squared. */
static void shakes_are_as_wide_as_chains_and_circles(void **state) {
  (void)state;
  double p = 2 / (1.6 * 1.6), drift = p / 3 - p * p + 2 * p * p * p * (1 - p * (1 - exp(-1 / p)));
  for (int length = 20; length <= 60; length += 20) {
    double chain = length * length * drift + 1.0 / 3;
    assert_true(fabs(spread_of(length, 0) / chain - 1) < 0.05);
    double radius = length / (2 * M_PI * 4);
    double circle = spread_of(length, 4) - 1.0 / 3;
    assert_true(circle > radius * radius && circle < 3 * radius * radius);
  }
}

/* Second moments of a disc: r^2 / 4 on each axis; of a line: length^2 / 12 along it. Sampling adds up to a
 * quarter of a pixel squared. */
static void shapes_have_their_moments(void **state) {
  (void)state;
  static nd_blur_kernel k;
  for (int r = 3; r <= 27; r += 6) {
    nd_blur_disc(r, &k);
    moments m = moments_of(&k);
    assert_true(fabs(m.xx - r * r / 4.0) < 0.2 && fabs(m.yy - r * r / 4.0) < 0.2 && fabs(m.xy) < 1e-3);
  }
  for (int a = 0; a < 180; a += 30) {
    nd_blur_line(40, a, &k);
    moments m = moments_of(&k);
    double c = cos(a * M_PI / 180), s = sin(a * M_PI / 180), variance = 40 * 40 / 12.0;
    assert_true(fabs(m.xx - variance * c * c) < 0.5 && fabs(m.yy - variance * s * s) < 0.5);
    assert_true(fabs(m.xy + variance * c * s) < 0.5); /* rows count downwards */
  }
}

/* A kernel that is one pixel off the middle moves the picture; edges are repeated. */
static void blurring_is_convolution(void **state) {
  (void)state;
  enum { H = 5, W = 7 };
  static nd_blur_kernel k;
  float rgb[H * W * 3], before[H * W * 3];
  for (int i = 0; i < H * W * 3; i++)
    rgb[i] = before[i] = (float)(i * 37 % 101) / 101;
  memset(&k, 0, sizeof k);
  k.weight[ND_BLUR_RADIUS + 1][ND_BLUR_RADIUS + 2] = 0.75f;
  k.weight[ND_BLUR_RADIUS][ND_BLUR_RADIUS - 20] = 0.25f;
  assert_int_equal(nd_blur_apply(&k, rgb, H, W), 0);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++)
      for (int c = 0; c < 3; c++) {
        int up = MAX(y - 1, 0), left = MAX(x - 2, 0), right = MIN(x + 20, W - 1);
        float expected = 0.75f * before[(up * W + left) * 3 + c] + 0.25f * before[(y * W + right) * 3 + c];
        assert_true(fabsf(rgb[(y * W + x) * 3 + c] - expected) < 1e-6f);
      }
}

/* Half of black and half of white light is 0.735 in sRGB and 0.730 with a power of 2.2, not 0.5. */
static void light_adds_before_the_response_curve(void **state) {
  (void)state;
  static const struct {
    const char *response;
    double expected;
  } cases[] = {{"srgb", 0.7354}, {"gamma", 0.7297}, {"none", 0.5}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    nd_degrade_settings s = chosen("blur", "shape=line length=40 angle=0");
    assert_int_equal(nd_degrade_set(&s, "response", cases[i].response), 0);
    g_autofree float *rgb = g_new(float, VALUES);
    for (int k = 0; k < VALUES; k++)
      rgb[k] = k / 3 % SIDE / 4 % 2 ? 1 : 0; /* stripes of 4: 40 pixels hold five of each */
    degrade(&s, rgb, SIDE, 1);
    for (int x = 60; x < 190; x++)
      assert_true(fabs((double)rgb[(100 * SIDE + x) * 3] - cases[i].expected) < 0.02);
  }
}

/* ---- Lower resolution, JPEG, retouching ---- */

static void waves_too_fine_are_lost_and_others_kept(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("downscale", "factor=4");
  g_autofree float *fine = wavy(0.25), *coarse = wavy(0.02), *level = flat(SIDE, 0.37f);
  double before = deviation(coarse);
  degrade(&s, fine, SIDE, 1);
  degrade(&s, coarse, SIDE, 1);
  degrade(&s, level, SIDE, 1);
  assert_true(deviation(fine) < 0.02); /* above the new Nyquist limit of 0.125 */
  assert_true(fabs(deviation(coarse) / before - 1) < 0.03);
  for (int i = 0; i < VALUES; i++)
    assert_true(fabsf(level[i] - 0.37f) < 1e-5f);
  nd_degrade_settings none = chosen("downscale", "factor=1");
  g_autofree float *same = wavy(0.2), *original = wavy(0.2);
  degrade(&none, same, SIDE, 1);
  for (int i = 0; i < VALUES; i++)
    assert_true(fabsf(same[i] - original[i]) < 1e-5f);
}

/* A constant is left alone; white noise is made smaller by the one and larger by the other, by 1 + amount
 * times what the binomial takes away: for white noise (1 + a)^2 - 2 a (1 + a) / 4 + a^2 (3/8)^2. */
static void retouching_does_what_it_says_to_noise(void **state) {
  (void)state;
  g_autofree float *level = flat(SIDE, 0.5f), *noise = flat(SIDE, 0.5f), *sharp = flat(SIDE, 0.5f);
  nd_degrade_settings gaussian = chosen("gaussian", "sigma=6");
  degrade(&gaussian, noise, SIDE, 1);
  degrade(&gaussian, sharp, SIDE, 1);
  double before = deviation(noise);
  assert_int_equal(nd_camera_retouch(level, SIDE, SIDE, 0.05, 1, 1), 0);
  for (int i = 0; i < VALUES; i++)
    assert_true(fabsf(level[i] - 0.5f) < 1e-6f);
  assert_int_equal(nd_camera_retouch(noise, SIDE, SIDE, 0.5, 1, 0), 0);
  assert_true(deviation(noise) < 0.4 * before);
  assert_int_equal(nd_camera_retouch(sharp, SIDE, SIDE, 0.05, 0, 1), 0);
  double expected = sqrt(4 - 2 * 2 * 0.25 + 9.0 / 64);
  assert_true(fabs(deviation(sharp) / before / expected - 1) < 0.01);
}

/* White noise through a Gaussian of deviation s in both directions: 1 / (2 s sqrt(pi)) of its deviation is
 * left. */
static double left_of_noise(double sigma) {
  return 1 / (2 * sigma * sqrt(G_PI));
}

/* The same value in all three channels, so that there is no colour. */
static void make_grey(float *rgb) {
  for (int i = 0; i < VALUES; i += 3)
    rgb[i + 1] = rgb[i + 2] = rgb[i];
}

/* Red against the other two so that Rec. 601's brightness stays what it was. */
static void make_colour_alone(float *rgb) {
  for (int i = 0; i < VALUES; i += 3)
    rgb[i + 1] = rgb[i + 2] = 0.5f - (rgb[i] - 0.5f) * 0.299f / 0.701f;
}

static void softening_blurs_brightness_and_colour_apart(void **state) {
  (void)state;
  nd_degrade_settings gaussian = chosen("gaussian", "sigma=6");
  g_autofree float *level = flat(SIDE, 0.3f), *grey = flat(SIDE, 0.5f), *colour = flat(SIDE, 0.5f);
  degrade(&gaussian, grey, SIDE, 1);
  make_grey(grey);
  degrade(&gaussian, colour, SIDE, 2);
  make_colour_alone(colour);
  assert_int_equal(nd_camera_soften(level, SIDE, SIDE, 0.7, 2), 0);
  for (int i = 0; i < VALUES; i++)
    assert_true(fabsf(level[i] - 0.3f) < 1e-6f);
  double before[2] = {deviation(grey), deviation(colour)};
  assert_int_equal(nd_camera_soften(grey, SIDE, SIDE, 0, 2), 0); /* colour alone: grey stays */
  assert_int_equal(nd_camera_soften(colour, SIDE, SIDE, 2, 0), 0);
  assert_true(fabs(deviation(grey) / before[0] - 1) < 1e-4);
  assert_true(fabs(deviation(colour) / before[1] - 1) < 1e-4);
  assert_int_equal(nd_camera_soften(grey, SIDE, SIDE, 0.9, 0), 0);
  assert_int_equal(nd_camera_soften(colour, SIDE, SIDE, 0, 1.5), 0);
  assert_true(fabs(deviation(grey) / before[0] / left_of_noise(0.9) - 1) < 0.05);
  assert_true(fabs(deviation(colour) / before[1] / left_of_noise(1.5) - 1) < 0.05);
}

/* ---- Chains ---- */

static void a_chain_is_the_composition(void **state) {
  (void)state;
  nd_degrade_settings chain = chosen("rain", ""), first = chain;
  assert_int_equal(nd_degrade_set(&chain, "then", "blur length=8 impulsiveness=0.5, gaussian sigma=10"), 0);
  assert_int_equal(nd_degrade_then(&chain, "jpeg  quality=50"), 0);
  nd_degrade_settings later[] = {chosen("blur", "length=8 impulsiveness=0.5"), chosen("gaussian", "sigma=10"),
                                 chosen("jpeg", "quality=50")};
  g_autofree float *at_once = wavy(0.03), *by_hand = wavy(0.03);
  degrade(&chain, at_once, SIDE, 9);
  nd_rng rng = nd_rng_make(3, 9, 0, ND_RANDOM_DEGRADE);
  nd_rng origin = rng;
  assert_int_equal(nd_degrade_apply(&first, by_hand, SIDE, SIDE, &rng), 0);
  for (uint32_t i = 0; i < 3; i++) {
    nd_rng branch = nd_rng_branch(&origin, i + 1);
    assert_int_equal(nd_degrade_apply(&later[i], by_hand, SIDE, SIDE, &branch), 0);
  }
  assert_memory_equal(at_once, by_hand, VALUES * sizeof *at_once);
}

static void chains_are_told_and_read_back(void **state) {
  (void)state;
  nd_degrade_settings chain = chosen("gaussian", ""), again = chain;
  assert_int_equal(nd_degrade_set(&chain, "then", "jpeg quality_min=40, blur shape=disc radius=2.5"), 0);
  g_autofree char *text = nd_degrade_then_text(&chain), *told = nd_degrade_describe(&chain);
  assert_int_equal(nd_degrade_set(&again, "then", text), 0);
  assert_memory_equal(&chain, &again, sizeof chain);
  assert_non_null(strstr(told, "}, then jpeg: {quality_min: 40, quality_max: 90}, then blur: {shape: disc"));
}

static void wrong_chains_are_named(void **state) {
  (void)state;
  static const char *const cases[][2] = {{"fog", "no degradation 'fog'"},
                                         {"jpeg quality", "KEY=VALUE"},
                                         {"jpeg sigma=3", "no setting 'sigma'"},
                                         {"jpeg quality_min=95", "above quality_max"},
                                         {"jpeg then=blur", "no chains"},
                                         {"jpeg,,blur", "name is missing"},
                                         {"jpeg,jpeg,jpeg,jpeg,jpeg,jpeg,jpeg,jpeg", "at most 8"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    nd_degrade_settings s = chosen("rain", ""), before = s;
    assert_int_equal(nd_degrade_set(&s, "then", cases[i][0]), -1);
    assert_error_has(cases[i][1]);
    assert_memory_equal(&s, &before, sizeof s);
  }
}

static void each_is_a_function_of_its_generator(void **state) {
  (void)state;
  const nd_degradation *kind;
  for (int i = 0; (kind = nd_degradation_at(i)); i++) {
    nd_degrade_settings s = chosen(kind->name, "");
    g_autofree float *a = wavy(0.1), *b = wavy(0.1);
    degrade(&s, a, SIDE, 1);
    nd_set_threads(1);
    degrade(&s, b, SIDE, 1);
    nd_set_threads(0);
    assert_memory_equal(a, b, VALUES * sizeof *a);
    int different = 0; /* JPEG's qualities are few: two draws may be the same */
    for (uint64_t step = 2; step < 6; step++) {
      g_autofree float *other = wavy(0.1);
      degrade(&s, other, SIDE, step);
      different += memcmp(a, other, VALUES * sizeof *a) != 0;
    }
    assert_true(different >= 3);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(streaks_fall_at_the_angle_set),
      cmocka_unit_test(mist_is_a_mixture),
      cmocka_unit_test(streaks_cover_what_their_numbers_say),
      cmocka_unit_test(rain_brightens_and_stays_in_range),
      cmocka_unit_test(drops_show_the_scene),
      cmocka_unit_test(kernels_sum_to_one_and_are_centred),
      cmocka_unit_test(shakes_are_as_wide_as_chains_and_circles),
      cmocka_unit_test(shapes_have_their_moments),
      cmocka_unit_test(blurring_is_convolution),
      cmocka_unit_test(light_adds_before_the_response_curve),
      cmocka_unit_test(waves_too_fine_are_lost_and_others_kept),
      cmocka_unit_test(retouching_does_what_it_says_to_noise),
      cmocka_unit_test(softening_blurs_brightness_and_colour_apart),
      cmocka_unit_test(a_chain_is_the_composition),
      cmocka_unit_test(chains_are_told_and_read_back),
      cmocka_unit_test(wrong_chains_are_named),
      cmocka_unit_test(each_is_a_function_of_its_generator),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
