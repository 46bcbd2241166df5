/* Where the weight of the diffusion loss acts: on the loss, or on the gradient that passes through its
 * conditions (weigh_conditions). What the restoration network gets is the same. */
#include "trial.h"

static const double alpha = 0.3;

static void fill(trial *t, nd_tensor input, uint32_t which) {
  nd_rng r = nd_rng_make(3, 0, which, ND_RANDOM_TEST);
  for (int i = 0; i < N * SIZE * SIZE * 3; i++)
    nd_plan_tensor(t->plan, input)[i] = (float)nd_rng_uniform(&r);
}

static void run(trial *t, bool weigh_conditions) {
  nd_objective_settings s = nd_objective_defaults();
  nd_schedule *schedule;
  s.weigh_conditions = weigh_conditions;
  s.keep_means = 0.5f;
  open_trial_with(t, network("unet", ND_RESTORATION, "width=4;depth=2"), s);
  assert_int_equal(nd_schedule_new("linear", 1000, 1e-6, 0.01, &schedule), 0);
  fill(t, t->o.synthetic, 1);
  fill(t, t->o.real, 2);
  fill(t, t->o.clean, 3);
  nd_objective_draw(&t->o, t->plan, schedule, (nd_levels){1, 999, 1}, 1, 0, 0);
  nd_plan_tensor(t->plan, t->o.alpha)[0] = (float)alpha;
  nd_run(t->plan, 0, 0, 0);
  nd_schedule_free(schedule);
}

/* The largest distance of a's gradient from b's times a number, as a share of b's largest. */
static double distance(const trial *a, const trial *b, const char *scope, double times) {
  double most = 0, largest = 0;
  for (int i = 0; i < nd_params_length(a->params); i++) {
    const nd_param *p = nd_params_at(a->params, i);
    for (size_t k = p->offset; g_str_has_prefix(p->name, scope) && k < p->offset + p->count; k++) {
      double wanted = times * (double)b->state.gradients[k];
      most = fmax(most, fabs((double)a->state.gradients[k] - wanted));
      largest = fmax(largest, fabs(wanted));
    }
  }
  assert_true(largest > 0);
  return most / largest;
}

static void the_weight_acts_on_the_restoration_network_alone(void **state) {
  (void)state;
  trial loss, conditions;
  run(&loss, false);
  run(&conditions, true);
  assert_true(distance(&conditions, &loss, ND_SCOPE_RESTORATION, 1) < 1e-4);
  assert_true(distance(&conditions, &loss, ND_SCOPE_DIFFUSION, 1 / alpha) < 1e-4);
  assert_true(fabs((double)nd_plan_tensor(conditions.plan, conditions.o.loss_positive)[0] -
                   (double)nd_plan_tensor(loss.plan, loss.o.loss_positive)[0]) < 1e-5);
  close_trial(&loss);
  close_trial(&conditions);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_weight_acts_on_the_restoration_network_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
