/* Both gradients of a depth-wise convolution at once, and with them that of a gate behind it, which becomes a
 * part of this node: neither what the convolution gave nor its gradient is stored then. */
#include "tensor/ops/conv-private.h"

enum { X, DY, WEIGHTS, BIAS };

static int prepare(const nd_graph *g, nd_node *n) {
  (void)g;
  n->scratch_bytes = nd_conv_backward_both_scratch(&((const nd_conv_attr *)n->attr)->shape);
  return 0;
}

static void run(const nd_run_context *r) {
  const nd_conv_attr *a = r->node->attr;
  nd_epilogue e = {nd_run_in(r, BIAS), a->s.activation == ND_ACT_GELU ? ND_GELU : ND_LINEAR, 0};
  nd_conv_backward_both(&a->shape, nd_run_in(r, X), nd_run_in(r, DY), nd_run_in(r, WEIGHTS), &e,
                        nd_run_out(r, 0), nd_run_out(r, 1), nd_run_out(r, 2), r->scratch);
}

/* Two passes, and where the convolution is done again three. */
static double flops(const nd_graph *g, const nd_node *n) {
  (void)g;
  const nd_conv_shape *s = &((const nd_conv_attr *)n->attr)->shape;
  return (s->gated ? 3 : 2) * 2.0 * s->n * s->oh * s->ow * s->co * s->kh * s->kw;
}

/* The gate reads what this convolution made. */
static bool take_in(const nd_graph *g, nd_node *n, int i, const nd_node *before) {
  nd_conv_attr *a = n->attr;
  if (i != DY || a->shape.gated || before->op != &nd_op_gate_backward || !nd_conv_takes_gate(&a->shape))
    return false;
  const nd_value *gated = nd_in_value(g, before, 0);
  const nd_node *conv = gated->producer < 0 ? NULL : nd_node_at(g, gated->producer);
  if (!conv || conv->op != &nd_op_conv2d || conv->in[0] != n->in[X] || conv->in[1] != n->in[WEIGHTS])
    return false;
  n->in[DY] = before->in[1];
  n->in[BIAS] = conv->in[2];
  n->n_in = BIAS + 1;
  a->shape.gated = true;
  a->s.activation = *(const nd_act *)before->attr;
  return true;
}

const nd_op nd_op_conv2d_backward = {.name = "conv2d_backward",
                                     .attr_size = sizeof(nd_conv_attr),
                                     .take_in = take_in,
                                     .prepare = prepare,
                                     .run = run,
                                     .flops = flops};
