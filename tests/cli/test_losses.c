/* Files that go, change or do not fit on the disk while training goes on, or before it is resumed. */
#include "survival.h"

#include <sys/wait.h>

/* Resumed for five more steps, the run is that of somebody who was not interrupted. */
static void expect_nothing_lost(void) {
  g_autofree char *steps = g_strdup_printf("training.steps=%d", saved_step() + 5);
  expect_status(0, "train", "--resume", "run", "--set", steps, NULL);
  expect_status(0, "train", "r.yaml", "-o", "straight", QUIET, "--set", "data.cache_mb=0", "--set", steps,
                NULL);
  expect_same_files("straight/model.safetensors", "run/model.safetensors");
}

static void expect_said(const char *const *texts) {
  g_autofree char *said = NULL;
  assert_true(g_file_get_contents("said", &said, NULL, NULL));
  for (; *texts; texts++)
    if (!strstr(said, *texts))
      fail_msg("'%s' is not in: %s", *texts, said);
  assert_true(strchr(said, '\n') == said + strlen(said) - 1);
}

typedef void (*harm)(void);

/* Training goes on until it meets the harm, then ends with these words. */
static void expect_survival(harm do_it, harm undo, const char *text, const char *other) {
  int status;
  make_pairs();
  write_recipe("r.yaml", "source", 1000000);
  pid_t child = start_program("train", "r.yaml", "-o", "run", QUIET, "--set", "data.cache_mb=0", NULL);
  await_file("run/manifest.json");
  do_it();
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
  expect_said((const char *const[]){text, other, "--resume goes on from there", NULL});
  undo();
  expect_nothing_lost();
}

static void delete_photo(void) {
  g_rename("clean/2.png", "2.png");
}
static void bring_photo_back(void) {
  g_rename("2.png", "clean/2.png");
}
/* In one step: between two, training would find no photo at all. */
static void replace_photo(void) {
  write_text("half", "half a picture");
  assert_int_equal(link("clean/2.png", "2.png"), 0);
  g_rename("half", "clean/2.png");
}
static void hide_folder(void) {
  g_rename("clean", "hidden");
}
static void show_folder(void) {
  g_rename("hidden", "clean");
}

static void a_photo_that_is_deleted_costs_nothing(void **state) {
  (void)state;
  expect_survival(delete_photo, bring_photo_back, "'clean/2.png'", "No such file");
}

static void a_photo_that_is_replaced_costs_nothing(void **state) {
  (void)state;
  expect_survival(replace_photo, bring_photo_back, "'clean/2.png'", "none of the formats");
}

static void a_folder_that_vanishes_costs_nothing(void **state) {
  (void)state;
  expect_survival(hide_folder, show_folder, "'clean/", "is its disk attached?");
}

static outcome resume_to(const char *steps) {
  return run_program("train", "--resume", "run", "--set", steps, NULL);
}

static void pictures_that_changed_are_noticed(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 10);
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, NULL);
  outcome same = resume_to("training.steps=20");
  make_picture("clean/0.png", 40, 36, 9, 0.1);
  outcome changed = resume_to("training.steps=30");
  outcome again = resume_to("training.steps=40");
  assert_string_equal(same.err, "");
  assert_non_null(strstr(changed.err, "warning: the pictures to train on are not those"));
  assert_string_equal(again.err, "");
  outcome_clear(&same);
  outcome_clear(&changed);
  outcome_clear(&again);
}

/* The pictures of the first validation are easier: no figure of the second ever reaches its. */
static void another_validation_is_told_and_can_begin_anew(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 10);
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.every=10", "--set",
                "validation.input=clean", "--set", "validation.target=clean", NULL);
  outcome o = run_program("train", "--resume", "run", "--set", "training.steps=20", "--set",
                          "validation.input=noisy", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "without 'run/validation.csv' it begins anew"));
  outcome_clear(&o);
  g_unlink("run/validation.csv");
  o = resume_to("training.steps=30");
  assert_int_equal(o.status, 0);
  assert_string_equal(o.err, "");
  outcome_clear(&o);
  o = run_program("info", "run/best.safetensors", NULL);
  assert_null(strstr(o.out, "noiseda.step: 10\n"));
  outcome_clear(&o);
}

/* What would be written down and have no effect, or break the weights, is refused; and the run is as it was.
 */
