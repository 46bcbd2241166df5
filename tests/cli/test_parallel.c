/* One batch, however it is computed: in one go, accumulated, by several processes, or by a job that lost one
 * of them. What is said with several processes is skipped where mpirun is missing. */
#include "program.h"
#include "weights/weights.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { STEPS = 8 };

/* With Adam's eps this large a step is smooth in the gradient, so roundings stay roundings. With margin 0 the
 * contrast has a slope in some steps only, and parts of a batch disagree about it. */
static void write_smooth_recipe(const char *mode, const char *margin) {
  write_recipe("r.yaml", mode, STEPS);
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents("r.yaml", &text, NULL, NULL));
  g_auto(GStrv) parts = g_strsplit(text, "ema: 0.9", 2);
  g_autofree char *smooth = g_strdup_printf("%sema: 0.9, eps: 1e-3%s", parts[0], parts[1]);
  g_auto(GStrv) around = g_strsplit(smooth, "ramp_steps: 10", 2);
  g_autofree char *all = g_strdup_printf("%sramp_steps: 10, margin: %s%s", around[0], margin, around[1]);
  write_text("r.yaml", all);
}

#define COMMON                                                                                               \
  "--set", "training.threads=1", "--set", "data.batch_size=4", "--set", "validation.every=0", "--set",       \
      "output.log_every=1", "--set", "output.checkpoint_every=4"

static bool have_mpi(void) {
  g_autofree char *path = g_find_program_in_path("mpirun");
  return path && ND_HAVE_MPI;
}

/* What lets mpirun do its work also as root and on few processors. */
static void allow_mpirun(void) {
  g_setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", TRUE);
  g_setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", TRUE);
  g_setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", TRUE);
}

/* MPI loads and unloads libraries of its own, whose leaks have no name that could be left out. */
#define LEAKS "-x", "ASAN_OPTIONS=detect_leaks=0"

static outcome run_processes(const char *n, const char *const *arguments) {
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  const char *head[] = {"mpirun", LEAKS, "-np", n, ND_PROGRAM};
  for (size_t i = 0; i < G_N_ELEMENTS(head); i++)
    g_ptr_array_add(argv, (char *)head[i]);
  for (; *arguments; arguments++)
    g_ptr_array_add(argv, (char *)*arguments);
  g_ptr_array_add(argv, NULL);
  allow_mpirun();
  outcome o = {0};
  int status;
  assert_true(g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &o.out, &o.err,
                           &status, NULL));
  o.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return o;
}

static void expect_processes(const char *n, const char *const *arguments) {
  outcome o = run_processes(n, arguments);
  if (o.status)
    fail_msg("%s processes: status %d: %s", n, o.status, o.err);
  outcome_clear(&o);
}

static nd_safetensors *open_checkpoint(const char *folder, int step) {
  g_autofree char *name = g_strdup_printf("checkpoint-%08d.safetensors", step),
                  *path = g_build_filename(folder, name, NULL);
  nd_safetensors *file;
  if (nd_safetensors_open(path, &file))
    fail_msg("%s", nd_error());
  return file;
}

/* Every weight, average and moment. */
static void expect_equal_runs(const char *a, const char *b) {
  nd_safetensors *x = open_checkpoint(a, STEPS), *y = open_checkpoint(b, STEPS);
  assert_int_equal(nd_safetensors_count(x), nd_safetensors_count(y));
  for (size_t i = 0; i < nd_safetensors_count(x); i++) {
    const nd_st_tensor *p = nd_safetensors_at(x, i), *q = nd_safetensors_find(y, p->name);
    g_autofree float *u = g_new(float, p->count), *v = g_new(float, p->count);
    assert_non_null(q);
    assert_int_equal(nd_st_to_f32(p, u), 0);
    assert_int_equal(nd_st_to_f32(q, v), 0);
    double largest = 0, apart = 0;
    for (size_t k = 0; k < p->count; k++) {
      largest = fmax(largest, fabs((double)u[k]));
      apart = fmax(apart, fabs((double)u[k] - (double)v[k]));
    }
    if (!(apart <= 1e-4 * largest + 1e-8))
      fail_msg("%s and %s: %s is %g apart, of %g", a, b, p->name, apart, largest);
  }
  nd_safetensors_close(x);
  nd_safetensors_close(y);
}

