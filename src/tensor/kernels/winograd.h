/* Convolution with 3x3 kernels of stride 1 by Winograd's minimal filtering, F(4x4, 3x3): 36 multiplications
 * for what takes 144 directly. Each function takes its scratch from the arena and returns what that came to;
 * with a counting arena it computes nothing and reads only the shape.
 *
 * Rounding: with 512 channels of normal data the largest error is about 3e-6 of the largest output, see
 * winograd_template.h.
 */
#ifndef ND_KERNELS_WINOGRAD_H
#define ND_KERNELS_WINOGRAD_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/micro.h"

/* 3x3, stride 1, dilation 1, any padding. */
bool nd_winograd_takes(const nd_conv_shape *s);

size_t nd_winograd_forward(const nd_conv_shape *s, const nd_conv_source x[2], const float *weights,
                           const nd_epilogue *e, void *y, nd_arena scratch);
size_t nd_winograd_backward_data(const nd_conv_shape *s, const void *dy, const float *weights, void *dx,
                                 nd_arena scratch);
/* dbias may be NULL. */
size_t nd_winograd_backward_weights(const nd_conv_shape *s, const void *x, const void *dy, float *dweights,
                                    float *dbias, nd_arena scratch);

#endif
