/* Each network learns: as PyTorch's does from the same weights; and, for restoration, on one small batch in
 * paired mode. */
#include "trial.h"

enum { PICTURES = 2 };

/* Waves, and noise of the given strength over them. */
static void paint(float *x, int size, double noise, uint32_t seed) {
  nd_rng r = nd_rng_make(seed, 0, 0, ND_RANDOM_TEST);
  for (int i = 0; i < PICTURES * size * size * 3; i++) {
    int pixel = i / 3, column = pixel % size, row = pixel / size;
    x[i] = (float)(0.5 + 0.3 * sin(0.4 * column + 0.2 * row + i % 3) + noise * nd_rng_normal(&r));
  }
}

static void feed(trial *t, const nd_schedule *schedule, int size) {
  paint(nd_plan_tensor(t->plan, t->o.clean), size, 0, 0);
  paint(nd_plan_tensor(t->plan, t->o.synthetic), size, 0.2, 1);
  paint(nd_plan_tensor(t->plan, t->o.real), size, 0.1, 2);
  nd_objective_draw(&t->o, t->plan, schedule, (nd_levels){1, 999, 1}, 1, 0, 0);
  nd_plan_tensor(t->plan, t->o.alpha)[0] = 0.2f;
}

/* The loss of leaving the picture as it is. */
static double loss_of_nothing(const trial *t, int size) {
  double sum = 0;
  int count = PICTURES * size * size * 3;
  for (int i = 0; i < count; i++)
    sum += fabs((double)nd_plan_tensor(t->plan, t->o.clean)[i] -
                (double)nd_plan_tensor(t->plan, t->o.synthetic)[i]);
  return sum / count;
}

static void expect_learning(const char *name, const char *settings, int size, int steps) {
  static const nd_adam_settings adam = {5e-3, 0.9f, 0.999f, 1e-8f, 0, 0.9f, 0, false};
  double first = 0, last = 0, restoration = 0, nothing = 0;
  trial t;
  nd_schedule *schedule;
  assert_int_equal(nd_schedule_new("linear", 1000, 1e-6, 0.01, &schedule), 0);
  build_trial(&t, network(name, ND_RESTORATION, settings), nd_objective_defaults(), PICTURES, size);
  nd_params_init(t.params, 1, t.state.values);
  for (int step = 0; step < steps; step++) {
    feed(&t, schedule, size);
    nothing = loss_of_nothing(&t, size);
    nd_run(t.plan, 0, 0, 0);
    last = (double)nd_plan_tensor(t.plan, t.o.loss)[0];
    restoration = (double)nd_plan_tensor(t.plan, t.o.loss_restoration)[0];
    first = step ? first : last;
    nd_plan_store_state(t.plan, t.state.values);
    nd_adam_step(&t.state, &adam, 1);
  }
  if (!(last < first / 2 && restoration < 0.95 * nothing))
    fail_msg("%s %s: the loss went from %g to %g; restoring gives %g, doing nothing %g", name, settings,
             first, last, restoration, nothing);
  close_trial(&t);
  nd_schedule_free(schedule);
}

static void losses_fall(void **state) {
  (void)state;
  expect_learning("dncnn", "width=8;depth=4", 16, 60);
  expect_learning("nafnet", "width=8;middle_blocks=1;encoder_blocks=1;decoder_blocks=1", 16, 60);
  expect_learning("restormer", "width=8;blocks=1,1;refinement=1;heads=1,2", 16, 60);
  expect_learning("swinir", "width=12;depths=2,2;heads=2,2;window=4", 16, 60);
  expect_learning("uformer", "width=8;depths=2,2,2;heads=1,2,2;window=4", 16, 240);
}

/* ---- Step for step as in PyTorch: the squared error to a target, by Adam, from the formula's weights ----
 */

typedef struct lesson {
  nd_net *net;
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_tensor x, level, target, loss;
  nd_train_state state;
} lesson;

static void open_lesson(lesson *l, const char *name, nd_role role, const char *settings) {
  *l = (lesson){.params = nd_params_new(), .level = ND_NONE};
  l->net = network(name, role, settings);
  l->g = nd_graph_new(l->params);
  nd_graph_set_training(l->g, true);
  bool restores = role == ND_RESTORATION;
  l->x = nd_input(l->g, "x", 2, 16, 16, restores ? 3 : 9);
  if (!restores)
    l->level = nd_input(l->g, "level", 2, 1, 1, 1);
  nd_tensor y =
      restores ? nd_net_restore(l->g, l->net, l->x) : nd_net_predict_noise(l->g, l->net, l->x, l->level);
  l->target = nd_input(l->g, "target", 2, 16, 16, 3);
  l->loss = nd_mse(l->g, y, l->target);
  nd_output(l->g, "loss", l->loss);
  if (nd_backward(l->g, l->loss) || nd_compile(l->g, &l->plan))
    fail_msg("%s", nd_error());
  assert_int_equal(nd_train_state_new(l->params, &l->state), 0);
  golden_weights(l->params, l->state.values);
  nd_plan_bind(l->plan, l->state.values);
  l->state.gradients = nd_plan_gradients(l->plan);
}

