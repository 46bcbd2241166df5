#include "tensor/kernels/depthwise_blocks.h"

#include "base/base.h"
#include "tensor/kernels/parts.h"

enum {
  ROWS = 16,           /* of a band: two more are read, or copied, with it */
  LINE = 16,           /* numbers of the cache's */
  APART = 1024,        /* channels, give or take a line, whose pixels are a page apart */
  COPIES = 1 << 14,    /* numbers in copies of a slice's rows: they stay near the first cache */
  IN_USE = 1 << 18,    /* numbers in whole rows in use: they stay in the second */
  FEWEST_COLUMNS = 16, /*   but so many columns */
  BLOCKS = 4           /* for each thread at least */
};

/* Fewer blocks than threads want: slices are shared out as well. */
nd_blocks nd_blocks_of(int n, int h, int w, size_t c, int parts, int rows) {
  nd_blocks b = {.n = n, .h = h, .w = w, .c = c, .part = c / (size_t)parts, .parts = parts};
  b.slices = (int)nd_slices(b.part);
  b.copied = (c + LINE) % APART <= 2 * LINE && c >= APART - LINE;
  b.bands = nd_divide_up(h, ROWS);
  int most = b.copied ? COPIES / (rows * parts * ND_SLICE) : IN_USE / (rows * (int)c);
  b.width = nd_even_part(w, most > FEWEST_COLUMNS ? most : FEWEST_COLUMNS);
  b.strips = nd_divide_up(w, b.width);
  int wanted = nd_divide_up(BLOCKS * nd_threads(), n * b.bands * b.strips);
  b.slices_at_once = b.copied ? 1 : nd_divide_up(b.slices, nd_least(wanted, b.slices));
  b.groups = nd_divide_up(b.slices, b.slices_at_once);
  return b;
}

nd_block nd_block_at(const nd_blocks *b, size_t i) {
  int group = (int)(i % (size_t)b->groups), strip = (int)(i / (size_t)b->groups % (size_t)b->strips);
  size_t band = i / (size_t)b->groups / (size_t)b->strips;
  int row = (int)(band % (size_t)b->bands) * ROWS;
  return (nd_block){.image = band / (size_t)b->bands,
                    .row0 = row,
                    .row1 = nd_least(row + ROWS, b->h),
                    .columns = {strip * b->width, nd_least((strip + 1) * b->width, b->w)},
                    .slice0 = (size_t)(group * b->slices_at_once),
                    .slice1 = (size_t)nd_least((group + 1) * b->slices_at_once, b->slices)};
}

/* ---- Copies ---- */

/* So many of them at a time, that no call is made for it. */
typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));

ND_KERNEL_PART void copy_slice(const float *from, float *to, size_t lanes) {
  if (lanes == ND_SLICE) {
    const eight *f = (const eight *)from;
    eight *t = (eight *)to;
    eight a = f[0], b = f[1], c = f[2], d = f[3], e = f[4], g = f[5], h = f[6], i = f[7];
    t[0] = a, t[1] = b, t[2] = c, t[3] = d, t[4] = e, t[5] = g, t[6] = h, t[7] = i;
  } else
    for (size_t k = 0; k < lanes; k++)
      to[k] = from[k];
}

ND_KERNEL void nd_slice_take(const float *from, size_t pitch, size_t lanes, int pixels, float *to) {
  for (int i = 0; i < pixels; i++, from += pitch, to += ND_SLICE)
    copy_slice(from, to, lanes);
}

ND_KERNEL void nd_slice_put(const float *from, size_t lanes, int pixels, float *to, size_t pitch) {
  for (int i = 0; i < pixels; i++, from += ND_SLICE, to += pitch)
    copy_slice(from, to, lanes);
}
