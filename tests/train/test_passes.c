/* Losses are told of the whole batch, in however many passes it goes through the networks, in every mode. */
#include "../data/pictures.h"
#include "train/trainer-private.h"

#include <math.h>

static const char recipe_text[] =
    "mode: %s\n"
    "restoration: {network: unet, width: 4, depth: 2}\n"
    "diffusion: {network: guided, width: 4, multipliers: [1, 2], res_blocks: 1, attention_levels: [], "
    "norm_groups: 2}\n"
    "data: {clean: clean, real: clean, degradation: {kind: gaussian, sigma_max: 40}, patch_size: 16, "
    "batch_size: 4}\n"
    "training: {steps: 100, learning_rate: 1e-3, accumulation_steps: %d}\n"
    "adapt: {lambda: 1, ramp: false%s}\n";

enum { STEPS = 3 };

static void train(const char *mode, const char *more, int passes, nd_step_result out[STEPS]) {
  g_autofree char *text = g_strdup_printf(recipe_text, mode, passes, more);
  nd_recipe recipe;
  nd_trainer *t;
  nd_recipe_init(&recipe);
  if (nd_recipe_parse(&recipe, text, "r.yaml") || nd_recipe_check(&recipe) ||
      nd_trainer_new(&recipe, NULL, &t) || nd_trainer_begin(t) || nd_trainer_open_data(t))
    fail_msg("%s", nd_error());
  for (int i = 0; i < STEPS; i++)
    if (nd_trainer_step(t, &out[i]))
      fail_msg("%s", nd_error());
  nd_trainer_free(t);
  nd_recipe_clear(&recipe);
}

static void expect_close(const char *mode, const char *what, double x, double y) {
  if (!(fabs(x - y) <= 1e-5 * fabs(y)))
    fail_msg("%s: %s %.8g in several passes, %.8g in one", mode, what, x, y);
}

static void losses_are_of_the_whole_batch(void **state) {
  (void)state;
  static const struct {
    const char *mode, *more;
  } cases[] = {{"source", ""},
               {"paired", ""},
               {"paired", ", keep_means: 1, graft: 1"},
               {"noise2void", ""},
               {"translate", ""},
               {"dann", ""},
               {"graft", ""},
               {"unpaired", ""},
               {"teacher", ""},
               {"unpaired", ", graft: 1, graft_of: pile"}};
  for (size_t k = 0; k < G_N_ELEMENTS(cases); k++)
    for (int passes = 2; passes <= 4; passes += 2) {
      nd_step_result one[STEPS], several[STEPS];
      train(cases[k].mode, cases[k].more, 1, one);
      train(cases[k].mode, cases[k].more, passes, several);
      for (int i = 0; i < STEPS; i++) {
        expect_close(cases[k].mode, "loss", several[i].loss, one[i].loss);
        if (strcmp(cases[k].mode, "source"))
          expect_close(cases[k].mode, "diffusion", several[i].diffusion, one[i].diffusion);
        expect_close(cases[k].mode, "gradient", several[i].gradient_norm, one[i].gradient_norm);
      }
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(losses_are_of_the_whole_batch, enter_places, leave_folder)};
  nd_set_threads(1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
