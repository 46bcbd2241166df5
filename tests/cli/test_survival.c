/* Training that is left alone: killed at any moment, asked to stop, started twice, its output unread. */
#include "survival.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <utime.h>

static bool finished(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static pid_t start_or_resume(void) {
  if (g_file_test("run/recipe.yaml", G_FILE_TEST_EXISTS))
    return start_program("train", "--resume", "run", NULL);
  return start_program("train", "r.yaml", "-o", "run", NULL);
}

static void expect_outcome_of_straight(void) {
  expect_same_files("straight/checkpoint-00000060.safetensors", "run/checkpoint-00000060.safetensors");
  expect_same_files("straight/model.safetensors", "run/model.safetensors");
  expect_same_files("straight/best.safetensors", "run/best.safetensors");
  expect_same_files("straight/validation.csv", "run/validation.csv");
  assert_int_equal(count_files("run", ".tmp"), 0);
  assert_int_equal(count_files("run", ".safetensors"), 5); /* three checkpoints, model, best */
}

/* Nothing but the kill ends a process early. */
static void expect_killed_or_finished(int status) {
  g_autofree char *said = NULL;
  if (finished(status) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
    return;
  g_file_get_contents("said", &said, NULL, NULL);
  fail_msg("status %d: %s", status, said ? said : "");
}

/* Delays reach from before the first file to about a third of a run. A run that got through is looked at, and
 * the next begins. */
static void a_run_killed_at_any_moment_ends_in_the_same_bytes(void **state) {
  (void)state;
  const char *wanted = getenv("ND_TEST_KILLS");
  int kills = wanted ? atoi(wanted) : 50;
  make_pairs();
  write_recipe("r.yaml", "paired", 60);
  gint64 begun = g_get_monotonic_time();
  expect_status(0, "train", "r.yaml", "-o", "straight", "--set", "output.checkpoint_every=4", "--set",
                "validation.every=12", NULL);
  gint64 whole = g_get_monotonic_time() - begun;
  g_autofree char *recipe = NULL;
  assert_true(g_file_get_contents("straight/recipe.yaml", &recipe, NULL, NULL));
  write_text("r.yaml", recipe);
  nd_rng rng = nd_rng_make(7, 0, 0, ND_RANDOM_TEST);
  for (int done = 0; done < kills;) {
    pid_t child = start_or_resume();
    g_usleep((gulong)(nd_rng_uniform(&rng) * (double)whole / 3));
    int status = end_program(child, SIGKILL);
    expect_killed_or_finished(status);
    done += !finished(status);
    if (finished(status)) {
      expect_outcome_of_straight();
      remove_run("run");
    }
  }
  /* The last kill may have come before there was a run to resume. */
  int status = end_program(start_or_resume(), 0);
  expect_killed_or_finished(status);
  assert_true(finished(status));
  expect_outcome_of_straight();
}

static void a_run_killed_before_its_first_checkpoint_resumes(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "straight", QUIET, "--set", "output.checkpoint_every=0", NULL);
  pid_t child = start_program("train", "r.yaml", "-o", "run", QUIET, "--set", "training.steps=1000000",
                              "--set", "output.checkpoint_every=0", NULL);
  await_file("run/log.csv");
  end_program(child, SIGKILL);
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=20", NULL);
  expect_same_files("straight/model.safetensors", "run/model.safetensors");
  g_autofree char *log = NULL;
  assert_true(g_file_get_contents("run/log.csv", &log, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
  assert_int_equal(g_strv_length(lines),
                   1 + 2 + 1); /* the head, steps 10 and 20, behind the last end of line */
}

static void weights_to_start_from_may_go_once_it_has_started(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "a", QUIET, NULL);
  expect_status(0, "train", "r.yaml", "-o", "b", QUIET, "--set", "training.init_from=a/model.safetensors",
                NULL);
  remove_run("a");
  expect_status(0, "train", "--resume", "b", "--set", "training.steps=30", NULL);
}

static void every_signal_that_asks_saves_and_tells(void **state) {
  (void)state;
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
  make_pairs();
  write_recipe("r.yaml", "source", 1000000);
  for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
    pid_t child =
        start_program("train", "r.yaml", "-o", "run", QUIET, "--set", "output.checkpoint_every=0", NULL);
    await_file("run/log.csv");
    int status = end_program(child, signals[i]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 128 + signals[i]);
    assert_true(g_file_test("run/manifest.json", G_FILE_TEST_EXISTS));
    remove_run("run");
  }
}

/* It is at work, not starting any more: that much of a processor's time went by. */
static void await_work(pid_t child, double seconds) {
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)child);
  for (int i = 0; i < 6000; i++, g_usleep(10000)) {
    g_autofree char *text = NULL;
    unsigned long user = 0, kernel = 0;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_int_equal(
        sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel),
        2);
    if ((double)(user + kernel) >= seconds * (double)sysconf(_SC_CLK_TCK))
      return;
  }
  fail_msg("the program does not work");
}

