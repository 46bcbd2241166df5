#include "tensor/kernels/elementary.h"

#include "base/base.h"

ND_KERNEL void nd_gelu_rows(float *x, int rows, int count, ptrdiff_t step) {
  for (; rows > 0; rows--, x += step)
    for (int i = 0; i < count; i++)
      x[i] = nd_geluf(x[i]);
}
