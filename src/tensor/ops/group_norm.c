/* Group normalisation (Wu & He 2018) with what follows it in diffusion networks: scale and shift from the
 * embedding (Dhariwal & Nichol 2021, "AdaGN"), SiLU, dropout.
 *
 *   xhat = (x - mean_g) rstd_g;  z = (xhat gamma + beta) (1 + s) + t;  y = dropout(silu(z))
 *
 * Per sample and channel z = x scale + shift, so one pass gathers the statistics and one applies them.
 * Statistics are gathered by blocks of pixels, summed in double: the order depends on the shape
 * alone. */
#include "tensor/kernels/sums.h"
#include "tensor/ops/group_norm-private.h"

#include <math.h>
#include <string.h>

extern const nd_op nd_op_group_norm;

nd_group_norm_work nd_group_norm_work_of(const nd_run_context *r) {
  const nd_value *x = nd_run_in_value(r, 0);
  nd_group_norm_work w = {.s = r->node->attr, .n = x->dims[0], .c = x->dims[3], .x = nd_run_in_data(r, 0)};
  w.pieces = nd_pieces_of(x);
  w.mask = nd_mask_make(r, w.s->dropout);
  return w;
}

size_t nd_group_norm_sums(const nd_group_norm_work *w) {
  return (size_t)w->n * w->pieces.blocks * 2 * (size_t)w->c;
}

size_t nd_group_norm_widened(const nd_graph *g, const nd_node *n) {
  bool any = nd_in_value(g, n, 0)->dtype == ND_BF16 || nd_out_value(g, n, 0)->dtype == ND_BF16 ||
             (n->n_in > 5 && nd_in_value(g, n, 5)->dtype == ND_BF16);
  size_t c = (size_t)nd_in_value(g, n, 0)->dims[3];
  return any ? nd_pieces_room(c) : 0;
}

/* ---- Forward ---- */
ND_KERNEL static void sum_block(const float *restrict x, size_t pixels, size_t c, float *restrict sum,
                                float *restrict squares) {
  for (size_t p = 0; p < pixels; p++, x += c)
    for (size_t k = 0; k < c; k++) {
      sum[k] += x[k];
      squares[k] += x[k] * x[k];
    }
}

static void sum_piece(const nd_piece *p, const void *context) {
  const nd_group_norm_work *w = context;
  size_t c = (size_t)w->c;
  float *sums = w->sums + p->block * 2 * c;
  sum_block(nd_read(w->x, p->at * c, p->pixels * c, p->x), p->pixels, c, sums, sums + c);
}

void nd_group_norm_clear(const nd_group_norm_work *w, size_t begin, size_t end) {
  size_t c = (size_t)w->c;
  memset(w->sums + begin * 2 * c, 0, (end - begin) * 2 * c * sizeof *w->sums);
}

static void sum_blocks(size_t begin, size_t end, int thread, void *context) {
  const nd_group_norm_work *w = context;
  nd_group_norm_clear(w, begin, end);
  nd_each_piece(&w->pieces, begin, end, thread, sum_piece, w);
}

void nd_group_norm_totals(const nd_group_norm_work *w, int sample, int k, double *first, double *second) {
  const float *sums = w->sums + (size_t)sample * w->pieces.blocks * 2 * (size_t)w->c;
  *first = nd_sum_apart(sums + k, w->pieces.blocks, 2 * (size_t)w->c);
  *second = nd_sum_apart(sums + w->c + k, w->pieces.blocks, 2 * (size_t)w->c);
}

/* Mean and 1 / deviation of every group. */
static void finish_stats(const nd_group_norm_work *w, float *stats) {
  int per_group = w->c / w->s->groups;
  double m = (double)w->pieces.pixels * per_group;
  for (int n = 0; n < w->n; n++)
    for (int group = 0; group < w->s->groups; group++, stats += 2) {
      double sum = 0, squares = 0;
      for (int k = group * per_group; k < (group + 1) * per_group; k++) {
        double a, b;
        nd_group_norm_totals(w, n, k, &a, &b);
        sum += a, squares += b;
      }
      double mean = sum / m, variance = MAX(0, squares / m - mean * mean);
      stats[0] = (float)mean;
      stats[1] = (float)(1 / sqrt(variance + (double)w->s->epsilon));
    }
}

