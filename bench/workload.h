/* What networks and training steps are timed on: random pictures, networks by name, the optimizer. */
#ifndef ND_BENCH_WORKLOAD_H
#define ND_BENCH_WORKLOAD_H

#include "train/train-private.h"
#include "weights/model.h"

extern const nd_adam_settings nd_workload_adam;

/* The caller's, nd_net_free; ends the program where there is none. */
nd_net *nd_workload_net(const char *name, nd_role role, const char *settings);
/* count uniform values, the same for each `which`. */
void nd_workload_fill(nd_plan *plan, nd_tensor t, size_t count, uint32_t which);

#endif
