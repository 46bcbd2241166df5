#include "multiplied.h"

#include "tensor/kernels/choose.h"
#include "tensor/kernels/tiles.h"
#include "tensor/ops/conv-private.h"
#include "tensor/plan-private.h"

extern const nd_op nd_op_conv2d;

static bool is_convolution(const nd_op *op, nd_conv_pass *pass) {
  *pass = op == &nd_op_conv2d_backward_data      ? ND_CONV_BACKWARD_DATA
          : op == &nd_op_conv2d_backward_weights ? ND_CONV_BACKWARD_WEIGHTS
                                                 : ND_CONV_FORWARD;
  return op == &nd_op_conv2d || *pass != ND_CONV_FORWARD;
}

static double multiplied(const nd_graph *g, const nd_node *n) {
  nd_conv_pass pass;
  if (!is_convolution(n->op, &pass) || n->state)
    return nd_node_flops(g, n);
  const nd_conv_shape *s = &((const nd_conv_attr *)n->attr)->shape;
  bool data = pass == ND_CONV_BACKWARD_DATA;
  if (nd_conv_choose(s, pass) != ND_CONV_WINOGRAD)
    return nd_node_flops(g, n);
  return 2.0 * nd_tiles_of(s->n, data ? s->h : s->oh, data ? s->w : s->ow).count * ND_FREQUENCIES * s->ci *
         s->co;
}

double nd_multiplied(const nd_plan *plan) {
  double sum = 0;
  for (guint i = 0; i < plan->order->len; i++)
    sum += multiplied(plan->graph, nd_node_at(plan->graph, g_array_index(plan->order, int, i)));
  return sum;
}
