/* A full disk, in the middle of what is written: said once, nothing half-written, nothing lost. */
#include "program.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void train_a_model(void) {
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.every=0", NULL);
}

static void what_was_there_stays(void **state) {
  (void)state;
  train_a_model();
  make_picture("big.png", 300, 300, 1, 0.2);
  limit_file_size(20000);
  outcome restore =
      run_program("restore", "--model", "run/model.safetensors", "big.png", "-o", "out.png", NULL);
  outcome degrade = run_program("degrade", "gaussian", "big.png", "-o", "worse", NULL);
  outcome train = run_program("train", "--resume", "run", "--set", "training.steps=40", NULL);
  limit_file_size(RLIM_INFINITY);
  assert_int_equal(restore.status, 1);
  assert_non_null(strstr(restore.err, "noiseda: cannot write 'out.png': File too large\n"));
  assert_false(g_file_test("out.png", G_FILE_TEST_EXISTS));
  assert_int_equal(degrade.status, 1);
  assert_int_equal(files_in("worse"), 0);
  assert_int_equal(train.status, 1);
  assert_non_null(strstr(train.err, "checkpoint-00000040.safetensors"));
  assert_non_null(strstr(train.err, "the last checkpoint is whole"));
  assert_false(g_file_test("run/checkpoint-00000040.safetensors", G_FILE_TEST_EXISTS));
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=40",
                NULL); /* the old checkpoint is whole */
  outcome_clear(&restore);
  outcome_clear(&degrade);
  outcome_clear(&train);
}

/* Room for this many bytes in programs we start, then "No space left on device"; NULL: enough. */
static void leave_room(const char *bytes) {
  if (!bytes)
    return g_unsetenv("LD_PRELOAD");
  g_setenv("ND_ROOM", bytes, TRUE);
  g_setenv("ASAN_OPTIONS", "verify_asan_link_order=0", FALSE);
  g_setenv("LD_PRELOAD", ND_FULL_DISK, TRUE);
}

static guint lines_of(const char *text) {
  guint n = 0;
  for (; (text = strchr(text, '\n')); text++)
    n++;
  return n;
}

/* There is room for some of the four pictures, which have 3 to 6 kB; the rest is not tried. */
static void expect_said_once(const char *const *call, const char *out, const char *hint, guint lines) {
  const char *c[8] = {0};
  memcpy(c, call, g_strv_length((char **)call) * sizeof *c);
  leave_room("10000");
  outcome o = run_program(c[0], c[1], c[2], c[3], c[4], c[5], c[6], NULL);
  leave_room(NULL);
  if (o.status != 1 || lines_of(o.err) != lines || !strstr(o.err, ": No space left on device") ||
      !strstr(o.err, hint) || !files_in(out) || files_in(out) > 3)
    fail_msg("%s: status %d, %d files, said '%s'", c[0], o.status, files_in(out), o.err);
  outcome_clear(&o);
}

#define ROOM "nothing more is tried: once there is room, --skip-existing goes on with the rest\n"

static void it_is_said_once(void **state) {
  (void)state;
  train_a_model();
  expect_said_once((const char *[]){"degrade", "gaussian", "clean", "-o", "worse", NULL}, "worse", ROOM, 2);
  expect_said_once((const char *[]){"restore", "-m", "run/model.safetensors", "noisy", "-o", "better", NULL},
                   "better", ROOM, 2);
  expect_said_once((const char *[]){"data", "frames", "noisy", "-o", "pairs", "--frames=1", NULL},
                   "pairs/target", ROOM, 1);
  assert_int_equal(g_mkdir("Rain100L", 0777), 0);
  assert_true(!g_rename("clean", "Rain100L/target") && !g_rename("noisy", "Rain100L/input"));
  expect_said_once((const char *[]){"data", "prepare", "derain", "-f", "Rain100L", "-o", "ready", NULL},
                   "ready/rain100l/test/input", "cannot write 'ready/rain100l/", 1);
  expect_status(0, "degrade", "gaussian", "Rain100L/target", "-o", "worse", "--skip-existing", NULL);
  assert_int_equal(files_in("worse"), 4);
}

static long bytes_of(const char *path) {
  GStatBuf s;
  assert_int_equal(g_stat(path, &s), 0);
  return (long)s.st_size;
}

/* Room for the first picture, but not for the line that tells of it. */
static void room_may_end_at_the_manifest(void **state) {
  (void)state;
  make_pairs();
  assert_int_equal(g_mkdir("Rain100L", 0777), 0);
  assert_true(!g_rename("clean", "Rain100L/target") && !g_rename("noisy", "Rain100L/input"));
  expect_status(0, "data", "prepare", "derain", "-f", "Rain100L", "-o", "whole", NULL);
  g_autofree char *manifest = NULL;
  assert_true(g_file_get_contents("whole/manifest.tsv", &manifest, NULL, NULL));
  long header = (long)strcspn(manifest, "\n") + 1;
  g_autofree char *room = g_strdup_printf("%ld", bytes_of("whole/prepare.ini") + header +
                                                     bytes_of("whole/rain100l/test/input/0.png") + 20);
  leave_room(room);
  outcome o = run_program("data", "prepare", "derain", "-f", "Rain100L", "-o", "ready", "--threads=1", NULL);
  leave_room(NULL);
  assert_int_equal(o.status, 1);
  assert_string_equal(o.err, "noiseda: cannot write 'ready/manifest.tsv': No space left on device\n");
  assert_int_equal(files_in("ready/rain100l/test/input"), 1);
  expect_status(0, "data", "prepare", "derain", "-f", "Rain100L", "-o", "ready", "--threads=1", NULL);
  assert_int_equal(bytes_of("ready/manifest.tsv"), bytes_of("whole/manifest.tsv"));
  assert_int_equal(files_in("ready/rain100l/test/target"), 4);
  outcome_clear(&o);
}

/* The pictures that were there would be taken for replaced ones. */
static void what_was_to_be_replaced_is_not_to_be_skipped(void **state) {
  (void)state;
  make_pairs();
  expect_said_once((const char *[]){"degrade", "gaussian", "clean", "-o", "worse", "--overwrite", NULL},
                   "worse", "nothing more is tried\n", 2);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {TEST(what_was_there_stays), TEST(it_is_said_once),
                                     TEST(room_may_end_at_the_manifest),
                                     TEST(what_was_to_be_replaced_is_not_to_be_skipped)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
