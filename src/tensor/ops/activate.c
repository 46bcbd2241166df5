/* ReLU, leaky ReLU (Maas et al. 2013), SiLU and GELU (Hendrycks & Gimpel 2016), element by element. */
#include "tensor/kernels/elementary.h"
#include "tensor/ops/ops-private.h"

#include <math.h>

typedef struct work {
  nd_activate_attr a;
  nd_data x, dy, out; /* dy.at: NULL in the forward pass */
} work;

ND_KERNEL static void forward(const nd_activate_attr *a, const float *x, float *out, size_t n) {
  const float slope = a->kind == ND_ACT_RELU ? 0 : a->slope;
  if (a->kind == ND_ACT_SILU)
    for (size_t i = 0; i < n; i++)
      out[i] = x[i] * nd_sigmoidf(x[i]);
  else if (a->kind == ND_ACT_GELU)
    for (size_t i = 0; i < n; i++)
      out[i] = nd_geluf(x[i]);
  else
    for (size_t i = 0; i < n; i++)
      out[i] = x[i] > 0 ? x[i] : slope * x[i];
}

ND_KERNEL static void backward(const nd_activate_attr *a, const float *x, const float *dy, float *out,
                               size_t n) {
  const float slope = a->kind == ND_ACT_RELU ? 0 : a->slope;
  if (a->kind == ND_ACT_SILU)
    for (size_t i = 0; i < n; i++) {
      float s = nd_sigmoidf(x[i]);
      out[i] = dy[i] * s * (1 + x[i] * (1 - s));
    }
  else if (a->kind == ND_ACT_GELU)
    for (size_t i = 0; i < n; i++)
      out[i] = dy[i] * nd_gelu_gradientf(x[i]);
  else
    for (size_t i = 0; i < n; i++)
      out[i] = x[i] > 0 ? dy[i] : slope * dy[i];
}

static void range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  float buffer[3][ND_PIECE];
  for (size_t i = begin, count; i < end; i += count) {
    count = MIN(ND_PIECE, end - i);
    const float *x = nd_read(w->x, i, count, buffer[0]);
    float *out = nd_to_write(w->out, i, buffer[2]);
    if (w->dy.at)
      backward(&w->a, x, nd_read(w->dy, i, count, buffer[1]), out, count);
    else
      forward(&w->a, x, out, count);
    nd_written(w->out, i, count, buffer[2]);
  }
}

static void run(const nd_run_context *r) {
  work w = {
      *(const nd_activate_attr *)r->node->attr, nd_run_in_data(r, 0), {NULL, ND_F32}, nd_run_out_data(r, 0)};
  nd_parallel(nd_run_out_value(r, 0)->count, ND_GRAIN, range, &w);
}

static void run_backward(const nd_run_context *r) {
  work w = {*(const nd_activate_attr *)r->node->attr, nd_run_in_data(r, 0), nd_run_in_data(r, 1),
            nd_run_out_data(r, 0)};
  nd_parallel(nd_run_out_value(r, 0)->count, ND_GRAIN, range, &w);
}

const nd_op nd_op_activate_backward = {.name = "activate_backward",
                                       .attr_size = sizeof(nd_activate_attr),
                                       .takes_bf16 = nd_always_takes_bf16,
                                       .in_place = 2,
                                       .run = run_backward};

nd_tensor nd_activate_backward(nd_graph *g, nd_tensor saved, nd_tensor dy, nd_act kind, float slope) {
  nd_activate_attr a = {kind, slope};
  return nd_append_like(g, &nd_op_activate_backward, &a, 2, (nd_tensor[]){saved, dy}, dy);
}

/* ReLU and its like are told from the output. */
static bool gradient_reads_input(const nd_node *n) {
  const nd_activate_attr *a = n->attr;
  return a->kind == ND_ACT_SILU || a->kind == ND_ACT_GELU;
}

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  const nd_activate_attr *a = n->attr;
  if (wanted[0])
    din[0] =
        nd_activate_backward(g, gradient_reads_input(n) ? n->in[0] : n->out[0], dout[0], a->kind, a->slope);
}

