/* Pixel shuffle (Shi et al. 2016): channels become pixels, r x r of them, in PyTorch's order,
 *
 *   large[y r + i][x r + j][k] = small[y][x][(k r + i) r + j]
 *
 * and unshuffle, the way back. Each is the other's gradient. */
#include "tensor/ops/ops-private.h"

extern const nd_op nd_op_pixel_shuffle, nd_op_pixel_unshuffle;

typedef struct work {
  const float *in;
  float *out;
  size_t w, c, factor; /* w: of the small side; c: channels of the large side */
} work;

/* Rows of the small side, all samples one below the other. */
ND_KERNEL static void shuffle_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t f = w->factor, c = w->c;
  for (size_t row = begin; row < end; row++)
    for (size_t p = 0; p < w->w * f * f; p++) { /* a pixel of the large side: i, x, j */
      size_t i = p / (w->w * f), x = p % (w->w * f) / f, j = p % f;
      const float *restrict small = w->in + (row * w->w + x) * c * f * f + i * f + j;
      float *restrict large = w->out + (row * w->w * f * f + p) * c;
      for (size_t k = 0; k < c; k++)
        large[k] = small[k * f * f];
    }
}

ND_KERNEL static void unshuffle_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t f = w->factor, c = w->c;
  for (size_t row = begin; row < end; row++)
    for (size_t p = 0; p < w->w * f * f; p++) { /* x, i, j: the small side is written in order */
      size_t x = p / (f * f), i = p / f % f, j = p % f;
      const float *restrict large = w->in + ((row * f + i) * w->w * f + x * f + j) * c;
      float *restrict small = w->out + (row * w->w + x) * c * f * f + i * f + j;
      for (size_t k = 0; k < c; k++)
        small[k * f * f] = large[k];
    }
}

static void run_rows(const nd_run_context *r, const nd_value *small, const nd_value *large,
                     void (*rows)(size_t, size_t, int, void *)) {
  work w = {nd_run_in(r, 0), nd_run_out(r, 0), (size_t)small->dims[2], (size_t)large->dims[3],
            (size_t) * (const int *)r->node->attr};
  size_t row = (size_t)small->dims[2] * (size_t)small->dims[3];
  nd_parallel(small->count / row, ND_GRAIN / row + 1, rows, &w);
}

static void run_shuffle(const nd_run_context *r) {
  run_rows(r, nd_run_in_value(r, 0), nd_run_out_value(r, 0), shuffle_rows);
}

static void run_unshuffle(const nd_run_context *r) {
  run_rows(r, nd_run_out_value(r, 0), nd_run_in_value(r, 0), unshuffle_rows);
}

static void shuffle_gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                             nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &nd_op_pixel_unshuffle, n->attr, 1, dout, n->in[0]);
}

static void unshuffle_gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                               nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &nd_op_pixel_shuffle, n->attr, 1, dout, n->in[0]);
}

/* By the element of the large side, as the formula says. */
static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  bool shuffle = node->op == &nd_op_pixel_shuffle;
  const nd_value *a = nd_in_value(g, node, 0), *b = nd_out_value(g, node, 0);
  const int *s = shuffle ? a->dims : b->dims, *l = shuffle ? b->dims : a->dims;
  int f = *(const int *)node->attr, large = 0;
  for (int n = 0; n < l[0]; n++)
    for (int y = 0; y < l[1]; y++)
      for (int x = 0; x < l[2]; x++)
        for (int k = 0; k < l[3]; k++, large++) {
          int small = ((n * s[1] + y / f) * s[2] + x / f) * s[3] + (k * f + y % f) * f + x % f;
          out[0][shuffle ? large : small] = in[0][shuffle ? small : large];
        }
}

