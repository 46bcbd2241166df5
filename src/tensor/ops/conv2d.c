/* Convolution with bias and activation; with 1 x 1 weights it is the linear layer on every position. Dense
 * and depth-wise shapes go to the project's kernels, the rest to oneDNN. */
#include "tensor/dnnl-private.h"
#include "tensor/ops/conv-private.h"

#include <string.h>

extern const nd_op nd_op_conv2d;

static const nd_conv_attr *attr_of(const nd_run_context *r) {
  return r->node->attr;
}

static nd_activation kernel_activation(nd_act a) {
  return a == ND_ACT_RELU         ? ND_RELU
         : a == ND_ACT_LEAKY_RELU ? ND_LEAKY_RELU
         : a == ND_ACT_GELU       ? ND_GELU
                                  : ND_LINEAR;
}

/* Of the three products of a separable block the one that costs next to nothing; its output is as large as
 * theirs. An activation's gradient reads the output itself, so it is kept anyway. */
static bool is_cheap(const nd_node *n) {
  const nd_conv_attr *a = n->attr;
  return a->shape.groups > 1 && a->shape.groups == a->shape.co && a->s.activation == ND_ACT_NONE;
}

/* Runs fn of the kernels, or makes the oneDNN primitive that stands in for it. */
static int prepare(nd_node *n, nd_dnnl_pass pass, size_t (*scratch)(const nd_conv_shape *)) {
  const nd_conv_attr *a = n->attr;
  if (nd_conv_supported(&a->shape)) {
    n->scratch_bytes = scratch(&a->shape);
    return 0;
  }
  nd_dnnl_conv *conv;
  if (nd_dnnl_conv_new(&a->shape, pass, &conv))
    return -1;
  n->state = conv;
  n->scratch_bytes = nd_dnnl_conv_scratch(conv);
  return 0;
}

static void release(nd_node *n) {
  nd_dnnl_conv_free(n->state);
  n->state = NULL;
}

static bool takes_bf16(const nd_node *n) {
  const nd_conv_attr *a = n->attr;
  return nd_conv_supported(&a->shape) && a->shape.groups == 1;
}

static bool linear(const nd_node *n) {
  return ((const nd_conv_attr *)n->attr)->s.activation == ND_ACT_NONE;
}

/* x and y: tensors of the shape's two sides. */
static void set_types(const nd_graph *g, nd_node *n, nd_tensor x, nd_tensor y) {
  nd_conv_shape *s = &((nd_conv_attr *)n->attr)->shape;
  if (!takes_bf16(n))
    return;
  s->x_type = nd_value_of(g, x)->dtype;
  s->y_type = nd_value_of(g, y)->dtype;
}

static int prepare_forward(const nd_graph *g, nd_node *n) {
  const nd_conv_attr *a = n->attr;
  set_types(g, n, n->in[0], n->out[0]);
  if (prepare(n, ND_DNNL_FORWARD, nd_conv_forward_scratch))
    return -1;
  n->scratch_bytes += nd_conv_sources_scratch(a, a->shape.h);
  return 0;
}

static int prepare_data(const nd_graph *g, nd_node *n) {
  set_types(g, n, n->out[0], n->in[0]);
  return prepare(n, ND_DNNL_BACKWARD_DATA, nd_conv_backward_data_scratch);
}

static int prepare_weights(const nd_graph *g, nd_node *n) {
  set_types(g, n, n->in[0], n->in[1]);
  return prepare(n, ND_DNNL_BACKWARD_WEIGHTS, nd_conv_backward_weights_scratch);
}

static bool rows_of(const nd_graph *g, const nd_node *n, int i, nd_rows of, nd_rows *from) {
  (void)i;
  const nd_conv_attr *a = n->attr;
  const nd_conv_shape *s = &a->shape;
  if (a->enlarged.factor)
    *from = nd_conv_source_rows(g, n, of);
  else
    *from = (nd_rows){of.from * s->stride - s->pad,
                      (of.to - 1) * s->stride - s->pad + (s->kh - 1) * s->dilation + 1};
  return !n->state && s->groups == 1 && s->n == 1;
}

static size_t part_scratch(const nd_node *n, int rows) {
  const nd_conv_attr *a = n->attr;
  nd_conv_shape s = a->shape;
  s.h = rows * s.stride + (s.kh - 1) * s.dilation;
  s.oh = rows;
  return nd_conv_forward_scratch(&s) + nd_conv_sources_scratch(a, s.h);
}

/* Of the rows to compute: those of the input are there as far as the picture has them. */
static nd_conv_shape part_shape(const nd_run_context *r) {
  nd_conv_shape s = attr_of(r)->shape;
  s.h = nd_run_in_value(r, 0)->dims[1];
  s.oh = nd_run_out_value(r, 0)->dims[1];
  s.above = r->part->out_from * s.stride - r->part->in_from[0];
  return s;
}

