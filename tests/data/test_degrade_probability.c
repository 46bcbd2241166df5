/* How often a degradation is applied, by itself and in a chain. */
#include "degrading.h"

#include <math.h>
#include <string.h>

enum { SIDE = 16, VALUES = SIDE * SIDE * 3, PATCHES = 2000 };

static bool is_flat(const float *rgb, float level) {
  for (int i = 0; i < VALUES; i++)
    if (rgb[i] != level)
      return false;
  return true;
}

/* Within four standard deviations of a binomial distribution. */
static void assert_share(int count, double share) {
  if (fabs((double)count / PATCHES - share) > 4 * sqrt(share * (1 - share) / PATCHES) + 1e-12)
    fail_msg("%d of %d are not %g", count, PATCHES, share);
}

static void it_is_applied_to_that_share(void **state) {
  (void)state;
  static const char *const shares[] = {"0", "0.25", "0.7", "1"};
  for (size_t s = 0; s < G_N_ELEMENTS(shares); s++) {
    nd_degrade_settings settings = chosen("gaussian", "sigma=20");
    assert_int_equal(nd_degrade_set(&settings, "probability", shares[s]), 0);
    int applied = 0;
    for (uint64_t step = 0; step < PATCHES; step++) {
      g_autofree float *rgb = flat(SIDE, 0.5f);
      degrade(&settings, rgb, SIDE, step);
      applied += !is_flat(rgb, 0.5f);
    }
    assert_share(applied, g_ascii_strtod(shares[s], NULL));
  }
}

/* What is degraded at all is degraded as it is with probability 1. */
static void it_draws_the_same_noise(void **state) {
  (void)state;
  nd_degrade_settings always = chosen("gaussian", ""), often = chosen("gaussian", "probability=0.6");
  for (uint64_t step = 0; step < 50; step++) {
    g_autofree float *a = flat(SIDE, 0.5f), *b = flat(SIDE, 0.5f);
    degrade(&always, a, SIDE, step);
    degrade(&often, b, SIDE, step);
    assert_true(is_flat(b, 0.5f) || !memcmp(a, b, VALUES * sizeof *a));
  }
}

/* Noise is seen in differences, mist in the mean. */
static void links_of_a_chain_are_independent(void **state) {
  (void)state;
  nd_degrade_settings settings = chosen("gaussian", "sigma=10 probability=0.5");
  assert_int_equal(nd_degrade_then(&settings, "rain density=0 mist=0.5 light=1 probability=0.3"), 0);
  int noise = 0, mist = 0, both = 0;
  for (uint64_t step = 0; step < PATCHES; step++) {
    g_autofree float *rgb = flat(SIDE, 0.25f);
    degrade(&settings, rgb, SIDE, step);
    double mean = 0;
    bool noisy = false;
    for (int i = 0; i < VALUES; i++)
      mean += (double)rgb[i] / VALUES, noisy |= rgb[i] != rgb[0];
    bool misty = mean > 0.45; /* mist halves 0.25 and adds 0.5 */
    noise += noisy, mist += misty, both += noisy && misty;
  }
  assert_share(noise, 0.5);
  assert_share(mist, 0.3);
  assert_share(both, 0.15);
}

static void it_is_a_setting_like_others(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("jpeg", "quality=40 probability=0.5");
  g_autofree char *text = nd_degrade_describe(&s);
  assert_string_equal(text, "jpeg: {quality_min: 40, quality_max: 40, probability: 0.5}");
  assert_int_equal(nd_degrade_then(&s, "downscale factor=2 probability=0.25"), 0);
  g_autofree char *then = nd_degrade_then_text(&s);
  assert_string_equal(then, "downscale factor_min=2 factor_max=2 probability=0.25");
  assert_int_equal(nd_degrade_set(&s, "probability", "1.5"), -1);
  assert_error_has("outside 0 to 1");
  assert_int_equal(nd_degrade_set(&s, "probabilty", "1"), -1);
  assert_error_has("quality, quality_min, quality_max, probability");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_applied_to_that_share),
      cmocka_unit_test(it_draws_the_same_noise),
      cmocka_unit_test(links_of_a_chain_are_independent),
      cmocka_unit_test(it_is_a_setting_like_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
