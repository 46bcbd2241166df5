/* The same memory under other dimensions (reshape), or cut off from the gradient (detach). */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_reshape, nd_op_detach;

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  memcpy(out[0], in[0], nd_out_value(g, n, 0)->count * sizeof(double));
}

static void reshape_gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                             nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &nd_op_reshape, NULL, 1, dout, n->in[0]);
}

nd_tensor nd_reshape(nd_graph *g, nd_tensor x, int n, int h, int w, int c) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const nd_value *v = nd_value_of(g, x);
  if ((size_t)n * (size_t)h * (size_t)w * (size_t)c != v->count)
    return nd_bad_node(g, "%d x %d x %d x %d cannot be seen as %d x %d x %d x %d", ND_DIMS(v), n, h, w, c);
  return nd_append(g, &nd_op_reshape, NULL, 1, &x, n, h, w, c);
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  bool parameter = nd_in_value(g, n, 0)->param >= 0;
  const char *x = parameter ? nd_onnx_weights(o, n->in[0]) : nd_onnx_value(o, n->in[0], ND_ONNX_AS_IS);
  x = nd_onnx_node(o, "Reshape", ND_ONNX_IN(x, nd_onnx_shape(o, n->out[0], ND_ONNX_AS_IS)), NULL);
  nd_onnx_set(o, n->out[0], ND_ONNX_AS_IS, x);
}

nd_tensor nd_detach(nd_graph *g, nd_tensor x) {
  return nd_ready(g, 1, &x) ? nd_append_like(g, &nd_op_detach, NULL, 1, &x, x) : ND_NONE;
}

static nd_tensor reshape_example(nd_graph *g, int i) {
  nd_tensor x = i < 1 ? nd_example_input(g, 2, 3, 4, 5) : ND_NONE;
  return i < 1 ? nd_mul(g, nd_reshape(g, x, 1, 6, 2, 10), nd_reshape(g, x, 1, 6, 2, 10)) : ND_NONE;
}

static nd_tensor detach_example(nd_graph *g, int i) {
  nd_tensor x = i < 1 ? nd_example_input(g, 1, 3, 4, 5) : ND_NONE;
  return i < 1 ? nd_add(g, x, nd_detach(g, nd_affine(g, x, 3, 1))) : ND_NONE;
}

const nd_op nd_op_reshape = {.name = "reshape",
                             .view = true,
                             .reach = nd_reach_of_view,
                             .gradient = reshape_gradient,
                             .reference = reference,
                             .onnx = onnx,
                             .example = reshape_example};
const nd_op nd_op_detach = {
    .name = "detach", .view = true, .reference = reference, .example = detach_example};
