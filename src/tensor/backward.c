/* Reverse-mode differentiation: walks the nodes backwards and appends their gradient nodes.
 *
 * What a gradient needs of the forward pass is kept until then, but for outputs of cheap operators, and of
 * all that was built under nd_recompute: a second node computes them again just before the first gradient
 * that reads them (Chen et al. 2016, "Training deep nets with sublinear memory cost"). The inputs of cheap
 * operators are mostly kept anyway, for their own gradients. */
#include "tensor/graph-private.h"
#include "tensor/ops/ops-private.h"

static void accumulate(nd_graph *g, nd_tensor t, nd_tensor contribution) {
  if (contribution < 0 || nd_graph_failed(g))
    return;
  nd_tensor before = nd_value_of(g, t)->gradient;
  nd_tensor sum = contribution;
  if (before >= 0)
    sum = nd_append_like(g, &nd_op_add, NULL, 2, (nd_tensor[]){before, contribution}, before);
  nd_value_of(g, t)->gradient = sum;
}

/* What was computed again, by tensor of the forward pass; ND_NONE where nothing was. */
typedef struct recall {
  nd_tensor *rerun; /* what is built under nd_recompute, by a second run of all of it */
  nd_tensor *again; /* cheap operators, just before they are read */
} recall;

static bool is_cheap(const nd_node *n) {
  return n->op->view || (n->op->again && (!n->op->again_for || n->op->again_for(n)));
}

/* Appends the node that computes n's output 0 again from `in`, and notes what it gives. */
static void append_again(nd_graph *g, const nd_node *n, const nd_tensor *in, nd_tensor *note) {
  const nd_op *op = n->op->view || !n->op->again ? n->op : n->op->again;
  nd_tensor all[ND_MAX_IN];
  int n_in = 0;
  for (int i = 0; i < n->n_in; i++)
    all[n_in++] = in[i];
  for (int i = 1; op != n->op && i < n->n_out; i++)
    all[n_in++] = n->out[i];
  nd_tensor first = nd_append_like(g, op, n->attr, n_in, all, n->out[0]);
  if (first < 0)
    return;
  nd_carry_dropout(g, n);
  note[n->out[0]] = first;
  for (int i = 1; op == n->op && i < n->n_out; i++) {
    nd_value v = *nd_value_of(g, n->out[i]);
    note[n->out[i]] = nd_append_output(g, v.rank, v.dims);
  }
}

/* t, or what the second run has in its place. */
static nd_tensor rerun(nd_graph *g, const recall *r, nd_tensor t) {
  if (t < 0 || nd_value_of(g, t)->producer < 0 || nd_value_of(g, t)->is_output)
    return t;
  const nd_node n = *nd_node_at(g, nd_value_of(g, t)->producer);
  bool is_second_output = n.op->again && n.op->again != n.op && t != n.out[0];
  if (!n.recompute || is_second_output)
    return t;
  if (r->rerun[t] >= 0)
    return r->rerun[t];
  nd_tensor in[ND_MAX_IN] = {0};
  for (int i = 0; i < n.n_in; i++)
    in[i] = rerun(g, r, n.in[i]);
  append_again(g, &n, in, r->rerun);
  return r->rerun[t];
}

/* t as a gradient reads it: as it is, of the second run, or a cheap operator's computed for it. */
static nd_tensor recalled(nd_graph *g, const recall *r, nd_tensor t) {
  if (t < 0 || nd_value_of(g, t)->producer < 0 || nd_value_of(g, t)->is_output)
    return t;
  const nd_node n = *nd_node_at(g, nd_value_of(g, t)->producer);
  bool is_second_output = n.op->again != n.op && t != n.out[0];
  if (!is_cheap(&n) || (!n.op->view && is_second_output))
    return rerun(g, r, t);
  if (r->again[t] >= 0)
    return r->again[t];
  nd_tensor in[ND_MAX_IN] = {0};
  for (int i = 0; i < n.n_in; i++)
    in[i] = recalled(g, r, n.in[i]);
  if (n.op->view && in[0] == n.in[0])
    return t;
  append_again(g, &n, in, r->again);
  return r->again[t];
}

