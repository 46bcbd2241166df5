/* Sums or means over the axes that the result has with length 1; sums are the gradient of repetition. */
#include "tensor/kernels/sums.h"
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_sum_to;

typedef struct work {
  const float *x;
  float *out;
  const int *in, *dims;
  float scale;
  size_t rows, blocks; /* of rows: those of one group, which becomes a row of the result */
  float *partial;      /* a row a block */
} work;

/* What sums are multiplied with: 1, or one over how many there are. */
static float scale_of(const nd_value *x, const nd_value *out, const nd_node *n) {
  return *(const bool *)n->attr ? 1 / (float)(x->count / out->count) : 1;
}

/* What becomes row i of the result: rows lo ... hi - 1 of each axis before the last. */
typedef struct span {
  size_t lo[3], hi[3];
} span;

static span span_of(const work *w, size_t i) {
  const int *d = w->dims, *s = w->in;
  size_t at[3] = {i / (size_t)d[2] / (size_t)d[1], i / (size_t)d[2] % (size_t)d[1], i % (size_t)d[2]};
  span p;
  for (int k = 0; k < 3; k++)
    p.lo[k] = d[k] == s[k] ? at[k] : 0, p.hi[k] = d[k] == s[k] ? at[k] + 1 : (size_t)s[k];
  return p;
}

static const float *row_at(const work *w, size_t a, size_t b, size_t e) {
  return w->x + ((a * (size_t)w->in[1] + b) * (size_t)w->in[2] + e) * (size_t)w->in[3];
}

/* With the channels: one number of the result. The order does not depend on threads. */
static void whole_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++) {
    span p = span_of(w, i);
    double sum = 0;
    for (size_t a = p.lo[0]; a < p.hi[0]; a++)
      for (size_t b = p.lo[1]; b < p.hi[1]; b++)
        for (size_t e = p.lo[2]; e < p.hi[2]; e++) {
          const float *x = row_at(w, a, b, e);
          for (int k = 0; k < w->in[3]; k++)
            sum += (double)x[k];
        }
    w->out[i] = (float)sum * w->scale;
  }
}

/* Channel by channel, some of them side by side. */
enum { CHANNELS = 128 };

ND_KERNEL static void add_row(const float *restrict x, size_t c, double *restrict sum) {
  for (size_t k = 0; k < c; k++)
    sum[k] += (double)x[k];
}

static size_t parts_of(const work *w) {
  return ((size_t)w->dims[3] + CHANNELS - 1) / CHANNELS;
}

static void parts_of_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t c = (size_t)w->dims[3], parts = parts_of(w);
  for (size_t i = begin; i < end; i++) {
    span p = span_of(w, i / parts);
    size_t first = i % parts * CHANNELS, count = MIN(c - first, CHANNELS);
    float *out = w->out + i / parts * c + first;
    double sum[CHANNELS] = {0};
    for (size_t a = p.lo[0]; a < p.hi[0]; a++)
      for (size_t b = p.lo[1]; b < p.hi[1]; b++)
        for (size_t e = p.lo[2]; e < p.hi[2]; e++)
          add_row(row_at(w, a, b, e) + first, count, sum);
    for (size_t k = 0; k < count; k++)
      out[k] = (float)sum[k] * w->scale;
  }
}

static void run_any(work *w, const nd_value *out) {
  if (w->dims[3] == w->in[3])
    nd_parallel(out->count / (size_t)w->dims[3] * parts_of(w), 1, parts_of_rows, w);
  else
    nd_parallel(out->count, 1, whole_rows, w);
}

/* The common case, all pixels of a sample or of all samples into one: whole rows of channels, in blocks. */
static bool sums_rows(const nd_value *x, const nd_value *out) {
  return out->dims[1] == 1 && out->dims[2] == 1 && out->dims[3] == x->dims[3];
}

static size_t rows_of(const nd_value *x, const nd_value *out) {
  return x->count / out->count;
}

