/* Whole training steps against PyTorch: losses of three steps, gradients of the first, weights and averages
 * after the third, in every mode; and each switch for ablation. */
#include "trial.h"

#include "weights/model.h"
#include <stdio.h>

enum { STEPS = 3 };

static void open_trial(trial *t, nd_objective_settings s) {
  open_trial_with(t, network("unet", ND_RESTORATION, "width=4;depth=2"), s);
}

static void put(trial *t, nd_tensor to, const golden *g, const char *name, int step) {
  if (to < 0)
    return;
  const nd_st_tensor *from = golden_tensor(g, "%s", name);
  size_t count = step < 0 ? from->count : from->count / STEPS;
  float *all = g_new(float, from->count);
  assert_int_equal(nd_st_to_f32(from, all), 0);
  memcpy(nd_plan_tensor(t->plan, to), all + (step < 0 ? 0 : (size_t)step * count), count * sizeof *all);
  g_free(all);
}

static double number(const golden *g, const char *prefix, const char *name, int step) {
  const nd_st_tensor *t = golden_tensor(g, "%s%s", prefix, name);
  assert_int_equal(t->type, ND_ST_F64);
  double x;
  memcpy(&x, (const char *)t->data + (size_t)step * sizeof x, sizeof x);
  return x;
}

static void feed(trial *t, const golden *inputs, double alpha, bool shuffled, int step) {
  const nd_objective *o = &t->o;
  put(t, o->synthetic, inputs, "synthetic", -1);
  put(t, o->clean, inputs, "clean", -1);
  put(t, o->real, inputs, "real", -1);
  put(t, o->reference, inputs, "reference", -1);
  put(t, o->noise, inputs, "noise", step);
  put(t, o->level, inputs, "level", step);
  put(t, o->shuffle, inputs, "shuffle", step);
  put(t, o->shuffle_negative, inputs, "shuffle_negative", step);
  for (int i = 0; i < N && o->level >= 0; i++) {
    double level = (double)nd_plan_tensor(t->plan, o->level)[i];
    nd_plan_tensor(t->plan, o->signal_scale)[i] = (float)sqrt(level);
    nd_plan_tensor(t->plan, o->noise_scale)[i] = (float)sqrt(1 - level);
    if (!shuffled) {
      nd_plan_tensor(t->plan, o->shuffle)[i] = 0;
      if (o->shuffle_negative >= 0)
        nd_plan_tensor(t->plan, o->shuffle_negative)[i] = 0;
    }
  }
  for (int i = 0; i < N && o->strength >= 0; i++)
    nd_plan_tensor(t->plan, o->strength)[i] = 0.5f + 0.75f * (float)i;
  if (o->alpha >= 0)
    nd_plan_tensor(t->plan, o->alpha)[0] = (float)alpha;
}

static void expect_loss(trial *t, nd_tensor x, const golden *g, const char *prefix, const char *name,
                        int step) {
  if (x < 0)
    return;
  double found = (double)nd_plan_tensor(t->plan, x)[0], expected = number(g, prefix, name, step);
  if (!(fabs(found - expected) <= 2e-5 * fabs(expected) + 1e-6))
    fail_msg("%s%s at step %d: %.8g, PyTorch %.8g", prefix, name, step, found, expected);
}

static void expect_losses(trial *t, const golden *g, const char *prefix, int step) {
  expect_loss(t, t->o.loss, g, prefix, "loss.total", step);
  expect_loss(t, t->o.loss_restoration, g, prefix, "loss.restoration", step);
  expect_loss(t, t->o.loss_diffusion, g, prefix, "loss.diffusion", step);
  expect_loss(t, t->o.loss_positive, g, prefix, "loss.positive", step);
  expect_loss(t, t->o.loss_negative, g, prefix, "loss.negative", step);
}

static void expect_state(const trial *t, const golden *g, const char *prefix, const float *values) {
  for (int i = 0; i < nd_params_length(t->params); i++) {
    const nd_param *p = nd_params_at(t->params, i);
    if (p->state)
      golden_expect(golden_tensor(g, "%s%s", prefix, p->name), values + p->offset, 1e-4);
  }
}

