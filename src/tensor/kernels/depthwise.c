/* There are nine products to each number read, so memory sets the pace: channels stand side by side in the
 * vectors, and a tap outside the picture reads zeros. The output goes by rows and, in a row, by vectors of
 * channels, whose filter and sums stay at hand: with 1024 channels neighbouring pixels are 4 KB apart, and a
 * pixel at a time would read nine of them from one set of the cache. */
#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/elementary.h"
#include "tensor/kernels/sums.h"

#include "base/base.h"

#include <string.h>

enum {
  TAPS = 9,
  LANES = 64,
  LINE = 16,
  PIXELS = 1024
}; /* line: of the cache; pixels: of a block of weights */

typedef struct job {
  int n, h, w, oh, ow, pad; /* x is n,h,w,c; y is n,oh,ow,c */
  size_t c;
  const float *x, *zeros; /* zeros: LANES of them */
  const float
      *filter; /* [channels / LANES][TAPS + 1][LANES], the last row the bias: one address serves all */
  const nd_epilogue *e;
  float *y;
  float *gates; /* for each thread, so far apart, the first half of a row's block of channels */
  size_t apart;
  const float *dy;
  int block_rows, blocks, slices; /* of backward weights: rows of output, and of channels */
  float *sums;                    /* [blocks][TAPS + 1][c], the last row those of dy */
} job;

bool nd_depthwise_takes(const nd_conv_shape *s) {
  return s->groups > 1 && s->ci == s->groups && s->co == s->groups && s->kh == 3 && s->kw == 3 &&
         s->stride == 1 && s->dilation == 1;
}

static job job_of(const nd_conv_shape *s) {
  return (job){.n = s->n, .h = s->h, .w = s->w, .oh = s->oh, .ow = s->ow, .pad = s->pad, .c = (size_t)s->ci};
}

/* A slice of the channels lies far from the next pixel's, which no processor guesses. The row to come is
 * asked for a row ahead: every line, and the one in which the last number is, for slices seldom start where
 * lines do. */
ND_KERNEL_PART void fetch(const float *x, size_t lanes) {
  for (size_t i = 0; i < lanes; i += LINE)
    __builtin_prefetch(x + i);
  __builtin_prefetch(x + lanes - 1);
}

ND_KERNEL_PART void fetch_to_write(float *y, size_t lanes) {
  for (size_t i = 0; i < lanes; i += LINE)
    __builtin_prefetch(y + i, 1);
  __builtin_prefetch(y + lanes - 1, 1);
}

/* ---- Forward, and backward data: the same with the kernel turned round ---- */

/* NULL for a row outside the picture. row: of all samples' outputs, one below the other. */
ND_KERNEL_PART void find_rows(const job *j, size_t row, const float *rows[3]) {
  size_t image = row / (size_t)j->oh;
  int y = (int)(row % (size_t)j->oh) - j->pad;
  for (int i = 0; i < 3; i++, y++)
    rows[i] = y >= 0 && y < j->h ? j->x + (image * (size_t)j->h + (size_t)y) * (size_t)j->w * j->c : NULL;
}

ND_KERNEL_PART size_t blocks_of(size_t c) {
  return (c + LANES - 1) / LANES;
}

/* Block b of the channels: the last one overlaps the one before it where they do not divide. */
ND_KERNEL_PART size_t block_start(size_t c, size_t b) {
  return c >= LANES && (b + 1) * LANES > c ? c - LANES : b * LANES;
}

/* Where a row's outputs go, `pitch` numbers from pixel to pixel; times: not NULL, what they are multiplied
 * by, LANES from pixel to pixel. */
typedef struct target {
  float *y;
  size_t pitch;
  const float *times;
} target;

/* One row, `lanes` channels: each column is read once and adds to the outputs right of it, at it and left of
 * it. */