ND_KERNEL static void sum_rows(const float *restrict x, size_t rows, size_t c, float *restrict sum) {
  for (size_t k = 0; k < c; k++)
    sum[k] = x[k];
  for (size_t i = 1; i < rows; i++)
    for (size_t k = 0; k < c; k++)
      sum[k] += x[i * c + k];
}

static void row_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t c = (size_t)w->dims[3];
  for (size_t i = begin; i < end; i++) {
    size_t at = i % w->blocks * ND_SUM_BLOCK;
    sum_rows(w->x + (i / w->blocks * w->rows + at) * c, MIN(w->rows - at, ND_SUM_BLOCK), c,
             w->partial + i * c);
  }
}

static void run_rows(work *w, const nd_value *x, const nd_value *out) {
  size_t c = (size_t)out->dims[3];
  w->rows = rows_of(x, out);
  w->blocks = nd_sum_blocks(w->rows);
  nd_parallel(out->count / c * w->blocks, ND_GRAIN / ND_SUM_BLOCK / c + 1, row_blocks, w);
  for (size_t i = 0; i < out->count; i++)
    w->out[i] = (float)nd_sum_apart(w->partial + i / c * w->blocks * c + i % c, w->blocks, c) * w->scale;
}

static int prepare(const nd_graph *g, nd_node *n) {
  const nd_value *x = nd_in_value(g, n, 0), *out = nd_out_value(g, n, 0);
  if (sums_rows(x, out))
    n->scratch_bytes = out->count * nd_sum_blocks(rows_of(x, out)) * sizeof(float);
  return 0;
}

static void run(const nd_run_context *r) {
  const nd_value *out = nd_run_out_value(r, 0), *x = nd_run_in_value(r, 0);
  work w = {.x = nd_run_in(r, 0),
            .out = nd_run_out(r, 0),
            .in = x->dims,
            .dims = out->dims,
            .scale = scale_of(x, out, r->node),
            .partial = r->scratch};
  if (sums_rows(x, out))
    run_rows(&w, x, out);
  else
    run_any(&w, out);
}

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (!wanted[0])
    return;
  nd_affine_attr zero = {0, 0};
  nd_tensor zeros = nd_append_like(g, &nd_op_affine, &zero, 1, n->in, n->in[0]);
  float scale = scale_of(nd_in_value(g, n, 0), nd_out_value(g, n, 0), n);
  din[0] = nd_add(g, zeros, *(const bool *)n->attr ? nd_affine(g, dout[0], scale, 0) : dout[0]);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const int *s = nd_in_value(g, n, 0)->dims, *d = nd_out_value(g, n, 0)->dims;
  memset(out[0], 0, nd_out_value(g, n, 0)->count * sizeof(double));
  size_t i = 0;
  for (int a = 0; a < s[0]; a++)
    for (int b = 0; b < s[1]; b++)
      for (int e = 0; e < s[2]; e++)
        for (int c = 0; c < s[3]; c++)
          out[0][((a % d[0] * d[1] + b % d[1]) * d[2] + e % d[2]) * d[3] + c % d[3]] += in[0][i++];
  size_t count = nd_out_value(g, n, 0)->count;
  for (size_t k = 0; k < count && *(const bool *)n->attr; k++)
    out[0][k] /= (double)i / (double)count;
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  nd_onnx_layout layout = nd_onnx_layout_of(o, n->in[0]);
  int64_t axes[4];
  int count = 0;
  for (int axis = 0; axis < 4; axis++)
    if (nd_in_value(g, n, 0)->dims[axis] != nd_out_value(g, n, 0)->dims[axis])
      axes[count++] = nd_onnx_axis(layout, axis);
  const char *x = nd_onnx_value(o, n->in[0], layout);
  nd_onnx_attribute mean = ND_ONNX_LIST("axes", count, 0);
  memcpy(mean.ints, axes, sizeof axes);
  nd_onnx_set(o, n->out[0], layout,
              *(const bool *)n->attr
                  ? nd_onnx_node(o, "ReduceMean", ND_ONNX_IN(x), ND_ONNX_WITH(mean))
                  : nd_onnx_node(o, "ReduceSum", ND_ONNX_IN(x, nd_onnx_ints(o, count, axes)), NULL));
}

