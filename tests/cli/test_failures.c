/* Bad input: one clear message, a non-zero status, nothing lost and nothing half-written. */
#include "program.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void train_a_model(void) {
  make_pairs();
  write_recipe("r.yaml", "paired", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.every=0", NULL);
}

static void bad_pictures_are_named(void **state) {
  (void)state;
  train_a_model();
  make_picture("cut.png", 64, 64, 1, 0.1);
  truncate_file("cut.png", 3000);
  make_picture("cut.jpg", 64, 64, 1, 0.1);
  truncate_file("cut.jpg", 1500);
  write_text("empty.png", "");
  write_text("text.png", "this is no picture");
  g_mkdir("folder.png", 0777);
  static const char *const bad[] = {"cut.png", "cut.jpg", "empty.png", "text.png", "missing.png"};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
    outcome o = run_program("restore", "--model", "run/model.safetensors", bad[i], "-o", "out.png", NULL);
    if (o.status != 1 || !strstr(o.err, bad[i]))
      fail_msg("%s: status %d, said '%s'", bad[i], o.status, o.err);
    outcome_clear(&o);
    assert_false(g_file_test("out.png", G_FILE_TEST_EXISTS));
  }
}

static void a_folder_goes_on_past_a_bad_file(void **state) {
  (void)state;
  train_a_model();
  write_text("noisy/1b.png", "broken");
  assert_int_equal(symlink("nowhere.png", "noisy/gone.png") || symlink(".", "noisy/again"), 0);
  outcome o = run_program("restore", "--model", "run/model.safetensors", "noisy", "-o", "out", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "1b.png"));
  assert_non_null(strstr(o.err, "gone.png"));
  assert_non_null(strstr(o.err, "4 pictures restored, 2 failed"));
  assert_int_equal(files_in("out"), 4);
  outcome_clear(&o);
}

static void several_pictures_are_counted_at_the_end(void **state) {
  (void)state;
  train_a_model();
  outcome o = run_program("restore", "--model", "run/model.safetensors", "clean", "-o", "counted", NULL);
  assert_int_equal(o.status, 0);
  assert_string_equal(o.err, "noiseda: 4 pictures restored, 0 failed, 0 skipped\n");
  outcome_clear(&o);
  o = run_program("restore", "--model", "run/model.safetensors", "clean", "-o", "quietly", "--quiet", NULL);
  assert_int_equal(o.status, 0);
  assert_string_equal(o.err, "");
  outcome_clear(&o);
}

/* By every command that writes a file of the user's choice; before it looks at anything else. */
static void existing_files_are_kept(void **state) {
  (void)state;
  train_a_model();
  write_text("out.png", "precious");
  g_mkdir("films", 0777);
  g_mkdir("films/target", 0777);
  make_picture("films/1.png", 40, 36, 1, 0);
  write_text("films/target/1.png", "precious");
  static const char *const calls[][10] = {
      {"restore", "-m", "run/model.safetensors", "noisy/0.png", "-o", "out.png"},
      {"niqe", "noisy", "-o", "out.png"},
      {"sample", "--run", "run", "-c", "noisy/0.png", "-o", "out.png"},
      {"probe", "--run", "run", "--clean", "clean", "-o", "out.png"},
      {"report", "run", "-o", "out.png"},
      {"import", "run/model.safetensors", "-o", "out.png"},
      {"export", "run/model.safetensors", "-o", "out.png"},
      {"degrade", "gaussian", "clean/0.png", "-o", "noisy"},
      {"data", "frames", "films", "-o", "films", "--frames", "1"}};
  for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
    const char *const *c = calls[i];
    outcome o = run_program(c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], NULL);
    if (o.status != 1 || !strstr(o.err, "exists already; --overwrite"))
      fail_msg("%s: status %d, said '%s'", c[0], o.status, o.err);
    outcome_clear(&o);
  }
  g_autofree char *text = NULL, *frame = NULL;
  assert_true(g_file_get_contents("out.png", &text, NULL, NULL));
  assert_true(g_file_get_contents("films/target/1.png", &frame, NULL, NULL));
  assert_string_equal(text, "precious");
  assert_string_equal(frame, "precious");
  for (int again = 0; again < 2; again++)
    expect_status(0, "report", "run", NULL); /* the run's own */
}