static void run_composed(const nd_run_context *r, nd_conv_shape s, const nd_epilogue *e) {
  const nd_conv_attr *a = attr_of(r);
  nd_enlarged enlarged;
  nd_conv_source x[2];
  nd_conv_find_sources(r, &s, &enlarged, x);
  nd_conv_forward_of(&s, x, nd_run_in(r, 1), e, nd_run_out(r, 0),
                     (char *)r->scratch + nd_conv_sources_scratch(a, s.h));
}

static void run_through(const nd_run_context *r, const nd_conv_shape *s, const nd_epilogue *e) {
  const nd_conv_attr *a = attr_of(r);
  nd_conv_linear first = {nd_run_in(r, ND_CONV_FIRST_WEIGHTS), nd_run_in(r, ND_CONV_FIRST_BIAS),
                          kernel_activation(a->first)};
  nd_conv_forward_through(s, nd_run_in(r, 0), &first, nd_run_in(r, 1), e, nd_run_out(r, 0), r->scratch);
}

static void run_forward(const nd_run_context *r) {
  const nd_conv_attr *a = attr_of(r);
  const float *x = nd_run_in(r, 0), *w = nd_run_in(r, 1);
  nd_conv_shape shape = r->part ? part_shape(r) : a->shape;
  float *y = nd_run_out(r, 0);
  nd_epilogue e = {nd_run_in(r, 2), kernel_activation(a->s.activation), a->s.slope};
  if (shape.composed)
    run_composed(r, shape, &e);
  else if (shape.through)
    run_through(r, &shape, &e);
  else if (r->node->state)
    nd_dnnl_conv_forward(r->node->state, x, w, &e, y, r->scratch);
  else
    nd_conv_forward(&shape, x, w, &e, y, r->scratch);
}

static void run_data(const nd_run_context *r) {
  const float *dy = nd_run_in(r, 0), *w = nd_run_in(r, 1);
  if (r->node->state)
    nd_dnnl_conv_backward(r->node->state, dy, w, nd_run_out(r, 0), NULL, r->scratch);
  else
    nd_conv_backward_data(&attr_of(r)->shape, dy, w, nd_run_out(r, 0), r->scratch);
}

static void run_weights(const nd_run_context *r) {
  const float *x = nd_run_in(r, 0), *dy = nd_run_in(r, 1);
  float *dw = nd_run_out(r, 0), *db = nd_run_out(r, 1);
  if (r->node->state)
    nd_dnnl_conv_backward(r->node->state, x, dy, dw, db, r->scratch);
  else
    nd_conv_backward_weights(&attr_of(r)->shape, x, dy, dw, db, r->scratch);
}

static double flops(const nd_graph *g, const nd_node *n) {
  (void)g;
  const nd_conv_shape *s = &((const nd_conv_attr *)n->attr)->shape;
  return 2.0 * s->n * s->oh * s->ow * s->co * (s->ci / s->groups * s->kh * s->kw + s->through);
}

const nd_op nd_op_conv2d_backward_data = {.name = "conv2d_backward_data",
                                          .attr_size = sizeof(nd_conv_attr),
                                          .takes_bf16 = takes_bf16,
                                          .prepare = prepare_data,
                                          .release = release,
                                          .run = run_data,
                                          .flops = flops};
const nd_op nd_op_conv2d_backward_weights = {.name = "conv2d_backward_weights",
                                             .attr_size = sizeof(nd_conv_attr),
                                             .takes_bf16 = takes_bf16,
                                             .prepare = prepare_weights,
                                             .release = release,
                                             .run = run_weights,
                                             .flops = flops};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  const nd_conv_attr *a = n->attr;
  nd_tensor dy = dout[0];
  if (a->s.activation != ND_ACT_NONE)
    dy = nd_activate_backward(g, n->out[0], dy, a->s.activation, a->s.slope);
  bool biased = n->in[2] >= 0 && wanted[2];
  if (wanted[0] && wanted[1] && nd_conv_takes_both(&a->shape)) {
    nd_tensor in[] = {n->in[0], dy, n->in[1]};
    nd_conv_attr both = *a;
    both.s.activation = ND_ACT_NONE;
    din[0] = nd_append_like(g, &nd_op_conv2d_backward, &both, 3, in, n->in[0]);
    din[1] = nd_append_output(g, 4, (int[]){a->shape.co, 1, a->shape.kh, a->shape.kw});
    if (biased)
      din[2] = nd_append_output(g, 1, &a->shape.co);
    return;
  }
  if (wanted[1] || biased) {
    din[1] = nd_append_like(g, &nd_op_conv2d_backward_weights, a, 2, (nd_tensor[]){n->in[0], dy}, n->in[1]);
    if (biased)
      din[2] = nd_append_output(g, 1, &a->shape.co);
  }
  if (wanted[0])
    din[0] = nd_append_like(g, &nd_op_conv2d_backward_data, a, 2, (nd_tensor[]){dy, n->in[1]}, n->in[0]);
}

