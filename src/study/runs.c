/* The runs of a study: trained in order, each an ordinary run folder, then evaluated. */
#include "study/study-private.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

/* ---- How far a run is ---- */
typedef struct timing {
  double batch, step, seconds;
} timing;

/* A line of log.csv stands for the steps since the one before, and tells their rate. */
static void add_time(const double *x, void *context) {
  timing *t = context;
  double step = x[ND_JOURNAL_STEP], speed = x[ND_LOGGED_IMAGES_PER_SECOND];
  if (speed > 0)
    t->seconds += (step - t->step) * t->batch / speed;
  t->step = step;
}

int nd_study_progress_of(const nd_study *s, const nd_study_run *run, const char *dir,
                         nd_study_progress *out) {
  g_autofree char *folder = nd_study_folder(run, dir);
  nd_recipe recipe;
  *out = (nd_study_progress){0};
  int failed = nd_study_recipe(s, run, &recipe);
  if (!failed) {
    timing t = {.batch = recipe.data.batch_size};
    nd_journal_each(folder, ND_LOG_CSV, ND_LOGGED_IMAGES_PER_SECOND + 1, add_time, &t);
    *out = (nd_study_progress){nd_train_step_of(folder), (uint64_t)recipe.training.steps, t.seconds};
  }
  nd_recipe_clear(&recipe);
  return failed;
}

int nd_study_cost(const nd_study *s, const nd_study_run *run, double *out) {
  nd_recipe recipe;
  double step = 0;
  int failed = nd_study_recipe(s, run, &recipe) || nd_train_step_flops(&recipe, &step);
  *out = step * (double)recipe.training.steps;
  nd_recipe_clear(&recipe);
  return failed ? -1 : 0;
}

/* ---- Training ---- */
/* A folder that was made but holds no checkpoint starts anew. */
static void sweep(const char *folder) {
  static const char *const files[] = {"recipe.yaml", ND_LOG_CSV, ND_VALIDATION_CSV, "curve.svg",
                                      "best.safetensors"};
  for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_build_filename(folder, files[i], NULL);
    g_unlink(path);
  }
}

/* The recipe of a run as it would be printed now: keys and settings that came later stand with their
 * defaults, and what data.fit found counts as what it began with. */
static int read_again(const char *path, const nd_recipe *wanted, char **text) {
  nd_recipe recipe;
  nd_recipe_init(&recipe);
  nd_degrade_settings given;
  int failed =
      nd_recipe_load(&recipe, path) || nd_recipe_check(&recipe) || nd_recipe_degradation(wanted, &given);
  if (!failed && recipe.data.fit && wanted->data.fit)
    nd_recipe_put_degradation(&recipe, &given);
  *text = failed ? NULL : nd_recipe_print(&recipe);
  nd_recipe_clear(&recipe);
  return failed;
}

/* A run of another recipe under the same name would be taken for this one. */
static int check_same(const nd_recipe *recipe, const char *folder) {
  g_autofree char *path = g_build_filename(folder, "recipe.yaml", NULL), *there = NULL;
  g_autofree char *wanted = nd_recipe_print(recipe);
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return 0;
  if (read_again(path, recipe, &there))
    return nd_fail_in("the run there");
  if (!strcmp(there, wanted))
    return 0;
  g_auto(GStrv) a = g_strsplit(there, "\n", -1);
  g_auto(GStrv) b = g_strsplit(wanted, "\n", -1);
  int i = 0;
  while (a[i] && b[i] && !strcmp(a[i], b[i]))
    i++;
  return nd_fail("'%s' was trained with another recipe: it says '%s', the study now '%s'. Put the study "
                 "into another folder, or remove that run",
                 path, a[i] ? g_strstrip(a[i]) : "", b[i] ? g_strstrip(b[i]) : "");
}

/* What the hooks of one run need. */
typedef struct training {
  const nd_study_hooks *hooks;
  nd_validator validator;
} training;

