/* A loss that jumps is told once, and noise in it is not. */
#include "../data/pictures.h"
#include "train/trainer-private.h"

#include <math.h>

static GString *said;

static void listen(nd_log_level level, const char *message, void *context) {
  (void)context;
  if (level == ND_LOG_WARNING && strstr(message, "runs away"))
    g_string_append_printf(said, "%s\n", message);
}

static int times_said(void) {
  int lines = 0;
  for (const char *p = said->str; *p; p++)
    lines += *p == '\n';
  return lines;
}

static int setup(void **state) {
  enter_folder(state);
  write_places("clean", "a.png", 40, 30, 10);
  said = g_string_new("");
  nd_log_set_sink(listen, NULL);
  return 0;
}

static int teardown(void **state) {
  nd_log_set_sink(NULL, NULL);
  g_string_free(said, TRUE);
  return leave_folder(state);
}

static void steps(nd_runaway *r, uint64_t *step, int count, double mean, nd_rng *rng) {
  for (int i = 0; i < count; i++) /* steps differ by a factor of e and more */
    nd_runaway_step(r, ++*step, mean * exp(nd_rng_normal(rng) - 0.5));
}

static void a_jump_is_told_once_each_time(void **state) {
  (void)state;
  g_string_truncate(said, 0);
  nd_runaway r = {0};
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_PICK);
  uint64_t step = 0;
  steps(&r, &step, 500, 1, &rng); /* training from nothing */
  steps(&r, &step, 5000, 0.1, &rng);
  assert_int_equal(times_said(), 0);
  steps(&r, &step, 300, 1, &rng);
  assert_int_equal(times_said(), 1);
  assert_non_null(strstr(said->str, "up to step 5600 it is "));
  steps(&r, &step, 200, 0.1, &rng);
  steps(&r, &step, 200, 1, &rng);
  assert_int_equal(times_said(), 2);
}

/* The weights of the last layer become large in between. */
static int poke(const nd_net *net, nd_params *params, const float *values, nd_validation *out,
                void *context) {
  (void)net, (void)context;
  float *weights = (float *)values;
  for (int i = 0; i < nd_params_length(params); i++)
    if (g_str_has_suffix(nd_params_at(params, i)->name, "last.bias"))
      weights[nd_params_at(params, i)->offset] = 50;
  *out = (nd_validation){.psnr = 1, .pictures = 1};
  return 0;
}

static void a_run_tells(void **state) {
  (void)state;
  g_string_truncate(said, 0);
  nd_recipe recipe;
  nd_recipe_init(&recipe);
  assert_int_equal(nd_recipe_parse(&recipe,
                                   "mode: source\n"
                                   "restoration: {network: unet, width: 4, depth: 2}\n"
                                   "data: {clean: clean, degradation: {kind: gaussian, sigma_max: 40}, "
                                   "patch_size: 16, batch_size: 2}\n"
                                   "training: {steps: 300, learning_rate: 1e-3}\n"
                                   "validation: {input: clean, target: clean, every: 200, use_ema: false}\n"
                                   "output: {checkpoint_every: 0}\n",
                                   "r.yaml"),
                   0);
  assert_int_equal(nd_train_start(&recipe, "run", &(nd_train_hooks){.validate = poke}), 0);
  nd_recipe_clear(&recipe);
  assert_int_equal(times_said(), 1);
  assert_non_null(strstr(said->str, "up to step 300 it is "));
}

int main(void) {
  nd_image_start();
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_jump_is_told_once_each_time),
                                     cmocka_unit_test(a_run_tells)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
