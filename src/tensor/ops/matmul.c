/* Batched matrix product, either factor transposed, times a constant. */
#include "tensor/dnnl-private.h"
#include "tensor/ops/ops-private.h"

extern const nd_op nd_op_matmul;

typedef struct matmul_attr {
  bool ta, tb;
  float scale;
  int batch, m, n, k;
} matmul_attr;

typedef struct scaling {
  float *x, scale;
} scaling;

ND_KERNEL static void scale_range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const scaling *s = context;
  float *x = s->x, scale = s->scale;
  for (size_t i = begin; i < end; i++)
    x[i] *= scale;
}

static int prepare(const nd_graph *g, nd_node *n) {
  (void)g;
  const matmul_attr *a = n->attr;
  nd_dnnl_matmul *mm;
  if (nd_dnnl_matmul_new(a->batch, a->m, a->n, a->k, a->ta, a->tb, &mm))
    return -1;
  n->state = mm;
  n->scratch_bytes = nd_dnnl_matmul_scratch(mm);
  return 0;
}

static void release(nd_node *n) {
  nd_dnnl_matmul_free(n->state);
  n->state = NULL;
}

static void run(const nd_run_context *r) {
  const matmul_attr *a = r->node->attr;
  nd_dnnl_matmul_run(r->node->state, nd_run_in(r, 0), nd_run_in(r, 1), nd_run_out(r, 0), r->scratch);
  scaling s = {nd_run_out(r, 0), a->scale};
  if (a->scale != 1)
    nd_parallel(nd_run_out_value(r, 0)->count, ND_GRAIN, scale_range, &s);
}

/* C = s A' B', where ' is the transposition asked for: dA' = s dC B'^T, dB' = s A'^T dC. */
static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  const matmul_attr *t = n->attr;
  nd_tensor a = n->in[0], b = n->in[1], d = dout[0];
  if (wanted[0])
    din[0] = t->ta ? nd_matmul(g, b, d, t->tb, true, t->scale) : nd_matmul(g, d, b, false, !t->tb, t->scale);
  if (wanted[1])
    din[1] = t->tb ? nd_matmul(g, d, a, true, t->ta, t->scale) : nd_matmul(g, a, d, !t->ta, false, t->scale);
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  (void)g;
  const matmul_attr *t = node->attr;
  double *y = out[0];
  for (int p = 0; p < t->batch; p++) {
    const double *a = in[0] + p * t->m * t->k, *b = in[1] + p * t->k * t->n;
    for (int i = 0; i < t->m; i++)
      for (int j = 0; j < t->n; j++) {
        double sum = 0;
        for (int k = 0; k < t->k; k++)
          sum += (t->ta ? a[k * t->m + i] : a[i * t->k + k]) * (t->tb ? b[j * t->k + k] : b[k * t->n + j]);
        *y++ = (double)t->scale * sum;
      }
  }
}

static double flops(const nd_graph *g, const nd_node *n) {
  (void)g;
  const matmul_attr *a = n->attr;
  return 2.0 * a->batch * a->m * a->n * a->k;
}

nd_tensor nd_matmul(nd_graph *g, nd_tensor a, nd_tensor b, bool transpose_a, bool transpose_b, float scale) {
  if (!nd_ready(g, 2, (nd_tensor[]){a, b}))
    return ND_NONE;
  const int *da = nd_dims(g, a), *db = nd_dims(g, b);
  matmul_attr t = {transpose_a,
                   transpose_b,
                   scale,
                   da[0] * da[1],
                   da[transpose_a ? 3 : 2],
                   db[transpose_b ? 2 : 3],
                   da[transpose_a ? 2 : 3]};
  if (da[0] != db[0] || da[1] != db[1] || t.k != db[transpose_b ? 3 : 2])
    return nd_bad_node(g, "matrix product of %d x %d x %d x %d and %d x %d x %d x %d", da[0], da[1], da[2],
                       da[3], db[0], db[1], db[2], db[3]);
  return nd_append(g, &nd_op_matmul, &t, 2, (nd_tensor[]){a, b}, da[0], da[1], t.m, t.n);
}

static nd_tensor example(nd_graph *g, int i) {
  if (i > 3)
    return ND_NONE;
  bool ta = i & 1, tb = i & 2;
  nd_tensor a = nd_example_input(g, 2, 3, ta ? 6 : 4, ta ? 4 : 6);
  nd_tensor b = nd_example_input(g, 2, 3, tb ? 5 : 6, tb ? 6 : 5);
  return nd_matmul(g, a, b, ta, tb, i ? 0.5f : 1);
}

const nd_op nd_op_matmul = {.name = "matmul",
                            .attr_size = sizeof(matmul_attr),
                            .gradient = gradient,
                            .prepare = prepare,
                            .release = release,
                            .run = run,
                            .reference = reference,
                            .flops = flops,
                            .example = example};
