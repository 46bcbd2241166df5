/* Steps whose contrast has no slope are done without going back through the negatives; that changes nothing.
 */
#include "../data/pictures.h"
#include "train/trainer-private.h"

#include <math.h>

enum { STEPS = ND_CONTRAST_RESTS_AFTER + 6 };

static const char recipe_text[] =
    "mode: paired\n"
    "restoration: {network: unet, width: 4, depth: 2}\n"
    "diffusion: {network: guided, width: 4, multipliers: [1, 2], res_blocks: 1, attention_levels: [], "
    "norm_groups: 2, dropout: 0.2}\n"
    "data: {clean: clean, real: clean, degradation: {kind: gaussian, sigma_max: 40}, patch_size: 16, "
    "batch_size: 4}\n"
    "training: {steps: 100, learning_rate: 1e-3, ema: 0.9, accumulation_steps: %d}\n"
    "adapt: {lambda: 1, ramp: false}\n";

typedef struct run {
  nd_recipe recipe;
  nd_trainer *t;
} run;

/* A margin that no mean of losses reaches from its side leaves no doubt about the slope; recipes go from 0.
 */
static void make(run *r, double margin, int accumulation_steps) {
  g_autofree char *text = g_strdup_printf(recipe_text, accumulation_steps);
  nd_recipe_init(&r->recipe);
  if (nd_recipe_parse(&r->recipe, text, "r.yaml") || nd_recipe_check(&r->recipe))
    fail_msg("%s", nd_error());
  r->recipe.adapt.margin = margin;
  if (nd_trainer_new(&r->recipe, NULL, &r->t) || nd_trainer_begin(r->t))
    fail_msg("%s", nd_error());
}

static void start(run *r, double margin, int accumulation_steps) {
  make(r, margin, accumulation_steps);
  if (nd_trainer_open_data(r->t))
    fail_msg("%s", nd_error());
}

static void remake(run *r, int accumulation_steps, int recompute) {
  start(r, 1000, accumulation_steps);
  r->recipe.training.recompute = recompute;
  if (nd_trainer_plan(r->t, false))
    fail_msg("%s", nd_error());
}

static void end(run *r) {
  nd_trainer_free(r->t);
  nd_recipe_clear(&r->recipe);
}

static nd_step_result step(run *r) {
  nd_step_result s;
  if (nd_trainer_step(r->t, &s))
    fail_msg("%s", nd_error());
  assert_false(s.skipped);
  return s;
}

static bool at_rest(const run *r) {
  return r->t->objective.settings.negatives == ND_NEGATIVES_JUDGED;
}

static double distance(const run *a, const run *b) {
  double most = 0;
  for (size_t i = 0; i < a->t->state.size; i++)
    most = fmax(most, fabs((double)(a->t->state.values[i] - b->t->state.values[i])));
  return most;
}

/* Dropout and all: the masks are those of the step in full. */
static void rest_changes_nothing(int accumulation_steps) {
  run resting, full;
  start(&resting, -1000, accumulation_steps);
  start(&full, -1000, accumulation_steps);
  for (int i = 0; i < STEPS; i++) {
    full.t->state.contrast_rest = 0;
    nd_step_result a = step(&resting), b = step(&full);
    assert_int_equal(at_rest(&resting), i >= ND_CONTRAST_RESTS_AFTER);
    assert_false(at_rest(&full));
    assert_true(fabs(a.positive - b.positive) < 1e-5 && fabs(a.loss - b.loss) < 1e-5);
    assert_true(a.negative > 0 && fabs(a.negative - b.negative) < 1e-5);
    assert_true(fabs(a.gradient_norm - b.gradient_norm) < 1e-3 * b.gradient_norm);
  }
  assert_true(distance(&resting, &full) < 2e-4);
  end(&resting);
  end(&full);
}

static void rest_changes_nothing_in_one_pass(void **state) {
  (void)state;
  rest_changes_nothing(1);
}

static void rest_changes_nothing_in_two_passes(void **state) {
  (void)state;
  rest_changes_nothing(2);
}

static void wakes(int accumulation_steps) {
  run wrong, right;
  start(&wrong, 1000, accumulation_steps);
  start(&right, 1000, accumulation_steps);
  wrong.t->state.contrast_rest = ND_CONTRAST_RESTS_AFTER;
  nd_step_result a = step(&wrong), b = step(&right);
  assert_false(at_rest(&wrong));
  assert_int_equal(wrong.t->state.contrast_rest, 0);
  assert_true(a.loss == b.loss && a.gradient_norm == b.gradient_norm);
  assert_memory_equal(wrong.t->state.values, right.t->state.values,
                      right.t->state.size * sizeof *right.t->state.values);
  end(&wrong);
  end(&right);
}

static void a_step_wrongly_taken_to_be_at_rest_is_done_again(void **state) {
  (void)state;
  wakes(1);
  wakes(2);
}

/* What is not kept but computed again gives the same gradients, with dropout and several passes too. */
static void negatives_can_be_computed_again(void **state) {
  (void)state;
  for (int passes = 1; passes <= 2; passes++) {
    run again, kept;
    remake(&again, passes, ND_RECIPE_RECOMPUTE_YES);
    remake(&kept, passes, ND_RECIPE_RECOMPUTE_NO);
    assert_true(nd_plan_bytes(again.t->plan) < nd_plan_bytes(kept.t->plan) * 9 / 10);
    nd_step_result a = step(&again), b = step(&kept);
    assert_true(fabs(a.loss - b.loss) < 1e-5 * fabs(b.loss));
    assert_true(fabs(a.negative - b.negative) < 1e-5);
    const float *p = again.t->state.gradients, *q = kept.t->state.gradients;
    for (size_t i = 0; i < kept.t->state.size; i++)
      if (fabs((double)(p[i] - q[i])) > 1e-5 * b.gradient_norm)
        fail_msg("gradient %zu: %g and %g", i, (double)p[i], (double)q[i]);
    end(&again);
    end(&kept);
  }
}

/* The checkpoint says so, and a run resumed from it does the steps that the other did. */
static void rest_is_remembered(void **state) {
  (void)state;
  run straight, resumed;
  start(&straight, -1000, 1);
  make(&resumed, -1000, 1);
  for (int i = 0; i < STEPS - 2; i++)
    step(&straight);
  assert_int_equal(g_mkdir("run", 0777), 0);
  assert_int_equal(nd_checkpoint_save(straight.t, "run", NULL), 0);
  assert_int_equal(nd_checkpoint_load(resumed.t, "run"), 0);
  assert_int_equal(nd_trainer_open_data(resumed.t), 0);
  for (int i = 0; i < 2; i++) {
    step(&straight);
    step(&resumed);
    assert_true(at_rest(&resumed));
  }
  assert_memory_equal(straight.t->state.values, resumed.t->state.values,
                      straight.t->state.size * sizeof *straight.t->state.values);
  end(&straight);
  end(&resumed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(rest_changes_nothing_in_one_pass, enter_places, leave_folder),
      cmocka_unit_test_setup_teardown(rest_changes_nothing_in_two_passes, enter_places, leave_folder),
      cmocka_unit_test_setup_teardown(a_step_wrongly_taken_to_be_at_rest_is_done_again, enter_places,
                                      leave_folder),
      cmocka_unit_test_setup_teardown(negatives_can_be_computed_again, enter_places, leave_folder),
      cmocka_unit_test_setup_teardown(rest_is_remembered, enter_places, leave_folder),
  };
  nd_set_threads(1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
