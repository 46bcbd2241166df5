/* Convolution of NHWC images on the CPU: forward, and the two backward passes. Images are fp32 or bf16, sums
 * and weights fp32.
 *
 * All buffers are dense. x: n,h,w,ci. y: n,oh,ow,co. weights: co,ci/groups,kh,kw (PyTorch's order, as in a
 * checkpoint). Scratch is 64-byte aligned, of the size the matching _scratch function gives; its contents
 * need no initialisation and mean nothing afterwards. Nothing here allocates. Results depend on the shape and
 * the thread count alone, bit for bit.
 */
#ifndef ND_KERNELS_CONV_H
#define ND_KERNELS_CONV_H

#include "tensor/kernels/bilinear.h"
#include "tensor/kernels/data.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct nd_conv_shape {
  int n, h, w, ci; /* input */
  int oh, ow, co;  /* output */
  int kh, kw, stride, pad, dilation, groups;
  nd_dtype x_type, y_type; /* of x and dx, of y and dy; depth-wise shapes are fp32 alone */
  /* Forward, of one image (n 1) without depth-wise groups: so many of the `pad` rows above are there, before
   * the others in x, and counted by h. For a part of a picture; 0 otherwise. */
  int above;
  bool composed; /* forward alone: by nd_conv_forward_of, from sources */
  /* Where nd_conv_takes_gate, forward and nd_conv_backward_both: y is n,oh,ow,co/2, the first half of the
   * channels, through the activation (ND_LINEAR or ND_GELU), times the second. */
  bool gated;
  int through; /* forward alone: channels of x where nd_conv_forward_through makes the ci of them; else 0 */
} nd_conv_shape;

/* Of what x is made while it is read: images of c channels, as they are or (not NULL) enlarged to h x w. */
typedef struct nd_conv_source {
  const void *pixels;
  nd_dtype type;
  int c;
  const nd_enlarged *enlarged;
} nd_conv_source;

typedef enum nd_activation { ND_LINEAR, ND_RELU, ND_LEAKY_RELU, ND_GELU } nd_activation;

/* What is done to a convolution's sums before they are stored. */
typedef struct nd_epilogue {
  const float *bias; /* of the first channel stored, or NULL */
  nd_activation activation;
  float slope; /* of ND_LEAKY_RELU below 0 */
} nd_epilogue;

/* A linear layer: weights co,ci; bias may be NULL; activation: ND_LINEAR or ND_GELU. */
typedef struct nd_conv_linear {
  const float *weights, *bias;
  nd_activation activation;
} nd_conv_linear;

/* True when these kernels take the shape; otherwise the caller goes to oneDNN. */
bool nd_conv_supported(const nd_conv_shape *s);

/* Linear layers and depth-wise convolutions: ND_GELU, too, is theirs to apply. */
bool nd_conv_takes_gelu(const nd_conv_shape *s);

/* Depth-wise convolutions of an even number of channels: shape.gated, too. */
bool nd_conv_takes_gate(const nd_conv_shape *s);

/* y = activation(conv(x, weights) + bias). ND_GELU only where it is taken. */
size_t nd_conv_forward_scratch(const nd_conv_shape *s);
void nd_conv_forward(const nd_conv_shape *s, const void *x, const float *weights, const nd_epilogue *e,
                     void *y, void *scratch);

/* The same where x is up to two sources one after the other by channel; the second one's c is 0 if there is
 * one. Only of shapes that are taken, with `composed` set, and the first of two has a multiple of 16
 * channels. */
bool nd_conv_takes_sources(const nd_conv_shape *s);
void nd_conv_forward_of(const nd_conv_shape *s, const nd_conv_source x[2], const float *weights,
                        const nd_epilogue *e, void *y, void *scratch);

/* The same of what a linear layer makes of x: n,h,w,through, fp32. Only of shapes that are taken. */
bool nd_conv_takes_linear(const nd_conv_shape *s);
void nd_conv_forward_through(const nd_conv_shape *s, const float *x, const nd_conv_linear *first,
                             const float *weights, const nd_epilogue *e, float *y, void *scratch);

/* dx from dy. */
size_t nd_conv_backward_data_scratch(const nd_conv_shape *s);
void nd_conv_backward_data(const nd_conv_shape *s, const void *dy, const float *weights, void *dx,
                           void *scratch);

/* dweights (and dbias unless NULL) from x and dy; overwrites. */
size_t nd_conv_backward_weights_scratch(const nd_conv_shape *s);
void nd_conv_backward_weights(const nd_conv_shape *s, const void *x, const void *dy, float *dweights,
                              float *dbias, void *scratch);

/* dx, dweights (and dbias unless NULL) in one pass, of depth-wise shapes that are taken; overwrites. With
 * shape.gated, dy is the gradient of what the gate leaves, and e that of the forward pass (ND_LINEAR or
 * ND_GELU); else it does not matter. */
bool nd_conv_takes_both(const nd_conv_shape *s);
size_t nd_conv_backward_both_scratch(const nd_conv_shape *s);
void nd_conv_backward_both(const nd_conv_shape *s, const float *x, const float *dy, const float *weights,
                           const nd_epilogue *e, float *dx, float *dweights, float *dbias, void *scratch);

#endif
