/* Self-attention over all pixels of a picture (kernels/attention.h). */
#include "tensor/kernels/attention.h"
#include "tensor/ops/ops-private.h"

#include <math.h>

extern const nd_op nd_op_attention;

typedef struct settings {
  int heads;
} settings;

static nd_attention_shape shape_of(const nd_graph *g, const nd_node *n) {
  const nd_value *x = nd_in_value(g, n, 0);
  int heads = ((const settings *)n->attr)->heads;
  return (nd_attention_shape){x->dims[0], x->dims[1] * x->dims[2], heads, x->dims[3] / 3 / heads};
}

static int prepare(const nd_graph *g, nd_node *n) {
  nd_attention_shape s = shape_of(g, n);
  n->scratch_bytes = nd_attention_forward(&s, NULL, NULL, (nd_arena){0});
  return 0;
}

static int prepare_backward(const nd_graph *g, nd_node *n) {
  nd_attention_shape s = shape_of(g, n);
  n->scratch_bytes = nd_attention_backward(&s, NULL, NULL, NULL, (nd_arena){0});
  return 0;
}

static void run(const nd_run_context *r) {
  nd_attention_shape s = shape_of(r->graph, r->node);
  nd_attention_forward(&s, nd_run_in(r, 0), nd_run_out(r, 0), (nd_arena){.base = r->scratch});
}

static void run_backward(const nd_run_context *r) {
  nd_attention_shape s = shape_of(r->graph, r->node);
  nd_attention_backward(&s, nd_run_in(r, 0), nd_run_in(r, 1), nd_run_out(r, 0),
                        (nd_arena){.base = r->scratch});
}

/* Multiplications and additions of `products` matrix products of each head. */
static double flops_of(const nd_graph *g, const nd_node *n, int products) {
  nd_attention_shape s = shape_of(g, n);
  return 2.0 * products * s.n * s.heads * s.tokens * s.tokens * s.width;
}

static double flops(const nd_graph *g, const nd_node *n) {
  return flops_of(g, n, 2);
}

static double flops_backward(const nd_graph *g, const nd_node *n) {
  return flops_of(g, n, 5);
}

static const nd_op attention_backward = {.name = "attention_backward",
                                         .attr_size = sizeof(settings),
                                         .prepare = prepare_backward,
                                         .run = run_backward,
                                         .flops = flops_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &attention_backward, n->attr, 2, (nd_tensor[]){n->in[0], dout[0]}, n->in[0]);
}

/* One query of one head against all keys; q, k, v: of its picture and head, pixels `step` apart. */
static void attend(const nd_attention_shape *s, const double *q, const double *k, const double *v,
                   double *out) {
  int step = 3 * s->heads * s->width;
  double total = 0;
  for (int c = 0; c < s->width; c++)
    out[c] = 0;
  for (int t = 0; t < s->tokens; t++) {
    double score = 0;
    for (int c = 0; c < s->width; c++)
      score += q[c] * k[t * step + c];
    double weight = exp(score / sqrt(s->width));
    total += weight;
    for (int c = 0; c < s->width; c++)
      out[c] += weight * v[t * step + c];
  }
  for (int c = 0; c < s->width; c++)
    out[c] /= total;
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  nd_attention_shape s = shape_of(g, node);
  int step = 3 * s.heads * s.width, d = s.width;
  for (int n = 0; n < s.n; n++)
    for (int head = 0; head < s.heads; head++) {
      const double *first = in[0] + n * s.tokens * step + 3 * head * d;
      for (int t = 0; t < s.tokens; t++)
        attend(&s, first + t * step, first + d, first + 2 * d,
               out[0] + (n * s.tokens + t) * s.heads * d + head * d);
    }
}

nd_tensor nd_attention(nd_graph *g, nd_tensor qkv, int heads) {
  if (!nd_ready(g, 1, &qkv))
    return ND_NONE;
  const int *d = nd_dims(g, qkv);
  if (heads < 1 || d[3] % (3 * heads))
    return nd_bad_node(g, "%d channels do not split into queries, keys and values of %d heads", d[3], heads);
  return nd_append(g, &nd_op_attention, &(settings){heads}, 1, &qkv, d[0], d[1], d[2], d[3] / 3);
}

/* The last two take more than one block of queries; one has more channels than a panel. */
static nd_tensor example(nd_graph *g, int i) {
  static const struct {
    int n, h, w, heads, width;
  } e[] = {{2, 3, 4, 2, 3}, {1, 1, 1, 1, 2}, {1, 2, 5, 1, 35}, {1, 7, 10, 2, 2}, {2, 13, 10, 1, 1}};
  if (i >= (int)G_N_ELEMENTS(e))
    return ND_NONE;
  return nd_attention(g, nd_example_input(g, e[i].n, e[i].h, e[i].w, 3 * e[i].heads * e[i].width),
                      e[i].heads);
}

const nd_op nd_op_attention = {.name = "attention",
                               .attr_size = sizeof(settings),
                               .gradient = gradient,
                               .prepare = prepare,
                               .run = run,
                               .reference = reference,
                               .flops = flops,
                               .example = example};
