/* Depth-wise 3 x 3 convolution of stride 1: every channel by itself, any padding. The functions
 * are to be called like those of direct.h. */
#ifndef ND_KERNELS_DEPTHWISE_H
#define ND_KERNELS_DEPTHWISE_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/micro.h"

bool nd_depthwise_takes(const nd_conv_shape *s);
size_t nd_depthwise_forward(const nd_conv_shape *s, const float *x, const float *weights,
                            const nd_epilogue *e, float *y, nd_arena scratch);
size_t nd_depthwise_backward_data(const nd_conv_shape *s, const float *dy, const float *weights, float *dx,
                                  nd_arena scratch);
/* dbias may be NULL. */
size_t nd_depthwise_backward_weights(const nd_conv_shape *s, const float *x, const float *dy, float *dweights,
                                     float *dbias, nd_arena scratch);

/* Both at once, of shapes with padding 1. Where s->gated is set, x goes on through the gate that it tells of:
 * dy is that of what the gate leaves, n,oh,ow,c/2, and e the bias and the activation of the forward pass;
 * else e is not looked at. */
bool nd_depthwise_takes_both(const nd_conv_shape *s);
size_t nd_depthwise_backward_both(const nd_conv_shape *s, const float *x, const float *dy,
                                  const float *weights, const nd_epilogue *e, float *dx, float *dweights,
                                  float *dbias, nd_arena scratch);

#endif
