/* Sums, maxima and softmax over rows, so that they vectorise and their order depends on the shape alone. */
#ifndef ND_KERNELS_SUMS_H
#define ND_KERNELS_SUMS_H

#include "tensor/kernels/elementary.h"

#include <stddef.h>

/* ---- Many pixels: blocks of them in fp32, the blocks' sums in double ---- */
enum { ND_SUM_BLOCK = 256 }; /* pixels */

static inline size_t nd_sum_blocks(size_t pixels) {
  return (pixels + ND_SUM_BLOCK - 1) / ND_SUM_BLOCK;
}

/* count numbers, each `stride` floats after the one before. */
static inline double nd_sum_apart(const float *x, size_t count, size_t stride) {
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += (double)x[i * stride];
  return sum;
}

/* ---- A row: n numbers side by side, n > 0 ---- */
enum { ND_SUM_LANES = 16 };

static inline float nd_row_largest(const float *x, size_t n) {
  float lanes[ND_SUM_LANES], top = x[0];
  size_t k = 0;
  for (int i = 0; i < ND_SUM_LANES; i++)
    lanes[i] = x[0];
  for (; k + ND_SUM_LANES <= n; k += ND_SUM_LANES)
    for (int i = 0; i < ND_SUM_LANES; i++)
      lanes[i] = x[k + (size_t)i] > lanes[i] ? x[k + (size_t)i] : lanes[i];
  for (; k < n; k++)
    top = x[k] > top ? x[k] : top;
  for (int i = 0; i < ND_SUM_LANES; i++)
    top = lanes[i] > top ? lanes[i] : top;
  return top;
}

static inline float nd_sum_lanes(const float lanes[ND_SUM_LANES]) {
  float sum = 0;
  for (int i = 0; i < ND_SUM_LANES; i++)
    sum += lanes[i];
  return sum;
}

static inline float nd_row_sum(const float *x, size_t n) {
  float lanes[ND_SUM_LANES] = {0}, rest = 0;
  size_t k = 0;
  for (; k + ND_SUM_LANES <= n; k += ND_SUM_LANES)
    for (size_t i = 0; i < ND_SUM_LANES; i++)
      lanes[i] += x[k + i];
  for (; k < n; k++)
    rest += x[k];
  return nd_sum_lanes(lanes) + rest;
}

static inline float nd_row_dot(const float *x, const float *y, size_t n) {
  float lanes[ND_SUM_LANES] = {0}, rest = 0;
  size_t k = 0;
  for (; k + ND_SUM_LANES <= n; k += ND_SUM_LANES)
    for (size_t i = 0; i < ND_SUM_LANES; i++)
      lanes[i] += x[k + i] * y[k + i];
  for (; k < n; k++)
    rest += x[k] * y[k];
  return nd_sum_lanes(lanes) + rest;
}

/* x to its softmax. */
static inline void nd_row_softmax(float *x, size_t n) {
  const float top = nd_row_largest(x, n);
  for (size_t k = 0; k < n; k++)
    x[k] = nd_expf(x[k] - top);
  const float scale = 1 / nd_row_sum(x, n);
  for (size_t k = 0; k < n; k++)
    x[k] *= scale;
}

/* d: the gradient of the softmax y, to that of what it was taken of. */
static inline void nd_row_softmax_backward(const float *restrict y, float *restrict d, size_t n) {
  const float mean = nd_row_dot(y, d, n);
  for (size_t k = 0; k < n; k++)
    d[k] = y[k] * (d[k] - mean);
}

#endif
