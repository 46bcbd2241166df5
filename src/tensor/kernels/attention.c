#include "tensor/kernels/attention.h"

#include "base/base.h"
#include "tensor/kernels/panels.h"

#include <math.h>

typedef nd_attention_shape shape;

enum { BLOCK = 64 }; /* queries */

/* What one thread works with: keys and values of one head, and a block of its queries. Scores stand with keys
 * down and queries across, so that a softmax runs down columns and vectors need no sums across. */
typedef struct desk {
  float *k, *v;            /* tokens x width */
  nd_panels k_cut, v_cut;  /* the same in panels; in the forward pass values alone */
  nd_panels dk, dv;        /* likewise, sums over the blocks so far */
  float *q, *dy;           /* of the block: queries x width; q times the scale */
  nd_panels q_t, dy_t;     /* their transposes */
  nd_panels q_cut, dy_cut; /* the same in panels */
  nd_panels scores, ds;    /* tokens x queries; ds: gradient of the scores */
  nd_panels result;        /* queries x width */
} desk;

typedef struct work {
  shape s;
  const float *qkv, *dy;
  float *y, *dqkv;
  float scale;
  int parts; /* that the queries of a head are shared out in, among threads */
  desk *desks;
} work;

/* One head of one picture: queries, keys and values of its first pixel; and of the result. */
typedef struct head {
  size_t q, k, v, y;
} head;

static size_t step_in(const shape *s) {
  return 3 * (size_t)s->heads * (size_t)s->width;
}

static size_t step_out(const shape *s) {
  return (size_t)s->heads * (size_t)s->width;
}

static head head_at(const shape *s, size_t number) {
  size_t n = number / (size_t)s->heads, i = number % (size_t)s->heads, d = (size_t)s->width,
         q = n * (size_t)s->tokens * step_in(s) + 3 * i * d;
  return (head){q, q + d, q + 2 * d, n * (size_t)s->tokens * step_out(s) + i * d};
}

/* `rows` pixels of a head, side by side, times the scale. */
static void gather(const float *x, size_t step, int rows, int width, float scale, float *out) {
  for (int t = 0; t < rows; t++, x += step)
    for (int c = 0; c < width; c++)
      *out++ = scale * x[c];
}

static void scatter(const nd_panels *x, float scale, float *out, size_t step) {
  for (int t = 0; t < x->rows; t++, out += step) {
    nd_panels_get_row(x, t, out);
    for (int c = 0; scale != 1 && c < x->columns; c++)
      out[c] *= scale;
  }
}

/* ---- A block of queries ---- */

static void take_head(const work *p, const head *h, desk *d) {
  gather(p->qkv + h->k, step_in(&p->s), p->s.tokens, p->s.width, 1, d->k);
  gather(p->qkv + h->v, step_in(&p->s), p->s.tokens, p->s.width, 1, d->v);
  nd_panels_pack(&d->v_cut, d->v, p->s.width);
}

/* The attention weights of `count` queries from `first` on. */
static void weigh(const work *p, const head *h, int first, int count, desk *d) {
  gather(p->qkv + h->q + (size_t)first * step_in(&p->s), step_in(&p->s), count, p->s.width, p->scale, d->q);
  d->q_t.columns = d->scores.columns = d->result.rows = count;
  nd_panels_pack_transposed(&d->q_t, d->q, p->s.width);
  nd_panels_multiply(&d->scores, d->k, p->s.width, &d->q_t, 0, p->s.width, NULL);
  nd_panels_softmax(&d->scores);
}

static void forward_block(const work *p, const head *h, int first, int count, desk *d) {
  weigh(p, h, first, count, d);
  nd_panels_transposed_product(&d->result, &d->scores, &d->v_cut);
  scatter(&d->result, 1, p->y + h->y + (size_t)first * step_out(&p->s), step_out(&p->s));
}

/* With weights P = softmax(S), queries down: dV = P' dY, dP = dY V', dS = P (dP - sum of P dP),
 * dQ = scale dS K, dK = dS' (scale Q). */
static void backward_block(const work *p, const head *h, int first, int count, desk *d) {
  weigh(p, h, first, count, d);
  gather(p->dy + h->y + (size_t)first * step_out(&p->s), step_out(&p->s), count, p->s.width, 1, d->dy);
  d->dy_t.columns = d->ds.columns = d->q_cut.rows = d->dy_cut.rows = count;
  nd_panels_pack_transposed(&d->dy_t, d->dy, p->s.width);
  nd_panels_pack(&d->dy_cut, d->dy, p->s.width);
  nd_panels_pack(&d->q_cut, d->q, p->s.width);
  nd_panels_product(&d->dv, &d->scores, &d->dy_cut, first > 0);
  nd_panels_multiply(&d->ds, d->v, p->s.width, &d->dy_t, 0, p->s.width, NULL);
  nd_panels_softmax_backward(&d->scores, &d->ds);
  nd_panels_transposed_product(&d->result, &d->ds, &d->k_cut);
  scatter(&d->result, p->scale, p->dqkv + h->q + (size_t)first * step_in(&p->s), step_in(&p->s));
  nd_panels_product(&d->dk, &d->ds, &d->q_cut, first > 0);
}

