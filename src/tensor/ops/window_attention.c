/* Self-attention inside windows, with a bias by relative position (kernels/window_attention.h). */
#include "tensor/kernels/window_attention.h"
#include "tensor/ops/ops-private.h"

#include <math.h>
#include <string.h>

extern const nd_op nd_op_window_attention;

typedef nd_window_attention_settings settings;
enum { MAX_WINDOW = 32 };

static nd_window_attention_shape shape_of(const nd_graph *g, const nd_node *n) {
  const settings *s = n->attr;
  const nd_value *x = nd_in_value(g, n, 0);
  int channels = x->dims[3] / (n->in[1] >= 0 ? 1 : 3);
  return (nd_window_attention_shape){.n = x->dims[0],
                                     .h = x->dims[1],
                                     .w = x->dims[2],
                                     .heads = s->heads,
                                     .width = channels / s->heads,
                                     .window = s->window,
                                     .shift = s->shift};
}

/* Queries, keys and values in the node's one or two inputs. */
static nd_window_attention_in inputs_of(const nd_run_context *r, const nd_window_attention_shape *s) {
  size_t c = (size_t)(s->heads * s->width);
  const float *q = nd_run_in(r, 0), *kv = nd_run_in(r, 1);
  const float *k = kv ? kv : q + c;
  return (nd_window_attention_in){q, k, k + c, kv ? c : 3 * c, kv ? 2 * c : 3 * c, nd_run_in(r, 2)};
}

static int prepare(const nd_graph *g, nd_node *n) {
  nd_window_attention_shape s = shape_of(g, n);
  n->scratch_bytes = nd_window_attention_forward(&s, NULL, NULL, (nd_arena){0});
  return 0;
}

static int prepare_backward(const nd_graph *g, nd_node *n) {
  nd_window_attention_shape s = shape_of(g, n);
  n->scratch_bytes = nd_window_attention_backward(&s, NULL, NULL, NULL, (nd_arena){0});
  return 0;
}

static void run(const nd_run_context *r) {
  nd_window_attention_shape s = shape_of(r->graph, r->node);
  nd_window_attention_in in = inputs_of(r, &s);
  nd_window_attention_forward(&s, &in, nd_run_out(r, 0), (nd_arena){.base = r->scratch});
}

/* Inputs as forward, then dy; outputs: the gradients of q, of the bias, and of kv if there is one. */
static void run_backward(const nd_run_context *r) {
  nd_window_attention_shape s = shape_of(r->graph, r->node);
  nd_window_attention_in in = inputs_of(r, &s);
  size_t c = (size_t)(s.heads * s.width);
  float *dq = nd_run_out(r, 0), *dk = nd_run_in(r, 1) ? nd_run_out(r, 2) : dq + c;
  nd_window_attention_out out = {dq, dk, dk + c, nd_run_out(r, 1)};
  nd_window_attention_backward(&s, &in, nd_run_in(r, 3), &out, (nd_arena){.base = r->scratch});
}

/* Multiplications and additions of `products` matrix products of each window. */
static double flops_of(const nd_graph *g, const nd_node *n, int products) {
  nd_window_attention_shape s = shape_of(g, n);
  return 2.0 * products * s.n * s.h * s.w * s.window * s.window * s.heads * s.width;
}

static double flops(const nd_graph *g, const nd_node *n) {
  return flops_of(g, n, 2);
}

static double flops_backward(const nd_graph *g, const nd_node *n) {
  return flops_of(g, n, 5);
}

static const nd_op window_attention_backward = {.name = "window_attention_backward",
                                                .attr_size = sizeof(settings),
                                                .prepare = prepare_backward,
                                                .run = run_backward,
                                                .flops = flops_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  const nd_tensor in[] = {n->in[0], n->in[1], n->in[2], dout[0]};
  const nd_value *kv = n->in[1] >= 0 ? nd_in_value(g, n, 1) : NULL;
  int bias[2] = {nd_in_value(g, n, 2)->dims[0], nd_in_value(g, n, 2)->dims[1]}, pair[4];
  if (kv)
    memcpy(pair, kv->dims, sizeof pair);
  nd_tensor dq = nd_append_like(g, &window_attention_backward, n->attr, 4, in, n->in[0]);
  nd_tensor dbias = nd_append_output(g, 2, bias);
  nd_tensor dkv = kv ? nd_append_output(g, 4, pair) : ND_NONE;
  nd_tensor all[] = {dq, dkv, dbias};
  for (int i = 0; i < 3; i++)
    if (wanted[i])
      din[i] = all[i];
}

/* ---- Reference: Swin's own words, a cyclic shift and a mask ---- */

typedef struct literal {
  nd_window_attention_shape s;
  const double *q, *k, *v, *bias;
  int q_step, kv_step;
} literal;

