/* Recording how long nodes and stages take. */
#include "tensor/profile-private.h"
#include "tensor/kernels/peak.h"
#include "tensor/plan-private.h"

#include <string.h>

nd_profile *nd_profile_new(void) {
  nd_profile *p = g_new0(nd_profile, 1);
  p->nodes = g_array_new(FALSE, TRUE, sizeof(nd_profile_entry));
  p->stages = g_array_new(FALSE, TRUE, sizeof(nd_profile_entry));
  p->created = nd_clock();
  return p;
}

void nd_profile_free(nd_profile *p) {
  if (!p)
    return;
  g_array_free(p->nodes, TRUE);
  g_array_free(p->stages, TRUE);
  g_free(p);
}

/* What a node must read and write at least: every input and output once. */
static double node_bytes(const nd_graph *g, const nd_node *n) {
  double sum = 0;
  for (int i = 0; i < n->n_in; i++)
    if (n->in[i] >= 0)
      sum += (double)nd_value_bytes(nd_in_value(g, n, i));
  for (int i = 0; i < n->n_out; i++)
    sum += (double)nd_value_bytes(nd_out_value(g, n, i));
  return sum;
}

void nd_plan_record(nd_plan *plan, nd_profile *p) {
  plan->profile = p;
  if (!p)
    return;
  plan->profile_first = p->nodes->len;
  for (guint i = 0; i < plan->order->len; i++) {
    const nd_node *n = nd_node_at(plan->graph, g_array_index(plan->order, int, i));
    nd_profile_entry e = {
        .name = n->op->name, .flops = nd_node_flops(plan->graph, n), .bytes = node_bytes(plan->graph, n)};
    memcpy(e.dims, nd_out_value(plan->graph, n, 0)->dims, sizeof e.dims);
    g_array_append_val(p->nodes, e);
  }
}

static int64_t add_call(nd_profile_entry *e, int64_t begun) {
  int64_t now = nd_clock();
  e->begun = begun;
  e->took = now - begun;
  e->total += e->took;
  e->calls++;
  return now;
}

void nd_profile_node(nd_profile *p, guint entry, int64_t begun) {
  add_call(nd_profile_entry_at(p->nodes, entry), begun);
}

static nd_profile_entry *stage_named(nd_profile *p, const char *name) {
  for (guint i = 0; i < p->stages->len; i++)
    if (!strcmp(nd_profile_entry_at(p->stages, i)->name, name))
      return nd_profile_entry_at(p->stages, i);
  nd_profile_entry e = {.name = name};
  g_array_append_val(p->stages, e);
  return nd_profile_entry_at(p->stages, p->stages->len - 1);
}

int64_t nd_profile_stage(nd_profile *p, const char *name, int64_t begun, double bytes) {
  if (!p)
    return begun;
  nd_profile_entry *e = stage_named(p, name);
  e->bytes += bytes;
  return add_call(e, begun);
}

void nd_profile_begin(nd_profile *p) {
  if (p)
    p->begun = nd_clock();
}

void nd_profile_end(nd_profile *p) {
  if (!p)
    return;
  p->took = nd_clock() - p->begun;
  p->total += p->took;
  p->units++;
}

void nd_profile_measure(nd_profile *p) {
  p->peak_flops = nd_peak_flops();
  p->peak_bandwidth = nd_peak_bandwidth();
}
