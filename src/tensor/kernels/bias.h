/* The gradient of a bias: dy summed over the pixels. */
#ifndef ND_KERNELS_BIAS_H
#define ND_KERNELS_BIAS_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/data.h"

/* dy: pixels, channels. dbias NULL: nothing. Returns the arena's use; computes nothing while it counts. */
size_t nd_bias_gradient(size_t pixels, int channels, nd_data dy, float *dbias, nd_arena scratch);

#endif
