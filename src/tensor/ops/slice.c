/* A stretch of the batch or of the channels; its gradient puts the stretch back among zeros. */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_slice;

typedef struct slice_attr {
  int axis, begin, length;
} slice_attr;

typedef struct work {
  nd_data x, out;
  size_t whole, begin, length; /* elements of a row */
} work;

static void take_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++)
    nd_copy_numbers(w->out, i * w->length, w->x, i * w->whole + w->begin, w->length);
}

static void put_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++) {
    size_t out = i * w->whole, after = w->begin + w->length;
    nd_clear_numbers(w->out, out, w->begin);
    nd_copy_numbers(w->out, out + w->begin, w->x, i * w->length, w->length);
    nd_clear_numbers(w->out, out + after, w->whole - after);
  }
}

static size_t rows_of(const slice_attr *a, const nd_value *whole, work *w) {
  size_t rows = a->axis == 0 ? 1 : whole->count / (size_t)whole->dims[3];
  size_t unit = whole->count / rows / (size_t)whole->dims[a->axis];
  w->whole = whole->count / rows;
  w->begin = (size_t)a->begin * unit;
  w->length = (size_t)a->length * unit;
  return rows;
}

static void run(const nd_run_context *r) {
  work w = {.x = nd_run_in_data(r, 0), .out = nd_run_out_data(r, 0)};
  size_t rows = rows_of(r->node->attr, nd_run_in_value(r, 0), &w);
  nd_parallel(rows, ND_GRAIN / w.length + 1, take_rows, &w);
}

static void run_backward(const nd_run_context *r) {
  work w = {.x = nd_run_in_data(r, 0), .out = nd_run_out_data(r, 0)};
  size_t rows = rows_of(r->node->attr, nd_run_out_value(r, 0), &w);
  nd_parallel(rows, ND_GRAIN / w.whole + 1, put_rows, &w);
}

static const nd_op slice_backward = {.name = "slice_backward",
                                     .attr_size = sizeof(slice_attr),
                                     .takes_bf16 = nd_always_takes_bf16,
                                     .run = run_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &slice_backward, n->attr, 1, dout, n->in[0]);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  work w = {0};
  size_t rows = rows_of(n->attr, nd_in_value(g, n, 0), &w);
  for (size_t i = 0; i < rows * w.length; i++)
    out[0][i] = in[0][i / w.length * w.whole + w.begin + i % w.length];
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  const slice_attr *a = n->attr;
  nd_onnx_layout layout = nd_onnx_layout_of(o, n->in[0]);
  nd_onnx_set(o, n->out[0], layout,
              nd_onnx_slice(o, nd_onnx_value(o, n->in[0], layout), nd_onnx_axis(layout, a->axis), a->begin,
                            a->begin + a->length));
}

nd_tensor nd_slice(nd_graph *g, nd_tensor x, int axis, int begin, int length) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  int d[4];
  memcpy(d, nd_dims(g, x), sizeof d);
  if (begin < 0 || length < 1 || begin + length > d[axis])
    return nd_bad_node(g, "a slice [%d, %d) of an axis of length %d", begin, begin + length, d[axis]);
  d[axis] = length;
  slice_attr a = {axis, begin, length};
  return nd_append(g, &nd_op_slice, &a, 1, &x, d[0], d[1], d[2], d[3]);
}

static nd_tensor example(nd_graph *g, int i) {
  if (i > 1)
    return ND_NONE;
  nd_tensor x = nd_example_input(g, 4, 3, 2, 7);
  return i ? nd_slice(g, x, 3, 2, 4) : nd_slice(g, x, 0, 1, 2);
}

const nd_op nd_op_slice = {.name = "slice",
                           .linear = nd_always_linear,
                           .takes_bf16 = nd_always_takes_bf16,
                           .reach = nd_reach_none,
                           .attr_size = sizeof(slice_attr),
                           .gradient = gradient,
                           .run = run,
                           .reference = reference,
                           .onnx = onnx,
                           .example = example};
