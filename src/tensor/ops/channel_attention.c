/* Attention between channels instead of pixels (Zamir et al. 2022, "transposed attention"). A head has d
 * query, key and value channels:
 *
 *   cosine_ij = q_i . k_j / (|q_i| |k_j|), over all pixels;  A_i = softmax_j(temperature cosine_ij)
 *   out_i = sum_j A_ij v_j
 *
 * Only d x d numbers a head depend on the whole picture, so one pass over the pixels gathers them and one
 * applies them; neither the heads nor the normalised channels are ever laid out. Backward likewise: with
 * D = dout v', dA = D, and G the gradient of q k',
 *
 *   dq_i = sum_j G_ij k_j + a_i q_i;  dk_j = sum_i G_ij q_i + b_j k_j;  dv_j = sum_i A_ij dout_i
 *
 * where a and b are what the norms contribute. Pixels are summed in parts whose number depends on the shape
 * alone. */
#include "tensor/ops/channel_attention-private.h"

#include <math.h>
#include <string.h>

extern const nd_op nd_op_channel_attention;

enum { MOST_PARTS = 64, PART = 256 /* pixels at least */ };

static size_t parts_of(size_t pixels) {
  return MIN((pixels + PART - 1) / PART, MOST_PARTS);
}

nd_channel_work nd_channel_work_of(const nd_graph *g, const nd_node *n, bool backward) {
  const nd_value *x = nd_in_value(g, n, 0);
  nd_channel_work w = {.samples = (size_t)x->dims[0],
                       .heads = nd_in_value(g, n, 1)->count,
                       .c = (size_t)x->dims[3] / 3,
                       .pixels = (size_t)x->dims[1] * (size_t)x->dims[2]};
  w.d = w.c / w.heads;
  w.parts = parts_of(w.pixels);
  w.record = backward ? w.d * w.d : (w.d + 2) * w.d;                          /* D; or q k', |q|^2, |k|^2 */
  w.panels = (w.d * nd_panels_row(nd_micro_best(), (int)w.d) + 15) / 16 * 16; /* of a matrix */
  w.apply =
      backward ? 3 * w.panels + ((w.d + 2) * w.d + 15) / 16 * 16 : w.panels; /* G', G, A, G, a, b; or A' */
  return w;
}

size_t nd_channel_take_scratch(nd_channel_work *w, void *scratch) {
  nd_arena a = {scratch, 0};
  size_t heads = w->samples * w->heads;
  w->sums = nd_arena_floats(&a, heads * w->parts * w->record);
  w->matrices = nd_arena_floats(&a, heads * w->apply);
  w->dtemperature = nd_arena_floats(&a, heads);
  w->scratch = nd_arena_for_threads(&a, (size_t)nd_threads(), nd_pixel_sums_scratch((int)w->d), &w->apart);
  return a.used;
}

ND_KERNEL static void add_squares(float *restrict sum, size_t d, size_t pixels, const float *a,
                                  size_t stride) {
  for (size_t p = 0; p < pixels; p++, a += stride)
    for (size_t i = 0; i < d; i++)
      sum[i] += a[i] * a[i];
}

/* q k', |q|^2 and |k|^2 of `count` neighbouring pixels. */
static void add_products(const nd_channel_work *w, int thread, float *sum, size_t count, const float *q) {
  size_t d = w->d, c = w->c;
  ptrdiff_t stride = (ptrdiff_t)(3 * c);
  nd_pixel_sums((int)d, (int)count, (nd_pixels){q, stride}, (nd_pixels){q + c, stride}, sum,
                w->scratch + (size_t)thread * w->apart);
  add_squares(sum + d * d, d, count, q, 3 * c);
  add_squares(sum + d * d + d, d, count, q + c, 3 * c);
}

void nd_channel_gather(size_t begin, size_t end, int thread, void *context) {
  const nd_channel_work *w = context;
  size_t d = w->d, c = w->c, stride = 3 * c;
  for (size_t item = begin; item < end; item++) {
    size_t part = item % w->parts, head = item / w->parts % w->heads, sample = item / w->parts / w->heads;
    float *sum = w->sums + item * w->record;
    memset(sum, 0, w->record * sizeof *sum);
    size_t first = part * w->pixels / w->parts, count = (part + 1) * w->pixels / w->parts - first;
    size_t pixel = sample * w->pixels + first;
    const float *q = w->qkv + pixel * stride + head * d;
    if (w->dy)
      nd_pixel_sums((int)d, (int)count, (nd_pixels){w->dy + pixel * c + head * d, (ptrdiff_t)c},
                    (nd_pixels){q + 2 * c, (ptrdiff_t)stride}, sum, w->scratch + (size_t)thread * w->apart);
    else
      add_products(w, thread, sum, count, q);
  }
}