/* The numbers of log.csv up to `negative`. */
static void read_log(const char *folder, double out[STEPS][6]) {
  g_autofree char *path = g_build_filename(folder, "log.csv", NULL), *text = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
  assert_int_equal(g_strv_length(lines), STEPS + 1);
  for (int i = 0; i < STEPS; i++) {
    g_auto(GStrv) cells = g_strsplit(lines[i + 1], ",", -1);
    for (int k = 0; k < 6; k++)
      out[i][k] = g_ascii_strtod(cells[k], NULL);
  }
}

static void expect_equal_logs(const char *a, const char *b) {
  double x[STEPS][6], y[STEPS][6];
  read_log(a, x);
  read_log(b, y);
  for (int i = 0; i < STEPS; i++)
    for (int k = 0; k < 6; k++)
      if (!(isnan(x[i][k]) && isnan(y[i][k])) && !(fabs(x[i][k] - y[i][k]) <= 1e-5 * fabs(x[i][k])))
        fail_msg("%s and %s: step %d, column %d: %.8g, %.8g", a, b, i + 1, k, x[i][k], y[i][k]);
}

static void expect_equal(const char *a, const char *b) {
  expect_equal_logs(a, b);
  expect_equal_runs(a, b);
}

/* Of the steps of a run, in how many the contrast had a slope. */
static int active_steps(const char *folder, double margin) {
  double log[STEPS][6];
  int count = 0;
  read_log(folder, log);
  for (int i = 0; i < STEPS; i++)
    count += log[i][4] - log[i][5] + margin > 0;
  return count;
}

static void accumulated_batches_equal_whole_ones(void **state) {
  (void)state;
  make_pairs();
  write_smooth_recipe("paired", "0");
  expect_status(0, "train", "r.yaml", "-o", "whole", COMMON, NULL);
  assert_in_range(active_steps("whole", 0), 2, STEPS - 2);
  expect_status(0, "train", "r.yaml", "-o", "two", COMMON, "--set", "training.accumulation_steps=2", NULL);
  expect_status(0, "train", "r.yaml", "-o", "four", COMMON, "--set", "training.accumulation_steps=4", NULL);
  expect_equal("whole", "two");
  expect_equal("whole", "four");
  write_smooth_recipe("unpaired", "0.1");
  expect_status(0, "train", "r.yaml", "-o", "u1", COMMON, NULL);
  expect_status(0, "train", "r.yaml", "-o", "u2", COMMON, "--set", "training.accumulation_steps=2", NULL);
  expect_equal("u1", "u2");
}

enum { NORM_CHANNELS = 8 };

static void read_running_mean(const char *folder, float out[NORM_CHANNELS]) {
  nd_safetensors *file = open_checkpoint(folder, 1);
  const nd_st_tensor *mean = nd_safetensors_find(file, "values.RestorationNet.dncnn.3.running_mean");
  assert_non_null(mean);
  assert_int_equal(mean->count, NORM_CHANNELS);
  assert_int_equal(nd_st_to_f32(mean, out), 0);
  nd_safetensors_close(file);
}

static void expect_equal_means(const char *a, const char *b) {
  float x[NORM_CHANNELS], y[NORM_CHANNELS];
  read_running_mean(a, x);
  read_running_mean(b, y);
  for (int i = 0; i < NORM_CHANNELS; i++)
    if (x[i] == 0.0f || !(fabsf(x[i] - y[i]) <= 1e-5f * fabsf(x[i]) + 1e-7f))
      fail_msg("%s and %s: channel %d: %g, %g", a, b, i, (double)x[i], (double)y[i]);
}