ND_KERNEL_PART void sweep(const job *j, const float *const rows[3], size_t lanes, const float *restrict w,
                          const bool gelu, float slope, const target to) {
  float first[LANES] = {0}, second[LANES] = {0}; /* sums of one column, and of two, so far */
  const float *restrict bias = w + TAPS * LANES;
  for (int s = 0; s < j->ow + 2; s++) {
    int column = s - j->pad;
    bool inside = column >= 0 && column < j->w;
    const float *x[3];
    for (int r = 0; r < 3; r++)
      x[r] = inside && rows[r] ? rows[r] + (size_t)column * j->c : j->zeros;
    const float *restrict x0 = x[0], *restrict x1 = x[1], *restrict x2 = x[2];
    float done[LANES];
    if (x2 != j->zeros)
      fetch(x2 + (size_t)j->w * j->c, lanes);
    for (size_t i = 0; i < lanes; i++) {
      done[i] = second[i] + x0[i] * w[2 * LANES + i] + x1[i] * w[5 * LANES + i] + x2[i] * w[8 * LANES + i];
      second[i] = first[i] + x0[i] * w[LANES + i] + x1[i] * w[4 * LANES + i] + x2[i] * w[7 * LANES + i];
      first[i] = bias[i] + x0[i] * w[i] + x1[i] * w[3 * LANES + i] + x2[i] * w[6 * LANES + i];
    }
    if (s < 2)
      continue;
    float *restrict y = to.y + (size_t)(s - 2) * to.pitch;
    if (to.pitch != LANES) /* not a gate, which is at hand */
      fetch_to_write(y + (size_t)j->ow * to.pitch, lanes);
    const float *restrict times = to.times ? to.times + (size_t)(s - 2) * LANES : NULL;
    for (size_t i = 0; i < lanes; i++)
      y[i] = times         ? done[i] * times[i]
             : gelu        ? done[i] * nd_normal_belowf(done[i])
             : done[i] < 0 ? done[i] * slope
                           : done[i];
  }
}

/* Channels from k on, of all c or of a half. */
ND_KERNEL_PART void sweep_block(const job *j, const float *const rows[3], size_t k, size_t c, const float *w,
                                const bool gelu, float slope, const target to) {
  const float *at[3] = {rows[0] ? rows[0] + k : NULL, rows[1] ? rows[1] + k : NULL,
                        rows[2] ? rows[2] + k : NULL};
  if (c >= LANES)
    sweep(j, at, LANES, w, gelu, slope, to);
  else
    sweep(j, at, c, w, gelu, slope, to);
}

ND_KERNEL_PART const float *filter_of(const job *j, size_t block) {
  return j->filter + block * (TAPS + 1) * LANES;
}

ND_KERNEL_PART void sweep_rows(const job *j, size_t begin, size_t end, const bool gelu, float slope) {
  const float *rows[3];
  for (size_t row = begin; row < end; row++) {
    find_rows(j, row, rows);
    for (size_t block = 0; block * LANES < j->c; block++) {
      size_t k = block_start(j->c, block);
      sweep_block(j, rows, k, j->c, filter_of(j, block), gelu, slope,
                  (target){j->y + row * (size_t)j->ow * j->c + k, j->c, NULL});
    }
  }
}

ND_KERNEL static void output_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const job *j = context;
  float slope = j->e->activation == ND_LINEAR ? 1 : j->e->activation == ND_LEAKY_RELU ? j->e->slope : 0;
  if (j->e->activation == ND_GELU)
    sweep_rows(j, begin, end, true, 0);
  else
    sweep_rows(j, begin, end, false, slope);
}

/* Block by block of the first half, and then of the second. */
ND_KERNEL_PART void sweep_gated_rows(const job *j, size_t begin, size_t end, float *gate, const bool gelu) {
  const float *rows[3];
  size_t half = j->c / 2, blocks = blocks_of(half);
  for (size_t row = begin; row < end; row++) {
    find_rows(j, row, rows);
    for (size_t block = 0; block < blocks; block++) {
      size_t k = block_start(half, block);
      sweep_block(j, rows, k, half, filter_of(j, block), gelu, 1, (target){gate, LANES, NULL});
      sweep_block(j, rows, half + k, half, filter_of(j, blocks + block), false, 1,
                  (target){j->y + row * (size_t)j->ow * half + k, half, gate});
    }
  }
}

