/* Pictures worked through in blocks of pixels (ND_SUM_BLOCK, whose sums are then added), and each block,
 * where something is stored in bf16, in pieces that are widened to fp32 one at a time. Pieces begin where
 * blocks of dropout masks do. */
#ifndef ND_PIECES_PRIVATE_H
#define ND_PIECES_PRIVATE_H

#include "tensor/graph-private.h"

typedef struct nd_pieces {
  size_t c, pixels, blocks; /* channels; pixels and blocks of a sample */
  float *widened; /* two pieces for each thread; NULL: nothing is widened, a piece is a whole block */
} nd_pieces;

typedef struct nd_piece {
  size_t block;      /* of all samples */
  size_t at, pixels; /* the first pixel of all, and how many */
  size_t in_sample;  /* the first pixel's place in its sample */
  float *x, *y;      /* room for what is read and written, widened; NULL: none is needed */
} nd_piece;

/* Of pictures n,h,w,c. */
nd_pieces nd_pieces_of(const nd_value *x);
/* What `widened` needs for c channels, in floats. */
size_t nd_pieces_room(size_t c);
/* fn for each piece of blocks [begin, end), in order. */
void nd_each_piece(const nd_pieces *p, size_t begin, size_t end, int thread,
                   void (*fn)(const nd_piece *piece, const void *context), const void *context);

#endif