/* "1 pictures" reads as a slip. */
static void one_is_said_as_one(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 1);
  g_mkdir("films", 0777);
  make_picture("films/1.png", 40, 36, 1, 0);
  static const struct {
    const char *call[12], *said;
  } cases[] = {
      {{"data", "check", "clean/0.png"}, ": 1 picture read, "},
      {{"data", "check", "clean/0.png", "--against", "clean/0.png"}, "1 scene shared with clean/0.png"},
      {{"data", "frames", "films", "-o", "pairs", "--frames", "1"},
       "1 pair of 1 film in pairs; 0 frames at its end"},
      {{"eval", "--input", "noisy/0.png", "--target", "clean/0.png"}, "1 picture, PSNR"},
      {{"train", "r.yaml", "-o", "run", "--set", "validation.input=noisy/0.png", "--set",
        "validation.target=clean/0.png", "--set", "validation.every=1"},
       "validation on 1 picture:"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    const char *const *c = cases[i].call;
    outcome o = run_program(c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], NULL);
    if (!strstr(o.out, cases[i].said))
      fail_msg("%s %s said '%s%s'", c[0], c[1], o.out, o.err);
    outcome_clear(&o);
  }
}

/* Nor is a folder made of the name of a picture. */
static void several_pictures_go_into_a_folder(void **state) {
  (void)state;
  train_a_model();
  static const char *const inputs[][2] = {{"noisy/0.png", "noisy/1.png"}, {"noisy", NULL}};
  for (int i = 0; i < 2; i++) {
    outcome o = run_program("restore", "-m", "run/model.safetensors", "-o", "y.png", inputs[i][0],
                            inputs[i][1], NULL);
    assert_int_equal(o.status, 2);
    assert_non_null(strstr(o.err, "'y.png' is named like a picture"));
    outcome_clear(&o);
  }
  expect_status(2, "degrade", "gaussian", "clean/0.png", "-o", "y.png", NULL);
  assert_false(g_file_test("y.png", G_FILE_TEST_EXISTS));
  g_mkdir("y.png", 0777);
  expect_status(0, "restore", "-m", "run/model.safetensors", "noisy", "-o", "y.png", NULL);
  assert_int_equal(files_in("y.png"), 4);
}

static void bad_data_folders_are_explained(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 5);
  g_mkdir("none", 0777);
  expect_failure("'none'", "holds no picture", "train", "r.yaml", "-o", "run", "--set", "data.clean=none",
                 NULL);
  expect_failure("nowhere", "", "train", "r.yaml", "-o", "run2", "--set", "data.clean=nowhere", NULL);
  make_picture("tiny.png", 40, 6, 0, 0);
  expect_failure("validation: 'tiny.png'", "window of 7", "train", "r.yaml", "-o", "run3", "--set",
                 "validation.input=tiny.png", "--set", "validation.target=tiny.png", NULL);
  assert_false(g_file_test("run3", G_FILE_TEST_EXISTS));
  make_picture("noisy/2.png", 44, 36, 2, 0.1);
  outcome o = run_program("eval", "--input", "noisy", "--target", "clean", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "'noisy/2.png' is 44 x 36, but its partner is 40 x 36\n"));
  outcome_clear(&o);
  g_remove("noisy/2.png");
  expect_failure("2.png", "", "eval", "--input", "noisy", "--target", "clean", NULL);
}

static void a_picture_that_breaks_stops_training_and_is_named(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  make_picture("clean/9.png", 40, 36, 9, 0.1);
  truncate_file("clean/9.png", 2000);
  expect_failure("9.png", "", "train", "r.yaml", "-o", "run", "--set", "validation.every=0", NULL);
}

