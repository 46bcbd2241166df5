/* Training that is left alone: killed at any moment, asked to stop, started twice, its output unread. */
#include "program.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <utime.h>
#include <unistd.h>
#include <cmocka.h>

#define QUIET "--set", "validation.every=0"

static bool finished(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int count_files(const char *folder, const char *ending) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  int n = 0;
  for (const char *name; dir && (name = g_dir_read_name(dir));)
    n += g_str_has_suffix(name, ending);
  return n;
}

static void remove_run(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_unlink(path);
  }
  g_rmdir(folder);
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

/* The step of the last checkpoint. */
static int saved_step(void) {
  g_autofree char *manifest = NULL;
  assert_true(g_file_get_contents("run/manifest.json", &manifest, NULL, NULL));
  return atoi(strstr(manifest, "\"step\": ") + 8);
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

/* ---- Disks ---- */
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

/* ---- Keeping ---- */
/* Every checkpoint is validated; those of the best figures stay, however old, besides the newest two. */
static void expect_best_and_newest_kept(const char *learning_rate) {
  remove_run("run");
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "output.checkpoint_every=4", "--set",
                "validation.every=4", "--set", "output.keep_last=2", "--set", "output.keep_best=2", "--set",
                "output.best_by=ssim", "--set", learning_rate, NULL);
  g_autofree char *csv = NULL;
  assert_true(g_file_get_contents("run/validation.csv", &csv, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(g_strchomp(csv), "\n", -1);
  double ssim[10];
  assert_int_equal(g_strv_length(lines), 11);
  for (int i = 0; i < 10; i++) {
    g_auto(GStrv) cells = g_strsplit(lines[i + 1], ",", -1);
    ssim[i] = g_ascii_strtod(cells[2], NULL);
  }
  for (int i = 0; i < 10; i++) {
    int better = 0;
    for (int k = 0; k < 10; k++)
      better += ssim[k] > ssim[i];
    g_autofree char *path = g_strdup_printf("run/checkpoint-%08d.safetensors", 4 * (i + 1));
    if (g_file_test(path, G_FILE_TEST_EXISTS) != (better < 2 || i >= 8))
      fail_msg("%s: SSIM %.5f, %d are better: %s", path, ssim[i], better, csv);
  }
}

/* With the smaller rate the newest are the best ones, too. */
static void the_best_checkpoints_are_kept(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 40);
  expect_best_and_newest_kept("training.learning_rate=0.05");
  expect_best_and_newest_kept("training.learning_rate=0.001");
}

/* A result that equals its target has no error, and no finite PSNR. */
static void a_perfect_validation_is_among_the_best(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, "--set", "output.checkpoint_every=4", "--set",
                "output.keep_last=0", "--set", "validation.every=0", NULL);
  write_text("run/validation.csv",
             "step,psnr,ssim,pictures\n4,30.0,0.9,4\n8,inf,1.0,4\n12,31.0,0.9,4\n16,29.0,0.8,4\n");
  expect_status(0, "train", "--resume", "run", "--set", "output.keep_last=1", "--set", "output.keep_best=2",
                NULL);
  static const struct {
    const char *path;
    bool stays;
  } all[] = {{"run/checkpoint-00000004.safetensors", false},
             {"run/checkpoint-00000008.safetensors", true},
             {"run/checkpoint-00000012.safetensors", true},
             {"run/checkpoint-00000016.safetensors", false},
             {"run/checkpoint-00000020.safetensors", true}};
  for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
    if (g_file_test(all[i].path, G_FILE_TEST_EXISTS) != all[i].stays)
      fail_msg("%s", all[i].path);
  outcome o = run_program("train", "--resume", "run", "--set", "output.best_by=ssim", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "output.best_by was psnr: best.safetensors is the best by that until ssim"));
  outcome_clear(&o);
}

static void all_checkpoints_are_kept_where_asked(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", QUIET, "--set", "output.checkpoint_every=2", "--set",
                "output.keep_last=0", NULL);
  assert_int_equal(count_files("run", ".safetensors"), 10 + 1);
}

/* ---- Memory ---- */
/* The number of passes that was found stands in the run's recipe, so a resumed run has the same. */
static void a_budget_is_kept_by_a_resumed_run(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of("r.yaml", "source", 6, "network: unet, width: 32, depth: 2", "network: guided");
#define BIG QUIET, "--set", "data.patch_size=32", "--set", "data.batch_size=32", "--memory", "128M"
  outcome o = run_program("train", "r.yaml", "-o", "run", "--memory", "50M", NULL);
  assert_true(o.status == 1 && g_str_has_prefix(o.err, "noiseda: --memory: this run needs about"));
  assert_non_null(strstr(o.err, "allows 50.0 MiB; no network trains in less"));
  const char *advice = strstr(o.err, "; --memory "),
             *end = advice ? strstr(advice, " (training.memory=") : NULL;
  assert_non_null(end);
  g_autofree char *least =
      g_strndup(advice + strlen("; --memory "), (gsize)(end - advice) - strlen("; --memory "));
  assert_false(g_file_test("run", G_FILE_TEST_EXISTS));
  outcome_clear(&o);
  expect_status(0, "train", "r.yaml", "-o", "least", QUIET, "--memory", least, "--set", "training.steps=1",
                NULL);
  expect_status(0, "train", "r.yaml", "-o", "straight", BIG, NULL);
  expect_status(0, "train", "r.yaml", "-o", "run", BIG, "--set", "training.steps=3", NULL);
  g_autofree char *recipe = NULL;
  assert_true(g_file_get_contents("run/recipe.yaml", &recipe, NULL, NULL));
  const char *passes = strstr(recipe, "accumulation_steps: ");
  assert_non_null(passes);
  assert_true(atoi(passes + 20) > 1);
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=6", NULL);
  expect_same_files("straight/model.safetensors", "run/model.safetensors");
}

/* ---- Clocks ---- */
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
  const struct CMUnitTest tests[] = {TEST(a_run_killed_at_any_moment_ends_in_the_same_bytes),
                                     TEST(a_run_killed_before_its_first_checkpoint_resumes),
                                     TEST(weights_to_start_from_may_go_once_it_has_started),
                                     TEST(every_signal_that_asks_saves_and_tells),
                                     TEST(a_second_signal_leaves_at_once),
                                     TEST(one_folder_takes_one_process),
                                     TEST(nobody_need_read_the_output),
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
                                     TEST(the_best_checkpoints_are_kept),
                                     TEST(a_perfect_validation_is_among_the_best),
                                     TEST(all_checkpoints_are_kept_where_asked),
                                     TEST(a_budget_is_kept_by_a_resumed_run),
                                     TEST(a_clock_set_back_costs_nothing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
