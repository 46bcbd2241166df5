/* Which method computes a convolution. */
#ifndef ND_KERNELS_CHOOSE_H
#define ND_KERNELS_CHOOSE_H

#include "tensor/kernels/conv.h"

typedef enum nd_conv_method {
  ND_CONV_AUTO,
  ND_CONV_DIRECT,
  ND_CONV_WINOGRAD,
  ND_CONV_DEPTHWISE,
  ND_CONV_LINEAR
} nd_conv_method;
typedef enum nd_conv_pass { ND_CONV_FORWARD, ND_CONV_BACKWARD_DATA, ND_CONV_BACKWARD_WEIGHTS } nd_conv_pass;

/* Depends on the shape alone. Never ND_CONV_AUTO. */
nd_conv_method nd_conv_choose(const nd_conv_shape *s, nd_conv_pass pass);

/* For tests and benchmarks: from now on this method wherever it can, in this process. Not thread-safe. */
void nd_conv_force(nd_conv_method method);

#endif
