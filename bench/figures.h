/* What benchmarks print. */
#ifndef ND_BENCH_FIGURES_H
#define ND_BENCH_FIGURES_H

#include "tensor/tensor.h"

/* From the least to the largest. */
void nd_figures_sort(double *x, int n);
/* The most memory that this process has had so far, in MB as getrusage counts it. */
double nd_figures_peak(void);
/* The table of a profile that plan recorded; plan records no more, and profile is freed. NULL: nothing. */
void nd_figures_profile(nd_plan *plan, nd_profile *profile);

#endif
