/* Batch normalisation (Ioffe & Szegedy 2015): every channel less its mean over all pixels of all samples,
 * over its deviation, then a factor and a shift:
 *
 *   r = 1 / sqrt(variance + epsilon);  y = (x - mean) r weight + bias
 *
 * In training, mean and variance are those of the batch (operator batch_moments) and the gradient passes
 * through them; else they are the running ones and constants. Sums are gathered by blocks of pixels: their
 * order depends on the shape alone. */
#include "tensor/kernels/sums.h"
#include "tensor/ops/ops-private.h"

#include <math.h>
#include <string.h>

extern const nd_op nd_op_batch_norm, nd_op_batch_moments;

typedef struct attr {
  float epsilon;
  bool of_batch; /* mean and variance are those of x */
} attr;

typedef struct work {
  size_t pixels, c;
  const float *x, *dy, *mean, *affine; /* affine: [2][c] or [3][c], of each pass below */
  float *out;
  float *sums; /* [blocks][2][c] */
} work;

static inline size_t block_pixels(size_t pixels, size_t block) {
  return MIN(ND_SUM_BLOCK, pixels - block * ND_SUM_BLOCK);
}

/* ---- Mean and variance ---- */

/* A block's sum, and its squared distances from its own mean: nothing large is subtracted later. */
ND_KERNEL static void moment_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t c = w->c;
  for (size_t b = begin; b < end; b++) {
    size_t n = block_pixels(w->pixels, b);
    const float *restrict x = w->x + b * ND_SUM_BLOCK * c;
    float *restrict sum = w->sums + 2 * b * c, *restrict squares = sum + c;
    memset(sum, 0, 2 * c * sizeof *sum);
    for (size_t i = 0; i < n; i++)
      for (size_t k = 0; k < c; k++)
        sum[k] += x[i * c + k];
    for (size_t i = 0; i < n; i++)
      for (size_t k = 0; k < c; k++) {
        float d = x[i * c + k] - sum[k] / (float)n;
        squares[k] += d * d;
      }
  }
}

static double total(const work *w, size_t which, size_t channel) {
  return nd_sum_apart(w->sums + which * w->c + channel, nd_sum_blocks(w->pixels), 2 * w->c);
}

/* Between the blocks' means and the mean of all (Chan et al. 1979). */
static double squares_between(const work *w, double mean, size_t channel) {
  double sum = 0;
  for (size_t b = 0; b < nd_sum_blocks(w->pixels); b++) {
    double n = (double)block_pixels(w->pixels, b), d = (double)w->sums[2 * b * w->c + channel] / n - mean;
    sum += n * d * d;
  }
  return sum;
}

static work work_of(const nd_run_context *r) {
  const nd_value *x = nd_run_in_value(r, 0);
  size_t c = (size_t)x->dims[3];
  return (work){.pixels = x->count / c, .c = c, .x = nd_run_in(r, 0), .out = nd_run_out(r, 0)};
}

static void run_moments(const nd_run_context *r) {
  work w = work_of(r);
  w.sums = r->scratch;
  nd_parallel(nd_sum_blocks(w.pixels), 1, moment_blocks, &w);
  float *variance = nd_run_out(r, 1);
  for (size_t k = 0; k < w.c; k++) {
    double n = (double)w.pixels, mean = total(&w, 0, k) / n;
    w.out[k] = (float)mean;
    variance[k] = (float)((total(&w, 1, k) + squares_between(&w, mean, k)) / n);
  }
}

static size_t sums_bytes(const nd_graph *g, const nd_node *n) {
  const nd_value *x = nd_in_value(g, n, 0);
  size_t c = (size_t)x->dims[3];
  return nd_sum_blocks(x->count / c) * 2 * c * sizeof(float);
}

static int prepare_moments(const nd_graph *g, nd_node *n) {
  n->scratch_bytes = sums_bytes(g, n);
  return 0;
}