/* ---- Over a whole picture, a part at a time ---- */
static bool of_the_picture(const nd_graph *g, const nd_node *n) {
  return sums_rows(nd_in_value(g, n, 0), nd_out_value(g, n, 0));
}

static size_t sums(const nd_graph *g, const nd_node *n) {
  return nd_out_value(g, n, 0)->count;
}

static void gather(const nd_graph *g, const nd_node *n, const float *x, size_t rows, size_t columns,
                   size_t stride, double *sum) {
  size_t c = sums(g, n);
  g_autofree float *row = g_new(float, c);
  for (size_t y = 0; y < rows; y++, x += stride * c)
    for (size_t at = 0; at < columns; at += ND_SUM_BLOCK) {
      sum_rows(x + at * c, MIN(columns - at, ND_SUM_BLOCK), c, row);
      for (size_t k = 0; k < c; k++)
        sum[k] += (double)row[k];
    }
}

static void finish(const nd_graph *g, const nd_node *n, const double *sum, double pixels,
                   const float *const *in, float *out) {
  (void)in;
  for (size_t k = 0; k < sums(g, n); k++)
    out[k] = (float)(*(const bool *)n->attr ? sum[k] / pixels : sum[k]);
}

static const nd_statistic statistic = {
    .applies = of_the_picture, .sums = sums, .gather = gather, .finish = finish};

static nd_tensor reduced(nd_graph *g, nd_tensor x, const int dims[4], bool mean) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const nd_value *v = nd_value_of(g, x);
  if (!memcmp(v->dims, dims, sizeof v->dims))
    return x;
  for (int i = 0; i < 4; i++)
    if (dims[i] != v->dims[i] && dims[i] != 1)
      return nd_bad_node(g, "axis %d of length %d cannot be summed to %d", i, v->dims[i], dims[i]);
  return nd_append(g, &nd_op_sum_to, &mean, 1, &x, dims[0], dims[1], dims[2], dims[3]);
}

nd_tensor nd_sum_to(nd_graph *g, nd_tensor x, const int dims[4]) {
  return reduced(g, x, dims, false);
}

nd_tensor nd_mean_to(nd_graph *g, nd_tensor x, const int dims[4]) {
  return reduced(g, x, dims, true);
}

static nd_tensor example(nd_graph *g, int i) {
  static const int to[][4] = {{1, 1, 1, 1}, {2, 1, 1, 5}, {1, 1, 1, 5}, {2, 3, 4, 1}, {2, 1, 4, 5}};
  if (i < (int)G_N_ELEMENTS(to))
    return nd_sum_to(g, nd_example_input(g, 2, 3, 4, 5), to[i]);
  i -= (int)G_N_ELEMENTS(to);
  if (i == 0 || i == 1) { /* several blocks */
    nd_tensor x = nd_example_input(g, 2, 17, 19, 3);
    return i ? nd_mean_to(g, x, (int[]){2, 1, 1, 3}) : nd_sum_to(g, x, (int[]){2, 1, 1, 3});
  }
  if (i == 2) /* several parts of a row */
    return nd_sum_to(g, nd_example_input(g, 3, 2, 3, 150), (int[]){1, 2, 1, 150});
  return i == 3 ? nd_mean_to(g, nd_example_input(g, 2, 3, 4, 5), (int[]){2, 3, 4, 1}) : ND_NONE;
}

const nd_op nd_op_sum_to = {.name = "sum_to",
                            .attr_size = sizeof(bool),
                            .gradient = gradient,
                            .prepare = prepare,
                            .run = run,
                            .reference = reference,
                            .onnx = onnx,
                            .reach = nd_reach_of_view,
                            .statistic = &statistic,
                            .example = example};