/* Of a program in the background. */
static void await_words(const char *words) {
  for (int k = 0; k < 6000; k++, g_usleep(10000)) {
    g_autofree char *said = NULL;
    if (g_file_get_contents("said", &said, NULL, NULL) && strstr(said, words))
      return;
  }
  fail_msg("never said: %s", words);
}

static void a_second_signal_leaves_at_once(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of("r.yaml", "source", 3, "network: unet, width: 32, depth: 3", "network: guided");
  pid_t child = start_program("train", "r.yaml", "-o", "run", QUIET, "--set", "data.patch_size=256", "--set",
                              "data.batch_size=8", NULL);
  await_work(child, 1); /* it starts in a tenth of that; a step takes several */
  kill(child, SIGINT);
  await_words("once more leaves at once"); /* or, on a busy machine, the two become one */
  int status = end_program(child, SIGINT);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
  assert_false(g_file_test("run/manifest.json", G_FILE_TEST_EXISTS));
}

static void one_folder_takes_one_process(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 1000000);
  pid_t child = start_program("train", "r.yaml", "-o", "run", QUIET, NULL);
  await_file("run/manifest.json");
  g_autofree char *who = g_strdup_printf("process %d on ", (int)child);
  expect_failure("'run' is in use", who, "train", "--resume", "run", NULL);
  expect_failure("'run' is in use", who, "train", "r.yaml", "-o", "run", NULL);
  end_program(child, SIGKILL);
  expect_failure("holds a run already", "--resume", "train", "r.yaml", "-o", "run", NULL);
  g_autofree char *here = g_strdup_printf("training.steps=%d", saved_step());
  expect_status(0, "train", "--resume", "run", "--set", here, NULL);
}

static void nobody_need_read_the_output(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "straight", NULL);
  assert_int_equal(system("'" ND_PROGRAM "' train r.yaml -o run | true"), 0);
  expect_same_files("straight/model.safetensors", "run/model.safetensors");
}

static void set_times(const char *folder, time_t when) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    assert_int_equal(g_utime(path, &(struct utimbuf){when, when}), 0);
  }
}

/* As it looks once a clock was set back by years: what is there is from the future. */
static void a_clock_set_back_costs_nothing(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 40);
  expect_status(0, "train", "r.yaml", "-o", "straight", QUIET, "--set", "output.checkpoint_every=4", NULL);
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, "--set", "output.checkpoint_every=4", "--set",
                "training.steps=20", NULL);
  set_times("run", 4102444800); /* 2100 */
  outcome o = run_program("train", "--resume", "run", "--set", "training.steps=40", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "clock"));
  outcome_clear(&o);
  expect_same_files("straight/checkpoint-00000040.safetensors", "run/checkpoint-00000040.safetensors");
  assert_int_equal(count_files("run", ".safetensors"), 4);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_run_killed_at_any_moment_ends_in_the_same_bytes),
      TEST(a_run_killed_before_its_first_checkpoint_resumes),
      TEST(weights_to_start_from_may_go_once_it_has_started),
      TEST(every_signal_that_asks_saves_and_tells),
      TEST(a_second_signal_leaves_at_once),
      TEST(one_folder_takes_one_process),
      TEST(nobody_need_read_the_output),
      TEST(a_clock_set_back_costs_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
