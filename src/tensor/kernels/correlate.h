/* Sums of products over taps: what a dense convolution and each phase of its backward data pass are. */
#ifndef ND_KERNELS_CORRELATE_H
#define ND_KERNELS_CORRELATE_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/filter.h"
#include "tensor/kernels/micro.h"

/* to(image, row, col, out) = epilogue(sum over taps t, over in, of
 *     from[image * from_image + row * from_row + col * from_pixel + offset[t] + in] * weight(out, in,
 * taps[t])). Every address that occurs must be readable: padding is the caller's affair. */
typedef struct nd_correlation {
  const float *from;
  ptrdiff_t from_image, from_row, from_pixel;
  nd_filter filter;
  const ptrdiff_t *offset; /* ntaps; neighbouring taps `in` apart are summed in one go */
  const int *taps;         /* ntaps indices into the filter's kernel; none at all: the sum is 0 */
  int ntaps;
  nd_data to;
  ptrdiff_t to_image, to_row, to_pixel;
  int n, rows, cols;
  nd_epilogue epilogue;
} nd_correlation;

/* Takes its scratch from the arena. Computes nothing while the arena counts; then only the sizes in c are
 * read: n, rows, cols, ntaps and the filter's. */
void nd_correlate(const nd_correlation *c, nd_arena scratch, size_t *used);

#endif
