/* Weights from the checkpoint's order (co, ci, kh, kw) to panels of neighbouring output channels. */
#include "tensor/kernels/filter.h"

#include "tensor/kernels/transpose.h"

#include <string.h>

enum { CHUNK = 16 }; /* input channels at a time: the lines one lane writes are still near for the next */

nd_filter nd_filter_forward(const nd_conv_shape *s, const float *weights) {
  int taps = s->kh * s->kw;
  return (nd_filter){weights, s->co, s->ci, taps, (ptrdiff_t)s->ci * taps, taps};
}

nd_filter nd_filter_backward(const nd_conv_shape *s, const float *weights) {
  int taps = s->kh * s->kw;
  return (nd_filter){weights, s->ci, s->co, taps, taps, (ptrdiff_t)s->ci * taps};
}

/* One lane: a walk through one output channel's weights. */
static void pack_lane(const nd_filter *f, const float *from, int count, const int *taps, int ntaps, float *to,
                      ptrdiff_t to_in, ptrdiff_t to_tap) {
  for (int i = 0; i < count; i++, from += f->in_step, to += to_in)
    for (int j = 0; j < ntaps; j++)
      to[j * to_tap] = from[taps[j]];
}

/* Four lanes, each of n numbers side by side: to[i * to_step + lane] = from[lane * lane_step + i]. */
static void pack_four(const float *from, ptrdiff_t lane_step, int n, float *to, ptrdiff_t to_step) {
  int i = 0;
  for (; i + 4 <= n; i += 4)
    nd_transpose_four(from + i, lane_step, to + i * to_step, to_step);
  for (; i < n; i++)
    for (int lane = 0; lane < 4; lane++)
      to[i * to_step + lane] = from[lane * lane_step + i];
}

/* Four lanes of taps that follow one another: to_tap is negative, and `to` the last row, for a kernel turned
 * round. */
static void pack_four_lanes(const nd_filter *f, const float *from, int count, int ntaps, float *to,
                            ptrdiff_t to_in, ptrdiff_t to_tap) {
  for (int i = 0; i < count; i++, from += f->in_step, to += to_in)
    pack_four(from, f->out_step, ntaps, to, to_tap);
}

/* `lanes` lanes of a 1x1 kernel whose outputs lie side by side. */
static void pack_rows(const nd_filter *f, const float *from, int count, int lanes, float *to,
                      ptrdiff_t to_in) {
  for (int i = 0; i < count; i++)
    memcpy(to + i * to_in, from + i * f->in_step, (size_t)lanes * sizeof *to);
}

/* 1 or -1 if the taps follow one another, in order or turned round, and are enough for vectors; else 0. */
static int direction(const int *taps, int ntaps) {
  int step = ntaps < 4 ? 0 : taps[1] - taps[0];
  for (int j = 1; j < ntaps; j++)
    if (taps[j] != taps[j - 1] + step)
      return 0;
  return step == 1 || step == -1 ? step : 0;
}

static void clear_lane(int count, int ntaps, float *to, ptrdiff_t to_in, ptrdiff_t to_tap) {
  for (int i = 0; i < count; i++, to += to_in)
    for (int j = 0; j < ntaps; j++)
      to[j * to_tap] = 0;
}

/* Asks for a chunk's weights: short runs far apart, which the processor does not foresee. */
static void prefetch_chunk(const nd_filter *f, const float *from, int width) {
  bool in_inside = f->in_step < f->out_step; /* a run holds neighbouring inputs, else neighbouring outputs */
  ptrdiff_t row = in_inside ? f->out_step : f->in_step,
            run = (ptrdiff_t)(in_inside ? CHUNK : width) * f->taps;
  int rows = in_inside ? width : CHUNK;
  for (int i = 0; i < rows; i++, from += row)
    for (ptrdiff_t j = 0; j < run; j += 16)
      __builtin_prefetch(from + j);
  __asm__ volatile(""); /* GCC 12 drops calls of functions that only prefetch */
}

