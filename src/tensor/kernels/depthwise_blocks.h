/* Depth-wise convolutions cut into blocks, each of which one thread does at once: of a picture, a band of
 * rows, a strip of columns, and some slices of the channels.
 *
 * With about 1024 channels, or 2048, pixels are pages of 4 KB apart: those of a slice share a few sets of
 * every cache and would drive each other out. Such rows are copied while they are needed, a slice at a time.
 */
#ifndef ND_KERNELS_DEPTHWISE_BLOCKS_H
#define ND_KERNELS_DEPTHWISE_BLOCKS_H

#include "tensor/kernels/depthwise_sweep.h"

#include <stdbool.h>

/* Columns from ... end - 1 of a picture. */
typedef struct nd_columns {
  int from, end;
} nd_columns;

typedef struct nd_blocks {
  int n, h, w;                       /* of what is cut */
  size_t c, part;                    /* channels of all, and of one of `parts` that are cut alike */
  int parts, slices;                 /*   slices of one */
  bool copied;                       /* rows of slices are */
  int bands, strips, groups;         /* of a picture's rows and columns, and of slices */
  int height, width, slices_at_once; /* of a band, of a strip, of a group, at most */
} nd_blocks;

typedef struct nd_block {
  size_t image;
  int row0, row1; /* row0 ... row1 - 1 */
  nd_columns columns;
  size_t slice0, slice1; /* of each part */
} nd_block;

/* rows: so many of a slice are at hand, or in use. */
nd_blocks nd_blocks_of(int n, int h, int w, size_t c, int parts, int rows);
nd_block nd_block_at(const nd_blocks *b, size_t i);

/* `lanes` channels of `pixels` pixels, those of the first one at `from`, to where they are ND_SLICE numbers
 * apart; and back. */
void nd_slice_take(const float *from, size_t pitch, size_t lanes, int pixels, float *to);
void nd_slice_put(const float *from, size_t lanes, int pixels, float *to, size_t pitch);

/* Brings a block's channels of `columns` pixels near, of c channels each, the first of which is at x; unless
 * they are copied. */
void nd_blocks_fetch(const nd_blocks *b, const nd_block *k, const float *x, int columns, size_t c);

static inline size_t nd_blocks_count(const nd_blocks *b) {
  return (size_t)b->n * (size_t)(b->bands * b->strips * b->groups);
}

#endif
