/* The product of two matrices, in blocks that stay in the caches of the thread that computes them. */
#ifndef ND_KERNELS_PRODUCT_H
#define ND_KERNELS_PRODUCT_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/micro.h"

/* c = activation(a b + bias), c: m x n, a: m x k, b: k x n, row after row. */
typedef struct nd_product {
  int m, n, k;
  nd_data a, b, c;
  bool a_transposed, b_transposed; /* a: k x m in memory; b: n x k, fp32 */
  nd_epilogue epilogue;
  bool shares_depth; /* sums may be cut among threads, and depend on how many there are; no epilogue then */
  float *a_sums;     /* unless NULL, of a transposed a: the sum of each of the m rows of a */
} nd_product;

/* Returns the bytes of scratch; computes nothing while the arena counts, and then reads only sizes and types.
 */
size_t nd_product_compute(const nd_product *p, nd_arena scratch);

#endif