void nd_group_norm_affine(const nd_group_norm_work *w, const float *gamma, const float *beta,
                          const float *scale_shift, float *affine) {
  int per_group = w->c / w->s->groups;
  for (int n = 0; n < w->n; n++, affine += 2 * w->c)
    for (int k = 0; k < w->c; k++) {
      const float *stats = w->stats + 2 * (n * w->s->groups + k / per_group);
      float s = scale_shift ? 1 + scale_shift[2 * n * w->c + k] : 1;
      float t = scale_shift ? scale_shift[(2 * n + 1) * w->c + k] : 0;
      affine[k] = stats[1] * gamma[k] * s;
      affine[w->c + k] = (beta[k] - stats[0] * stats[1] * gamma[k]) * s + t;
    }
}

ND_KERNEL static void apply_silu(const float *restrict x, float *restrict y, size_t pixels, size_t c,
                                 const float *restrict scale, const float *restrict shift) {
  for (size_t p = 0; p < pixels; p++, x += c, y += c)
    for (size_t k = 0; k < c; k++) {
      float z = x[k] * scale[k] + shift[k];
      y[k] = z * nd_sigmoidf(z);
    }
}

ND_KERNEL static void apply_linear(const float *restrict x, float *restrict y, size_t pixels, size_t c,
                                   const float *restrict scale, const float *restrict shift) {
  for (size_t p = 0; p < pixels; p++, x += c, y += c)
    for (size_t k = 0; k < c; k++)
      y[k] = x[k] * scale[k] + shift[k];
}

ND_KERNEL static void multiply(float *restrict y, const float *restrict mask, size_t n) {
  for (size_t i = 0; i < n; i++)
    y[i] *= mask[i];
}

void nd_group_norm_drop(const nd_group_norm_work *w, const nd_piece *p, float *y) {
  float mask[ND_MASK_BLOCK];
  size_t c = (size_t)w->c, elements = p->pixels * c;
  uint32_t sample = (uint32_t)(p->block / w->pieces.blocks);
  uint32_t block = (uint32_t)(p->in_sample * c / ND_MASK_BLOCK);
  for (size_t at = 0; at < elements; at += ND_MASK_BLOCK) {
    nd_mask_fill(&w->mask, sample, block++, mask);
    multiply(y + at, mask, MIN(ND_MASK_BLOCK, elements - at));
  }
}

const float *nd_group_norm_affine_of(const nd_group_norm_work *w, const nd_piece *p) {
  return w->affine + p->block / w->pieces.blocks * 2 * (size_t)w->c;
}

static void apply_piece(const nd_piece *p, const void *context) {
  const nd_group_norm_work *w = context;
  size_t c = (size_t)w->c, first = p->at * c, count = p->pixels * c;
  const float *affine = nd_group_norm_affine_of(w, p), *x = nd_read(w->x, first, count, p->x);
  float *y = nd_to_write(w->y, first, p->y);
  (w->s->activation == ND_ACT_SILU ? apply_silu : apply_linear)(x, y, p->pixels, c, affine, affine + c);
  if (w->s->dropout > 0)
    nd_group_norm_drop(w, p, y);
  nd_written(w->y, first, count, y);
}

static void apply_blocks(size_t begin, size_t end, int thread, void *context) {
  const nd_group_norm_work *w = context;
  nd_each_piece(&w->pieces, begin, end, thread, apply_piece, w);
}

int nd_group_norm_prepare(const nd_graph *g, nd_node *n) {
  const nd_value *x = nd_in_value(g, n, 0);
  size_t blocks = nd_sum_blocks((size_t)x->dims[1] * (size_t)x->dims[2]);
  n->scratch_bytes = (size_t)x->dims[0] * (size_t)x->dims[3] * (2 * blocks + 2 + 3) * sizeof(float) +
                     nd_group_norm_widened(g, n) * sizeof(float);
  return 0;
}