static int validate(const nd_net *net, nd_params *params, const float *values, nd_validation *out,
                    void *context) {
  training *t = context;
  return nd_validator_run(net, params, values, out, &t->validator);
}

static void report_progress(const nd_train_report *report, void *context) {
  const training *t = context;
  if (t->hooks->progress)
    t->hooks->progress(report, t->hooks->context);
}

static bool asked_to_stop(void *context) {
  const training *t = context;
  return t->hooks->stop && t->hooks->stop(t->hooks->context);
}

static int train(nd_recipe *recipe, const char *folder, const nd_study_hooks *hooks) {
  training t = {.hooks = hooks};
  nd_train_hooks h = {.context = &t,
                      .progress = report_progress,
                      .validate = validate,
                      .stop = asked_to_stop,
                      .resumed_by = "the study, called again,"};
  if (nd_validator_open(recipe, &t.validator))
    return -1;
  bool begun = nd_checkpoint_exists(folder);
  if (!begun)
    sweep(folder);
  int failed = begun ? nd_train_resume(folder, NULL, &h) : nd_train_start(recipe, folder, &h);
  nd_validator_close(&t.validator);
  return failed;
}

/* ---- Evaluation ---- */
/* Scores older than the model are of another one. */
static bool is_fresh(const char *path, const char *model) {
  GStatBuf a, b;
  return !g_stat(path, &a) && !g_stat(model, &b) && a.st_mtime >= b.st_mtime;
}

/* Beside the scores of a run on a test: which pictures they are of; the caller's. */
static char *record_path(const nd_study_run *run, const nd_study_test *test, const char *dir) {
  g_autofree char *folder = nd_study_folder(run, dir);
  return g_strdup_printf("%s/scores-%s.txt", folder, test->name);
}

/* What that says; the caller's. */
static char *pictures_of(const nd_study_test *test, const nd_pairs *pairs) {
  return g_strdup_printf("input: %s\nright: %s\ntarget: %s\npictures: %016" G_GINT64_MODIFIER "x\n",
                         test->input, test->right ? test->right : "", test->target ? test->target : "",
                         nd_pairs_fingerprint(pairs));
}

/* Scores of other pictures are taken away before it is said which pictures the next ones are of, so that a
 * kill in between leaves no wrong ones. Scores that do not say it are of an older noiseda, and believed. */
static int drop_scores_of_others(const char *scores, const char *record, const char *pictures) {
  g_autofree char *there = NULL;
  if (g_file_get_contents(record, &there, NULL, NULL) && !strcmp(there, pictures))
    return 0;
  if (there)
    g_unlink(scores);
  return nd_file_write_atomic(record, pictures, strlen(pictures));
}

/* pristine: room for what NIQE compares with. */
static nd_evaluation measures_of(const nd_study_test *test, nd_niqe_model *pristine) {
  nd_niqe_standard(pristine);
  return nd_study_has_truth(test) ? (nd_evaluation){.protocol = nd_protocol_at(0)}
                                  : (nd_evaluation){.niqe = pristine};
}

static int evaluate_on(const char *model, const nd_study_test *test, const char *path) {
  nd_pair_source source = {.input_dir = test->input, .right_dir = test->right, .target_dir = test->target};
  nd_niqe_model pristine;
  nd_evaluation how = measures_of(test, &pristine);
  nd_scores scores;
  if (how.niqe ? nd_evaluate_photos(model, &how, test->input, test->right, &scores)
               : nd_evaluate_model(model, &how, &source, &scores))
    return -1;
  int failed = nd_study_scores_save(path, &scores);
  nd_scores_free(&scores);
  return failed;
}

