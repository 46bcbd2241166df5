/* Activations and gates become part of the convolution before them, whose sums are still in the cache, and
 * what is joined or enlarged a part of the one after, which reads it where it is. Networks know nothing of
 * it. What a backward pass asks for is read by it as well, so it stays; what that computes again is not. */
#include "tensor/plan-private.h"

enum { NOBODY = -1, SEVERAL = -2 };

/* By tensor: the node that reads it. */
static int *find_readers(const nd_graph *g) {
  int *reader = g_new(int, MAX(g->values->len, 1));
  for (guint t = 0; t < g->values->len; t++)
    reader[t] = NOBODY;
  for (int i = 0; i < nd_node_count(g); i++) {
    const nd_node *n = nd_node_at(g, i);
    for (int k = 0; k < n->n_in; k++)
      if (n->in[k] >= 0)
        reader[n->in[k]] = reader[n->in[k]] == NOBODY ? i : SEVERAL;
  }
  return reader;
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

static void absorb_next(nd_graph *g, int i, const int *reader) {
  nd_node *n = nd_node_at(g, i);
  int next = n->n_out == 1 ? reader[n->out[0]] : NOBODY;
  if (next < 0 || !n->op->absorb || is_seen(nd_out_value(g, n, 0)))
    return;
  const nd_node *after = nd_node_at(g, next);
  if (!nd_out_value(g, after, 0)->is_input && n->op->absorb(n, after))
    exchange_outputs(g, i, next);
}

static void take_in_inputs(nd_graph *g, int i, const int *reader) {
  nd_node *n = nd_node_at(g, i);
  for (int k = 0, n_in = n->n_in; n->op->take_in && k < n_in; k++) {
    const nd_value *v = n->in[k] < 0 ? NULL : nd_in_value(g, n, k);
    if (v && v->producer >= 0 && reader[n->in[k]] == i && !is_seen(v))
      n->op->take_in(g, n, k, nd_node_at(g, v->producer));
  }
}

void nd_fuse(nd_graph *g) {
  g_autofree int *reader = find_readers(g);
  for (int i = 0; i < nd_node_count(g); i++) {
    absorb_next(g, i, reader);
    take_in_inputs(g, i, reader);
  }
}