static void reference_moments(const nd_graph *g, const nd_node *n, const double *const *in,
                              double *const *out) {
  const nd_value *x = nd_in_value(g, n, 0);
  size_t c = (size_t)x->dims[3], pixels = x->count / c;
  for (size_t k = 0; k < c; k++) {
    out[0][k] = out[1][k] = 0;
    for (size_t i = 0; i < pixels; i++)
      out[0][k] += in[0][i * c + k] / (double)pixels;
    for (size_t i = 0; i < pixels; i++)
      out[1][k] += pow(in[0][i * c + k] - out[0][k], 2) / (double)pixels;
  }
}

static double flops_moments(const nd_graph *g, const nd_node *n) {
  return 4.0 * (double)nd_in_value(g, n, 0)->count;
}

/* ---- Normalisation ---- */

/* y = x affine[0] + affine[1] */
ND_KERNEL static void normalise(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t c = w->c;
  for (size_t i = begin; i < end; i++)
    for (size_t k = 0; k < c; k++)
      w->out[i * c + k] = w->x[i * c + k] * w->affine[k] + w->affine[c + k];
}

/* Inputs 1 to 4 are weight, bias, mean, variance; of the backward node weight, mean, variance, dy. */
static void run(const nd_run_context *r) {
  const attr *a = r->node->attr;
  const float *weight = nd_run_in(r, 1), *bias = nd_run_in(r, 2), *mean = nd_run_in(r, 3),
              *variance = nd_run_in(r, 4);
  work w = work_of(r);
  float *affine = r->scratch;
  for (size_t k = 0; k < w.c; k++) {
    affine[k] = weight[k] / sqrtf(variance[k] + a->epsilon);
    affine[w.c + k] = bias[k] - mean[k] * affine[k];
  }
  w.affine = affine;
  nd_parallel(w.pixels, ND_GRAIN / w.c + 1, normalise, &w);
}

static int prepare(const nd_graph *g, nd_node *n) {
  n->scratch_bytes = 2 * (size_t)nd_in_value(g, n, 0)->dims[3] * sizeof(float);
  return 0;
}

/* Sums of dy, and of dy (x - mean). */
ND_KERNEL static void gradient_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t c = w->c;
  for (size_t b = begin; b < end; b++) {
    const float *x = w->x + b * ND_SUM_BLOCK * c, *dy = w->dy + b * ND_SUM_BLOCK * c;
    float *restrict sum = w->sums + 2 * b * c, *restrict product = sum + c;
    memset(sum, 0, 2 * c * sizeof *sum);
    for (size_t i = 0; i < block_pixels(w->pixels, b); i++)
      for (size_t k = 0; k < c; k++) {
        sum[k] += dy[i * c + k];
        product[k] += dy[i * c + k] * (x[i * c + k] - w->mean[k]);
      }
  }
}

/* dx = affine[0] dy + affine[1] (x - mean) + affine[2] */
ND_KERNEL static void differentiate(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t c = w->c;
  const float *a = w->affine;
  for (size_t i = begin; i < end; i++)
    for (size_t k = 0; k < c; k++)
      w->out[i * c + k] = a[k] * w->dy[i * c + k] + a[c + k] * (w->x[i * c + k] - w->mean[k]) + a[2 * c + k];
}

/* dx = weight r (dy - [mean of dy] - [(x - mean) r^2 mean of dy (x - mean)]), the brackets through the
 * moments. */
