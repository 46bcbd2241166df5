#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/depthwise_private.h"

enum { PIXELS = 1024 }; /* of a block of rows */

typedef struct job {
  nd_sweep sweep;
  size_t rows, c; /* of all samples' outputs, one below the other */
  const float *x, *dy;
  int block_rows, blocks; /* rows of output in a block */
  const nd_micro *micro;
  float *sums;
} job;

/* A slice's sums over rows row ... end - 1 of the output; to: [taps, and dy][c]. */
static void sum_rows(const job *j, size_t row, size_t end, size_t slice, float *to) {
  float sums[ND_SLICE_SUMS] = {0};
  const float *rows[3];
  size_t height = (size_t)j->sweep.oh, first = nd_slice_start(j->c, slice), lanes = nd_slice_lanes(j->c);
  for (; row < end; row++) {
    nd_find_rows(&j->sweep, j->x, row / height, (int)(row % height) - j->sweep.pad, first, rows);
    j->micro->sum_taps(&j->sweep, rows, j->dy + row * (size_t)j->sweep.ow * j->c + first, j->c, lanes,
                       (nd_sweep_ahead){NULL, NULL, 0}, sums);
  }
  nd_store_slice_sums(sums, j->c, slice, j->c, to);
}

/* Unit i: a block of rows of the output, a slice of the channels. */
static void weight_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const job *j = context;
  size_t height = (size_t)j->block_rows, slices = nd_slices(j->c);
  for (size_t i = begin; i < end; i++) {
    size_t block = i / slices, row = block * height, last = row + height;
    sum_rows(j, row, last < j->rows ? last : j->rows, i % slices, j->sums + block * (ND_TAPS + 1) * j->c);
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
  j.sums = nd_arena_floats(&scratch, (size_t)j.blocks * (ND_TAPS + 1) * c);
  if (!scratch.base)
    return scratch.used;
  j.micro = nd_micro_best();
  nd_parallel((size_t)j.blocks * nd_slices(c), 1, weight_blocks, &j);
  nd_add_tap_sums(j.sums, (size_t)j.blocks, c, dweights, dbias);
  return scratch.used;
}
