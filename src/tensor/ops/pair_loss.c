/* Losses between two tensors, the mean over everything: squared error, and Charbonnier's sqrt(d^2 + e^2)
 * (Charbonnier et al. 1994). */
#include "tensor/ops/ops-private.h"

#include <math.h>
#include <string.h>

extern const nd_op nd_op_pair_loss;

typedef struct loss_attr {
  bool charbonnier;
  float epsilon_squared;
} loss_attr;

enum { BLOCK = 4096 }; /* summed in float inside, in double across: the order depends on the size alone */

typedef struct work {
  loss_attr attr;
  const float *a, *b;
  double *partial;
  float *da, factor;
  size_t count;
} work;

ND_KERNEL static float sum_block(const work *w, size_t begin, size_t end) {
  const float *a = w->a, *b = w->b, e = w->attr.epsilon_squared;
  float lanes[16] = {0};
  bool charbonnier = w->attr.charbonnier;
  size_t i = begin;
  for (; i + 16 <= end; i += 16)
    for (int k = 0; k < 16; k++) {
      float d = a[i + (size_t)k] - b[i + (size_t)k];
      lanes[k] += charbonnier ? sqrtf(d * d + e) : d * d;
    }
  float sum = 0;
  for (; i < end; i++) {
    float d = a[i] - b[i];
    sum += charbonnier ? sqrtf(d * d + e) : d * d;
  }
  for (int k = 0; k < 16; k++)
    sum += lanes[k];
  return sum;
}

static void sum_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  for (size_t i = begin; i < end; i++)
    w->partial[i] = (double)sum_block(w, i * BLOCK, MIN(w->count, (i + 1) * BLOCK));
}

ND_KERNEL static void backward_range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  const float *a = w->a, *b = w->b, e = w->attr.epsilon_squared, factor = w->factor;
  float *da = w->da;
  if (w->attr.charbonnier)
    for (size_t i = begin; i < end; i++) {
      float d = a[i] - b[i];
      da[i] = factor * d / sqrtf(d * d + e);
    }
  else
    for (size_t i = begin; i < end; i++)
      da[i] = 2 * factor * (a[i] - b[i]);
}

static size_t blocks_of(size_t count) {
  return (count + BLOCK - 1) / BLOCK;
}

static int prepare(const nd_graph *g, nd_node *n) {
  n->scratch_bytes = blocks_of(nd_in_value(g, n, 0)->count) * sizeof(double);
  return 0;
}

static void run(const nd_run_context *r) {
  work w = {.attr = *(const loss_attr *)r->node->attr,
            .a = nd_run_in(r, 0),
            .b = nd_run_in(r, 1),
            .partial = r->scratch,
            .count = nd_run_in_value(r, 0)->count};
  nd_parallel(blocks_of(w.count), 2, sum_blocks, &w);
  double sum = 0;
  for (size_t i = 0; i < blocks_of(w.count); i++)
    sum += w.partial[i];
  nd_run_out(r, 0)[0] = (float)(sum / (double)w.count);
}

static void run_backward(const nd_run_context *r) {
  size_t count = nd_run_in_value(r, 0)->count;
  work w = {.attr = *(const loss_attr *)r->node->attr,
            .a = nd_run_in(r, 0),
            .b = nd_run_in(r, 1),
            .da = nd_run_out(r, 0),
            .factor = nd_run_in(r, 2)[0] / (float)count};
  nd_parallel(count, ND_GRAIN, backward_range, &w);
}

static const nd_op pair_loss_backward = {
    .name = "pair_loss_backward", .attr_size = sizeof(loss_attr), .in_place = 3, .run = run_backward};

/* The derivative by b is the one by a with a and b exchanged. */
static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  for (int i = 0; i < 2; i++)
    if (wanted[i])
      din[i] = nd_append_like(g, &pair_loss_backward, n->attr, 3,
                              (nd_tensor[]){n->in[i], n->in[1 - i], dout[0]}, n->in[i]);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const loss_attr *a = n->attr;
  size_t count = nd_in_value(g, n, 0)->count;
  out[0][0] = 0;
  for (size_t i = 0; i < count; i++) {
    double d = in[0][i] - in[1][i];
    out[0][0] += (a->charbonnier ? sqrt(d * d + (double)a->epsilon_squared) : d * d) / (double)count;
  }
}

static nd_tensor pair_loss(nd_graph *g, nd_tensor a, nd_tensor b, loss_attr attr) {
  if (!nd_ready(g, 2, (nd_tensor[]){a, b}))
    return ND_NONE;
  if (memcmp(nd_dims(g, a), nd_dims(g, b), 4 * sizeof(int)))
    return nd_bad_node(g, "a loss between tensors of different shapes");
  return nd_append(g, &nd_op_pair_loss, &attr, 2, (nd_tensor[]){a, b}, 1, 1, 1, 1);
}

nd_tensor nd_charbonnier(nd_graph *g, nd_tensor a, nd_tensor b, float epsilon_squared) {
  return pair_loss(g, a, b, (loss_attr){true, epsilon_squared});
}

nd_tensor nd_mse(nd_graph *g, nd_tensor a, nd_tensor b) {
  return pair_loss(g, a, b, (loss_attr){false, 0});
}

static nd_tensor example(nd_graph *g, int i) {
  if (i > 1)
    return ND_NONE;
  nd_tensor a = nd_example_input(g, 2, 5, 7, 3), b = nd_example_input(g, 2, 5, 7, 3);
  return i ? nd_mse(g, a, b) : nd_charbonnier(g, a, b, 1e-3f);
}

const nd_op nd_op_pair_loss = {.name = "pair_loss",
                               .attr_size = sizeof(loss_attr),
                               .gradient = gradient,
                               .prepare = prepare,
                               .run = run,
                               .reference = reference,
                               .example = example};