static double reference_at(const nd_conv_shape *s, const double *x, const double *w, int n, int oy, int ox,
                           int oc) {
  int per_group = s->ci / s->groups, first = oc / (s->co / s->groups) * per_group;
  double sum = 0;
  for (int ky = 0; ky < s->kh; ky++)
    for (int kx = 0; kx < s->kw; kx++) {
      int y = oy * s->stride - s->pad + ky * s->dilation, col = ox * s->stride - s->pad + kx * s->dilation;
      if (y < 0 || y >= s->h || col < 0 || col >= s->w)
        continue;
      for (int c = 0; c < per_group; c++)
        sum += x[((n * s->h + y) * s->w + col) * s->ci + first + c] *
               w[((oc * per_group + c) * s->kh + ky) * s->kw + kx];
    }
  return sum;
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  (void)g;
  const nd_conv_attr *a = n->attr;
  const nd_conv_shape *s = &a->shape;
  double *y = out[0];
  for (int i = 0; i < s->n; i++)
    for (int oy = 0; oy < s->oh; oy++)
      for (int ox = 0; ox < s->ow; ox++)
        for (int oc = 0; oc < s->co; oc++) {
          double sum = reference_at(s, in[0], in[1], i, oy, ox, oc) + (in[2] ? in[2][oc] : 0);
          *y++ = nd_activation_reference(sum, a->s.activation, a->s.slope);
        }
}

/* The linear layer on every pixel. */
static const char *onnx_linear(nd_onnx *o, const nd_node *n) {
  const nd_conv_shape *s = &((const nd_conv_attr *)n->attr)->shape;
  const char *w = nd_onnx_reshape(o, nd_onnx_weights(o, n->in[1]), 2, (int64_t[]){s->co, s->ci});
  w = nd_onnx_transpose(o, w, 2, (int64_t[]){1, 0});
  const char *y = nd_onnx_node(o, "MatMul", ND_ONNX_IN(nd_onnx_value(o, n->in[0], ND_ONNX_AS_IS), w), NULL);
  return n->in[2] < 0 ? y : nd_onnx_node(o, "Add", ND_ONNX_IN(y, nd_onnx_weights(o, n->in[2])), NULL);
}

const char *nd_onnx_convolution(nd_onnx *o, const char *type, const nd_node *n, nd_tensor bias) {
  const nd_conv_shape *s = &((const nd_conv_attr *)n->attr)->shape;
  const char *in[] = {nd_onnx_value(o, n->in[0], ND_ONNX_CHANNELS_FIRST), nd_onnx_weights(o, n->in[1]),
                      bias < 0 ? NULL : nd_onnx_weights(o, bias), NULL};
  return nd_onnx_node(o, type, in,
                      ND_ONNX_WITH(ND_ONNX_LIST("kernel_shape", 2, s->kh, s->kw),
                                   ND_ONNX_LIST("strides", 2, s->stride, s->stride),
                                   ND_ONNX_LIST("pads", 4, s->pad, s->pad, s->pad, s->pad),
                                   ND_ONNX_LIST("dilations", 2, s->dilation, s->dilation),
                                   ND_ONNX_INT("group", s->groups)));
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  const nd_conv_attr *a = n->attr;
  bool linear = nd_in_value(g, n, 1)->rank < 4;
  const char *y = linear ? onnx_linear(o, n) : nd_onnx_convolution(o, "Conv", n, n->in[2]);
  nd_onnx_set(o, n->out[0], linear ? ND_ONNX_AS_IS : ND_ONNX_CHANNELS_FIRST,
              nd_onnx_activation(o, y, a->s.activation, a->s.slope));
}

static int output_size(int in, int kernel, const nd_conv2d_settings *s) {
  return (in + 2 * s->pad - s->dilation * (kernel - 1) - 1) / s->stride + 1;
}

