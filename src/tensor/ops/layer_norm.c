/* Layer normalisation over the channels of each pixel (Ba et al. 2016):
 *
 *   r = 1 / sqrt(variance + epsilon);  y = (x - mean) r weight + bias
 *
 * and Restormer's variant without bias, y = x r weight, in which the mean stays (Zamir et al. 2022). Backward
 * computes the statistics again. Gradients of the weights are gathered by blocks of pixels: the order of the
 * sums depends on the shape alone. */
#include "tensor/kernels/sums.h"
#include "tensor/ops/ops-private.h"

#include <math.h>
#include <string.h>

extern const nd_op nd_op_layer_norm;

typedef nd_layer_norm_settings settings;

typedef struct work {
  settings s;
  size_t pixels, c;
  const float *x, *weight, *bias, *dy;
  float *out;
  float *sums; /* [blocks][2][c]: gradients of weight and bias */
} work;

typedef struct moments {
  float mean, r; /* mean: what is subtracted, 0 when it is kept */
} moments;

static inline moments moments_of(const float *restrict x, size_t c, settings s, float *mean) {
  float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t k = 0; k < c; k++)
    sum += x[k];
  float m = sum / (float)c;
#pragma omp simd reduction(+ : squares)
  for (size_t k = 0; k < c; k++)
    squares += (x[k] - m) * (x[k] - m);
  *mean = m;
  return (moments){s.keep_mean ? 0 : m, 1 / sqrtf(squares / (float)c + s.epsilon)};
}

ND_KERNEL static void forward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++) {
    const float *x = w->x + i * w->c;
    float *y = w->out + i * w->c, mean;
    moments m = moments_of(x, w->c, w->s, &mean);
    if (w->bias)
      for (size_t k = 0; k < w->c; k++)
        y[k] = (x[k] - m.mean) * m.r * w->weight[k] + w->bias[k];
    else
      for (size_t k = 0; k < w->c; k++)
        y[k] = (x[k] - m.mean) * m.r * w->weight[k];
  }
}

/* One pixel: dx = r (g - [mean of g] - (x - mean) r^2 mean of g (x - subtracted mean)), g = dy weight. */
static inline void backward_row(const work *w, size_t i, float *restrict dweight, float *restrict dbias) {
  const float *x = w->x + i * w->c, *dy = w->dy + i * w->c, *weight = w->weight;
  float *dx = w->out + i * w->c, mean, sum = 0, product = 0;
  moments m = moments_of(x, w->c, w->s, &mean);
#pragma omp simd reduction(+ : sum, product)
  for (size_t k = 0; k < w->c; k++) {
    float g = dy[k] * weight[k];
    sum += g;
    product += g * (x[k] - m.mean);
    dweight[k] += dy[k] * (x[k] - m.mean) * m.r;
    dbias[k] += dy[k];
  }
  sum = w->s.keep_mean ? 0 : sum / (float)w->c;
  product *= m.r * m.r / (float)w->c;
  for (size_t k = 0; k < w->c; k++)
    dx[k] = m.r * (dy[k] * weight[k] - sum - (x[k] - mean) * product);
}

ND_KERNEL static void backward_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t b = begin; b < end; b++) {
    float *dweight = w->sums + 2 * b * w->c;
    memset(dweight, 0, 2 * w->c * sizeof *dweight);
    for (size_t i = b * ND_SUM_BLOCK; i < MIN((b + 1) * ND_SUM_BLOCK, w->pixels); i++)
      backward_row(w, i, dweight, dweight + w->c);
  }
}

static work work_of(const nd_run_context *r) {
  const nd_value *x = nd_run_in_value(r, 0);
  size_t c = (size_t)x->dims[3];
  return (work){.s = *(const settings *)r->node->attr,
                .pixels = x->count / c,
                .c = c,
                .x = nd_run_in(r, 0),
                .weight = nd_run_in(r, 1),
                .bias = nd_run_in(r, 2),
                .out = nd_run_out(r, 0)};
}

