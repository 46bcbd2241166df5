/* Sliding over a picture: what is kept of each tensor, and how far each node can go. The way down is gone
 * through once without computing anything, which tells how much memory every tensor will need. */
#include "tensor/slide-private.h"

#include <string.h>

static const nd_node *node_at(const nd_slide *s, guint i) {
  return nd_node_at(s->plan->graph, g_array_index(s->plan->order, int, i));
}

static nd_rows clipped(nd_rows r, int height) {
  return (nd_rows){CLAMP(r.from, 0, height), CLAMP(r.to, 0, height)};
}

nd_rows nd_slide_needed(const nd_slide *s, const nd_node *n, int i, nd_rows of) {
  nd_rows needed = {0, 0};
  n->op->rows(s->plan->graph, n, i, of, &needed);
  return clipped(needed, s->held[n->in[i]].height);
}

static bool slides(const nd_slide *s, const nd_node *n, int i) {
  return n->in[i] >= 0 && s->held[n->in[i]].slides;
}

static bool row_is_ready(const nd_slide *s, const nd_node *n, int row) {
  for (int i = 0; i < n->n_in; i++)
    if (slides(s, n, i) && nd_slide_needed(s, n, i, (nd_rows){row, row + 1}).to > s->held[n->in[i]].kept.to)
      return false;
  return true;
}

nd_rows nd_slide_ready(const nd_slide *s, const nd_node *n) {
  const nd_held *h = &s->held[n->out[0]];
  nd_rows r = {h->kept.to, h->kept.to};
  while (r.to < MIN(h->height, r.from + h->pace) && row_is_ready(s, n, r.to))
    r.to++;
  return r;
}

void nd_slide_forget(nd_slide *s) {
  for (guint t = 0; t < s->plan->graph->values->len; t++)
    s->held[t].kept.from = s->held[t].kept.to;
  for (guint k = 0; k < s->plan->order->len; k++) {
    const nd_node *n = node_at(s, k);
    int next = s->held[n->out[0]].kept.to;
    for (int i = 0; i < n->n_in && next < s->held[n->out[0]].height; i++)
      if (slides(s, n, i)) {
        nd_held *h = &s->held[n->in[i]];
        h->kept.from = MIN(h->kept.from, nd_slide_needed(s, n, i, (nd_rows){next, next + 1}).from);
      }
  }
}

void nd_slide_rewind(nd_slide *s) {
  for (guint t = 0; t < s->plan->graph->values->len; t++) {
    s->held[t].kept = (nd_rows){0, 0};
    s->held[t].first = 0;
  }
}

/* ---- Going down without computing ---- */

/* Winograd's kernels compute whole tiles of four rows. */
static double rows_computed(const nd_node *n, int rows) {
  return n->op->part_scratch ? (rows + 3) / 4 * 4 : rows;
}

static void note_growth(nd_held *h, int to) {
  h->kept.to = to;
  h->most = MAX(h->most, to - h->kept.from);
}

static bool rehearse_step(nd_slide *s) {
  const nd_graph *g = s->plan->graph;
  nd_held *in = &s->held[s->in];
  bool moved = in->kept.to < in->height;
  note_growth(in, MIN(in->height, in->kept.to + s->rows));
  for (guint k = 0; k < s->plan->order->len; k++) {
    const nd_node *n = node_at(s, k);
    nd_rows r = nd_slide_ready(s, n);
    if (r.to == r.from)
      continue;
    note_growth(&s->held[n->out[0]], r.to);
    s->calls[k]++;
    s->work += nd_node_flops(g, n) / nd_out_value(g, n, 0)->dims[1] * rows_computed(n, r.to - r.from);
    size_t scratch = n->op->part_scratch ? n->op->part_scratch(n, r.to - r.from) : n->scratch_bytes;
    s->scratch_bytes = MAX(s->scratch_bytes, scratch);
    moved = true;
  }
  nd_slide_forget(s);
  return moved;
}

/* Where much is kept, room for two steps more, so that it is moved seldom. */
static void set_capacity(nd_slide *s, nd_held *h) {
  bool much = h->most > 2 * h->pace;
  h->capacity = MIN(h->height, h->most + (much ? 2 * h->pace : 0));
  s->bytes += ((size_t)h->capacity * h->row_bytes + 63) / 64 * 64;
}

static int rehearse(nd_slide *s) {
  while (s->held[s->out].kept.to < s->held[s->out].height) {
    if (!rehearse_step(s))
      return nd_fail("%d rows at a time do not lead to the end", s->rows);
    s->steps++;
  }
  nd_slide_rewind(s);
  for (guint t = 0; t < s->plan->graph->values->len; t++)
    if (s->held[t].slides)
      set_capacity(s, &s->held[t]);
  s->bytes += s->scratch_bytes;
  return 0;
}

/* ---- Making one ---- */

static void describe_tensor(nd_slide *s, nd_tensor t) {
  const nd_value *v = nd_value_of(s->plan->graph, t), *in = nd_value_of(s->plan->graph, s->in);
  nd_held *h = &s->held[t];
  h->slides = true;
  h->height = v->dims[1];
  h->pace = (int)(((int64_t)s->rows * h->height + in->dims[1] - 1) / in->dims[1]) + (t != s->in);
  h->row_bytes = (size_t)v->dims[2] * (size_t)v->dims[3] * nd_dtype_size(v->dtype);
}

static int describe_node(nd_slide *s, const nd_node *n) {
  const nd_graph *g = s->plan->graph;
  nd_rows needed;
  if (n->has_copies)
    return nd_fail("%s takes whole pictures only where activations are bf16", n->op->name);
  for (int i = 0; i < n->n_in; i++)
    if (n->in[i] >= 0 && nd_in_value(g, n, i)->place == ND_IN_ARENA)
      if (!s->held[n->in[i]].slides || n->n_out != 1 || !n->op->rows ||
          !n->op->rows(g, n, i, (nd_rows){0, 1}, &needed))
        return nd_fail("%s depends on more of the picture than some rows", n->op->name);
  describe_tensor(s, n->out[0]);
  return 0;
}

static int describe(nd_slide *s) {
  describe_tensor(s, s->in);
  for (guint k = 0; k < s->plan->order->len; k++)
    if (describe_node(s, node_at(s, k)))
      return -1;
  return s->held[s->out].slides ? 0 : nd_fail("the output does not depend on the input");
}

int nd_slide_new(nd_graph *g, nd_tensor in, nd_tensor out, int rows, nd_slide **result) {
  *result = NULL;
  nd_plan *plan;
  if (nd_lay_out(g, &plan))
    return -1;
  nd_slide *s = g_new0(nd_slide, 1);
  *s = (nd_slide){.plan = plan,
                  .in = in,
                  .out = out,
                  .rows = rows,
                  .held = g_new0(nd_held, g->values->len),
                  .calls = g_new0(int, plan->order->len)};
  if (describe(s) || rehearse(s)) {
    nd_slide_free(s);
    return -1;
  }
  *result = s;
  return 0;
}

void nd_slide_free(nd_slide *s) {
  if (!s)
    return;
  for (guint t = 0; t < s->plan->graph->values->len; t++)
    nd_mem_free(s->held[t].memory);
  nd_mem_free(s->scratch);
  g_free(s->held);
  g_free(s->calls);
  nd_plan_free(s->plan);
  g_free(s);
}

size_t nd_slide_bytes(const nd_slide *s) {
  return s->bytes;
}

int nd_slide_steps(const nd_slide *s) {
  return s->steps;
}

double nd_slide_work(const nd_slide *s) {
  return s->work;
}