/* The mean over a batch is the mean of the means over its equal parts, so what the first batch norm of a
 * network keeps from the first step does not show how the batch was spread. */
static void running_statistics_are_means_over_passes_and_processes(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of("r.yaml", "source", 1, "network: dncnn, width: 8, depth: 3", "network: guided");
#define ONE_STEP COMMON, "--set", "training.steps=1"
  expect_status(0, "train", "r.yaml", "-o", "whole", ONE_STEP, NULL);
  expect_status(0, "train", "r.yaml", "-o", "four", ONE_STEP, "--set", "training.accumulation_steps=4", NULL);
  expect_equal_means("whole", "four");
  if (!have_mpi())
    return;
  expect_processes("2", (const char *const[]){"train", "r.yaml", "-o", "two", ONE_STEP, NULL});
  expect_equal_means("whole", "two");
}

/* Which slope the first pass of a step is taken with is remembered from the step before, but not in a
 * checkpoint: the result must not show it. */
static void an_accumulating_run_resumes_to_the_bit(void **state) {
  (void)state;
  make_pairs();
  write_smooth_recipe("paired", "0");
  expect_status(0, "train", "r.yaml", "-o", "a", COMMON, "--set", "training.accumulation_steps=4", NULL);
  for (const char *const *stop = (const char *const[]){"1", "5", NULL}; *stop; stop++) {
    g_autofree char *steps = g_strdup_printf("training.steps=%s", *stop);
    expect_status(0, "train", "r.yaml", "-o", *stop, COMMON, "--set", "training.accumulation_steps=4",
                  "--set", steps, NULL);
    expect_status(0, "train", "--resume", *stop, "--set", "training.steps=8", NULL);
    g_autofree char *path = g_build_filename(*stop, "checkpoint-00000008.safetensors", NULL), *x = NULL,
                    *y = NULL;
    gsize nx, ny;
    assert_true(g_file_get_contents("a/checkpoint-00000008.safetensors", &x, &nx, NULL));
    assert_true(g_file_get_contents(path, &y, &ny, NULL));
    assert_true(nx == ny && !memcmp(x, y, nx));
  }
}

static void batches_that_cannot_be_divided_are_refused(void **state) {
  (void)state;
  make_pairs();
  write_smooth_recipe("paired", "0");
  expect_failure("accumulation_steps is 3", "1, 2, 4 divide it", "train", "r.yaml", "-o", "run", COMMON,
                 "--set", "training.accumulation_steps=3", NULL);
  assert_false(g_file_test("run", G_FILE_TEST_EXISTS));
  if (!have_mpi())
    return;
  outcome o = run_processes("3", (const char *const[]){"train", "r.yaml", "-o", "run", COMMON, NULL});
  const char *said = strstr(o.err, "noiseda: ");
  if (o.status != 1 || !said || !strstr(said, "3 processes") || !strstr(said, "with 1, 2, 4 processes") ||
      strstr(said + 1, "noiseda: "))
    fail_msg("status %d: %s", o.status, o.err);
  outcome_clear(&o);
  assert_false(g_file_test("run", G_FILE_TEST_EXISTS));
}

static void processes_equal_one(void **state) {
  (void)state;
  if (!have_mpi())
    skip();
  static const char *const modes[] = {"source", "paired", "unpaired"};
  make_pairs();
  for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
    g_autofree char *many = g_strdup_printf("%s2", modes[i]);
    write_smooth_recipe(modes[i], "0");
    expect_status(0, "train", "r.yaml", "-o", modes[i], COMMON, NULL);
    expect_processes("2", (const char *const[]){"train", "r.yaml", "-o", many, COMMON, NULL});
    expect_equal(modes[i], many);
  }
  expect_status(0, "train", "r.yaml", "-o", "paired1", COMMON, "--set", "mode=paired", NULL);
  expect_processes("2", (const char *const[]){"train", "r.yaml", "-o", "accumulated", COMMON, "--set",
                                              "mode=paired", "--set", "training.accumulation_steps=2", NULL});
  expect_equal("paired1", "accumulated");
}

