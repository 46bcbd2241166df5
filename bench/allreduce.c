/* Times what training asks of a group of processes: the sum of a gradient in pieces, and the sum of three
 * numbers. One JSON line.
 *
 *   mpirun -np 2 allreduce [--weights MILLIONS] [--rounds N]
 */
#include "figures.h"
#include "train/group.h"

#include <glib.h>
#include <stdio.h>

enum { PIECE = 1 << 21 };

static int sum_all(nd_group *group, float *x, size_t n) {
  for (size_t at = 0; at < n; at += PIECE)
    if (nd_group_begin_sum(group, x + at, MIN(PIECE, n - at)))
      return -1;
  return nd_group_finish(group);
}

static int sum_three(nd_group *group, float *x, size_t n) {
  double numbers[3] = {(double)x[0], 0, (double)n};
  return nd_group_sum(group, numbers, 3);
}

/* Median milliseconds; the first round warms up. */
static double time_it(nd_group *group, int (*what)(nd_group *, float *, size_t), float *x, size_t n,
                      int rounds) {
  g_autofree double *ms = g_new(double, rounds);
  for (int i = -1; i < rounds; i++) {
    gint64 begun = g_get_monotonic_time();
    if (what(group, x, n))
      g_error("%s", nd_error());
    if (i >= 0)
      ms[i] = (double)(g_get_monotonic_time() - begun) / 1e3;
  }
  nd_figures_sort(ms, rounds);
  return ms[rounds / 2];
}

int main(int argc, char **argv) {
  double weights = 71.2;
  int rounds = 9;
  const GOptionEntry entries[] = {{"weights", 0, 0, G_OPTION_ARG_DOUBLE, &weights, "millions of them", NULL},
                                  {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "timed rounds", NULL},
                                  {0}};
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  nd_group *group;
  if (!g_option_context_parse(context, &argc, &argv, NULL) || rounds < 1 || weights <= 0 ||
      nd_group_open(&group))
    return 2;
  size_t n = (size_t)(weights * 1e6);
  float *x = nd_mem_alloc(n * sizeof *x, "gradient");
  if (!x)
    return 1;
  double gradient = time_it(group, sum_all, x, n, rounds),
         numbers = time_it(group, sum_three, x, n, 50 * rounds);
  if (!nd_group_rank(group))
    printf("{\"processes\": %d, \"weights_million\": %.1f, \"gradient_ms\": %.1f, \"numbers_ms\": %.4f}\n",
           nd_group_size(group), weights, gradient, numbers);
  nd_mem_free(x);
  nd_group_close(group);
  return 0;
}
