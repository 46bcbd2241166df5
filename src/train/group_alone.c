/* Where there is no MPI: a process is alone. */
#include "train/group-private.h"

int nd_group_join(int size, nd_group **out) {
  (void)out;
  return nd_fail(
      "%d processes were started together, but this noiseda was built without MPI; install libopenmpi-dev "
      "and build it again",
      size);
}

void nd_group_close(nd_group *group) {
  (void)group;
}

bool nd_group_broken(const nd_group *group) {
  (void)group;
  return false;
}

int nd_group_rank(const nd_group *group) {
  (void)group;
  return 0;
}

int nd_group_size(const nd_group *group) {
  (void)group;
  return 1;
}

int nd_group_threads(const nd_group *group) {
  (void)group;
  return 0;
}

int nd_group_neighbours(const nd_group *group) {
  (void)group;
  return 1;
}

int nd_group_sum(nd_group *group, double *x, int n) {
  (void)group, (void)x, (void)n;
  return 0;
}

int nd_group_broadcast(nd_group *group, void *bytes, size_t n) {
  (void)group, (void)bytes, (void)n;
  return 0;
}

int nd_group_begin_sum(nd_group *group, float *x, size_t n) {
  (void)group, (void)x, (void)n;
  return 0;
}

int nd_group_poll(nd_group *group) {
  (void)group;
  return 0;
}

int nd_group_finish(nd_group *group) {
  (void)group;
  return 0;
}
