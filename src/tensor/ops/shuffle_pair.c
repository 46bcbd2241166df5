/* Channel shuffling (METHOD, step 3): two conditions stacked on channels, exchanged where the mask is 1. */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_shuffle_pair;

typedef struct work {
  const float *mask;
  float *a, *b, *joined; /* n,h,w,c twice; n,h,w,2c */
  size_t pixels, c;
  bool split;
} work;

static void rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  size_t bytes = w->c * sizeof(float);
  for (size_t i = begin; i < end; i++) {
    bool exchanged = w->mask[i / w->pixels] > 0.5f;
    float *first = w->joined + 2 * i * w->c, *second = first + w->c;
    float *at_a = exchanged ? second : first, *at_b = exchanged ? first : second;
    memcpy(w->split ? w->a + i * w->c : at_a, w->split ? at_a : w->a + i * w->c, bytes);
    memcpy(w->split ? w->b + i * w->c : at_b, w->split ? at_b : w->b + i * w->c, bytes);
  }
}

static void exchange(const nd_value *part, work w) {
  w.pixels = (size_t)part->dims[1] * (size_t)part->dims[2];
  w.c = (size_t)part->dims[3];
  nd_parallel((size_t)part->dims[0] * w.pixels, ND_GRAIN / w.c, rows, &w);
}

static void run(const nd_run_context *r) {
  exchange(nd_run_in_value(r, 0), (work){.mask = nd_run_in(r, 2),
                                         .a = nd_run_in(r, 0),
                                         .b = nd_run_in(r, 1),
                                         .joined = nd_run_out(r, 0)});
}

static void run_backward(const nd_run_context *r) {
  exchange(nd_run_out_value(r, 0), (work){.mask = nd_run_in(r, 1),
                                          .a = nd_run_out(r, 0),
                                          .b = nd_run_out(r, 1),
                                          .joined = nd_run_in(r, 0),
                                          .split = true});
}

static const nd_op shuffle_pair_backward = {.name = "shuffle_pair_backward", .run = run_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (!wanted[0] && !wanted[1])
    return;
  nd_tensor da =
      nd_append_like(g, &shuffle_pair_backward, NULL, 2, (nd_tensor[]){dout[0], n->in[2]}, n->in[0]);
  nd_tensor db = nd_append_output(g, 4, nd_dims(g, n->in[0]));
  din[0] = wanted[0] ? da : ND_NONE;
  din[1] = wanted[1] ? db : ND_NONE;
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const nd_value *v = nd_in_value(g, node, 0);
  int c = v->dims[3], per_sample = v->dims[1] * v->dims[2] * c;
  for (int i = 0; i < (int)v->count; i++) {
    int row = i / c, k = i % c;
    bool exchanged = in[2][i / per_sample] > 0.5;
    out[0][row * 2 * c + k] = exchanged ? in[1][i] : in[0][i];
    out[0][row * 2 * c + c + k] = exchanged ? in[0][i] : in[1][i];
  }
}

nd_tensor nd_shuffle_pair(nd_graph *g, nd_tensor a, nd_tensor b, nd_tensor mask) {
  if (!nd_ready(g, 3, (nd_tensor[]){a, b, mask}))
    return ND_NONE;
  const int *d = nd_dims(g, a);
  if (memcmp(d, nd_dims(g, b), 4 * sizeof *d) || nd_value_of(g, mask)->count != (size_t)d[0])
    return nd_bad_node(g, "the two conditions differ in shape, or the mask has not one number a sample");
  return nd_append(g, &nd_op_shuffle_pair, NULL, 3, (nd_tensor[]){a, b, mask}, d[0], d[1], d[2], 2 * d[3]);
}

static nd_tensor example(nd_graph *g, int i) {
  if (i > 0)
    return ND_NONE;
  nd_tensor a = nd_example_input(g, 4, 3, 2, 3), b = nd_example_input(g, 4, 3, 2, 3);
  return nd_shuffle_pair(g, a, b, nd_input(g, "mask", 4, 1, 1, 1));
}

const nd_op nd_op_shuffle_pair = {
    .name = "shuffle_pair", .gradient = gradient, .run = run, .reference = reference, .example = example};