/* The original coordinate of i in the turned picture, and which of the mask's regions i is in. */
static int turned_back(int i, int shift, int length) {
  return (i + shift) % length;
}

static int region(int i, int length, const nd_window_attention_shape *s) {
  return !s->shift ? 0 : i < length - s->window ? 0 : i < length - s->shift ? 1 : 2;
}

typedef struct place {
  int y, x; /* in the turned picture */
} place;

static int pixel_at(const literal *l, int n, place p) {
  return (n * l->s.h + turned_back(p.y, l->s.shift, l->s.h)) * l->s.w + turned_back(p.x, l->s.shift, l->s.w);
}

/* e to the score of query a and key b. */
static double attention_weight(const literal *l, int n, place a, place b, int head) {
  const nd_window_attention_shape *s = &l->s;
  if (region(a.y, s->h, s) != region(b.y, s->h, s) || region(a.x, s->w, s) != region(b.x, s->w, s))
    return 0;
  const double *q = l->q + pixel_at(l, n, a) * l->q_step + head * s->width;
  const double *k = l->k + pixel_at(l, n, b) * l->kv_step + head * s->width;
  double sum = 0;
  for (int c = 0; c < s->width; c++)
    sum += q[c] * k[c] / sqrt(s->width);
  int side = 2 * s->window - 1, index = (a.y - b.y + s->window - 1) * side + a.x - b.x + s->window - 1;
  return exp(sum + l->bias[index * s->heads + head]);
}

static void attend(const literal *l, int n, place a, int head, double *out) {
  const nd_window_attention_shape *s = &l->s;
  int top = a.y / s->window * s->window, left = a.x / s->window * s->window;
  double total = 0;
  memset(out, 0, (size_t)s->width * sizeof *out);
  for (place b = {top, 0}; b.y < MIN(top + s->window, s->h); b.y++)
    for (b.x = left; b.x < MIN(left + s->window, s->w); b.x++) {
      double weight = attention_weight(l, n, a, b, head);
      const double *v = l->v + pixel_at(l, n, b) * l->kv_step + head * s->width;
      total += weight;
      for (int c = 0; c < s->width; c++)
        out[c] += weight * v[c];
    }
  for (int c = 0; c < s->width; c++)
    out[c] /= total;
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  literal l = {.s = shape_of(g, node), .q = in[0], .bias = in[2]};
  int c = l.s.heads * l.s.width;
  l.k = in[1] ? in[1] : in[0] + c;
  l.v = l.k + c;
  l.q_step = in[1] ? c : 3 * c;
  l.kv_step = in[1] ? 2 * c : 3 * c;
  for (int n = 0; n < l.s.n; n++)
    for (place a = {0, 0}; a.y < l.s.h; a.y++)
      for (a.x = 0; a.x < l.s.w; a.x++)
        for (int head = 0; head < l.s.heads; head++)
          attend(&l, n, a, head, out[0] + pixel_at(&l, n, a) * c + head * l.s.width);
}

/* ---- ONNX: the windows of a padded picture as one more axis; all scores of a picture are there at once ----
 */

static const float OUTSIDE = -1e9f; /* a score whose softmax is 0 */

/* Windows that are shifted begin outside the picture, above and to the left, and end outside. */
static const char *onnx_padded(nd_onnx *o, const char *x, const settings *s, float with) {
  if (!s->shift)
    return x;
  int before = s->window - s->shift;
  const char *pads = nd_onnx_ints(o, 8, (int64_t[]){0, before, before, 0, 0, s->shift, s->shift, 0});
  return nd_onnx_node(o, "Pad", ND_ONNX_IN(x, pads, nd_onnx_real(o, with)), NULL);
}

/* How many windows lie below one another. */
static const char *onnx_rows(nd_onnx *o, const nd_node *n) {
  const settings *s = n->attr;
  const char *rows =
      nd_onnx_node(o, "Div", ND_ONNX_IN(nd_onnx_length(o, n->out[0], 1), nd_onnx_int(o, s->window)), NULL);
  return s->shift ? nd_onnx_node(o, "Add", ND_ONNX_IN(rows, nd_onnx_int(o, 1)), NULL) : rows;
}

/* n,h,w,heads d, padded, to n, windows, heads, window^2, d. */
static const char *onnx_windows(nd_onnx *o, const nd_node *n, const char *x, int64_t heads, int64_t d) {
  int64_t window = ((const settings *)n->attr)->window;
  const char *shape =
      nd_onnx_join(o, ND_ONNX_IN(nd_onnx_int(o, 0), onnx_rows(o, n),
                                 nd_onnx_ints(o, 5, (int64_t[]){window, -1, window, heads, d})));
  x = nd_onnx_node(o, "Reshape", ND_ONNX_IN(x, shape), NULL);
  x = nd_onnx_transpose(o, x, 7, (int64_t[]){0, 1, 3, 5, 2, 4, 6});
  return nd_onnx_reshape(o, x, 5, (int64_t[]){0, -1, heads, window * window, d});
}

