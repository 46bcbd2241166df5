/* Sums over the axes that the result has with length 1: the gradient of repetition. */
#include "tensor/ops/ops-private.h"

#include <string.h>

extern const nd_op nd_op_sum_to;

typedef struct work {
  const float *x;
  float *out;
  const int *in, *dims;
} work;

/* One element of the result at a time over the axes before the last, channels together: the summation order
 * does not depend on threads. */
static void range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  const int *d = w->dims, *s = w->in;
  size_t c = (size_t)s[3];
  for (size_t i = begin; i < end; i++) {
    size_t oc = i % (size_t)d[3], p = i / (size_t)d[3];
    size_t at[3] = {p / (size_t)d[2] / (size_t)d[1], p / (size_t)d[2] % (size_t)d[1], p % (size_t)d[2]};
    size_t lo[3], hi[3];
    for (int k = 0; k < 3; k++)
      lo[k] = d[k] == s[k] ? at[k] : 0, hi[k] = d[k] == s[k] ? at[k] + 1 : (size_t)s[k];
    double sum = 0;
    for (size_t a = lo[0]; a < hi[0]; a++)
      for (size_t b = lo[1]; b < hi[1]; b++)
        for (size_t e = lo[2]; e < hi[2]; e++) {
          const float *x = w->x + ((a * (size_t)s[1] + b) * (size_t)s[2] + e) * c;
          if (d[3] == s[3])
            sum += (double)x[oc];
          else
            for (size_t k = 0; k < c; k++)
              sum += (double)x[k];
        }
    w->out[i] = (float)sum;
  }
}

static void run(const nd_run_context *r) {
  const nd_value *out = nd_run_out_value(r, 0), *x = nd_run_in_value(r, 0);
  work w = {nd_run_in(r, 0), nd_run_out(r, 0), x->dims, out->dims};
  nd_parallel(out->count, 1, range, &w);
}

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (!wanted[0])
    return;
  nd_affine_attr zero = {0, 0};
  nd_tensor zeros = nd_append_like(g, &nd_op_affine, &zero, 1, n->in, n->in[0]);
  din[0] = nd_add(g, zeros, dout[0]);
}

static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const int *s = nd_in_value(g, n, 0)->dims, *d = nd_out_value(g, n, 0)->dims;
  memset(out[0], 0, nd_out_value(g, n, 0)->count * sizeof(double));
  size_t i = 0;
  for (int a = 0; a < s[0]; a++)
    for (int b = 0; b < s[1]; b++)
      for (int e = 0; e < s[2]; e++)
        for (int c = 0; c < s[3]; c++)
          out[0][((a % d[0] * d[1] + b % d[1]) * d[2] + e % d[2]) * d[3] + c % d[3]] += in[0][i++];
}

nd_tensor nd_sum_to(nd_graph *g, nd_tensor x, const int dims[4]) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const nd_value *v = nd_value_of(g, x);
  if (!memcmp(v->dims, dims, sizeof v->dims))
    return x;
  for (int i = 0; i < 4; i++)
    if (dims[i] != v->dims[i] && dims[i] != 1)
      return nd_bad_node(g, "axis %d of length %d cannot be summed to %d", i, v->dims[i], dims[i]);
  return nd_append(g, &nd_op_sum_to, NULL, 1, &x, dims[0], dims[1], dims[2], dims[3]);
}

static nd_tensor example(nd_graph *g, int i) {
  static const int to[][4] = {{1, 1, 1, 1}, {2, 1, 1, 5}, {1, 1, 1, 5}, {2, 3, 4, 1}};
  return i < (int)G_N_ELEMENTS(to) ? nd_sum_to(g, nd_example_input(g, 2, 3, 4, 5), to[i]) : ND_NONE;
}

const nd_op nd_op_sum_to = {
    .name = "sum_to", .gradient = gradient, .run = run, .reference = reference, .example = example};