/* ---- All heads ---- */

static int queries_from(const shape *s, int first) {
  return s->tokens - first < BLOCK ? s->tokens - first : BLOCK;
}

/* Blocks of a part, the last of which may have fewer. */
static int blocks_of(const work *p) {
  int blocks = (p->s.tokens + BLOCK - 1) / BLOCK;
  return (blocks + p->parts - 1) / p->parts;
}

static void forward_parts(size_t begin, size_t end, int thread, void *context) {
  const work *p = context;
  desk *d = &p->desks[thread];
  int queries = blocks_of(p) * BLOCK;
  for (size_t i = begin; i < end; i++) {
    head h = head_at(&p->s, i / (size_t)p->parts);
    int first = (int)(i % (size_t)p->parts) * queries, last = first + queries;
    if (first >= p->s.tokens)
      continue;
    take_head(p, &h, d);
    for (; first < last && first < p->s.tokens; first += BLOCK)
      forward_block(p, &h, first, queries_from(&p->s, first), d);
  }
}

/* A head's keys and values learn from all its queries, one block after another. */
static void backward_heads(size_t begin, size_t end, int thread, void *context) {
  const work *p = context;
  desk *d = &p->desks[thread];
  for (size_t i = begin; i < end; i++) {
    head h = head_at(&p->s, i);
    take_head(p, &h, d);
    nd_panels_pack(&d->k_cut, d->k, p->s.width);
    for (int first = 0; first < p->s.tokens; first += BLOCK)
      backward_block(p, &h, first, queries_from(&p->s, first), d);
    scatter(&d->dk, 1, p->dqkv + h.k, step_in(&p->s));
    scatter(&d->dv, 1, p->dqkv + h.v, step_in(&p->s));
  }
}

static void set_up_desk(const shape *s, bool backward, desk *d, nd_arena *a) {
  size_t all = (size_t)s->tokens * (size_t)s->width + ND_MAX_WIDTH,
         block = (size_t)BLOCK * (size_t)s->width + ND_MAX_WIDTH; /* see nd_panels_pack */
  d->k = nd_arena_floats(a, all);
  d->v = nd_arena_floats(a, all);
  d->v_cut = nd_panels_new(a, s->tokens, s->width);
  d->q = nd_arena_floats(a, block);
  d->q_t = nd_panels_new(a, s->width, BLOCK);
  d->scores = nd_panels_new(a, s->tokens, BLOCK);
  d->result = nd_panels_new(a, BLOCK, s->width);
  if (!backward)
    return;
  d->k_cut = nd_panels_new(a, s->tokens, s->width);
  d->dk = nd_panels_new(a, s->tokens, s->width);
  d->dv = nd_panels_new(a, s->tokens, s->width);
  d->dy = nd_arena_floats(a, block);
  d->dy_t = nd_panels_new(a, s->width, BLOCK);
  d->q_cut = nd_panels_new(a, BLOCK, s->width);
  d->dy_cut = nd_panels_new(a, BLOCK, s->width);
  d->ds = nd_panels_new(a, s->tokens, BLOCK);
}

static work set_up(const shape *s, bool backward, nd_arena *a) {
  work p = {.s = *s, .scale = 1 / sqrtf((float)s->width), .parts = 1};
  int threads = nd_threads(), heads = s->n * s->heads;
  if (!backward && heads < 2 * threads)
    p.parts = (2 * threads + heads - 1) / heads;
  int desks = heads * p.parts < threads ? heads * p.parts : threads; /* see nd_parallel */
  p.desks = (desk *)nd_arena_floats(a, (size_t)desks * sizeof(desk) / sizeof(float));
  for (int i = 0; i < desks; i++) {
    desk unused;
    set_up_desk(s, backward, p.desks ? &p.desks[i] : &unused, a);
    nd_arena_floats(a, ND_ARENA_GAP);
  }
  return p;
}

size_t nd_attention_forward(const shape *s, const float *qkv, float *y, nd_arena scratch) {
  work p = set_up(s, false, &scratch);
  if (!scratch.base)
    return scratch.used;
  p.qkv = qkv;
  p.y = y;
  nd_parallel((size_t)s->n * (size_t)s->heads * (size_t)p.parts, 1, forward_parts, &p);
  return scratch.used;
}

size_t nd_attention_backward(const shape *s, const float *qkv, const float *dy, float *dqkv,
                             nd_arena scratch) {
  work p = set_up(s, true, &scratch);
  if (!scratch.base)
    return scratch.used;
  p.qkv = qkv;
  p.dy = dy;
  p.dqkv = dqkv;
  nd_parallel((size_t)s->n * (size_t)s->heads, 1, backward_heads, &p);
  return scratch.used;
}