static void apply(nd_group_norm_work *w, const nd_run_context *r, float *affine) {
  w->y = nd_run_out_data(r, 0);
  nd_group_norm_affine(w, nd_run_in(r, 1), nd_run_in(r, 2), nd_run_in(r, 3), affine);
  w->affine = affine;
  nd_parallel((size_t)w->n * w->pieces.blocks, 1, apply_blocks, w);
}

static void run(const nd_run_context *r) {
  nd_group_norm_work w = nd_group_norm_work_of(r);
  size_t widened = nd_group_norm_widened(r->graph, r->node);
  w.sums = r->scratch;
  w.pieces.widened = widened ? w.sums + nd_group_norm_sums(&w) + 5 * w.n * w.c : NULL;
  nd_parallel((size_t)w.n * w.pieces.blocks, 1, sum_blocks, &w);
  finish_stats(&w, nd_run_out(r, 1));
  w.stats = nd_run_out(r, 1);
  apply(&w, r, w.sums + nd_group_norm_sums(&w));
}

/* ---- Again, from the statistics of the forward pass (input 4) ---- */
static int prepare_again(const nd_graph *g, nd_node *n) {
  const nd_value *x = nd_in_value(g, n, 0);
  n->scratch_bytes =
      ((size_t)x->dims[0] * (size_t)x->dims[3] * 2 + nd_group_norm_widened(g, n)) * sizeof(float);
  return 0;
}

static void run_again(const nd_run_context *r) {
  nd_group_norm_work w = nd_group_norm_work_of(r);
  w.stats = nd_run_in(r, 4);
  float *affine = r->scratch;
  w.pieces.widened = nd_group_norm_widened(r->graph, r->node) ? affine + 2 * w.n * w.c : NULL;
  apply(&w, r, affine);
}

static const nd_op group_norm_again = {.name = "group_norm_again",
                                       .attr_size = sizeof(nd_group_norm_settings),
                                       .takes_bf16 = nd_always_takes_bf16,
                                       .in_place = 1,
                                       .prepare = prepare_again,
                                       .run = run_again};

double nd_group_norm_flops(const nd_graph *g, const nd_node *n) {
  return 12.0 * (double)nd_out_value(g, n, 0)->count;
}

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  nd_tensor in[] = {n->in[0], n->in[1], n->in[2], n->in[3], n->out[1], dout[0]};
  nd_tensor dx = nd_append_like(g, &nd_op_group_norm_backward, n->attr, 6, in, n->in[0]);
  if (dx < 0)
    return;
  nd_carry_dropout(g, n);
  int c = nd_dims(g, n->in[0])[3], samples = nd_dims(g, n->in[0])[0];
  nd_tensor dgamma = nd_append_output(g, 1, &c), dbeta = nd_append_output(g, 1, &c);
  nd_tensor all[] = {dx, dgamma, dbeta, ND_NONE};
  if (n->in[3] >= 0)
    all[3] = nd_append_output(g, 4, (int[]){samples, 1, 1, 2 * c});
  for (int i = 0; i < 4; i++)
    if (wanted[i])
      din[i] = all[i];
}

