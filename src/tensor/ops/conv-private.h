/* What the operators built on convolution share. */
#ifndef ND_CONV_PRIVATE_H
#define ND_CONV_PRIVATE_H

#include "tensor/kernels/conv.h"
#include "tensor/ops/ops-private.h"

typedef struct nd_conv_attr {
  nd_conv_shape shape;
  nd_conv2d_settings s;
  nd_upsample_attr enlarged; /* of a composed shape; factor 0: input 0 is as it is */
  nd_act first;              /* of a shape with `through`: the linear layer's activation */
} nd_conv_attr;

/* Inputs of a convolution with `through`: the linear layer's. */
enum { ND_CONV_FIRST_WEIGHTS = 3, ND_CONV_FIRST_BIAS = 4 };

/* conv_sources.c. nd_op.take_in of a convolution, by which its shape may become a composed one or one with
 * `through`. */
bool nd_conv_take_in(const nd_graph *g, nd_node *n, int i, const nd_node *before);
/* Where input 0 is enlarged: its rows that rows `of` of the output are made of. */
nd_rows nd_conv_source_rows(const nd_graph *g, const nd_node *n, nd_rows of);
/* Bytes at the head of the scratch memory, for so many rows of the input as the convolution sees it. */
size_t nd_conv_sources_scratch(const nd_conv_attr *a, int rows);
/* The sources of a run, and of s what depends on them; e is what x may point at. */
void nd_conv_find_sources(const nd_run_context *r, nd_conv_shape *s, nd_enlarged *e, nd_conv_source x[2]);

/* dy, weights -> dx; and x, dy -> dweights and, where it is an output, dbias. */
extern const nd_op nd_op_conv2d_backward_data, nd_op_conv2d_backward_weights;
/* x, dy, weights -> dx, dweights and, where it is an output, dbias; where nd_conv_takes_both. */
extern const nd_op nd_op_conv2d, nd_op_conv2d_backward;

/* The node, which has an nd_conv_attr, as ONNX's Conv or ConvTranspose; bias may be ND_NONE. */
const char *nd_onnx_convolution(nd_onnx *o, const char *type, const nd_node *n, nd_tensor bias);

#endif