ND_KERNEL static void gated_rows(size_t begin, size_t end, int thread, void *context) {
  const job *j = context;
  float *gate = j->gates + (size_t)thread * j->apart;
  if (j->e->activation == ND_GELU)
    sweep_gated_rows(j, begin, end, gate, true);
  else
    sweep_gated_rows(j, begin, end, gate, false);
}

/* weights: c,1,3,3. turned: the kernel by half a turn. */
static void pack_filter(const float *weights, const float *bias, size_t c, bool turned, float *to) {
  for (size_t block = 0; block * LANES < c; block++, to += (TAPS + 1) * LANES)
    for (size_t i = 0, k = block_start(c, block); i < LANES && k < c; i++, k++) {
      for (size_t t = 0; t < TAPS; t++)
        to[t * LANES + i] = weights[k * TAPS + (turned ? TAPS - 1 - t : t)];
      to[TAPS * LANES + i] = bias ? bias[k] : 0;
    }
}

/* gated: the halves have filters of their own, one after the other. */
static size_t correlate(job j, const float *weights, bool turned, bool gated, nd_arena scratch) {
  size_t parts = gated ? 2 : 1, c = j.c / parts, floats = blocks_of(c) * (TAPS + 1) * LANES;
  float *filter = nd_arena_floats(&scratch, parts * floats), *zeros = nd_arena_floats(&scratch, LANES);
  if (gated)
    j.gates = nd_arena_for_threads(&scratch, (size_t)nd_threads(), (size_t)j.ow * LANES, &j.apart);
  if (!scratch.base)
    return scratch.used;
  for (size_t i = 0; i < parts; i++)
    pack_filter(weights + i * c * TAPS, j.e->bias ? j.e->bias + i * c : NULL, c, turned, filter + i * floats);
  memset(zeros, 0, LANES * sizeof *zeros);
  j.filter = filter;
  j.zeros = zeros;
  nd_parallel((size_t)j.n * (size_t)j.oh, 1 + 8192 / ((size_t)j.ow * j.c), gated ? gated_rows : output_rows,
              &j);
  return scratch.used;
}

size_t nd_depthwise_forward(const nd_conv_shape *s, const float *x, const float *weights,
                            const nd_epilogue *e, float *y, nd_arena scratch) {
  job j = job_of(s);
  j.x = x;
  j.e = e;
  j.y = y;
  return correlate(j, weights, false, s->gated, scratch);
}

size_t nd_depthwise_backward_data(const nd_conv_shape *s, const float *dy, const float *weights, float *dx,
                                  nd_arena scratch) {
  job j = job_of(s);
  j.h = s->oh, j.w = s->ow, j.oh = s->h, j.ow = s->w;
  j.pad = 2 - s->pad;
  j.x = dy;
  j.e = &(nd_epilogue){NULL, ND_LINEAR, 0};
  j.y = dx;
  return correlate(j, weights, true, false, scratch);
}

/* ---- Backward weights ---- */

/* As many channels as have their sums in registers, where these are long. */
enum { HALF = 16, PAIR = 2 * HALF };
typedef float half __attribute__((vector_size(4 * HALF)));
typedef float half_anywhere __attribute__((vector_size(4 * HALF), aligned(4), may_alias));

ND_KERNEL_PART void take(half to[2], const float *x, size_t lanes) {
  float part[PAIR] = {0};
  if (lanes < PAIR)
    x = memcpy(part, x, lanes * sizeof *x);
  to[0] = *(const half_anywhere *)x;
  to[1] = *(const half_anywhere *)(x + HALF);
}

/* Adds one row of dy, `lanes` channels: each column of x is read once, for the outputs right of it, at it and
 * left of it. */
