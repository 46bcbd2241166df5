/* Sum and product of two tensors; an axis of length 1 is repeated along the other's. */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_mul;

typedef struct work {
  nd_data a, b, out;
  const int *dims;                 /* of the output */
  size_t stride_a[4], stride_b[4]; /* 0 along repeated axes */
  bool product;
} work;

static void strides(const int dims[4], const int out[4], size_t stride[4]) {
  size_t step = 1;
  for (int i = 3; i >= 0; i--) {
    stride[i] = dims[i] == out[i] ? step : 0;
    step *= (size_t)dims[i];
  }
}

ND_KERNEL static void row(const float *a, size_t step_a, const float *b, size_t step_b, float *out, size_t n,
                          bool product) {
  if (product && step_a == step_b)
    for (size_t i = 0; i < n; i++)
      out[i] = a[i * step_a] * b[i * step_b];
  else if (product)
    for (size_t i = 0; i < n; i++)
      out[i] = (step_a ? a[i] : a[0]) * (step_b ? b[i] : b[0]);
  else
    for (size_t i = 0; i < n; i++)
      out[i] = (step_a ? a[i] : a[0]) + (step_b ? b[i] : b[0]);
}

/* n numbers of the output from the `out`-th, from those of a and b from the a-th and b-th. */
static void any_row(const work *w, size_t a, size_t step_a, size_t b, size_t step_b, size_t out, size_t n) {
  float buffer[3][ND_PIECE];
  for (size_t i = 0, count; i < n; i += count) {
    count = MIN(ND_PIECE, n - i);
    const float *x = nd_read(w->a, a + i * step_a, step_a ? count : 1, buffer[0]);
    const float *y = nd_read(w->b, b + i * step_b, step_b ? count : 1, buffer[1]);
    row(x, step_a, y, step_b, nd_to_write(w->out, out + i, buffer[2]), count, w->product);
    nd_written(w->out, out + i, count, buffer[2]);
  }
}

static void rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t wide = (size_t)w->dims[2], high = (size_t)w->dims[1], c = (size_t)w->dims[3];
  for (size_t i = begin; i < end; i++) {
    size_t at[3] = {i / wide / high, i / wide % high, i % wide}, a = 0, b = 0;
    for (int k = 0; k < 3; k++)
      a += at[k] * w->stride_a[k], b += at[k] * w->stride_b[k];
    any_row(w, a, w->stride_a[3], b, w->stride_b[3], i * c, c);
  }
}

static void flat(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  any_row(w, begin, 1, begin, 1, begin, end - begin);
}

static void run(const nd_run_context *r) {
  const nd_value *a = nd_run_in_value(r, 0), *b = nd_run_in_value(r, 1), *out = nd_run_out_value(r, 0);
  work w = {nd_run_in_data(r, 0),     nd_run_in_data(r, 1), nd_run_out_data(r, 0), out->dims, {0}, {0},
            r->node->op == &nd_op_mul};
  if (a->count == out->count && b->count == out->count) {
    nd_parallel(out->count, ND_GRAIN, flat, &w);
    return;
  }
  strides(a->dims, out->dims, w.stride_a);
  strides(b->dims, out->dims, w.stride_b);
  size_t c = (size_t)out->dims[3];
  nd_parallel(out->count / c, ND_GRAIN / c + 1, rows, &w);
}

/* Both of the output's height: what is repeated along it has no rows to slide over. */
static bool rows_of(const nd_graph *g, const nd_node *n, int i, nd_rows of, nd_rows *from) {
  return nd_in_value(g, n, i)->dims[1] == nd_out_value(g, n, 0)->dims[1] && nd_same_rows(g, n, i, of, from);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const nd_value *v = nd_out_value(g, n, 0);
  size_t sa[4], sb[4], i = 0;
  strides(nd_in_value(g, n, 0)->dims, v->dims, sa);
  strides(nd_in_value(g, n, 1)->dims, v->dims, sb);
  for (size_t p = 0; p < (size_t)v->dims[0]; p++)
    for (size_t q = 0; q < (size_t)v->dims[1]; q++)
      for (size_t s = 0; s < (size_t)v->dims[2]; s++)
        for (size_t c = 0; c < (size_t)v->dims[3]; c++, i++) {
          double a = in[0][p * sa[0] + q * sa[1] + s * sa[2] + c * sa[3]];
          double b = in[1][p * sb[0] + q * sb[1] + s * sb[2] + c * sb[3]];
          out[0][i] = n->op == &nd_op_mul ? a * b : a + b;
        }
}

