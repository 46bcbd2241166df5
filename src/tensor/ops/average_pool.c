/* Average pooling, window = stride; rows and columns that do not fill a window are left out. */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_average_pool;

typedef struct work {
  nd_data x, out;
  int small_h, small_w, large_h, large_w, size; /* small: the pooled side */
  size_t c;
} work;

ND_KERNEL static void add_scaled(float *restrict sum, const float *restrict x, float scale, size_t count) {
  for (size_t k = 0; k < count; k++)
    sum[k] += x[k] * scale;
}

/* Channels k ... k + count - 1 of one pooled pixel. */
static void pool(const work *w, size_t n, size_t y, size_t x, size_t k, size_t count) {
  float sums[ND_PIECE], buffer[ND_PIECE], scale = 1 / (float)(w->size * w->size);
  size_t size = (size_t)w->size, out = ((n * (size_t)w->small_h + y) * (size_t)w->small_w + x) * w->c + k;
  float *sum = nd_to_write(w->out, out, sums);
  memset(sum, 0, count * sizeof *sum);
  for (size_t p = 0; p < size * size; p++) {
    size_t row = n * (size_t)w->large_h + y * size + p / size;
    size_t in = (row * (size_t)w->large_w + x * size + p % size) * w->c + k;
    add_scaled(sum, nd_read(w->x, in, count, buffer), scale, count);
  }
  nd_written(w->out, out, count, sums);
}

static void forward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t row = begin; row < end; row++)
    for (size_t x = 0; x < (size_t)w->small_w; x++)
      for (size_t k = 0; k < w->c; k += ND_PIECE)
        pool(w, row / (size_t)w->small_h, row % (size_t)w->small_h, x, k, MIN(ND_PIECE, w->c - k));
}

ND_KERNEL static void scale_channels(float *restrict out, const float *restrict x, float scale,
                                     size_t count) {
  for (size_t k = 0; k < count; k++)
    out[k] = x[k] * scale;
}

/* One pixel of the large side's gradient from one of the small side's. */
static void spread(const work *w, size_t in, size_t out) {
  float buffer[2][ND_PIECE], scale = 1 / (float)(w->size * w->size);
  for (size_t k = 0, count; k < w->c; k += count) {
    count = MIN(ND_PIECE, w->c - k);
    scale_channels(nd_to_write(w->out, out + k, buffer[0]), nd_read(w->x, in + k, count, buffer[1]), scale,
                   count);
    nd_written(w->out, out + k, count, buffer[0]);
  }
}

static void backward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t c = w->c, lw = (size_t)w->large_w, size = (size_t)w->size;
  for (size_t row = begin; row < end; row++) {
    size_t n = row / (size_t)w->large_h, y = row % (size_t)w->large_h / size;
    for (size_t x = 0; x < lw; x++) {
      bool inside = y < (size_t)w->small_h && x / size < (size_t)w->small_w;
      if (inside)
        spread(w, ((n * (size_t)w->small_h + y) * (size_t)w->small_w + x / size) * c, (row * lw + x) * c);
      else
        nd_clear_numbers(w->out, (row * lw + x) * c, c);
    }
  }
}

static work work_of(const nd_run_context *r, const nd_value *small, const nd_value *large) {
  return (work){nd_run_in_data(r, 0),
                nd_run_out_data(r, 0),
                small->dims[1],
                small->dims[2],
                large->dims[1],
                large->dims[2],
                *(const int *)r->node->attr,
                (size_t)small->dims[3]};
}

static void run(const nd_run_context *r) {
  work w = work_of(r, nd_run_out_value(r, 0), nd_run_in_value(r, 0));
  nd_parallel((size_t)nd_run_out_value(r, 0)->dims[0] * (size_t)w.small_h, 4, forward_rows, &w);
}

static void run_backward(const nd_run_context *r) {
  work w = work_of(r, nd_run_in_value(r, 0), nd_run_out_value(r, 0));
  nd_parallel((size_t)nd_run_out_value(r, 0)->dims[0] * (size_t)w.large_h, 8, backward_rows, &w);
}

static const nd_op average_pool_backward = {.name = "average_pool_backward",
                                            .attr_size = sizeof(int),
                                            .takes_bf16 = nd_always_takes_bf16,
                                            .run = run_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &average_pool_backward, n->attr, 1, dout, n->in[0]);
}

static bool rows_of(const nd_graph *g, const nd_node *n, int i, nd_rows of, nd_rows *from) {
  (void)g, (void)i;
  int size = *(const int *)n->attr;
  *from = (nd_rows){of.from * size, of.to * size};
  return true;
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const nd_value *a = nd_in_value(g, node, 0), *b = nd_out_value(g, node, 0);
  int size = *(const int *)node->attr, c = a->dims[3];
  double *y = out[0];
  for (int n = 0; n < b->dims[0]; n++)
    for (int i = 0; i < b->dims[1]; i++)
      for (int j = 0; j < b->dims[2]; j++)
        for (int k = 0; k < c; k++, y++) {
          *y = 0;
          for (int p = 0; p < size * size; p++)
            *y += in[0][((n * a->dims[1] + i * size + p / size) * a->dims[2] + j * size + p % size) * c + k];
          *y /= size * size;
        }
}

nd_tensor nd_average_pool(nd_graph *g, nd_tensor x, int size) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  int n = d[0], h = d[1], w = d[2], c = d[3];
  if (size < 1 || h < size || w < size)
    return nd_bad_node(g, "average pool of size %d on a picture of %d x %d", size, h, w);
  return nd_append(g, &nd_op_average_pool, &size, 1, &x, n, h / size, w / size, c);
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  int size = *(const int *)n->attr;
  const char *x = nd_onnx_value(o, n->in[0], ND_ONNX_CHANNELS_FIRST);
  x = nd_onnx_node(
      o, "AveragePool", ND_ONNX_IN(x),
      ND_ONNX_WITH(ND_ONNX_LIST("kernel_shape", 2, size, size), ND_ONNX_LIST("strides", 2, size, size)));
  nd_onnx_set(o, n->out[0], ND_ONNX_CHANNELS_FIRST, x);
}

static nd_tensor example(nd_graph *g, int i) {
  return i < 2 ? nd_average_pool(g, nd_example_input(g, 2, 6, 7, 5), 2 + i) : ND_NONE;
}

const nd_op nd_op_average_pool = {.name = "average_pool",
                                  .again = &nd_op_average_pool,
                                  .attr_size = sizeof(int),
                                  .linear = nd_always_linear,
                                  .takes_bf16 = nd_always_takes_bf16,
                                  .gradient = gradient,
                                  .run = run,
                                  .rows = rows_of,
                                  .reference = reference,
                                  .onnx = onnx,
                                  .example = example};