static int evaluate(const nd_study *s, const nd_study_run *run, const char *dir) {
  g_autofree char *folder = nd_study_folder(run, dir),
                  *model = g_build_filename(folder, "model.safetensors", NULL);
  const nd_study_task *task = &s->tasks[run->task];
  for (int i = 0; i < task->test_count; i++) {
    const nd_study_test *test = &task->tests[i];
    g_autofree char *path = nd_study_scores_path(run, test, dir), *record = record_path(run, test, dir);
    if (drop_scores_of_others(path, record, test->pictures) ||
        (!is_fresh(path, model) && evaluate_on(model, test, path)))
      return nd_fail_in("test %s", test->name);
  }
  return 0;
}

/* ---- The matrix ---- */
static int do_run(const nd_study *s, const nd_study_run *run, const char *dir, const nd_study_hooks *hooks) {
  g_autofree char *folder = nd_study_folder(run, dir);
  nd_study_progress at;
  nd_recipe recipe;
  if (nd_study_progress_of(s, run, dir, &at))
    return -1;
  if (hooks->begins)
    hooks->begins(run, &at, hooks->context);
  int failed = nd_study_recipe(s, run, &recipe);
  if (!failed && at.step < at.steps)
    failed = train(&recipe, folder, hooks);
  nd_recipe_clear(&recipe);
  if (!failed && nd_train_step_of(folder) == at.steps)
    failed = evaluate(s, run, dir);
  return failed ? nd_fail_in("run %s", run->name) : 0;
}

/* Looks at a test's pictures, once for all runs: later changes show when the study is called again. */
static int look_at_test(nd_study_test *test) {
  nd_niqe_model pristine;
  nd_evaluation how = measures_of(test, &pristine);
  nd_pairs *pairs = NULL;
  int failed = nd_study_open_test(test, &pairs) || nd_evaluation_check(&how, pairs);
  g_free(test->pictures);
  test->pictures = failed ? NULL : pictures_of(test, pairs);
  nd_pairs_close(pairs);
  return failed;
}

static int look_at_tests(nd_study *s) {
  for (int t = 0; t < s->task_count; t++)
    for (int i = 0; i < s->tasks[t].test_count; i++)
      if (look_at_test(&s->tasks[t].tests[i]))
        return nd_fail_in("task %s, test %s", s->tasks[t].name, s->tasks[t].tests[i].name);
  return 0;
}

/* Runs that were made before were made with the study's recipes. */
static int check_runs(const nd_study *s, const char *dir) {
  for (int i = 0; i < s->run_count; i++) {
    g_autofree char *folder = nd_study_folder(&s->runs[i], dir);
    nd_recipe recipe;
    int failed = nd_study_recipe(s, &s->runs[i], &recipe) ||
                 (nd_checkpoint_exists(folder) && check_same(&recipe, folder));
    nd_recipe_clear(&recipe);
    if (failed)
      return nd_fail_in("run %s", s->runs[i].name);
  }
  return 0;
}

int nd_study_check(nd_study *s, const char *dir) {
  return look_at_tests(s) || check_runs(s, dir) ? -1 : 0;
}

/* Run i becomes a failure, with the last error. */
static void take_out(nd_study *s, int i, const nd_study_hooks *hooks) {
  s->failures = g_renew(nd_study_failure, s->failures, s->failure_count + 1);
  nd_study_failure *f = &s->failures[s->failure_count++];
  *f = (nd_study_failure){s->runs[i], g_strdup(nd_error())};
  s->run_count--;
  memmove(&s->runs[i], &s->runs[i + 1], (size_t)(s->run_count - i) * sizeof *s->runs);
  if (hooks->failed)
    hooks->failed(f, hooks->context);
}

int nd_study_train(nd_study *s, const char *dir, const nd_study_hooks *hooks, bool *stopped) {
  *stopped = false;
  if (nd_study_check(s, dir))
    return -1;
  for (int i = 0; i < s->run_count && !*stopped;) {
    if (do_run(s, &s->runs[i], dir, hooks))
      take_out(s, i, hooks);
    else
      i++;
    *stopped = hooks->stop && hooks->stop(hooks->context);
  }
  return 0;
}
