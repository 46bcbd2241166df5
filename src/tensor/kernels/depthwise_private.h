/* What the passes of depth-wise convolutions share: sweeps along a row, for a slice of the channels.
 *
 * There are nine products to each number read, so memory sets the pace: channels stand side by side in the
 * vectors, and a tap outside the picture reads zeros. A row goes by slices of channels, whose filter and sums
 * stay at hand: with 1024 channels neighbouring pixels are 4 KB apart, and a pixel at a time would read nine
 * of them from one set of the cache. */
#ifndef ND_KERNELS_DEPTHWISE_PRIVATE_H
#define ND_KERNELS_DEPTHWISE_PRIVATE_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/elementary.h"
#include "tensor/kernels/micro.h"
#include "tensor/kernels/parts.h"
#include "tensor/kernels/sums.h"

#include "base/base.h"

#include <string.h>

/* Slice: its channels. Filter: numbers of a packed slice of it, [taps, and the bias][slice]. Line: numbers of
 * one in the cache. */
enum { ND_TAPS = 9, ND_SLICE = 64, ND_SLICE_FILTER = (ND_TAPS + 1) * ND_SLICE, ND_LINE = 16 };

/* ---- Slices ---- */

static inline size_t nd_slices(size_t c) {
  return (c + ND_SLICE - 1) / ND_SLICE;
}

/* The first channel of slice i: the last one overlaps the one before it where they do not divide. */
ND_KERNEL_PART size_t nd_slice_start(size_t c, size_t i) {
  return c >= ND_SLICE && (i + 1) * ND_SLICE > c ? c - ND_SLICE : i * ND_SLICE;
}

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

/* ---- Pairs of vectors ---- */

/* As many channels as have their filter or their sums in registers, where these are long. */
enum { ND_HALF = 16, ND_PAIR = 2 * ND_HALF };
typedef float nd_half __attribute__((vector_size(4 * ND_HALF)));
typedef float nd_half_anywhere __attribute__((vector_size(4 * ND_HALF), aligned(4), may_alias));

ND_KERNEL_PART void nd_take_pair(nd_half to[2], const float *x, size_t lanes) {
  float part[ND_PAIR] = {0};
  if (lanes < ND_PAIR)
    x = memcpy(part, x, lanes * sizeof *x);
  to[0] = *(const nd_half_anywhere *)x;
  to[1] = *(const nd_half_anywhere *)(x + ND_HALF);
}

/* ---- Sweeps ---- */

/* From pictures of h x w pixels to columns from ... end - 1 of oh x ow ones. Pixels of what is read lie
 * `pitch` numbers apart, and its rows start with column `first`. */
typedef struct nd_sweep {
  int h, w, oh, ow, pad;
  int first, from, end;
  size_t pitch;
  const float *zeros; /* ND_SLICE of them */
} nd_sweep;

/* A strip of columns has so many numbers in a row: what is in use of several rows must fit the second cache.
 */
enum { ND_STRIP = 1 << 16, ND_FEWEST_COLUMNS = 16 };

static inline int nd_strip_width(int columns, size_t c) {
  int most = ND_STRIP / (int)c, width = most > ND_FEWEST_COLUMNS ? most : ND_FEWEST_COLUMNS;
  return nd_even_part(columns, width);
}

/* Rows of dense pictures from channel k on, three of them from y on; NULL for one outside. */
ND_KERNEL_PART void nd_find_rows(const nd_sweep *j, const float *x, size_t image, int y, size_t k,
                                 const float *rows[3]) {
  for (int i = 0; i < 3; i++, y++)
    rows[i] =
        y >= 0 && y < j->h ? x + (image * (size_t)j->h + (size_t)y) * (size_t)j->w * j->pitch + k : NULL;
}

/* What slices of a row read and write lies in small pieces, which memory is slow with and no processor
 * guesses. So the strip's next row is fetched meanwhile from end to end, a part of it by each slice: where
 * the strip's next row begins, or NULL. */
typedef struct nd_ahead {
  const float *read;
  float *write;
} nd_ahead;

/* The part of the slice from channel k on. */
ND_KERNEL_PART nd_ahead nd_ahead_of(const nd_sweep *j, nd_ahead a, size_t k) {
  size_t at = (size_t)(j->end - j->from) * k;
  return (nd_ahead){a.read ? a.read + at : NULL, a.write ? a.write + at : NULL};
}

/* As many numbers of it as a column has in a pair. */
ND_KERNEL_PART void nd_fetch(nd_ahead *a) {
  if (a->read) {
    __builtin_prefetch(a->read), __builtin_prefetch(a->read + ND_LINE);
    a->read += ND_PAIR;
  }
  if (a->write) {
    __builtin_prefetch(a->write, 1), __builtin_prefetch(a->write + ND_LINE, 1);
    a->write += ND_PAIR;
  }
}

/* Where a row's outputs go from column `from` on; times: not NULL, what they are multiplied by. Both go so
 * far from pixel to pixel: pitch, ND_SLICE. */
typedef struct nd_sweep_to {
  float *y;
  size_t pitch;
  const float *times;
  nd_ahead ahead;
} nd_sweep_to;

