/* Runs that are interrupted, extended, or told otherwise when they go on. */
#include "program.h"
#include "weights/model.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

/* Starts a training in the background and sends it a signal once its first checkpoint is there. */
static void interrupt_training(const char *folder, int signal_number) {
  pid_t child = start_program("train", "r.yaml", "-o", folder, NULL);
  g_autofree char *manifest = g_build_filename(folder, "manifest.json", NULL);
  await_file(manifest);
  int status = end_program(child, signal_number);
  if (signal_number == SIGTERM)
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
}

static void an_interrupted_run_ends_in_the_same_bytes(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "paired", 40);
  expect_status(0, "train", "r.yaml", "-o", "straight", NULL);
  interrupt_training("killed", SIGKILL);
  expect_status(0, "train", "--resume", "killed", NULL);
  expect_same_files("straight/checkpoint-00000040.safetensors", "killed/checkpoint-00000040.safetensors");
  expect_same_files("straight/validation.csv", "killed/validation.csv");
  interrupt_training("asked", SIGTERM);
  expect_status(0, "train", "--resume", "asked", NULL);
  expect_same_files("straight/checkpoint-00000040.safetensors", "asked/checkpoint-00000040.safetensors");
}

/* The running statistics of batch normalisation are part of a checkpoint and of a model. */
static void running_statistics_survive_an_interruption(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of(
      "r.yaml", "paired", 40, "network: dncnn, width: 4, depth: 4",
      "network: guided, width: 4, multipliers: [1], res_blocks: 1, head_channels: 4, norm_groups: 2");
  expect_status(0, "train", "r.yaml", "-o", "straight", NULL);
  interrupt_training("killed", SIGKILL);
  expect_status(0, "train", "--resume", "killed", NULL);
  expect_same_files("straight/checkpoint-00000040.safetensors", "killed/checkpoint-00000040.safetensors");
  nd_model *m;
  assert_int_equal(nd_model_load("straight/model.safetensors", &m), 0);
  assert_true(m->values[nd_params_find(m->params, "dncnn.3.running_mean")->offset] != 0);
  nd_model_free(m);
  expect_status(0, "restore", "--model", "straight/model.safetensors", "noisy/0.png", "-o", "out.png", NULL);
}

static void a_run_can_be_extended_and_started_from(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "paired", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
  expect_failure("--resume", "run", "train", "r.yaml", "-o", "run", NULL);
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=30", NULL);
  assert_true(g_file_test("run/checkpoint-00000030.safetensors", G_FILE_TEST_EXISTS));
  expect_status(0, "train", "r.yaml", "-o", "b", "--set", "training.init_from=run/model.safetensors", NULL);
  expect_status(0, "train", "r.yaml", "-o", "c", "--set",
                "training.init_from=run/checkpoint-00000030.safetensors", NULL);
  expect_failure("do not fit", "run/model.safetensors", "train", "r.yaml", "-o", "d", "--set",
                 "training.init_from=run/model.safetensors", "--set", "restoration.width=8", NULL);
  assert_false(g_file_test("d", G_FILE_TEST_EXISTS));
}

static void expect_in_file(const char *path, const char *part) {
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  if (!strstr(text, part))
    fail_msg("%s: '%s' is missing", path, part);
}

/* Validation included, which the run did not have before, and then had elsewhere. */
static void a_resumed_run_takes_what_is_set(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.input=", "--set",
                "validation.target=", NULL);
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=30", "--set",
                "validation.input=noisy", "--set", "validation.target=clean", NULL);
  assert_int_equal(g_rename("noisy", "moved"), 0);
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=40", "--set",
                "validation.input=moved", NULL);
  expect_in_file("run/validation.csv", "\n30,");
  expect_in_file("run/validation.csv", "\n40,");
  expect_in_file("run/recipe.yaml", "input: moved");
}

/* A slip in what is set does not stay in the run. */
static void a_run_keeps_the_recipe_that_worked(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
  expect_failure("gone", "", "train", "--resume", "run", "--set", "training.steps=30", "--set",
                 "data.clean=gone", NULL);
  expect_failure("has done 20 steps", "training.steps is 2:", "train", "--resume", "run", "--set",
                 "training.steps=2", NULL);
  expect_in_file("run/recipe.yaml", "clean: clean");
  expect_in_file("run/recipe.yaml", "steps: 20");
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=30", NULL);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {
      TEST(an_interrupted_run_ends_in_the_same_bytes), TEST(running_statistics_survive_an_interruption),
      TEST(a_run_can_be_extended_and_started_from), TEST(a_resumed_run_takes_what_is_set),
      TEST(a_run_keeps_the_recipe_that_worked)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