static nd_tensor binary(nd_graph *g, const nd_op *op, nd_tensor a, nd_tensor b) {
  if (!nd_ready(g, 2, (nd_tensor[]){a, b}))
    return ND_NONE;
  const int *da = nd_dims(g, a), *db = nd_dims(g, b);
  int d[4];
  for (int i = 0; i < 4; i++) {
    if (da[i] != db[i] && da[i] != 1 && db[i] != 1)
      return nd_bad_node(g, "%s of %d x %d x %d x %d and %d x %d x %d x %d", op->name, da[0], da[1], da[2],
                         da[3], db[0], db[1], db[2], db[3]);
    d[i] = MAX(da[i], db[i]);
  }
  return nd_append(g, op, NULL, 2, (nd_tensor[]){a, b}, d[0], d[1], d[2], d[3]);
}

nd_tensor nd_add(nd_graph *g, nd_tensor a, nd_tensor b) {
  return binary(g, &nd_op_add, a, b);
}

nd_tensor nd_mul(nd_graph *g, nd_tensor a, nd_tensor b) {
  return binary(g, &nd_op_mul, a, b);
}

static nd_tensor summed_like(nd_graph *g, nd_tensor x, nd_tensor like) {
  int dims[4];
  memcpy(dims, nd_dims(g, like), sizeof dims);
  return nd_sum_to(g, x, dims);
}

static void add_gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                         nd_tensor *din) {
  for (int i = 0; i < 2; i++)
    if (wanted[i])
      din[i] = summed_like(g, dout[0], n->in[i]);
}

static void mul_gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                         nd_tensor *din) {
  for (int i = 0; i < 2; i++)
    if (wanted[i])
      din[i] = summed_like(g, nd_mul(g, dout[0], n->in[1 - i]), n->in[i]);
}

/* In the layout of the larger one. */
static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  bool second = nd_in_value(g, n, 1)->count > nd_in_value(g, n, 0)->count;
  nd_onnx_layout layout = nd_onnx_layout_of(o, n->in[second]);
  const char *y =
      nd_onnx_node(o, n->op == &nd_op_mul ? "Mul" : "Add",
                   ND_ONNX_IN(nd_onnx_value(o, n->in[0], layout), nd_onnx_value(o, n->in[1], layout)), NULL);
  nd_onnx_set(o, n->out[0], layout, y);
}

static nd_tensor operands(nd_graph *g, int i, nd_tensor *b) {
  static const int shapes[][8] = {{2, 3, 4, 5, 2, 3, 4, 5},
                                  {2, 3, 4, 5, 2, 1, 1, 5},
                                  {2, 3, 4, 5, 1, 1, 1, 1},
                                  {1, 3, 1, 5, 2, 3, 4, 5},
                                  {2, 3, 4, 1, 2, 1, 4, 6}};
  if (i >= (int)G_N_ELEMENTS(shapes))
    return ND_NONE;
  const int *s = shapes[i];
  *b = nd_example_input(g, s[4], s[5], s[6], s[7]);
  return nd_example_input(g, s[0], s[1], s[2], s[3]);
}

static nd_tensor add_example(nd_graph *g, int i) {
  nd_tensor b = ND_NONE, a = operands(g, i, &b);
  return a < 0 ? ND_NONE : nd_add(g, a, b);
}

static nd_tensor mul_example(nd_graph *g, int i) {
  nd_tensor b = ND_NONE, a = operands(g, i, &b);
  return a < 0 ? ND_NONE : nd_mul(g, a, b);
}

const nd_op nd_op_add = {.name = "add",
                         .by_number = true,
                         .sums = true,
                         .takes_bf16 = nd_always_takes_bf16,
                         .reach = nd_reach_none,
                         .in_place = 3,
                         .gradient = add_gradient,
                         .run = run,
                         .rows = rows_of,
                         .reference = reference,
                         .onnx = onnx,
                         .example = add_example};
const nd_op nd_op_mul = {.name = "mul",
                         .by_number = true,
                         .takes_bf16 = nd_always_takes_bf16,
                         .reach = nd_reach_none,
                         .again = &nd_op_mul,
                         .in_place = 3,
                         .gradient = mul_gradient,
                         .run = run,
                         .rows = rows_of,
                         .reference = reference,
                         .onnx = onnx,
                         .example = mul_example};
