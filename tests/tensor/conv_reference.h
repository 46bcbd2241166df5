/* A convolution in plain loops and double precision, on buffers of which the neighbourhood is watched. */
#ifndef ND_TEST_CONV_REFERENCE_H
#define ND_TEST_CONV_REFERENCE_H

#include "../wide/micro_wide.h"
#include "tensor/kernels/choose.h"
#include "tensor/kernels/conv.h"

#include "base/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { GUARD = 64 }; /* floats before and after each buffer */

static inline nd_conv_shape shape(int n, int h, int w, int ci, int co, int kernel, int stride, int pad,
                                  int dilation) {
  int span = (kernel - 1) * dilation + 1;
  return (nd_conv_shape){.n = n,
                         .h = h,
                         .w = w,
                         .ci = ci,
                         .oh = (h + 2 * pad - span) / stride + 1,
                         .ow = (w + 2 * pad - span) / stride + 1,
                         .co = co,
                         .kh = kernel,
                         .kw = kernel,
                         .stride = stride,
                         .pad = pad,
                         .dilation = dilation,
                         .groups = 1};
}

static inline float guard_value(size_t i) {
  return 12345.0f + (float)(i % 7);
}

static inline float *guarded(size_t count) {
  float *p = aligned_alloc(64, (count + 2 * GUARD + 15) / 16 * 64);
  assert_non_null(p);
  for (size_t i = 0; i < GUARD; i++)
    p[i] = p[GUARD + count + i] = guard_value(i);
  return p + GUARD;
}

static inline void check_guards(const float *p, size_t count) {
  for (size_t i = 0; i < GUARD; i++) {
    assert_true(p[(ptrdiff_t)i - GUARD] == guard_value(i));
    assert_true(p[count + i] == guard_value(i));
  }
}

static inline void release(float *p) {
  free(p - GUARD);
}

static inline float *normal(size_t count, uint32_t sample) {
  float *p = guarded(count);
  nd_rng r = nd_rng_make(7, 0, sample, ND_RANDOM_TEST);
  nd_rng_fill_normal(&r, p, count);
  return p;
}

static inline size_t x_size(const nd_conv_shape *s) {
  return (size_t)(s->n * s->h * s->w * s->ci);
}

static inline size_t y_size(const nd_conv_shape *s) {
  return (size_t)(s->n * s->oh * s->ow * s->co);
}

static inline size_t w_size(const nd_conv_shape *s) {
  return (size_t)(s->co * (s->ci / s->groups) * s->kh * s->kw);
}

/* Calls visit for each product of the convolution, with the indices of y, x and weight. */
typedef void (*visit_fn)(size_t y, size_t x, size_t w, void *context);
static inline void visit_input(const nd_conv_shape *s, size_t y, int image, int iy, int ix, int o, int tap,
                               visit_fn visit, void *context) {
  if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w)
    return;
  size_t taps = (size_t)(s->kh * s->kw), in = (size_t)(s->ci / s->groups),
         w = (size_t)o * in * taps + (size_t)tap;
  size_t x = (((size_t)image * (size_t)s->h + (size_t)iy) * (size_t)s->w + (size_t)ix) * (size_t)s->ci +
             (size_t)(o / (s->co / s->groups)) * in;
  for (size_t i = 0; i < in; i++)
    visit(y, x + i, w + i * taps, context);
}

static inline void visit_all(const nd_conv_shape *s, visit_fn visit, void *context) {
  size_t y = 0;
  for (int image = 0; image < s->n; image++)
    for (int oy = 0; oy < s->oh; oy++)
      for (int ox = 0; ox < s->ow; ox++)
        for (int o = 0; o < s->co; o++, y++)
          for (int tap = 0; tap < s->kh * s->kw; tap++)
            visit_input(s, y, image, oy * s->stride + tap / s->kw * s->dilation - s->pad,
                        ox * s->stride + tap % s->kw * s->dilation - s->pad, o, tap, visit, context);
}

typedef struct reference {
  nd_conv_shape s;
  float *x, *w, *b, *dy;    /* what goes in */
  double *y, *dx, *dw, *db; /* what should come out; y before bias and activation */
  size_t nx, ny, nw;
} reference;

static inline void add_product(size_t y, size_t x, size_t w, void *context) {
  reference *r = context;
  r->y[y] += (double)r->x[x] * r->w[w];
  r->dx[x] += (double)r->dy[y] * r->w[w];
  r->dw[w] += (double)r->dy[y] * r->x[x];
}

static inline reference make_reference(const nd_conv_shape *s) {
  reference r = {.s = *s, .nx = x_size(s), .ny = y_size(s), .nw = w_size(s)};
  r.x = normal(r.nx, 1);
  r.w = normal(r.nw, 2);
  r.b = normal((size_t)s->co, 3);
  r.dy = normal(r.ny, 4);
  r.y = calloc(r.ny, sizeof(double));
  r.dx = calloc(r.nx, sizeof(double));
  r.dw = calloc(r.nw, sizeof(double));
  r.db = calloc((size_t)s->co, sizeof(double));
  visit_all(s, add_product, &r);
  for (size_t i = 0; i < r.ny; i++)
    r.db[i % (size_t)s->co] += r.dy[i];
  return r;
}

static inline void free_reference(reference *r) {
  release(r->x), release(r->w), release(r->b), release(r->dy);
  free(r->y), free(r->dx), free(r->dw), free(r->db);
}

/* Scratch full of NaN: its contents must not matter. */
static inline float *make_scratch(size_t bytes, size_t *count) {
  *count = (bytes + 3) / 4;
  float *p = guarded(*count);
  memset(p, 0xff, *count * sizeof(float));
  return p;
}

#endif