static void a_run_keeps_what_it_began_with(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "paired", 10);
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, NULL);
  g_autofree char *before = NULL, *after = NULL;
  assert_true(g_file_get_contents("run/recipe.yaml", &before, NULL, NULL));
  static const char *const refused[][2] = {
      {"data.fit=true", "data.fit is false"},
      {"training.init_from=run/model.safetensors", "init_from is not given"},
      {"restoration.width=8", "restoration.width is 4"},
      {"restoration.residual=false", "residual is true"},
      {"diffusion.network=sr3", "network is guided"}};
  for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
    expect_failure(refused[i][1], refused[i][0], "train", "--resume", "run", "--set", "training.steps=20",
                   "--set", refused[i][0], NULL);
  expect_failure("the weights do not fit", "a run keeps its networks", "train", "--resume", "run", "--set",
                 "mode=source", NULL);
  assert_true(g_file_get_contents("run/recipe.yaml", &after, NULL, NULL));
  assert_string_equal(before, after);
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=20", "--set", "restoration.width=4",
                "--set", "data.fit=false", "--set", "diffusion.dropout=0.1", NULL);
}

/* run/ with 20 steps, straight/ with the same and 5 more; a checkpoint every 5. */
static void run_twice(void) {
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, "--set", "output.checkpoint_every=5", NULL);
  expect_status(0, "train", "r.yaml", "-o", "straight", QUIET, "--set", "output.checkpoint_every=5", "--set",
                "training.steps=25", NULL);
}

/* Nothing of what is left of a run is trained over. */
static void checkpoints_are_found_without_a_manifest(void **state) {
  (void)state;
  run_twice();
  assert_int_equal(g_unlink("run/manifest.json"), 0);
  outcome o = resume_to("training.steps=25");
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "newest checkpoint, 'run/checkpoint-00000020.safetensors'"));
  outcome_clear(&o);
  expect_same_files("straight/checkpoint-00000025.safetensors", "run/checkpoint-00000025.safetensors");
  assert_int_equal(g_unlink("run/manifest.json") || g_unlink("run/recipe.yaml"), 0);
  expect_failure("recipe.yaml is gone", "'run'", "train", "r.yaml", "-o", "run", NULL);
}

/* A manifest that cannot be read, or names what is gone; a checkpoint that is damaged. */
static void older_checkpoints_stand_in_for_lost_ones(void **state) {
  (void)state;
  run_twice();
  write_text("run/manifest.json", "{");
  outcome o = resume_to("training.steps=20");
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "newest checkpoint, 'run/checkpoint-00000020.safetensors'"));
  outcome_clear(&o);
  expect_status(0, "train", "--resume", "run", NULL);
  truncate_file("run/checkpoint-00000020.safetensors", 1000);
  expect_failure("was it cut short? Without 'run/checkpoint-00000020.safetensors'",
                 "the checkpoint before it", "train", "--resume", "run", NULL);
  assert_int_equal(g_unlink("run/checkpoint-00000020.safetensors"), 0);
  o = resume_to("training.steps=25");
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "newest checkpoint, 'run/checkpoint-00000015.safetensors'"));
  outcome_clear(&o);
  expect_same_files("straight/checkpoint-00000025.safetensors", "run/checkpoint-00000025.safetensors");
}

/* The log is at the limit of its size; a checkpoint still has room. */
static void a_disk_full_for_the_log_costs_nothing(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 1000000);
  g_autoptr(GString) filler = g_string_new("step,loss\n");
  while (filler->len < 1 << 20)
    g_string_append(filler, "0,filler\n");
  g_mkdir("run", 0777);
  write_text("run/log.csv", filler->str);
  limit_file_size(filler->len);
  pid_t child = start_program("train", "r.yaml", "-o", "run", QUIET, "--set", "data.cache_mb=0", NULL);
  limit_file_size(RLIM_INFINITY);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
  expect_said((const char *const[]){"'run/log.csv': File too large", "step 10 is saved", NULL});
  expect_nothing_lost();
}

/* As a full disk would have it, but for the checkpoint behind it. */
static void a_best_that_could_not_be_written_is_made_up_for(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "straight", "--set", "validation.every=20", NULL);
  g_mkdir("run", 0777);
  g_mkdir("run/best.safetensors", 0777);
  outcome o = run_program("train", "r.yaml", "-o", "run", "--set", "validation.every=20", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "run/best.safetensors"));
  assert_non_null(strstr(o.err, "step 20 is saved"));
  outcome_clear(&o);
  g_rmdir("run/best.safetensors");
  expect_status(0, "train", "--resume", "run", NULL);
  expect_same_files("straight/best.safetensors", "run/best.safetensors");
  expect_same_files("straight/validation.csv", "run/validation.csv");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_photo_that_is_deleted_costs_nothing),
      TEST(a_photo_that_is_replaced_costs_nothing),
      TEST(a_folder_that_vanishes_costs_nothing),
      TEST(pictures_that_changed_are_noticed),
      TEST(another_validation_is_told_and_can_begin_anew),
      TEST(a_run_keeps_what_it_began_with),
      TEST(checkpoints_are_found_without_a_manifest),
      TEST(older_checkpoints_stand_in_for_lost_ones),
      TEST(a_disk_full_for_the_log_costs_nothing),
      TEST(a_best_that_could_not_be_written_is_made_up_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
