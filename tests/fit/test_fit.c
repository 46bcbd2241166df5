/* Settings of a degradation from photos without targets: the statistics against closed forms, the search
 * against known optima, and the whole against photos whose settings are known. */
#include "fit/fit-private.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { SIDE = 48, VALUES = SIDE * SIDE * 3 };

static void expect(double actual, double wanted, double within) {
  if (fabs(actual - wanted) > within)
    fail_msg("%g is not %g", actual, wanted);
}

/* ---- Statistics ---- */
static void grey(float *rgb, float (*value)(int y, int x)) {
  for (int i = 0; i < SIDE * SIDE; i++)
    rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = value(i / SIDE, i % SIDE);
}

static float wave(int y, int x) {
  (void)y;
  return 0.5f + 0.25f * (float)cos(G_PI / 2 * x);
}

static float wave_down(int y, int x) {
  return wave(x, y);
}

/* The second difference of a wave is the wave times 2 cos(omega lag) - 2: for a period of 4, 2, 4, 0, 0 at
 * lags 1, 2, 4, 8; along its crests it is 0, of which 1e-6 is made. */
static void a_wave_has_the_detail_of_its_period(void **state) {
  (void)state;
  float rgb[VALUES], s[ND_FIT_STATISTICS];
  double square = 0.25 * 0.25 / 2, nothing = 0.5 * log(1e-6), one = 0.5 * log(4 * square + 1e-6),
         two = 0.5 * log(16 * square + 1e-6);
  grey(rgb, wave);
  assert_int_equal(nd_fit_statistics(rgb, SIDE, false, s), ND_FIT_BRIGHTNESS);
  expect(s[0], 0.5, 1e-3);
  expect(s[1], 0.5 * log(square + 1e-5), 1e-3);
  expect(s[2], 0.75 * (one - nothing), 1e-3); /* three of four directions cross it */
  expect(s[3], 0.75 * (two - nothing), 1e-3);
  expect(s[4], 0, 1e-3);
  expect(s[5], one - nothing, 1e-3); /* how unequal: rows and columns differ, diagonals do not */
  expect(s[9], one - nothing, 1e-3);
  expect(s[13], 0, 1e-3);
  grey(rgb, wave_down);
  nd_fit_statistics(rgb, SIDE, false, s);
  expect(s[9], nothing - one, 1e-3);
  expect(s[10], nothing - two, 1e-3);
}

/* White noise of variance v has second differences of variance 6 v at every lag and in every direction. */
static void white_noise_is_equal_everywhere(void **state) {
  (void)state;
  float rgb[VALUES], s[ND_FIT_STATISTICS], most[ND_FIT_STATISTICS] = {0};
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  for (int i = 0; i < VALUES; i++)
    rgb[i] = 0.5f + 0.05f * (float)nd_rng_normal(&rng);
  assert_int_equal(nd_fit_statistics(rgb, SIDE, true, s), ND_FIT_STATISTICS);
  for (int k = 2; k < ND_FIT_BRIGHTNESS; k++)
    most[k] = fabsf(s[k]);
  for (int k = 2; k < ND_FIT_BRIGHTNESS; k++)
    assert_true(most[k] < 0.12f);
  /* b - y has (1 - 0.114)^2 + 0.299^2 + 0.587^2 of the variance of a channel, y 0.299^2 + 0.587^2 + 0.114^2
   */
  expect(s[ND_FIT_BRIGHTNESS + 3], 0.5 * log((0.785 + 0.0894 + 0.3446) / (0.0894 + 0.3446 + 0.013)), 0.05);
}

static void distance_is_how_far_values_are_moved(void **state) {
  (void)state;
  float a[] = {1, 2, 3, 6, 10, 20, 30, 60}, b[] = {2, 3, 4, 7, 10, 20, 30, 60};
  nd_fit_table x = {2, 4, a}, y = {2, 4, b};
  expect(nd_fit_distance(&x, &x), 0, 1e-9);
  expect(nd_fit_distance(&x, &y), 1 / sqrt(3.5) / 2,
         1e-6); /* moved by 1, deviation of 2, 3, 4, 7: 3.5 squared */
}

