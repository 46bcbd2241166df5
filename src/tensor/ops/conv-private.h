/* What the operators built on convolution share. */
#ifndef ND_CONV_PRIVATE_H
#define ND_CONV_PRIVATE_H

#include "tensor/kernels/conv.h"
#include "tensor/ops/ops-private.h"

typedef struct nd_conv_attr {
  nd_conv_shape shape;
  nd_conv2d_settings s;
} nd_conv_attr;

/* dy, weights -> dx; and x, dy -> dweights and, where it is an output, dbias. */
extern const nd_op nd_op_conv2d_backward_data, nd_op_conv2d_backward_weights;

/* The node, which has an nd_conv_attr, as ONNX's Conv or ConvTranspose; bias may be ND_NONE. */
const char *nd_onnx_convolution(nd_onnx *o, const char *type, const nd_node *n, nd_tensor bias);

#endif
