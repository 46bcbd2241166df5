/* Steps in which the diffusion network learns alone (adapt.warmup_steps). */
#include "../data/pictures.h"
#include "train/trainer-private.h"

#include <math.h>

enum { ALONE = 3, STEPS = 6 };

static const char recipe_text[] =
    "mode: %s\n"
    "restoration: {network: unet, width: 4, depth: 2}\n"
    "diffusion: {network: guided, width: 4, multipliers: [1, 2], res_blocks: 1, attention_levels: [], "
    "norm_groups: 2, dropout: 0}\n"
    "data: {clean: clean, real: clean, degradation: {kind: gaussian, sigma_max: 40}, patch_size: 16, "
    "batch_size: 2}\n"
    "training: {steps: %d, learning_rate: 1e-3, ema: 0.9, accumulation_steps: %d}\n"
    "adapt: {lambda: 5, ramp_steps: 2, warmup_steps: %d, graft: %d}\n"
    "validation: {every: 0}\n"
    "output: {checkpoint_every: 2, log_every: 1, keep_last: 0}\n";

typedef struct run {
  nd_recipe recipe;
  nd_trainer *t;
} run;

static nd_recipe recipe_of(const char *mode, int passes, int alone, int graft) {
  g_autofree char *text = g_strdup_printf(recipe_text, mode, STEPS, passes, alone, graft);
  nd_recipe r;
  nd_recipe_init(&r);
  if (nd_recipe_parse(&r, text, "r.yaml") || nd_recipe_check(&r))
    fail_msg("%s", nd_error());
  return r;
}

static void start(run *r, const char *mode, int passes, int alone, int graft) {
  r->recipe = recipe_of(mode, passes, alone, graft);
  if (nd_trainer_new(&r->recipe, NULL, &r->t) || nd_trainer_begin(r->t) || nd_trainer_open_data(r->t))
    fail_msg("%s", nd_error());
}

static nd_step_result step(run *r) {
  nd_step_result s;
  if (nd_trainer_step(r->t, &s))
    fail_msg("%s", nd_error());
  return s;
}

static void end(run *r) {
  nd_trainer_free(r->t);
  nd_recipe_clear(&r->recipe);
}

/* The largest difference in one network's weights, which both runs have. */
static double distance(const run *a, const run *b, const char *scope) {
  double most = 0;
  for (int i = 0; i < nd_params_length(a->t->params); i++) {
    const nd_param *p = nd_params_at(a->t->params, i);
    if (!g_str_has_prefix(p->name, scope))
      continue;
    const nd_param *q = nd_params_find(b->t->params, p->name);
    for (size_t k = 0; k < p->count; k++)
      most =
          fmax(most, fabs((double)(a->t->state.values[p->offset + k] - b->t->state.values[q->offset + k])));
  }
  return most;
}

/* The restoration network is trained as by the pairs alone, grafts or not; the diffusion network as it is by
 * a recipe that lets no gradient through its conditions. */
static void networks_learn_apart(int passes, int graft) {
  run warm, source, detached;
  start(&warm, "paired", passes, ALONE, graft);
  start(&source, "source", passes, 0, 0);
  start(&detached, "paired", passes, 0, 0);
  detached.recipe.adapt.detach_synthetic = detached.recipe.adapt.detach_real = true;
  detached.recipe.adapt.ramp = false;
  detached.recipe.adapt.lambda = 1;
  if (nd_trainer_plan(detached.t, false))
    fail_msg("%s", nd_error());
  for (int i = 0; i < ALONE; i++) {
    assert_true(step(&warm).alpha == 0);
    step(&source), step(&detached);
  }
  assert_true(distance(&warm, &source, "RestorationNet.") < 1e-5);
  assert_true(distance(&warm, &detached, "denoise_fn.") < 1e-5);
  assert_true(step(&warm).alpha == 0); /* where the ramp begins */
  nd_step_result s = step(&warm);
  step(&source), step(&source);
  assert_true(fabs(s.alpha - nd_adapt_alpha(5, 1, 2)) < 1e-12);
  assert_true(distance(&warm, &source, "RestorationNet.") > 1e-5);
  end(&warm), end(&source), end(&detached);
}

static void the_diffusion_network_learns_alone(void **state) {
  (void)state;
  networks_learn_apart(1, 0);
}

static void so_it_does_in_passes_and_beside_a_graft(void **state) {
  (void)state;
  networks_learn_apart(2, 1);
}

/* Stopped before and after the end of those steps, a run comes to the same weights. */
static void a_run_goes_on_within_them(void **state) {
  (void)state;
  nd_recipe r = recipe_of("paired", 1, ALONE, 0);
  assert_int_equal(nd_train_start(&r, "run", &(nd_train_hooks){0}), 0);
  nd_recipe_clear(&r);
  g_autofree char *whole = NULL;
  gsize n, m;
  assert_true(g_file_get_contents("run/model.safetensors", &whole, &n, NULL));
  g_unlink("run/checkpoint-00000006.safetensors");
  for (int kept = 4; kept >= 2; kept -= 2) {
    g_autofree char *next = g_strdup_printf("run/checkpoint-%08d.safetensors", kept + 2), *resumed = NULL;
    g_unlink(next);
    g_unlink("run/model.safetensors");
    g_unlink("run/manifest.json");
    assert_int_equal(nd_train_resume("run", NULL, &(nd_train_hooks){0}), 0);
    assert_true(g_file_get_contents("run/model.safetensors", &resumed, &m, NULL));
    assert_int_equal(n, m);
    assert_memory_equal(whole, resumed, n);
    g_unlink("run/checkpoint-00000006.safetensors");
  }
}

static int setup(void **state) {
  enter_folder(state);
  write_places("clean", "a.png", 40, 30, 10);
  return 0;
}

int main(void) {
  nd_image_start();
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_diffusion_network_learns_alone),
                                     cmocka_unit_test(so_it_does_in_passes_and_beside_a_graft),
                                     cmocka_unit_test(a_run_goes_on_within_them)};
  return cmocka_run_group_tests(tests, setup, leave_folder);
}
