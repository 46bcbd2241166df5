/* Means over a window around each pixel (Chu et al. 2022, "Improving Image Restoration by Revisiting Global
 * Information Aggregation"). The window is as large everywhere: at the border it is moved inside, and where
 * the picture is smaller it is cut to it. So an axis of length n has n - k + 1 windows of length k, and pixel
 * y has the one that begins at y - (k - 1) / 2, or the nearest there is. One axis after the other. */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_local_mean;

/* Along one axis: `outer` times `length` rows of `inner` numbers each. */
typedef struct axis {
  const float *x;
  float *out;
  size_t outer, length, inner;
  int window; /* no longer than the axis */
} axis;

static int begin_of(int y, int length, int window) {
  return CLAMP(y - (window - 1) / 2, 0, length - window);
}

ND_KERNEL static void add(double *restrict sum, const float *restrict x, double sign, size_t count) {
  for (size_t k = 0; k < count; k++)
    sum[k] += sign * (double)x[k];
}

ND_KERNEL static void put(float *restrict out, const double *restrict sum, double scale, size_t count) {
  for (size_t k = 0; k < count; k++)
    out[k] = (float)(sum[k] * scale);
}

/* Numbers `at` ... of the rows of one outer index. */
static void means(const axis *a, size_t outer, size_t at, size_t count) {
  double sum[ND_PIECE] = {0};
  size_t first = outer * a->length * a->inner + at;
  int length = (int)a->length, begin = 0;
  for (int y = 0; y < a->window; y++)
    add(sum, a->x + first + (size_t)y * a->inner, 1, count);
  for (int y = 0; y < length; y++) {
    for (; begin < begin_of(y, length, a->window); begin++) {
      add(sum, a->x + first + (size_t)(begin + a->window) * a->inner, 1, count);
      add(sum, a->x + first + (size_t)begin * a->inner, -1, count);
    }
    put(a->out + first + (size_t)y * a->inner, sum, 1.0 / a->window, count);
  }
}

/* The gradients of all pixels whose window begins at `begin`. */
static void add_window(const axis *a, double *sum, size_t first, int begin, double sign, size_t count) {
  int length = (int)a->length, last = length - a->window, before = (a->window - 1) / 2;
  int from = begin ? begin + before : 0, to = begin < last ? begin + before : length - 1;
  for (int y = from; y <= to; y++)
    add(sum, a->x + first + (size_t)y * a->inner, sign, count);
}

/* The other way: pixel y is in the windows that begin at y - window + 1 ... y. */
static void spread(const axis *a, size_t outer, size_t at, size_t count) {
  double sum[ND_PIECE] = {0};
  size_t first = outer * a->length * a->inner + at;
  int length = (int)a->length;
  for (int y = 0; y < length; y++) {
    if (y <= length - a->window)
      add_window(a, sum, first, y, 1, count);
    if (y >= a->window)
      add_window(a, sum, first, y - a->window, -1, count);
    put(a->out + first + (size_t)y * a->inner, sum, 1.0 / a->window, count);
  }
}

static void each_piece(const axis *a, size_t begin, size_t end,
                       void (*fn)(const axis *a, size_t outer, size_t at, size_t count)) {
  size_t pieces = (a->inner + ND_PIECE - 1) / ND_PIECE;
  for (size_t i = begin; i < end; i++) {
    size_t at = i % pieces * ND_PIECE;
    fn(a, i / pieces, at, MIN(ND_PIECE, a->inner - at));
  }
}

static void mean_range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  each_piece(context, begin, end, means);
}

static void spread_range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  each_piece(context, begin, end, spread);
}

static void both_axes(const nd_run_context *r, void (*range)(size_t, size_t, int, void *)) {
  const nd_value *v = nd_run_in_value(r, 0);
  size_t n = (size_t)v->dims[0], h = (size_t)v->dims[1], w = (size_t)v->dims[2], c = (size_t)v->dims[3];
  int window = *(const int *)r->node->attr;
  axis down = {nd_run_in(r, 0), r->scratch, n, h, w * c, MIN(window, v->dims[1])},
       across = {r->scratch, nd_run_out(r, 0), n * h, w, c, MIN(window, v->dims[2])};
  nd_parallel(n * ((w * c + ND_PIECE - 1) / ND_PIECE), 1, range, &down);
  nd_parallel(n * h * ((c + ND_PIECE - 1) / ND_PIECE), ND_GRAIN / (w * MIN(c, ND_PIECE)) + 1, range, &across);
}

static void run(const nd_run_context *r) {
  both_axes(r, mean_range);
}

static void run_backward(const nd_run_context *r) {
  both_axes(r, spread_range);
}

static int prepare(const nd_graph *g, nd_node *n) {
  n->scratch_bytes = nd_in_value(g, n, 0)->count * sizeof(float);
  return 0;
}

static double flops(const nd_graph *g, const nd_node *n) {
  return 6.0 * (double)nd_out_value(g, n, 0)->count;
}

static const nd_op local_mean_backward = {.name = "local_mean_backward",
                                          .attr_size = sizeof(int),
                                          .in_place = 1,
                                          .prepare = prepare,
                                          .run = run_backward,
                                          .flops = flops};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &local_mean_backward, n->attr, 1, dout, n->in[0]);
}

