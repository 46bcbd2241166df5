/* The restoration loss by each of its names: its value by hand, its gradient by differences. */
#include "trial.h"

enum { VALUES = N * SIZE * SIZE * 3 };

static double by_hand(nd_restoration_loss kind, const float *restored, const float *clean) {
  double sum = 0;
  for (int i = 0; i < VALUES; i++) {
    double d = (double)restored[i] - (double)clean[i];
    sum += kind == ND_LOSS_MSE ? d * d : kind == ND_LOSS_L1 ? fabs(d) : sqrt(d * d + 1e-6);
  }
  return sum / VALUES;
}

static void fill(float *x, uint32_t which) {
  nd_rng r = nd_rng_make(3, 0, which, ND_RANDOM_TEST);
  for (int i = 0; i < VALUES; i++)
    x[i] = (float)nd_rng_uniform(&r);
}

static double loss_at(trial *t, const float *synthetic, const float *clean) {
  memcpy(nd_plan_tensor(t->plan, t->o.synthetic), synthetic, VALUES * sizeof(float));
  memcpy(nd_plan_tensor(t->plan, t->o.clean), clean, VALUES * sizeof(float));
  nd_run(t->plan, 0, 0, 0);
  return (double)nd_plan_tensor(t->plan, t->o.loss)[0];
}

/* The steepest of the biases, whose gradient is far from rounding. */
static size_t steepest(const trial *t) {
  size_t best = 0;
  for (int i = 0; i < nd_params_length(t->params); i++) {
    const nd_param *p = nd_params_at(t->params, i);
    if (g_str_has_suffix(p->name, "bias") &&
        fabsf(t->state.gradients[p->offset]) > fabsf(t->state.gradients[best]))
      best = p->offset;
  }
  return best;
}

static void losses_are_what_they_are_called(void **state) {
  (void)state;
  static const nd_restoration_loss kinds[] = {ND_LOSS_CHARBONNIER, ND_LOSS_L1, ND_LOSS_MSE};
  float synthetic[VALUES], clean[VALUES], restored[VALUES];
  fill(synthetic, 1);
  fill(clean, 2);
  for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
    nd_objective_settings s = nd_objective_defaults();
    s.mode = ND_MODE_SOURCE;
    s.restoration_loss = kinds[k];
    trial t;
    open_trial_with(&t, network("unet", ND_RESTORATION, "width=4;depth=2"), s);
    restore(&t, synthetic, restored);
    double loss = loss_at(&t, synthetic, clean), expected = by_hand(kinds[k], restored, clean);
    if (!(fabs(loss / expected - 1) < 1e-5))
      fail_msg("loss %d is %.8g, by hand %.8g", (int)kinds[k], loss, expected);
    size_t at = steepest(&t);
    double slope = (double)t.state.gradients[at], step = 1e-3, middle = (double)t.state.values[at];
    t.state.values[at] = (float)(middle + step);
    double above = loss_at(&t, synthetic, clean);
    t.state.values[at] = (float)(middle - step);
    double below = loss_at(&t, synthetic, clean);
    if (!(fabs((above - below) / (2 * step) / slope - 1) < 0.03)) /* |d| has kinks */
      fail_msg("loss %d: slope %.6g, by differences %.6g", (int)kinds[k], slope,
               (above - below) / (2 * step));
    close_trial(&t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(losses_are_what_they_are_called)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
