#include "workload.h"

#include <glib.h>

const nd_adam_settings nd_workload_adam = {1e-4, 0.9f, 0.999f, 1e-8f, 0, 0.9999f, 0, false};

nd_net *nd_workload_net(const char *name, nd_role role, const char *settings) {
  nd_net *net;
  if (nd_net_from_text(name, role, settings, &net))
    g_error("%s", nd_error());
  return net;
}

void nd_workload_fill(nd_plan *plan, nd_tensor t, size_t count, uint32_t which) {
  nd_rng r = nd_rng_make(1, 0, which, ND_RANDOM_TEST);
  float *x = nd_plan_tensor(plan, t);
  for (size_t i = 0; i < count; i++)
    x[i] = (float)nd_rng_uniform(&r);
}