/* ---- Search ---- */
static double known_optimum(const nd_degrade_settings *s, void *context) {
  double low, high;
  (void)context;
  nd_degrade_settings named = *s;
  assert_int_equal(nd_degrade_check(&named), 0); /* never outside the limits */
  const nd_degrade_key *length = NULL;
  for (int k = 0; k < s->kind->key_count; k++)
    if (!strcmp(s->kind->keys[k].name, "length"))
      length = &s->kind->keys[k];
  low = s->values[length->first], high = s->values[length->first + 1];
  return 1 + fabs(low - 3) + fabs(high - 7) + (s->values[0] == 1 ? 0 : 5);
}

static void the_search_finds_a_known_optimum(void **state) {
  (void)state;
  nd_degrade_settings s, given;
  bool fixed[ND_DEGRADE_VALUES] = {false};
  assert_int_equal(nd_degrade_find("blur", &given), 0);
  s = given;
  assert_true(nd_fit_search(&s, fixed, 60, 1, known_optimum, NULL) < 1.4);
  g_autofree char *text = nd_degrade_describe(&s);
  assert_non_null(strstr(text, "shape: line"));
  assert_non_null(strstr(text, "radius_min: 1, radius_max: 6")); /* what has no effect is as it was */
  fixed[given.kind->keys[0].first] = true;
  s = given;
  assert_true(nd_fit_search(&s, fixed, 60, 1, known_optimum, NULL) >= 6);
  assert_true(s.values[0] == given.values[0]);
}

/* Wants two and a half layers of rain, as a distance may. */
static double between_layers(const nd_degrade_settings *s, void *context) {
  const nd_degrade_key *layers = context;
  double found = s->values[layers->first];
  assert_true(found == floor(found));
  return 1 + fabs(found - 2.4);
}

/* What is drawn a number of times is not drawn 1.17 times, whatever the search would like. */
static void numbers_of_things_stay_whole(void **state) {
  (void)state;
  nd_degrade_settings s;
  bool fixed[ND_DEGRADE_VALUES] = {false};
  const nd_degrade_key *layers = NULL;
  assert_int_equal(nd_degrade_find("rain", &s), 0);
  for (int k = 0; k < s.kind->key_count; k++)
    if (!strcmp(s.kind->keys[k].name, "layers"))
      layers = &s.kind->keys[k];
  expect(nd_fit_search(&s, fixed, 40, 1, between_layers, (void *)layers), 1.4, 1e-9);
  expect(s.values[layers->first], 2, 0);
}

/* ---- Photos whose settings are known ---- */
/* Blobs of all sizes: clean pictures of one kind and other photos of the same. */
static void write_pictures(const char *folder, int first, const nd_degrade_settings *degradation) {
  enum { N = 6, EDGE = 160 };
  g_mkdir(folder, 0777);
  for (int k = 0; k < N; k++) {
    nd_image image;
    nd_rng rng = nd_rng_make(9, 0, (uint32_t)(first + k), ND_RANDOM_TEST);
    assert_int_equal(nd_image_new(EDGE, EDGE, 3, &image), 0);
    for (int i = 0; i < EDGE * EDGE * 3; i++)
      image.data[i] = 0.5f;
    for (int blob = 0; blob < 400; blob++) {
      int side = 1 + (int)(60 / (1 + nd_rng_below(&rng, 30))), y0 = (int)nd_rng_below(&rng, EDGE),
          x0 = (int)nd_rng_below(&rng, EDGE);
      float shade = (float)nd_rng_between(&rng, 0.2, 0.8);
      for (int y = y0; y < MIN(y0 + side, EDGE); y++)
        for (int x = x0; x < MIN(x0 + side, EDGE); x++)
          for (int c = 0; c < 3; c++)
            image.data[(y * EDGE + x) * 3 + c] = shade;
    }
    if (degradation)
      assert_int_equal(nd_degrade_apply(degradation, image.data, EDGE, EDGE, &rng), 0);
    g_autofree char *path = g_strdup_printf("%s/%d.png", folder, k);
    assert_int_equal(nd_image_save(path, &image, NULL), 0);
    nd_image_free(&image);
  }
}

static int setup(void **state) {
  nd_image_start();
  char *folder = g_dir_make_tmp("nd-fit-XXXXXX", NULL);
  assert_int_equal(g_chdir(folder), 0);
  write_pictures("clean", 0, NULL);
  *state = folder;
  return 0;
}

