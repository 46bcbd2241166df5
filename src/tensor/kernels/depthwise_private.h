/* What the passes of depth-wise convolutions share: slices of the channels, strips of columns.
 *
 * There are nine products to each number read, so memory sets the pace: channels stand side by side in the
 * vectors, and a tap outside the picture reads zeros. A row goes by slices of channels, whose filter and sums
 * stay at hand: with 1024 channels neighbouring pixels are 4 KB apart, and a pixel at a time would read nine
 * of them from one set of the cache. */
#ifndef ND_KERNELS_DEPTHWISE_PRIVATE_H
#define ND_KERNELS_DEPTHWISE_PRIVATE_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/depthwise_blocks.h"
#include "tensor/kernels/elementary.h"
#include "tensor/kernels/micro.h"
#include "tensor/kernels/parts.h"
#include "tensor/kernels/sums.h"

#include "base/base.h"

#include <string.h>

/* ---- Slices ---- */

/* Slices of a filter; gated: of both halves of the channels, one after the other. */
static inline size_t nd_filter_slices(size_t c, bool gated) {
  return gated ? 2 * nd_slices(c / 2) : nd_slices(c);
}

/* weights: c,1,3,3. turned: the kernel by half a turn. bias may be NULL. */
static inline void nd_filter_slices_pack(const float *weights, const float *bias, size_t c, bool gated,
                                         bool turned, float *to) {
  size_t part = gated ? c / 2 : c, slices = nd_slices(part);
  for (size_t n = 0; n < nd_filter_slices(c, gated); n++, to += ND_SLICE_FILTER) {
    size_t first = n / slices * part, start = nd_slice_start(part, n % slices);
    for (size_t i = 0; i < ND_SLICE && start + i < part; i++) {
      size_t k = first + start + i;
      for (size_t t = 0; t < ND_TAPS; t++)
        to[t * ND_SLICE + i] = weights[k * ND_TAPS + (turned ? ND_TAPS - 1 - t : t)];
      to[ND_TAPS * ND_SLICE + i] = bias ? bias[k] : 0;
    }
  }
}

/* ---- Rows ---- */

/* Rows of dense pictures from channel k on, three of them from y on; NULL for one outside. */
static inline void nd_find_rows(const nd_sweep *j, const float *x, size_t image, int y, size_t k,
                                const float *rows[3]) {
  for (int i = 0; i < 3; i++, y++)
    rows[i] =
        y >= 0 && y < j->h ? x + (image * (size_t)j->h + (size_t)y) * (size_t)j->w * j->pitch + k : NULL;
}

/* A slice of a row through e's activation; its bias is in the filter. */
static inline void nd_sweep_activated(const nd_micro *micro, const nd_sweep *strip,
                                      const float *const rows[3], size_t lanes, const float *filter,
                                      const nd_epilogue *e, nd_sweep_to to) {
  bool gelu = e->activation == ND_GELU;
  to.activation = gelu ? ND_LINEAR : e->activation;
  to.slope = e->slope;
  micro->sweep(strip, rows, lanes, filter, &to);
  if (gelu)
    nd_gelu_rows(to.y, strip->end - strip->from, (int)lanes, (ptrdiff_t)to.pitch);
}

/* ---- Sums of weights' gradients ---- */

/* A slice of c channels has its sums, [ND_TAPS + 1][ND_SLICE], in `to`, rows `row` apart; of two slices that
 * overlap the one before has the channels of both. */
static inline void nd_store_slice_sums(const float *sums, size_t c, size_t slice, size_t row, float *to) {
  size_t channel = nd_slice_start(c, slice), skip = slice * ND_SLICE - channel;
  for (size_t t = 0; t <= ND_TAPS; t++)
    memcpy(to + t * row + channel + skip, sums + t * ND_SLICE + skip,
           (nd_slice_lanes(c) - skip) * sizeof *to);
}

/* sums: of so many blocks, [ND_TAPS + 1][c] each, the last row those of dy. dbias may be NULL. */
static inline void nd_add_tap_sums(const float *sums, size_t blocks, size_t c, float *dweights,
                                   float *dbias) {
  size_t apart = (ND_TAPS + 1) * c;
  for (size_t k = 0; k < c; k++) {
    for (size_t t = 0; t < ND_TAPS; t++)
      dweights[k * ND_TAPS + t] = (float)nd_sum_apart(sums + t * c + k, blocks, apart);
    if (dbias)
      dbias[k] = (float)nd_sum_apart(sums + ND_TAPS * c + k, blocks, apart);
  }
}

#endif
