/* The command line itself: what is asked for wrongly, and what is looked at before minutes are spent. */
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

static void train_a_model(void) {
  make_pairs();
  write_recipe("r.yaml", "paired", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.every=0", NULL);
}

static void wrong_usage_exits_2(void **state) {
  (void)state;
  expect_status(2, "tarin", NULL);
  expect_status(2, "train", NULL);
  expect_status(2, "train", "--no-such-option", NULL);
  expect_status(2, "restore", "--model", "m", NULL);
  expect_status(2, "restore", "--model", "m", "in.png", "-o", "out.gif", NULL);
  expect_status(2, "restore", "--model", "m", "in.png", "--memory", "2X", NULL);
  expect_status(2, "restore", "--model", "m", "in.png", "--threads=-3", NULL);
  expect_status(2, "eval", "--input", "a", "--target", "b", "--threads=-3", NULL);
  expect_status(2, "train", "r.yaml", "-o", "run", "--threads=-3", NULL);
  expect_status(2, "serve", "--port", "0", "--threads=-3", NULL);
  outcome o = run_program("restore", "--model", "m", "in.png", "--memory", "0.5", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "'0.5' is no amount of memory"));
  outcome_clear(&o);
  o = run_program("serve", "--port=99999", "--memory", "16383k", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "--memory is 16.0 MiB; no network has its buffers in less than 16M"));
  outcome_clear(&o);
  o = run_program("serve", "--port=99999", "--memory", "16M", NULL);
  assert_null(strstr(o.err, "--memory is"));
  outcome_clear(&o);
  o = run_program("restore", "--model", "m", "in.png", "--strength", "1.5", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "--strength is 1.5; it goes from 0 to 1"));
  assert_null(strstr(o.err, "--bits"));
  outcome_clear(&o);
  expect_status(2, "degrade", "snow", "x.png", "-o", "out", NULL);
  expect_status(2, "eval", NULL);
  expect_status(0, "--help", NULL);
  expect_status(0, "--version", NULL);
  static const char *const commands[] = {"train", "restore", "eval",   "info", "degrade",
                                         "probe", "sample",  "recipe", "data", "export"};
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    expect_status(0, commands[i], "--help", NULL);
}

/* Known before minutes are spent on what has no place. */
static void places_for_results_are_looked_at_first(void **state) {
  (void)state;
  train_a_model();
  static const char *const calls[][8] = {{"niqe", "noisy", "-o"},
                                         {"sample", "--run", "run", "-c", "noisy/0.png", "-o"},
                                         {"probe", "--run", "run", "--clean", "clean", "-o"},
                                         {"report", "run", "-o"},
                                         {"import", "run/model.safetensors", "-o"},
                                         {"export", "run/model.safetensors", "-o"}};
  for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
    const char *c[8];
    memcpy(c, calls[i], sizeof c);
    guint n = g_strv_length((char **)c);
    c[n] = "nowhere/out.png";
    expect_failure("nowhere/out.png", "there is no folder 'nowhere'", c[0], c[1], c[2], c[3], c[4], c[5],
                   c[6], NULL);
    c[n] = "clean";
    outcome o = run_program(c[0], c[1], c[2], c[3], c[4], c[5], c[6], "--overwrite", NULL);
    if (!o.status || (strcmp(c[0], "sample") && !strstr(o.err, "'clean': it is a folder")))
      fail_msg("%s: status %d, said '%s'", c[0], o.status, o.err);
    outcome_clear(&o);
  }
  static const char *const dash[][5] = {{"import", "run/model.safetensors", "-o", "-"},
                                        {"degrade", "gaussian", "clean", "-o", "-"},
                                        {"train", "r.yaml", "-o", "-"},
                                        {"data", "frames", "clean", "-o", "-"}};
  for (size_t i = 0; i < G_N_ELEMENTS(dash); i++) {
    outcome o = run_program(dash[i][0], dash[i][1], dash[i][2], dash[i][3], dash[i][4], NULL);
    if (!o.status || !strstr(o.err, "'-' would be the standard output") ||
        g_file_test("-", G_FILE_TEST_EXISTS))
      fail_msg("%s: status %d, said '%s'", dash[i][0], o.status, o.err);
    outcome_clear(&o);
  }
}

