/* Schedules, the draw of a level, the sampler and the probe. */
#include "diffusion/diffusion.h"
#include "golden.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void expect_schedule(const golden *g, const char *kind, int steps) {
  nd_schedule *s;
  assert_int_equal(nd_schedule_new(kind, steps, 1e-6, 0.01, &s), 0);
  const nd_st_tensor *t = golden_tensor(g, "gamma.%s.%d", kind, steps);
  assert_int_equal(t->count, steps);
  for (int i = 0; i < steps; i++) {
    double expected;
    memcpy(&expected, (const char *)t->data + (size_t)i * sizeof expected, sizeof expected);
    if (!(fabs(s->gamma[i] - expected) <= 1e-12))
      fail_msg("%s, %d steps: gamma %d is %.15g, not %.15g", kind, steps, i, s->gamma[i], expected);
  }
  nd_schedule_free(s);
}

static void all_schedules_equal_pytorch(void **state) {
  (void)state;
  golden *g = golden_open("schedules");
  int kinds = 0;
  for (; nd_schedule_kinds()[kinds]; kinds++) {
    expect_schedule(g, nd_schedule_kinds()[kinds], 10);
    expect_schedule(g, nd_schedule_kinds()[kinds], 1000);
  }
  assert_int_equal(kinds, 7);
  nd_safetensors_close(g);
}

static void wrong_schedules_are_refused(void **state) {
  (void)state;
  nd_schedule *s;
  assert_int_equal(nd_schedule_new("linnear", 10, 1e-6, 0.01, &s), -1);
  assert_non_null(strstr(nd_error(), "linear"));
  assert_int_equal(nd_schedule_new("linear", 1, 1e-6, 0.01, &s), -1);
  assert_int_equal(nd_schedule_new("linear", 10, 0.1, 0.01, &s), -1);
  assert_int_equal(nd_schedule_new("linear", 10, NAN, 0.01, &s), -1);
}

static void levels_are_uniform_between_neighbours(void **state) {
  (void)state;
  nd_schedule *s;
  assert_int_equal(nd_schedule_new("linear", 4, 0.1, 0.4, &s), 0);
  int in[4] = {0};
  nd_rng r = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  double offset = 0;
  for (int i = 0; i < 30000; i++) {
    double g = nd_schedule_draw(s, &r, (nd_levels){1, 3, 1});
    for (int t = 1; t <= 3; t++)
      if (g >= s->gamma[t] && g < s->gamma[t - 1]) {
        in[t]++;
        offset += (g - s->gamma[t]) / (s->gamma[t - 1] - s->gamma[t]);
      }
  }
  assert_int_equal(in[1] + in[2] + in[3], 30000);
  for (int t = 1; t <= 3; t++)
    assert_in_range(in[t], 9600, 10400);
  assert_true(fabs(offset / 30000 - 0.5) < 0.01);
  nd_schedule_free(s);
}

/* Of u^p, with u uniform, the share below x is x^(1/p). */
static void levels_are_preferred_by_their_power(void **state) {
  (void)state;
  enum { DRAWS = 20000 };
  static const double powers[] = {0.5, 2, 3};
  nd_schedule *s;
  assert_int_equal(nd_schedule_new("linear", 1000, 1e-4, 0.01, &s), 0);
  nd_rng r = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  for (size_t p = 0; p < 3; p++) {
    int below = 0;
    for (int i = 0; i < DRAWS; i++) {
      double g = nd_schedule_draw(s, &r, (nd_levels){100, 899, powers[p]});
      assert_true(g >= s->gamma[899] && g <= s->gamma[99]);
      below += g >= s->gamma[299]; /* the first quarter of the range, t up to 299 */
    }
    double share = pow(0.25, 1 / powers[p]);
    assert_true(fabs((double)below / DRAWS - share) < 4 * sqrt(share * (1 - share) / DRAWS));
  }
  nd_schedule_free(s);
}

typedef struct setup {
  nd_net *net;
  nd_params *params;
  nd_predictor *p;
  float *values;
} setup;

