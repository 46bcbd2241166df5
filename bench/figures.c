#include "figures.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

void nd_figures_sort(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, compare);
}

double nd_figures_peak(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss / 1024;
}

void nd_figures_profile(nd_plan *plan, nd_profile *profile) {
  if (!profile)
    return;
  nd_profile_measure(profile);
  g_autofree char *table = nd_profile_table(profile, "step");
  printf("%s", table);
  nd_plan_record(plan, NULL);
  nd_profile_free(profile);
}
