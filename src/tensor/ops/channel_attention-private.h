/* What channel attention's forward and backward passes share (channel_attention.c tells what they compute).
 */
#ifndef ND_CHANNEL_ATTENTION_PRIVATE_H
#define ND_CHANNEL_ATTENTION_PRIVATE_H

#include "tensor/kernels/pixel_products.h"
#include "tensor/ops/ops-private.h"

/* A norm is at least so long. */
#define ND_SMALLEST_NORM 1e-12

/* Sizes, and where things stand. Statistics of a head, kept for backward: A[d][d], cosine[d][d], 1 / |q|[d],
 * 1 / |k|[d]. */
typedef struct nd_channel_work {
  size_t samples, heads, d, c, pixels, parts;
  const float *qkv, *temperature, *dy;
  float *statistics; /* [samples][heads][2 d + 2][d] */
  float *out;        /* the result, or the gradient of qkv */
  float *sums;       /* [samples][heads][parts][record] */
  size_t record;
  float *matrices; /* [samples][heads][apply]: what the last pass applies */
  size_t apply, panels;
  float *dtemperature; /* [samples][heads] */
  float *scratch;      /* of each thread, so far apart */
  size_t apart;
} nd_channel_work;

extern const nd_op nd_op_channel_attention_backward;

nd_channel_work nd_channel_work_of(const nd_graph *g, const nd_node *n, bool backward);
/* The parts of scratch; returns its bytes. NULL: only that. */
size_t nd_channel_take_scratch(nd_channel_work *w, void *scratch);
/* One part of one head: item = (sample, head, part). Forward: q k' and the squared norms; backward: dout v'.
 */
void nd_channel_gather(size_t begin, size_t end, int thread, void *context);
/* The sums of a head over all parts: its first record. */
const float *nd_channel_total(const nd_channel_work *w, size_t head);
double nd_channel_flops(const nd_graph *g, const nd_node *n);

/* Matrix number `which` of a head. */
static inline nd_panels nd_channel_matrix(const nd_channel_work *w, size_t head, size_t which) {
  return (nd_panels){nd_micro_best(), (int)w->d, (int)w->d,
                     w->matrices + head * w->apply + which * w->panels};
}

/* How many pixels from `pixel` on, before `end`, are of one sample. */
static inline size_t nd_channel_same_sample(const nd_channel_work *w, size_t pixel, size_t end) {
  return MIN(end, (pixel / w->pixels + 1) * w->pixels) - pixel;
}

/* Pixels a thread takes at least in the last pass. */
static inline size_t nd_channel_grain(const nd_channel_work *w) {
  return ND_GRAIN / (w->c * w->d) + 1;
}

#endif