/* Windows that the border moves see further, but nothing beyond the part of a picture, window pixels long or
 * more, that ends there. */
static int reach(const nd_graph *g, const nd_node *n) {
  (void)g;
  return *(const int *)n->attr / 2;
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const int *d = nd_in_value(g, node, 0)->dims, window = *(const int *)node->attr;
  int kh = MIN(window, d[1]), kw = MIN(window, d[2]);
  double *y = out[0];
  for (int n = 0; n < d[0]; n++)
    for (int i = 0; i < d[1]; i++)
      for (int j = 0; j < d[2]; j++)
        for (int c = 0; c < d[3]; c++, y++) {
          int top = CLAMP(i - (kh - 1) / 2, 0, d[1] - kh), left = CLAMP(j - (kw - 1) / 2, 0, d[2] - kw);
          *y = 0;
          for (int p = 0; p < kh * kw; p++)
            *y += in[0][((n * d[1] + top + p / kw) * d[2] + left + p % kw) * d[3] + c] / (kh * kw);
        }
}

nd_tensor nd_local_mean(nd_graph *g, nd_tensor x, int window) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  if (window < 1)
    return nd_bad_node(g, "means over windows of %d pixels", window);
  return nd_append_like(g, &nd_op_local_mean, &window, 1, &x, x);
}

/* Means of the windows of length k along an axis: running sums, of which two, k apart, differ by a window's.
 */
static const char *onnx_windows(nd_onnx *o, const char *x, int at, const char *k) {
  int64_t zero_row[8] = {0};
  zero_row[at] = 1;
  const char *axes = nd_onnx_int(o, at), *back = nd_onnx_node(o, "Neg", ND_ONNX_IN(k), NULL);
  const char *sums =
      nd_onnx_node(o, "CumSum", ND_ONNX_IN(x, nd_onnx_node(o, "Squeeze", ND_ONNX_IN(axes), NULL)), NULL);
  sums = nd_onnx_node(o, "Pad", ND_ONNX_IN(sums, nd_onnx_ints(o, 8, zero_row)), NULL);
  const char *to = nd_onnx_node(o, "Slice", ND_ONNX_IN(sums, k, nd_onnx_int(o, INT32_MAX), axes), NULL),
             *from = nd_onnx_node(o, "Slice", ND_ONNX_IN(sums, nd_onnx_int(o, 0), back, axes), NULL);
  const char *length = nd_onnx_node(o, "Cast", ND_ONNX_IN(k), ND_ONNX_WITH(ND_ONNX_INT("to", 1)));
  return nd_onnx_node(o, "Div", ND_ONNX_IN(nd_onnx_node(o, "Sub", ND_ONNX_IN(to, from), NULL), length), NULL);
}

/* The first and the last repeated, so that the axis is k - 1 longer. */
static const char *onnx_repeated(nd_onnx *o, const char *x, int at, const char *k) {
  const char *zero = nd_onnx_int(o, 0), *two = nd_onnx_int(o, 2);
  const char *less = nd_onnx_node(o, "Sub", ND_ONNX_IN(k, nd_onnx_int(o, 1)), NULL);
  const char *pads[9] = {zero, zero, zero, zero, zero, zero, zero, zero, NULL};
  pads[at] = nd_onnx_node(o, "Div", ND_ONNX_IN(less, two), NULL);
  pads[4 + at] = nd_onnx_node(o, "Div", ND_ONNX_IN(k, two), NULL);
  return nd_onnx_node(o, "Pad", ND_ONNX_IN(x, nd_onnx_join(o, pads)),
                      ND_ONNX_WITH(ND_ONNX_TEXT("mode", "edge")));
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  const char *x = nd_onnx_value(o, n->in[0], ND_ONNX_CHANNELS_FIRST);
  for (int along = 1; along <= 2; along++) {
    int at = nd_onnx_axis(ND_ONNX_CHANNELS_FIRST, along);
    const char *window = nd_onnx_int(o, *(const int *)n->attr),
               *k = nd_onnx_node(o, "Min", ND_ONNX_IN(nd_onnx_length(o, n->in[0], along), window), NULL);
    x = onnx_repeated(o, onnx_windows(o, x, at, k), at, k);
  }
  nd_onnx_set(o, n->out[0], ND_ONNX_CHANNELS_FIRST, x);
}

static nd_tensor example(nd_graph *g, int i) {
  static const int sizes[][4] = {{6, 7, 3, 3}, {5, 9, 4, 4}, {4, 3, 3, 9}, {7, 4, 3, 5}, {3, 3, 2, 1}};
  if (i >= (int)G_N_ELEMENTS(sizes))
    return ND_NONE;
  const int *s = sizes[i];
  return nd_local_mean(g, nd_example_input(g, 2, s[0], s[1], s[2]), s[3]);
}

const nd_op nd_op_local_mean = {.name = "local_mean",
                                .again = &nd_op_local_mean,
                                .attr_size = sizeof(int),
                                .in_place = 1,
                                .gradient = gradient,
                                .prepare = prepare,
                                .run = run,
                                .reach = reach,
                                .far = true,
                                .reference = reference,
                                .flops = flops,
                                .onnx = onnx,
                                .example = example};