const float *nd_channel_total(const nd_channel_work *w, size_t head) {
  float *sum = w->sums + head * w->parts * w->record;
  for (size_t part = 1; part < w->parts; part++)
    for (size_t i = 0; i < w->record; i++)
      sum[i] += sum[part * w->record + i];
  return sum;
}

/* row: temperature times cosines, replaced by their softmax. */
static void softmax(double *row, size_t n) {
  double top = row[0], sum = 0;
  for (size_t j = 1; j < n; j++)
    top = MAX(top, row[j]);
  for (size_t j = 0; j < n; j++)
    sum += row[j] = exp(row[j] - top);
  for (size_t j = 0; j < n; j++)
    row[j] /= sum;
}

/* The statistics of heads [begin, end) of all samples, and A' for the last pass. */
ND_KERNEL static void finish(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const nd_channel_work *w = context;
  size_t d = w->d;
  for (size_t head = begin; head < end; head++) {
    const float *sum = nd_channel_total(w, head);
    float *attention = w->statistics + head * (2 * d + 2) * d, *cosine = attention + d * d;
    float *over_norm = cosine + d * d;
    nd_panels applied = nd_channel_matrix(w, head, 0);
    double row[d], temperature = (double)w->temperature[head % w->heads];
    for (size_t i = 0; i < 2 * d; i++)
      over_norm[i] = (float)(1 / MAX(sqrt((double)sum[d * d + i]), ND_SMALLEST_NORM));
    for (size_t i = 0; i < d; i++) {
      for (size_t j = 0; j < d; j++) {
        double x = (double)sum[i * d + j] * (double)over_norm[i] * (double)over_norm[d + j];
        cosine[i * d + j] = (float)x;
        row[j] = temperature * x;
      }
      softmax(row, d);
      for (size_t j = 0; j < d; j++)
        attention[i * d + j] = (float)row[j];
    }
    nd_panels_pack_transposed(&applied, attention, (ptrdiff_t)d);
  }
}

/* A' of statistics that were given. */
static void transpose_given(const nd_channel_work *w) {
  for (size_t head = 0; head < w->samples * w->heads; head++) {
    nd_panels applied = nd_channel_matrix(w, head, 0);
    nd_panels_pack_transposed(&applied, w->statistics + head * (2 * w->d + 2) * w->d, (ptrdiff_t)w->d);
  }
}

static void apply(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const nd_channel_work *w = context;
  size_t d = w->d, c = w->c;
  for (size_t pixel = begin, count; pixel < end; pixel += count) {
    count = nd_channel_same_sample(w, pixel, end);
    for (size_t head = 0; head < w->heads; head++) {
      nd_panels m = nd_channel_matrix(w, pixel / w->pixels * w->heads + head, 0);
      nd_pixel_products(&m, (int)count,
                        (nd_pixels){w->qkv + pixel * 3 * c + 2 * c + head * d, (ptrdiff_t)(3 * c)},
                        w->out + pixel * c + head * d, (ptrdiff_t)c, false);
    }
  }
}

static int prepare(const nd_graph *g, nd_node *n) {
  nd_channel_work w = nd_channel_work_of(g, n, false);
  n->scratch_bytes = nd_channel_take_scratch(&w, NULL);
  return 0;
}

static void run(const nd_run_context *r) {
  nd_channel_work w = nd_channel_work_of(r->graph, r->node, false);
  w.qkv = nd_run_in(r, 0), w.temperature = nd_run_in(r, 1);
  w.out = nd_run_out(r, 0), w.statistics = nd_run_out(r, 1);
  nd_channel_take_scratch(&w, r->scratch);
  if (nd_given(r, 1)) {
    transpose_given(&w);
  } else {
    nd_parallel(w.samples * w.heads * w.parts, 1, nd_channel_gather, &w);
    nd_parallel(w.samples * w.heads, 1, finish, &w);
  }
  nd_parallel(w.samples * w.pixels, nd_channel_grain(&w), apply, &w);
}

/* ---- Over a whole picture, a part at a time ---- */
static size_t statistic_sums(const nd_graph *g, const nd_node *n) {
  nd_channel_work w = nd_channel_work_of(g, n, false);
  return w.heads * w.record;
}

