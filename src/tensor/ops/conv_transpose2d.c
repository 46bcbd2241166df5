/* Transposed convolution: what the backward pass of a convolution does to the gradient of its output
 * (Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning"). */
#include "tensor/ops/conv-private.h"

#include <string.h>

extern const nd_op nd_op_conv_transpose2d;

static int prepare(const nd_graph *g, nd_node *n) {
  return nd_op_conv2d_backward_data.prepare(g, n);
}

static bool takes_bf16(const nd_node *n) {
  return nd_op_conv2d_backward_data.takes_bf16(n);
}

static void release(nd_node *n) {
  nd_op_conv2d_backward_data.release(n);
}

static void run(const nd_run_context *r) {
  nd_op_conv2d_backward_data.run(r);
}

static double flops(const nd_graph *g, const nd_node *n) {
  return nd_op_conv2d_backward_data.flops(g, n);
}

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  const nd_conv_attr *a = n->attr;
  if (wanted[0])
    din[0] = nd_conv2d(g, dout[0], n->in[1], ND_NONE, a->s);
  if (wanted[1])
    din[1] =
        nd_append_like(g, &nd_op_conv2d_backward_weights, a, 2, (nd_tensor[]){dout[0], n->in[0]}, n->in[1]);
}

/* Adds what input pixel (y, x) of picture n gives to the output. */
static void spread_pixel(const nd_conv_shape *s, const double *x, const double *w, int n, int y, int col,
                         double *out) {
  int per_group = s->ci / s->groups, inputs = s->co / s->groups;
  for (int ic = 0; ic < s->co; ic++)
    for (int k = 0; k < per_group * s->kh * s->kw; k++) {
      int c = k / (s->kh * s->kw), ky = k / s->kw % s->kh, kx = k % s->kw;
      int oy = y * s->stride - s->pad + ky * s->dilation, ox = col * s->stride - s->pad + kx * s->dilation;
      if (oy >= 0 && oy < s->h && ox >= 0 && ox < s->w)
        out[((n * s->h + oy) * s->w + ox) * s->ci + ic / inputs * per_group + c] +=
            x[((n * s->oh + y) * s->ow + col) * s->co + ic] * w[ic * per_group * s->kh * s->kw + k];
    }
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const nd_conv_shape *s = &((const nd_conv_attr *)n->attr)->shape;
  memset(out[0], 0, nd_out_value(g, n, 0)->count * sizeof(double));
  for (int i = 0; i < s->n; i++)
    for (int y = 0; y < s->oh; y++)
      for (int x = 0; x < s->ow; x++)
        spread_pixel(s, in[0], in[1], i, y, x, out[0]);
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  nd_onnx_set(o, n->out[0], ND_ONNX_CHANNELS_FIRST, nd_onnx_convolution(o, "ConvTranspose", n, ND_NONE));
}

static int output_size(int in, int kernel, const nd_conv2d_settings *s) {
  return (in - 1) * s->stride - 2 * s->pad + s->dilation * (kernel - 1) + 1;
}

nd_tensor nd_conv_transpose2d(nd_graph *g, nd_tensor x, nd_tensor weights, nd_tensor bias,
                              nd_conv2d_settings s) {
  if (!nd_ready(g, 2, (nd_tensor[]){x, weights}))
    return ND_NONE;
  s.stride = MAX(s.stride, 1), s.dilation = MAX(s.dilation, 1), s.groups = MAX(s.groups, 1);
  const nd_value *xv = nd_value_of(g, x), *w = nd_value_of(g, weights);
  if (w->dims[0] != xv->dims[3] || w->dims[0] % s.groups)
    return nd_bad_node(g, "transposed convolution of %d channels with weights for %d", xv->dims[3],
                       w->dims[0]);
  if (s.activation != ND_ACT_NONE)
    return nd_bad_node(g, "a transposed convolution has no activation of its own");
  nd_conv_attr a = {.s = s};
  a.shape = (nd_conv_shape){.n = xv->dims[0],
                            .h = output_size(xv->dims[1], w->dims[2], &s),
                            .w = output_size(xv->dims[2], w->dims[3], &s),
                            .ci = w->dims[1] * s.groups,
                            .oh = xv->dims[1],
                            .ow = xv->dims[2],
                            .co = xv->dims[3],
                            .kh = w->dims[2],
                            .kw = w->dims[3],
                            .stride = s.stride,
                            .pad = s.pad,
                            .dilation = s.dilation,
                            .groups = s.groups};
  nd_tensor y = nd_append(g, &nd_op_conv_transpose2d, &a, 2, (nd_tensor[]){x, weights}, a.shape.n, a.shape.h,
                          a.shape.w, a.shape.ci);
  return bias < 0 ? y : nd_add(g, y, nd_reshape(g, bias, 1, 1, 1, a.shape.ci));
}

static nd_tensor example(nd_graph *g, int i) {
  static const struct {
    int n, h, w, ci, co, k;
    nd_conv2d_settings s;
    bool bias;
  } e[] = {
      {2, 3, 5, 6, 4, 2, {.stride = 2}, true},
      {1, 4, 4, 5, 3, 4, {.stride = 2, .pad = 1}, true},
      {1, 5, 6, 3, 7, 3, {.pad = 1}, false},
      {2, 3, 4, 4, 6, 3, {.stride = 3, .pad = 1, .groups = 2}, true},
      {1, 4, 5, 4, 5, 3, {.stride = 2, .pad = 2, .dilation = 2}, false},
  };
  if (i >= (int)G_N_ELEMENTS(e))
    return ND_NONE;
  nd_tensor x = nd_example_input(g, e[i].n, e[i].h, e[i].w, e[i].ci);
  nd_tensor w = nd_example_parameter(g, 4, e[i].ci, e[i].co / MAX(e[i].s.groups, 1), e[i].k, e[i].k);
  nd_tensor b = e[i].bias ? nd_example_parameter(g, 1, e[i].co, 1, 1, 1) : ND_NONE;
  return nd_conv_transpose2d(g, x, w, b, e[i].s);
}

const nd_op nd_op_conv_transpose2d = {.name = "conv_transpose2d",
                                      .attr_size = sizeof(nd_conv_attr),
                                      .gradient = gradient,
                                      .linear = nd_always_linear,
                                      .takes_bf16 = takes_bf16,
                                      .prepare = prepare,
                                      .release = release,
                                      .run = run,
                                      .reference = reference,
                                      .onnx = onnx,
                                      .flops = flops,
                                      .example = example};