/* The way back. */
static const char *onnx_picture(nd_onnx *o, const nd_node *n, const char *x, int64_t heads, int64_t d) {
  int64_t window = ((const settings *)n->attr)->window, shift = ((const settings *)n->attr)->shift;
  const char *rows = onnx_rows(o, n);
  const char *shape = nd_onnx_join(
      o, ND_ONNX_IN(nd_onnx_int(o, 0), rows, nd_onnx_ints(o, 5, (int64_t[]){-1, heads, window, window, d})));
  x = nd_onnx_node(o, "Reshape", ND_ONNX_IN(x, shape), NULL);
  x = nd_onnx_transpose(o, x, 7, (int64_t[]){0, 1, 4, 2, 5, 3, 6});
  const char *height = nd_onnx_node(o, "Mul", ND_ONNX_IN(rows, nd_onnx_int(o, window)), NULL);
  shape =
      nd_onnx_join(o, ND_ONNX_IN(nd_onnx_int(o, 0), height, nd_onnx_ints(o, 2, (int64_t[]){-1, heads * d})));
  x = nd_onnx_node(o, "Reshape", ND_ONNX_IN(x, shape), NULL);
  if (!shift)
    return x;
  return nd_onnx_slice(o, nd_onnx_slice(o, x, 1, window - shift, -shift), 2, window - shift, -shift);
}

/* The table by relative position as heads, window^2 queries, window^2 keys. */
static const char *onnx_bias(nd_onnx *o, const nd_node *n) {
  int window = ((const settings *)n->attr)->window, places = window * window, side = 2 * window - 1;
  g_autofree int64_t *index = g_new(int64_t, (size_t)places * (size_t)places);
  for (int a = 0; a < places; a++)
    for (int b = 0; b < places; b++)
      index[(size_t)a * (size_t)places + (size_t)b] =
          (a / window - b / window + window - 1) * side + a % window - b % window + window - 1;
  const char *all = nd_onnx_node(
      o, "Gather", ND_ONNX_IN(nd_onnx_weights(o, n->in[2]), nd_onnx_ints(o, places * places, index)), NULL);
  all = nd_onnx_reshape(o, all, 3, (int64_t[]){places, places, -1});
  return nd_onnx_transpose(o, all, 3, (int64_t[]){2, 0, 1});
}

/* 0 where a key is in the picture: 1, windows, 1, 1, window^2. */
static const char *onnx_mask(nd_onnx *o, const nd_node *n) {
  const settings *s = n->attr;
  const char *one = nd_onnx_int(o, 1),
             *shape = nd_onnx_join(
                 o, ND_ONNX_IN(one, nd_onnx_length(o, n->out[0], 1), nd_onnx_length(o, n->out[0], 2), one));
  const char *zeros = nd_onnx_node(o, "ConstantOfShape", ND_ONNX_IN(shape), NULL);
  const char *mask = onnx_windows(o, n, onnx_padded(o, zeros, s, OUTSIDE), 1, 1);
  return nd_onnx_transpose(o, mask, 5, (int64_t[]){0, 1, 2, 4, 3});
}

static const char *onnx_weights_of(nd_onnx *o, const nd_node *n, const char *q, const char *k, int64_t d) {
  const settings *s = n->attr;
  q = nd_onnx_node(o, "Mul", ND_ONNX_IN(q, nd_onnx_real(o, 1 / sqrtf((float)d))), NULL);
  k = nd_onnx_transpose(o, k, 5, (int64_t[]){0, 1, 2, 4, 3});
  const char *scores = nd_onnx_node(o, "MatMul", ND_ONNX_IN(q, k), NULL);
  scores = nd_onnx_node(o, "Add", ND_ONNX_IN(scores, onnx_bias(o, n)), NULL);
  if (s->shift)
    scores = nd_onnx_node(o, "Add", ND_ONNX_IN(scores, onnx_mask(o, n)), NULL);
  return nd_onnx_node(o, "Softmax", ND_ONNX_IN(scores), ND_ONNX_WITH(ND_ONNX_INT("axis", -1)));
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  const settings *s = n->attr;
  int64_t c = nd_out_value(g, n, 0)->dims[3], heads = s->heads, d = c / heads;
  bool apart = n->in[1] >= 0; /* keys and values from queries */
  if (nd_onnx_length_step(o, n->out[0], 1) % s->window || nd_onnx_length_step(o, n->out[0], 2) % s->window)
    nd_onnx_fail(o, "windows of %d pixels that do not fill the picture cannot be said in ONNX", s->window);
  const char *q = onnx_padded(o, nd_onnx_value(o, n->in[0], ND_ONNX_AS_IS), s, 0);
  const char *kv = apart ? onnx_padded(o, nd_onnx_value(o, n->in[1], ND_ONNX_AS_IS), s, 0) : q;
  int64_t k_at = apart ? 0 : c;
  const char *part[3] = {apart ? q : nd_onnx_slice(o, q, 3, 0, c), nd_onnx_slice(o, kv, 3, k_at, k_at + c),
                         nd_onnx_slice(o, kv, 3, k_at + c, k_at + 2 * c)};
  for (int i = 0; i < 3; i++)
    part[i] = onnx_windows(o, n, part[i], heads, d);
  const char *weights = onnx_weights_of(o, n, part[0], part[1], d);
  const char *y = nd_onnx_node(o, "MatMul", ND_ONNX_IN(weights, part[2]), NULL);
  nd_onnx_set(o, n->out[0], ND_ONNX_AS_IS, onnx_picture(o, n, y, heads, d));
}