/* Not one run or picture after the other, each with the same message. */
static void files_are_no_folders_for_results(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 5);
  write_text("file", "words");
  static const char *const calls[][6] = {{"degrade", "gaussian", "clean"},
                                         {"restore", "clean"},
                                         {"train", "r.yaml"},
                                         {"study", "s.yaml"},
                                         {"data", "frames", "clean"},
                                         {"data", "prepare", "derain", "--from", "clean"}};
  for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
    const char *const *c = calls[i];
    guint n = g_strv_length((char **)c);
    const char *all[8] = {c[0], c[1], c[2], c[3], c[4], c[5]};
    all[n] = "-o", all[n + 1] = "file";
    outcome o = run_program(all[0], all[1], all[2], all[3], all[4], all[5], all[6], NULL);
    if (o.status != 2 || !strstr(o.err, "'file' is a file"))
      fail_msg("%s %s: status %d, said '%s'", c[0], c[1], o.status, o.err);
    outcome_clear(&o);
  }
}

static void expect_wrong(const char *text, const char *a, const char *b, const char *c, const char *d) {
  outcome o = run_program("data", a, b, c, d, "-o", "made", NULL);
  if (o.status != 2 || !strstr(o.err, text) || g_file_test("made", G_FILE_TEST_EXISTS))
    fail_msg("data %s: status %d, said '%s'", a, o.status, o.err);
  outcome_clear(&o);
}

/* Above all not --dry-run: frames would write. */
static void options_of_another_action_are_refused(void **state) {
  (void)state;
  make_pairs();
  expect_wrong("--dry-run is not for 'frames'", "frames", "clean", "--frames=1", "--dry-run");
  expect_wrong("--overwrite is not for 'prepare'", "prepare", "denoise", "--from=clean", "--overwrite");
  expect_wrong("--output is not for 'check'", "check", "clean", "--against=noisy", "--threads=1");
  expect_status(0, "data", "frames", "clean", "--frames=1", "-o", "made", NULL);
}

/* "-t1" is "-t 1", and what follows an option is its value, whatever it looks like. */
static void values_follow_short_options_at_once(void **state) {
  (void)state;
  make_pairs();
  expect_status(0, "degrade", "gaussian", "-omade", "-ssigma=5", "clean/0.png", NULL);
  assert_true(g_file_test("made/0.png", G_FILE_TEST_EXISTS));
  expect_status(0, "degrade", "gaussian", "-o", "-ssigma", "-s", "sigma=5", "clean/0.png", NULL);
  assert_true(g_file_test("-ssigma/0.png", G_FILE_TEST_EXISTS));
  expect_status(0, "eval", "-t1", "-iclean", "-gclean", "-py", NULL);
  outcome o = run_program("eval", "-tx", "-i", "clean", "-g", "clean", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "x"));
  outcome_clear(&o);
  o = run_program("eval", "-i", "clean", "--", "-t1", NULL);
  assert_int_equal(o.status, 2);
  outcome_clear(&o);
  expect_status(2, "eval", "-i", NULL);
}

static void help_is_of_the_command_that_is_named(void **state) {
  (void)state;
  static const char *const ways[] = {"help", "--help", "-h"};
  for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
    outcome o = run_program(ways[i], "train", NULL);
    assert_int_equal(o.status, 0);
    assert_non_null(strstr(o.out, "--resume=RUN"));
    outcome_clear(&o);
  }
  expect_status(2, "help", "tarin", NULL);
}

static void lost_output_is_no_success(void **state) {
  (void)state;
  if (!g_file_test("/dev/full", G_FILE_TEST_EXISTS))
    skip();
  g_autofree char *err = NULL;
  char *argv[] = {"sh", "-c", "\"$0\" recipe defaults >/dev/full", ND_PROGRAM, NULL};
  int status;
  assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &err, &status, NULL));
  assert_int_equal(WEXITSTATUS(status), 1);
  assert_non_null(strstr(err, "cannot write to the standard output"));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {TEST(wrong_usage_exits_2),
                                     TEST(places_for_results_are_looked_at_first),
                                     TEST(options_of_another_action_are_refused),
                                     TEST(values_follow_short_options_at_once),
                                     TEST(files_are_no_folders_for_results),
                                     TEST(help_is_of_the_command_that_is_named),
                                     TEST(lost_output_is_no_success)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
