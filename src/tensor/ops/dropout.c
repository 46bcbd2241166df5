/* Dropout (Srivastava et al. 2014), inverted: kept elements are divided by 1 - p. */
#include "tensor/ops/dropout-private.h"
#include "tensor/ops/ops-private.h"

#include <math.h>

extern const nd_op nd_op_dropout;

enum { DRAWS = 8, BLOCKS = ND_MASK_BLOCK / DRAWS, ROUNDS = 10 };

nd_mask nd_mask_make(const nd_run_context *r, float p) {
  nd_mask m = {.key = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)},
               .step = (uint32_t)r->step,
               .first_sample = r->first_sample,
               .share = r->share};
  m.stream = (uint32_t)ND_RANDOM_DROPOUT | r->node->stream << 8;
  m.threshold = (uint32_t)lrintf(p * 65536);
  m.keep_scale = m.threshold < 65536 ? 65536.0f / (float)(65536 - m.threshold) : 0;
  return m;
}

/* A sample's number in the global batch: a second part of a tensor counts on after the whole batch. */
static uint32_t sample_number(const nd_mask *m, uint32_t sample) {
  const nd_share *s = &m->share;
  return m->first_sample + (s->count ? sample % s->count + sample / s->count * s->total : sample);
}

/* Philox over many counters side by side, so that the rounds vectorise; 8 draws of 16 bits a counter. */
ND_KERNEL void nd_mask_fill(const nd_mask *m, uint32_t sample, uint32_t block, float out[ND_MASK_BLOCK]) {
  const uint32_t number = sample_number(m, sample);
  uint32_t c0[BLOCKS], c1[BLOCKS], c2[BLOCKS], c3[BLOCKS], k0 = m->key[0], k1 = m->key[1];
  for (uint32_t i = 0; i < BLOCKS; i++)
    c0[i] = block * BLOCKS + i, c1[i] = number, c2[i] = m->step, c3[i] = m->stream;
  for (int round = 0; round < ROUNDS; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int i = 0; i < BLOCKS; i++) {
      uint64_t p0 = 0xD2511F53ull * c0[i], p1 = 0xCD9E8D57ull * c2[i];
      c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
      c1[i] = (uint32_t)p1;
      c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
      c3[i] = (uint32_t)p0;
    }
  const uint32_t threshold = m->threshold, *draws[] = {c0, c1, c2, c3};
  for (int k = 0; k < 4; k++)
    for (int i = 0; i < BLOCKS; i++) {
      out[(2 * k) * BLOCKS + i] = (draws[k][i] & 0xffff) < threshold ? 0 : m->keep_scale;
      out[(2 * k + 1) * BLOCKS + i] = draws[k][i] >> 16 < threshold ? 0 : m->keep_scale;
    }
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
  nd_last_node(g)->stream = n->stream;
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
