/* Studies: many training runs, judged. A YAML file names a base recipe, tasks, variants and seeds; each
 * combination is an ordinary run folder; all are evaluated on named tests; tables and a report follow.
 * docs/studies.md describes the file.
 */
#ifndef ND_STUDY_H
#define ND_STUDY_H

#include "restore/restore.h"
#include "train/train.h"

/* ---- Validation within a run (validate.c) ------------------------------------------------------------- */
typedef struct nd_validator {
  const nd_recipe *recipe;
  nd_pairs *pairs; /* NULL: the recipe has none */
  size_t beyond;   /* bytes more than training.memory that it needed so far, which was said */
} nd_validator;
/* Opens the recipe's validation pictures, if it has any. recipe must outlive it. */
int nd_validator_open(const nd_recipe *recipe, nd_validator *out);
void nd_validator_close(nd_validator *v);
/* nd_train_hooks.validate; its context is an nd_validator. */
int nd_validator_run(const nd_net *net, nd_params *params, const float *values, nd_validation *out,
                     void *validator);

/* ---- The file (study_file.c), its runs (study.c) ------------------------------------------------------- */
/* What nd_recipe_set_key takes: keys of a recipe with their values, and where they stand. */
typedef struct nd_study_set {
  int count;
  struct nd_study_value {
    char *name, *text, *where;
  } * at;
} nd_study_set;

typedef struct nd_study_test {
  char *name, *input, *target; /* sets; target NULL: input holds pairs, or there is no truth */
  char *right;                 /* right views of input's left ones, for networks that take two; or NULL */
  char *pictures;              /* what they are, as kept beside scores; NULL before nd_study_check */
} nd_study_test;

typedef struct nd_study_variant {
  char *name;
  nd_study_set set;
} nd_study_variant;

typedef struct nd_study_task {
  char *name;
  nd_study_set set;
  int special_count;
  nd_study_variant *special; /* stand in place of the task's own set in these variants */
  int test_count;
  nd_study_test *tests;
} nd_study_task;

typedef struct nd_study_exclusion {
  char *task, *variant; /* NULL: any */
  int64_t seed;         /* -1: any */
} nd_study_exclusion;

typedef struct nd_study_run {
  int task, variant;
  int64_t seed;
  char *name; /* "denoise-paired-1", also the folder's */
} nd_study_run;

typedef struct nd_study_failure {
  nd_study_run run;
  char *message;
} nd_study_failure;

typedef struct nd_study {
  char *path, *title, *base; /* base: path of the recipe */
  char *source, *oracle;     /* names of the variants the share of the distance is taken from; or NULL */
  nd_study_set set, override;
  int seed_count, task_count, variant_count, exclusion_count, run_count;
  int64_t *seeds;
  nd_study_task *tasks;
  nd_study_variant *variants;
  nd_study_exclusion *exclusions;
  nd_study_run *runs; /* by task, then seed, then variant */
  int failure_count;
  nd_study_failure *failures; /* what nd_study_train could not do, taken out of the runs */
  int resamples;              /* of the bootstrap */
  int crops;                  /* pictures a test of which details are shown */
} nd_study;

/* Reads the file and lays out its runs; overrides ("KEY=VALUE", NULL at the end, may be NULL) are set over
 * every run, but "seed=N" stands in place of the seeds. Errors name file and line: unknown keys, of recipes
 * as well, names that nothing bears. */
int nd_study_load(const char *path, const char *const *overrides, nd_study *out);
void nd_study_clear(nd_study *s);
/* The complete, checked recipe of a run; to be cleared, also after a failure. */
int nd_study_recipe(const nd_study *s, const nd_study_run *run, nd_recipe *out);
/* "DIR/runs/NAME"; the caller's. */
char *nd_study_folder(const nd_study_run *run, const char *dir);
/* Index of the task or variant of that name; -1: none. */
int nd_study_variant_of(const nd_study *s, const char *name);

