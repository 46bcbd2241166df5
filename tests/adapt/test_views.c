/* The paired objective with a network that takes two views, against the same put together by hand: R's result
 * is the picture, and what is corrupted with the other's residual is the mean of the views. */
#include "trial.h"

enum { PIXELS = N * SIZE * SIZE };

static void fill(trial *t, nd_tensor x, int channels, uint32_t which, float *copy) {
  nd_rng r = nd_rng_make(1, 0, which, ND_RANDOM_TEST);
  float *to = nd_plan_tensor(t->plan, x);
  for (int i = 0; i < PIXELS * channels; i++)
    to[i] = copy[i] = (float)nd_rng_uniform(&r);
}

/* What a network makes of x: N pictures of so many channels to PIXELS x 3. */
static void run(const trial *t, const nd_net *net, const float *x, int channels, const float *levels,
                float *out) {
  nd_graph *g = nd_graph_new(t->params);
  nd_plan *plan;
  nd_tensor in = nd_input(g, "x", N, SIZE, SIZE, channels), level = ND_NONE, y;
  if (levels)
    level = nd_input(g, "level", N, 1, 1, 1);
  nd_scope_push(g, levels ? ND_SCOPE_DIFFUSION : ND_SCOPE_RESTORATION);
  y = levels ? nd_net_predict_noise(g, net, in, level) : nd_net_restore(g, net, in);
  nd_scope_pop(g);
  nd_output(g, "y", y);
  assert_int_equal(nd_compile(g, &plan), 0);
  nd_plan_bind(plan, t->state.values);
  memcpy(nd_plan_tensor(plan, in), x, (size_t)PIXELS * (size_t)channels * sizeof *x);
  if (levels)
    memcpy(nd_plan_tensor(plan, level), levels, N * sizeof *levels);
  nd_run(plan, 0, 0, 0);
  memcpy(out, nd_plan_tensor(plan, y), PIXELS * 3 * sizeof *out);
  nd_plan_free(plan);
  nd_graph_free(g);
}

/* The mean squared error of the predicted noise with these two conditions. */
static double judge(const trial *t, const float *noisy, const float *a, const float *b, const float *levels,
                    const float *noise) {
  float x[PIXELS * 9], e[PIXELS * 3];
  double sum = 0;
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < 3; c++) {
      x[9 * i + c] = noisy[3 * i + c];
      x[9 * i + 3 + c] = a[3 * i + c];
      x[9 * i + 6 + c] = b[3 * i + c];
    }
  run(t, t->diffusion, x, 9, levels, e);
  for (int i = 0; i < PIXELS * 3; i++)
    sum += pow((double)e[i] - (double)noise[i], 2) / (PIXELS * 3);
  return sum;
}

static float mean_of(const float *views, int i) {
  return (views[i / 3 * 6 + i % 3] + views[i / 3 * 6 + 3 + i % 3]) / 2;
}

static void expect_number(const trial *t, nd_tensor x, double expected) {
  double found = (double)nd_plan_tensor(t->plan, x)[0];
  if (!(fabs(found - expected) < 1e-5 * (1 + fabs(expected))))
    fail_msg("%.8g, expected %.8g", found, expected);
}

static void negatives_are_of_the_mean_of_both_views(void **state) {
  (void)state;
  trial t;
  float synthetic[PIXELS * 6], real[PIXELS * 6], clean[PIXELS * 3], noise[PIXELS * 3], noisy[PIXELS * 3],
      restored[2][PIXELS * 3], negative[2][PIXELS * 3];
  const float levels[N] = {0.3f, 0.8f, 0.5f};
  nd_objective_settings s = nd_objective_defaults();
  double charbonnier = 0;
  s.residual = false;
  open_trial_with(
      &t, network("restormer", ND_RESTORATION, "width=8;blocks=1,1;heads=1,2;refinement=1;dual_pixel=1"), s);
  assert_int_equal(t.o.channels, 6);
  fill(&t, t.o.synthetic, 6, 1, synthetic);
  fill(&t, t.o.real, 6, 2, real);
  fill(&t, t.o.clean, 3, 3, clean);
  fill(&t, t.o.noise, 3, 4, noise);
  for (int i = 0; i < N; i++) {
    nd_plan_tensor(t.plan, t.o.level)[i] = levels[i];
    nd_plan_tensor(t.plan, t.o.signal_scale)[i] = sqrtf(levels[i]);
    nd_plan_tensor(t.plan, t.o.noise_scale)[i] = sqrtf(1 - levels[i]);
    nd_plan_tensor(t.plan, t.o.shuffle)[i] = nd_plan_tensor(t.plan, t.o.shuffle_negative)[i] = 0;
  }
  nd_plan_tensor(t.plan, t.o.alpha)[0] = 1;
  nd_run(t.plan, 0, 0, 0);
  run(&t, t.restoration, synthetic, 6, NULL, restored[0]);
  run(&t, t.restoration, real, 6, NULL, restored[1]);
  for (int i = 0; i < PIXELS * 3; i++) {
    float level = levels[i / (SIZE * SIZE * 3)];
    noisy[i] = sqrtf(level) * clean[i] + sqrtf(1 - level) * noise[i];
    negative[0][i] = mean_of(synthetic, i) + restored[1][i] - mean_of(real, i);
    negative[1][i] = mean_of(real, i) + restored[0][i] - mean_of(synthetic, i);
    charbonnier += sqrt(pow((double)restored[0][i] - (double)clean[i], 2) + 1e-6) / (PIXELS * 3);
  }
  expect_number(&t, t.o.loss_restoration, charbonnier);
  expect_number(&t, t.o.loss_positive, judge(&t, noisy, restored[0], restored[1], levels, noise));
  expect_number(&t, t.o.loss_negative, judge(&t, noisy, negative[0], negative[1], levels, noise));
  close_trial(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(negatives_are_of_the_mean_of_both_views)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
