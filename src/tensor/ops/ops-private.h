/* What operators say to one another: attributes and operators that other files append. */
#ifndef ND_OPS_PRIVATE_H
#define ND_OPS_PRIVATE_H

#include "tensor/graph-private.h"
#include "tensor/kernels/bilinear.h"
#include "tensor/onnx-private.h"

/* Elements a thread takes at least in element-wise work; and what it widens at a time, on its stack. */
enum { ND_GRAIN = 8192, ND_PIECE = 1024 };

/* nd_op.takes_bf16 of operators that take it whatever their shape. */
static inline bool nd_always_takes_bf16(const nd_node *n) {
  (void)n;
  return true;
}

/* nd_op.linear likewise. */
static inline bool nd_always_linear(const nd_node *n) {
  (void)n;
  return true;
}

typedef struct nd_affine_attr {
  float scale, shift;
} nd_affine_attr;

typedef struct nd_activate_attr {
  nd_act kind;
  float slope;
} nd_activate_attr;

typedef struct nd_upsample_attr {
  int factor;
  bool centred;
} nd_upsample_attr;

extern const nd_op nd_op_add, nd_op_affine, nd_op_activate, nd_op_activate_backward;
extern const nd_op nd_op_concat; /* its attr: the axis, an int */
/* Their attr: an nd_act. x, dy -> dx. */
extern const nd_op nd_op_gate, nd_op_gate_backward;
extern const nd_op nd_op_upsample_bilinear;

/* An axis of an input of `in` numbers, which starts at `begin` of `full`; window: numbers of the picture at
 * hand, 0 where that is the whole (nd_window). */
nd_axis nd_upsample_axis(const nd_upsample_attr *a, int in, int begin, int full, int window);
/* The input's rows that rows `of` sample, without a window. */
nd_rows nd_upsample_rows(nd_rows of, nd_axis rows);

/* dy times the derivative of the activation; saved: its output for RELU and LEAKY_RELU, its input for SILU
 * and GELU. */
nd_tensor nd_activate_backward(nd_graph *g, nd_tensor saved, nd_tensor dy, nd_act kind, float slope);
/* In double precision, for references. */
double nd_activation_reference(double x, nd_act kind, float slope);
/* The activation as nodes of ONNX. */
const char *nd_onnx_activation(nd_onnx *o, const char *x, nd_act kind, float slope);

/* nd_op.rows of operators that work pixel by pixel. */
bool nd_same_rows(const nd_graph *g, const nd_node *n, int i, nd_rows of, nd_rows *from);

#endif
