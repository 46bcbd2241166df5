/* Products between the channels of pixels: sums of them over pixels, and every pixel's channels times a small
 * matrix. What attention between channels is made of. Pixels are read and written where they lie, `stride`
 * floats apart. */
#ifndef ND_KERNELS_PIXEL_PRODUCTS_H
#define ND_KERNELS_PIXEL_PRODUCTS_H

#include "tensor/kernels/panels.h"

typedef struct nd_pixels {
  const float *at;
  ptrdiff_t stride;
} nd_pixels;

/* sum[i][j] += a_i b_j over the pixels, i, j < d; scratch: so many floats, 64-byte aligned. */
size_t nd_pixel_sums_scratch(int d);
void nd_pixel_sums(int d, int pixels, nd_pixels a, nd_pixels b, float *sum, float *scratch);

/* y_i = sum over j of x_j m[j][i] for every pixel; or, where add is set, y_i += that. */
void nd_pixel_products(const nd_panels *m, int pixels, nd_pixels x, float *y, ptrdiff_t y_stride, bool add);

#endif
