/* Up-sampling by repeating every pixel; its gradient sums each window. */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_upsample_nearest;

typedef struct work {
  nd_data x, out;
  size_t h, w, c, factor; /* of the small side */
} work;

static void forward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t f = w->factor, wide = w->w * f, high = w->h * f;
  for (size_t row = begin; row < end; row++) {
    size_t in = (row / high * w->h + row % high / f) * w->w * w->c, out = row * wide * w->c;
    for (size_t x = 0; x < wide; x++)
      nd_copy_numbers(w->out, out + x * w->c, w->x, in + x / f * w->c, w->c);
  }
}

ND_KERNEL static void add_channels(float *restrict sum, const float *restrict x, size_t count) {
  for (size_t k = 0; k < count; k++)
    sum[k] += x[k];
}

static void backward_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t f = w->factor, c = w->c;
  float sums[ND_PIECE], buffer[ND_PIECE];
  for (size_t row = begin; row < end; row++)
    for (size_t x = 0; x < w->w; x++)
      for (size_t k = 0, count; k < c; k += count) {
        size_t out = (row * w->w + x) * c + k;
        count = MIN(ND_PIECE, c - k);
        float *sum = nd_to_write(w->out, out, sums);
        memset(sum, 0, count * sizeof *sum);
        for (size_t p = 0; p < f * f; p++) {
          size_t in = ((row * f + p / f) * w->w * f + x * f + p % f) * c + k;
          add_channels(sum, nd_read(w->x, in, count, buffer), count);
        }
        nd_written(w->out, out, count, sums);
      }
}

static work work_of(const nd_run_context *r, const nd_value *small) {
  return (work){nd_run_in_data(r, 0),   nd_run_out_data(r, 0),  (size_t)small->dims[1],
                (size_t)small->dims[2], (size_t)small->dims[3], (size_t) * (const int *)r->node->attr};
}

static void run(const nd_run_context *r) {
  work w = work_of(r, nd_run_in_value(r, 0));
  nd_parallel((size_t)nd_run_in_value(r, 0)->dims[0] * w.h * w.factor, 8, forward_rows, &w);
}

static void run_backward(const nd_run_context *r) {
  work w = work_of(r, nd_run_out_value(r, 0));
  nd_parallel((size_t)nd_run_out_value(r, 0)->dims[0] * w.h, 4, backward_rows, &w);
}

static const nd_op upsample_nearest_backward = {.name = "upsample_nearest_backward",
                                                .attr_size = sizeof(int),
                                                .takes_bf16 = nd_always_takes_bf16,
                                                .run = run_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &upsample_nearest_backward, n->attr, 1, dout, n->in[0]);
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const nd_value *a = nd_in_value(g, node, 0), *b = nd_out_value(g, node, 0);
  int f = *(const int *)node->attr;
  double *y = out[0];
  for (int n = 0; n < b->dims[0]; n++)
    for (int i = 0; i < b->dims[1]; i++)
      for (int j = 0; j < b->dims[2]; j++)
        for (int k = 0; k < b->dims[3]; k++)
          *y++ = in[0][((n * a->dims[1] + i / f) * a->dims[2] + j / f) * a->dims[3] + k];
}

nd_tensor nd_upsample_nearest(nd_graph *g, nd_tensor x, int factor) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  return nd_append(g, &nd_op_upsample_nearest, &factor, 1, &x, d[0], d[1] * factor, d[2] * factor, d[3]);
}

static nd_tensor example(nd_graph *g, int i) {
  return i < 2 ? nd_upsample_nearest(g, nd_example_input(g, 2, 3, 4, 5), 2 + i) : ND_NONE;
}

const nd_op nd_op_upsample_nearest = {.name = "upsample_nearest",
                                      .again = &nd_op_upsample_nearest,
                                      .attr_size = sizeof(int),
                                      .linear = nd_always_linear,
                                      .takes_bf16 = nd_always_takes_bf16,
                                      .gradient = gradient,
                                      .run = run,
                                      .reference = reference,
                                      .example = example};