ND_KERNEL_PART void sum_row(const job *j, const float *const rows[3], const float *dy, size_t lanes,
                            half sums[TAPS + 1][2]) {
  half d[3][2] = {0}; /* dy one after this column's, at it, before it */
  for (int s = 0; s < j->ow + 2; s++) {
    int column = s - j->pad;
    for (int i = 0; i < 2; i++)
      d[2][i] = d[1][i], d[1][i] = d[0][i], d[0][i] = (half){0};
    if (s < j->ow)
      take(d[0], dy + (size_t)s * j->c, lanes);
    for (int i = 0; i < 2; i++)
      sums[TAPS][i] += d[0][i];
    if (column < 0 || column >= j->w)
      continue;
    if (rows[2] && s < j->ow)
      fetch(rows[2] + (size_t)(j->w + column) * j->c, lanes), fetch(dy + (size_t)(j->ow + s) * j->c, lanes);
    for (int r = 0; r < 3; r++) {
      half x[2];
      if (!rows[r])
        continue;
      take(x, rows[r] + (size_t)column * j->c, lanes);
      for (int k = 0; k < 3; k++)
        for (int i = 0; i < 2; i++)
          sums[3 * r + k][i] += x[i] * d[k][i];
    }
  }
}

/* Rows of the output row ... end, `lanes` channels from `first` on. */
ND_KERNEL_PART void sum_rows(const job *j, size_t row, size_t end, size_t first, size_t lanes, float *to) {
  half sums[TAPS + 1][2] = {0};
  const float *rows[3];
  for (; row < end; row++) {
    find_rows(j, row, rows);
    for (int i = 0; i < 3; i++)
      rows[i] = rows[i] ? rows[i] + first : NULL;
    sum_row(j, rows, j->dy + row * (size_t)j->ow * j->c + first, lanes, sums);
  }
  for (int t = 0; t <= TAPS; t++)
    memcpy(to + (size_t)t * j->c + first, sums[t], lanes * sizeof *to);
}

/* Unit i: a block of rows of the output, a slice of channels. */
ND_KERNEL static void weight_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const job *j = context;
  size_t all = (size_t)j->n * (size_t)j->oh, height = (size_t)j->block_rows;
  for (size_t i = begin; i < end; i++) {
    size_t block = i / (size_t)j->slices, first = i % (size_t)j->slices * PAIR, row = block * height;
    size_t last = row + height < all ? row + height : all;
    float *to = j->sums + block * (TAPS + 1) * j->c;
    if (j->c - first >= PAIR)
      sum_rows(j, row, last, first, PAIR, to);
    else
      sum_rows(j, row, last, first, j->c - first, to);
  }
}

static float total(const job *j, size_t tap, size_t channel) {
  return (float)nd_sum_apart(j->sums + tap * j->c + channel, (size_t)j->blocks, (TAPS + 1) * j->c);
}

size_t nd_depthwise_backward_weights(const nd_conv_shape *s, const float *x, const float *dy, float *dweights,
                                     float *dbias, nd_arena scratch) {
  job j = job_of(s);
  j.x = x;
  j.dy = dy;
  j.block_rows = 1 + (PIXELS - 1) / j.ow;
  j.blocks = (j.n * j.oh + j.block_rows - 1) / j.block_rows;
  j.slices = (s->ci + PAIR - 1) / PAIR;
  j.sums = nd_arena_floats(&scratch, (size_t)j.blocks * (TAPS + 1) * j.c);
  if (!scratch.base)
    return scratch.used;
  nd_parallel((size_t)j.blocks * (size_t)j.slices, 1, weight_blocks, &j);
  for (size_t k = 0; k < j.c; k++) {
    for (size_t t = 0; t < TAPS; t++)
      dweights[k * TAPS + t] = total(&j, t, k);
    if (dbias)
      dbias[k] = total(&j, TAPS, k);
  }
  return scratch.used;
}
