/* A linear layer on every pixel and the depth-wise 3 x 3 convolution of its result in one pass (the halves of
 * a separable convolution, the other way round: Restormer, NAFNet and Uformer have them so). What is between
 * them, the largest tensor of such a network, is never stored. */
#ifndef ND_KERNELS_SEPARABLE_H
#define ND_KERNELS_SEPARABLE_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/micro.h"

bool nd_separable_takes(const nd_conv_shape *s);
/* s: of the depth-wise convolution, s->through set. To be called like the functions of direct.h. */
size_t nd_separable_forward(const nd_conv_shape *s, const float *x, const nd_conv_linear *first,
                            const float *weights, const nd_epilogue *e, float *y, nd_arena scratch);

#endif