/* ---- Reference and building ---- */
static void reference_group(const nd_group_norm_settings *s, const nd_value *x, const double *in, int n,
                            int group, double *mean, double *rstd) {
  int c = x->dims[3], per_group = c / s->groups, pixels = x->dims[1] * x->dims[2];
  double sum = 0, squares = 0, m = (double)pixels * per_group;
  for (int pass = 0; pass < 2; pass++)
    for (int p = 0; p < pixels; p++)
      for (int k = group * per_group; k < (group + 1) * per_group; k++) {
        double v = in[(n * pixels + p) * c + k];
        sum += pass ? 0 : v;
        squares += pass ? (v - sum / m) * (v - sum / m) : 0;
      }
  *mean = sum / m;
  *rstd = 1 / sqrt(squares / m + (double)s->epsilon);
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const nd_group_norm_settings *s = node->attr;
  const nd_value *x = nd_in_value(g, node, 0);
  int c = x->dims[3], pixels = x->dims[1] * x->dims[2], per_group = c / s->groups;
  nd_run_context r = {.node = node};
  nd_mask mask = nd_mask_make(&r, s->dropout);
  for (int n = 0; n < x->dims[0]; n++)
    for (int k = 0; k < c; k++) {
      double mean, rstd;
      reference_group(s, x, in[0], n, k / per_group, &mean, &rstd);
      out[1][2 * (n * s->groups + k / per_group)] = mean;
      out[1][2 * (n * s->groups + k / per_group) + 1] = rstd;
      for (int p = 0; p < pixels; p++) {
        double z = (in[0][(n * pixels + p) * c + k] - mean) * rstd * in[1][k] + in[2][k];
        if (in[3])
          z = z * (1 + in[3][2 * n * c + k]) + in[3][(2 * n + 1) * c + k];
        if (s->activation == ND_ACT_SILU)
          z = z / (1 + exp(-z));
        float factors[ND_MASK_BLOCK];
        int at = p * c + k;
        nd_mask_fill(&mask, (uint32_t)n, (uint32_t)(at / ND_MASK_BLOCK), factors);
        out[0][n * pixels * c + at] = z * (s->dropout > 0 ? (double)factors[at % ND_MASK_BLOCK] : 1);
      }
    }
}

nd_tensor nd_group_norm(nd_graph *g, nd_tensor x, nd_tensor gamma, nd_tensor beta, nd_tensor scale_shift,
                        nd_group_norm_settings s) {
  if (!nd_ready(g, 3, (nd_tensor[]){x, gamma, beta}))
    return ND_NONE;
  const nd_value *v = nd_value_of(g, x);
  int n = v->dims[0], c = v->dims[3];
  if (s.groups < 1 || c % s.groups)
    return nd_bad_node(g, "%d channels cannot be normalised in %d groups", c, s.groups);
  if (!nd_graph_training(g))
    s.dropout = 0;
  nd_tensor in[] = {x, gamma, beta, scale_shift};
  nd_tensor y = nd_append(g, &nd_op_group_norm, &s, 4, in, n, v->dims[1], v->dims[2], c);
  if (y < 0)
    return y;
  if (s.dropout > 0)
    nd_last_node(g)->stream = ++g->next_stream;
  nd_append_output(g, 4, (int[]){n, 1, s.groups, 2});
  return y;
}

static nd_tensor example(nd_graph *g, int i) {
  static const struct {
    int n, h, w, c;
    nd_group_norm_settings s;
    bool scale_shift;
  } e[] = {
      {2, 5, 6, 8, {.groups = 4, .epsilon = 1e-5f}, false},
      {2, 3, 4, 6, {.groups = 2, .epsilon = 1e-5f, .activation = ND_ACT_SILU}, true},
      {1, 9, 31, 4, {.groups = 4, .epsilon = 1e-5f, .activation = ND_ACT_SILU, .dropout = 0.3f}, true},
      {1, 20, 20, 2, {.groups = 1, .epsilon = 1e-3f, .activation = ND_ACT_SILU, .dropout = 0.2f}, false}};
  if (i >= (int)G_N_ELEMENTS(e))
    return ND_NONE;
  nd_tensor x = nd_example_input(g, e[i].n, e[i].h, e[i].w, e[i].c);
  nd_tensor gamma = nd_example_parameter(g, 1, e[i].c, 1, 1, 1),
            beta = nd_example_parameter(g, 1, e[i].c, 1, 1, 1);
  nd_tensor ss = e[i].scale_shift ? nd_example_input(g, e[i].n, 1, 1, 2 * e[i].c) : ND_NONE;
  return nd_group_norm(g, x, gamma, beta, ss, e[i].s);
}

const nd_op nd_op_group_norm = {.name = "group_norm",
                                .attr_size = sizeof(nd_group_norm_settings),
                                .takes_bf16 = nd_always_takes_bf16,
                                .again = &group_norm_again,
                                .in_place = 1,
                                .gradient = gradient,
                                .prepare = nd_group_norm_prepare,
                                .run = run,
                                .reference = reference,
                                .flops = nd_group_norm_flops,
                                .example = example};
