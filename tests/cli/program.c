#include "program.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

int folder_setup(void **state) {
  nd_image_start();
  *state = g_dir_make_tmp("nd-cli-XXXXXX", NULL);
  return g_chdir(*state);
}

static void remove_all(const char *path) {
  GDir *dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    remove_all(below);
  }
  if (dir)
    g_dir_close(dir);
  g_remove(path);
}

int folder_teardown(void **state) {
  int failed = g_chdir("/");
  remove_all(*state);
  g_free(*state);
  return failed;
}

static outcome spawn(char **argv) {
  outcome o = {0};
  int status;
  g_autoptr(GError) error = NULL;
  if (!g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, &o.out, &o.err, &status, &error))
    fail_msg("%s", error->message);
  o.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return o;
}

static GPtrArray *arguments(const char *first, va_list args) {
  GPtrArray *argv = g_ptr_array_new();
  g_ptr_array_add(argv, (char *)ND_PROGRAM);
  for (const char *a = first; a; a = va_arg(args, const char *))
    g_ptr_array_add(argv, (char *)a);
  g_ptr_array_add(argv, NULL);
  return argv;
}

static outcome run_list(const char *first, va_list args) {
  g_autoptr(GPtrArray) argv = arguments(first, args);
  return spawn((char **)argv->pdata);
}

pid_t start_program(const char *first, ...) {
  va_list args;
  va_start(args, first);
  g_autoptr(GPtrArray) argv = arguments(first, args);
  va_end(args);
  pid_t child = fork();
  if (child)
    return child;
  static const int asking[] = {SIGHUP, SIGINT, SIGTERM}; /* whoever runs the tests may ignore them */
  for (size_t i = 0; i < G_N_ELEMENTS(asking); i++)
    signal(asking[i], SIG_DFL);
  g_freopen("/dev/null", "w", stdout);
  g_freopen("said", "w", stderr);
  execv(ND_PROGRAM, (char **)argv->pdata);
  _exit(127);
}

void await_file(const char *path) {
  for (int i = 0; i < 60000 && !g_file_test(path, G_FILE_TEST_EXISTS); i++)
    g_usleep(1000);
}

int end_program(pid_t child, int signal_number) {
  int status;
  pid_t ended = 0;
  kill(child, signal_number);
  for (int i = 0; i < 60000 && !(ended = waitpid(child, &status, WNOHANG)); i++)
    g_usleep(1000);
  if (!ended) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    fail_msg("a minute after signal %d the program still runs", signal_number);
  }
  assert_int_equal(ended, child);
  return status;
}

long peak_of(pid_t child) {
  struct rusage usage;
  int status;
  assert_int_equal(wait4(child, &status, 0, &usage), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return usage.ru_maxrss >> 10;
}

void limit_file_size(rlim_t bytes) {
  struct rlimit r;
  getrlimit(RLIMIT_FSIZE, &r);
  r.rlim_cur = bytes;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
  signal(SIGXFSZ, SIG_IGN); /* inherited: writing then fails with EFBIG */
}

int files_in(const char *folder) {
  GDir *dir = g_dir_open(folder, 0, NULL);
  int n = 0;
  while (dir && g_dir_read_name(dir))
    n++;
  if (dir)
    g_dir_close(dir);
  return n;
}

void expect_run(const char *folder) {
  static const char *const files[] = {"recipe.yaml",       "log.csv",          "validation.csv", "curve.svg",
                                      "model.safetensors", "best.safetensors", "manifest.json"};
  for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_build_filename(folder, files[i], NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
      fail_msg("%s is missing", path);
  }
}

void expect_same_files(const char *a, const char *b) {
  g_autofree char *x = NULL, *y = NULL;
  gsize nx, ny;
  assert_true(g_file_get_contents(a, &x, &nx, NULL));
  assert_true(g_file_get_contents(b, &y, &ny, NULL));
  assert_int_equal(nx, ny);
  assert_memory_equal(x, y, nx);
}

outcome run_program(const char *first, ...) {
  va_list args;
  va_start(args, first);
  outcome o = run_list(first, args);
  va_end(args);
  return o;
}

void outcome_clear(outcome *o) {
  g_free(o->out);
  g_free(o->err);
}

void expect_status(int status, const char *first, ...) {
  va_list args;
  va_start(args, first);
  outcome o = run_list(first, args);
  va_end(args);
  if (o.status != status)
    fail_msg("%s: status %d, not %d: %s", first, o.status, status, o.err);
  outcome_clear(&o);
}

void expect_failure(const char *text, const char *other, const char *first, ...) {
  va_list args;
  va_start(args, first);
  outcome o = run_list(first, args);
  va_end(args);
  char *end = strchr(o.err, '\n');
  bool one_line = end && !end[1];
  if (o.status != 1 || !one_line || !strstr(o.err, text) || !strstr(o.err, other))
    fail_msg("%s: status %d, said '%s'; one line with '%s' and '%s' was expected", first, o.status, o.err,
             text, other);
  outcome_clear(&o);
}

enum { LACKS = 77 };
static const char PROBE[] = "import sys\ntry:\n  import %s\nexcept ImportError:\n  sys.exit(77)\n%s";

/* What the program prints; NULL: there is no such Python, or it lacks a module. */
static char *try_python(const char *python, const char *probed, char **args) {
  g_autofree char *err = NULL;
  char *out = NULL;
  int status;
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_ptr_array_add(argv, (char *)python);
  g_ptr_array_add(argv, (char *)"-c");
  g_ptr_array_add(argv, (char *)probed);
  for (int i = 0; args && args[i]; i++)
    g_ptr_array_add(argv, args[i]);
  g_ptr_array_add(argv, NULL);
  if (!g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status,
                    NULL))
    return NULL;
  if (WIFEXITED(status) && WEXITSTATUS(status) == LACKS)
    g_clear_pointer(&out, g_free);
  else if (status)
    fail_msg("the Python program fails: %s", err);
  return out;
}

