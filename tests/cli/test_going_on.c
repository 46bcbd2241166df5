/* Commands that make many pictures, asked to end: the same command goes on with what is missing. */
#include "program.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

enum { FILMED = 61 };

static void expect_interruption(pid_t child, const char *what) {
  g_autofree char *said = NULL;
  int status = end_program(child, SIGINT);
  assert_true(g_file_get_contents("said", &said, NULL, NULL));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 128 + SIGINT || !strstr(said, "interrupted: ") ||
      !strstr(said, what))
    fail_msg("status %d, said '%s'", status, said);
}

/* Files of both folders, which are to be the same. */
static guint expect_same_folders(const char *a, const char *b) {
  g_autoptr(GDir) dir = g_dir_open(a, 0, NULL), other = g_dir_open(b, 0, NULL);
  guint n = 0;
  assert_true(dir && other);
  for (const char *name; (name = g_dir_read_name(dir)); n++) {
    g_autofree char *x = g_build_filename(a, name, NULL), *y = g_build_filename(b, name, NULL);
    expect_same_files(x, y);
  }
  for (guint i = 0; i < n; i++)
    assert_non_null(g_dir_read_name(other));
  assert_null(g_dir_read_name(other));
  return n;
}

/* The large one is under way when the signal comes. */
static void degrade_goes_on(void **state) {
  (void)state;
  make_pairs();
  make_picture("large.png", 1500, 1000, 4, 0);
#define DEGRADE "degrade", "camera", "clean/0.png", "large.png", "clean/1.png", "-o"
  pid_t child = start_program(DEGRADE, "out", NULL);
  await_file("out/0.png");
  expect_interruption(child, " degraded, 0 failed, 0 skipped\n");
  assert_false(g_file_test("out/1.png", G_FILE_TEST_EXISTS));
  outcome o = run_program("degrade", "camera", "clean/0.png", "-o", "out", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(
      strstr(o.err, "'out/0.png' exists already; --overwrite replaces it; --skip-existing leaves it"));
  outcome_clear(&o);
  expect_status(0, DEGRADE, "out", "--skip-existing", NULL);
  expect_status(0, DEGRADE, "straight", NULL);
  assert_int_equal(expect_same_folders("straight", "out"), 3);
  write_text("out/0.png", "not made again");
  o = run_program(DEGRADE, "out", "--skip-existing", NULL);
  assert_string_equal(o.out, "out/0.png: left as it is, it exists already\n"
                             "out/large.png: left as it is, it exists already\n"
                             "out/1.png: left as it is, it exists already\n");
  assert_string_equal(o.err, "noiseda: 0 pictures degraded, 0 failed, 3 skipped\n");
  outcome_clear(&o);
  expect_status(2, DEGRADE, "out", "--skip-existing", "--overwrite", NULL);
}

static void frames_go_on(void **state) {
  (void)state;
  g_mkdir("films", 0777);
  for (int i = 0; i < FILMED; i++) {
    g_autofree char *path = g_strdup_printf("films/%d.jpg", i);
    make_picture(path, 600, 400, i, 0);
  }
  pid_t child = start_program("data", "frames", "films", "-o", "pairs", "--frames=3-5", NULL);
  await_file("pairs/input");
  expect_interruption(child, " made, 0 failed, 0 skipped\n");
  outcome o = run_program("data", "frames", "films", "-o", "pairs", "--frames=3-5", "--skip-existing", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.out, ": left as it is, it exists already\n"));
  assert_non_null(strstr(o.err, " made, 0 failed, "));
  assert_null(strstr(o.err, "noiseda: 0 pairs"));
  outcome_clear(&o);
  expect_status(0, "data", "frames", "films", "-o", "straight", "--frames=3-5", NULL);
  guint pairs = expect_same_folders("straight/input", "pairs/input");
  assert_int_equal(expect_same_folders("straight/target", "pairs/target"), pairs);
  assert_true(pairs > 10);
  expect_status(2, "data", "frames", "films", "-o", "pairs", "--skip-existing", "--overwrite", NULL);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {TEST(degrade_goes_on), TEST(frames_go_on)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