static void run(const nd_run_context *r) {
  work w = work_of(r);
  nd_parallel(w.pixels, ND_GRAIN / w.c + 1, forward_rows, &w);
}

static void run_backward(const nd_run_context *r) {
  work w = work_of(r);
  w.dy = nd_run_in(r, 3);
  w.sums = r->scratch;
  size_t blocks = nd_sum_blocks(w.pixels);
  nd_parallel(blocks, 1, backward_blocks, &w);
  for (int which = 0; which < 2; which++) {
    float *out = which == 0 || w.bias ? nd_run_out(r, 1 + which) : NULL;
    for (size_t k = 0; out && k < w.c; k++)
      out[k] = (float)nd_sum_apart(w.sums + (size_t)which * w.c + k, blocks, 2 * w.c);
  }
}

static int prepare_backward(const nd_graph *g, nd_node *n) {
  const nd_value *x = nd_in_value(g, n, 0);
  size_t c = (size_t)x->dims[3];
  n->scratch_bytes = nd_sum_blocks(x->count / c) * 2 * c * sizeof(float);
  return 0;
}

static double flops(const nd_graph *g, const nd_node *n) {
  return 8.0 * (double)nd_out_value(g, n, 0)->count;
}

static const nd_op layer_norm_backward = {.name = "layer_norm_backward",
                                          .attr_size = sizeof(settings),
                                          .in_place = 1 << 3,
                                          .prepare = prepare_backward,
                                          .run = run_backward,
                                          .flops = flops};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  nd_tensor in[] = {n->in[0], n->in[1], n->in[2], dout[0]};
  nd_tensor dx = nd_append_like(g, &layer_norm_backward, n->attr, 4, in, n->in[0]);
  if (dx < 0)
    return;
  int c = nd_dims(g, n->in[0])[3];
  nd_tensor dweight = nd_append_output(g, 1, &c);
  nd_tensor dbias = n->in[2] >= 0 ? nd_append_output(g, 1, &c) : ND_NONE;
  nd_tensor all[] = {dx, dweight, dbias};
  for (int i = 0; i < 3; i++)
    if (wanted[i])
      din[i] = all[i];
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const settings *s = n->attr;
  const nd_value *v = nd_in_value(g, n, 0);
  size_t c = (size_t)v->dims[3];
  for (size_t i = 0; i < v->count; i += c) {
    double mean = 0, variance = 0;
    for (size_t k = 0; k < c; k++)
      mean += in[0][i + k] / (double)c;
    for (size_t k = 0; k < c; k++)
      variance += (in[0][i + k] - mean) * (in[0][i + k] - mean) / (double)c;
    for (size_t k = 0; k < c; k++)
      out[0][i + k] =
          (in[0][i + k] - (s->keep_mean ? 0 : mean)) / sqrt(variance + (double)s->epsilon) * in[1][k] +
          (in[2] ? in[2][k] : 0);
  }
}

