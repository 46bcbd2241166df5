/* Direct backward data: dx[i] gathers dy[(i + pad - k * dilation) / stride] over the taps k that divide
 * evenly. Pixels i with the same remainder (a phase) have the same taps, so each phase is a correlation of
 * stride 1 of dy, written to every stride-th pixel of dx. Stride 1 is the one phase with all taps. */
#include "tensor/kernels/correlate.h"
#include "tensor/kernels/direct.h"
#include "tensor/kernels/pad.h"

/* One phase along one axis: pixels first, first + stride, ... (count of them); tap k, where it belongs to the
 * phase, reads dy at j + shift(k) for the j-th pixel. */
typedef struct axis {
  int first, count, stride, pad, dilation;
} axis;

static axis axis_of(const nd_conv_shape *s, int phase, int length) {
  int first = ((phase - s->pad) % s->stride + s->stride) % s->stride;
  int count = first < length ? (length - first + s->stride - 1) / s->stride : 0;
  return (axis){first, count, s->stride, s->pad, s->dilation};
}

static bool has_tap(const axis *a, int k) {
  return (a->first + a->pad - k * a->dilation) % a->stride == 0;
}

static int shift(const axis *a, int k) {
  return (a->first + a->pad - k * a->dilation) / a->stride;
}

/* The range of dy's indices that some phase reads along an axis of dx: [low, high]. */
typedef struct reach {
  int low, high;
} reach;

static reach reach_of(const nd_conv_shape *s, int length, int kernel) {
  reach r = {0, 0};
  for (int phase = 0; phase < s->stride; phase++) {
    axis a = axis_of(s, phase, length);
    for (int k = 0; k < kernel; k++) {
      if (!a.count || !has_tap(&a, k))
        continue;
      int low = shift(&a, k), high = low + a.count - 1;
      r.low = low < r.low ? low : r.low;
      r.high = high > r.high ? high : r.high;
    }
  }
  return r;
}

/* dy in the frame the phases read, or dy itself where they stay inside. */
typedef struct source {
  const float *dy;
  int h, w, top, left;
} source;

/* Lists a phase's taps from low to high addresses, so that neighbours can be summed in one go. */
static int list_taps(const nd_conv_shape *s, const source *from, const axis *y, const axis *x,
                     ptrdiff_t *offset, int *taps) {
  int count = 0;
  for (int ky = s->kh - 1; ky >= 0; ky--)
    for (int kx = s->kw - 1; kx >= 0; kx--) {
      if (!has_tap(y, ky) || !has_tap(x, kx))
        continue;
      ptrdiff_t row = shift(y, ky) + from->top, col = shift(x, kx) + from->left;
      offset[count] = (row * from->w + col) * s->co;
      taps[count++] = ky * s->kw + kx;
    }
  return count;
}

static nd_correlation phase_of(const nd_conv_shape *s, const source *from, const axis *y, const axis *x,
                               const float *weights, void *dx) {
  ptrdiff_t row = (ptrdiff_t)s->w * s->ci;
  return (nd_correlation){
      .from = from->dy,
      .from_image = (ptrdiff_t)from->h * from->w * s->co,
      .from_row = (ptrdiff_t)from->w * s->co,
      .from_pixel = s->co,
      .filter = nd_filter_backward(s, weights),
      .ntaps = s->kh * s->kw,
      .to = {(void *)nd_number_at(dx, s->x_type, dx ? y->first * row + x->first * s->ci : 0), s->x_type},
      .to_image = s->h * row,
      .to_row = s->stride * row,
      .to_pixel = (ptrdiff_t)s->stride * s->ci,
      .n = s->n,
      .rows = y->count,
      .cols = x->count,
      .epilogue = {NULL, ND_LINEAR, 0}};
}

static size_t run_phases(const nd_conv_shape *s, const source *from, const float *weights, void *dx,
                         ptrdiff_t *offset, int *taps, nd_arena scratch) {
  size_t most = scratch.used;
  for (int i = 0; i < s->stride * s->stride; i++) {
    axis y = axis_of(s, i / s->stride, s->h), x = axis_of(s, i % s->stride, s->w);
    if (!y.count || !x.count)
      continue;
    nd_correlation c = phase_of(s, from, &y, &x, weights, dx);
    if (scratch.base) {
      c.ntaps = list_taps(s, from, &y, &x, offset, taps);
      c.offset = offset;
      c.taps = taps;
    }
    size_t used;
    nd_correlate(&c, scratch, &used);
    most = used > most ? used : most;
  }
  return most;
}

size_t nd_direct_backward_data(const nd_conv_shape *s, const void *dy, const float *weights, void *dx,
                               nd_arena scratch) {
  reach y = reach_of(s, s->h, s->kh), x = reach_of(s, s->w, s->kw);
  bool copy = s->y_type != ND_F32 || y.low < 0 || x.low < 0 || y.high >= s->oh || x.high >= s->ow;
  nd_frame f = {.n = s->n,
                .h = s->oh,
                .w = s->ow,
                .c = s->co,
                .to_h = y.high - y.low + 1,
                .to_w = x.high - x.low + 1,
                .top = -y.low,
                .left = -x.low,
                .pitch = s->co,
                .from_type = s->y_type};
  float *padded =
      copy ? nd_arena_floats(&scratch, (size_t)f.n * (size_t)f.to_h * (size_t)f.to_w * (size_t)f.c) : NULL;
  size_t taps = (size_t)(s->kh * s->kw);
  ptrdiff_t *offset = (ptrdiff_t *)nd_arena_floats(&scratch, taps * sizeof *offset / sizeof(float));
  int *tap = (int *)nd_arena_floats(&scratch, taps);
  if (copy && scratch.base)
    nd_frame_copy(&f, dy, padded);
  source from = copy ? (source){padded, f.to_h, f.to_w, f.top, f.left} : (source){dy, s->oh, s->ow, 0, 0};
  return run_phases(s, &from, weights, dx, offset, tap, scratch);
}
