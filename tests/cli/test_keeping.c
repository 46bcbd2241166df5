/* Which checkpoints a run keeps, and the memory that it keeps to. */
#include "survival.h"

#include <math.h>

/* Every checkpoint is validated; those of the best figures stay, however old, besides the newest two. */
static void expect_best_and_newest_kept(const char *learning_rate) {
  remove_run("run");
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "output.checkpoint_every=4", "--set",
                "validation.every=4", "--set", "output.keep_last=2", "--set", "output.keep_best=2", "--set",
                "output.best_by=ssim", "--set", learning_rate, NULL);
  g_autofree char *csv = NULL;
  assert_true(g_file_get_contents("run/validation.csv", &csv, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(g_strchomp(csv), "\n", -1);
  double ssim[10];
  assert_int_equal(g_strv_length(lines), 11);
  for (int i = 0; i < 10; i++) {
    g_auto(GStrv) cells = g_strsplit(lines[i + 1], ",", -1);
    ssim[i] = g_ascii_strtod(cells[2], NULL);
  }
  for (int i = 0; i < 10; i++) {
    int better = 0;
    for (int k = 0; k < 10; k++)
      better += ssim[k] > ssim[i];
    g_autofree char *path = g_strdup_printf("run/checkpoint-%08d.safetensors", 4 * (i + 1));
    if (g_file_test(path, G_FILE_TEST_EXISTS) != (better < 2 || i >= 8))
      fail_msg("%s: SSIM %.5f, %d are better: %s", path, ssim[i], better, csv);
  }
}

/* With the smaller rate the newest are the best ones, too. */
static void the_best_checkpoints_are_kept(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 40);
  expect_best_and_newest_kept("training.learning_rate=0.05");
  expect_best_and_newest_kept("training.learning_rate=0.001");
}

/* A result that equals its target has no error, and no finite PSNR. */
static void a_perfect_validation_is_among_the_best(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, "--set", "output.checkpoint_every=4", "--set",
                "output.keep_last=0", "--set", "validation.every=0", NULL);
  write_text("run/validation.csv",
             "step,psnr,ssim,pictures\n4,30.0,0.9,4\n8,inf,1.0,4\n12,31.0,0.9,4\n16,29.0,0.8,4\n");
  expect_status(0, "train", "--resume", "run", "--set", "output.keep_last=1", "--set", "output.keep_best=2",
                NULL);
  static const struct {
    const char *path;
    bool stays;
  } all[] = {{"run/checkpoint-00000004.safetensors", false},
             {"run/checkpoint-00000008.safetensors", true},
             {"run/checkpoint-00000012.safetensors", true},
             {"run/checkpoint-00000016.safetensors", false},
             {"run/checkpoint-00000020.safetensors", true}};
  for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
    if (g_file_test(all[i].path, G_FILE_TEST_EXISTS) != all[i].stays)
      fail_msg("%s", all[i].path);
  outcome o = run_program("train", "--resume", "run", "--set", "output.best_by=ssim", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "output.best_by was psnr: best.safetensors is the best by that until ssim"));
  outcome_clear(&o);
}

static bool says(const char *file, const char *text) {
  outcome o = run_program("info", file, NULL);
  assert_int_equal(o.status, 0);
  bool found = strstr(o.out, text) != NULL;
  outcome_clear(&o);
  return found;
}

/* So does the model of a run that ended between its last step and the validation of it. */
static void a_model_says_what_it_was_measured_to_do(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 30);
  expect_status(0, "train", "r.yaml", "-o", "straight", NULL);
  assert_true(says("straight/model.safetensors", "noiseda.step: 30\n"));
  assert_true(says("straight/model.safetensors", "noiseda.metrics: PSNR "));
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, NULL);
  assert_false(says("run/model.safetensors", "noiseda.metrics"));
  expect_status(0, "train", "--resume", "run", "--set", "validation.every=20", NULL);
  assert_true(says("run/model.safetensors", "noiseda.metrics: PSNR "));
}

static void expect_restored(const char *model, const char *out) {
  expect_status(0, "restore", "-m", model, "noisy/0.png", "-o", out, NULL);
}

/* The average is far behind the weights here, and its figures are others. */
static void the_best_model_has_the_weights_that_were_measured(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.use_ema=false", "--set",
                "training.ema=0.99", NULL);
  expect_status(0, "import", "run/checkpoint-00000020.safetensors", "--prefix", "values.RestorationNet.",
                "-o", "weights.safetensors", NULL);
  expect_restored("weights.safetensors", "weights.png");
  expect_restored("run/best.safetensors", "best.png");
  expect_same_files("weights.png", "best.png");
  assert_false(says("run/model.safetensors", "noiseda.metrics"));
}

