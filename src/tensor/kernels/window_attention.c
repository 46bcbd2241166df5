#include "tensor/kernels/window_attention.h"

#include "base/base.h"
#include "tensor/kernels/micro.h"
#include "tensor/kernels/sums.h"

#include <math.h>
#include <string.h>

typedef nd_window_attention_shape shape;

/* A matrix cut into panels of columns (micro.h), one after another. */
typedef struct panels {
  const nd_micro *micro;
  int rows, columns;
  float *data;
} panels;

/* What one thread works with. Matrices are tokens x tokens or tokens x width; t: transposed. */
typedef struct desk {
  float *q, *dy;                                          /* rows side by side; q times the scale */
  panels k_t, v_t, k, v, q_panels, dy_panels, scores, ds; /* ds: gradient of the scores */
  panels result;
  float *line, *dline; /* a row of the scores */
  float *dbias;        /* as `bias` of the work */
} desk;

typedef struct work {
  shape s;
  nd_window_attention_in in;
  const float *dy;
  float *y;
  nd_window_attention_out out;
  int down, across; /* windows of a picture */
  float scale;
  float *bias; /* [heads][2 window - 1][2 window - 1], by the key's place minus the query's */
  desk *desks; /* one a thread */
} work;

/* The pixels of one window. */
typedef struct window {
  size_t first; /* pixel of the batch */
  int h, w, tokens;
} window;

static int round_up(int x, int to) {
  return (x + to - 1) / to * to;
}

/* ---- Panels ---- */

static panels panels_new(nd_arena *a, int rows, int columns) {
  const nd_micro *m = nd_micro_best();
  size_t width = (size_t)round_up(columns, 2 * m->lanes);
  return (panels){m, rows, columns, nd_arena_floats(a, (size_t)rows * width)};
}

static int panel_step(const panels *p) {
  return 2 * p->micro->lanes;
}

static float *panel_at(const panels *p, int first) {
  return p->data + (size_t)first * (size_t)p->rows;
}

/* The row length of the panel that starts at column `first`. */
static int panel_width(const panels *p, int first) {
  return p->micro->lanes * nd_panel_vectors(p->micro, p->columns, first);
}

static int panel_columns(const panels *p, int first) {
  return p->columns - first < panel_step(p) ? p->columns - first : panel_step(p);
}

/* c = A b; A[i][k] at a[i a_row + k a_step]. */
static void multiply(const panels *c, const float *a, ptrdiff_t a_row, ptrdiff_t a_step, const panels *b) {
  for (int j = 0; j < b->columns; j += panel_step(b)) {
    nd_term t = {a, panel_at(b, j), b->rows};
    c->micro->panel(nd_panel_vectors(b->micro, b->columns, j), c->rows, &t, 1, a_row, a_step, panel_at(c, j),
                    false);
  }
}

/* c = a b. */
static void multiply_panels(const panels *c, const panels *a, const panels *b) {
  for (int j = 0; j < b->columns; j += panel_step(b))
    for (int k = 0; k < a->columns; k += panel_step(a)) {
      int width = panel_width(b, j);
      nd_term t = {panel_at(a, k), panel_at(b, j) + (size_t)k * (size_t)width, panel_columns(a, k)};
      c->micro->panel(width / c->micro->lanes, c->rows, &t, 1, panel_width(a, k), 1, panel_at(c, j), k > 0);
    }
}

/* c = a' b. */
static void multiply_transposed(const panels *c, const panels *a, const panels *b) {
  for (int j = 0; j < b->columns; j += panel_step(b))
    for (int i = 0; i < a->columns; i += panel_step(a)) {
      int width = panel_width(b, j);
      nd_term t = {panel_at(a, i), panel_at(b, j), a->rows};
      c->micro->panel(width / c->micro->lanes, panel_columns(a, i), &t, 1, 1, panel_width(a, i),
                      panel_at(c, j) + (size_t)i * (size_t)width, false);
    }
}

static void get_row(const panels *p, int row, float *out) {
  for (int j = 0; j < p->columns; j += panel_step(p))
    memcpy(out + j, panel_at(p, j) + (size_t)row * (size_t)panel_width(p, j),
           (size_t)panel_columns(p, j) * sizeof *out);
}

