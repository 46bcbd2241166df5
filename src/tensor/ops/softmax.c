/* Softmax over the last axis, rows in parallel. */
#include "tensor/ops/math-private.h"
#include "tensor/ops/ops-private.h"

#include <math.h>

extern const nd_op nd_op_softmax;

typedef struct work {
  const float *x, *dy;
  float *out;
  size_t c;
} work;

ND_KERNEL static void forward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++) {
    const float *x = w->x + i * w->c;
    float *y = w->out + i * w->c, top = x[0], sum = 0;
    for (size_t k = 1; k < w->c; k++)
      top = x[k] > top ? x[k] : top;
    for (size_t k = 0; k < w->c; k++)
      y[k] = nd_expf(x[k] - top);
    for (size_t k = 0; k < w->c; k++)
      sum += y[k];
    for (size_t k = 0; k < w->c; k++)
      y[k] /= sum;
  }
}

ND_KERNEL static void backward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++) {
    const float *y = w->x + i * w->c, *dy = w->dy + i * w->c;
    float *dx = w->out + i * w->c, dot = 0;
    for (size_t k = 0; k < w->c; k++)
      dot += y[k] * dy[k];
    for (size_t k = 0; k < w->c; k++)
      dx[k] = y[k] * (dy[k] - dot);
  }
}

static void run_rows(const nd_run_context *r, nd_range_fn fn) {
  const nd_value *v = nd_run_out_value(r, 0);
  work w = {nd_run_in(r, 0), nd_run_in(r, 1), nd_run_out(r, 0), (size_t)v->dims[3]};
  nd_parallel(v->count / w.c, ND_GRAIN / w.c + 1, fn, &w);
}

static void run(const nd_run_context *r) {
  run_rows(r, forward_rows);
}

static void run_backward(const nd_run_context *r) {
  run_rows(r, backward_rows);
}

static const nd_op softmax_backward = {.name = "softmax_backward", .in_place = 2, .run = run_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &softmax_backward, NULL, 2, (nd_tensor[]){n->out[0], dout[0]}, n->in[0]);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const nd_value *v = nd_out_value(g, n, 0);
  size_t c = (size_t)v->dims[3];
  for (size_t i = 0; i < v->count; i += c) {
    double sum = 0;
    for (size_t k = 0; k < c; k++)
      sum += exp(in[0][i + k]);
    for (size_t k = 0; k < c; k++)
      out[0][i + k] = exp(in[0][i + k]) / sum;
  }
}

nd_tensor nd_softmax(nd_graph *g, nd_tensor x) {
  return nd_ready(g, 1, &x) ? nd_append_like(g, &nd_op_softmax, NULL, 1, &x, x) : ND_NONE;
}

static nd_tensor example(nd_graph *g, int i) {
  return i < 1 ? nd_softmax(g, nd_example_input(g, 2, 2, 5, 13)) : ND_NONE;
}

const nd_op nd_op_softmax = {.name = "softmax",
                             .in_place = 1,
                             .gradient = gradient,
                             .run = run,
                             .reference = reference,
                             .example = example};
