#include "base/base.h"

#include <omp.h>

static int wanted;

int nd_threads(void) {
  return wanted ? wanted : omp_get_num_procs();
}

void nd_set_threads(int n) {
  wanted = n > 0 ? n : 0;
  omp_set_num_threads(nd_threads());
}

void nd_parallel(size_t n, size_t grain, nd_range_fn fn, void *context) {
  if (grain < 1)
    grain = 1;
  size_t parts = (n + grain - 1) / grain;
  if (parts > (size_t)nd_threads())
    parts = (size_t)nd_threads();
  if (parts <= 1 || omp_in_parallel()) {
    if (n)
      fn(0, n, omp_in_parallel() ? omp_get_thread_num() : 0, context);
    return;
  }
#pragma omp parallel num_threads((int)parts)
  {
    /* Fewer threads than asked for may come; then each takes several parts. */
    for (size_t part = (size_t)omp_get_thread_num(); part < parts; part += (size_t)omp_get_num_threads()) {
      size_t begin = n * part / parts, end = n * (part + 1) / parts;
      fn(begin, end, (int)part, context);
    }
  }
}
