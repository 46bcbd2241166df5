/* Each restoration network learns: on one small batch, in paired mode, the losses fall. */
#include "adapt/adapt.h"
#include "train/train-private.h"
#include "weights/model.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { N = 2 };

typedef struct trial {
  nd_net *restoration, *diffusion;
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_objective o;
  nd_schedule *schedule;
  nd_train_state state;
} trial;

static void open_trial(trial *t, const char *network, const char *settings, int size) {
  nd_objective_settings s = nd_objective_defaults();
  *t = (trial){.params = nd_params_new()};
  assert_int_equal(nd_net_from_text(network, ND_RESTORATION, settings, &t->restoration), 0);
  assert_int_equal(nd_net_from_text("guided", ND_DIFFUSION,
                                    "width=4;multipliers=1,2;res_blocks=1;attention_levels=;head_channels=4;"
                                    "norm_groups=2;dropout=0",
                                    &t->diffusion),
                   0);
  assert_int_equal(nd_schedule_new("linear", 1000, 1e-6, 0.01, &t->schedule), 0);
  t->g = nd_graph_new(t->params);
  nd_objective_build(t->g, &s, t->restoration, t->diffusion, N, size, &t->o);
  if (nd_backward(t->g, t->o.loss) || nd_compile(t->g, &t->plan))
    fail_msg("%s", nd_error());
  assert_int_equal(nd_train_state_new(t->params, &t->state), 0);
  nd_params_init(t->params, 1, t->state.values);
  nd_plan_bind(t->plan, t->state.values, t->state.gradients);
}

static void close_trial(trial *t) {
  nd_plan_free(t->plan);
  nd_graph_free(t->g);
  nd_params_free(t->params);
  nd_net_free(t->restoration);
  nd_net_free(t->diffusion);
  nd_schedule_free(t->schedule);
  nd_train_state_free(&t->state);
}

/* Waves, and noise of the given strength over them. */
static void paint(float *x, int size, double noise, uint32_t seed) {
  nd_rng r = nd_rng_make(seed, 0, 0, ND_RANDOM_TEST);
  for (int i = 0; i < N * size * size * 3; i++) {
    int pixel = i / 3, column = pixel % size, row = pixel / size;
    x[i] = (float)(0.5 + 0.3 * sin(0.4 * column + 0.2 * row + i % 3) + noise * nd_rng_normal(&r));
  }
}

static void feed(trial *t, int size) {
  paint(nd_plan_tensor(t->plan, t->o.clean), size, 0, 0);
  paint(nd_plan_tensor(t->plan, t->o.synthetic), size, 0.2, 1);
  paint(nd_plan_tensor(t->plan, t->o.real), size, 0.1, 2);
  nd_objective_draw(&t->o, t->plan, t->schedule, 1, 999, 1, 0, 0);
  nd_plan_tensor(t->plan, t->o.alpha)[0] = 0.2f;
}

/* The loss of leaving the picture as it is. */
static double loss_of_nothing(const trial *t, int size) {
  double sum = 0;
  int count = N * size * size * 3;
  for (int i = 0; i < count; i++)
    sum += fabs((double)nd_plan_tensor(t->plan, t->o.clean)[i] -
                (double)nd_plan_tensor(t->plan, t->o.synthetic)[i]);
  return sum / count;
}

static void expect_learning(const char *network, const char *settings, int size, int steps) {
  static const nd_adam_settings adam = {5e-3, 0.9f, 0.999f, 1e-8f, 0, 0.9f, 0};
  double first = 0, last = 0, restoration = 0, nothing = 0;
  trial t;
  open_trial(&t, network, settings, size);
  for (int step = 0; step < steps; step++) {
    feed(&t, size);
    nothing = loss_of_nothing(&t, size);
    nd_run(t.plan, 0, 0, 0);
    last = (double)nd_plan_tensor(t.plan, t.o.loss)[0];
    restoration = (double)nd_plan_tensor(t.plan, t.o.loss_restoration)[0];
    first = step ? first : last;
    nd_plan_store_state(t.plan, t.state.values);
    nd_adam_step(&t.state, &adam, 1);
  }
  if (!(last < first / 2 && restoration < 0.95 * nothing))
    fail_msg("%s %s: the loss went from %g to %g; restoring gives %g, doing nothing %g", network, settings,
             first, last, restoration, nothing);
  close_trial(&t);
}

static void losses_fall(void **state) {
  (void)state;
  expect_learning("dncnn", "width=8;depth=4", 16, 60);
  expect_learning("nafnet", "width=8;middle_blocks=1;encoder_blocks=1;decoder_blocks=1", 16, 60);
  expect_learning("restormer", "width=8;blocks=1,1;refinement=1;heads=1,2", 16, 60);
  expect_learning("swinir", "width=12;depths=2,2;heads=2,2;window=4", 16, 60);
  expect_learning("uformer", "width=8;depths=2,2,2;heads=1,2,2;window=4", 16, 240);
}

int main(void) {
  nd_set_threads(1); /* so little work is done sooner by one */
  const struct CMUnitTest tests[] = {cmocka_unit_test(losses_fall)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
