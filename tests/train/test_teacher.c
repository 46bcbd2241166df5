/* The teacher restores as the model does that the run leaves, and is counted. */
#include "../data/pictures.h"
#include "restore/restore.h"
#include "train/trainer-private.h"
#include "weights/model.h"

#include <math.h>

enum { SIZE = 16, VALUES = SIZE * SIZE * 3, STEPS = 3 };

/* A network with batch norms, which in use go by their running statistics. */
static nd_recipe recipe_of(const char *mode) {
  g_autofree char *text =
      g_strdup_printf("mode: %s\n"
                      "restoration: {network: dncnn, width: 8, depth: 3}\n"
                      "data: {clean: clean, real: clean, degradation: {kind: gaussian, sigma_max: 40}, "
                      "patch_size: %d, batch_size: 2}\n"
                      "training: {steps: 10, learning_rate: 1e-2, ema: 0.9}\n"
                      "adapt: {lambda: 1, ramp: false}\n"
                      "validation: {every: 0}\n",
                      mode, SIZE);
  nd_recipe r;
  nd_recipe_init(&r);
  if (nd_recipe_parse(&r, text, "r.yaml") || nd_recipe_check(&r))
    fail_msg("%s", nd_error());
  return r;
}

static void restore_with_model(const char *path, const float *picture, float *out) {
  nd_model *model;
  nd_restorer *restorer = NULL;
  if (nd_model_load(path, &model) || nd_restorer_of_model(model, nd_restorer_defaults(), &restorer) ||
      nd_restorer_run(restorer, picture, SIZE, SIZE, out, NULL, NULL))
    fail_msg("%s", nd_error());
  nd_restorer_free(restorer);
  nd_model_free(model);
}

static void it_is_the_model_that_the_run_leaves(void **state) {
  (void)state;
  nd_recipe r = recipe_of("teacher");
  nd_trainer *t;
  nd_step_result s;
  if (nd_trainer_new(&r, NULL, &t) || nd_trainer_begin(t) || nd_trainer_open_data(t))
    fail_msg("%s", nd_error());
  for (int i = 0; i < STEPS; i++)
    assert_int_equal(nd_trainer_step(t, &s), 0);
  float two[2 * VALUES], taught[2 * VALUES], restored[VALUES];
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  for (int i = 0; i < 2 * VALUES; i++)
    two[i] = (float)nd_rng_uniform(&rng);
  nd_teacher_restore(t->teacher, t->state.ema, two, 2 * VALUES, taught);
  if (nd_checkpoint_save_model(t, ".", "model.safetensors", t->state.ema, NULL))
    fail_msg("%s", nd_error());
  restore_with_model("./model.safetensors", two + VALUES, restored);
  double most = 0;
  for (int i = 0; i < VALUES; i++) {
    assert_true(fabsf(taught[VALUES + i] - restored[i]) < 1e-5f);
    most = fmax(most, fabs((double)(taught[VALUES + i] - two[VALUES + i])));
  }
  assert_true(most > 0.01); /* it does something */
  nd_trainer_free(t);
  nd_recipe_clear(&r);
}

/* A step of another mode that restores twice as much as source, and goes back; and a third time forward. */
static void it_costs_a_pass_forward(void **state) {
  (void)state;
  nd_recipe teacher = recipe_of("teacher"), source = recipe_of("source");
  double with, alone;
  assert_int_equal(nd_train_step_flops(&teacher, &with), 0);
  assert_int_equal(nd_train_step_flops(&source, &alone), 0);
  assert_true(with > 2.2 * alone && with < 2.5 * alone);
  nd_recipe_clear(&teacher);
  nd_recipe_clear(&source);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(it_is_the_model_that_the_run_leaves, enter_places, leave_folder),
      cmocka_unit_test_setup_teardown(it_costs_a_pass_forward, enter_places, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