static void onnx_shuffle(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  const char *x = nd_onnx_value(o, n->in[0], ND_ONNX_CHANNELS_FIRST);
  x = nd_onnx_node(
      o, "DepthToSpace", ND_ONNX_IN(x),
      ND_ONNX_WITH(ND_ONNX_INT("blocksize", *(const int *)n->attr), ND_ONNX_TEXT("mode", "CRD")));
  nd_onnx_set(o, n->out[0], ND_ONNX_CHANNELS_FIRST, x);
}

/* ONNX's SpaceToDepth has the channels in another order. */
static void onnx_unshuffle(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  int f = *(const int *)n->attr, c = nd_in_value(g, n, 0)->dims[3];
  const char *x = nd_onnx_value(o, n->in[0], ND_ONNX_CHANNELS_FIRST), *by = nd_onnx_int(o, f);
  const char *shape =
      nd_onnx_join(o, ND_ONNX_IN(nd_onnx_ints(o, 2, (int64_t[]){0, c}), nd_onnx_length(o, n->out[0], 1), by,
                                 nd_onnx_length(o, n->out[0], 2), by));
  x = nd_onnx_node(o, "Reshape", ND_ONNX_IN(x, shape), NULL);
  x = nd_onnx_transpose(o, x, 6, (int64_t[]){0, 1, 3, 5, 2, 4});
  x = nd_onnx_node(o, "Reshape", ND_ONNX_IN(x, nd_onnx_shape(o, n->out[0], ND_ONNX_CHANNELS_FIRST)), NULL);
  nd_onnx_set(o, n->out[0], ND_ONNX_CHANNELS_FIRST, x);
}

nd_tensor nd_pixel_shuffle(nd_graph *g, nd_tensor x, int factor) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  if (factor < 1 || d[3] % (factor * factor))
    return nd_bad_node(g, "pixel shuffle by %d of %d channels, which are no multiple of its square", factor,
                       d[3]);
  return nd_append(g, &nd_op_pixel_shuffle, &factor, 1, &x, d[0], d[1] * factor, d[2] * factor,
                   d[3] / (factor * factor));
}

nd_tensor nd_pixel_unshuffle(nd_graph *g, nd_tensor x, int factor) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  if (factor < 1 || d[1] % factor || d[2] % factor)
    return nd_bad_node(g, "pixel unshuffle by %d of a picture of %d x %d", factor, d[1], d[2]);
  return nd_append(g, &nd_op_pixel_unshuffle, &factor, 1, &x, d[0], d[1] / factor, d[2] / factor,
                   d[3] * factor * factor);
}

static nd_tensor shuffle_example(nd_graph *g, int i) {
  return i == 0   ? nd_pixel_shuffle(g, nd_example_input(g, 2, 3, 4, 12), 2)
         : i == 1 ? nd_pixel_shuffle(g, nd_example_input(g, 1, 2, 3, 18), 3)
                  : ND_NONE;
}

static nd_tensor unshuffle_example(nd_graph *g, int i) {
  return i == 0   ? nd_pixel_unshuffle(g, nd_example_input(g, 2, 4, 6, 3), 2)
         : i == 1 ? nd_pixel_unshuffle(g, nd_example_input(g, 1, 6, 9, 2), 3)
                  : ND_NONE;
}

const nd_op nd_op_pixel_shuffle = {.name = "pixel_shuffle",
                                   .reach = nd_reach_none,
                                   .again = &nd_op_pixel_shuffle,
                                   .attr_size = sizeof(int),
                                   .gradient = shuffle_gradient,
                                   .linear = nd_always_linear,
                                   .run = run_shuffle,
                                   .reference = reference,
                                   .onnx = onnx_shuffle,
                                   .example = shuffle_example};
const nd_op nd_op_pixel_unshuffle = {.name = "pixel_unshuffle",
                                     .reach = nd_reach_none,
                                     .again = &nd_op_pixel_unshuffle,
                                     .attr_size = sizeof(int),
                                     .gradient = unshuffle_gradient,
                                     .linear = nd_always_linear,
                                     .run = run_unshuffle,
                                     .reference = reference,
                                     .onnx = onnx_unshuffle,
                                     .example = unshuffle_example};
