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
static void pack_lane(const nd_filter *f, const float *from, int count, const int *taps, int ntaps, float *to,
                      ptrdiff_t to_in, ptrdiff_t to_tap) {
  for (int i = 0; i < count; i++, from += f->in_step, to += to_in)
    for (int j = 0; j < ntaps; j++)
      to[j * to_tap] = from[taps[j]];
}

static void clear_lane(int count, int ntaps, float *to, ptrdiff_t to_in, ptrdiff_t to_tap) {
  for (int i = 0; i < count; i++, to += to_in)
    for (int j = 0; j < ntaps; j++)
      to[j * to_tap] = 0;
}

void nd_filter_pack(const nd_filter *f, int out0, int width, int in0, int in1, const int *taps, int ntaps,
                    float *to, ptrdiff_t to_in, ptrdiff_t to_tap) {
  /* A few input channels at a time, so that the lines written by one lane are still near for the next. */
  for (int in = in0, count; in < in1; in += count, to += count * to_in) {
    count = in1 - in < 16 ? in1 - in : 16;
    const float *from = f->weights + out0 * f->out_step + in * f->in_step;
    for (int lane = 0; lane < width; lane++, from += f->out_step) {
      if (out0 + lane < f->out)
        pack_lane(f, from, count, taps, ntaps, to + lane, to_in, to_tap);
      else
        clear_lane(count, ntaps, to + lane, to_in, to_tap);
    }
  }
}

static float sum_slices(const nd_filter_sums *sums, const float *from) {
  float sum = *from;
  for (int i = 1; i < sums->slices; i++)
    sum += from[i * sums->from_slice];
  return sum;
}

void nd_filter_unpack(const nd_filter *f, int out0, int width, int in0, int in1, const nd_filter_sums *sums,
                      float *weights) {
  int lanes = f->out - out0 < width ? f->out - out0 : width;
  const float *from = sums->from;
  for (int in = in0, count; in < in1; in += count, from += count * sums->from_in) {
    count = in1 - in < 16 ? in1 - in : 16;
    for (int lane = 0; lane < lanes; lane++) {
      float *to = weights + (out0 + lane) * f->out_step + in * f->in_step;
      for (int i = 0; i < count; i++, to += f->in_step)
        for (int j = 0; j < f->taps; j++)
          to[j] = sum_slices(sums, from + i * sums->from_in + j * sums->from_tap + lane);
    }
  }
}
