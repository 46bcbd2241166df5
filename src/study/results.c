/* From the scores of runs to means, intervals and the share of the distance that is closed. */
#include "study/study-private.h"

#include <glib.h>
#include <math.h>

static const uint64_t BOOTSTRAP_SEED = 1;
static const double CONFIDENCE = 0.95;

const nd_metric nd_study_metrics[ND_STUDY_METRICS] = {ND_PSNR, ND_SSIM, ND_NIQE};

int nd_study_results_load(const nd_study *s, const char *dir, nd_study_results *out) {
  *out = (nd_study_results){.run_count = s->run_count};
  for (int t = 0; t < s->task_count; t++)
    out->test_count = MAX(out->test_count, s->tasks[t].test_count);
  out->at = g_new0(nd_scores, s->run_count * out->test_count);
  for (int i = 0; i < s->run_count; i++) {
    const nd_study_task *task = &s->tasks[s->runs[i].task];
    for (int k = 0; k < task->test_count; k++) {
      g_autofree char *path = nd_study_scores_path(&s->runs[i], &task->tests[k], dir);
      if (nd_study_scores_load(path, &out->at[i * out->test_count + k])) {
        nd_study_results_clear(out);
        return -1;
      }
    }
  }
  return 0;
}

void nd_study_results_clear(nd_study_results *r) {
  for (int i = 0; i < r->run_count * r->test_count; i++)
    nd_scores_free(&r->at[i]);
  g_free(r->at);
  *r = (nd_study_results){0};
}

/* ---- Scores side by side: of a variant and, seed for seed, of source and oracle ---- */
typedef struct table {
  int seeds, pictures;
  double *x, *source, *oracle; /* seeds x pictures; the last two NULL where there is no distance */
} table;

static const nd_scores *scores_of(const nd_study *s, const nd_study_results *r, int task, int variant,
                                  int64_t seed, int test) {
  for (int i = 0; i < s->run_count; i++)
    if (s->runs[i].task == task && s->runs[i].variant == variant && s->runs[i].seed == seed)
      return &r->at[i * r->test_count + test];
  return NULL;
}

static void copy_row(double *to, const nd_scores *from, int pictures, nd_metric metric) {
  for (int p = 0; p < pictures; p++)
    to[p] = from->at[p].result[metric];
}

/* With `distance`, seeds that have all three runs; else those of the variant. Infinite PSNRs (equal pictures)
 * stay as they are: a mean that is infinite says so. */
static void fill(const nd_study *s, const nd_study_results *r, int task, int variant, int test,
                 nd_metric metric, bool distance, table *out) {
  *out = (table){0};
  for (int k = 0; k < s->seed_count; k++) {
    const nd_scores *x = scores_of(s, r, task, variant, s->seeds[k], test), *a = NULL, *b = NULL;
    if (distance) {
      a = scores_of(s, r, task, nd_study_source(s), s->seeds[k], test);
      b = scores_of(s, r, task, nd_study_oracle(s), s->seeds[k], test);
    }
    if (!x || (distance && (!a || !b || a->count != x->count || b->count != x->count)) ||
        (out->seeds && x->count != out->pictures))
      continue;
    out->pictures = x->count;
    size_t n = (size_t)(out->seeds + 1) * (size_t)x->count, at = (size_t)out->seeds * (size_t)x->count;
    out->seeds++;
    out->x = g_renew(double, out->x, n);
    copy_row(out->x + at, x, x->count, metric);
    if (!distance)
      continue;
    out->source = g_renew(double, out->source, n);
    out->oracle = g_renew(double, out->oracle, n);
    copy_row(out->source + at, a, x->count, metric);
    copy_row(out->oracle + at, b, x->count, metric);
  }
}

static void clear(table *t) {
  g_free(t->x);
  g_free(t->source);
  g_free(t->oracle);
}

/* ---- Statistics of a table, over the pictures that were drawn (NULL: all, once) ---- */
static double row_mean(const double *row, const int *drawn, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += row[drawn ? drawn[i] : i];
  return sum / n;
}

