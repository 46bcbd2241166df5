#include "tensor/kernels/window_attention.h"

#include "base/base.h"
#include "tensor/kernels/panels.h"

#include <math.h>
#include <string.h>

typedef nd_window_attention_shape shape;

/* What one thread works with: a window's pixels, all heads of them; their transposes; and of one head the
 * rest. Scores stand with keys down and queries across, so that a softmax runs down columns and vectors need
 * no sums across. */
typedef struct desk {
  float *q, *k, *v, *dy; /* tokens x channels; q times the scale */
  nd_panels q_t, dy_t;   /* channels x tokens */
  nd_panels scores, ds;  /* ds: gradient of the scores */
  nd_panels head;        /* q, k, v or dy of one head: tokens x width */
  nd_panels result;      /* likewise */
  nd_panels bias;        /* of a window that is cut off */
  float *line;           /* a row of the scores */
  float *dbias;          /* as `bias` of the work, from windows that are cut off */
  float *dbias_whole;    /* as `whole` of the work */
} desk;

typedef struct work {
  shape s;
  nd_window_attention_in in;
  const float *dy;
  float *y;
  nd_window_attention_out out;
  int down, across; /* windows of a picture */
  float scale;
  float *bias;      /* [heads][2 window - 1][2 window - 1], by the query's place minus the key's */
  nd_panels *whole; /* [heads]: the biases of a whole window, laid out as its scores */
  desk *desks;      /* one a thread */
} work;

/* The pixels of one window. */
typedef struct window {
  size_t first; /* pixel of the batch */
  int h, w, tokens;
} window;

static size_t channels_of(const shape *s) {
  return (size_t)s->heads * (size_t)s->width;
}

static size_t places_of(const shape *s) {
  size_t side = 2 * (size_t)s->window - 1;
  return side * side;
}

/* ---- Between the picture and a window ---- */

/* Piece i of the windows' grid along an axis: where it begins; piece `count` begins at the end. */
static int grid_begin(const shape *s, int length, int i) {
  int at = s->shift ? (i - 1) * s->window + s->shift : i * s->window;
  return at < 0 ? 0 : at > length ? length : at;
}

static int grid_count(const shape *s, int length) {
  return (length + (s->shift ? s->window - s->shift : 0) + s->window - 1) / s->window;
}

static window window_at(const work *p, size_t number) {
  int x = (int)(number % (size_t)p->across), y = (int)(number / (size_t)p->across % (size_t)p->down);
  size_t picture = number / (size_t)p->across / (size_t)p->down;
  int top = grid_begin(&p->s, p->s.h, y), left = grid_begin(&p->s, p->s.w, x);
  window w = {.h = grid_begin(&p->s, p->s.h, y + 1) - top, .w = grid_begin(&p->s, p->s.w, x + 1) - left};
  w.first = (picture * (size_t)p->s.h + (size_t)top) * (size_t)p->s.w + (size_t)left;
  w.tokens = w.h * w.w;
  return w;
}

static size_t pixel_of(const work *p, const window *w, int token) {
  return w->first + (size_t)(token / w->w) * (size_t)p->s.w + (size_t)(token % w->w);
}

static void copy_in(const work *p, const window *w, const float *x, size_t step, float scale, float *out) {
  size_t c = channels_of(&p->s);
  for (int t = 0; t < w->tokens; t++, out += c) {
    const float *from = x + pixel_of(p, w, t) * step;
    for (size_t k = 0; k < c; k++)
      out[k] = scale * from[k];
  }
}

/* The result of one head, to channels `first` ... of the pixels. */
static void copy_out(const work *p, const window *w, const desk *d, size_t first, size_t step, float scale,
                     float *out) {
  for (int t = 0; t < w->tokens; t++) {
    float *to = out + pixel_of(p, w, t) * step + first;
    nd_panels_get_row(&d->result, t, to);
    for (int c = 0; scale != 1 && c < p->s.width; c++)
      to[c] *= scale;
  }
}

/* ---- Biases ---- */

/* Where the biases of key k and the queries of row y begin: w of them, side by side. */
static size_t bias_at(const shape *s, const window *w, int k, int y) {
  int side = 2 * s->window - 1, down = y - k / w->w + s->window - 1, right = s->window - 1 - k % w->w;
  return (size_t)(down * side + right);
}

static void lay_out_bias(const shape *s, const window *w, const float *bias, float *line, nd_panels *out) {
  out->rows = out->columns = w->tokens;
  for (int k = 0; k < w->tokens; k++) {
    for (int y = 0; y < w->h; y++)
      memcpy(line + y * w->w, bias + bias_at(s, w, k, y), (size_t)w->w * sizeof *line);
    nd_panels_put_row(out, k, line);
  }
}

/* Gradients of scores, added to those of the biases that they are sums with. */
static void gather_bias(const shape *s, const window *w, const nd_panels *ds, float *line, float *dbias) {
  for (int k = 0; k < w->tokens; k++) {
    nd_panels_get_row(ds, k, line);
    for (int y = 0; y < w->h; y++) {
      float *to = dbias + bias_at(s, w, k, y);
      for (int x = 0; x < w->w; x++)
        to[x] += line[y * w->w + x];
    }
  }
}

