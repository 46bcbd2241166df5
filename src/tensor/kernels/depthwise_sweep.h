/* Sweeps along a row of a depth-wise convolution: what the inner loops (depthwise_template.h) are told. */
#ifndef ND_KERNELS_DEPTHWISE_SWEEP_H
#define ND_KERNELS_DEPTHWISE_SWEEP_H

#include "tensor/kernels/conv.h"

#include <stddef.h>

/* Slice: its channels. Filter: numbers of a packed slice of it, [taps, and the bias][slice]. Sums: of its
 * gradient, [taps, and dy][slice]. */
enum {
  ND_TAPS = 9,
  ND_SLICE = 64,
  ND_SLICE_FILTER = (ND_TAPS + 1) * ND_SLICE,
  ND_SLICE_SUMS = ND_SLICE_FILTER
};

static inline size_t nd_slices(size_t c) {
  return (c + ND_SLICE - 1) / ND_SLICE;
}

/* Channels that each of them has. */
static inline size_t nd_slice_lanes(size_t c) {
  return c < ND_SLICE ? c : ND_SLICE;
}

/* The first channel of slice i: the last one overlaps the one before it where they do not divide. */
static inline size_t nd_slice_start(size_t c, size_t i) {
  return c >= ND_SLICE && (i + 1) * ND_SLICE > c ? c - ND_SLICE : i * ND_SLICE;
}

/* Channels of slice i that the one before it has already. */
static inline size_t nd_slice_shared(size_t c, size_t i) {
  return i * ND_SLICE - nd_slice_start(c, i);
}

/* From pictures of h x w pixels to columns from ... end - 1 of oh x ow ones. Pixels of what is read lie
 * `pitch` numbers apart, and its rows start with column `first`. */
typedef struct nd_sweep {
  int h, w, oh, ow, pad;
  int first, from, end;
  size_t pitch;
  const float *zeros; /* ND_SLICE of them */
} nd_sweep;

/* What a single slice of each row reads and writes lies in small pieces, which memory is slow with and no
 * processor guesses. So what comes next is asked for meanwhile, or NULL: for each column the slice's numbers,
 * `step` from those of the one before. */
typedef struct nd_sweep_ahead {
  const float *read;
  float *write;
  size_t step;
} nd_sweep_ahead;

/* Where a row's outputs go from column `from` on, and what becomes of them: they are multiplied by `times`,
 * unless it is NULL, or else go through the activation (no GELU). Both pointers go so far from pixel to
 * pixel: pitch, ND_SLICE. */
typedef struct nd_sweep_to {
  float *y;
  size_t pitch;
  const float *times;
  nd_activation activation;
  float slope;
  nd_sweep_ahead ahead;
} nd_sweep_to;

#endif
