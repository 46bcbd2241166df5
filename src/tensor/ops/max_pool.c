/* Maximum pooling; windows lie inside the picture. Of equal values the first in reading order counts. */
#include "tensor/ops/ops-private.h"

extern const nd_op nd_op_max_pool;

typedef struct attr {
  int size, stride;
} attr;

typedef struct work {
  const float *x, *dy;
  float *out;
  int small_h, small_w, large_h, large_w; /* small: the pooled side */
  size_t c;
  attr a;
} work;

static inline size_t first_of(const work *w, size_t row, size_t x) {
  size_t n = row / (size_t)w->small_h, y = row % (size_t)w->small_h, stride = (size_t)w->a.stride;
  return ((n * (size_t)w->large_h + y * stride) * (size_t)w->large_w + x * stride) * w->c;
}

ND_KERNEL static void forward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t c = w->c, size = (size_t)w->a.size;
  for (size_t row = begin; row < end; row++)
    for (size_t x = 0; x < (size_t)w->small_w; x++) {
      const float *corner = w->x + first_of(w, row, x);
      float *restrict out = w->out + (row * (size_t)w->small_w + x) * c;
      for (size_t k = 0; k < c; k++)
        out[k] = corner[k];
      for (size_t p = 1; p < size * size; p++) {
        const float *restrict in = corner + (p / size * (size_t)w->large_w + p % size) * c;
        for (size_t k = 0; k < c; k++)
          out[k] = in[k] > out[k] ? in[k] : out[k];
      }
    }
}

static size_t largest(const work *w, const float *corner) {
  size_t size = (size_t)w->a.size, best = 0;
  for (size_t p = 1; p < size * size; p++) {
    size_t at = (p / size * (size_t)w->large_w + p % size) * w->c;
    best = corner[at] > corner[best] ? at : best;
  }
  return best;
}

/* A sample and a channel are one thread's: windows may overlap. */
static void backward_channels(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t large = (size_t)w->large_h * (size_t)w->large_w;
  for (size_t i = begin; i < end; i++) {
    size_t n = i / w->c, k = i % w->c;
    for (size_t p = 0; p < large; p++)
      w->out[(n * large + p) * w->c + k] = 0;
    for (size_t row = n * (size_t)w->small_h; row < (n + 1) * (size_t)w->small_h; row++)
      for (size_t x = 0; x < (size_t)w->small_w; x++) {
        size_t corner = first_of(w, row, x) + k;
        w->out[corner + largest(w, w->x + corner)] += w->dy[(row * (size_t)w->small_w + x) * w->c + k];
      }
  }
}

static work work_of(const nd_run_context *r, const nd_value *small, const nd_value *large) {
  return (work){.out = nd_run_out(r, 0),
                .small_h = small->dims[1],
                .small_w = small->dims[2],
                .large_h = large->dims[1],
                .large_w = large->dims[2],
                .c = (size_t)small->dims[3],
                .a = *(const attr *)r->node->attr};
}

static void run(const nd_run_context *r) {
  work w = work_of(r, nd_run_out_value(r, 0), nd_run_in_value(r, 0));
  w.x = nd_run_in(r, 0);
  nd_parallel((size_t)nd_run_out_value(r, 0)->dims[0] * (size_t)w.small_h, 4, forward_rows, &w);
}

static void run_backward(const nd_run_context *r) {
  work w = work_of(r, nd_run_in_value(r, 0), nd_run_out_value(r, 0));
  w.dy = nd_run_in(r, 0);
  w.x = nd_run_in(r, 1);
  nd_parallel((size_t)nd_run_out_value(r, 0)->dims[0] * w.c, 8, backward_channels, &w);
}

static const nd_op max_pool_backward = {
    .name = "max_pool_backward", .attr_size = sizeof(attr), .run = run_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  const nd_tensor in[] = {dout[0], n->in[0]};
  if (wanted[0])
    din[0] = nd_append_like(g, &max_pool_backward, n->attr, 2, in, n->in[0]);
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const nd_value *a = nd_in_value(g, node, 0), *b = nd_out_value(g, node, 0);
  attr s = *(const attr *)node->attr;
  int c = a->dims[3];
  double *y = out[0];
  for (int n = 0; n < b->dims[0]; n++)
    for (int i = 0; i < b->dims[1]; i++)
      for (int j = 0; j < b->dims[2]; j++)
        for (int k = 0; k < c; k++, y++) {
          *y = -1e300;
          for (int p = 0; p < s.size * s.size; p++) {
            int row = i * s.stride + p / s.size, column = j * s.stride + p % s.size;
            double v = in[0][((n * a->dims[1] + row) * a->dims[2] + column) * c + k];
            *y = v > *y ? v : *y;
          }
        }
}

nd_tensor nd_max_pool(nd_graph *g, nd_tensor x, int size, int stride) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  int n = d[0], h = d[1], w = d[2], c = d[3];
  if (size < 1 || stride < 1 || h < size || w < size)
    return nd_bad_node(g, "maximum pool of size %d on a picture of %d x %d", size, h, w);
  attr a = {size, stride};
  return nd_append(g, &nd_op_max_pool, &a, 1, &x, n, (h - size) / stride + 1, (w - size) / stride + 1, c);
}

static nd_tensor example(nd_graph *g, int i) {
  return i < 2 ? nd_max_pool(g, nd_example_input(g, 2, 7, 8, 5), 2 + i, 2) : ND_NONE;
}

const nd_op nd_op_max_pool = {.name = "max_pool",
                              .attr_size = sizeof(attr),
                              .gradient = gradient,
                              .run = run,
                              .reference = reference,
                              .example = example};