static void run_backward(const nd_run_context *r) {
  const attr *a = r->node->attr;
  const float *weight = nd_run_in(r, 1), *variance = nd_run_in(r, 3);
  float *dweight = nd_run_out(r, 1), *dbias = nd_run_out(r, 2), *affine = r->scratch;
  work w = work_of(r);
  w.mean = nd_run_in(r, 2);
  w.dy = nd_run_in(r, 4);
  w.sums = affine + 3 * w.c;
  w.affine = affine;
  nd_parallel(nd_sum_blocks(w.pixels), 1, gradient_blocks, &w);
  for (size_t k = 0; k < w.c; k++) {
    double s = 1 / sqrt((double)variance[k] + (double)a->epsilon), sum = total(&w, 0, k),
           product = total(&w, 1, k), scale = (double)weight[k] * s,
           inner = a->of_batch ? scale / (double)w.pixels : 0;
    dbias[k] = (float)sum;
    dweight[k] = (float)(product * s);
    affine[k] = (float)scale;
    affine[w.c + k] = (float)(-inner * s * s * product);
    affine[2 * w.c + k] = (float)(-inner * sum);
  }
  nd_parallel(w.pixels, ND_GRAIN / w.c + 1, differentiate, &w);
}

static int prepare_backward(const nd_graph *g, nd_node *n) {
  n->scratch_bytes = sums_bytes(g, n) + 3 * (size_t)nd_in_value(g, n, 0)->dims[3] * sizeof(float);
  return 0;
}

static double flops(const nd_graph *g, const nd_node *n) {
  return 2.0 * (double)nd_out_value(g, n, 0)->count;
}

static double flops_backward(const nd_graph *g, const nd_node *n) {
  return 8.0 * (double)nd_out_value(g, n, 0)->count;
}

static const nd_op batch_norm_backward = {.name = "batch_norm_backward",
                                          .attr_size = sizeof(attr),
                                          .in_place = 1 << 4,
                                          .prepare = prepare_backward,
                                          .run = run_backward,
                                          .flops = flops_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  nd_tensor in[] = {n->in[0], n->in[1], n->in[3], n->in[4], dout[0]};
  nd_tensor dx = nd_append_like(g, &batch_norm_backward, n->attr, 5, in, n->in[0]);
  if (dx < 0)
    return;
  int c = nd_dims(g, n->in[0])[3];
  nd_tensor dweight = nd_append_output(g, 1, &c), all[] = {dx, dweight, nd_append_output(g, 1, &c)};
  for (int i = 0; i < 3; i++)
    if (wanted[i])
      din[i] = all[i];
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const attr *a = n->attr;
  const nd_value *x = nd_in_value(g, n, 0);
  size_t c = (size_t)x->dims[3];
  for (size_t i = 0; i < x->count; i++) {
    size_t k = i % c;
    out[0][i] = (in[0][i] - in[3][k]) / sqrt(in[4][k] + (double)a->epsilon) * in[1][k] + in[2][k];
  }
}

/* ---- Building ---- */

/* What is left of the running number, and a share of the batch's. */
static void update(nd_graph *g, nd_tensor state, float momentum, nd_tensor found, float correction) {
  nd_tensor kept = nd_affine(g, nd_state_now(g, state), 1 - momentum, 0);
  nd_state_set(g, state, nd_add(g, kept, nd_affine(g, found, momentum * correction, 0)));
}

static nd_tensor normalised(nd_graph *g, nd_tensor x, nd_tensor weight, nd_tensor bias, nd_tensor mean,
                            nd_tensor variance, attr a) {
  return nd_append_like(g, &nd_op_batch_norm, &a, 5, (nd_tensor[]){x, weight, bias, mean, variance}, x);
}