/* ---- Building ---- */

nd_tensor nd_window_attention(nd_graph *g, nd_tensor q, nd_tensor kv, nd_tensor bias,
                              nd_window_attention_settings s) {
  if (!nd_ready(g, 2, (nd_tensor[]){q, bias}))
    return ND_NONE;
  const int *d = nd_dims(g, q), *b = nd_dims(g, bias), parts = kv >= 0 ? 1 : 3;
  if (s.window < 1 || s.window > MAX_WINDOW || s.shift < 0 || s.shift >= s.window)
    return nd_bad_node(g,
                       "attention in windows of %d pixels shifted by %d; windows may be 1 to %d wide, the "
                       "shift smaller",
                       s.window, s.shift, MAX_WINDOW);
  if (s.heads < 1 || d[3] % (parts * s.heads))
    return nd_bad_node(g, "%d channels do not split into %d x %d heads", d[3], parts, s.heads);
  int side = 2 * s.window - 1, c = d[3] / parts;
  if (b[0] != side * side || b[1] != s.heads)
    return nd_bad_node(g, "a bias of %d x %d for windows of %d pixels and %d heads; it must be %d x %d", b[0],
                       b[1], s.window, s.heads, side * side, s.heads);
  if (kv >= 0) {
    const int *e = nd_dims(g, kv);
    if (e[0] != d[0] || e[1] != d[1] || e[2] != d[2] || e[3] != 2 * c)
      return nd_bad_node(g, "queries %d x %d x %d x %d with keys and values %d x %d x %d x %d", d[0], d[1],
                         d[2], d[3], e[0], e[1], e[2], e[3]);
  }
  return nd_append(g, &nd_op_window_attention, &s, 3, (nd_tensor[]){q, kv, bias}, d[0], d[1], d[2], c);
}

static nd_tensor example(nd_graph *g, int i) {
  static const struct {
    int n, h, w, width;
    bool split;
    settings s;
  } e[] = {{2, 4, 6, 3, false, {.window = 2, .shift = 0, .heads = 2}},
           {1, 8, 8, 4, false, {.window = 4, .shift = 2, .heads = 3}},
           {2, 4, 8, 5, true, {.window = 4, .shift = 2, .heads = 2}},
           {1, 6, 9, 35, true, {.window = 3, .shift = 1, .heads = 1}},
           {1, 16, 8, 10, false, {.window = 8, .shift = 4, .heads = 2}},
           {1, 7, 7, 33, false, {.window = 7, .shift = 0, .heads = 1}}};
  if (i >= (int)G_N_ELEMENTS(e))
    return ND_NONE;
  int c = e[i].width * e[i].s.heads, side = 2 * e[i].s.window - 1;
  nd_tensor q = nd_example_input(g, e[i].n, e[i].h, e[i].w, e[i].split ? c : 3 * c);
  nd_tensor kv = e[i].split ? nd_example_input(g, e[i].n, e[i].h, e[i].w, 2 * c) : ND_NONE;
  nd_tensor bias = nd_example_parameter(g, 2, side * side, e[i].s.heads, 1, 1);
  return nd_window_attention(g, q, kv, bias, e[i].s);
}

const nd_op nd_op_window_attention = {.name = "window_attention",
                                      .attr_size = sizeof(settings),
                                      .in_place = 1,
                                      .gradient = gradient,
                                      .prepare = prepare,
                                      .run = run,
                                      .reference = reference,
                                      .onnx = onnx,
                                      .flops = flops,
                                      .example = example};