/* ---- Running (runs.c) ---------------------------------------------------------------------------------- */
typedef struct nd_study_progress {
  uint64_t step, steps;
  double seconds; /* that the steps took, without validation; 0: not known */
} nd_study_progress;
/* How far a run is: step 0 where it has no checkpoint yet. */
int nd_study_progress_of(const nd_study *s, const nd_study_run *run, const char *dir, nd_study_progress *out);
/* Floating-point operations of a whole run. */
int nd_study_cost(const nd_study *s, const nd_study_run *run, double *out);

typedef struct nd_study_hooks {
  void *context;
  void (*begins)(const nd_study_run *run, const nd_study_progress *at, void *context);
  void (*progress)(const nd_train_report *report, void *context);
  void (*failed)(const nd_study_failure *failure, void *context);
  bool (*stop)(void *context);
} nd_study_hooks;
/* Can it begin or go on? Error: a test that cannot be opened, a run whose folder was made with another
 * recipe. */
int nd_study_check(nd_study *s, const char *dir);
/* Trains what is not finished, continues what was interrupted, evaluates what was trained. *stopped: it was
 * asked to stop; everything is saved. A run that fails becomes one of s->failures, and the others go on.
 * Error, before anything is trained: that of nd_study_check. */
int nd_study_train(nd_study *s, const char *dir, const nd_study_hooks *hooks, bool *stopped);

/* ---- Results (results.c) ------------------------------------------------------------------------------- */
/* The scores of every run on every test of its task; read back from the run folders. */
typedef struct nd_study_results {
  int run_count, test_count; /* test_count: the most a task has */
  nd_scores *at;             /* run_count x test_count; count 0 where a task has no such test */
} nd_study_results;
/* Error: a run has no scores, or what is there is none; nothing is to be cleared then. */
int nd_study_results_load(const nd_study *s, const char *dir, nd_study_results *out);
void nd_study_results_clear(nd_study_results *r);

/* What a study measures: the first two of tests with truth, the third of those without. */
enum { ND_STUDY_METRICS = 3 };
extern const nd_metric nd_study_metrics[ND_STUDY_METRICS];
typedef struct nd_interval {
  double low, high; /* NaN: cannot be told */
} nd_interval;
typedef struct nd_study_summary {
  int seeds, pictures;
  double mean, input;            /* over seeds and pictures; of the unrestored pictures */
  nd_interval seeds_interval;    /* Student's t over the seeds' means, 95 % */
  nd_interval pictures_interval; /* bootstrap over pictures (each the mean over seeds), 95 %, percentiles */
  /* Share of the distance from source to oracle: mean over seeds of (x - source) / (oracle - source); NaN
   * where there is none, or where the oracle is not better than the source with every seed. The same two
   * intervals; resampled pictures are the same for all three. */
  double share;
  nd_interval share_seeds, share_pictures;
} nd_study_summary;
/* Of one task, variant and test. seeds 0: no run, or not a metric of that test. */
void nd_study_summarise(const nd_study *s, const nd_study_results *r, int task, int variant, int test,
                        nd_metric metric, nd_study_summary *out);

/* csv.c, report.c: results.csv (run x test x picture), summary.csv and report.html in dir. */
int nd_study_write_csv(const nd_study *s, const nd_study_results *r, const char *dir);
int nd_study_write_report(const nd_study *s, const nd_study_results *r, const char *dir);

/* ---- Statistics (statistics.c) ------------------------------------------------------------------------- */
/* Student's t: the value that |t| stays below with probability `confidence`; df >= 1. */
double nd_student_quantile(double confidence, int df);
/* mean +- t sd / sqrt(n), sd with n - 1; NaN for n < 2. */
nd_interval nd_student_interval(const double *x, int n, double confidence);
/* A statistic of a sample of `n` things, which are numbered 0 .. n-1, given which of them were drawn. */
typedef double (*nd_statistic)(const int *drawn, int n, const void *context);
/* Percentile bootstrap (Efron 1979): draws n of n with replacement `resamples` times; a function of seed.
 * Resamples on which the statistic is not finite are left out. NaN for n < 2. */
nd_interval nd_bootstrap_interval(nd_statistic f, const void *context, int n, int resamples, uint64_t seed,
                                  double confidence);

#endif
