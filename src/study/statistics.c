/* Confidence intervals. */
#include "study/study.h"

#include <glib.h>
#include <math.h>

/* P(|T| < t) of Student's distribution with df degrees of freedom, by its finite series (Abramowitz & Stegun
 * 26.7.3, 26.7.4): exact for whole df. */
static double student_inside(double t, int df) {
  double angle = atan(t / sqrt(df)), c = cos(angle), s = sin(angle), term = df % 2 ? c : 1, sum = term;
  for (int k = df % 2 ? 3 : 2; k <= df - 2; k += 2) {
    term *= c * c * (k - 1) / k;
    sum += term;
  }
  if (df % 2 == 0)
    return s * sum;
  return 2 / G_PI * (angle + (df > 1 ? s * sum : 0));
}

double nd_student_quantile(double confidence, int df) {
  double low = 0, high = 1;
  while (student_inside(high, df) < confidence && high < 1e12)
    high *= 2;
  for (int i = 0; i < 200; i++) {
    double middle = (low + high) / 2;
    *(student_inside(middle, df) < confidence ? &low : &high) = middle;
  }
  return (low + high) / 2;
}

nd_interval nd_student_interval(const double *x, int n, double confidence) {
  double mean = 0, squares = 0;
  if (n < 2)
    return (nd_interval){NAN, NAN};
  for (int i = 0; i < n; i++)
    mean += x[i] / n;
  for (int i = 0; i < n; i++)
    squares += (x[i] - mean) * (x[i] - mean);
  double half = nd_student_quantile(confidence, n - 1) * sqrt(squares / (n - 1) / n);
  return (nd_interval){mean - half, mean + half};
}

static int ascending(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Between order statistics, linearly (numpy's default). */
static double percentile(const double *sorted, int n, double p) {
  double at = p * (n - 1);
  int i = (int)at;
  return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

nd_interval nd_bootstrap_interval(nd_statistic f, const void *context, int n, int resamples, uint64_t seed,
                                  double confidence) {
  if (n < 2 || resamples < 1)
    return (nd_interval){NAN, NAN};
  g_autofree int *drawn = g_new(int, n);
  g_autofree double *values = g_new(double, resamples);
  int kept = 0;
  for (int k = 0; k < resamples; k++) {
    nd_rng r = nd_rng_make(seed, (uint64_t)k, 0, ND_RANDOM_BOOTSTRAP);
    for (int i = 0; i < n; i++)
      drawn[i] = (int)nd_rng_below(&r, (uint32_t)n);
    double x = f(drawn, n, context);
    if (isfinite(x))
      values[kept++] = x;
  }
  if (!kept)
    return (nd_interval){NAN, NAN};
  qsort(values, (size_t)kept, sizeof *values, ascending);
  return (nd_interval){percentile(values, kept, (1 - confidence) / 2),
                       percentile(values, kept, (1 + confidence) / 2)};
}
