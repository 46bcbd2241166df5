/* A study through the program: killed half-way, continued, and its tables. */
#include "program.h"

#include <glib/gstdio.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void write_study(void) {
  make_pairs();
  g_mkdir("photos", 0777);
  make_picture("photos/large.png", 208, 200, 9, 0.05); /* as NIQE needs it */
  write_recipe("base.yaml", "source", 20);
  write_text("study.yaml",
             "title: A <small> study\n"
             "base: base.yaml\n"
             "seeds: [1, 2]\n"
             "source: plain\n"
             "oracle: best\n"
             "resamples: 100\n"
             "crops: 1\n"
             "set: {validation.every: 10, output.checkpoint_every: 10, training.threads: 1}\n"
             "tasks:\n"
             "  noise: {tests: {held-out: {input: noisy, target: clean}, photos: {input: photos}}}\n"
             "variants:\n"
             "  plain: {set: {mode: source}}\n"
             "  adapted: {set: {mode: paired}}\n"
             "  best: {set: {mode: source, data.degradation.sigma_max: 30}}\n");
}

static char *contents(const char *path) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    fail_msg("%s is missing", path);
  return g_steal_pointer(&text);
}

static int lines_of(const char *text) {
  int n = 0;
  for (; *text; text++)
    n += *text == '\n';
  return n;
}