static void differentiate(nd_graph *g, const nd_node *node, const recall *r) {
  nd_tensor dout[ND_MAX_OUT], din[ND_MAX_IN];
  bool wanted[ND_MAX_IN], any = false;
  for (int i = 0; i < node->n_out; i++) {
    dout[i] = nd_out_value(g, node, i)->gradient;
    any = any || dout[i] >= 0;
  }
  if (!any || !node->op->gradient)
    return;
  for (int i = 0; i < node->n_in; i++) {
    wanted[i] = node->in[i] >= 0 && nd_in_value(g, node, i)->needs_gradient;
    din[i] = ND_NONE;
  }
  nd_node reader = *node;
  for (int i = 0; i < node->n_in; i++)
    reader.in[i] = recalled(g, r, node->in[i]);
  node->op->gradient(g, &reader, dout, wanted, din);
  for (int i = 0; i < node->n_in; i++)
    if (wanted[i])
      accumulate(g, node->in[i], din[i]);
}

static bool is_read_once(const nd_graph *g, nd_tensor t) {
  int readers = 0;
  for (int i = 0; i < nd_node_count(g); i++)
    for (int k = 0; k < nd_node_at(g, i)->n_in; k++)
      readers += nd_node_at(g, i)->in[k] == t;
  return readers == 1;
}

/* A parameter used more than once: the sums so far stand where the last one will, or they would be kept in
 * the arena until then. */
static void place_partial_sums(nd_graph *g, int param, const nd_node *sum) {
  while (sum->op == &nd_op_add) {
    nd_value *v = nd_value_of(g, sum->in[0]);
    if (v->producer < 0 || v->place != ND_IN_ARENA || v->param >= 0)
      return;
    const nd_node *before = nd_node_at(g, v->producer);
    if (before->op->view || !is_read_once(g, sum->in[0]))
      return;
    v->place = ND_IN_GRADIENTS;
    v->param = param;
    v->is_partial = true;
    sum = before;
  }
}

/* Puts the finished gradient of a parameter into the buffer of gradients. */
static void place_parameter_gradient(nd_graph *g, int param, nd_tensor t) {
  nd_tensor gradient = nd_value_of(g, t)->gradient;
  if (gradient < 0)
    return;
  nd_value *v = nd_value_of(g, gradient);
  bool own =
      v->producer >= 0 && !nd_node_at(g, v->producer)->op->view && v->place == ND_IN_ARENA && v->param < 0;
  if (!own) {
    nd_affine_attr copy = {1, 0};
    gradient = nd_append_like(g, &nd_op_affine, &copy, 1, &gradient, t);
    if (gradient < 0)
      return;
    nd_value_of(g, t)->gradient = gradient;
    v = nd_value_of(g, gradient);
  }
  v->place = ND_IN_GRADIENTS;
  v->param = param;
  if (own)
    place_partial_sums(g, param, nd_node_at(g, v->producer));
}

int nd_backward(nd_graph *g, nd_tensor loss) {
  if (nd_graph_failed(g))
    return nd_fail("%s", g->failure);
  if (loss < 0 || nd_value_of(g, loss)->count != 1)
    return nd_fail("backward: the loss must be one number");
  if (g->differentiated)
    return nd_fail("backward: this graph has its gradient already");
  g->differentiated = true;
  int forward_nodes = g->forward_nodes = nd_node_count(g);
  g_autofree nd_tensor *second = g_new(nd_tensor, g->values->len), *again = g_new(nd_tensor, g->values->len);
  for (guint t = 0; t < g->values->len; t++)
    second[t] = again[t] = ND_NONE;
  recall r = {second, again};
  nd_tensor one = nd_constant(g, 1, &(float){1});
  if (one >= 0)
    nd_value_of(g, loss)->gradient = one;
  for (int i = forward_nodes - 1; i >= 0 && !nd_graph_failed(g); i--) {
    nd_node node = *nd_node_at(g, i);
    differentiate(g, &node, &r);
  }
  for (int i = 0; i < g->n_param_tensor && !nd_graph_failed(g); i++)
    if (g->param_tensor[i] >= 0)
      place_parameter_gradient(g, i, g->param_tensor[i]);
  return nd_graph_failed(g) ? nd_fail("%s", g->failure) : 0;
}

nd_tensor nd_gradient(const nd_graph *g, nd_tensor t) {
  return t < 0 ? ND_NONE : nd_value_of(g, t)->gradient;
}