/* The time that a step takes for being spread has names. */
static void a_profile_names_passes_and_processes(void **state) {
  (void)state;
  make_pairs();
  write_smooth_recipe("paired", "0");
  outcome o = run_program("train", "r.yaml", "-o", "passes", COMMON, "--set", "training.accumulation_steps=2",
                          "--profile", NULL);
  if (!strstr(o.out, "\nsum of passes ") || strstr(o.out, "\nother processes "))
    fail_msg("of one process with two passes: %s", o.out);
  outcome_clear(&o);
  if (!have_mpi())
    return;
  o = run_processes("2", (const char *const[]){"train", "r.yaml", "-o", "run", COMMON, "--profile", NULL});
  if (!strstr(o.out, "\nother processes "))
    fail_msg("of two processes: %s", o.out);
  outcome_clear(&o);
}

static void a_run_goes_on_with_another_number_of_processes(void **state) {
  (void)state;
  if (!have_mpi())
    skip();
  make_pairs();
  write_smooth_recipe("paired", "0");
  expect_status(0, "train", "r.yaml", "-o", "one", COMMON, NULL);
  expect_processes("4", (const char *const[]){"train", "r.yaml", "-o", "mixed", COMMON, "--set",
                                              "training.steps=3", NULL});
  expect_processes("2",
                   (const char *const[]){"train", "--resume", "mixed", "--set", "training.steps=6", NULL});
  expect_status(0, "train", "--resume", "mixed", "--set", "training.steps=8", NULL);
  expect_equal("one", "mixed");
}

/* A picture that only some process meets ends the job with one message. */
static void a_failure_of_one_process_is_told_once(void **state) {
  (void)state;
  if (!have_mpi())
    skip();
  make_pairs();
  write_smooth_recipe("source", "0");
  truncate_file("clean/2.png", 200);
  outcome o = run_processes("2", (const char *const[]){"train", "r.yaml", "-o", "run", COMMON, NULL});
  const char *said = strstr(o.err, "noiseda: ");
  if (o.status != 1 || !said || !strstr(said, "2.png") || strstr(said + 1, "noiseda: "))
    fail_msg("status %d: %s", o.status, o.err);
  outcome_clear(&o);
}

/* The last batch, put together by all processes, and the weights before it. */
static void expect_given_up(const char *folder, const char *said) {
  g_autofree char *last = g_build_filename(folder, "not-finite-00000003", "3-clean.png", NULL),
                  *first = g_build_filename(folder, "not-finite-00000003", "0-clean.png", NULL);
  if (!strstr(said, "not finite for 3 steps in a row") || !strstr(said, "step 3 is saved"))
    fail_msg("%s: %s", folder, said);
  assert_true(g_file_test(first, G_FILE_TEST_EXISTS) && g_file_test(last, G_FILE_TEST_EXISTS));
  nd_safetensors *file = open_checkpoint(folder, 3);
  assert_string_equal(nd_safetensors_metadata(file, "noiseda.skipped"), "3");
  for (size_t i = 0; i < nd_safetensors_count(file); i++) {
    const nd_st_tensor *t = nd_safetensors_at(file, i);
    g_autofree float *values = g_new(float, t->count);
    assert_int_equal(nd_st_to_f32(t, values), 0);
    for (size_t k = 0; k < t->count && g_str_has_prefix(t->name, "moment"); k++)
      assert_true(values[k] == 0.0f);
  }
  nd_safetensors_close(file);
}

