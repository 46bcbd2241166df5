/* Batched product of fp32 matrices, through the same inner loop as the convolutions.
 *
 *   out[p] = scale * a[p] b[p],  out: m x n, a: m x k, b: k x n, row after row; p < batch
 *
 * a (then k x m in memory) and b (then n x k) may be transposed. Nothing is allocated; results depend on the
 * shape alone, bit for bit.
 */
#ifndef ND_KERNELS_MATMUL_H
#define ND_KERNELS_MATMUL_H

#include <stdbool.h>

typedef struct nd_matmul_shape {
  int batch, m, n, k;
  bool transpose_a, transpose_b;
  float scale;
} nd_matmul_shape;

void nd_matmul_multiply(const nd_matmul_shape *s, const float *a, const float *b, float *out);

#endif
