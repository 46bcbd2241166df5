/* Degradations: settings by name, and Gaussian noise. */
#include "degrading.h"

#include <math.h>

enum { SIDE = 128, PIXELS = SIDE * SIDE, VALUES = PIXELS * 3 };

/* ---- Settings ---- */

static void settings_are_found_set_and_described(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("gaussian", "");
  g_autofree char *standard = nd_degrade_describe(&s);
  assert_string_equal(standard, "gaussian: {sigma_min: 0, sigma_max: 75, clip: false}");
  set(&s, "sigma", "25");
  set(&s, "sigma_max", "30.5");
  set(&s, "clip", "true");
  g_autofree char *text = nd_degrade_describe(&s);
  assert_string_equal(text, "gaussian: {sigma_min: 25, sigma_max: 30.5, clip: true}");
  s = chosen("camera", "");
  set(&s, "iso", "3200");
  set(&s, "sensor", "nexus_6");
  g_autofree char *camera = nd_degrade_describe(&s);
  assert_non_null(strstr(camera, "sensor: nexus_6, iso_min: 3200, iso_max: 3200"));
}

static void every_degradation_is_documented_and_its_defaults_are_valid(void **state) {
  (void)state;
  g_autofree char *page = NULL;
  assert_true(g_file_get_contents(ND_DEGRADATIONS_PAGE, &page, NULL, NULL));
  for (int i = 0; nd_degradation_at(i); i++) {
    const nd_degradation *kind = nd_degradation_at(i);
    g_autofree char *line = g_strdup_printf("\n| `%s` |", kind->name);
    if (!strstr(page, line))
      fail_msg("docs/degradations.md has no line on %s", kind->name);
    nd_degrade_settings s = chosen(kind->name, "");
    if (nd_degrade_check(&s))
      fail_msg("%s", nd_error());
    for (int k = 0; k < kind->key_count; k++) {
      assert_true(kind->keys[k].first + kind->keys[k].count <= ND_DEGRADE_VALUES);
      assert_true(strlen(kind->keys[k].help) > 5);
    }
  }
}

static void wrong_settings_are_named(void **state) {
  (void)state;
  nd_degrade_settings s;
  assert_int_equal(nd_degrade_find("fog", &s), -1);
  assert_error_has("gaussian, camera");
  assert_int_equal(nd_degrade_check(&s), -1);
  s = chosen("camera", "");
  static const struct {
    const char *key, *value, *part;
  } cases[] = {{"isoo", "1", "iso, iso_min, iso_max"}, {"iso_mean", "1", "no setting 'iso_mean'"},
               {"iso", "10", "outside 25 to 409600"},  {"iso_max", "many", "'many' is not a number"},
               {"iso_max", "800x", "not a number"},    {"iso", "nan", "outside"},
               {"sensor", "eye", "pixel, galaxy_s6"},  {"sensor_min", "pixel", "no setting"},
               {"noise", "yes", "false, true"},        {"quality", "", "not a number"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    nd_degrade_settings before = s;
    assert_int_equal(nd_degrade_set(&s, cases[i].key, cases[i].value), -1);
    assert_error_has(cases[i].part);
    assert_error_has(cases[i].key);
    assert_memory_equal(&s, &before, sizeof s);
  }
  nd_degrade_settings rain = chosen("rain", "layers=2");
  assert_int_equal(nd_degrade_set(&rain, "layers", "2.7"), -1); /* two were drawn */
  assert_error_has("2.7 is no whole number");
  set(&s, "iso_min", "6400");
  assert_int_equal(nd_degrade_check(&s), -1);
  assert_error_has("iso_min 6400 is above iso_max 1600");
  float rgb[3] = {0};
  nd_rng rng = nd_rng_make(1, 1, 1, ND_RANDOM_TEST);
  assert_int_equal(nd_degrade_apply(&s, rgb, 1, 1, &rng), -1);
}

/* ---- Gaussian ---- */

static void gaussian_noise_has_its_level_and_no_correlation(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("gaussian", "");
  set(&s, "sigma", "25");
  g_autofree float *rgb = flat(SIDE, 0.5f);
  degrade(&s, rgb, SIDE, 0);
  stats channel = measure(rgb, VALUES, 1), pixel = measure(rgb, VALUES, 3),
        row = measure(rgb, VALUES, 3 * SIDE);
  assert_true(fabs(channel.mean - 0.5) < 4 * 25 / 255.0 / sqrt(VALUES));
  assert_true(fabs(sqrt(channel.variance) * 255 / 25 - 1) < 0.015);
  assert_true(fabs(channel.neighbour) < 0.02 && fabs(pixel.neighbour) < 0.02 && fabs(row.neighbour) < 0.02);
}

static void gaussian_levels_are_uniform_over_patches(void **state) {
  (void)state;
  enum { PATCHES = 200 };
  nd_degrade_settings s = chosen("gaussian", "");
  double mean = 0, squares = 0, low = 1e9, high = 0;
  for (int i = 0; i < PATCHES; i++) {
    float rgb[32 * 32 * 3] = {0};
    nd_rng rng = nd_rng_make(3, (uint64_t)i, 0, ND_RANDOM_DEGRADE);
    assert_int_equal(nd_degrade_apply(&s, rgb, 32, 32, &rng), 0);
    double sigma = sqrt(measure(rgb, 32 * 32 * 3, 1).variance) * 255;
    mean += sigma / PATCHES, squares += sigma * sigma / PATCHES;
    low = fmin(low, sigma), high = fmax(high, sigma);
  }
  assert_true(fabs(mean - 37.5) < 4 * 75 / sqrt(12.0 * PATCHES));
  assert_true(fabs(sqrt(squares - mean * mean) - 75 / sqrt(12)) < 3);
  assert_true(low >= 0 && low < 3 && high > 72 && high < 79);
}

static void gaussian_clips_only_when_told(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("gaussian", "");
  set(&s, "sigma", "75");
  g_autofree float *free_range = flat(SIDE, 0.1f), *clipped = flat(SIDE, 0.1f);
  degrade(&s, free_range, SIDE, 0);
  set(&s, "clip", "true");
  degrade(&s, clipped, SIDE, 0);
  int below = 0;
  for (int i = 0; i < VALUES; i++) {
    below += free_range[i] < 0;
    assert_true(clipped[i] == fminf(fmaxf(free_range[i], 0), 1));
  }
  assert_true(below > VALUES / 5); /* P(N(0.1, 0.29) < 0) = 0.37 */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(settings_are_found_set_and_described),
      cmocka_unit_test(every_degradation_is_documented_and_its_defaults_are_valid),
      cmocka_unit_test(wrong_settings_are_named),
      cmocka_unit_test(gaussian_noise_has_its_level_and_no_correlation),
      cmocka_unit_test(gaussian_levels_are_uniform_over_patches),
      cmocka_unit_test(gaussian_clips_only_when_told),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
