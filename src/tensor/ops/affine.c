/* scale x + shift with constants; also the plain copy (1, 0). */
#include "tensor/ops/ops-private.h"

typedef struct work {
  nd_affine_attr a;
  const float *x;
  float *out;
} work;

ND_KERNEL static void range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  const float scale = w->a.scale, shift = w->a.shift, *x = w->x;
  float *out = w->out;
  for (size_t i = begin; i < end; i++)
    out[i] = scale * x[i] + shift;
}

static void run(const nd_run_context *r) {
  work w = {*(const nd_affine_attr *)r->node->attr, nd_run_in(r, 0), nd_run_out(r, 0)};
  nd_parallel(nd_run_out_value(r, 0)->count, ND_GRAIN, range, &w);
}

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  const nd_affine_attr *a = n->attr;
  if (wanted[0])
    din[0] = nd_affine(g, dout[0], a->scale, 0);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const nd_affine_attr *a = n->attr;
  for (size_t i = 0; i < nd_out_value(g, n, 0)->count; i++)
    out[0][i] = (double)a->scale * in[0][i] + (double)a->shift;
}

nd_tensor nd_affine(nd_graph *g, nd_tensor x, float scale, float shift) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  nd_affine_attr a = {scale, shift};
  return nd_append_like(g, &nd_op_affine, &a, 1, &x, x);
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  const nd_affine_attr *a = n->attr;
  nd_onnx_layout layout = nd_onnx_layout_of(o, n->in[0]);
  const char *x = nd_onnx_value(o, n->in[0], layout);
  x = nd_onnx_node(o, "Mul", ND_ONNX_IN(x, nd_onnx_real(o, a->scale)), NULL);
  x = nd_onnx_node(o, "Add", ND_ONNX_IN(x, nd_onnx_real(o, a->shift)), NULL);
  nd_onnx_set(o, n->out[0], layout, x);
}

static nd_tensor example(nd_graph *g, int i) {
  return i < 1 ? nd_affine(g, nd_example_input(g, 2, 3, 1, 5), -1.5f, 0.25f) : ND_NONE;
}

const nd_op nd_op_affine = {.name = "affine",
                            .reach = nd_reach_none,
                            .attr_size = sizeof(nd_affine_attr),
                            .in_place = 1,
                            .gradient = gradient,
                            .run = run,
                            .rows = nd_same_rows,
                            .reference = reference,
                            .onnx = onnx,
                            .example = example};