static bool is_whole(const shape *s, const window *w) {
  return w->tokens == s->window * s->window;
}

static size_t whole_count(const shape *s) {
  int tokens = s->window * s->window;
  return (size_t)tokens * nd_panels_row(nd_micro_best(), tokens);
}

ND_KERNEL static void add(float *restrict to, const float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++)
    to[i] += x[i];
}

static void keep_bias_gradient(const work *p, const window *w, int head, desk *d) {
  size_t n = whole_count(&p->s);
  if (is_whole(&p->s, w))
    add(d->dbias_whole + (size_t)head * n, d->ds.data, n);
  else
    gather_bias(&p->s, w, &d->ds, d->line, d->dbias + (size_t)head * places_of(&p->s));
}

/* ---- One window ---- */

static void take_window(const work *p, const window *w, desk *d) {
  ptrdiff_t c = (ptrdiff_t)channels_of(&p->s);
  d->q_t.columns = d->scores.rows = d->scores.columns = d->head.rows = d->result.rows = w->tokens;
  copy_in(p, w, p->in.q, p->in.q_step, p->scale, d->q);
  copy_in(p, w, p->in.k, p->in.kv_step, 1, d->k);
  copy_in(p, w, p->in.v, p->in.kv_step, 1, d->v);
  nd_panels_pack_transposed(&d->q_t, d->q, c);
}

/* The attention weights of a head. */
static void weigh(const work *p, const window *w, int head, desk *d) {
  ptrdiff_t c = (ptrdiff_t)channels_of(&p->s);
  const nd_panels *bias = &p->whole[head];
  if (!is_whole(&p->s, w)) {
    lay_out_bias(&p->s, w, p->bias + (size_t)head * places_of(&p->s), d->line, &d->bias);
    bias = &d->bias;
  }
  nd_panels_multiply(&d->scores, d->k + head * p->s.width, c, &d->q_t, head * p->s.width, p->s.width, bias);
  nd_panels_softmax(&d->scores);
}

static void forward_window(const work *p, const window *w, desk *d) {
  size_t c = channels_of(&p->s);
  take_window(p, w, d);
  for (int head = 0; head < p->s.heads; head++) {
    size_t first = (size_t)head * (size_t)p->s.width;
    weigh(p, w, head, d);
    nd_panels_pack(&d->head, d->v + first, (ptrdiff_t)c);
    nd_panels_transposed_product(&d->result, &d->scores, &d->head);
    copy_out(p, w, d, first, c, 1, p->y);
  }
}

/* With weights P = softmax(S), queries down: dV = P' dY, dP = dY V', dS = P (dP - sum of P dP),
 * dQ = scale dS K, dK = dS' (scale Q). */
static void backward_head(const work *p, const window *w, int head, desk *d) {
  size_t first = (size_t)head * (size_t)p->s.width;
  ptrdiff_t c = (ptrdiff_t)channels_of(&p->s);
  weigh(p, w, head, d);
  nd_panels_pack(&d->head, d->dy + first, c);
  nd_panels_product(&d->result, &d->scores, &d->head, false);
  copy_out(p, w, d, first, p->in.kv_step, 1, p->out.v);
  nd_panels_multiply(&d->ds, d->v + first, c, &d->dy_t, (int)first, p->s.width, NULL);
  nd_panels_softmax_backward(&d->scores, &d->ds);
  keep_bias_gradient(p, w, head, d);
  nd_panels_pack(&d->head, d->k + first, c);
  nd_panels_transposed_product(&d->result, &d->ds, &d->head);
  copy_out(p, w, d, first, p->in.q_step, p->scale, p->out.q);
  nd_panels_pack(&d->head, d->q + first, c);
  nd_panels_product(&d->result, &d->ds, &d->head, false);
  copy_out(p, w, d, first, p->in.kv_step, 1, p->out.k);
}

static void backward_window(const work *p, const window *w, desk *d) {
  size_t c = channels_of(&p->s);
  take_window(p, w, d);
  d->dy_t.columns = d->ds.rows = d->ds.columns = w->tokens;
  copy_in(p, w, p->dy, c, 1, d->dy);
  nd_panels_pack_transposed(&d->dy_t, d->dy, (ptrdiff_t)c);
  for (int head = 0; head < p->s.heads; head++)
    backward_head(p, w, head, d);
}

/* ---- All windows ---- */

static void forward_windows(size_t begin, size_t end, int thread, void *context) {
  const work *p = context;
  for (size_t i = begin; i < end; i++) {
    window w = window_at(p, i);
    forward_window(p, &w, &p->desks[thread]);
  }
}

static void backward_windows(size_t begin, size_t end, int thread, void *context) {
  const work *p = context;
  for (size_t i = begin; i < end; i++) {
    window w = window_at(p, i);
    backward_window(p, &w, &p->desks[thread]);
  }
}

