/* Gates: the first half of the channels times the second (Chen et al. 2022, the simple gate), the first half
 * through GELU where asked for (Zamir et al. 2022). */
#include "tensor/kernels/elementary.h"
#include "tensor/ops/ops-private.h"

#include <math.h>

typedef struct work {
  const float *x, *dy;
  float *out;
  size_t c; /* of the result */
  nd_act activation;
} work;

ND_KERNEL static void forward_pixels(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++) {
    const float *restrict a = w->x + i * 2 * w->c, *restrict b = a + w->c;
    float *restrict y = w->out + i * w->c;
    if (w->activation == ND_ACT_GELU)
      for (size_t k = 0; k < w->c; k++)
        y[k] = nd_geluf(a[k]) * b[k];
    else
      for (size_t k = 0; k < w->c; k++)
        y[k] = a[k] * b[k];
  }
}

ND_KERNEL static void backward_pixels(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++) {
    const float *a = w->x + i * 2 * w->c, *dy = w->dy + i * w->c;
    float *dx = w->out + i * 2 * w->c; /* may be x's memory */
    if (w->activation == ND_ACT_GELU)
      for (size_t k = 0; k < w->c; k++) {
        float first = a[k], second = a[w->c + k];
        dx[k] = dy[k] * second * nd_gelu_gradientf(first);
        dx[w->c + k] = dy[k] * nd_geluf(first);
      }
    else
      for (size_t k = 0; k < w->c; k++) {
        float first = a[k], second = a[w->c + k];
        dx[k] = dy[k] * second;
        dx[w->c + k] = dy[k] * first;
      }
  }
}

static void run(const nd_run_context *r) {
  const nd_value *y = nd_run_out_value(r, 0);
  work w = {nd_run_in(r, 0), NULL, nd_run_out(r, 0), (size_t)y->dims[3], *(const nd_act *)r->node->attr};
  nd_parallel(y->count / w.c, ND_GRAIN / w.c + 1, forward_pixels, &w);
}

static void run_backward(const nd_run_context *r) {
  const nd_value *dy = nd_run_in_value(r, 1);
  work w = {nd_run_in(r, 0), nd_run_in(r, 1), nd_run_out(r, 0), (size_t)dy->dims[3],
            *(const nd_act *)r->node->attr};
  nd_parallel(dy->count / w.c, ND_GRAIN / w.c + 1, backward_pixels, &w);
}

const nd_op nd_op_gate_backward = {
    .name = "gate_backward", .attr_size = sizeof(nd_act), .in_place = 1, .run = run_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &nd_op_gate_backward, n->attr, 2, (nd_tensor[]){n->in[0], dout[0]}, n->in[0]);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const nd_value *y = nd_out_value(g, n, 0);
  size_t c = (size_t)y->dims[3];
  bool gelu = *(const nd_act *)n->attr == ND_ACT_GELU;
  for (size_t i = 0; i < y->count; i++) {
    double first = in[0][i / c * 2 * c + i % c], second = in[0][i / c * 2 * c + c + i % c];
    out[0][i] = first * second * (gelu ? erfc(-first / sqrt(2)) / 2 : 1);
  }
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  nd_onnx_layout layout = nd_onnx_layout_of(o, n->in[0]);
  int axis = nd_onnx_axis(layout, 3), c = nd_out_value(g, n, 0)->dims[3];
  const char *x = nd_onnx_value(o, n->in[0], layout);
  const char *first = nd_onnx_slice(o, x, axis, 0, c), *second = nd_onnx_slice(o, x, axis, c, 2 * c);
  first = nd_onnx_activation(o, first, *(const nd_act *)n->attr, 0);
  nd_onnx_set(o, n->out[0], layout, nd_onnx_node(o, "Mul", ND_ONNX_IN(first, second), NULL));
}

nd_tensor nd_gate(nd_graph *g, nd_tensor x, nd_act activation) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  if (d[3] % 2)
    return nd_bad_node(g, "a gate of %d channels, which are not two halves", d[3]);
  if (activation != ND_ACT_NONE && activation != ND_ACT_GELU)
    return nd_bad_node(g, "a gate with an activation other than GELU");
  return nd_append(g, &nd_op_gate, &activation, 1, &x, d[0], d[1], d[2], d[3] / 2);
}

/* Behind a depth-wise convolution, which with its gradients takes over the gate. */
static nd_tensor example_behind(nd_graph *g, int c, nd_act activation) {
  nd_tensor w = nd_example_parameter(g, 4, c, 1, 3, 3), b = nd_example_parameter(g, 1, c, 1, 1, 1);
  nd_tensor x = nd_example_input(g, 2, 3, 4, c);
  return nd_gate(g, nd_conv2d(g, x, w, b, (nd_conv2d_settings){.pad = 1, .groups = c}), activation);
}

static nd_tensor example(nd_graph *g, int i) {
  static const int channels[] = {2, 6, 32, 6, 32};
  return i < 5   ? nd_gate(g, nd_example_input(g, 2, 3, 5, channels[i]), i < 3 ? ND_ACT_NONE : ND_ACT_GELU)
         : i < 7 ? example_behind(g, 10, i == 5 ? ND_ACT_NONE : ND_ACT_GELU)
                 : ND_NONE;
}

const nd_op nd_op_gate = {.name = "gate",
                          .reach = nd_reach_none,
                          .again = &nd_op_gate,
                          .attr_size = sizeof(nd_act),
                          .gradient = gradient,
                          .run = run,
                          .reference = reference,
                          .onnx = onnx,
                          .example = example};
