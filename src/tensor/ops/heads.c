/* The heads of attention: n,h,w,c to n,heads,tokens,width (split) and back (merge). */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_split_heads, nd_op_merge_heads;

/* Head k of token t of sample n: packed at [n][k][t][width], spread at [n][t][channels] + begin + k stride.
 */
typedef struct heads_attr {
  int heads, begin, stride, width, tokens, channels;
} heads_attr;

typedef struct work {
  heads_attr a;
  const float *x;
  float *out;
} work;

static void split_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t tokens = (size_t)w->a.tokens, heads = (size_t)w->a.heads, width = (size_t)w->a.width;
  for (size_t i = begin; i < end; i++) { /* i: n, head, token */
    size_t t = i % tokens, k = i / tokens % heads, n = i / tokens / heads;
    const float *spread = w->x + (n * tokens + t) * (size_t)w->a.channels + (size_t)w->a.begin;
    memcpy(w->out + i * width, spread + k * (size_t)w->a.stride, width * sizeof(float));
  }
}

static void merge_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t tokens = (size_t)w->a.tokens, heads = (size_t)w->a.heads, width = (size_t)w->a.width;
  for (size_t i = begin; i < end; i++) { /* i: n, token */
    size_t t = i % tokens, n = i / tokens;
    float *spread = w->out + i * (size_t)w->a.channels;
    if (heads * width != (size_t)w->a.channels)
      memset(spread, 0, (size_t)w->a.channels * sizeof *spread);
    for (size_t k = 0; k < heads; k++)
      memcpy(spread + (size_t)w->a.begin + k * (size_t)w->a.stride,
             w->x + ((n * heads + k) * tokens + t) * width, width * sizeof *spread);
  }
}

static void run_split(const nd_run_context *r) {
  work w = {*(const heads_attr *)r->node->attr, nd_run_in(r, 0), nd_run_out(r, 0)};
  nd_parallel(nd_run_out_value(r, 0)->count / (size_t)w.a.width, 256, split_rows, &w);
}

static void run_merge(const nd_run_context *r) {
  work w = {*(const heads_attr *)r->node->attr, nd_run_in(r, 0), nd_run_out(r, 0)};
  nd_parallel(nd_run_out_value(r, 0)->count / (size_t)w.a.channels, 64, merge_rows, &w);
}

static void split_gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                           nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &nd_op_merge_heads, n->attr, 1, dout, n->in[0]);
}

static void merge_gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                           nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &nd_op_split_heads, n->attr, 1, dout, n->in[0]);
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const heads_attr *a = node->attr;
  bool split = node->op == &nd_op_split_heads;
  memset(out[0], 0, nd_out_value(g, node, 0)->count * sizeof(double));
  for (int n = 0; n < nd_out_value(g, node, 0)->dims[0]; n++)
    for (int k = 0; k < a->heads; k++)
      for (int t = 0; t < a->tokens; t++)
        for (int i = 0; i < a->width; i++) {
          int packed = ((n * a->heads + k) * a->tokens + t) * a->width + i;
          int spread = (n * a->tokens + t) * a->channels + a->begin + k * a->stride + i;
          out[0][split ? packed : spread] = in[0][split ? spread : packed];
        }
}

nd_tensor nd_split_heads(nd_graph *g, nd_tensor x, int heads, int begin, int stride, int width) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  heads_attr a = {heads, begin, stride, width, d[1] * d[2], d[3]};
  if (heads < 1 || width < 1 || begin < 0 || begin + (heads - 1) * stride + width > d[3])
    return nd_bad_node(g, "%d heads of width %d, one every %d channels from %d, do not fit %d channels",
                       heads, width, stride, begin, d[3]);
  return nd_append(g, &nd_op_split_heads, &a, 1, &x, d[0], heads, a.tokens, width);
}

nd_tensor nd_merge_heads(nd_graph *g, nd_tensor x, int h, int w) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  heads_attr a = {d[1], 0, d[3], d[3], d[2], d[1] * d[3]};
  if (h * w != d[2])
    return nd_bad_node(g, "%d tokens cannot be laid out as %d x %d", d[2], h, w);
  return nd_append(g, &nd_op_merge_heads, &a, 1, &x, d[0], h, w, a.channels);
}

static nd_tensor split_example(nd_graph *g, int i) {
  return i < 1 ? nd_split_heads(g, nd_example_input(g, 2, 3, 2, 24), 2, 4, 12, 4) : ND_NONE;
}

static nd_tensor merge_example(nd_graph *g, int i) {
  return i < 1 ? nd_merge_heads(g, nd_example_input(g, 2, 3, 6, 4), 2, 3) : ND_NONE;
}

const nd_op nd_op_split_heads = {.name = "split_heads",
                                 .attr_size = sizeof(heads_attr),
                                 .gradient = split_gradient,
                                 .run = run_split,
                                 .reference = reference,
                                 .example = split_example};
const nd_op nd_op_merge_heads = {.name = "merge_heads",
                                 .attr_size = sizeof(heads_attr),
                                 .gradient = merge_gradient,
                                 .run = run_merge,
                                 .reference = reference,
                                 .example = merge_example};
