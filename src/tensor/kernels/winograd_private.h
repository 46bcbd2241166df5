/* What the forward and the weights pass of Winograd's method share. */
#ifndef ND_KERNELS_WINOGRAD_PRIVATE_H
#define ND_KERNELS_WINOGRAD_PRIVATE_H

#include "tensor/kernels/tiles.h"

/* Floats from one tile's transformed channels to the next tile's: whole cache lines, and no multiple of 1 KB,
 * which would crowd the rows of a product into few sets of the cache. */
static inline int nd_winograd_pitch(int channels) {
  int pitch = (channels + 15) / 16 * 16;
  return pitch % 256 ? pitch : pitch + 16;
}

/* Whether gradients of this convolution may round what they multiply to bf16: where they do so to what they
 * read or write. The transforms make that error some five times larger than in a direct sum (0.9 % of a sum
 * of products, against 0.2 %), so the forward pass does not. */
static inline bool nd_winograd_rounds(const nd_conv_shape *s) {
  return s->x_type == ND_BF16 || s->y_type == ND_BF16;
}

/* Floats from one frequency to the next, for the same reason. */
static inline ptrdiff_t nd_winograd_plane(size_t floats) {
  return (ptrdiff_t)((floats + 15) / 16 * 16 + 16);
}

/* Floats from what one thread writes, of all frequencies, to what the next one writes; last_plane: of what
 * comes last. Threads' planes must not follow one another at equal steps: where one thread's end, the
 * processor fetches ahead what the next thread is writing. If the two share no cache each such line has to
 * come back, and a convolution takes 1.4 times as long. So a thread's planes of all kinds lie together, and
 * the gap behind them is four of the transforms' steps long. */
static inline ptrdiff_t nd_winograd_apart(ptrdiff_t planes, ptrdiff_t last_plane) {
  enum { STEP = 6, STEPS = 4, LONGEST = 64 << 10 };
  ptrdiff_t gap = STEP * STEPS * last_plane;
  return ND_FREQUENCIES * planes + (gap < LONGEST ? gap : LONGEST);
}

#endif
