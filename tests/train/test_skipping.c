/* Steps whose loss is not finite: skipped, counted, resumed alike, and the end when they do not stop. A
 * validation that pokes into the weights makes them so. */
#include "../data/pictures.h"
#include "train/trainer-private.h"

#include <math.h>

enum { STEPS = 12 };

static const char recipe_text[] =
    "mode: source\n"
    "restoration: {network: unet, width: 4, depth: 2}\n"
    "data: {clean: clean, degradation: {kind: gaussian, sigma_max: 40}, patch_size: 16, batch_size: 2}\n"
    "training: {steps: 12, learning_rate: 1e-3, ema: 0.9, max_skipped_steps: 3}\n"
    "validation: {input: clean, target: clean, every: 1, use_ema: false}\n"
    "output: {log_every: 1, checkpoint_every: 0}\n";

/* What the validation does: weights are broken after step `broken`, and mended after step `mended`. */
typedef struct plan {
  uint64_t step, broken, mended, stop;
  float kept;
  GArray *seen; /* a weight that is never broken, after each step */
} plan;

static int poke(const nd_net *net, nd_params *params, const float *values, nd_validation *out,
                void *context) {
  (void)net, (void)params;
  plan *p = context;
  float *weights = (float *)values;
  p->step++;
  if (p->step == p->broken)
    p->kept = weights[0], weights[0] = NAN;
  if (p->step == p->mended)
    weights[0] = p->kept;
  g_array_append_val(p->seen, weights[1]);
  *out = (nd_validation){.psnr = 1, .pictures = 1};
  return 0;
}

static bool stop_now(void *context) {
  const plan *p = context;
  return p->step == p->stop;
}

static int setup(void **state) {
  enter_folder(state);
  write_places("clean", "a.png", 40, 30, 10);
  write_places("clean", "b.png", 30, 40, 200);
  return 0;
}

static int start(plan *p, const char *folder) {
  nd_recipe recipe;
  nd_recipe_init(&recipe);
  assert_int_equal(nd_recipe_parse(&recipe, recipe_text, "r.yaml"), 0);
  p->seen = g_array_new(FALSE, FALSE, sizeof(float));
  int failed = nd_train_start(
      &recipe, folder, &(nd_train_hooks){.context = p, .validate = poke, .stop = p->stop ? stop_now : NULL});
  nd_recipe_clear(&recipe);
  return failed;
}

static float seen(const plan *p, int step) {
  return g_array_index(p->seen, float, step - 1);
}

static char *text_of(const char *folder, const char *name) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  char *text = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  return text;
}

static double log_cell(const char *folder, int step, const char *column) {
  g_autofree char *text = text_of(folder, "log.csv");
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1), head = g_strsplit(lines[0], ",", -1),
                cells = g_strsplit(lines[step], ",", -1);
  for (int i = 0; head[i]; i++)
    if (!strcmp(head[i], column))
      return g_ascii_strtod(cells[i], NULL);
  fail_msg("the log has no %s", column);
  return 0;
}

static void a_step_that_is_not_finite_changes_nothing(void **state) {
  (void)state;
  plan p = {.broken = 4, .mended = 6};
  assert_int_equal(start(&p, "run"), 0);
  for (int step = 2; step <= STEPS; step++)
    if ((seen(&p, step) == seen(&p, step - 1)) != (step == 5 || step == 6))
      fail_msg("step %d: the weight was %g and is %g", step, (double)seen(&p, step - 1),
               (double)seen(&p, step));
  assert_true(log_cell("run", 4, "skipped") == 0);
  assert_true(log_cell("run", 5, "skipped") == 1);
  assert_true(log_cell("run", 12, "skipped") == 2);
  assert_true(isnan(log_cell("run", 5, "loss")) && isfinite(log_cell("run", 7, "loss")));
  g_array_free(p.seen, TRUE);
}

/* Also in the middle of skipped steps. */
static void a_resumed_run_skips_alike(void **state) {
  (void)state;
  plan straight = {.broken = 4, .mended = 6}, p = {.broken = 4, .mended = 6, .stop = 5};
  assert_int_equal(start(&straight, "straight"), 0);
  assert_int_equal(start(&p, "run"), 0);
  assert_int_equal(nd_train_resume("run", NULL, &(nd_train_hooks){.context = &p, .validate = poke}), 0);
  assert_int_equal(p.step, STEPS);
  g_autofree char *a = NULL, *b = NULL;
  gsize n, m;
  assert_true(g_file_get_contents("straight/checkpoint-00000012.safetensors", &a, &n, NULL));
  assert_true(g_file_get_contents("run/checkpoint-00000012.safetensors", &b, &m, NULL));
  assert_int_equal(n, m);
  assert_memory_equal(a, b, n);
  assert_non_null(memmem(a, n, "\"noiseda.skipped\":\"2\"", 21));
  g_array_free(straight.seen, TRUE);
  g_array_free(p.seen, TRUE);
}

/* Adam by hand: the third update of a weight follows the second as if no step had been skipped between. */
static void adam_does_not_count_skipped_steps(void **state) {
  (void)state;
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_parameter(g, "w", ND_INIT_ZERO, 1, (const int[]){1});
  nd_graph_free(g);
  nd_adam_settings settings = {.learning_rate = 0.1, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
  nd_train_state plain, skipping;
  assert_int_equal(nd_train_state_new(params, &plain), 0);
  assert_int_equal(nd_train_state_new(params, &skipping), 0);
  float gradients[16] = {0}; /* a line of memory each parameter */
  plain.gradients = skipping.gradients = gradients;
  for (int i = 0; i < 5; i++) {
    gradients[0] = (float)(i + 1);
    nd_adam_step(&plain, &settings, 1);
    if (i == 2)
      skipping.step += 7, skipping.skipped += 7;
    nd_adam_step(&skipping, &settings, 1);
  }
  assert_true(plain.values[0] == skipping.values[0]);
  assert_true(plain.values[0] < 0);
  nd_train_state_free(&plain);
  nd_train_state_free(&skipping);
  nd_params_free(params);
}

static void too_many_in_a_row_end_the_run_with_the_batch(void **state) {
  (void)state;
  plan p = {.broken = 4, .mended = 100};
  assert_int_equal(start(&p, "run"), -1);
  assert_error_has("step 8");
  assert_error_has("4 steps in a row");
  assert_error_has("'a.png'");
  assert_error_has("run/not-finite-00000008");
  assert_true(seen(&p, 7) == seen(&p, 4));
  nd_image image;
  assert_int_equal(nd_image_load("run/not-finite-00000008/1-clean.png", &image), 0);
  assert_int_equal(image.width, 16);
  int blue = byte_of(image.data[2]);
  assert_true(blue == 10 || blue == 200);
  nd_image_free(&image);
  assert_true(g_file_test("run/not-finite-00000008/0-synthetic.png", G_FILE_TEST_EXISTS));
  g_array_free(p.seen, TRUE);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, leave_folder)
  const struct CMUnitTest tests[] = {TEST(a_step_that_is_not_finite_changes_nothing),
                                     TEST(a_resumed_run_skips_alike), TEST(adam_does_not_count_skipped_steps),
                                     TEST(too_many_in_a_row_end_the_run_with_the_batch)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
