/* training.gradient_clip: the gradient is made as short as asked for and keeps its direction; what is told is
 * how long it was. After the first step Adam's first moment is 1 - beta1 times the gradient that it was
 * given, and the second is 1 - beta2 times its square. */
#include "../data/pictures.h"
#include "train/trainer-private.h"

#include <math.h>

static const char recipe_text[] =
    "mode: source\n"
    "restoration: {network: unet, width: 4, depth: 2}\n"
    "data: {clean: clean, degradation: {kind: gaussian, sigma_max: 40}, patch_size: 16, batch_size: 4}\n"
    "training: {steps: 100, learning_rate: 1e-3, weight_decay: 0, accumulation_steps: %d, "
    "gradient_clip: %.17g}\n";

typedef struct taken {
  double told;      /* gradient_norm */
  double *gradient; /* as Adam was given it */
  size_t n;
} taken;

static taken first_step(int passes, double clip) {
  g_autofree char *text = g_strdup_printf(recipe_text, passes, clip);
  nd_recipe recipe;
  nd_trainer *t = NULL;
  nd_step_result s;
  nd_recipe_init(&recipe);
  if (nd_recipe_parse(&recipe, text, "r.yaml") || nd_recipe_check(&recipe) ||
      nd_trainer_new(&recipe, NULL, &t) || nd_trainer_begin(t) || nd_trainer_open_data(t) ||
      nd_trainer_step(t, &s))
    fail_msg("%s", nd_error());
  taken out = {s.gradient_norm, g_new(double, t->state.size), t->state.size};
  for (size_t i = 0; i < out.n; i++) {
    double b1 = (double)t->adam.beta1, b2 = (double)t->adam.beta2, d = t->state.moment1[i] / (1 - b1);
    out.gradient[i] = d;
    assert_float_equal(t->state.moment2[i], (1 - b2) * d * d, 1e-5 * (1 - b2) * d * d + 1e-30);
  }
  nd_trainer_free(t);
  nd_recipe_clear(&recipe);
  return out;
}

static double length(const taken *t) {
  double squares = 0;
  for (size_t i = 0; i < t->n; i++)
    squares += t->gradient[i] * t->gradient[i];
  return sqrt(squares);
}

static void expect_close(const char *what, double x, double wanted) {
  if (!(fabs(x - wanted) <= 1e-5 * fabs(wanted) + 1e-12))
    fail_msg("%s: %.9g, not %.9g", what, x, wanted);
}

static void a_long_gradient_is_shortened(void **state) {
  (void)state;
  for (int passes = 1; passes <= 2; passes++) {
    taken whole = first_step(passes, 0);
    double clip = length(&whole) / 3;
    taken clipped = first_step(passes, clip);
    assert_true(clip > 0);
    expect_close("the norm told without a limit", whole.told, 3 * clip);
    expect_close("the norm told with one", clipped.told, 3 * clip);
    expect_close("the norm", length(&clipped), clip);
    for (size_t i = 0; i < whole.n; i++)
      expect_close("a gradient", clipped.gradient[i], whole.gradient[i] / 3);
    g_free(whole.gradient);
    g_free(clipped.gradient);
  }
}

static void a_short_gradient_is_left_alone(void **state) {
  (void)state;
  taken whole = first_step(1, 0), same = first_step(1, 1.01 * length(&whole));
  assert_memory_equal(same.gradient, whole.gradient, whole.n * sizeof *whole.gradient);
  g_free(whole.gradient);
  g_free(same.gradient);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_long_gradient_is_shortened, enter_places, leave_folder),
      cmocka_unit_test_setup_teardown(a_short_gradient_is_left_alone, enter_places, leave_folder)};
  nd_set_threads(1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