/* inputs: the golden file of the pictures and draws. */
static void check_steps(trial *t, const golden *g, const golden *inputs) {
  nd_adam_settings adam = {1e-3, 0.9f, 0.999f, 1e-8f, 0, 0.9f, 0, false};
  for (int step = 0; step < STEPS; step++) {
    double alpha = nd_adapt_alpha(0.2, (uint64_t)step + 3, 10);
    if (t->o.alpha >= 0)
      assert_true(fabs(alpha - number(g, "", "alpha", step)) < 1e-12);
    feed(t, inputs, alpha, true, step);
    nd_run(t->plan, 0, 0, 0);
    expect_losses(t, g, "", step);
    if (step == 0)
      assert_true(golden_expect_params(g, "gradient.", t->params, t->state.gradients, "qkv.bias", 1e-4) > 8);
    nd_plan_store_state(t->plan, t->state.values);
    nd_adam_step(&t->state, &adam, 1);
  }
  golden_expect_params(g, "weights.", t->params, t->state.values, "qkv.bias", 1e-4);
  golden_expect_params(g, "average.", t->params, t->state.ema, "qkv.bias", 1e-4);
  expect_state(t, g, "weights.", t->state.values);
  expect_state(t, g, "average.", t->state.ema);
}

static void check_mode(nd_mode mode, const char *file) {
  golden *g = golden_open(file);
  nd_objective_settings s = nd_objective_defaults();
  s.mode = mode;
  trial t;
  open_trial(&t, s);
  check_steps(&t, g, g);
  close_trial(&t);
  nd_safetensors_close(g);
}

/* Statistics of each domain by itself; running ones that Adam leaves alone and the average follows. */
static void batch_normalised_step_equals_pytorch(void **state) {
  (void)state;
  golden *g = golden_open("step_batch_norm"), *inputs = golden_open("step_paired");
  trial t;
  open_trial_with(&t, network("dncnn", ND_RESTORATION, "width=4;depth=4"), nd_objective_defaults());
  check_steps(&t, g, inputs);
  assert_true(nd_params_find(t.params, "RestorationNet.dncnn.6.running_var")->state);
  close_trial(&t);
  nd_safetensors_close(g);
  nd_safetensors_close(inputs);
}

/* Weight decay is not for running statistics. */
static void weight_decay_spares_state(void **state) {
  (void)state;
  golden *inputs = golden_open("step_paired");
  const nd_adam_settings adam = {1e-2, 0.9f, 0.999f, 1e-8f, 0.5f, 0.9f, 0, false};
  trial t;
  open_trial_with(&t, network("dncnn", ND_RESTORATION, "width=4;depth=4"), nd_objective_defaults());
  feed(&t, inputs, 0.1, true, 0);
  nd_run(t.plan, 0, 0, 0);
  nd_plan_store_state(t.plan, t.state.values);
  float *before = g_memdup2(t.state.values, t.state.size * sizeof *before);
  nd_adam_step(&t.state, &adam, 1);
  for (int i = 0; i < nd_params_length(t.params); i++) {
    const nd_param *p = nd_params_at(t.params, i);
    bool same = !memcmp(before + p->offset, t.state.values + p->offset, p->count * sizeof *before);
    if (same != p->state)
      fail_msg("%s %s", p->name, same ? "was left alone" : "was changed");
  }
  g_free(before);
  close_trial(&t);
  nd_safetensors_close(inputs);
}

static void source_step_equals_pytorch(void **state) {
  (void)state;
  check_mode(ND_MODE_SOURCE, "step_source");
}

static void paired_step_equals_pytorch(void **state) {
  (void)state;
  check_mode(ND_MODE_PAIRED, "step_paired");
}

static void unpaired_step_equals_pytorch(void **state) {
  (void)state;
  check_mode(ND_MODE_UNPAIRED, "step_unpaired");
}

typedef struct variation {
  const char *name;
  nd_objective_settings s;
  uint64_t ramp;
} variation;