static double mean_of_seed(const table *t, int seed, const int *drawn) {
  return row_mean(t->x + (size_t)seed * (size_t)t->pictures, drawn, t->pictures);
}

static double share_of_seed(const table *t, int seed, const int *drawn) {
  size_t at = (size_t)seed * (size_t)t->pictures;
  double source = row_mean(t->source + at, drawn, t->pictures),
         oracle = row_mean(t->oracle + at, drawn, t->pictures);
  return (mean_of_seed(t, seed, drawn) - source) / (oracle - source);
}

static double over_seeds(const table *t, const int *drawn, double (*f)(const table *, int, const int *)) {
  double sum = 0;
  for (int k = 0; k < t->seeds; k++)
    sum += f(t, k, drawn);
  return sum / t->seeds;
}

static double mean_statistic(const int *drawn, int n, const void *context) {
  (void)n;
  return over_seeds(context, drawn, mean_of_seed);
}

static double share_statistic(const int *drawn, int n, const void *context) {
  (void)n;
  return over_seeds(context, drawn, share_of_seed);
}

static nd_interval between_seeds(const table *t, double (*f)(const table *, int, const int *)) {
  g_autofree double *x = g_new(double, t->seeds);
  for (int k = 0; k < t->seeds; k++)
    x[k] = f(t, k, NULL);
  return nd_student_interval(x, t->seeds, CONFIDENCE);
}

static double input_mean(const nd_study *s, const nd_study_results *r, int task, int variant, int test,
                         nd_metric metric) {
  for (int k = 0; k < s->seed_count; k++) {
    const nd_scores *x = scores_of(s, r, task, variant, s->seeds[k], test);
    double sum = 0;
    for (int p = 0; x && p < x->count; p++)
      sum += x->at[p].input[metric];
    if (x)
      return sum / x->count;
  }
  return NAN;
}

/* Is the oracle better than the source with every seed? A share of a distance that leads the other way, or
 * nowhere, would praise what is worse. */
static bool oracle_leads(const table *t, nd_metric metric) {
  double sign = nd_metrics[metric].lower_is_better ? -1 : 1;
  bool leads = true;
  for (int k = 0; k < t->seeds && leads; k++) {
    size_t at = (size_t)k * (size_t)t->pictures;
    leads =
        sign * (row_mean(t->oracle + at, NULL, t->pictures) - row_mean(t->source + at, NULL, t->pictures)) >
        0;
  }
  return leads;
}

static void summarise_share(const nd_study *s, const table *t, nd_metric metric, nd_study_summary *out) {
  if (!t->seeds || !oracle_leads(t, metric))
    return;
  out->share = over_seeds(t, NULL, share_of_seed);
  out->share_seeds = between_seeds(t, share_of_seed);
  out->share_pictures =
      nd_bootstrap_interval(share_statistic, t, t->pictures, s->resamples, BOOTSTRAP_SEED, CONFIDENCE);
}

void nd_study_summarise(const nd_study *s, const nd_study_results *r, int task, int variant, int test,
                        nd_metric metric, nd_study_summary *out) {
  const nd_interval none = {NAN, NAN};
  table t;
  *out = (nd_study_summary){.share = NAN, .share_seeds = none, .share_pictures = none};
  if (nd_study_has_truth(&s->tasks[task].tests[test]) != nd_metrics[metric].needs_truth)
    return;
  fill(s, r, task, variant, test, metric, false, &t);
  out->seeds = t.seeds;
  out->pictures = t.pictures;
  out->input = input_mean(s, r, task, variant, test, metric);
  if (t.seeds) {
    out->mean = over_seeds(&t, NULL, mean_of_seed);
    out->seeds_interval = between_seeds(&t, mean_of_seed);
    out->pictures_interval =
        nd_bootstrap_interval(mean_statistic, &t, t.pictures, s->resamples, BOOTSTRAP_SEED, CONFIDENCE);
  }
  clear(&t);
  if (nd_study_source(s) < 0 || variant == nd_study_source(s) || variant == nd_study_oracle(s))
    return;
  fill(s, r, task, variant, test, metric, true, &t);
  summarise_share(s, &t, metric, out);
  clear(&t);
}