static int teardown(void **state) {
  static const char *const folders[] = {"clean", "noisy", "moved"};
  for (size_t f = 0; f < G_N_ELEMENTS(folders); f++) {
    g_autoptr(GDir) dir = g_dir_open(folders[f], 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
      g_autofree char *path = g_build_filename(folders[f], name, NULL);
      g_unlink(path);
    }
    g_rmdir(folders[f]);
  }
  g_chdir("/");
  g_rmdir(*state);
  g_free(*state);
  return 0;
}

static nd_degrade_settings of_kind(const char *name, const char *const (*values)[2], int n) {
  nd_degrade_settings s;
  assert_int_equal(nd_degrade_find(name, &s), 0);
  for (int i = 0; i < n; i++)
    assert_int_equal(nd_degrade_set(&s, values[i][0], values[i][1]), 0);
  return s;
}

static nd_fit_settings small(const char *real) {
  nd_fit_settings s = nd_fit_defaults();
  s.clean = "clean", s.real = real, s.patches = 40, s.patch_size = 32, s.tries = 20;
  return s;
}

static void noise_is_measured(void **state) {
  (void)state;
  static const char *const strength[][2] = {{"sigma_min", "20"}, {"sigma_max", "30"}};
  nd_degrade_settings true_one = of_kind("gaussian", strength, 2), found = of_kind("gaussian", NULL, 0),
                      again = found;
  nd_fit_result result, other;
  write_pictures("noisy", 100, &true_one);
  nd_fit_settings s = small("noisy");
  s.patches = 60, s.tries = 30;
  nd_set_threads(2);
  assert_int_equal(nd_fit(&s, &found, &result), 0);
  expect((found.values[0] + found.values[1]) / 2, 25, 4);
  assert_true(result.found < 0.3 * result.clean && result.found <= result.standard);
  nd_set_threads(1);
  assert_int_equal(nd_fit(&s, &again, &other), 0);
  nd_set_threads(0);
  assert_memory_equal(&found.values, &again.values, sizeof found.values);
  assert_true(result.found == other.found && result.tried == other.tried);
}

static void motion_is_told_from_shake_and_defocus(void **state) {
  (void)state;
  static const char *const moved[][2] = {{"shape", "line"}, {"length_min", "6"}, {"length_max", "10"}};
  nd_degrade_settings true_one = of_kind("blur", moved, 3), found = of_kind("blur", NULL, 0);
  nd_fit_result result;
  write_pictures("moved", 200, &true_one);
  nd_fit_settings s = small("moved");
  s.all = true;
  assert_int_equal(nd_fit(&s, &found, &result), 0);
  g_autofree char *text = nd_degrade_describe(&found);
  if (!strstr(text, "shape: line"))
    fail_msg("%s, distance %g", text, result.found);
  expect((found.values[1] + found.values[2]) / 2, 8, 2.5);
  assert_true(found.values[6] == 0.7); /* impulsiveness_max, which lines do not have: exactly the default */
}

static void fixed_settings_stay_and_mistakes_are_told(void **state) {
  (void)state;
  static const char *const shake[] = {"shape", "length_min", NULL}, *const wrong[] = {"lenght", NULL};
  nd_degrade_settings found = of_kind("blur", NULL, 0);
  nd_fit_result result;
  nd_fit_settings s = small("clean");
  s.tries = 5;
  s.fixed = shake;
  assert_int_equal(nd_fit(&s, &found, &result), 0);
  assert_true(found.values[0] == 0 && found.values[1] == 5);
  assert_true(found.values[2] == 30); /* searched, but photos do not tell it */
  s.fixed = wrong;
  assert_int_equal(nd_fit(&s, &found, &result), -1);
  assert_non_null(strstr(nd_error(), "lenght"));
  s.fixed = NULL, s.patch_size = 120; /* 182 pixels with what is around, and the pictures have 160 */
  assert_int_equal(nd_fit(&s, &found, &result), -1);
  assert_non_null(strstr(nd_error(), "182 x 182"));
  s.patch_size = 8;
  assert_int_equal(nd_fit(&s, &found, &result), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_wave_has_the_detail_of_its_period),
      cmocka_unit_test(white_noise_is_equal_everywhere),
      cmocka_unit_test(distance_is_how_far_values_are_moved),
      cmocka_unit_test(the_search_finds_a_known_optimum),
      cmocka_unit_test(numbers_of_things_stay_whole),
      cmocka_unit_test(noise_is_measured),
      cmocka_unit_test(motion_is_told_from_shake_and_defocus),
      cmocka_unit_test(fixed_settings_stay_and_mistakes_are_told),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
