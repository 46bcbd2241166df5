/* What changes the weights in a step: the learning rate by its schedule, Adam with and without decoupled
 * decay. */
#include "../data/pictures.h"
#include "train/trainer-private.h"

#include <math.h>

static nd_recipe recipe_with(const char *training) {
  nd_recipe r;
  g_autofree char *text = g_strdup_printf("mode: source\ntraining: {%s}\n", training);
  nd_recipe_init(&r);
  if (nd_recipe_parse(&r, text, "r.yaml"))
    fail_msg("%s", nd_error());
  return r;
}

typedef struct rate_at {
  uint64_t step;
  double rate;
} rate_at;

static void expect_rates(const char *training, const rate_at *expected, size_t count) {
  nd_recipe r = recipe_with(training);
  for (size_t i = 0; i < count; i++) {
    double found = nd_learning_rate(&r, expected[i].step);
    if (!(fabs(found - expected[i].rate) < 1e-12))
      fail_msg("{%s} at step %d: %.12g, expected %.12g", training, (int)expected[i].step, found,
               expected[i].rate);
  }
  nd_recipe_clear(&r);
}

static void schedules_are_their_formulas(void **state) {
  (void)state;
  expect_rates("steps: 100, learning_rate: 0.01", (rate_at[]){{0, 0.01}, {99, 0.01}, {500, 0.01}}, 3);
  expect_rates("steps: 100, learning_rate: 0.01, learning_rate_schedule: linear, learning_rate_end: 0.002",
               (rate_at[]){{0, 0.01}, {25, 0.008}, {50, 0.006}, {100, 0.002}, {200, 0.002}}, 5);
  /* cos(pi / 3) = 1 / 2, cos(pi / 2) = 0, cos(2 pi / 3) = -1 / 2 */
  expect_rates("steps: 90, learning_rate: 0.01, learning_rate_schedule: cosine, learning_rate_end: 0.002",
               (rate_at[]){{0, 0.01}, {30, 0.008}, {45, 0.006}, {60, 0.004}, {90, 0.002}, {95, 0.002}}, 6);
  expect_rates("steps: 1000, learning_rate: 0.016, learning_rate_schedule: halving",
               (rate_at[]){{0, 0.016},
                           {499, 0.016},
                           {500, 0.008},
                           {749, 0.008},
                           {750, 0.004},
                           {874, 0.004},
                           {875, 0.002},
                           {937, 0.002},
                           {938, 0.001},
                           {1000, 0.001}},
               10);
}

static void schedules_begin_after_the_warmup(void **state) {
  (void)state;
  expect_rates("steps: 100, learning_rate: 0.01, warmup_steps: 10",
               (rate_at[]){{0, 0.001}, {4, 0.005}, {9, 0.01}, {10, 0.01}, {99, 0.01}}, 5);
  expect_rates("steps: 110, learning_rate: 0.01, warmup_steps: 10, learning_rate_schedule: linear",
               (rate_at[]){{0, 0.001}, {9, 0.01}, {10, 0.01}, {60, 0.005}, {110, 0}}, 5);
}

static void an_end_above_the_beginning_is_refused(void **state) {
  (void)state;
  nd_recipe r = recipe_with("learning_rate: 1e-5, learning_rate_end: 1e-4");
  g_free(r.data.clean), r.data.clean = g_strdup("clean");
  g_free(r.data.degradation.kind), r.data.degradation.kind = g_strdup("gaussian");
  assert_int_equal(nd_recipe_check(&r), -1);
  assert_error_has(
      "r.yaml:2: training.learning_rate_end is 0.0001; it must not be above learning_rate, 1e-05");
  nd_recipe_clear(&r);
}