void nd_filter_pack(const nd_filter *f, int out0, int width, int in0, int in1, const int *taps, int ntaps,
                    float *to, ptrdiff_t to_in, ptrdiff_t to_tap) {
  int step = direction(taps, ntaps), lanes = f->out - out0 < width ? f->out - out0 : width;
  for (int in = in0, count; in < in1; in += count, to += count * to_in) {
    count = in1 - in < CHUNK ? in1 - in : CHUNK;
    const float *from = f->weights + out0 * f->out_step + in * f->in_step;
    if (in + CHUNK < f->in)
      prefetch_chunk(f, from + CHUNK * f->in_step, lanes);
    int lane = 0;
    for (; step && lane + 4 <= lanes; lane += 4)
      pack_four_lanes(f, from + lane * f->out_step + taps[step > 0 ? 0 : ntaps - 1], count, ntaps,
                      to + lane + (step > 0 ? 0 : (ntaps - 1) * to_tap), to_in, step * to_tap);
    if (f->taps == 1 && ntaps == 1 && f->out_step == 1) {
      pack_rows(f, from, count, lanes, to, to_in);
      lane = lanes;
    }
    for (; f->taps == 1 && ntaps == 1 && f->in_step == 1 && lane + 4 <= lanes; lane += 4)
      pack_four(from + lane * f->out_step, f->out_step, count, to + lane, to_in);
    for (; lane < lanes; lane++)
      pack_lane(f, from + lane * f->out_step, count, taps, ntaps, to + lane, to_in, to_tap);
    for (; lane < width; lane++)
      clear_lane(count, ntaps, to + lane, to_in, to_tap);
  }
}

static void unpack_lane(const nd_filter *f, const float *from, ptrdiff_t from_in, ptrdiff_t from_tap,
                        int count, float *to) {
  for (int i = 0; i < count; i++, from += from_in, to += f->in_step)
    for (int j = 0; j < f->taps; j++)
      to[j] = from[j * from_tap];
}

/* pack_four's way back: to[lane * lane_step + i] = from[i * from_step + lane]. */
static void unpack_four(const float *from, ptrdiff_t from_step, int n, float *to, ptrdiff_t lane_step) {
  int i = 0;
  for (; i + 4 <= n; i += 4)
    nd_transpose_four(from + i * from_step, from_step, to + i, lane_step);
  for (; i < n; i++)
    for (int lane = 0; lane < 4; lane++)
      to[lane * lane_step + i] = from[i * from_step + lane];
}

static void unpack_four_lanes(const nd_filter *f, const float *from, ptrdiff_t from_in, ptrdiff_t from_tap,
                              int count, float *to) {
  for (int i = 0; i < count; i++, from += from_in, to += f->in_step)
    unpack_four(from, from_tap, f->taps, to, f->out_step);
}

void nd_filter_unpack(const nd_filter *f, int out0, int width, int in0, int in1, const float *from,
                      ptrdiff_t from_in, ptrdiff_t from_tap, float *weights) {
  int lanes = f->out - out0 < width ? f->out - out0 : width;
  for (int in = in0, count; in < in1; in += count, from += count * from_in) {
    count = in1 - in < CHUNK ? in1 - in : CHUNK;
    float *to = weights + out0 * f->out_step + in * f->in_step;
    int lane = 0;
    for (; f->taps >= 4 && lane + 4 <= lanes; lane += 4)
      unpack_four_lanes(f, from + lane, from_in, from_tap, count, to + lane * f->out_step);
    for (; f->taps == 1 && f->in_step == 1 && lane + 4 <= lanes; lane += 4)
      unpack_four(from + lane, from_in, count, to + lane * f->out_step, f->out_step);
    for (; lane < lanes; lane++)
      unpack_lane(f, from + lane, from_in, from_tap, count, to + lane * f->out_step);
  }
}