char *run_python(const char *modules, const char *program, char **args) {
  const char *const pythons[] = {g_getenv("ND_PYTHON"), "python3", ND_TESTS_DIR "/../.peer/bin/python"};
  g_setenv("PYTHONPATH", ND_TESTS_DIR "/oracle", TRUE);
  g_setenv("PYTHONDONTWRITEBYTECODE", "1", TRUE);
  g_autofree char *probed = g_strdup_printf(PROBE, modules, program);
  char *out = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(pythons) && !out; i++)
    if (pythons[i])
      out = try_python(pythons[i], probed, args);
  return out;
}

char *page_example(const char *page, const char *language) {
  g_autofree char *path = g_build_filename(ND_TESTS_DIR "/../docs", page, NULL), *text = NULL,
                  *fence = g_strdup_printf("```%s\n", language);
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  char *begin = strstr(text, fence), *end = begin ? strstr(begin + 3, "```") : NULL;
  assert_non_null(end);
  begin = strchr(begin, '\n') + 1;
  return g_strndup(begin, (gsize)(end - begin));
}

void make_picture(const char *path, int width, int height, int which, double deviation) {
  nd_image image;
  assert_int_equal(nd_image_new(width, height, 3, &image), 0);
  nd_rng r = nd_rng_make(9, 0, (uint32_t)which, ND_RANDOM_TEST);
  for (int i = 0; i < width * height * 3; i++) {
    int x = i / 3 % width, y = i / 3 / width;
    double smooth = 0.5 + 0.3 * sin(0.2 * x + which) * cos(0.15 * y + i % 3);
    image.data[i] = (float)(smooth + deviation * nd_rng_normal(&r));
  }
  if (nd_image_save(path, &image, NULL))
    fail_msg("%s", nd_error());
  nd_image_free(&image);
}

void make_pairs(void) {
  g_mkdir("clean", 0777);
  g_mkdir("noisy", 0777);
  for (int i = 0; i < 4; i++) {
    g_autofree char *clean = g_strdup_printf("clean/%d.png", i), *noisy = g_strdup_printf("noisy/%d.png", i);
    make_picture(clean, 40, 36, i, 0);
    make_picture(noisy, 40, 36, i, 0.1);
  }
}

void write_text(const char *path, const char *text) {
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

void poison_file(const char *path, float value) {
  g_autofree char *bytes = NULL;
  gsize n;
  assert_true(g_file_get_contents(path, &bytes, &n, NULL));
  memcpy(bytes + n - sizeof value, &value, sizeof value);
  assert_true(g_file_set_contents(path, bytes, (gssize)n, NULL));
}

void truncate_file(const char *path, size_t keep) {
  assert_int_equal(truncate(path, (off_t)keep), 0);
}

void write_recipe(const char *path, const char *mode, int steps) {
  write_recipe_of(path, mode, steps, "network: unet, width: 4, depth: 2",
                  "network: guided, width: 4, multipliers: [1, 2], res_blocks: 1, attention_levels: [], "
                  "head_channels: 4, norm_groups: 2, dropout: 0.2");
}

void write_recipe_of(const char *path, const char *mode, int steps, const char *restoration,
                     const char *diffusion) {
  g_autofree char *text = g_strdup_printf("mode: %s\n"
                                          "restoration: {%s}\n"
                                          "diffusion: {%s}\n"
                                          "adapt: {ramp_steps: 10}\n"
                                          "data:\n"
                                          "  clean: clean\n"
                                          "  degradation: {kind: gaussian, sigma_max: 40}\n"
                                          "  real: noisy\n"
                                          "  patch_size: 16\n"
                                          "  batch_size: 2\n"
                                          "training: {steps: %d, learning_rate: 1e-3, ema: 0.9}\n"
                                          "validation: {input: noisy, target: clean, every: 20}\n"
                                          "output: {log_every: 10, checkpoint_every: 20}\n",
                                          mode, restoration, diffusion, steps);
  write_text(path, text);
}