typedef struct area {
  const nd_channel_work *w;
  size_t rows, columns, stride; /* in pixels */
} area;

/* Items as in nd_channel_gather, the parts being rows. */
static void gather_rows(size_t begin, size_t end, int thread, void *context) {
  const area *a = context;
  const nd_channel_work *w = a->w;
  for (size_t item = begin; item < end; item++) {
    size_t part = item % w->parts, head = item / w->parts;
    float *sum = w->sums + item * w->record;
    for (size_t y = part * a->rows / w->parts; y < (part + 1) * a->rows / w->parts; y++)
      add_products(w, thread, sum, a->columns, w->qkv + y * a->stride * 3 * w->c + head * w->d);
  }
}

/* Zeros, for g_aligned_free: outside of a plan there is no scratch memory. */
static void *take_own_scratch(nd_channel_work *w) {
  void *scratch = g_aligned_alloc0(nd_channel_take_scratch(w, NULL), 1, 64);
  nd_channel_take_scratch(w, scratch);
  return scratch;
}

static void statistic_gather(const nd_graph *g, const nd_node *n, const float *x, size_t rows, size_t columns,
                             size_t stride, double *sums) {
  nd_channel_work w = nd_channel_work_of(g, n, false);
  w.qkv = x, w.parts = MIN(rows, MOST_PARTS);
  size_t count = w.heads * w.parts * w.record;
  void *scratch = take_own_scratch(&w);
  nd_parallel(w.heads * w.parts, 1, gather_rows, &(area){&w, rows, columns, stride});
  for (size_t i = 0; i < count; i++)
    sums[i / w.record / w.parts * w.record + i % w.record] += (double)w.sums[i];
  g_aligned_free(scratch);
}

static void statistic_finish(const nd_graph *g, const nd_node *n, const double *sums, double pixels,
                             const float *const *in, float *out) {
  (void)pixels;
  nd_channel_work w = nd_channel_work_of(g, n, false);
  w.parts = 1, w.temperature = in[1], w.statistics = out;
  void *scratch = take_own_scratch(&w);
  for (size_t i = 0; i < w.heads * w.record; i++)
    w.sums[i] = (float)sums[i];
  finish(0, w.heads, 0, &w);
  g_aligned_free(scratch);
}

static const nd_statistic statistic = {
    .output = 1, .sums = statistic_sums, .gather = statistic_gather, .finish = statistic_finish};

double nd_channel_flops(const nd_graph *g, const nd_node *n) {
  nd_channel_work w = nd_channel_work_of(g, n, false);
  return 4.0 * (double)(w.samples * w.pixels * w.c * w.d);
}

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  nd_tensor in[] = {n->in[0], n->in[1], n->out[1], dout[0]};
  nd_tensor dqkv = nd_append_like(g, &nd_op_channel_attention_backward, NULL, 4, in, n->in[0]);
  if (dqkv < 0)
    return;
  const nd_value *t = nd_in_value(g, n, 1);
  nd_tensor dtemperature = nd_append_output(g, t->rank, (int[]){ND_DIMS(t)});
  din[0] = wanted[0] ? dqkv : ND_NONE;
  din[1] = wanted[1] ? dtemperature : ND_NONE;
}

/* ---- Reference and building ---- */
static double correlation(const double *a, const double *b, size_t pixels, size_t stride) {
  double sum = 0;
  for (size_t p = 0; p < pixels; p++)
    sum += a[p * stride] * b[p * stride];
  return sum;
}

/* The statistics are for backward alone: left out. */
static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  nd_channel_work w = nd_channel_work_of(g, n, false);
  for (size_t i = 0; i < w.samples * w.c; i++) {
    size_t sample = i / w.c, channel = i % w.c, head = channel / w.d, stride = 3 * w.c;
    const double *q = in[0] + sample * w.pixels * stride + channel, *k = q - channel + w.c + head * w.d;
    double row[w.d], *y = out[0] + sample * w.pixels * w.c + channel;
    for (size_t j = 0; j < w.d; j++) {
      double norms = sqrt(correlation(q, q, w.pixels, stride) * correlation(k + j, k + j, w.pixels, stride));
      row[j] = in[1][head] * correlation(q, k + j, w.pixels, stride) / norms;
    }
    softmax(row, w.d);
    for (size_t p = 0; p < w.pixels; p++) {
      y[p * w.c] = 0;
      for (size_t j = 0; j < w.d; j++)
        y[p * w.c] += row[j] * k[p * stride + w.c + j];
    }
  }
}