nd_tensor nd_conv2d(nd_graph *g, nd_tensor x, nd_tensor weights, nd_tensor bias, nd_conv2d_settings s) {
  if (!nd_ready(g, 2, (nd_tensor[]){x, weights}))
    return ND_NONE;
  s.stride = MAX(s.stride, 1), s.dilation = MAX(s.dilation, 1), s.groups = MAX(s.groups, 1);
  const nd_value *xv = nd_value_of(g, x), *w = nd_value_of(g, weights);
  if (w->dims[1] * s.groups != xv->dims[3] || w->dims[0] % s.groups)
    return nd_bad_node(g, "convolution of %d channels with weights for %d", xv->dims[3],
                       w->dims[1] * s.groups);
  nd_conv_attr a = {.s = s};
  a.shape = (nd_conv_shape){.n = xv->dims[0],
                            .h = xv->dims[1],
                            .w = xv->dims[2],
                            .ci = xv->dims[3],
                            .co = w->dims[0],
                            .kh = w->dims[2],
                            .kw = w->dims[3],
                            .stride = s.stride,
                            .pad = s.pad,
                            .dilation = s.dilation,
                            .groups = s.groups};
  a.shape.oh = output_size(a.shape.h, a.shape.kh, &s);
  a.shape.ow = output_size(a.shape.w, a.shape.kw, &s);
  return nd_append(g, &nd_op_conv2d, &a, 3, (nd_tensor[]){x, weights, bias}, a.shape.n, a.shape.oh,
                   a.shape.ow, a.shape.co);
}

static bool absorb_activation(nd_conv_attr *a, const nd_activate_attr *b) {
  if (b->kind == ND_ACT_SILU || (b->kind == ND_ACT_GELU && !nd_conv_takes_gelu(&a->shape)))
    return false;
  a->s.activation = b->kind;
  a->s.slope = b->slope;
  return true;
}

static bool absorb_gate(nd_conv_attr *a, nd_act activation) {
  if (!nd_conv_takes_gate(&a->shape))
    return false;
  a->s.activation = activation;
  a->shape.gated = true;
  return true;
}

static bool absorb(nd_node *n, const nd_node *next) {
  nd_conv_attr *a = n->attr;
  if (a->s.activation != ND_ACT_NONE || a->shape.gated)
    return false;
  return next->op == &nd_op_activate ? absorb_activation(a, next->attr)
         : next->op == &nd_op_gate   ? absorb_gate(a, *(const nd_act *)next->attr)
                                     : false;
}

/* A kernel as wide as its stride sees the pixels its output stands for, and no others. */
static int reach(const nd_graph *g, const nd_node *n) {
  (void)g;
  const nd_conv_shape *s = &((const nd_conv_attr *)n->attr)->shape;
  return MAX(s->pad, (MAX(s->kh, s->kw) - 1) * s->dilation - s->pad - (s->stride - 1));
}

static nd_tensor example(nd_graph *g, int i) {
  static const struct {
    int n, h, w, ci, co, k;
    nd_conv2d_settings s;
    bool bias;
  } e[] = {
      {2, 7, 9, 5, 6, 3, {.pad = 1}, true},
      {1, 8, 8, 16, 24, 3, {.pad = 1, .activation = ND_ACT_LEAKY_RELU, .slope = 0.2f}, true},
      {2, 5, 6, 3, 9, 1, {.activation = ND_ACT_RELU}, true},
      {1, 9, 7, 4, 4, 3, {.pad = 1, .stride = 2}, false},
      {1, 9, 9, 3, 5, 3, {.pad = 2, .dilation = 2}, true},
      {2, 6, 5, 6, 4, 3, {.pad = 1, .groups = 2}, true},
      {1, 6, 6, 8, 8, 3, {.pad = 1, .groups = 8}, true},
      {1, 10, 11, 3, 4, 5, {.pad = 2, .stride = 2}, true},
  };
  if (i > (int)G_N_ELEMENTS(e))
    return ND_NONE;
  if (i == (int)G_N_ELEMENTS(e)) /* the linear layer */
    return nd_conv2d(g, nd_example_input(g, 3, 1, 4, 6), nd_example_parameter(g, 2, 5, 6, 1, 1),
                     nd_example_parameter(g, 1, 5, 1, 1, 1), (nd_conv2d_settings){0});
  nd_tensor x = nd_example_input(g, e[i].n, e[i].h, e[i].w, e[i].ci);
  nd_tensor w = nd_example_parameter(g, 4, e[i].co, e[i].ci / MAX(e[i].s.groups, 1), e[i].k, e[i].k);
  nd_tensor b = e[i].bias ? nd_example_parameter(g, 1, e[i].co, 1, 1, 1) : ND_NONE;
  return nd_conv2d(g, x, w, b, e[i].s);
}

const nd_op nd_op_conv2d = {.name = "conv2d",
                            .attr_size = sizeof(nd_conv_attr),
                            .again = &nd_op_conv2d,
                            .again_for = is_cheap,
                            .gradient = gradient,
                            .linear = linear,
                            .absorb = absorb,
                            .take_in = nd_conv_take_in,
                            .takes_bf16 = takes_bf16,
                            .prepare = prepare_forward,
                            .release = release,
                            .run = run_forward,
                            .rows = rows_of,
                            .part_scratch = part_scratch,
                            .reference = reference,
                            .onnx = onnx,
                            .flops = flops,
                            .reach = reach,
                            .example = example};
