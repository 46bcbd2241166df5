/* Operators that know fp32 alone, in a graph whose activations are bf16: what they read is widened into their
 * scratch memory before they run, what they write is rounded from there. */
#include "tensor/fp32_copies-private.h"

#include "base/base.h"

enum { ALIGN = 64, GRAIN = 1 << 15 };

static size_t aligned(size_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t copy_bytes(const nd_graph *g, nd_tensor t) {
  if (t < 0 || nd_value_of(g, t)->dtype == ND_F32)
    return 0;
  return aligned(nd_value_of(g, t)->count * sizeof(float));
}

void nd_fp32_copies_prepare(const nd_graph *g, nd_node *n) {
  n->copies_at = aligned(n->scratch_bytes);
  if (n->op->view || (n->op->takes_bf16 && n->op->takes_bf16(n)))
    return;
  size_t bytes = 0;
  for (int i = 0; i < n->n_in; i++)
    bytes += copy_bytes(g, n->in[i]);
  for (int i = 0; i < n->n_out; i++)
    bytes += copy_bytes(g, n->out[i]);
  n->has_copies = bytes > 0;
  if (n->has_copies)
    n->scratch_bytes = n->copies_at + bytes;
}

typedef struct copy {
  uint16_t *narrow;
  float *wide;
} copy;

static void widen_range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const copy *c = context;
  nd_widen(c->narrow + begin, c->wide + begin, end - begin);
}

static void narrow_range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const copy *c = context;
  nd_narrow(c->wide + begin, c->narrow + begin, end - begin);
}

void nd_fp32_copies_in(nd_run_context *r) {
  const nd_node *n = r->node;
  char *at = (char *)r->scratch + n->copies_at;
  for (int i = 0; i < n->n_in; i++) {
    size_t bytes = copy_bytes(r->graph, n->in[i]);
    if (!bytes)
      continue;
    copy c = {r->in[i], (float *)at};
    nd_parallel(nd_in_value(r->graph, n, i)->count, GRAIN, widen_range, &c);
    r->in[i] = at;
    at += bytes;
  }
  for (int i = 0; i < n->n_out; i++) {
    size_t bytes = copy_bytes(r->graph, n->out[i]);
    if (bytes)
      r->out[i] = at;
    at += bytes;
  }
}

void nd_fp32_copies_out(const nd_run_context *r) {
  const nd_node *n = r->node;
  for (int i = 0; i < n->n_out; i++) {
    if (!copy_bytes(r->graph, n->out[i]))
      continue;
    copy c = {r->data[n->out[i]], r->out[i]};
    nd_parallel(nd_out_value(r->graph, n, i)->count, GRAIN, narrow_range, &c);
  }
}
