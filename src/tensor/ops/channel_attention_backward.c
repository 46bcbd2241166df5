/* Channel attention's backward pass; channel_attention.c has its formulas. */
#include "tensor/ops/channel_attention-private.h"

#include <string.h>

enum { FOR_DQ, FOR_DK, FOR_DV, MATRICES }; /* G', G, A */

/* G, row after row, and then a and b. */
static inline float *plain_of(const nd_channel_work *w, size_t head) {
  return w->matrices + head * w->apply + MATRICES * w->panels;
}

/* Row i of G from dA: the softmax's gradient, then the temperature's, the norms' and the product's. */
static inline double finish_row(const nd_channel_work *w, size_t head, size_t i, const float *da,
                                double *from_norms) {
  size_t d = w->d;
  const float *attention = w->statistics + head * (2 * d + 2) * d + i * d, *cosine = attention + d * d;
  const float *over_norm = w->statistics + head * (2 * d + 2) * d + 2 * d * d;
  float *g = plain_of(w, head) + i * d;
  double mean = 0, dtemperature = 0, temperature = (double)w->temperature[head % w->heads];
  for (size_t j = 0; j < d; j++)
    mean += (double)attention[j] * (double)da[j];
  for (size_t j = 0; j < d; j++) {
    double ds = (double)attention[j] * ((double)da[j] - mean), x = ds * (double)cosine[j];
    dtemperature += x;
    from_norms[i] -= temperature * x;
    from_norms[d + j] -= temperature * x;
    g[j] = (float)(temperature * ds * (double)over_norm[i] * (double)over_norm[d + j]);
  }
  return dtemperature;
}

static void pack_matrices(const nd_channel_work *w, size_t head) {
  size_t d = w->d;
  nd_panels dq = nd_channel_matrix(w, head, FOR_DQ), dk = nd_channel_matrix(w, head, FOR_DK),
            dv = nd_channel_matrix(w, head, FOR_DV);
  nd_panels_pack_transposed(&dq, plain_of(w, head), (ptrdiff_t)d);
  for (size_t i = 0; i < d; i++) {
    nd_panels_put_row(&dk, (int)i, plain_of(w, head) + i * d);
    nd_panels_put_row(&dv, (int)i, w->statistics + head * (2 * d + 2) * d + i * d);
  }
}

ND_KERNEL static void finish_backward(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const nd_channel_work *w = context;
  size_t d = w->d;
  for (size_t head = begin; head < end; head++) {
    const float *over_norm = w->statistics + head * (2 * d + 2) * d + 2 * d * d;
    const float *da = nd_channel_total(w, head);
    float *ab = plain_of(w, head) + d * d;
    double from_norms[2 * d], dtemperature = 0;
    memset(from_norms, 0, sizeof from_norms);
    for (size_t i = 0; i < d; i++)
      dtemperature += finish_row(w, head, i, da + i * d, from_norms);
    for (size_t i = 0; i < 2 * d; i++) {
      double over = (double)over_norm[i];
      ab[i] = over * ND_SMALLEST_NORM < 0.999 ? (float)(from_norms[i] * over * over) : 0;
    }
    w->dtemperature[head] = (float)dtemperature;
    pack_matrices(w, head);
  }
}

/* Of d channels: y = x scale. */
ND_KERNEL static void scale_pixels(size_t d, size_t pixels, const float *x, const float *scale,
                                   float *restrict y, size_t stride) {
  for (size_t p = 0; p < pixels; p++, x += stride, y += stride)
    for (size_t i = 0; i < d; i++)
      y[i] = x[i] * scale[i];
}

/* Of `count` pixels of one sample. */
static void apply_head_backward(const nd_channel_work *w, size_t pixel, size_t count, size_t h) {
  size_t d = w->d, c = w->c, head = pixel / w->pixels * w->heads + h;
  ptrdiff_t stride = (ptrdiff_t)(3 * c);
  const float *q = w->qkv + pixel * 3 * c + h * d, *k = q + c, *ab = plain_of(w, head) + d * d;
  float *dq = w->out + pixel * 3 * c + h * d;
  nd_panels for_dq = nd_channel_matrix(w, head, FOR_DQ), for_dk = nd_channel_matrix(w, head, FOR_DK),
            for_dv = nd_channel_matrix(w, head, FOR_DV);
  scale_pixels(d, count, q, ab, dq, 3 * c);
  scale_pixels(d, count, k, ab + d, dq + c, 3 * c);
  nd_pixel_products(&for_dq, (int)count, (nd_pixels){k, stride}, dq, stride, true);
  nd_pixel_products(&for_dk, (int)count, (nd_pixels){q, stride}, dq + c, stride, true);
  nd_pixel_products(&for_dv, (int)count, (nd_pixels){w->dy + pixel * c + h * d, (ptrdiff_t)c}, dq + 2 * c,
                    stride, false);
}

static void apply_backward(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const nd_channel_work *w = context;
  enum { TOGETHER = 64 }; /* pixels: what is scaled is still in the cache when products are added */
  for (size_t pixel = begin, count; pixel < end; pixel += count) {
    count = MIN(nd_channel_same_sample(w, pixel, end), TOGETHER);
    for (size_t h = 0; h < w->heads; h++)
      apply_head_backward(w, pixel, count, h);
  }
}

static int prepare_backward(const nd_graph *g, nd_node *n) {
  nd_channel_work w = nd_channel_work_of(g, n, true);
  n->scratch_bytes = nd_channel_take_scratch(&w, NULL);
  return 0;
}

static void run_backward(const nd_run_context *r) {
  nd_channel_work w = nd_channel_work_of(r->graph, r->node, true);
  w.qkv = nd_run_in(r, 0), w.temperature = nd_run_in(r, 1), w.statistics = nd_run_in(r, 2);
  w.dy = nd_run_in(r, 3), w.out = nd_run_out(r, 0);
  nd_channel_take_scratch(&w, r->scratch);
  nd_parallel(w.samples * w.heads * w.parts, 1, nd_channel_gather, &w);
  nd_parallel(w.samples * w.heads, 1, finish_backward, &w);
  nd_parallel(w.samples * w.pixels, nd_channel_grain(&w), apply_backward, &w);
  float *dtemperature = nd_run_out(r, 1);
  memset(dtemperature, 0, w.heads * sizeof *dtemperature);
  for (size_t i = 0; i < w.samples * w.heads; i++)
    dtemperature[i % w.heads] += w.dtemperature[i];
}

static double flops_backward(const nd_graph *g, const nd_node *n) {
  return 2 * nd_channel_flops(g, n);
}

const nd_op nd_op_channel_attention_backward = {.name = "channel_attention_backward",
                                                .prepare = prepare_backward,
                                                .run = run_backward,
                                                .flops = flops_backward};
