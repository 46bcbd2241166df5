#include "tensor/kernels/depthwise_blocks.h"

#include "base/base.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/parts.h"

enum {
  MOST_ROWS = 16,      /* of a band: two more are read, or copied, with it */
  FEWEST_ROWS = 8,     /*   of small pictures */
  APART = 1024,        /* channels, give or take a line, whose pixels are a page apart */
  COPIES = 1 << 14,    /* numbers in copies of a slice's rows: they stay near the first cache */
  IN_USE = 1 << 17,    /* numbers in whole rows in use: they stay in the second */
  FEWEST_COLUMNS = 16, /*   but so many columns */
  BLOCKS = 4           /* for each thread at least */
};

/* Blocks that threads want, besides those that a picture gives. */
static int wanted(int blocks) {
  return nd_divide_up(BLOCKS * nd_threads(), blocks);
}

/* Of strips that fit, and of which there are enough for all threads. */
static int strip_width(const nd_blocks *b, int rows) {
  int most = b->copied ? COPIES / (rows * b->parts * ND_SLICE)
                       : nd_least(IN_USE / (rows * (int)b->c), nd_divide_up(b->w, wanted(b->n * b->bands)));
  return nd_even_part(b->w, most > FEWEST_COLUMNS ? most : FEWEST_COLUMNS);
}

/* Low bands and narrow strips come before fewer slices, whose pixels are read in pieces. */
nd_blocks nd_blocks_of(int n, int h, int w, size_t c, int parts, int rows) {
  nd_blocks b = {.n = n, .h = h, .w = w, .c = c, .part = c / (size_t)parts, .parts = parts};
  b.slices = (int)nd_slices(b.part);
  b.copied = (c + ND_LINE) % APART <= 2 * ND_LINE && c >= APART - ND_LINE;
  int most = n * nd_divide_up(h, MOST_ROWS) * nd_divide_up(w, FEWEST_COLUMNS);
  b.height = wanted(most) > 1 ? FEWEST_ROWS : MOST_ROWS;
  b.bands = nd_divide_up(h, b.height);
  b.width = strip_width(&b, rows);
  b.strips = nd_divide_up(w, b.width);
  int groups = nd_least(wanted(n * b.bands * b.strips), b.slices);
  b.slices_at_once = b.copied ? 1 : nd_divide_up(b.slices, groups);
  b.groups = nd_divide_up(b.slices, b.slices_at_once);
  return b;
}

nd_block nd_block_at(const nd_blocks *b, size_t i) {
  int group = (int)(i % (size_t)b->groups), strip = (int)(i / (size_t)b->groups % (size_t)b->strips);
  size_t band = i / (size_t)b->groups / (size_t)b->strips;
  int row = (int)(band % (size_t)b->bands) * b->height;
  return (nd_block){.image = band / (size_t)b->bands,
                    .row0 = row,
                    .row1 = nd_least(row + b->height, b->h),
                    .columns = {strip * b->width, nd_least((strip + 1) * b->width, b->w)},
                    .slice0 = (size_t)(group * b->slices_at_once),
                    .slice1 = (size_t)nd_least((group + 1) * b->slices_at_once, b->slices)};
}

void nd_blocks_fetch(const nd_blocks *b, const nd_block *k, const float *x, int columns, size_t c) {
  if (b->copied)
    return;
  if (b->groups == 1) {
    nd_fetch(x, (size_t)columns * c);
    return;
  }
  size_t first = k->slice0 * ND_SLICE, last = k->slice1 * ND_SLICE;
  last = last < b->part ? last : b->part;
  for (; columns > 0; columns--, x += c)
    for (size_t part = 0; part < c; part += b->part)
      nd_fetch(x + part + first, last - first);
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