static void bad_models_are_explained(void **state) {
  (void)state;
  train_a_model();
  write_text("text.safetensors", "hello, this is no model");
  expect_failure("text.safetensors", "", "info", "text.safetensors", NULL);
  expect_failure("cannot read weights 'gone.safetensors': No such file or directory\n", "", "restore",
                 "--model", "gone.safetensors", "noisy/0.png", "-o", "o.png", NULL);
  truncate_file("run/model.safetensors", 4000);
  expect_failure("run/model.safetensors", "", "restore", "--model", "run/model.safetensors", "noisy/0.png",
                 "-o", "o.png", NULL);
  truncate_file("run/checkpoint-00000020.safetensors", 10000);
  expect_failure("checkpoint-00000020.safetensors", "", "train", "--resume", "run", "--set",
                 "training.steps=30", NULL);
  expect_failure("noisy", "", "train", "--resume", "noisy", NULL);
  write_text("run/manifest.json", "");
  assert_int_equal(g_remove("run/checkpoint-00000020.safetensors"), 0);
  expect_failure("run/manifest.json", "names no checkpoint", "train", "--resume", "run", NULL);
}

static void recipes_with_mistakes_name_the_line(void **state) {
  (void)state;
  make_pairs();
  write_text("typo.yaml", "mode: source\ntraining:\n  lerning_rate: 1\ndata: {clean: clean}\n");
  expect_failure("typo.yaml:3", "learning_rate", "train", "typo.yaml", "-o", "run", NULL);
  write_text("odd.yaml",
             "mode: source\ndata: {clean: clean, patch_size: 20, degradation: {kind: gaussian}}\n");
  expect_failure("odd.yaml:2: data.patch_size is 20", "multiple of 8", "train", "odd.yaml", "-o", "run",
                 NULL);
  write_text("range.yaml", "mode: source\ndata: {clean: clean, batch_size: -3}\n");
  expect_failure("range.yaml:2", "batch_size", "train", "range.yaml", "-o", "run", NULL);
  expect_failure("absent.yaml", "", "train", "absent.yaml", "-o", "run", NULL);
  write_text("large.yaml",
             "mode: source\ndata: {clean: clean, patch_size: 4096, degradation: {kind: gaussian}}\n");
  expect_failure("data.patch_size=4096", "cannot be made", "train", "large.yaml", "-o", "run", NULL);
  assert_false(g_file_test("run", G_FILE_TEST_EXISTS));
}

static void divergence_stops_with_the_batch(void **state) {
  (void)state;
  train_a_model();
  poison_file("run/model.safetensors", BOUNDLESS);
  expect_failure("training.learning_rate", ".png'", "train", "r.yaml", "-o", "again", "--set", "mode=source",
                 "--set", "training.init_from=run/model.safetensors", "--set", "training.max_skipped_steps=0",
                 NULL);
  assert_true(g_file_test("again/not-finite-00000001/0-synthetic.png", G_FILE_TEST_EXISTS));
}

/* Whoever reads weights. */
static void weights_that_are_no_numbers_are_refused(void **state) {
  (void)state;
  train_a_model();
  poison_file("run/model.safetensors", NAN);
  expect_failure("run/model.safetensors", "'last.bias'", "info", "run/model.safetensors", NULL);
  expect_failure("run/model.safetensors", "NaN", "restore", "-m", "run/model.safetensors", "noisy/0.png",
                 NULL);
  expect_failure("run/model.safetensors", "NaN", "eval", "-m", "run/model.safetensors", "-i", "noisy", NULL);
  expect_failure("run/model.safetensors", "NaN", "import", "run/model.safetensors", "-o", "m.safetensors",
                 NULL);
  expect_failure("run/model.safetensors", "'last.bias'", "train", "r.yaml", "-o", "again", "--set",
                 "training.init_from=run/model.safetensors", NULL);
  assert_false(g_file_test("again", G_FILE_TEST_EXISTS) || g_file_test("m.safetensors", G_FILE_TEST_EXISTS));
}

