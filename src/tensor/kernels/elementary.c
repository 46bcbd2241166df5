#include "tensor/kernels/elementary.h"

#include "base/base.h"

/* e^-87 is just a normal number, e^88 just finite. */
const float nd_exp_low = -87.0f, nd_exp_high = 88.0f;

ND_KERNEL void nd_gelu_rows(float *x, int rows, int count, ptrdiff_t step) {
  for (; rows > 0; rows--, x += step)
    for (int i = 0; i < count; i++)
      x[i] *= nd_normal_belowf(x[i]);
}