static void put_row(const panels *p, int row, const float *x) {
  for (int j = 0; j < p->columns; j += panel_step(p))
    memcpy(panel_at(p, j) + (size_t)row * (size_t)panel_width(p, j), x + j,
           (size_t)panel_columns(p, j) * sizeof *x);
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

static void copy_rows(const work *p, const window *w, const float *x, size_t step, float scale, float *out) {
  for (int t = 0; t < w->tokens; t++, out += p->s.width) {
    const float *from = x + pixel_of(p, w, t) * step;
    for (int c = 0; c < p->s.width; c++)
      out[c] = scale * from[c];
  }
}

static void pack_rows(const work *p, const window *w, const float *x, size_t step, panels *out) {
  out->rows = w->tokens;
  for (int t = 0; t < w->tokens; t++)
    put_row(out, t, x + pixel_of(p, w, t) * step);
}

static void pack_columns(const work *p, const window *w, const float *x, size_t step, panels *out) {
  out->columns = w->tokens;
  for (int t = 0; t < w->tokens; t++) {
    const float *from = x + pixel_of(p, w, t) * step;
    int first = t / panel_step(out) * panel_step(out), width = panel_width(out, first);
    float *column = panel_at(out, first) + (t - first);
    for (int c = 0; c < p->s.width; c++)
      column[(size_t)c * (size_t)width] = from[c];
  }
}

static void unpack_rows(const work *p, const window *w, const panels *from, size_t step, float scale,
                        float *out) {
  for (int t = 0; t < w->tokens; t++) {
    float *to = out + pixel_of(p, w, t) * step;
    get_row(from, t, to);
    for (int c = 0; c < p->s.width; c++)
      to[c] *= scale;
  }
}

/* ---- Scores ---- */

/* The biases (or their gradients) of query i and the keys of row y: w of them, side by side. */
static inline size_t bias_at(const shape *s, const window *w, int i, int y) {
  int side = 2 * s->window - 1, down = y - i / w->w + s->window - 1, right = s->window - 1 - i % w->w;
  return (size_t)(down * side + right);
}

/* Products of queries and keys to attention weights. */
ND_KERNEL static void weigh(const shape *s, const window *w, const float *bias, const panels *scores,
                            float *line) {
  for (int i = 0; i < w->tokens; i++) {
    get_row(scores, i, line);
    for (int y = 0; y < w->h; y++) {
      const float *b = bias + bias_at(s, w, i, y);
      for (int x = 0; x < w->w; x++)
        line[y * w->w + x] += b[x];
    }
    nd_row_softmax(line, (size_t)w->tokens);
    put_row(scores, i, line);
  }
}

/* Gradients of weights (in ds) to those of scores; adds those of the biases. */
ND_KERNEL static void weigh_backward(const shape *s, const window *w, const panels *weights, const panels *ds,
                                     float *line, float *dline, float *dbias) {
  for (int i = 0; i < w->tokens; i++) {
    get_row(weights, i, line);
    get_row(ds, i, dline);
    nd_row_softmax_backward(line, dline, (size_t)w->tokens);
    put_row(ds, i, dline);
    for (int y = 0; y < w->h; y++) {
      float *b = dbias + bias_at(s, w, i, y);
      for (int x = 0; x < w->w; x++)
        b[x] += dline[y * w->w + x];
    }
  }
}

static void score(const work *p, const window *w, int head, desk *d) {
  size_t channel = (size_t)head * (size_t)p->s.width, side = (size_t)(2 * p->s.window - 1);
  copy_rows(p, w, p->in.q + channel, p->in.q_step, p->scale, d->q);
  pack_columns(p, w, p->in.k + channel, p->in.kv_step, &d->k_t);
  d->scores.rows = d->scores.columns = w->tokens;
  multiply(&d->scores, d->q, p->s.width, 1, &d->k_t);
  weigh(&p->s, w, p->bias + (size_t)head * side * side, &d->scores, d->line);
}

static void forward_head(const work *p, const window *w, int head, desk *d) {
  size_t channel = (size_t)head * (size_t)p->s.width, step = (size_t)(p->s.heads * p->s.width);
  score(p, w, head, d);
  pack_rows(p, w, p->in.v + channel, p->in.kv_step, &d->v);
  d->result.rows = w->tokens;
  multiply_panels(&d->result, &d->scores, &d->v);
  unpack_rows(p, w, &d->result, step, 1, p->y + channel);
}

/* With weights P = softmax(S): dV = P' dY, dP = dY V', dS = P (dP - sum of P dP), dQ = scale dS K,
 * dK = scale dS' Q. */
static void backward_head(const work *p, const window *w, int head, desk *d) {
  size_t channel = (size_t)head * (size_t)p->s.width, step = (size_t)(p->s.heads * p->s.width),
         side = (size_t)(2 * p->s.window - 1);
  score(p, w, head, d);
  copy_rows(p, w, p->dy + channel, step, 1, d->dy);
  pack_rows(p, w, p->dy + channel, step, &d->dy_panels);
  d->result.rows = w->tokens;
  multiply_transposed(&d->result, &d->scores, &d->dy_panels);
  unpack_rows(p, w, &d->result, p->in.kv_step, 1, p->out.v + channel);
  pack_columns(p, w, p->in.v + channel, p->in.kv_step, &d->v_t);
  d->ds.rows = d->ds.columns = w->tokens;
  multiply(&d->ds, d->dy, p->s.width, 1, &d->v_t);
  weigh_backward(&p->s, w, &d->scores, &d->ds, d->line, d->dline, d->dbias + (size_t)head * side * side);
  pack_rows(p, w, p->in.k + channel, p->in.kv_step, &d->k);
  multiply_panels(&d->result, &d->ds, &d->k);
  unpack_rows(p, w, &d->result, p->in.q_step, p->scale, p->out.q + channel);
  pack_rows(p, w, p->in.q + channel, p->in.q_step, &d->q_panels);
  multiply_transposed(&d->result, &d->ds, &d->q_panels);
  unpack_rows(p, w, &d->result, p->in.kv_step, p->scale, p->out.k + channel);
}

/* ---- All windows ---- */

static void forward_windows(size_t begin, size_t end, int thread, void *context) {
  const work *p = context;
  for (size_t i = begin; i < end; i++) {
    window w = window_at(p, i);
    for (int head = 0; head < p->s.heads; head++)
      forward_head(p, &w, head, &p->desks[thread]);
  }
}

static void backward_windows(size_t begin, size_t end, int thread, void *context) {
  const work *p = context;
  for (size_t i = begin; i < end; i++) {
    window w = window_at(p, i);
    for (int head = 0; head < p->s.heads; head++)
      backward_head(p, &w, head, &p->desks[thread]);
  }
}

static size_t bias_count(const shape *s) {
  size_t side = (size_t)(2 * s->window - 1);
  return (size_t)s->heads * side * side;
}

static void set_up_desk(const shape *s, bool backward, desk *d, nd_arena *a) {
  int tokens = s->window * s->window, c = s->width;
  size_t count = (size_t)tokens * (size_t)c;
  d->q = nd_arena_floats(a, count);
  d->k_t = panels_new(a, c, tokens);
  d->scores = panels_new(a, tokens, tokens);
  d->result = panels_new(a, tokens, c);
  d->line = nd_arena_floats(a, (size_t)tokens);
  if (!backward) {
    d->v = panels_new(a, tokens, c);
    return;
  }
  d->dy = nd_arena_floats(a, count);
  d->v_t = panels_new(a, c, tokens);
  d->ds = panels_new(a, tokens, tokens);
  d->k = panels_new(a, tokens, c);
  d->q_panels = panels_new(a, tokens, c);
  d->dy_panels = panels_new(a, tokens, c);
  d->dline = nd_arena_floats(a, (size_t)tokens);
  d->dbias = nd_arena_floats(a, bias_count(s));
}

static work set_up(const shape *s, const nd_window_attention_in *in, bool backward, nd_arena *a) {
  work p = {.s = *s, .scale = 1 / sqrtf((float)s->width)};
  size_t threads = (size_t)nd_threads();
  p.down = grid_count(s, s->h);
  p.across = grid_count(s, s->w);
  p.bias = nd_arena_floats(a, bias_count(s));
  p.desks = (desk *)nd_arena_floats(a, (threads * sizeof(desk) + sizeof(float) - 1) / sizeof(float));
  for (size_t i = 0; i < threads; i++) {
    desk unused;
    set_up_desk(s, backward, p.desks ? &p.desks[i] : &unused, a);
  }
  if (in)
    p.in = *in;
  return p;
}

/* Between [2 window - 1 squared][heads], by query minus key, and [heads][...], by key minus query. */
static size_t turned(const shape *s, size_t head, size_t at) {
  size_t places = bias_count(s) / (size_t)s->heads;
  return (places - 1 - at) * (size_t)s->heads + head;
}

static void turn_bias(work *p) {
  size_t places = bias_count(&p->s) / (size_t)p->s.heads;
  for (size_t i = 0; i < bias_count(&p->s); i++)
    p->bias[i] = p->in.bias[turned(&p->s, i / places, i % places)];
}

static void add_up_bias(const work *p) {
  size_t places = bias_count(&p->s) / (size_t)p->s.heads, threads = (size_t)nd_threads();
  for (size_t i = 0; i < bias_count(&p->s); i++) {
    double sum = 0;
    for (size_t t = 0; t < threads; t++)
      sum += (double)p->desks[t].dbias[i];
    p->out.bias[turned(&p->s, i / places, i % places)] = (float)sum;
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
  turn_bias(&p);
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
  turn_bias(&p);
  for (int t = 0; t < nd_threads(); t++)
    memset(p.desks[t].dbias, 0, bias_count(s) * sizeof(float));
  nd_parallel(windows_of(&p), 1, backward_windows, &p);
  if (out->bias)
    add_up_bias(&p);
  return scratch.used;
}