/* Three steps at 0.01 with weight decay 0.1 from (1, -2, 3, 0.5), in torch.optim.Adam and AdamW, float64. */
static void adam_and_adamw_are_those_of_pytorch(void **state) {
  (void)state;
  static const double expected[2][4] = {
      {0.97058598426113, -1.9700007999158509, 2.9716678136491987, 0.47000046733148626},
      {0.9678008087312729, -1.9640359882997, 2.970899479069369, 0.4685314896498501}};
  for (int decoupled = 0; decoupled < 2; decoupled++) {
    nd_params *params = nd_params_new();
    nd_graph *g = nd_graph_new(params);
    nd_parameter(g, "w", ND_INIT_ZERO, 1, (const int[]){4});
    nd_graph_free(g);
    nd_adam_settings s = {.learning_rate = 0.01,
                          .beta1 = 0.9f,
                          .beta2 = 0.999f,
                          .epsilon = 1e-8f,
                          .weight_decay = 0.1f,
                          .decoupled_decay = decoupled};
    nd_train_state t;
    assert_int_equal(nd_train_state_new(params, &t), 0);
    memcpy(t.values, (float[]){1, -2, 3, 0.5f}, 4 * sizeof(float));
    float gradients[16] = {0}; /* a line of memory each parameter */
    t.gradients = gradients;
    for (int k = 0; k < 3; k++) {
      memcpy(gradients, (float[]){0.5f * (float)(k + 1), -1, 0.25f - 0.2f * (float)k, 2}, 4 * sizeof(float));
      nd_adam_step(&t, &s, 1);
    }
    for (int i = 0; i < 4; i++)
      if (!(fabs((double)t.values[i] - expected[decoupled][i]) < 1e-6))
        fail_msg("%s, weight %d: %.9g, PyTorch has %.9g", decoupled ? "AdamW" : "Adam", i,
                 (double)t.values[i], expected[decoupled][i]);
    nd_train_state_free(&t);
    nd_params_free(params);
  }
}

/* A run writes down the rate of each step, and going on with it does so as if it had not been stopped. */
static void a_run_follows_its_schedule(void **state) {
  (void)state;
  write_places("clean", "a.png", 40, 30, 10);
  nd_recipe r;
  nd_recipe_init(&r);
  assert_int_equal(
      nd_recipe_parse(&r,
                      "mode: source\n"
                      "restoration: {network: unet, width: 4, depth: 2}\n"
                      "data: {clean: clean, degradation: {kind: gaussian}, patch_size: 16, "
                      "batch_size: 1}\n"
                      "training: {steps: 4, learning_rate: 8e-4, learning_rate_schedule: linear, "
                      "optimizer: adamw, weight_decay: 0.1, restoration_loss: mse}\n"
                      "validation: {every: 0}\n"
                      "output: {checkpoint_every: 2, log_every: 1}\n",
                      "r.yaml"),
      0);
  assert_int_equal(nd_train_start(&r, "run", &(nd_train_hooks){0}), 0);
  nd_recipe_clear(&r);
  nd_points p = nd_journal_points("run", ND_LOG_CSV, ND_LOGGED_COLUMNS, ND_LOGGED_LEARNING_RATE);
  assert_int_equal(p.y->len, 4);
  for (guint i = 0; i < 4; i++)
    assert_true(fabs(g_array_index(p.y, double, i) - 8e-4 * (1 - i / 4.0)) < 1e-12);
  nd_points_free(&p);
  g_autofree char *whole = NULL, *resumed = NULL;
  gsize n, m;
  assert_true(g_file_get_contents("run/model.safetensors", &whole, &n, NULL));
  g_unlink("run/checkpoint-00000004.safetensors");
  g_unlink("run/model.safetensors");
  assert_int_equal(nd_train_resume("run", NULL, &(nd_train_hooks){0}), 0);
  assert_true(g_file_get_contents("run/model.safetensors", &resumed, &m, NULL));
  assert_int_equal(n, m);
  assert_memory_equal(whole, resumed, n);
}

int main(void) {
  nd_image_start();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(schedules_are_their_formulas),
      cmocka_unit_test(schedules_begin_after_the_warmup),
      cmocka_unit_test(an_end_above_the_beginning_is_refused),
      cmocka_unit_test(adam_and_adamw_are_those_of_pytorch),
      cmocka_unit_test_setup_teardown(a_run_follows_its_schedule, enter_folder, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