/* One of queries, keys and values as n, heads, d, pixels. */
static const char *onnx_part(nd_onnx *o, const char *qkv, const nd_channel_work *w, int which) {
  int64_t c = (int64_t)w->c;
  const char *part = nd_onnx_slice(o, qkv, 1, which * c, (which + 1) * c);
  return nd_onnx_reshape(o, part, 4, (int64_t[]){0, (int64_t)w->heads, (int64_t)w->d, -1});
}

static const char *onnx_normalised(nd_onnx *o, const char *x) {
  const char *norm = nd_onnx_node(o, "ReduceL2", ND_ONNX_IN(x), ND_ONNX_WITH(ND_ONNX_LIST("axes", 1, -1)));
  norm = nd_onnx_node(o, "Max", ND_ONNX_IN(norm, nd_onnx_real(o, (float)ND_SMALLEST_NORM)), NULL);
  return nd_onnx_node(o, "Div", ND_ONNX_IN(x, norm), NULL);
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  nd_channel_work w = nd_channel_work_of(g, n, false);
  const char *qkv = nd_onnx_value(o, n->in[0], ND_ONNX_CHANNELS_FIRST);
  const char *q = onnx_normalised(o, onnx_part(o, qkv, &w, 0));
  const char *k = onnx_normalised(o, onnx_part(o, qkv, &w, 1));
  const char *temperature = nd_onnx_reshape(o, nd_onnx_weights(o, n->in[1]), 3, (int64_t[]){-1, 1, 1});
  k = nd_onnx_transpose(o, k, 4, (int64_t[]){0, 1, 3, 2});
  const char *a = nd_onnx_node(o, "MatMul", ND_ONNX_IN(q, k), NULL);
  a = nd_onnx_node(o, "Mul", ND_ONNX_IN(a, temperature), NULL);
  a = nd_onnx_node(o, "Softmax", ND_ONNX_IN(a), ND_ONNX_WITH(ND_ONNX_INT("axis", -1)));
  const char *y = nd_onnx_node(o, "MatMul", ND_ONNX_IN(a, onnx_part(o, qkv, &w, 2)), NULL);
  y = nd_onnx_node(o, "Reshape", ND_ONNX_IN(y, nd_onnx_shape(o, n->out[0], ND_ONNX_CHANNELS_FIRST)), NULL);
  nd_onnx_set(o, n->out[0], ND_ONNX_CHANNELS_FIRST, y);
}

nd_tensor nd_channel_attention(nd_graph *g, nd_tensor qkv, nd_tensor temperature) {
  if (!nd_ready(g, 2, (nd_tensor[]){qkv, temperature}))
    return ND_NONE;
  const nd_value *x = nd_value_of(g, qkv);
  int heads = (int)nd_value_of(g, temperature)->count, n = x->dims[0], c = x->dims[3] / 3;
  if (x->dims[3] % 3 || c % heads)
    return nd_bad_node(g, "%d channels are not queries, keys and values of %d heads", x->dims[3], heads);
  nd_tensor y = nd_append(g, &nd_op_channel_attention, NULL, 2, (nd_tensor[]){qkv, temperature}, n,
                          x->dims[1], x->dims[2], c);
  if (y >= 0)
    nd_append_output(g, 4, (int[]){n, heads, 2 * c / heads + 2, c / heads});
  return y;
}

static nd_tensor example(nd_graph *g, int i) {
  static const int e[][5] = {
      {2, 3, 5, 8, 2}, {1, 17, 18, 5, 1}, {1, 2, 1, 18, 3}, {2, 7, 11, 96, 2}}; /* n, h, w, c, heads */
  if (i >= (int)G_N_ELEMENTS(e))
    return ND_NONE;
  nd_tensor qkv = nd_example_input(g, e[i][0], e[i][1], e[i][2], 3 * e[i][3]);
  return nd_channel_attention(g, qkv, nd_example_parameter(g, 3, e[i][4], 1, 1, 1));
}

const nd_op nd_op_channel_attention = {.name = "channel_attention",
                                       .wants_f32 = 1,
                                       .gradient = gradient,
                                       .prepare = prepare,
                                       .run = run,
                                       .reference = reference,
                                       .onnx = onnx,
                                       .flops = nd_channel_flops,
                                       .reach = nd_reach_none,
                                       .statistic = &statistic,
                                       .example = example};
