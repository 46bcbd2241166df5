/* A few numbers that are part of the graph. */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_constant;

typedef struct constant_attr {
  int count;
  float values[4];
} constant_attr;

static void run(const nd_run_context *r) {
  const constant_attr *a = r->node->attr;
  memcpy(nd_run_out(r, 0), a->values, (size_t)a->count * sizeof *a->values);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  (void)g, (void)in;
  const constant_attr *a = n->attr;
  for (int i = 0; i < a->count; i++)
    out[0][i] = (double)a->values[i];
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  const constant_attr *a = n->attr;
  nd_onnx_set(o, n->out[0], ND_ONNX_AS_IS, nd_onnx_reals(o, 4, (int64_t[]){1, 1, 1, a->count}, a->values));
}

nd_tensor nd_constant(nd_graph *g, int count, const float *values) {
  constant_attr a = {.count = count};
  if (count < 1 || count > (int)G_N_ELEMENTS(a.values))
    return nd_bad_node(g, "a constant of %d numbers; there may be %zu", count, G_N_ELEMENTS(a.values));
  memcpy(a.values, values, (size_t)count * sizeof *values);
  return nd_append(g, &nd_op_constant, &a, 0, NULL, 1, 1, 1, count);
}

static nd_tensor example(nd_graph *g, int i) {
  static const float values[] = {0.25f, -3, 7};
  return i < 1 ? nd_mul(g, nd_example_input(g, 2, 3, 2, 3), nd_constant(g, 3, values)) : ND_NONE;
}

const nd_op nd_op_constant = {.name = "constant",
                              .attr_size = sizeof(constant_attr),
                              .run = run,
                              .reference = reference,
                              .onnx = onnx,
                              .example = example};
