/* What is recorded, for the files that record and print it. */
#ifndef ND_PROFILE_PRIVATE_H
#define ND_PROFILE_PRIVATE_H

#include "tensor/graph-private.h"

/* A node of a plan, or a stage outside the plans. It outlives the plan. */
typedef struct nd_profile_entry {
  const char *name;    /* operator or stage: a constant */
  int dims[4];         /* of a node's output 0 */
  double flops, bytes; /* of one call; a stage's: of all calls */
  int64_t begun, took; /* the last call */
  int64_t total;       /* nanoseconds of all calls */
  uint64_t calls;
} nd_profile_entry;

struct nd_profile {
  GArray *nodes, *stages; /* nd_profile_entry */
  int64_t created;        /* the trace's zero */
  int64_t begun, took;    /* the last unit */
  int64_t total;          /* nanoseconds of all units */
  uint64_t units;
  double peak_flops, peak_bandwidth; /* a second; 0: not measured */
};

/* A call of the entry that began at `begun` ends now. */
void nd_profile_node(nd_profile *p, guint entry, int64_t begun);

static inline nd_profile_entry *nd_profile_entry_at(GArray *entries, guint i) {
  return &g_array_index(entries, nd_profile_entry, i);
}

#endif