/* x weight / deviation, which ONNX has no node for: by the definition, in either layout. */
static const char *onnx_kept_mean(nd_onnx *o, const nd_node *n, nd_onnx_layout layout, int c) {
  const settings *s = n->attr;
  int axis = nd_onnx_axis(layout, 3);
  const nd_onnx_attribute *axes = ND_ONNX_WITH(ND_ONNX_LIST("axes", 1, axis));
  int64_t dims[4] = {1, 1, 1, 1};
  dims[axis] = c;
  const char *x = nd_onnx_value(o, n->in[0], layout),
             *mean = nd_onnx_node(o, "ReduceMean", ND_ONNX_IN(x), axes);
  const char *d = nd_onnx_node(o, "Sub", ND_ONNX_IN(x, mean), NULL);
  const char *squares = nd_onnx_node(o, "Mul", ND_ONNX_IN(d, d), NULL);
  const char *variance = nd_onnx_node(o, "ReduceMean", ND_ONNX_IN(squares), axes);
  variance = nd_onnx_node(o, "Add", ND_ONNX_IN(variance, nd_onnx_real(o, s->epsilon)), NULL);
  const char *deviation = nd_onnx_node(o, "Sqrt", ND_ONNX_IN(variance), NULL);
  const char *y = nd_onnx_node(o, "Div", ND_ONNX_IN(x, deviation), NULL);
  const char *weight = nd_onnx_reshape(o, nd_onnx_weights(o, n->in[1]), 4, dims);
  y = nd_onnx_node(o, "Mul", ND_ONNX_IN(y, weight), NULL);
  if (n->in[2] < 0)
    return y;
  return nd_onnx_node(o, "Add", ND_ONNX_IN(y, nd_onnx_reshape(o, nd_onnx_weights(o, n->in[2]), 4, dims)),
                      NULL);
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  const settings *s = n->attr;
  nd_onnx_layout layout = s->keep_mean ? nd_onnx_layout_of(o, n->in[0]) : ND_ONNX_AS_IS;
  if (s->keep_mean) {
    nd_onnx_set(o, n->out[0], layout, onnx_kept_mean(o, n, layout, nd_in_value(g, n, 0)->dims[3]));
    return;
  }
  const char *in[] = {nd_onnx_value(o, n->in[0], layout), nd_onnx_weights(o, n->in[1]),
                      n->in[2] < 0 ? NULL : nd_onnx_weights(o, n->in[2]), NULL};
  nd_onnx_set(o, n->out[0], layout,
              nd_onnx_node(o, "LayerNormalization", in,
                           ND_ONNX_WITH(ND_ONNX_INT("axis", -1), ND_ONNX_REAL("epsilon", s->epsilon))));
}

nd_tensor nd_layer_norm(nd_graph *g, nd_tensor x, nd_tensor weight, nd_tensor bias,
                        nd_layer_norm_settings s) {
  if (!nd_ready(g, 2, (nd_tensor[]){x, weight}))
    return ND_NONE;
  size_t c = (size_t)nd_dims(g, x)[3];
  if (nd_value_of(g, weight)->count != c || (bias >= 0 && nd_value_of(g, bias)->count != c))
    return nd_bad_node(g, "layer normalisation of %zu channels with weights for %zu", c,
                       nd_value_of(g, weight)->count);
  return nd_append_like(g, &nd_op_layer_norm, &s, 3, (nd_tensor[]){x, weight, bias}, x);
}

static nd_tensor example(nd_graph *g, int i) {
  static const struct {
    int n, h, w, c;
    bool bias, keep_mean;
  } e[] = {{2, 3, 5, 7, true, false},
           {1, 17, 18, 16, true, false},
           {1, 4, 5, 9, false, false},
           {2, 4, 3, 12, false, true}};
  if (i >= (int)G_N_ELEMENTS(e))
    return ND_NONE;
  nd_tensor x = nd_example_input(g, e[i].n, e[i].h, e[i].w, e[i].c);
  nd_tensor weight = nd_example_parameter(g, 1, e[i].c, 1, 1, 1);
  nd_tensor bias = e[i].bias ? nd_example_parameter(g, 1, e[i].c, 1, 1, 1) : ND_NONE;
  return nd_layer_norm(g, x, weight, bias, (nd_layer_norm_settings){1e-5f, e[i].keep_mean});
}

const nd_op nd_op_layer_norm = {.name = "layer_norm",
                                .reach = nd_reach_none,
                                .again = &nd_op_layer_norm,
                                .wants_f32 = 1,
                                .attr_size = sizeof(settings),
                                .in_place = 1,
                                .gradient = gradient,
                                .run = run,
                                .reference = reference,
                                .onnx = onnx,
                                .flops = flops,
                                .example = example};
