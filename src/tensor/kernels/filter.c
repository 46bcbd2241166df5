/* Weights from the checkpoint's order (co, ci, kh, kw) to panels of neighbouring output channels. */
#include "tensor/kernels/filter.h"

nd_filter nd_filter_forward(const nd_conv_shape *s, const float *weights) {
  int taps = s->kh * s->kw;
  return (nd_filter){weights, s->co, s->ci, taps, (ptrdiff_t)s->ci * taps, taps};
}

nd_filter nd_filter_backward(const nd_conv_shape *s, const float *weights) {
  int taps = s->kh * s->kw;
  return (nd_filter){weights, s->ci, s->co, taps, taps, (ptrdiff_t)s->ci * taps};
}

/* One lane: a walk through one output channel's weights. */
enum { CHUNK = 16 }; /* input channels at a time: the lines one lane writes are still near for the next */

/* One lane: a walk through one output channel's weights. ntaps is a constant after inlining, where it
 * matters. */
static inline __attribute__((always_inline)) void pack_taps(const nd_filter *f, const float *from, int count,
                                                            const int *taps, const int ntaps, float *to,
                                                            ptrdiff_t to_in, ptrdiff_t to_tap) {
  for (int i = 0; i < count; i++, from += f->in_step, to += to_in)
    for (int j = 0; j < ntaps; j++)
      to[j * to_tap] = from[taps[j]];
}

static void pack_lane(const nd_filter *f, const float *from, int count, const int *taps, int ntaps, float *to,
                      ptrdiff_t to_in, ptrdiff_t to_tap) {
  if (ntaps == 9)
    pack_taps(f, from, count, taps, 9, to, to_in, to_tap);
  else if (ntaps == 1)
    pack_taps(f, from, count, taps, 1, to, to_in, to_tap);
  else
    pack_taps(f, from, count, taps, ntaps, to, to_in, to_tap);
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
  for (int in = in0, count; in < in1; in += count, to += count * to_in) {
    count = in1 - in < CHUNK ? in1 - in : CHUNK;
    const float *from = f->weights + out0 * f->out_step + in * f->in_step;
    if (in + CHUNK < f->in)
      prefetch_chunk(f, from + CHUNK * f->in_step, f->out - out0 < width ? f->out - out0 : width);
    for (int lane = 0; lane < width; lane++, from += f->out_step) {
      if (out0 + lane < f->out)
        pack_lane(f, from, count, taps, ntaps, to + lane, to_in, to_tap);
      else
        clear_lane(count, ntaps, to + lane, to_in, to_tap);
    }
  }
}

static inline __attribute__((always_inline)) void unpack_taps(const nd_filter *f, const float *from,
                                                              ptrdiff_t from_in, ptrdiff_t from_tap,
                                                              int count, const int taps, float *to) {
  for (int i = 0; i < count; i++, from += from_in, to += f->in_step)
    for (int j = 0; j < taps; j++)
      to[j] = from[j * from_tap];
}

void nd_filter_unpack(const nd_filter *f, int out0, int width, int in0, int in1, const float *from,
                      ptrdiff_t from_in, ptrdiff_t from_tap, float *weights) {
  int lanes = f->out - out0 < width ? f->out - out0 : width;
  for (int in = in0, count; in < in1; in += count, from += count * from_in) {
    count = in1 - in < CHUNK ? in1 - in : CHUNK;
    float *to = weights + out0 * f->out_step + in * f->in_step;
    for (int lane = 0; lane < lanes; lane++, to += f->out_step) {
      if (f->taps == 9)
        unpack_taps(f, from + lane, from_in, from_tap, count, 9, to);
      else
        unpack_taps(f, from + lane, from_in, from_tap, count, f->taps, to);
    }
  }
}
