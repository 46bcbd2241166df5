/* Sliding over a picture: computing. */
#include "tensor/profile-private.h"
#include "tensor/slide-private.h"

#include <string.h>

int nd_slide_take_memory(nd_slide *s) {
  for (guint t = 0; t < s->plan->graph->values->len; t++) {
    nd_held *h = &s->held[t];
    if (h->slides && !(h->memory = nd_mem_alloc((size_t)h->capacity * h->row_bytes, "rows of the network")))
      return -1;
  }
  s->scratch = nd_mem_alloc(MAX(s->scratch_bytes, 64), "rows of the network");
  return s->scratch ? 0 : -1;
}

void nd_slide_bind(nd_slide *s, const float *values) {
  nd_plan_bind(s->plan, values);
}

void nd_slide_record(nd_slide *s, nd_profile *p) {
  nd_plan_record(s->plan, p);
  for (guint k = 0; p && k < s->plan->order->len; k++) {
    nd_profile_entry *e = nd_profile_entry_at(p->nodes, s->plan->profile_first + k);
    e->flops /= s->calls[k];
    e->bytes /= s->calls[k];
  }
}

static char *row_at(const nd_held *h, int row) {
  return h->memory + (size_t)(row - h->first) * h->row_bytes;
}

/* Memory for rows up to `to`; where it ends, what is kept moves to its start. */
static char *make_room(nd_held *h, int to) {
  if (to - h->first > h->capacity) {
    memmove(h->memory, row_at(h, h->kept.from), (size_t)(h->kept.to - h->kept.from) * h->row_bytes);
    h->first = h->kept.from;
  }
  return row_at(h, h->kept.to);
}

static nd_value part_of(const nd_value *whole, nd_rows r) {
  nd_value v = *whole;
  v.dims[1] = r.to - r.from;
  v.count = whole->count / (size_t)whole->dims[1] * (size_t)v.dims[1];
  return v;
}

/* The part of the node that computes rows r, with the plan's data pointing at it. */
static nd_part part_for(nd_slide *s, const nd_node *n, nd_rows r) {
  const nd_graph *g = s->plan->graph;
  nd_part p = {.out = part_of(nd_out_value(g, n, 0), r), .out_from = r.from};
  s->plan->data[n->out[0]] = make_room(&s->held[n->out[0]], r.to);
  for (int i = 0; i < n->n_in; i++) {
    if (n->in[i] < 0)
      continue;
    const nd_held *h = &s->held[n->in[i]];
    p.in[i] = *nd_in_value(g, n, i);
    if (!h->slides)
      continue;
    nd_rows needed = nd_slide_needed(s, n, i, r);
    p.in[i] = part_of(&p.in[i], needed);
    p.in_from[i] = needed.from;
    s->plan->data[n->in[i]] = row_at(h, needed.from);
  }
  return p;
}

static void run_ready(nd_slide *s, guint at, nd_run_context *r) {
  const nd_plan *plan = s->plan;
  r->node = nd_node_at(plan->graph, g_array_index(plan->order, int, at));
  nd_rows rows = nd_slide_ready(s, r->node);
  if (rows.to == rows.from)
    return;
  nd_part part = part_for(s, r->node, rows);
  int64_t begun = plan->profile ? nd_clock() : 0;
  r->part = &part;
  nd_find_buffers(r);
  r->node->op->run(r);
  if (plan->profile)
    nd_profile_node(plan->profile, plan->profile_first + at, begun);
  s->held[r->node->out[0]].kept.to = rows.to;
}

static int take_rows(nd_slide *s, const nd_slide_ends *ends) {
  nd_held *h = &s->held[s->in];
  int to = MIN(h->height, h->kept.to + s->rows);
  if (to == h->kept.to)
    return 0;
  float *memory = (float *)make_room(h, to);
  int failed = ends->take(ends->context, h->kept.to, to - h->kept.to, memory);
  h->kept.to = to;
  return failed;
}

/* The rows of the output that are new since it had `before`. */
static int give_rows(const nd_slide *s, const nd_slide_ends *ends, int before) {
  const nd_held *h = &s->held[s->out];
  int n = h->kept.to - before;
  return n ? ends->give(ends->context, before, n, (const float *)row_at(h, before)) : 0;
}

int nd_slide_run(nd_slide *s, nd_window window, const nd_slide_ends *ends) {
  nd_run_context r = {
      .graph = s->plan->graph, .data = s->plan->data, .scratch = s->scratch, .window = &window};
  nd_slide_rewind(s);
  for (int step = 0; step < s->steps; step++) {
    int before = s->held[s->out].kept.to;
    if (take_rows(s, ends))
      return -1;
    for (guint k = 0; k < s->plan->order->len; k++)
      run_ready(s, k, &r);
    if (give_rows(s, ends, before))
      return -1;
    nd_slide_forget(s);
    if (ends->step && ends->step(ends->context))
      return -1;
  }
  return 0;
}
