/* The 4x4 tiles Winograd's method cuts an image into, and the transforms of one tile at the image's edges,
 * where pixels are missing, and at the last channels, where less than a vector is left. */
#ifndef ND_KERNELS_TILES_H
#define ND_KERNELS_TILES_H

#include "tensor/kernels/bilinear.h"
#include "tensor/kernels/micro.h"

enum { ND_TILE_OUT = 4, ND_TILE_IN = 6, ND_FREQUENCIES = 36 };

typedef struct nd_tiles {
  int down, across, count; /* of one image's outputs; count: of the whole batch */
} nd_tiles;

/* A batch of n,h,w,c images. */
typedef struct nd_images {
  const void *pixels;
  nd_dtype type;
  int h, w, c;
  int above;          /* rows before the one that belongs to output row 0 */
  int pad;            /* of the convolution, for its inputs */
  const float *zeros; /* c of them, for pixels outside; not of what is written */
  /* Not NULL, for what is read alone: h x w is the size of the images at pixels once they are enlarged. */
  const nd_enlarged *enlarged;
} nd_images;

nd_tiles nd_tiles_of(int n, int oh, int ow);

/* Where a tile's frequencies go: channel k of frequency f to at[f * plane + k] (halves: two channels a
 * float). */
typedef struct nd_spectrum {
  float *at;
  ptrdiff_t plane;
  nd_into into;
} nd_spectrum;

/* B^T d B for channels first .. first+count-1 of the 6x6 inputs of tile `index`, zero beyond count up to a
 * whole vector. */
void nd_tile_input(const nd_micro *micro, const nd_tiles *t, int index, const nd_images *x, int first,
                   int count, nd_spectrum to);

/* A dY A^T likewise, of the 4x4 outputs' channels first, first + 1, ... to a row of `vectors` vectors; and
 * each channel's sum over the tile added to sums, a row as long, unless that is NULL. */
void nd_tile_gradient(const nd_micro *micro, const nd_tiles *t, int index, const nd_images *dy, int first,
                      int vectors, nd_spectrum to, float *sums);

/* Where the 16 outputs of a tile go; those outside the image to `dump`, which has room for c. */
void nd_tile_targets(const nd_tiles *t, int index, const nd_images *y, float *dump, void *target[16]);

/* The epilogue of A^T m A, to channels first ... of y's targets; stops at channel y's c. e->bias: of channel
 * `first`. */
void nd_tile_output(const nd_micro *micro, const float *m, ptrdiff_t plane, int vectors, const nd_epilogue *e,
                    const nd_images *y, void *const target[16], int first);

/* Brings the 4x4 pixels of tiles first .. first+count-1 near, channels channel .. channel+channels-1, a
 * little at each of `steps` calls of nd_ahead_step: while products are computed the memory has nothing else
 * to do. Tiles beyond the last are left out, and images that are enlarged. */
typedef struct nd_ahead {
  const nd_tiles *tiles;
  const nd_images *images;
  int first, count, channel, channels;
  int steps, step;
} nd_ahead;
void nd_ahead_step(nd_ahead *a);

#endif