/* Starts the study and sends it that signal once that file is there; the status as waitpid has it. */
static int kill_when(const char *folder, const char *path, int signal_number) {
  int status;
  pid_t child = fork();
  if (!child) {
    g_freopen("/dev/null", "w", stdout);
    execl(ND_PROGRAM, ND_PROGRAM, "study", "study.yaml", "-o", folder, (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 60000 && !g_file_test(path, G_FILE_TEST_EXISTS); i++)
    g_usleep(1000);
  kill(child, signal_number);
  waitpid(child, &status, 0);
  return status;
}

static void expect_same(const char *a, const char *b) {
  g_autofree char *x = contents(a), *y = contents(b);
  if (strcmp(x, y))
    fail_msg("%s and %s differ", a, b);
}

static void a_killed_study_goes_on_to_the_same_tables(void **state) {
  (void)state;
  write_study();
  expect_status(0, "study", "study.yaml", "-o", "straight", NULL);
  kill_when("killed", "killed/runs/noise-adapted-1/manifest.json", SIGKILL);
  assert_false(g_file_test("killed/report.html", G_FILE_TEST_EXISTS));
  int status = kill_when("killed", "killed/runs/noise-best-1/manifest.json", SIGINT);
  assert_true(WIFEXITED(status) &&
              WEXITSTATUS(status) == 128 + SIGINT); /* what is unfinished is no success */
  expect_status(0, "study", "study.yaml", "-o", "killed", NULL);
  expect_same("straight/results.csv", "killed/results.csv");
  expect_same("straight/summary.csv", "killed/summary.csv");
  g_autofree char *results = contents("straight/results.csv"), *summary = contents("straight/summary.csv");
  assert_int_equal(lines_of(results), 1 + 6 * (4 + 1)); /* runs x pictures */
  assert_int_equal(lines_of(summary), 1 + 3 * (2 + 1)); /* variants x metrics */
}

static double number_after(const char *text, const char *key) {
  const char *at = strstr(text, key);
  if (!at)
    fail_msg("'%s' is not in %s", key, text);
  return g_ascii_strtod(at + strlen(key), NULL);
}

/* The scores in the table are those that eval prints. */
static void the_table_says_what_eval_says(void **state) {
  (void)state;
  outcome o = run_program("eval", "--model", "straight/runs/noise-best-2/model.safetensors", "--input",
                          "noisy", "--target", "clean", NULL);
  g_autofree char *results = contents("straight/results.csv");
  double difference = number_after(results, "noise,best,2,held-out,0.png,") - number_after(o.out, "\n0.png");
  assert_true(difference < 1e-4 && difference > -1e-4);
  outcome_clear(&o);
  o = run_program("eval", "--model", "straight/runs/noise-best-2/model.safetensors", "--input", "photos",
                  NULL);
  difference =
      number_after(results, "noise,best,2,photos,large.png,,,,,") - number_after(o.out, "\nlarge.png");
  assert_true(difference < 1e-3 && difference > -1e-3);
  outcome_clear(&o);
}

/* Takes the line that begins so out of a file. */
static void leave_out(const char *path, const char *beginning) {
  g_autofree char *text = contents(path);
  char *line = strstr(text, beginning), *next = line ? strchr(line, '\n') : NULL;
  assert_non_null(next);
  memmove(line, next + 1, strlen(next));
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void a_finished_study_is_skipped_and_a_changed_one_refused(void **state) {
  (void)state;
  outcome o = run_program("study", "study.yaml", "-o", "straight", NULL);
  assert_int_equal(o.status, 0);
  assert_null(strstr(o.out, "step "));
  outcome_clear(&o);
  expect_failure("another recipe", "learning_rate", "study", "study.yaml", "-o", "straight", "--set",
                 "training.learning_rate=0.5", NULL);
  expect_failure("another recipe", "learning_rate", "study", "study.yaml", "-o", "straight", "--dry-run",
                 "--set", "training.learning_rate=0.5", NULL);
  leave_out("straight/runs/noise-best-2/recipe.yaml",
            "  graft_of:"); /* as if made before there was that key */
  leave_out("straight/runs/noise-best-2/recipe.yaml", "    probability:"); /* or that of a degradation */
  o = run_program("study", "study.yaml", "-o", "straight", NULL);
  assert_int_equal(o.status, 0);
  outcome_clear(&o);
  outcome dry = run_program("study", "study.yaml", "-o", "fresh", "--dry-run", NULL);
  assert_int_equal(dry.status, 0);
  assert_non_null(strstr(dry.out, "6 runs, "));
  assert_non_null(strstr(dry.out, "noise-best-2"));
  assert_false(g_file_test("fresh", G_FILE_TEST_EXISTS));
  outcome_clear(&dry);
}

static void write_small_study(const char *path, const char *test) {
  g_autofree char *text = g_strdup_printf("title: Small\n"
                                          "base: base.yaml\n"
                                          "seeds: [1]\n"
                                          "resamples: 100\n"
                                          "set: {validation.every: 0, training.threads: 1}\n"
                                          "tasks:\n"
                                          "  noise: {tests: {held-out: {%s}}}\n"
                                          "variants:\n"
                                          "  lost: {set: {data.clean: nowhere}}\n"
                                          "  plain: {set: {mode: source}}\n",
                                          test);
  write_text(path, text);
}

static void a_run_that_fails_is_left_out(void **state) {
  (void)state;
  write_small_study("small.yaml", "input: noisy, target: clean");
  outcome o = run_program("study", "small.yaml", "-o", "small", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "run noise-lost-1: "));
  assert_non_null(strstr(o.err, "1 of 2 runs failed"));
  outcome_clear(&o);
  g_autofree char *results = contents("small/results.csv"), *page = contents("small/report.html");
  assert_int_equal(lines_of(results), 1 + 4);
  assert_non_null(strstr(results, "noise,plain,1,"));
  assert_non_null(strstr(page, "run noise-lost-1: "));
}

/* Nothing of a run is thrown away because its checkpoint cannot be found. */
static void a_damaged_run_is_kept(void **state) {
  (void)state;
  assert_int_equal(g_rename("small/runs/noise-plain-1/checkpoint-00000020.safetensors", "kept"), 0);
  g_autofree char *log = contents("small/runs/noise-plain-1/log.csv");
  outcome o = run_program("study", "small.yaml", "-o", "small", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "run noise-plain-1: "));
  assert_non_null(strstr(o.err, "names 'checkpoint-00000020.safetensors', which is not in it"));
  outcome_clear(&o);
  g_autofree char *after = contents("small/runs/noise-plain-1/log.csv");
  assert_string_equal(log, after);
  assert_int_equal(g_rename("kept", "small/runs/noise-plain-1/checkpoint-00000020.safetensors"), 0);
  o = run_program("study", "small.yaml", "-o", "small", NULL);
  assert_non_null(strstr(o.err, "1 of 2 runs failed"));
  outcome_clear(&o);
}

static void damage_keeping_times(const char *path) {
  struct stat before;
  assert_int_equal(stat(path, &before), 0);
  assert_int_equal(truncate(path, 100), 0);
  assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){before.st_atim, before.st_mtim}, 0), 0);
}

/* Scores that are there do not go with a model that was damaged since: the page says what it cannot show. */
static void a_damaged_model_does_not_end_the_report(void **state) {
  (void)state;
  damage_keeping_times("small/runs/noise-plain-1/model.safetensors");
  expect_status(1, "study", "small.yaml", "-o", "small", NULL); /* of the run that is lost anyway */
  g_autofree char *results = contents("small/results.csv"), *page = contents("small/report.html");
  assert_non_null(strstr(results, "noise,plain,1,"));
  assert_non_null(strstr(page, "<figcaption>plain: "));
}

/* A study has no --resume. */
static void a_run_that_ends_half_way_says_how_it_goes_on(void **state) {
  (void)state;
  write_small_study("ended.yaml", "input: noisy, target: clean");
  pid_t child = start_program("study", "ended.yaml", "-o", "ended", "--set", "training.steps=1000000",
                              "--set", "output.checkpoint_every=5", "--set", "data.cache_mb=0", NULL);
  await_file("ended/runs/noise-plain-1/manifest.json");
  g_rename("clean", "hidden");
  int status = end_program(child, 0);
  g_rename("hidden", "clean");
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
  g_autofree char *said = contents("said");
  if (!strstr(said, "the study, called again, goes on from there") || strstr(said, "--resume"))
    fail_msg("%s", said);
}

