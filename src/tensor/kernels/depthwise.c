#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/depthwise_private.h"

typedef struct job {
  nd_sweep sweep;
  int n; /* x is n,h,w,c; y is n,oh,ow,c */
  size_t c;
  const float *x, *filter; /* filter: its slices, of a gated one those of each half */
  const nd_epilogue *e;
  const nd_micro *micro;
  float *y;
  float *gates; /* for each thread, so far apart, the first half of a row's slice */
  size_t apart;
} job;

bool nd_depthwise_takes(const nd_conv_shape *s) {
  return s->groups > 1 && s->ci == s->groups && s->co == s->groups && s->kh == 3 && s->kw == 3 &&
         s->stride == 1 && s->dilation == 1;
}

/* Forward, and backward data: the same with the kernel turned round. */

/* A row of all samples' outputs, one below the other: of so many channels. */
typedef struct place {
  size_t image;
  int y;
  float *out; /* the strip's first pixel */
  nd_sweep_ahead ahead;
} place;

static place find_place(const job *j, const nd_sweep *strip, size_t row, size_t channels) {
  place p = {row / (size_t)j->sweep.oh, (int)(row % (size_t)j->sweep.oh) - j->sweep.pad, NULL, {NULL, NULL}};
  p.out = j->y + (row * (size_t)j->sweep.ow + (size_t)strip->from) * channels;
  if (row + 1 < (size_t)j->n * (size_t)j->sweep.oh)
    p.ahead.write = p.out + (size_t)j->sweep.ow * channels;
  const float *next[3];
  nd_find_rows(strip, j->x, p.image, p.y + 3, 0, next);
  p.ahead.read = next[0] ? next[0] + (size_t)strip->from * j->c : NULL;
  return p;
}

/* The slice at p.y of the sample's rows, from channel k on, through the activation. */
static void sweep_activated(const job *j, const nd_sweep *strip, const place *p, size_t k, size_t lanes,
                            const float *filter, nd_sweep_to to) {
  const float *rows[3];
  nd_find_rows(strip, j->x, p->image, p->y, k, rows);
  nd_sweep_activated(j->micro, strip, rows, lanes, filter, j->e, to);
}

/* Rows begin ... end - 1 of a strip; `gate` is not used. */
static void sweep_rows(const job *j, const nd_sweep *strip, size_t begin, size_t end, float *gate) {
  (void)gate;
  size_t lanes = nd_slice_lanes(j->c);
  for (size_t row = begin; row < end; row++) {
    place p = find_place(j, strip, row, j->c);
    for (size_t slice = 0; slice < nd_slices(j->c); slice++) {
      size_t k = nd_slice_start(j->c, slice);
      sweep_activated(
          j, strip, &p, k, lanes, j->filter + slice * ND_SLICE_FILTER,
          (nd_sweep_to){.y = p.out + k, .pitch = j->c, .ahead = nd_sweep_ahead_of(strip, p.ahead, k)});
    }
  }
}

/* Slice by slice of the first half, and then of the second. */
static void sweep_gated_rows(const job *j, const nd_sweep *strip, size_t begin, size_t end, float *gate) {
  const float *rows[3];
  size_t half = j->c / 2, slices = nd_slices(half), lanes = nd_slice_lanes(half);
  for (size_t row = begin; row < end; row++) {
    place p = find_place(j, strip, row, half);
    for (size_t slice = 0; slice < slices; slice++) {
      size_t k = nd_slice_start(half, slice);
      const float *filter = j->filter + slice * ND_SLICE_FILTER;
      nd_sweep_ahead first = nd_sweep_ahead_of(strip, p.ahead, k),
                     second = nd_sweep_ahead_of(strip, p.ahead, half + k);
      nd_sweep_to to = {p.out + k, half, gate, ND_LINEAR, 0, {second.read, first.write}};
      sweep_activated(j, strip, &p, k, lanes, filter,
                      (nd_sweep_to){.y = gate, .pitch = ND_SLICE, .ahead = {first.read, NULL}});
      nd_find_rows(strip, j->x, p.image, p.y, half + k, rows);
      j->micro->sweep(strip, rows, lanes, filter + slices * ND_SLICE_FILTER, &to);
    }
  }
}

/* The strip that starts at column `from`. */
static nd_sweep strip_of(const job *j, int from) {
  nd_sweep strip = j->sweep;
  int width = nd_strip_width(strip.ow, j->c);
  strip.from = from;
  strip.end = from + width < strip.ow ? from + width : strip.ow;
  return strip;
}

static void output_rows(size_t begin, size_t end, int thread, void *context) {
  const job *j = context;
  float *gate = j->gates ? j->gates + (size_t)thread * j->apart : NULL;
  for (nd_sweep strip = strip_of(j, 0); strip.from < strip.ow; strip = strip_of(j, strip.end))
    (gate ? sweep_gated_rows : sweep_rows)(j, &strip, begin, end, gate);
}

static size_t correlate(job j, const float *weights, bool turned, bool gated, nd_arena scratch) {
  float *zeros = nd_arena_floats(&scratch, ND_SLICE);
  float *filter = nd_arena_floats(&scratch, nd_filter_slices(j.c, gated) * ND_SLICE_FILTER);
  if (gated)
    j.gates = nd_arena_for_threads(&scratch, (size_t)nd_threads(), (size_t)j.sweep.ow * ND_SLICE, &j.apart);
  if (!scratch.base)
    return scratch.used;
  nd_filter_slices_pack(weights, j.e->bias, j.c, gated, turned, filter);
  memset(zeros, 0, ND_SLICE * sizeof *zeros);
  j.filter = filter;
  j.sweep.zeros = zeros;
  j.micro = nd_micro_best();
  nd_parallel((size_t)j.n * (size_t)j.sweep.oh, 1 + 8192 / ((size_t)j.sweep.ow * j.c), output_rows, &j);
  return scratch.used;
}

size_t nd_depthwise_forward(const nd_conv_shape *s, const float *x, const float *weights,
                            const nd_epilogue *e, float *y, nd_arena scratch) {
  job j = {.sweep = {.h = s->h, .w = s->w, .oh = s->oh, .ow = s->ow, .pad = s->pad, .pitch = (size_t)s->ci}};
  j.n = s->n;
  j.c = (size_t)s->ci;
  j.x = x;
  j.e = e;
  j.y = y;
  return correlate(j, weights, false, s->gated, scratch);
}

size_t nd_depthwise_backward_data(const nd_conv_shape *s, const float *dy, const float *weights, float *dx,
                                  nd_arena scratch) {
  job j = {
      .sweep = {.h = s->oh, .w = s->ow, .oh = s->h, .ow = s->w, .pad = 2 - s->pad, .pitch = (size_t)s->ci}};
  j.n = s->n;
  j.c = (size_t)s->ci;
  j.x = dy;
  j.e = &(nd_epilogue){NULL, ND_LINEAR, 0};
  j.y = dx;
  return correlate(j, weights, true, false, scratch);
}
