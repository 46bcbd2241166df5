/* Group normalisation's backward pass; group_norm.c has its formulas. One pass gathers sum dz and sum dz xhat
 * per channel and leaves dz in dx, one turns it into dx. */
#include "tensor/kernels/elementary.h"
#include "tensor/ops/group_norm-private.h"

#include <string.h>

/* dz = dy silu'(z) into dz, adding it and its product with x to the sums by channel. */
ND_KERNEL static void dz_silu(const float *restrict x, float *restrict dz, size_t pixels, size_t c,
                              const float *restrict scale, const float *restrict shift, float *restrict sum,
                              float *restrict product) {
  for (size_t p = 0; p < pixels; p++, x += c, dz += c)
    for (size_t k = 0; k < c; k++) {
      float z = x[k] * scale[k] + shift[k], e = nd_sigmoidf(z), d = dz[k] * e * (1 + z * (1 - e));
      dz[k] = d;
      sum[k] += d;
      product[k] += d * x[k];
    }
}

/* The same without activation, where dz = dy. */
ND_KERNEL static void dz_linear(const float *restrict x, const float *restrict dz, size_t pixels, size_t c,
                                float *restrict sum, float *restrict product) {
  for (size_t p = 0; p < pixels; p++, x += c, dz += c)
    for (size_t k = 0; k < c; k++) {
      sum[k] += dz[k];
      product[k] += dz[k] * x[k];
    }
}

static void dz_piece(const nd_piece *p, const void *context) {
  const nd_group_norm_work *w = context;
  size_t c = (size_t)w->c, first = p->at * c, count = p->pixels * c;
  const float *affine = nd_group_norm_affine_of(w, p), *x = nd_read(w->x, first, count, p->x);
  float *dz = nd_to_write(w->y, first, p->y), *sums = w->sums + p->block * 2 * c;
  if (w->dy.at != w->y.at || w->y.type == ND_BF16)
    nd_copy_numbers((nd_data){dz, ND_F32}, 0, w->dy, first, count);
  if (w->s->dropout > 0)
    nd_group_norm_drop(w, p, dz);
  if (w->s->activation == ND_ACT_SILU)
    dz_silu(x, dz, p->pixels, c, affine, affine + c, sums, sums + c);
  else
    dz_linear(x, dz, p->pixels, c, sums, sums + c);
  nd_written(w->y, first, count, dz);
}

static void dz_blocks(size_t begin, size_t end, int thread, void *context) {
  const nd_group_norm_work *w = context;
  nd_group_norm_clear(w, begin, end);
  nd_each_piece(&w->pieces, begin, end, thread, dz_piece, w);
}

ND_KERNEL static void dx_block(const float *restrict x, float *restrict dx, size_t pixels, size_t c,
                               const float *restrict a) {
  for (size_t p = 0; p < pixels; p++, x += c, dx += c)
    for (size_t k = 0; k < c; k++)
      dx[k] = dx[k] * a[k] + x[k] * a[c + k] + a[2 * c + k];
}

static void dx_piece(const nd_piece *p, const void *context) {
  const nd_group_norm_work *w = context;
  size_t c = (size_t)w->c, first = p->at * c, count = p->pixels * c;
  const float *x = nd_read(w->x, first, count, p->x);
  float *dx = nd_to_write(w->y, first, p->y);
  if (w->y.type == ND_BF16)
    nd_copy_numbers((nd_data){dx, ND_F32}, 0, w->y, first, count);
  dx_block(x, dx, p->pixels, c, w->dx_affine + p->block / w->pieces.blocks * 3 * c);
  nd_written(w->y, first, count, dx);
}

static void dx_blocks(size_t begin, size_t end, int thread, void *context) {
  const nd_group_norm_work *w = context;
  nd_each_piece(&w->pieces, begin, end, thread, dx_piece, w);
}

typedef struct weights_of {
  const float *gamma, *beta, *scale_shift;
  float *dgamma, *dbeta, *dscale_shift;
} weights_of;