static void all_checkpoints_are_kept_where_asked(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, "--set", "output.checkpoint_every=2", "--set",
                "output.keep_last=0", NULL);
  assert_int_equal(count_files("run", ".safetensors"), 10 + 1);
}

/* The number of passes that was found stands in the run's recipe, so a resumed run has the same. */
static void a_budget_is_kept_by_a_resumed_run(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of("r.yaml", "source", 6, "network: unet, width: 32, depth: 2", "network: guided");
#define BIG QUIET, "--set", "data.patch_size=32", "--set", "data.batch_size=32", "--memory", "128M"
  outcome o = run_program("train", "r.yaml", "-o", "run", "--memory", "50M", NULL);
  assert_true(o.status == 1 && g_str_has_prefix(o.err, "noiseda: --memory: this run needs about"));
  assert_non_null(strstr(o.err, "allows 50.0 MiB; --memory "));
  const char *advice = strstr(o.err, "; --memory "),
             *end = advice ? strstr(advice, " (training.memory=") : NULL;
  assert_non_null(end);
  g_autofree char *least =
      g_strndup(advice + strlen("; --memory "), (gsize)(end - advice) - strlen("; --memory "));
  assert_false(g_file_test("run", G_FILE_TEST_EXISTS));
  outcome_clear(&o);
  expect_status(0, "train", "r.yaml", "-o", "least", QUIET, "--memory", least, "--set", "training.steps=1",
                NULL);
  expect_status(0, "train", "r.yaml", "-o", "straight", BIG, NULL);
  expect_status(0, "train", "r.yaml", "-o", "run", BIG, "--set", "training.steps=3", NULL);
  g_autofree char *recipe = NULL;
  assert_true(g_file_get_contents("run/recipe.yaml", &recipe, NULL, NULL));
  const char *passes = strstr(recipe, "accumulation_steps: ");
  assert_non_null(passes);
  assert_true(atoi(passes + 20) > 1);
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=6", NULL);
  expect_same_files("straight/model.safetensors", "run/model.safetensors");
}

static double validated_psnr(const char *run) {
  g_autofree char *path = g_build_filename(run, "validation.csv", NULL), *csv = NULL;
  assert_true(g_file_get_contents(path, &csv, NULL, NULL));
  const char *line = strchr(csv, '\n'), *cell = line ? strchr(line, ',') : NULL;
  assert_non_null(cell);
  return g_ascii_strtod(cell + 1, NULL);
}

/* Whole, the picture would take the network some 250 MB; the training takes less than the budget. Where even
 * a part of it is too much, that is said, and the run goes on. */
static void a_budget_holds_for_validations(void **state) {
  (void)state;
  enum { BUDGET = 160 };
  make_pairs();
  g_mkdir("large", 0777);
  make_picture("large/0.png", 900, 800, 1, 0.1);
  write_recipe_of("r.yaml", "source", 2, "network: unet, width: 16, depth: 2", "network: guided");
#define LARGE                                                                                                \
  "--set", "validation.input=large", "--set", "validation.target=large", "--set", "validation.every=1",      \
      "--set", "data.patch_size=32", "--set", "data.batch_size=4"
  long peak = peak_of(start_program("train", "r.yaml", "-o", "tight", LARGE, "--memory", "160M", NULL));
  if (peak > BUDGET + SANITIZER_MEGABYTES)
    fail_msg("%ld MB were taken, %d allowed", peak, BUDGET);
  peak = peak_of(start_program("train", "r.yaml", "-o", "roomy", LARGE, NULL));
  if (peak <= BUDGET)
    fail_msg("without a budget %ld MB were taken, so that one of %d says nothing", peak, BUDGET);
  assert_true(fabs(validated_psnr("tight") - validated_psnr("roomy")) < 1e-3);
  outcome o = run_program("train", "r.yaml", "-o", "least", LARGE, "--set", "data.batch_size=1", "--set",
                          "data.cache_mb=0", "--memory", "101M", NULL);
  const char *said = strstr(o.err, "the validation takes ");
  if (o.status || !said || strstr(said + 1, "the validation takes "))
    fail_msg("status %d: %s", o.status, o.err);
  outcome_clear(&o);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {
      TEST(the_best_checkpoints_are_kept),           TEST(a_perfect_validation_is_among_the_best),
      TEST(a_model_says_what_it_was_measured_to_do), TEST(the_best_model_has_the_weights_that_were_measured),
      TEST(all_checkpoints_are_kept_where_asked),    TEST(a_budget_is_kept_by_a_resumed_run),
      TEST(a_budget_holds_for_validations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
