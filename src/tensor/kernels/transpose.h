/* 4x4 transposes in vectors of four floats, which every processor at hand has. */
#ifndef ND_KERNELS_TRANSPOSE_H
#define ND_KERNELS_TRANSPOSE_H

#include <stddef.h>

typedef float nd_four __attribute__((vector_size(16)));
typedef float nd_four_anywhere __attribute__((vector_size(16), aligned(4), may_alias));

/* to[j * to_step + i] = from[i * from_step + j] for i, j < 4. */
static inline void nd_transpose_four(const float *from, ptrdiff_t from_step, float *to, ptrdiff_t to_step) {
  nd_four a = *(const nd_four_anywhere *)from, b = *(const nd_four_anywhere *)(from + from_step);
  nd_four c = *(const nd_four_anywhere *)(from + 2 * from_step),
          d = *(const nd_four_anywhere *)(from + 3 * from_step);
  nd_four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
          cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  nd_four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7),
          cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *(nd_four_anywhere *)to = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
  *(nd_four_anywhere *)(to + to_step) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  *(nd_four_anywhere *)(to + 2 * to_step) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  *(nd_four_anywhere *)(to + 3 * to_step) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

#endif
