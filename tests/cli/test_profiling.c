/* --profile of training and restoring: what it tells, and that it changes nothing. */
#include "program.h"

#include <json-glib/json-glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Events of a kind in the trace. */
static int count_events(const char *path, const char *category) {
  g_autoptr(JsonParser) parser = json_parser_new();
  g_autoptr(GError) error = NULL;
  if (!json_parser_load_from_file(parser, path, &error))
    fail_msg("%s: %s", path, error->message);
  JsonArray *events =
      json_object_get_array_member(json_node_get_object(json_parser_get_root(parser)), "traceEvents");
  int n = 0;
  for (guint i = 0; i < json_array_get_length(events); i++)
    n += !strcmp(json_object_get_string_member(json_array_get_object_element(events, i), "cat"), category);
  return n;
}

static void expect_words(const outcome *o, const char *const *words) {
  for (; *words; words++)
    if (!strstr(o->out, *words))
      fail_msg("'%s' is not in: %s (%s)", *words, o->out, o->err);
}

static void a_profile_tells_and_changes_nothing(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "paired", 20);
  expect_status(0, "train", "r.yaml", "-o", "plain", NULL);
  outcome o = run_program("train", "r.yaml", "-o", "seen", "--profile-trace", "seen/trace.json", NULL);
  assert_int_equal(o.status, 0);
  expect_words(&o, (const char *const[]){"profile of 10 steps", "\nconv2d_backward_weights ", "\ngroup_norm ",
                                         "\nAdam and average ", "\nwait for data ", "\nreport ",
                                         "peak: ", "step 20/20", "done: seen", NULL});
  outcome_clear(&o);
  assert_true(count_events("seen/trace.json", "node") > 100);
  assert_int_equal(count_events("seen/trace.json", "unit"), 1);
  expect_same_files("plain/checkpoint-00000020.safetensors", "seen/checkpoint-00000020.safetensors");
  o = run_program("train", "r.yaml", "-o", "short", "--set", "training.steps=5", "--profile", NULL);
  expect_words(&o, (const char *const[]){"profile of 2 steps", "\ncheckpoint ", NULL});
  outcome_clear(&o);
  expect_status(1, "train", "r.yaml", "-o", "lost", "--profile-trace", "nowhere/t.json", NULL);
  expect_run("lost");
}

static void restoring_can_be_profiled(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 1);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
  expect_status(0, "restore", "-m", "run/model.safetensors", "noisy", "-o", "plain", "--tile", "32", NULL);
  outcome o = run_program("restore", "-m", "run/model.safetensors", "noisy", "-o", "seen", "--tile", "32",
                          "--profile-trace", "t.json", NULL);
  assert_int_equal(o.status, 0);
  expect_words(&o,
               (const char *const[]){"profile of 4 pictures", "\nconv2d ", "\naverage_pool ",
                                     "\nload the picture ", "\ncopy tile in ", "\nsave the picture ", NULL});
  outcome_clear(&o);
  assert_int_equal(count_events("t.json", "stage"), 5);
  expect_same_files("plain/2.png", "seen/2.png");
}

/* What programs read stays what they can read. */
static void a_profile_keeps_out_of_what_programs_read(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 1);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
  outcome o =
      run_program("restore", "-m", "run/model.safetensors", "noisy", "-o", "x", "--json", "--profile", NULL);
  assert_int_equal(o.status, 0);
  g_auto(GStrv) lines = g_strsplit(g_strchomp(o.out), "\n", -1);
  assert_int_equal(g_strv_length(lines), 5); /* four pictures and the end */
  for (int i = 0; i < 5; i++)
    assert_true(g_str_has_prefix(lines[i], "{\""));
  assert_non_null(strstr(o.err, "profile of 4 pictures"));
  outcome_clear(&o);
  o = run_program("restore", "-m", "run/model.safetensors", "noisy/2.png", "-o", "-", "--profile-trace",
                  "t.json", NULL);
  assert_int_equal(o.status, 0);
  if (!strstr(o.err, "profile of 1 picture") || !strstr(o.err, "trace: t.json"))
    fail_msg("the table is not on the standard error: %s", o.err);
  outcome_clear(&o);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {TEST(a_profile_tells_and_changes_nothing),
                                     TEST(restoring_can_be_profiled),
                                     TEST(a_profile_keeps_out_of_what_programs_read)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
