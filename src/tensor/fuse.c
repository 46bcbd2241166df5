/* Activations and gates become part of the convolution before them, whose sums are still in the cache, and
 * what is joined or enlarged, or made by a linear layer, a part of the one after. Networks know nothing of
 * it. What a backward pass asks for is read by it as well, so it stays; what that computes again is not.
 *
 * The last nodes come first: a gate's gradient that has become a part of another node no longer asks for what
 * the gate read. */
#include "tensor/plan-private.h"

/* Who reads a tensor: how often it is, and the sum of their numbers, which is the reader's where it is one.
 */
typedef struct readers {
  int count;
  long sum;
} readers;

static void count_reads(const nd_graph *g, int i, int times, readers *r) {
  const nd_node *n = nd_node_at(g, i);
  for (int k = 0; k < n->n_in; k++)
    if (n->in[k] >= 0) {
      r[n->in[k]].count += times;
      r[n->in[k]].sum += (long)times * i;
    }
}

static bool reads_alone(const readers *r, nd_tensor t, int i) {
  return r[t].count == 1 && r[t].sum == i;
}

/* The node makes what the next one made; that one is left with a tensor that nobody asks for. */
static void exchange_outputs(nd_graph *g, int node, int next) {
  nd_node *a = nd_node_at(g, node), *b = nd_node_at(g, next);
  nd_tensor t = a->out[0];
  a->out[0] = b->out[0];
  b->out[0] = t;
  nd_value_of(g, a->out[0])->producer = node;
  nd_value_of(g, t)->producer = next;
}

static bool is_seen(const nd_value *v) {
  return v->is_output || v->is_input;
}

static void absorb_next(nd_graph *g, int i, const readers *r) {
  nd_node *n = nd_node_at(g, i);
  if (n->n_out != 1 || r[n->out[0]].count != 1 || !n->op->absorb || is_seen(nd_out_value(g, n, 0)))
    return;
  int next = (int)r[n->out[0]].sum;
  const nd_node *after = nd_node_at(g, next);
  if (!nd_out_value(g, after, 0)->is_input && n->op->absorb(n, after))
    exchange_outputs(g, i, next);
}

static void take_in(nd_graph *g, int i, int input, int before, readers *r) {
  nd_node *n = nd_node_at(g, i);
  count_reads(g, i, -1, r);
  if (n->op->take_in(g, n, input, nd_node_at(g, before)))
    count_reads(g, before, -1, r); /* it does not run any more */
  count_reads(g, i, 1, r);
}

/* What is taken in has its own activation by then. */
static void absorb_before(nd_graph *g, int i, const readers *r) {
  const nd_node *n = nd_node_at(g, i);
  const nd_value *v = n->n_in != 1 || n->in[0] < 0 ? NULL : nd_in_value(g, n, 0);
  if (v && v->producer >= 0)
    absorb_next(g, v->producer, r);
}

static void take_in_inputs(nd_graph *g, int i, readers *r) {
  nd_node *n = nd_node_at(g, i);
  for (int k = 0, n_in = n->n_in; n->op->take_in && k < n_in; k++) {
    const nd_value *v = n->in[k] < 0 ? NULL : nd_in_value(g, n, k);
    if (v && v->producer >= 0)
      absorb_before(g, v->producer, r);
    v = n->in[k] < 0 ? NULL : nd_in_value(g, n, k);
    if (v && v->producer >= 0 && nd_node_at(g, v->producer)->n_out == 1 && reads_alone(r, n->in[k], i) &&
        !is_seen(v))
      take_in(g, i, k, v->producer, r);
  }
}

void nd_fuse(nd_graph *g) {
  g_autofree readers *r = g_new0(readers, MAX(g->values->len, 1));
  for (int i = 0; i < nd_node_count(g); i++)
    count_reads(g, i, 1, r);
  for (int i = nd_node_count(g) - 1; i >= 0; i--) {
    absorb_next(g, i, r);
    take_in_inputs(g, i, r);
  }
}
