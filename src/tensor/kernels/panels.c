#include "tensor/kernels/panels.h"

#include "base/base.h"
#include "tensor/kernels/elementary.h"
#include "tensor/kernels/transpose.h"

/* ---- From plain matrices ---- */

void nd_panels_pack(const nd_panels *p, const float *x, ptrdiff_t x_row) {
  for (int j = 0; j < p->columns; j += nd_panels_step(p)) {
    int width = nd_panel_width(p, j);
    float *to = nd_panel_at(p, j);
    const float *from = x + j;
    for (int i = 0; i < p->rows; i++, to += width, from += x_row)
      for (int k = 0; k < width; k += 4)
        *(nd_four_anywhere *)(to + k) = *(const nd_four_anywhere *)(from + k);
  }
}

/* `lanes` rows of x to columns of one panel. */
static void transpose_rows(const float *x, ptrdiff_t x_row, int lanes, int depth, float *to, int width) {
  int lane = 0;
  for (; lane + 4 <= lanes; lane += 4, x += 4 * x_row) {
    int k = 0;
    for (; k + 4 <= depth; k += 4)
      nd_transpose_four(x + k, x_row, to + (ptrdiff_t)k * width + lane, width);
    for (; k < depth; k++)
      for (int i = 0; i < 4; i++)
        to[(ptrdiff_t)k * width + lane + i] = x[i * x_row + k];
  }
  for (; lane < width; lane++, x += x_row)
    for (int k = 0; k < depth; k++)
      to[(ptrdiff_t)k * width + lane] = lane < lanes ? x[k] : 0;
}

void nd_panels_pack_transposed(const nd_panels *p, const float *x, ptrdiff_t x_row) {
  for (int j = 0; j < p->columns; j += nd_panels_step(p))
    transpose_rows(x + j * x_row, x_row, nd_panel_columns(p, j), p->rows, nd_panel_at(p, j),
                   nd_panel_width(p, j));
}

/* ---- Softmax down the columns, side by side in vectors ---- */

/* Constant widths keep a panel's maxima and sums in registers. */
#define ND_EACH_WIDTH(X)                                                                                     \
  switch (width) {                                                                                           \
  case 4:                                                                                                    \
    X(4) break;                                                                                              \
  case 8:                                                                                                    \
    X(8) break;                                                                                              \
  case 16:                                                                                                   \
    X(16) break;                                                                                             \
  default:                                                                                                   \
    X(32) break;                                                                                             \
  }

ND_KERNEL_PART void softmax_of(float *restrict x, int rows, const int width) {
  float top[ND_MAX_WIDTH], sum[ND_MAX_WIDTH];
  for (int k = 0; k < width; k++) {
    top[k] = x[k];
    sum[k] = 0;
  }
  for (int i = 1; i < rows; i++)
#pragma GCC unroll 1 /* GCC unrolls it before it vectorises, and finds no maximum of vectors in that */
    for (int k = 0; k < width; k++)
      top[k] = x[i * width + k] > top[k] ? x[i * width + k] : top[k];
  for (int i = 0; i < rows; i++)
    for (int k = 0; k < width; k++) {
      float e = nd_expf(x[i * width + k] - top[k]);
      x[i * width + k] = e;
      sum[k] += e;
    }
  for (int k = 0; k < width; k++)
    sum[k] = 1 / sum[k];
  for (int i = 0; i < rows; i++)
    for (int k = 0; k < width; k++)
      x[i * width + k] *= sum[k];
}

ND_KERNEL_PART void softmax_backward_of(const float *restrict y, float *restrict d, int rows,
                                        const int width) {
  float mean[ND_MAX_WIDTH] = {0};
  for (int i = 0; i < rows; i++)
    for (int k = 0; k < width; k++)
      mean[k] += y[i * width + k] * d[i * width + k];
  for (int i = 0; i < rows; i++)
    for (int k = 0; k < width; k++)
      d[i * width + k] = y[i * width + k] * (d[i * width + k] - mean[k]);
}

ND_KERNEL static void softmax_panel(float *x, int rows, int width) {
#define ND_SOFTMAX(n) softmax_of(x, rows, n);
  ND_EACH_WIDTH(ND_SOFTMAX)
}

ND_KERNEL static void softmax_backward_panel(const float *y, float *d, int rows, int width) {
#define ND_SOFTMAX_BACKWARD(n) softmax_backward_of(y, d, rows, n);
  ND_EACH_WIDTH(ND_SOFTMAX_BACKWARD)
}

void nd_panels_softmax(const nd_panels *x) {
  for (int j = 0; j < x->columns; j += nd_panels_step(x))
    softmax_panel(nd_panel_at(x, j), x->rows, nd_panel_width(x, j));
}

void nd_panels_softmax_backward(const nd_panels *y, const nd_panels *d) {
  for (int j = 0; j < y->columns; j += nd_panels_step(y))
    softmax_backward_panel(nd_panel_at(y, j), nd_panel_at(d, j), y->rows, nd_panel_width(y, j));
}