/* What becomes of a pixel's sums of `lanes` channels. */
ND_KERNEL_PART void nd_put_pair(const nd_half sums[2], size_t lanes, const bool gelu, float slope,
                                const float *restrict times, float *restrict y) {
  float done[ND_PAIR];
  memcpy(done, sums, sizeof done);
  for (size_t i = 0; i < lanes; i++)
    y[i] = times         ? done[i] * times[i]
           : gelu        ? done[i] * nd_normal_belowf(done[i])
           : done[i] < 0 ? done[i] * slope
                         : done[i];
}

/* One row, `lanes` channels, at most ND_PAIR, from the rows above, at and below it (NULL: outside): each
 * column is read once and adds to the outputs right of it, at it and left of it. w: from the pair's first
 * channel on. */
ND_KERNEL_PART void nd_sweep_pair(const nd_sweep *j, const float *const rows[3], size_t lanes, const float *w,
                                  const bool gelu, float slope, nd_sweep_to to) {
  nd_half filter[ND_TAPS + 1][2], first[2] = {0},
                                  second[2] = {0}; /* sums of one column, and of two, so far */
  for (int t = 0; t <= ND_TAPS; t++)
    nd_take_pair(filter[t], w + t * ND_SLICE, ND_PAIR);
  for (int s = j->from; s < j->end + 2; s++) {
    int column = s - j->pad;
    bool inside = column >= 0 && column < j->w;
    nd_half x[3][2], done[2];
    for (int r = 0; r < 3; r++)
      nd_take_pair(x[r], inside && rows[r] ? rows[r] + (size_t)(column - j->first) * j->pitch : j->zeros,
                   lanes);
    for (int i = 0; i < 2; i++) {
      done[i] = second[i] + x[0][i] * filter[2][i] + x[1][i] * filter[5][i] + x[2][i] * filter[8][i];
      second[i] = first[i] + x[0][i] * filter[1][i] + x[1][i] * filter[4][i] + x[2][i] * filter[7][i];
      first[i] =
          filter[ND_TAPS][i] + x[0][i] * filter[0][i] + x[1][i] * filter[3][i] + x[2][i] * filter[6][i];
    }
    if (s < j->from + 2)
      continue;
    nd_fetch(&to.ahead);
    nd_put_pair(done, lanes, gelu, slope, to.times, to.y);
    to.y += to.pitch;
    to.times = to.times ? to.times + ND_SLICE : NULL;
  }
}

/* A slice of so many channels, a pair of vectors at a time. */
ND_KERNEL_PART void nd_sweep_row(const nd_sweep *j, const float *const rows[3], size_t lanes, const float *w,
                                 const bool gelu, float slope, const nd_sweep_to to) {
  for (size_t k = 0; k < lanes; k += ND_PAIR) {
    const float *at[3];
    for (int r = 0; r < 3; r++)
      at[r] = rows[r] ? rows[r] + k : NULL;
    nd_sweep_pair(
        j, at, lanes - k < ND_PAIR ? lanes - k : ND_PAIR, w + k, gelu, slope,
        (nd_sweep_to){to.y + k, to.pitch, to.times ? to.times + k : NULL, nd_ahead_of(j, to.ahead, k)});
  }
}

/* The slice that starts at the rows' first channel, of a tensor or a half of it with c channels. */
ND_KERNEL_PART void nd_sweep_slice(const nd_sweep *j, const float *const rows[3], size_t c, const float *w,
                                   const bool gelu, float slope, const nd_sweep_to to) {
  if (c >= ND_SLICE)
    nd_sweep_row(j, rows, ND_SLICE, w, gelu, slope, to);
  else
    nd_sweep_row(j, rows, c, w, gelu, slope, to);
}

/* ---- Sums of weights' gradients ---- */

typedef nd_half nd_tap_sums[ND_TAPS + 1][2]; /* the last one that of dy */

/* Adds one row of dy, `lanes` channels at most ND_PAIR, from column `from` on, its pixels dy_pitch apart:
 * each column of x is read once, for the outputs right of it, at it and left of it. */
ND_KERNEL_PART void nd_sum_row(const nd_sweep *j, const float *const rows[3], const float *dy,
                               size_t dy_pitch, size_t lanes, nd_ahead ahead, nd_tap_sums sums) {
  nd_half d[3][2] = {0}; /* dy one after this column's, at it, before it */
  for (int s = j->from; s < j->end + 2; s++) {
    int column = s - j->pad;
    for (int i = 0; i < 2; i++)
      d[2][i] = d[1][i], d[1][i] = d[0][i], d[0][i] = (nd_half){0};
    if (s < j->end)
      nd_take_pair(d[0], dy + (size_t)(s - j->from) * dy_pitch, lanes);
    for (int i = 0; i < 2; i++)
      sums[ND_TAPS][i] += d[0][i];
    if (column < 0 || column >= j->w)
      continue;
    nd_fetch(&ahead);
    for (int r = 0; r < 3; r++) {
      nd_half x[2];
      if (!rows[r])
        continue;
      nd_take_pair(x, rows[r] + (size_t)(column - j->first) * j->pitch, lanes);
      for (int k = 0; k < 3; k++)
        for (int i = 0; i < 2; i++)
          sums[3 * r + k][i] += x[i] * d[k][i];
    }
  }
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