static void close_lesson(lesson *l) {
  nd_plan_free(l->plan);
  nd_graph_free(l->g);
  nd_params_free(l->params);
  nd_net_free(l->net);
  nd_train_state_free(&l->state);
}

/* Restoration networks take the first three of the nine channels. */
static void feed_lesson(lesson *l, const golden *g) {
  int channels = nd_dims(l->g, l->x)[3];
  size_t pixels = golden_tensor(g, "x")->count / 9;
  g_autofree float *x = g_new(float, pixels * 9);
  golden_copy(g, "x", x);
  for (size_t i = 0; i < pixels; i++)
    for (int c = 0; c < channels; c++)
      nd_plan_tensor(l->plan, l->x)[i * (size_t)channels + (size_t)c] = x[i * 9 + (size_t)c];
  golden_copy(g, "target", nd_plan_tensor(l->plan, l->target));
  if (l->level >= 0)
    golden_copy(g, "level", nd_plan_tensor(l->plan, l->level));
}

static void expect_pytorchs_losses(const golden *g, const char *name, nd_role role, const char *settings) {
  static const nd_adam_settings adam = {1e-3, 0.9f, 0.999f, 1e-8f, 0, 0.9f, 0, false};
  const nd_st_tensor *losses = golden_tensor(g, "%s.loss", name);
  const double *expected = losses->data;
  size_t steps = losses->count;
  assert_int_equal(losses->type, ND_ST_F64);
  assert_true(steps == 20 && expected[steps - 1] < 0.7 * expected[0]);
  lesson l;
  open_lesson(&l, name, role, settings);
  for (size_t step = 0; step < steps; step++) {
    feed_lesson(&l, g);
    nd_run(l.plan, 0, 0, 0);
    double found = (double)nd_plan_tensor(l.plan, l.loss)[0];
    if (!(fabs(found - expected[step]) <= 1e-4 * expected[step]))
      fail_msg("%s, step %zu: the loss is %.9g, PyTorch's %.9g", name, step, found, expected[step]);
    nd_plan_store_state(l.plan, l.state.values);
    nd_adam_step(&l.state, &adam, 1);
  }
  close_lesson(&l);
}

static void losses_fall_as_pytorchs(void **state) {
  (void)state;
  golden *g = golden_open("learning");
  expect_pytorchs_losses(g, "unet", ND_RESTORATION, "width=4;depth=2");
  expect_pytorchs_losses(g, "dncnn", ND_RESTORATION, "width=4;depth=4");
  expect_pytorchs_losses(g, "nafnet", ND_RESTORATION,
                         "width=6;middle_blocks=1;encoder_blocks=1,2;decoder_blocks=1,1");
  expect_pytorchs_losses(g, "swinir", ND_RESTORATION, "width=12;depths=2,3;heads=3,2;window=4;mlp_ratio=1.5");
  expect_pytorchs_losses(g, "uformer", ND_RESTORATION,
                         "width=8;depths=2,1,2;heads=2,4,1;window=4;mlp_ratio=1.5;image_size=64;modulators=1;"
                         "transposed_up=1");
  expect_pytorchs_losses(g, "restormer", ND_RESTORATION,
                         "width=4;blocks=1,1,1;refinement=0;heads=2,2,4;expansion=1.5;bias=1;norm_bias=1");
  expect_pytorchs_losses(
      g, "guided", ND_DIFFUSION,
      "width=4;multipliers=1,2,3;res_blocks=2;attention_levels=2;head_channels=4;norm_groups=2;"
      "dropout=0");
  expect_pytorchs_losses(
      g, "sr3", ND_DIFFUSION,
      "width=4;multipliers=1,2,3;res_blocks=2;attention_levels=2;norm_groups=2;affine=1;dropout=0");
  nd_safetensors_close(g);
}

int main(void) {
  nd_set_threads(1); /* so little work is done sooner by one */
  const struct CMUnitTest tests[] = {cmocka_unit_test(losses_fall_as_pytorchs),
                                     cmocka_unit_test(losses_fall)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