static void a_test_that_is_missing_is_noticed_before_training(void **state) {
  (void)state;
  write_small_study("gone.yaml", "input: nowhere, target: clean");
  expect_failure("test held-out", "nowhere", "study", "gone.yaml", "-o", "gone", NULL);
  expect_failure("test held-out", "nowhere", "study", "gone.yaml", "-o", "gone", "--dry-run", NULL);
  assert_false(g_file_test("gone", G_FILE_TEST_EXISTS));
}

/* SSIM has a window, NIQE blocks: what is too small for them is not found out after hours. */
static void a_test_of_too_small_pictures_is_noticed_before_training(void **state) {
  (void)state;
  g_mkdir("tiny", 0777);
  make_picture("tiny/0.png", 40, 6, 0, 0);
  write_small_study("tiny.yaml", "input: tiny, target: tiny");
  expect_failure("test held-out: '0.png'", "window of 7", "study", "tiny.yaml", "-o", "small2", NULL);
  write_small_study("tiny.yaml", "input: noisy");
  expect_failure("test held-out: '0.png'", "two blocks", "study", "tiny.yaml", "-o", "small2", NULL);
  assert_false(g_file_test("small2", G_FILE_TEST_EXISTS));
}

static void changed_tests_are_evaluated_again(void **state) {
  (void)state;
  make_picture("noisy/4.png", 40, 36, 4, 0.1);
  make_picture("clean/4.png", 40, 36, 4, 0);
  expect_status(0, "study", "study.yaml", "-o", "straight", NULL);
  g_autofree char *more = contents("straight/results.csv"), *study = contents("study.yaml");
  assert_int_equal(lines_of(more), 1 + 6 * (5 + 1));
  char *input = strstr(study, "input: noisy");
  assert_non_null(input);
  memcpy(input, "input: clean", strlen("input: clean"));
  assert_true(g_file_set_contents("study.yaml", study, -1, NULL));
  outcome o = run_program("study", "study.yaml", "-o", "straight", NULL);
  assert_int_equal(o.status, 0);
  assert_null(strstr(o.out, "step "));
  outcome_clear(&o);
  g_autofree char *clean = contents("straight/results.csv");
  assert_non_null(strstr(clean, ",inf,1,")); /* the input equals the target */
}

static void the_report_needs_no_other_file(void **state) {
  (void)state;
  g_autofree char *page = contents("straight/report.html");
  assert_non_null(strstr(page, "A &lt;small&gt; study"));
  assert_non_null(strstr(page, "<svg"));
  assert_non_null(strstr(page, "data:image/png;base64,iVBOR"));
  assert_null(strstr(page, "src=\"http"));
  assert_null(strstr(page, "<script"));
  assert_null(strstr(page, "href="));
}

/* As a reader would try it: in a folder with pictures under the names that it says. */
static void the_example_of_its_page_is_a_study(void **state) {
  (void)state;
  static const char *const others[] = {"real", "real_clean", "test", "test_clean", "photos"};
  g_autofree char *example = page_example("studies.md", "yaml"), *small = NULL;
  assert_true(g_file_get_contents(ND_TESTS_DIR "/../recipes/studies/small.yaml", &small, NULL, NULL));
  g_mkdir("page", 0777);
  assert_int_equal(g_chdir("page"), 0);
  g_mkdir("clean", 0777);
  make_picture("clean/large.png", 208, 200, 9, 0.05);
  for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
    assert_int_equal(symlink("clean", others[i]), 0);
  write_text("small.yaml", small);
  write_text("study.yaml", example);
  outcome o = run_program("study", "study.yaml", "-o", "made", "--dry-run", NULL);
  if (o.status || !strstr(o.out, "\n8 runs, "))
    fail_msg("status %d, said '%s%s'", o.status, o.out, o.err);
  outcome_clear(&o);
  assert_int_equal(g_chdir(".."), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_killed_study_goes_on_to_the_same_tables),
      cmocka_unit_test(the_table_says_what_eval_says),
      cmocka_unit_test(a_finished_study_is_skipped_and_a_changed_one_refused),
      cmocka_unit_test(the_report_needs_no_other_file),
      cmocka_unit_test(a_run_that_fails_is_left_out),
      cmocka_unit_test(a_damaged_run_is_kept),
      cmocka_unit_test(a_run_that_ends_half_way_says_how_it_goes_on),
      cmocka_unit_test(a_damaged_model_does_not_end_the_report),
      cmocka_unit_test(a_test_that_is_missing_is_noticed_before_training),
      cmocka_unit_test(a_test_of_too_small_pictures_is_noticed_before_training),
      cmocka_unit_test(changed_tests_are_evaluated_again),
      cmocka_unit_test(the_example_of_its_page_is_a_study),
  };
  return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