static void open_setup(setup *u, int n, int size) {
  static const char *const settings[][2] = {{"width", "4"},         {"multipliers", "1,2"},
                                            {"res_blocks", "1"},    {"attention_levels", ""},
                                            {"head_channels", "4"}, {"norm_groups", "2"}};
  assert_int_equal(nd_net_new("guided", ND_DIFFUSION, &u->net), 0);
  for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
    assert_int_equal(nd_net_set(u->net, settings[i][0], settings[i][1]), 0);
  u->params = nd_params_new();
  nd_graph *g = nd_graph_new(u->params);
  nd_net_predict_noise(g, u->net, nd_input(g, "x", 1, 8, 8, 9), nd_input(g, "level", 1, 1, 1, 1));
  nd_graph_free(g);
  u->values = nd_mem_alloc(nd_params_size(u->params) * sizeof(float), "test");
  golden_weights(u->params, u->values);
  assert_int_equal(nd_predictor_new(u->net, u->params, "", u->values, n, size, size, &u->p), 0);
}

static void close_setup(setup *u) {
  nd_predictor_free(u->p);
  nd_params_free(u->params);
  nd_net_free(u->net);
  nd_mem_free(u->values);
}

static void reverse_steps_equal_pytorch(void **state) {
  (void)state;
  golden *g = golden_open("sampler");
  setup u;
  open_setup(&u, 2, 8);
  enum { COUNT = 2 * 8 * 8 * 3, STEPS = 4 };
  float condition[2 * COUNT], y[COUNT], z[STEPS * COUNT], levels[STEPS], predicted[STEPS * COUNT],
      noise[COUNT];
  float after[STEPS * COUNT];
  golden_copy(g, "condition", condition);
  golden_copy(g, "start", y);
  golden_copy(g, "z", z);
  golden_copy(g, "levels", levels);
  for (int i = 0; i < STEPS; i++) {
    float level[2] = {levels[i], levels[i]};
    nd_predict_noise(u.p, y, level, condition, noise);
    memcpy(predicted + i * COUNT, noise, sizeof noise);
    nd_reverse_step(y, noise, z + i * COUNT, COUNT, (double)levels[i],
                    i + 1 < STEPS ? (double)levels[i + 1] : 1);
    memcpy(after + i * COUNT, y, sizeof y);
  }
  golden_expect(golden_tensor(g, "predicted"), predicted, 1e-4);
  golden_expect(golden_tensor(g, "y"), after, 1e-4);
  close_setup(&u);
  nd_safetensors_close(g);
}

static void samples_depend_on_the_seed_and_stay_in_range(void **state) {
  (void)state;
  setup u;
  open_setup(&u, 1, 8);
  nd_schedule *s;
  assert_int_equal(nd_schedule_new("linear", 1000, 1e-6, 0.01, &s), 0);
  float condition[8 * 8 * 6] = {0}, a[8 * 8 * 3], b[8 * 8 * 3], c[8 * 8 * 3];
  assert_int_equal(nd_sample(u.p, s, 10, condition, 1, a, NULL, NULL), 0);
  assert_int_equal(nd_sample(u.p, s, 10, condition, 1, b, NULL, NULL), 0);
  assert_int_equal(nd_sample(u.p, s, 10, condition, 2, c, NULL, NULL), 0);
  assert_memory_equal(a, b, sizeof a);
  assert_memory_not_equal(a, c, sizeof a);
  for (size_t i = 0; i < G_N_ELEMENTS(a); i++)
    assert_true(a[i] >= -0.01f && a[i] <= 1.01f); /* the last step adds no noise */
  assert_int_equal(nd_sample(u.p, s, 1001, condition, 1, a, NULL, NULL), -1);
  nd_schedule_free(s);
  close_setup(&u);
}

static void the_probe_is_the_mean_squared_error(void **state) {
  (void)state;
  setup u;
  open_setup(&u, 2, 8);
  memset(u.values, 0,
         nd_params_size(u.params) * sizeof(float)); /* predicts no noise at all: the error is 1 */
  nd_schedule *s;
  assert_int_equal(nd_schedule_new("linear", 1000, 1e-6, 0.01, &s), 0);
  float clean[2 * 8 * 8 * 3] = {0};
  double error;
  assert_int_equal(nd_probe(u.p, s, clean, 0.1, 20, (nd_levels){1, 999, 1}, 1, &error), 0);
  assert_true(fabs(error - 1) < 0.1);
  nd_schedule_free(s);
  close_setup(&u);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_schedules_equal_pytorch),
      cmocka_unit_test(wrong_schedules_are_refused),
      cmocka_unit_test(levels_are_uniform_between_neighbours),
      cmocka_unit_test(levels_are_preferred_by_their_power),
      cmocka_unit_test(reverse_steps_equal_pytorch),
      cmocka_unit_test(samples_depend_on_the_seed_and_stay_in_range),
      cmocka_unit_test(the_probe_is_the_mean_squared_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
