#include "tensor/ops/pieces-private.h"

#include "tensor/kernels/sums.h"
#include "tensor/ops/dropout-private.h"

enum { ELEMENTS = 4096 }; /* of a piece: few, to stay in the nearest cache */

nd_pieces nd_pieces_of(const nd_value *x) {
  size_t pixels = (size_t)x->dims[1] * (size_t)x->dims[2];
  return (nd_pieces){(size_t)x->dims[3], pixels, nd_sum_blocks(pixels), NULL};
}

static size_t pixels_of_piece(size_t c) {
  size_t unit = 1;
  while (unit * c % ND_MASK_BLOCK)
    unit *= 2;
  return MIN(unit * MAX(1, ELEMENTS / (unit * c)), ND_SUM_BLOCK);
}

size_t nd_pieces_room(size_t c) {
  return (size_t)nd_threads() * 2 * pixels_of_piece(c) * c;
}

void nd_each_piece(const nd_pieces *p, size_t begin, size_t end, int thread,
                   void (*fn)(const nd_piece *piece, const void *context), const void *context) {
  size_t most = p->widened ? pixels_of_piece(p->c) : ND_SUM_BLOCK;
  float *x = p->widened ? p->widened + (size_t)thread * 2 * most * p->c : NULL;
  for (size_t i = begin; i < end; i++) {
    size_t first = i % p->blocks * ND_SUM_BLOCK, last = MIN(first + ND_SUM_BLOCK, p->pixels);
    for (size_t at = first; at < last; at += most)
      fn(&(nd_piece){i, i / p->blocks * p->pixels + at, MIN(most, last - at), at, x,
                     x ? x + most * p->c : NULL},
         context);
  }
}