static void processes_skip_alike(void **state) {
  (void)state;
  make_pairs();
  write_smooth_recipe("source", "0");
  expect_status(0, "train", "r.yaml", "-o", "start", COMMON, "--set", "training.steps=1", NULL);
  poison_file("start/model.safetensors", BOUNDLESS);
  write_smooth_recipe("paired", "0");
#define POISONED                                                                                             \
  COMMON, "--set", "training.init_from=start/model.safetensors", "--set", "training.max_skipped_steps=2"
  outcome one =
      run_program("train", "r.yaml", "-o", "one", POISONED, "--set", "training.accumulation_steps=2", NULL);
  assert_int_equal(one.status, 1);
  expect_given_up("one", one.err);
  outcome_clear(&one);
  if (!have_mpi())
    return;
  outcome two = run_processes("2", (const char *const[]){"train", "r.yaml", "-o", "two", POISONED, NULL});
  assert_int_equal(two.status, 1);
  expect_given_up("two", two.err);
  outcome_clear(&two);
}

/* A child of that process whose environment says it has that rank; 0: none yet. */
static pid_t process_of_rank(pid_t parent, const char *rank) {
  g_autofree char *wanted = g_strdup_printf("OMPI_COMM_WORLD_RANK=%s", rank);
  g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
  for (const char *name; proc && (name = g_dir_read_name(proc));) {
    g_autofree char *stat = g_build_filename("/proc", name, "stat", NULL), *text = NULL, *environment = NULL,
                    *path = g_build_filename("/proc", name, "environ", NULL);
    gsize length;
    if (!g_ascii_isdigit(*name) || !g_file_get_contents(stat, &text, NULL, NULL) ||
        atoi(strrchr(text, ')') + 4) != parent || !g_file_get_contents(path, &environment, &length, NULL))
      continue;
    for (const char *e = environment; e < environment + length; e += strlen(e) + 1)
      if (!strcmp(e, wanted))
        return atoi(name);
  }
  return 0;
}

static pid_t start_long_job(void) {
  allow_mpirun();
  pid_t job = fork();
  if (job)
    return job;
  g_freopen("/dev/null", "w", stdout);
  g_freopen("said", "w", stderr);
  execlp("mpirun", "mpirun", LEAKS, "-np", "2", ND_PROGRAM, "train", "r.yaml", "-o", "run", COMMON, "--set",
         "training.steps=1000000", (char *)NULL);
  _exit(127);
}

static void a_killed_process_ends_the_job_and_keeps_the_checkpoint(void **state) {
  (void)state;
  if (!have_mpi())
    skip();
  make_pairs();
  write_smooth_recipe("paired", "0.1");
  pid_t job = start_long_job(), victim = 0;
  for (int i = 0; i < 12000 && !g_file_test("run/manifest.json", G_FILE_TEST_EXISTS); i++)
    g_usleep(10000);
  victim = process_of_rank(job, "1");
  assert_true(victim > 0);
  kill(victim, SIGKILL);
  int status = 0;
  pid_t ended = 0;
  for (int i = 0; i < 12000 && !(ended = waitpid(job, &status, WNOHANG)); i++)
    g_usleep(10000);
  if (!ended)
    kill(job, SIGKILL);
  assert_int_equal(ended, job);
  assert_true(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
  g_autofree char *said = NULL, *manifest = NULL;
  assert_true(g_file_get_contents("said", &said, NULL, NULL));
  assert_non_null(strstr(said, "rank 1")); /* whoever noticed first */
  assert_true(g_file_get_contents("run/manifest.json", &manifest, NULL, NULL));
  int done = atoi(strstr(manifest, "\"step\": ") + 8);
  assert_true(done >= 4);
  g_autofree char *steps = g_strdup_printf("training.steps=%d", done + 1);
  expect_status(0, "train", "--resume", "run", "--set", steps, NULL);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {TEST(accumulated_batches_equal_whole_ones),
                                     TEST(running_statistics_are_means_over_passes_and_processes),
                                     TEST(an_accumulating_run_resumes_to_the_bit),
                                     TEST(batches_that_cannot_be_divided_are_refused),
                                     TEST(processes_equal_one),
                                     TEST(a_profile_names_passes_and_processes),
                                     TEST(a_run_goes_on_with_another_number_of_processes),
                                     TEST(a_failure_of_one_process_is_told_once),
                                     TEST(processes_skip_alike),
                                     TEST(a_killed_process_ends_the_job_and_keeps_the_checkpoint)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
