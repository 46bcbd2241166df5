/* Softmax over the last axis, rows in parallel. */
#include "tensor/kernels/sums.h"
#include "tensor/ops/ops-private.h"

#include <math.h>
#include <string.h>

extern const nd_op nd_op_softmax;

typedef struct work {
  const float *x, *dy;
  float *out;
  size_t c;
} work;

/* Both work on the output alone, as most often it has the input's memory. */
ND_KERNEL static void forward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  const size_t c = w->c;
  for (size_t r = begin; r < end; r++) {
    float *y = w->out + r * c;
    if (w->out != w->x)
      memcpy(y, w->x + r * c, c * sizeof *y);
    nd_row_softmax(y, c);
  }
}

ND_KERNEL static void backward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  const size_t c = w->c;
  for (size_t r = begin; r < end; r++) {
    float *dx = w->out + r * c;
    if (w->out != w->dy)
      memcpy(dx, w->dy + r * c, c * sizeof *dx);
    nd_row_softmax_backward(w->x + r * c, dx, c);
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
  return i < 2 ? nd_softmax(g, nd_example_input(g, 2, 2, 5, i ? 41 : 13)) : ND_NONE;
}

const nd_op nd_op_softmax = {.name = "softmax",
                             .in_place = 1,
                             .gradient = gradient,
                             .run = run,
                             .reference = reference,
                             .example = example};