static void check_variation(const golden *g, const golden *inputs, const variation *v) {
  g_autofree char *prefix = g_strdup_printf("%s.", v->name),
                  *gradients = g_strdup_printf("%s.gradient.", v->name);
  trial t;
  open_trial(&t, v->s);
  feed(&t, inputs, nd_adapt_alpha(0.2, 3, v->ramp), v->s.shuffle, 0);
  nd_run(t.plan, 0, 0, 0);
  expect_losses(&t, g, prefix, 0);
  for (int i = 0; i < nd_params_length(t.params); i++) {
    const nd_param *p = nd_params_at(t.params, i);
    if (g_str_has_prefix(p->name, ND_SCOPE_RESTORATION))
      golden_expect(golden_tensor(g, "%s%s", gradients, p->name), t.state.gradients + p->offset, 1e-4);
  }
  close_trial(&t);
}

static void every_switch_equals_pytorch(void **state) {
  (void)state;
  golden *g = golden_open("step_variations"), *inputs = golden_open("step_paired"),
         *unpaired = golden_open("step_unpaired");
  nd_objective_settings d = nd_objective_defaults();
  variation all[12];
  const char *names[] = {"no_shuffle",  "no_contrast",       "no_contrast_no_shuffle",
                         "no_ramp",     "no_residual",       "detach_synthetic",
                         "detach_real", "hinge_at_zero",     "unpaired_no_shuffle",
                         "graft",       "graft_no_residual", "paired_graft"};
  for (int i = 0; i < 12; i++)
    all[i] = (variation){names[i], d, i == 3 ? 0 : 10};
  all[0].s.shuffle = all[2].s.shuffle = all[8].s.shuffle = false;
  all[1].s.contrast = all[2].s.contrast = false;
  all[4].s.residual = false;
  all[5].s.detach_synthetic = true;
  all[6].s.detach_real = true;
  all[7].s.margin = -10;
  all[8].s.mode = ND_MODE_UNPAIRED;
  all[9].s.mode = all[10].s.mode = ND_MODE_GRAFT;
  all[10].s.residual = false;
  all[11].s.graft = 0.75f;
  for (int i = 0; i < 12; i++)
    check_variation(g, i == 8 ? unpaired : inputs, &all[i]);
  nd_safetensors_close(g);
  nd_safetensors_close(inputs);
  nd_safetensors_close(unpaired);
}

static void draws_depend_on_the_sample_alone(void **state) {
  (void)state;
  trial t;
  open_trial(&t, nd_objective_defaults());
  nd_schedule *s;
  assert_int_equal(nd_schedule_new("linear", 1000, 1e-6, 0.01, &s), 0);
  nd_objective_draw(&t.o, t.plan, s, (nd_levels){1, 999, 1}, 1, 5, 0);
  size_t count = SIZE * SIZE * 3;
  float level = nd_plan_tensor(t.plan, t.o.level)[2],
        noise = nd_plan_tensor(t.plan, t.o.noise)[2 * count + 7];
  nd_objective_draw(&t.o, t.plan, s, (nd_levels){1, 999, 1}, 1, 5, 2); /* what another process would draw */
  assert_true(level == nd_plan_tensor(t.plan, t.o.level)[0]);
  assert_true(noise == nd_plan_tensor(t.plan, t.o.noise)[7]);
  assert_true(fabs((double)nd_plan_tensor(t.plan, t.o.signal_scale)[0] - sqrt((double)level)) < 1e-6);
  nd_schedule_free(s);
  close_trial(&t);
}

static void the_ramp_has_its_ends(void **state) {
  (void)state;
  assert_true(nd_adapt_alpha(0.2, 0, 100) == 0);
  assert_true(fabs(nd_adapt_alpha(0.2, 100, 100) - 0.2 * (2 / (1 + exp(-5)) - 1)) < 1e-15);
  assert_true(nd_adapt_alpha(0.2, 1000, 100) == nd_adapt_alpha(0.2, 100, 100));
  assert_true(nd_adapt_alpha(0.2, 0, 0) == 0.2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(source_step_equals_pytorch),           cmocka_unit_test(paired_step_equals_pytorch),
      cmocka_unit_test(unpaired_step_equals_pytorch),         cmocka_unit_test(every_switch_equals_pytorch),
      cmocka_unit_test(batch_normalised_step_equals_pytorch), cmocka_unit_test(weight_decay_spares_state),
      cmocka_unit_test(draws_depend_on_the_sample_alone),     cmocka_unit_test(the_ramp_has_its_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
