/* Batched matrix product, either factor transposed, times a constant. */
#include "tensor/kernels/matmul.h"
#include "tensor/ops/ops-private.h"

extern const nd_op nd_op_matmul;

static void run(const nd_run_context *r) {
  nd_matmul_multiply(r->node->attr, nd_run_in(r, 0), nd_run_in(r, 1), nd_run_out(r, 0));
}

/* C = s A' B', where ' is the transposition asked for: dA' = s dC B'^T, dB' = s A'^T dC. */
static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  const nd_matmul_shape *t = n->attr;
  nd_tensor a = n->in[0], b = n->in[1], d = dout[0];
  if (wanted[0])
    din[0] = t->transpose_a ? nd_matmul(g, b, d, t->transpose_b, true, t->scale)
                            : nd_matmul(g, d, b, false, !t->transpose_b, t->scale);
  if (wanted[1])
    din[1] = t->transpose_b ? nd_matmul(g, d, a, true, t->transpose_a, t->scale)
                            : nd_matmul(g, a, d, !t->transpose_a, false, t->scale);
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  (void)g;
  const nd_matmul_shape *t = node->attr;
  double *y = out[0];
  for (int p = 0; p < t->batch; p++) {
    const double *a = in[0] + p * t->m * t->k, *b = in[1] + p * t->k * t->n;
    for (int i = 0; i < t->m; i++)
      for (int j = 0; j < t->n; j++) {
        double sum = 0;
        for (int k = 0; k < t->k; k++)
          sum += (t->transpose_a ? a[k * t->m + i] : a[i * t->k + k]) *
                 (t->transpose_b ? b[j * t->k + k] : b[k * t->n + j]);
        *y++ = (double)t->scale * sum;
      }
  }
}

static double flops(const nd_graph *g, const nd_node *n) {
  (void)g;
  const nd_matmul_shape *a = n->attr;
  return 2.0 * a->batch * a->m * a->n * a->k;
}

nd_tensor nd_matmul(nd_graph *g, nd_tensor a, nd_tensor b, bool transpose_a, bool transpose_b, float scale) {
  if (!nd_ready(g, 2, (nd_tensor[]){a, b}))
    return ND_NONE;
  const int *da = nd_dims(g, a), *db = nd_dims(g, b);
  nd_matmul_shape t = {.batch = da[0] * da[1],
                       .m = da[transpose_a ? 3 : 2],
                       .n = db[transpose_b ? 2 : 3],
                       .k = da[transpose_a ? 2 : 3],
                       .transpose_a = transpose_a,
                       .transpose_b = transpose_b,
                       .scale = scale};
  if (da[0] != db[0] || da[1] != db[1] || t.k != db[transpose_b ? 3 : 2])
    return nd_bad_node(g, "matrix product of %d x %d x %d x %d and %d x %d x %d x %d", da[0], da[1], da[2],
                       da[3], db[0], db[1], db[2], db[3]);
  return nd_append(g, &nd_op_matmul, &t, 2, (nd_tensor[]){a, b}, da[0], da[1], t.m, t.n);
}

/* The last two are larger than a block of the kernel, in depth and in rows. */
static nd_tensor example(nd_graph *g, int i) {
  static const struct {
    int m, n, k;
    bool ta, tb;
    float scale;
  } e[] = {{4, 5, 6, false, false, 1},  {4, 5, 6, true, false, 0.5f},    {4, 5, 6, false, true, 0.5f},
           {4, 5, 6, true, true, 0.5f}, {2, 35, 259, false, true, 0.1f}, {258, 3, 2, true, false, 1}};
  if (i >= (int)G_N_ELEMENTS(e))
    return ND_NONE;
  int m = e[i].m, n = e[i].n, k = e[i].k;
  nd_tensor a = nd_example_input(g, 2, i < 4 ? 3 : 1, e[i].ta ? k : m, e[i].ta ? m : k);
  nd_tensor b = nd_example_input(g, 2, i < 4 ? 3 : 1, e[i].tb ? n : k, e[i].tb ? k : n);
  return nd_matmul(g, a, b, e[i].ta, e[i].tb, e[i].scale);
}

const nd_op nd_op_matmul = {.name = "matmul",
                            .attr_size = sizeof(nd_matmul_shape),
                            .gradient = gradient,
                            .run = run,
                            .reference = reference,
                            .flops = flops,
                            .example = example};