/* Gradients of the weights of channel k of sample n from S1 = sum dz and S2 = sum dz xhat. */
static void channel_gradients(const nd_group_norm_work *w, const weights_of *p, int n, int k, double s1,
                              double s2) {
  double s = p->scale_shift ? 1 + (double)p->scale_shift[2 * n * w->c + k] : 1;
  p->dgamma[k] += (float)(s2 * s);
  p->dbeta[k] += (float)(s1 * s);
  if (p->dscale_shift) {
    p->dscale_shift[2 * n * w->c + k] = (float)(s2 * (double)p->gamma[k] + s1 * (double)p->beta[k]);
    p->dscale_shift[(2 * n + 1) * w->c + k] = (float)s1;
  }
}

/* One group of one sample: dx = rstd (A dz - (sum A dz + xhat sum A dz xhat) / m), A = gamma (1 + s). */
static void group_gradients(const nd_group_norm_work *w, const weights_of *p, int n, int group,
                            float *dx_affine) {
  int per_group = w->c / w->s->groups, first = group * per_group;
  const float *stats = w->stats + 2 * (n * w->s->groups + group);
  double mean = (double)stats[0], rstd = (double)stats[1], m = (double)w->pieces.pixels * per_group, t1 = 0,
         t2 = 0;
  for (int k = first; k < first + per_group; k++) {
    double s1, product, a = (double)w->affine[(size_t)n * 2 * (size_t)w->c + (size_t)k] / rstd;
    nd_group_norm_totals(w, n, k, &s1, &product);
    double s2 = (product - mean * s1) * rstd;
    channel_gradients(w, p, n, k, s1, s2);
    t1 += a * s1, t2 += a * s2;
  }
  for (int k = first; k < first + per_group; k++) {
    dx_affine[k] = w->affine[(size_t)n * 2 * (size_t)w->c + (size_t)k];
    dx_affine[w->c + k] = (float)(-rstd * rstd * t2 / m);
    dx_affine[2 * w->c + k] = (float)(-rstd * t1 / m + rstd * rstd * mean * t2 / m);
  }
}

static void run_backward(const nd_run_context *r) {
  nd_group_norm_work w = nd_group_norm_work_of(r);
  w.stats = nd_run_in(r, 4);
  w.dy = nd_run_in_data(r, 5);
  w.y = nd_run_out_data(r, 0);
  w.sums = r->scratch;
  float *affine = w.sums + nd_group_norm_sums(&w), *dx_affine = affine + 2 * w.n * w.c;
  w.pieces.widened = nd_group_norm_widened(r->graph, r->node) ? dx_affine + 3 * w.n * w.c : NULL;
  weights_of p = {nd_run_in(r, 1),  nd_run_in(r, 2),  nd_run_in(r, 3),
                  nd_run_out(r, 1), nd_run_out(r, 2), nd_run_in(r, 3) ? nd_run_out(r, 3) : NULL};
  nd_group_norm_affine(&w, p.gamma, p.beta, p.scale_shift, affine);
  w.affine = affine;
  nd_parallel((size_t)w.n * w.pieces.blocks, 1, dz_blocks, &w);
  memset(p.dgamma, 0, (size_t)w.c * sizeof(float));
  memset(p.dbeta, 0, (size_t)w.c * sizeof(float));
  for (int n = 0; n < w.n; n++)
    for (int group = 0; group < w.s->groups; group++)
      group_gradients(&w, &p, n, group, dx_affine + 3 * n * w.c);
  w.dx_affine = dx_affine;
  nd_parallel((size_t)w.n * w.pieces.blocks, 1, dx_blocks, &w);
}

const nd_op nd_op_group_norm_backward = {.name = "group_norm_backward",
                                         .attr_size = sizeof(nd_group_norm_settings),
                                         .takes_bf16 = nd_always_takes_bf16,
                                         .in_place = 1 << 5,
                                         .prepare = nd_group_norm_prepare,
                                         .run = run_backward,
                                         .flops = nd_group_norm_flops};
