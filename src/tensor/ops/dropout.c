/* Dropout (Srivastava et al. 2014), inverted: kept elements are divided by 1 - p. */
#include "tensor/ops/dropout-private.h"
#include "tensor/kernels/micro.h"
#include "tensor/ops/ops-private.h"

#include <math.h>

extern const nd_op nd_op_dropout;

_Static_assert(8 * ND_PHILOX_COUNTERS == ND_MASK_BLOCK, "eight draws of 16 bits from a counter");

/* Of the samples of a part, the first. */
static uint32_t first_of_part(const nd_run_context *r) {
  if (!r->node->part)
    return r->first_sample;
  uint32_t total = r->share.count ? r->share.total : (uint32_t)nd_out_value(r->graph, r->node, 0)->dims[0];
  return r->first_sample + (uint32_t)r->node->part * total;
}

nd_mask nd_mask_make(const nd_run_context *r, float p) {
  nd_mask m = {.key = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)},
               .step = (uint32_t)r->step,
               .first_sample = first_of_part(r),
               .share = r->share};
  m.stream = (uint32_t)ND_RANDOM_DROPOUT | r->node->stream << 8;
  m.threshold = (uint32_t)lrintf(p * 65536);
  m.keep_scale = m.threshold < 65536 ? 65536.0f / (float)(65536 - m.threshold) : 0;
  return m;
}

/* Two draws of 16 bits from each number: the low half's factors first. */
ND_KERNEL static void factors(const uint32_t *restrict numbers, const nd_mask *m, float *restrict out) {
  const int32_t threshold = (int32_t)m->threshold;
  const float keep = m->keep_scale;
  for (int i = 0; i < ND_PHILOX_COUNTERS; i++)
    out[i] = (int32_t)(numbers[i] & 0xffff) < threshold ? 0.0f : keep;
  for (int i = 0; i < ND_PHILOX_COUNTERS; i++)
    out[ND_PHILOX_COUNTERS + i] = (int32_t)(numbers[i] >> 16) < threshold ? 0.0f : keep;
}

/* A sample's number in the global batch: a second part of a tensor counts on after the whole batch. */
static uint32_t sample_number(const nd_mask *m, uint32_t sample) {
  const nd_share *s = &m->share;
  return m->first_sample + (s->count ? sample % s->count + sample / s->count * s->total : sample);
}

void nd_mask_fill(const nd_mask *m, uint32_t sample, uint32_t block, float out[ND_MASK_BLOCK]) {
  uint32_t numbers[4][ND_PHILOX_COUNTERS];
  const uint32_t first[] = {block * ND_PHILOX_COUNTERS, sample_number(m, sample), m->step, m->stream};
  nd_micro_best()->philox(m->key, first, numbers);
  for (int k = 0; k < 4; k++)
    factors(numbers[k], m, out + k * 2 * ND_PHILOX_COUNTERS);
}

typedef struct work {
  const float *x;
  float *out;
  size_t per_sample;
  nd_mask mask;
} work;

ND_KERNEL static void multiply(const float *x, const float *mask, float *out, size_t n) {
  for (size_t i = 0; i < n; i++)
    out[i] = x[i] * mask[i];
}

static size_t blocks_of(size_t per_sample) {
  return (per_sample + ND_MASK_BLOCK - 1) / ND_MASK_BLOCK;
}

static void range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  float mask[ND_MASK_BLOCK];
  size_t blocks = blocks_of(w->per_sample);
  for (size_t i = begin; i < end; i++) {
    size_t sample = i / blocks, block = i % blocks, at = block * ND_MASK_BLOCK;
    nd_mask_fill(&w->mask, (uint32_t)sample, (uint32_t)block, mask);
    size_t n = MIN(ND_MASK_BLOCK, w->per_sample - at);
    multiply(w->x + sample * w->per_sample + at, mask, w->out + sample * w->per_sample + at, n);
  }
}

static void run(const nd_run_context *r) {
  const nd_value *v = nd_run_out_value(r, 0);
  size_t n = (size_t)v->dims[0], per_sample = v->count / n;
  work w = {nd_run_in(r, 0), nd_run_out(r, 0), per_sample, nd_mask_make(r, *(const float *)r->node->attr)};
  nd_parallel(n * blocks_of(per_sample), ND_GRAIN / ND_MASK_BLOCK, range, &w);
}

/* The same masks: the gradient is the same operator on the same stream. */
static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (!wanted[0])
    return;
  din[0] = nd_append_like(g, &nd_op_dropout, n->attr, 1, dout, n->in[0]);
  nd_carry_dropout(g, n);
}

/* Tests run it with seed, step and first sample 0. */
static void reference(const nd_graph *g, const nd_node *n, const double *const *in, double *const *out) {
  const nd_value *v = nd_out_value(g, n, 0);
  size_t per_sample = v->count / (size_t)v->dims[0];
  nd_run_context r = {.node = n};
  nd_mask m = nd_mask_make(&r, *(const float *)n->attr);
  float mask[ND_MASK_BLOCK];
  for (size_t i = 0; i < v->count; i++) {
    nd_mask_fill(&m, (uint32_t)(i / per_sample), (uint32_t)(i % per_sample / ND_MASK_BLOCK), mask);
    out[0][i] = in[0][i] * (double)mask[i % per_sample % ND_MASK_BLOCK];
  }
}

nd_tensor nd_dropout(nd_graph *g, nd_tensor x, float probability) {
  if (!nd_ready(g, 1, &x) || probability <= 0 || !nd_graph_training(g))
    return x;
  if (probability >= 1)
    return nd_bad_node(g, "dropout %g; it must be below 1", (double)probability);
  nd_tensor y = nd_append_like(g, &nd_op_dropout, &probability, 1, &x, x);
  if (y >= 0)
    nd_last_node(g)->stream = ++g->next_stream;
  return y;
}

static nd_tensor example(nd_graph *g, int i) {
  return i < 2 ? nd_dropout(g, nd_example_input(g, 2, 5, 7, 11), i ? 0.7f : 0.2f) : ND_NONE;
}

const nd_op nd_op_dropout = {.name = "dropout",
                             .attr_size = sizeof(float),
                             .in_place = 1,
                             .gradient = gradient,
                             .run = run,
                             .reference = reference,
                             .example = example};