/* Where all steps of a line were skipped there is no mean, and no sign of it; nor is such a run a success. */
static void a_line_of_skipped_steps_has_no_numbers(void **state) {
  (void)state;
  train_a_model();
  poison_file("run/model.safetensors", BOUNDLESS);
  outcome o =
      run_program("train", "r.yaml", "-o", "again", "--set", "mode=source", "--set", "training.steps=2",
                  "--set", "training.init_from=run/model.safetensors", "--set", "validation.every=0", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "2 of 2 steps were skipped"));
  assert_null(strstr(o.out, "done"));
  outcome_clear(&o);
  g_autofree char *log = NULL;
  assert_true(g_file_get_contents("again/log.csv", &log, NULL, NULL));
  assert_non_null(strstr(log, "\n2,nan,nan,"));
  assert_null(strstr(log, "-nan"));
}

/* Nothing is written over a picture that is read, by whatever name, nor two results into one file. */
static void degrading_keeps_its_inputs(void **state) {
  (void)state;
  make_pairs();
  make_picture("before.png", 40, 36, 0, 0);
  assert_int_equal(symlink("clean", "link"), 0);
  static const char *const outs[] = {"clean", "./clean/", "link"};
  for (size_t i = 0; i < G_N_ELEMENTS(outs); i++) {
    outcome o = run_program("degrade", "gaussian", "clean", "-o", outs[i], NULL);
    assert_int_equal(o.status, 2);
    assert_non_null(strstr(o.err, "is one of the pictures to degrade"));
    outcome_clear(&o);
  }
  expect_same_files("clean/0.png", "before.png");
  expect_status(0, "degrade", "gaussian sigma=20", "clean", "-o", "words", NULL); /* as --then takes it */
  expect_status(0, "degrade", "gaussian", "--set", "sigma=20", "clean", "-o", "options", NULL);
  expect_same_files("words/0.png", "options/0.png");
  outcome o = run_program("degrade", "gaussian", "clean", "noisy", "-o", "both", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "'clean/0.png' and 'noisy/0.png' would both become 'both/0.png'"));
  assert_false(g_file_test("both", G_FILE_TEST_EXISTS));
  outcome_clear(&o);
  for (int again = 0; again < 2; again++) /* of the clean pictures alone */
    expect_status(0, "degrade", "gaussian", "clean", "-o", "clean/worse", "--overwrite", NULL);
  assert_int_equal(files_in("clean/worse"), 4);
  assert_int_equal(g_rename("clean/worse", "worse"), 0);
  assert_int_equal(symlink("nowhere", "clean/dead.png"), 0);
  o = run_program("degrade", "gaussian", "clean", "absent", "-o", "out", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "dead.png"));
  assert_non_null(strstr(o.err, "absent"));
  assert_non_null(strstr(o.err, "4 pictures degraded, 2 failed"));
  assert_int_equal(files_in("out"), 4);
  outcome_clear(&o);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {TEST(bad_pictures_are_named),
                                     TEST(a_folder_goes_on_past_a_bad_file),
                                     TEST(several_pictures_are_counted_at_the_end),
                                     TEST(existing_files_are_kept),
                                     TEST(one_is_said_as_one),
                                     TEST(several_pictures_go_into_a_folder),
                                     TEST(bad_data_folders_are_explained),
                                     TEST(a_picture_that_breaks_stops_training_and_is_named),
                                     TEST(bad_models_are_explained),
                                     TEST(recipes_with_mistakes_name_the_line),
                                     TEST(divergence_stops_with_the_batch),
                                     TEST(weights_that_are_no_numbers_are_refused),
                                     TEST(a_line_of_skipped_steps_has_no_numbers),
                                     TEST(degrading_keeps_its_inputs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