static void set_up_desk(const shape *s, bool backward, desk *d, nd_arena *a) {
  int tokens = s->window * s->window, c = (int)channels_of(s);
  size_t count = (size_t)tokens * (size_t)c + ND_MAX_WIDTH; /* see nd_panels_pack */
  d->q = nd_arena_floats(a, count);
  d->k = nd_arena_floats(a, count);
  d->v = nd_arena_floats(a, count);
  d->q_t = nd_panels_new(a, c, tokens);
  d->scores = nd_panels_new(a, tokens, tokens);
  d->bias = nd_panels_new(a, tokens, tokens);
  d->head = nd_panels_new(a, tokens, s->width);
  d->result = nd_panels_new(a, tokens, s->width);
  d->line = nd_arena_floats(a, (size_t)tokens);
  if (!backward)
    return;
  d->dy = nd_arena_floats(a, count);
  d->dy_t = nd_panels_new(a, c, tokens);
  d->ds = nd_panels_new(a, tokens, tokens);
  d->dbias = nd_arena_floats(a, (size_t)s->heads * places_of(s));
  d->dbias_whole = nd_arena_floats(a, (size_t)s->heads * whole_count(s));
}

static float *arena_bytes(nd_arena *a, size_t bytes) {
  return nd_arena_floats(a, (bytes + sizeof(float) - 1) / sizeof(float));
}

static work set_up(const shape *s, const nd_window_attention_in *in, bool backward, nd_arena *a) {
  work p = {.s = *s, .scale = 1 / sqrtf((float)s->width)};
  size_t threads = (size_t)nd_threads(), heads = (size_t)s->heads;
  int tokens = s->window * s->window;
  p.down = grid_count(s, s->h);
  p.across = grid_count(s, s->w);
  p.bias = nd_arena_floats(a, heads * places_of(s));
  p.whole = (nd_panels *)arena_bytes(a, heads * sizeof(nd_panels));
  p.desks = (desk *)arena_bytes(a, threads * sizeof(desk));
  for (size_t i = 0; i < heads; i++) {
    nd_panels all = nd_panels_new(a, tokens, tokens);
    if (p.whole)
      p.whole[i] = all;
  }
  for (size_t i = 0; i < threads; i++) {
    desk unused;
    set_up_desk(s, backward, p.desks ? &p.desks[i] : &unused, a);
    nd_arena_floats(a, ND_ARENA_GAP);
  }
  if (in)
    p.in = *in;
  return p;
}

static window whole_window(const shape *s) {
  return (window){.h = s->window, .w = s->window, .tokens = s->window * s->window};
}

static void take_bias(work *p) {
  size_t places = places_of(&p->s), heads = (size_t)p->s.heads;
  window w = whole_window(&p->s);
  for (size_t i = 0; i < heads * places; i++)
    p->bias[i] = p->in.bias[i % places * heads + i / places];
  for (size_t i = 0; i < heads; i++)
    lay_out_bias(&p->s, &w, p->bias + i * places, p->desks[0].line, &p->whole[i]);
}

static void clear_bias_gradients(const work *p) {
  for (int t = 0; t < nd_threads(); t++) {
    memset(p->desks[t].dbias, 0, (size_t)p->s.heads * places_of(&p->s) * sizeof(float));
    memset(p->desks[t].dbias_whole, 0, (size_t)p->s.heads * whole_count(&p->s) * sizeof(float));
  }
}

static void add_up_bias(const work *p) {
  size_t places = places_of(&p->s), heads = (size_t)p->s.heads, threads = (size_t)nd_threads();
  window w = whole_window(&p->s);
  for (size_t t = 0; t < threads; t++)
    for (size_t i = 0; i < heads; i++) {
      desk *d = &p->desks[t];
      nd_panels ds = p->whole[i];
      ds.data = d->dbias_whole + i * whole_count(&p->s);
      gather_bias(&p->s, &w, &ds, d->line, d->dbias + i * places);
    }
  for (size_t i = 0; i < heads * places; i++) {
    double sum = 0;
    for (size_t t = 0; t < threads; t++)
      sum += (double)p->desks[t].dbias[i];
    p->out.bias[i % places * heads + i / places] = (float)sum;
  }
}

static size_t windows_of(const work *p) {
  return (size_t)p->s.n * (size_t)p->down * (size_t)p->across;
}

size_t nd_window_attention_forward(const nd_window_attention_shape *s, const nd_window_attention_in *in,
                                   float *y, nd_arena scratch) {
  work p = set_up(s, in, false, &scratch);
  if (!scratch.base)
    return scratch.used;
  p.y = y;
  take_bias(&p);
  nd_parallel(windows_of(&p), 1, forward_windows, &p);
  return scratch.used;
}

size_t nd_window_attention_backward(const nd_window_attention_shape *s, const nd_window_attention_in *in,
                                    const float *dy, const nd_window_attention_out *out, nd_arena scratch) {
  work p = set_up(s, in, true, &scratch);
  if (!scratch.base)
    return scratch.used;
  p.dy = dy;
  p.out = *out;
  take_bias(&p);
  clear_bias_gradients(&p);
  nd_parallel_fixed(windows_of(&p), 1, backward_windows, &p);
  if (out->bias)
    add_up_bias(&p);
  return scratch.used;
}
