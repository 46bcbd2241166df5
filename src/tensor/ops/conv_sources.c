/* What is done to a convolution's input just before becomes a part of it: two tensors joined by channel are
 * read one after the other, an up-sampled one is sampled where it is read, a depth-wise convolution makes the
 * rows of a linear layer that it needs. What is between, in such networks the largest tensors of all, is
 * never stored. */
#include "tensor/ops/conv-private.h"

#include "tensor/kernels/linear.h"

enum { WHOLE_VECTORS = 16, SECOND = 3 };

static bool take_in_concat(nd_node *n, const nd_graph *g, const nd_node *before) {
  if (*(const int *)before->attr != 3 || nd_in_value(g, before, 0)->dims[3] % WHOLE_VECTORS)
    return false;
  n->in[0] = before->in[0];
  n->in[SECOND] = before->in[1];
  n->n_in = SECOND + 1;
  return true;
}

static bool take_in_upsample(nd_node *n, const nd_node *before) {
  const nd_upsample_attr *a = before->attr;
  if (a->factor < 2)
    return false;
  n->in[0] = before->in[0];
  ((nd_conv_attr *)n->attr)->enlarged = *a;
  return true;
}

/* The linear layer before a depth-wise convolution. In bf16 training what it makes is bf16, and read so by
 * the backward pass; in use it would be widened anyway (precision.c). */
static bool take_in_linear(nd_node *n, const nd_graph *g, const nd_node *before) {
  nd_conv_attr *a = n->attr;
  const nd_conv_attr *first = before->attr;
  nd_act act = first->s.activation;
  if ((g->dtype != ND_F32 && g->differentiated) || !nd_linear_takes(&first->shape) ||
      (act != ND_ACT_NONE && act != ND_ACT_GELU))
    return false;
  a->shape.through = first->shape.ci;
  a->first = act;
  n->in[ND_CONV_FIRST_WEIGHTS] = before->in[1];
  n->in[ND_CONV_FIRST_BIAS] = before->in[2];
  n->in[0] = before->in[0];
  n->n_in = ND_CONV_FIRST_BIAS + 1;
  return true;
}

bool nd_conv_take_in(const nd_graph *g, nd_node *n, int i, const nd_node *before) {
  nd_conv_attr *a = n->attr;
  if (i == 0 && before->op == &nd_op_conv2d && !a->shape.through && nd_conv_takes_linear(&a->shape))
    return take_in_linear(n, g, before);
  if (i || a->shape.composed || !nd_conv_takes_sources(&a->shape))
    return false;
  a->shape.composed = (before->op == &nd_op_concat && take_in_concat(n, g, before)) ||
                      (before->op == &nd_op_upsample_bilinear && take_in_upsample(n, before));
  return a->shape.composed;
}

static nd_axis rows_axis(const nd_graph *g, const nd_node *n, const nd_window *p) {
  const nd_conv_attr *a = n->attr;
  return nd_upsample_axis(&a->enlarged, nd_in_value(g, n, 0)->dims[1], p->y, p->full_height, p->height);
}

/* Of the input as the convolution sees it, the rows that rows `of` of the output are made of. */
static nd_rows rows_seen(const nd_conv_shape *whole, nd_rows of) {
  return (nd_rows){MAX(of.from - whole->pad, 0), MIN(of.to - whole->pad + whole->kh - 1, whole->h)};
}

nd_rows nd_conv_source_rows(const nd_graph *g, const nd_node *n, nd_rows of) {
  const nd_conv_attr *a = n->attr;
  return nd_upsample_rows(rows_seen(&a->shape, of), rows_axis(g, n, &(nd_window){0}));
}

static size_t taps_bytes(const nd_conv_shape *s) {
  return ((size_t)(s->h + s->w) * sizeof(nd_tap) + 63) / 64 * 64;
}

size_t nd_conv_sources_scratch(const nd_conv_attr *a, int rows) {
  return a->enlarged.factor ? taps_bytes(&(nd_conv_shape){.h = rows, .w = a->shape.w}) : 0;
}

/* Fills taps; s->h and s->above become those of the rows that are sampled. */
static void place_taps(const nd_run_context *r, nd_conv_shape *s, nd_tap *taps) {
  const nd_conv_attr *a = r->node->attr;
  const nd_window *p = r->window;
  nd_axis rows = rows_axis(r->graph, r->node, p);
  nd_axis columns =
      nd_upsample_axis(&a->enlarged, nd_run_in_value(r, 0)->dims[2], p->x, p->full_width, p->width);
  nd_rows out = {0, a->shape.oh};
  if (r->part)
    out = (nd_rows){r->part->out_from, r->part->out_from + nd_run_out_value(r, 0)->dims[1]};
  nd_rows seen = rows_seen(&a->shape, out);
  int first = r->part ? r->part->in_from[0] : 0;
  s->h = seen.to - seen.from;
  s->above = r->part ? out.from - seen.from : 0;
  for (int i = 0; i < s->h; i++) {
    taps[i] = nd_tap_of(seen.from + i, rows);
    taps[i].low -= first, taps[i].high -= first;
  }
  for (int i = 0; i < s->w; i++)
    taps[s->h + i] = nd_tap_of(i, columns);
}

void nd_conv_find_sources(const nd_run_context *r, nd_conv_shape *s, nd_enlarged *e, nd_conv_source x[2]) {
  const nd_conv_attr *a = r->node->attr;
  const nd_value *first = nd_run_in_value(r, 0);
  x[0] = (nd_conv_source){nd_run_in(r, 0), first->dtype, first->dims[3], NULL};
  x[1] = (nd_conv_source){0};
  if (r->node->n_in > SECOND)
    x[1] = (nd_conv_source){nd_run_in(r, SECOND), nd_run_in_value(r, SECOND)->dtype,
                            nd_run_in_value(r, SECOND)->dims[3], NULL};
  if (!a->enlarged.factor)
    return;
  nd_tap *taps = r->scratch;
  place_taps(r, s, taps);
  *e = (nd_enlarged){first->dims[1], first->dims[2], taps, taps + s->h};
  x[0].enlarged = e;
}
