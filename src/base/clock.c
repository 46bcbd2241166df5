/* Time for measuring how long things take. */
#include "base/base.h"

#include <time.h>

int64_t nd_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