nd_tensor nd_batch_norm(nd_graph *g, nd_tensor x, nd_tensor weight, nd_tensor bias, nd_tensor running_mean,
                        nd_tensor running_variance, nd_batch_norm_settings s) {
  nd_tensor given[] = {x, weight, bias, running_mean, running_variance};
  if (!nd_ready(g, 5, given))
    return ND_NONE;
  int c = nd_dims(g, x)[3];
  for (int i = 1; i < 5; i++)
    if (nd_value_of(g, given[i])->count != (size_t)c)
      return nd_bad_node(g, "batch normalisation of %d channels with weights or statistics for %zu", c,
                         nd_value_of(g, given[i])->count);
  if (!nd_graph_training(g))
    return normalised(g, x, weight, bias, running_mean, running_variance, (attr){s.epsilon, false});
  double n = (double)(nd_value_of(g, x)->count / (size_t)c);
  nd_tensor mean = nd_append(g, &nd_op_batch_moments, NULL, 1, &x, c, 1, 1, 1);
  nd_tensor variance = nd_append_output(g, 4, (int[]){c, 1, 1, 1});
  update(g, running_mean, s.momentum, mean, 1);
  update(g, running_variance, s.momentum, variance, n > 1 ? (float)(n / (n - 1)) : 1);
  return normalised(g, x, weight, bias, mean, variance, (attr){s.epsilon, true});
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  const attr *a = n->attr;
  if (a->of_batch)
    nd_onnx_fail(o, "a graph for training, which normalises by the batch, cannot be said in ONNX");
  const char *in[6] = {nd_onnx_value(o, n->in[0], ND_ONNX_CHANNELS_FIRST)};
  for (int i = 1; i < 5; i++)
    in[i] = nd_onnx_weights(o, n->in[i]);
  const char *y =
      nd_onnx_node(o, "BatchNormalization", in, ND_ONNX_WITH(ND_ONNX_REAL("epsilon", a->epsilon)));
  nd_onnx_set(o, n->out[0], ND_ONNX_CHANNELS_FIRST, y);
}

static nd_tensor moments_example(nd_graph *g, int i) {
  static const int shapes[][4] = {{2, 3, 5, 7}, {1, 17, 18, 16}};
  if (i >= (int)G_N_ELEMENTS(shapes))
    return ND_NONE;
  const int *s = shapes[i];
  nd_tensor x = nd_example_input(g, s[0], s[1], s[2], s[3]);
  nd_tensor mean = nd_append(g, &nd_op_batch_moments, NULL, 1, &x, s[3], 1, 1, 1);
  return nd_concat(g, mean, nd_append_output(g, 4, (int[]){s[3], 1, 1, 1}), 0);
}

/* The second half of the examples normalises with given statistics. */
static nd_tensor example(nd_graph *g, int i) {
  static const int shapes[][4] = {{2, 3, 5, 7}, {1, 17, 18, 16}, {3, 4, 4, 1}};
  int count = G_N_ELEMENTS(shapes);
  if (i >= 2 * count)
    return ND_NONE;
  const int *s = shapes[i % count], c = s[3];
  nd_tensor x = nd_example_input(g, s[0], s[1], s[2], c);
  nd_tensor weight = nd_example_parameter(g, 1, c, 1, 1, 1), bias = nd_example_parameter(g, 1, c, 1, 1, 1);
  nd_tensor mean, variance;
  if (i < count) {
    mean = nd_append(g, &nd_op_batch_moments, NULL, 1, &x, c, 1, 1, 1);
    variance = nd_append_output(g, 4, (int[]){c, 1, 1, 1});
  } else {
    mean = nd_input(g, "mean", c, 1, 1, 1);
    nd_tensor deviation = nd_input(g, "deviation", c, 1, 1, 1);
    variance = nd_mul(g, deviation, deviation);
  }
  return normalised(g, x, weight, bias, mean, variance, (attr){0.1f, i < count});
}

const nd_op nd_op_batch_moments = {.name = "batch_moments",
                                   .prepare = prepare_moments,
                                   .run = run_moments,
                                   .reference = reference_moments,
                                   .flops = flops_moments,
                                   .example = moments_example};
const nd_op nd_op_batch_norm = {.name = "batch_norm",
                                .attr_size = sizeof(attr),
                                .in_place = 1,
                                .gradient = gradient,
                                .prepare = prepare,
                                .run = run,
                                .rows = nd_same_rows,
                                .reference = reference,
                                .onnx = onnx,
                                .flops = flops,
                                .example = example};