bool nd_same_rows(const nd_graph *g, const nd_node *n, int i, nd_rows of, nd_rows *from) {
  (void)g, (void)n, (void)i;
  *from = of;
  return true;
}

double nd_activation_reference(double x, nd_act kind, float slope) {
  switch (kind) {
  case ND_ACT_NONE:
    return x;
  case ND_ACT_SILU:
    return x / (1 + exp(-x));
  case ND_ACT_GELU:
    return x * erfc(-x / sqrt(2)) / 2;
  default:
    return x > 0 ? x : kind == ND_ACT_RELU ? 0 : (double)slope * x;
  }
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const nd_activate_attr *a = n->attr;
  for (size_t i = 0; i < nd_out_value(g, n, 0)->count; i++)
    out[0][i] = nd_activation_reference(in[0][i], a->kind, a->slope);
}

nd_tensor nd_activate(nd_graph *g, nd_tensor x, nd_act kind, float slope) {
  if (!nd_ready(g, 1, &x) || kind == ND_ACT_NONE)
    return x;
  nd_activate_attr a = {kind, slope};
  return nd_append_like(g, &nd_op_activate, &a, 1, &x, x);
}

const char *nd_onnx_activation(nd_onnx *o, const char *x, nd_act kind, float slope) {
  switch (kind) {
  case ND_ACT_RELU:
    return nd_onnx_node(o, "Relu", ND_ONNX_IN(x), NULL);
  case ND_ACT_LEAKY_RELU:
    return nd_onnx_node(o, "LeakyRelu", ND_ONNX_IN(x), ND_ONNX_WITH(ND_ONNX_REAL("alpha", slope)));
  case ND_ACT_SILU:
    return nd_onnx_node(o, "Mul", ND_ONNX_IN(x, nd_onnx_node(o, "Sigmoid", ND_ONNX_IN(x), NULL)), NULL);
  case ND_ACT_GELU: { /* x (1 + erf(x / sqrt(2))) / 2 */
    const char *at = nd_onnx_node(o, "Mul", ND_ONNX_IN(x, nd_onnx_real(o, (float)M_SQRT1_2)), NULL);
    const char *erf = nd_onnx_node(o, "Erf", ND_ONNX_IN(at), NULL);
    const char *twice = nd_onnx_node(o, "Add", ND_ONNX_IN(erf, nd_onnx_real(o, 1)), NULL);
    const char *half = nd_onnx_node(o, "Mul", ND_ONNX_IN(x, nd_onnx_real(o, 0.5f)), NULL);
    return nd_onnx_node(o, "Mul", ND_ONNX_IN(half, twice), NULL);
  }
  default:
    return x;
  }
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  const nd_activate_attr *a = n->attr;
  nd_onnx_layout layout = nd_onnx_layout_of(o, n->in[0]);
  nd_onnx_set(o, n->out[0], layout,
              nd_onnx_activation(o, nd_onnx_value(o, n->in[0], layout), a->kind, a->slope));
}

static nd_tensor example(nd_graph *g, int i) {
  static const nd_act kinds[] = {ND_ACT_RELU, ND_ACT_LEAKY_RELU, ND_ACT_SILU, ND_ACT_GELU};
  return i < 4 ? nd_activate(g, nd_example_input(g, 2, 3, 5, 7), kinds[i], 0.2f) : ND_NONE;
}

const nd_op nd_op_activate = {.name = "activate",
                              .reach = nd_reach_none,
                              .attr_size = sizeof(nd_activate_attr),
                              .again = &nd_op_activate,
                              .again_for = gradient_reads_input,
                              .takes_bf16 = nd_always_takes_bf16,
                              .in_place = 1,
                              .gradient = gradient,
                              .run = run,
                              .rows = nd_same_rows,
                              .reference = reference,
                              .onnx = onnx,
                              .example = example};
