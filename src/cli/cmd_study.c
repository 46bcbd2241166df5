/* noiseda study: many training runs, compared. */
#include "cli/cli.h"
#include "cli/interruption.h"
#include "study/study.h"

#include <math.h>
#include <stdio.h>

static bool asked_to_stop(void *context) {
  (void)context;
  return nd_cli_interrupted();
}

static void print_run(const nd_study_run *run, const nd_study_progress *at, void *context) {
  (void)context;
  printf("%s: %s\n", run->name, at->step >= at->steps ? "trained" : at->step ? "goes on" : "begins");
  fflush(stdout);
}

static void print_progress(const nd_train_report *r, void *context) {
  (void)context;
  g_autofree char *left = nd_cli_duration(r->seconds_left);
  printf("  step %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT "  restoration %.5f  %s left of this run\n",
         r->step, r->steps, r->restoration, left);
  fflush(stdout);
}

static void print_failure(const nd_study_failure *failure, void *context) {
  (void)context;
  fprintf(stderr, "noiseda: %s\n", failure->message);
}

/* ---- --dry-run ---- */
typedef struct estimate {
  double total, left, done, seconds; /* operations of all, of what is left and done, and the time of these */
} estimate;

static int add_run(const nd_study *s, const nd_study_run *run, const char *dir, estimate *e) {
  nd_study_progress p;
  double cost;
  if (nd_study_progress_of(s, run, dir, &p) || nd_study_cost(s, run, &cost))
    return -1;
  double share = (double)p.step / (double)p.steps;
  printf("%-40s %8" G_GUINT64_FORMAT " of %8" G_GUINT64_FORMAT " steps  %10.1f TFLOP\n", run->name, p.step,
         p.steps, cost / 1e12);
  e->total += cost;
  e->left += (1 - share) * cost;
  if (p.seconds > 0) {
    e->done += share * cost;
    e->seconds += p.seconds;
  }
  return 0;
}

/* Where nothing has run yet, a rate that a processor of today reaches with networks of moderate width. */
static int dry_run(nd_study *s, const char *dir) {
  static const double assumed = 30e9; /* operations a second and thread */
  estimate e = {0};
  for (int i = 0; i < s->run_count; i++)
    if (add_run(s, &s->runs[i], dir, &e))
      return nd_cli_failed();
  bool measured = e.seconds > 0 && e.done > 0;
  double rate = measured ? e.done / e.seconds : assumed * nd_threads();
  g_autofree char *left = nd_cli_duration(e.left / rate);
  printf("%s, %.1f TFLOP, %.1f of them to come: about %s at %.0f GFLOP/s (%s), validation and tests not "
         "counted\n",
         nd_count((size_t)s->run_count, "run").text, e.total / 1e12, e.left / 1e12, left, rate / 1e9,
         measured ? "measured in the runs so far" : "assumed; runs that have begun will tell");
  fflush(stdout);
  return nd_study_check(s, dir) ? nd_cli_failed() : ND_EXIT_DONE;
}

/* ---- The study ---- */
static int write_results(const nd_study *s, const char *dir) {
  nd_study_results results;
  if (nd_study_results_load(s, dir, &results))
    return -1;
  int failed = nd_study_write_csv(s, &results, dir) || nd_study_write_report(s, &results, dir);
  nd_study_results_clear(&results);
  return failed ? -1 : 0;
}

static int say_failures(const nd_study *s) {
  if (!s->failure_count)
    return ND_EXIT_DONE;
  fprintf(stderr, "noiseda: %d of %s failed, as said above; the same command tries them again\n",
          s->failure_count, nd_count((size_t)(s->failure_count + s->run_count), "run").text);
  return ND_EXIT_FAILED;
}

static int run_study(nd_study *s, const char *path, const char *dir) {
  nd_study_hooks hooks = {
      .begins = print_run, .progress = print_progress, .failed = print_failure, .stop = asked_to_stop};
  bool stopped;
  if (nd_study_train(s, dir, &hooks, &stopped))
    return nd_cli_failed();
  if (stopped) {
    printf("stopped and saved; 'noiseda study %s -o %s' goes on\n", path, dir);
    return 128 + nd_cli_interrupted();
  }
  if (s->run_count && write_results(s, dir))
    return nd_cli_failed();
  if (s->run_count)
    printf("done: %s/report.html, results.csv, summary.csv\n", dir);
  return say_failures(s);
}

static int run(int argc, char **argv) {
  g_auto(GStrv) overrides = NULL;
  g_autofree char *dir = NULL;
  gboolean dry = FALSE;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &dir, "the study's folder, made or continued", "DIR"},
      {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &dry,
       "list the runs, what they will cost, and what would keep them from beginning", NULL},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &overrides,
       "set a recipe's key in every run; may be repeated", "KEY=VALUE"},
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "STUDY.yaml -o DIR",
          "Trains and compares a matrix of recipes: tasks x variants x seeds. Whatever is finished in "
          "DIR is skipped, whatever was interrupted goes on. docs/studies.md describes the file."))
    return ND_EXIT_USAGE;
  if (argc != 2 || !dir)
    return nd_cli_wrong("one study and -o DIR are needed");
  if (nd_cli_check_folder(dir))
    return nd_cli_wrong("%s", nd_error());
  nd_cli_listen(NULL);
  nd_study s;
  int status = nd_study_load(argv[1], (const char *const *)overrides, &s) ? nd_cli_failed()
               : dry                                                      ? dry_run(&s, dir)
                                                                          : run_study(&s, argv[1], dir);
  nd_study_clear(&s);
  return status;
}

const nd_command nd_cmd_study = {"study", "train and compare a matrix of recipes", run};
