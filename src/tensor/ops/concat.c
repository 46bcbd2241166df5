/* Two tensors one after the other, along the batch or the channels. */
#include "tensor/ops/ops-private.h"

#include <string.h>

typedef struct work {
  nd_data a, b, out;
  size_t ca, cb;
} work;

static void rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++) {
    size_t out = i * (w->ca + w->cb);
    nd_copy_numbers(w->out, out, w->a, i * w->ca, w->ca);
    nd_copy_numbers(w->out, out + w->ca, w->b, i * w->cb, w->cb);
  }
}

static void run(const nd_run_context *r) {
  const nd_value *a = nd_run_in_value(r, 0), *b = nd_run_in_value(r, 1);
  bool batch = *(const int *)r->node->attr == 0;
  size_t n = batch ? 1 : a->count / (size_t)a->dims[3];
  work w = {nd_run_in_data(r, 0), nd_run_in_data(r, 1), nd_run_out_data(r, 0), a->count / n, b->count / n};
  nd_parallel(n, ND_GRAIN / (w.ca + w.cb) + 1, rows, &w);
}

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  int axis = *(const int *)n->attr;
  int a = nd_dims(g, n->in[0])[axis], b = nd_dims(g, n->in[1])[axis];
  if (wanted[0])
    din[0] = nd_slice(g, dout[0], axis, 0, a);
  if (wanted[1])
    din[1] = nd_slice(g, dout[0], axis, a, b);
}

static bool rows_of(const nd_graph *g, const nd_node *n, int i, nd_rows of, nd_rows *from) {
  return *(const int *)n->attr == 3 && nd_same_rows(g, n, i, of, from);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const nd_value *a = nd_in_value(g, n, 0), *b = nd_in_value(g, n, 1), *v = nd_out_value(g, n, 0);
  bool batch = *(const int *)n->attr == 0;
  size_t ca = batch ? a->count : (size_t)a->dims[3], cb = batch ? b->count : (size_t)b->dims[3];
  for (size_t i = 0; i < v->count; i++) {
    size_t row = i / (ca + cb), k = i % (ca + cb);
    out[0][i] = k < ca ? in[0][row * ca + k] : in[1][row * cb + k - ca];
  }
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  nd_onnx_layout layout = nd_onnx_layout_of(o, n->in[0]);
  int axis = nd_onnx_axis(layout, *(const int *)n->attr);
  const char *y = nd_onnx_node(
      o, "Concat", ND_ONNX_IN(nd_onnx_value(o, n->in[0], layout), nd_onnx_value(o, n->in[1], layout)),
      ND_ONNX_WITH(ND_ONNX_INT("axis", axis)));
  nd_onnx_set(o, n->out[0], layout, y);
}

nd_tensor nd_concat(nd_graph *g, nd_tensor a, nd_tensor b, int axis) {
  if (!nd_ready(g, 2, (nd_tensor[]){a, b}))
    return ND_NONE;
  int d[4];
  memcpy(d, nd_dims(g, a), sizeof d);
  const int *e = nd_dims(g, b);
  for (int i = 0; i < 4; i++)
    if (i != axis && d[i] != e[i])
      return nd_bad_node(g, "joining %d x %d x %d x %d and %d x %d x %d x %d along axis %d", d[0], d[1], d[2],
                         d[3], e[0], e[1], e[2], e[3], axis);
  d[axis] += e[axis];
  return nd_append(g, &nd_op_concat, &axis, 2, (nd_tensor[]){a, b}, d[0], d[1], d[2], d[3]);
}

static nd_tensor example(nd_graph *g, int i) {
  if (i > 1)
    return ND_NONE;
  nd_tensor a = nd_example_input(g, 2, 3, 4, 5), b = nd_example_input(g, i ? 2 : 3, 3, 4, i ? 2 : 5);
  return nd_concat(g, a, b, i ? 3 : 0);
}

const nd_op nd_op_concat = {.name = "concat",
                            .reach = nd_reach_none,
                            .again = &nd_op_concat,
                            .attr_size = sizeof(int),
                            .linear = nd_always_linear,
                            .takes_bf16 = nd_always_takes_bf16,
                            .gradient = gradient,
                            .run = run,
                            .rows = rows_of,
                            .reference = reference,
                            .onnx = onnx,
                            .example = example};
