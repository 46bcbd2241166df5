/* The linear layer on every pixel: a convolution of 1 x 1 weights without stride or padding, as products of
 * matrices. Each function takes its scratch from the arena and returns what that came to; with a counting
 * arena it computes nothing and reads only the shape. */
#ifndef ND_KERNELS_LINEAR_H
#define ND_KERNELS_LINEAR_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/micro.h"

bool nd_linear_takes(const nd_conv_shape *s);
size_t nd_linear_forward(const nd_conv_shape *s, const void *x, const float *weights, const nd_epilogue *e,
                         void *y, nd_arena scratch);
size_t nd_linear_backward_data(const nd_conv_shape *s, const void *dy, const float *weights, void *dx,
                               nd_arena scratch);
/* dbias may be NULL. */
size_t nd_linear_backward_weights(const nd_conv_shape *s, const void *x, const void *dy, float *dweights,
                                  float *dbias, nd_arena scratch);

#endif
