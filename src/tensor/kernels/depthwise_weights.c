#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/depthwise_private.h"

enum { PIXELS = 1024 }; /* of a block of rows */

typedef struct job {
  nd_sweep sweep;
  size_t rows, c; /* of all samples' outputs, one below the other */
  const float *x, *dy;
  int block_rows, blocks, pairs; /* rows of output in a block; of channels */
  float *sums;
} job;

/* Rows of the output row ... end, `lanes` channels from `first` on. */
ND_KERNEL_PART void sum_rows(const job *j, size_t row, size_t end, size_t first, size_t lanes, float *to) {
  nd_tap_sums sums = {0};
  const float *rows[3];
  for (; row < end; row++) {
    size_t height = (size_t)j->sweep.oh;
    nd_find_rows(&j->sweep, j->x, row / height, (int)(row % height) - j->sweep.pad, first, rows);
    nd_sum_row(&j->sweep, rows, j->dy + row * (size_t)j->sweep.ow * j->c + first, j->c, lanes,
               (nd_ahead){NULL, NULL}, sums);
  }
  for (int t = 0; t <= ND_TAPS; t++)
    memcpy(to + (size_t)t * j->c + first, sums[t], lanes * sizeof *to);
}

/* Unit i: a block of rows of the output, a pair of vectors of channels. */
ND_KERNEL static void weight_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const job *j = context;
  size_t height = (size_t)j->block_rows;
  for (size_t i = begin; i < end; i++) {
    size_t block = i / (size_t)j->pairs, first = i % (size_t)j->pairs * ND_PAIR, row = block * height;
    size_t last = row + height < j->rows ? row + height : j->rows;
    float *to = j->sums + block * (ND_TAPS + 1) * j->c;
    if (j->c - first >= ND_PAIR)
      sum_rows(j, row, last, first, ND_PAIR, to);
    else
      sum_rows(j, row, last, first, j->c - first, to);
  }
}

size_t nd_depthwise_backward_weights(const nd_conv_shape *s, const float *x, const float *dy, float *dweights,
                                     float *dbias, nd_arena scratch) {
  size_t c = (size_t)s->ci;
  job j = {
      .sweep = {.h = s->h, .w = s->w, .oh = s->oh, .ow = s->ow, .pad = s->pad, .end = s->ow, .pitch = c}};
  j.rows = (size_t)s->n * (size_t)s->oh;
  j.c = c;
  j.x = x;
  j.dy = dy;
  j.block_rows = nd_divide_up(PIXELS, s->ow);
  j.blocks = nd_divide_up(s->n * s->oh, j.block_rows);
  j.pairs = nd_divide_up(s->ci, ND_PAIR);
  j.sums = nd_arena_floats(&scratch, (size_t)j.blocks * (ND_TAPS + 1) * c);
  if (!scratch.base)
    return scratch.used;
  nd_parallel((size_t)j.blocks * (size_t)j.pairs, 1, weight_blocks, &j);
  nd_add_tap_sums(j.sums, (size_t)j.blocks, c, dweights, dbias);
  return scratch.used;
}
