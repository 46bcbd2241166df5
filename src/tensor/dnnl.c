/* The one file that knows oneDNN's C interface, 2.x and 3.x. Everything else sees dnnl-private.h. */
#include "tensor/dnnl-private.h"

#include <dnnl.h>
#include <glib.h>
#include <omp.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t md_handle;
typedef const_dnnl_memory_desc_t md_view;
#else
typedef dnnl_memory_desc_t *md_handle;
typedef const dnnl_memory_desc_t *md_view;
#endif

enum { MAX_ARGS = 6 };

/* A primitive, its memory objects, and reorders for the factors that it wants in a layout of its own. */
typedef struct part {
  dnnl_primitive_t primitive;
  int n;
  dnnl_exec_arg_t args[MAX_ARGS];
} part;

typedef struct slot {
  dnnl_memory_t plain, packed; /* packed: NULL when the primitive takes the plain layout */
  part reorder;
  size_t packed_offset;
} slot;

struct nd_dnnl_conv {
  nd_dnnl_pass pass;
  nd_conv_shape shape;
  part main;
  slot a, b, out;
  dnnl_memory_t bias, scratchpad;
  size_t scratch_bytes, scratchpad_offset, bias_offset;
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static int check(dnnl_status_t s, const char *what) {
  return s == dnnl_success ? 0 : nd_fail("oneDNN could not %s (status %d)", what, (int)s);
}

static int start(void) {
  static gsize once;
  static int failed;
  if (g_once_init_enter(&once)) {
    failed = dnnl_engine_create(&engine, dnnl_cpu, 0) ||
             dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    g_once_init_leave(&once, 1);
  }
  omp_set_num_threads(nd_threads()); /* oneDNN's own threads */
  return failed ? nd_fail("oneDNN could not be started") : 0;
}

/* ---- Memory descriptors, which are values in 2.x and handles in 3.x ---- */
/* oneDNN declares its arguments as arrays of DNNL_MAX_NDIMS. */
static void full_dims(dnnl_dims_t full, int rank, const dnnl_dim_t *dims) {
  memset(full, 0, sizeof(dnnl_dims_t));
  memcpy(full, dims, (size_t)rank * sizeof *dims);
}

static md_handle md_plain(int rank, const dnnl_dim_t *shape, const dnnl_dim_t *steps) {
  dnnl_dims_t dims, strides;
  full_dims(dims, rank, shape);
  full_dims(strides, rank, steps);
#if DNNL_VERSION_MAJOR >= 3
  md_handle md = NULL;
  dnnl_memory_desc_create_with_strides(&md, rank, dims, dnnl_f32, strides);
#else
  md_handle md = g_new0(dnnl_memory_desc_t, 1);
  dnnl_memory_desc_init_by_strides(md, rank, dims, dnnl_f32, strides);
#endif
  return md;
}

static md_handle md_any(int rank, const dnnl_dim_t *shape) {
  dnnl_dims_t dims;
  full_dims(dims, rank, shape);
#if DNNL_VERSION_MAJOR >= 3
  md_handle md = NULL;
  dnnl_memory_desc_create_with_tag(&md, rank, dims, dnnl_f32, dnnl_format_tag_any);
#else
  md_handle md = g_new0(dnnl_memory_desc_t, 1);
  dnnl_memory_desc_init_by_tag(md, rank, dims, dnnl_f32, dnnl_format_tag_any);
#endif
  return md;
}

static void md_free(md_handle md) {
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_destroy(md);
#else
  g_free(md);
#endif
}

static dnnl_memory_t memory_of(md_view md) {
  dnnl_memory_t m = NULL;
  dnnl_memory_create(&m, md, engine, DNNL_MEMORY_NONE);
  return m;
}

static void set(dnnl_memory_t m, const void *p) {
  /* oneDNN takes one kind of pointer for sources and destinations. */
  dnnl_memory_set_data_handle(m, (void *)(uintptr_t)p);
}

static void part_arg(part *p, int arg, dnnl_memory_t m) {
  p->args[p->n++] = (dnnl_exec_arg_t){arg, m};
}

static void part_run(const part *p) {
  dnnl_primitive_execute(p->primitive, stream, p->n, p->args);
}

static size_t take(size_t *total, size_t bytes) {
  size_t at = *total;
  *total += (bytes + 63) / 64 * 64;
  return at;
}

/* The plain memory of a factor and, where the primitive wants another layout, the packed one and the way. */
static int slot_new(slot *s, md_handle plain, md_view wanted, bool backwards, size_t *scratch) {
  s->plain = memory_of(plain);
  if (dnnl_memory_desc_equal(plain, wanted))
    return 0;
  s->packed = memory_of(wanted);
  s->packed_offset = take(scratch, dnnl_memory_desc_get_size(wanted));
  md_view from = backwards ? wanted : plain, to = backwards ? plain : wanted;
  dnnl_primitive_desc_t pd = NULL;
  if (check(dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, NULL), "plan a reorder"))
    return -1;
  int failed = check(dnnl_primitive_create(&s->reorder.primitive, pd), "make a reorder");
  dnnl_primitive_desc_destroy(pd);
  part_arg(&s->reorder, DNNL_ARG_FROM, backwards ? s->packed : s->plain);
  part_arg(&s->reorder, DNNL_ARG_TO, backwards ? s->plain : s->packed);
  return failed;
}

static dnnl_memory_t slot_memory(const slot *s) {
  return s->packed ? s->packed : s->plain;
}

static void slot_bind(const slot *s, const void *p, char *scratch) {
  set(s->plain, p);
  if (s->packed)
    set(s->packed, scratch + s->packed_offset);
}

static void slot_reorder(const slot *s) {
  if (s->packed)
    part_run(&s->reorder);
}

static void slot_free(slot *s) {
  dnnl_memory_destroy(s->plain);
  dnnl_memory_destroy(s->packed);
  dnnl_primitive_destroy(s->reorder.primitive);
}

/* ---- Convolution ---- */
typedef struct conv_descs {
  md_handle x, w, w_any, y, bias;
} conv_descs;

static conv_descs conv_descs_new(const nd_conv_shape *s) {
  dnnl_dim_t n = s->n, h = s->h, w = s->w, ci = s->ci, oh = s->oh, ow = s->ow, co = s->co, g = s->groups;
  dnnl_dim_t kh = s->kh, kw = s->kw, i = ci / g, o = co / g;
  conv_descs d;
  d.x = md_plain(4, (dnnl_dim_t[]){n, ci, h, w}, (dnnl_dim_t[]){h * w * ci, 1, w * ci, ci});
  d.y = md_plain(4, (dnnl_dim_t[]){n, co, oh, ow}, (dnnl_dim_t[]){oh * ow * co, 1, ow * co, co});
  dnnl_dim_t grouped[] = {g, o, i, kh, kw};
  dnnl_dim_t strides[] = {o * i * kh * kw, i * kh * kw, kh * kw, kw, 1};
  int skip = g == 1;
  d.w = md_plain(5 - skip, grouped + skip, strides + skip);
  d.w_any = md_any(5 - skip, grouped + skip);
  d.bias = md_plain(1, &co, (dnnl_dim_t[]){1});
  return d;
}

static void conv_descs_free(conv_descs *d) {
  md_free(d->x);
  md_free(d->y);
  md_free(d->w);
  md_free(d->w_any);
  md_free(d->bias);
}

static dnnl_status_t conv_pd(const nd_conv_shape *s, nd_dnnl_pass pass, const conv_descs *d,
                             dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr,
                             dnnl_primitive_desc_t *pd) {
  dnnl_dims_t stride = {s->stride, s->stride}, dilation = {s->dilation - 1, s->dilation - 1};
  dnnl_dims_t left = {s->pad, s->pad};
  dnnl_dims_t right = {(s->oh - 1) * s->stride + s->dilation * (s->kh - 1) + 1 - s->h - s->pad,
                       (s->ow - 1) * s->stride + s->dilation * (s->kw - 1) + 1 - s->w - s->pad};
#if DNNL_VERSION_MAJOR >= 3
  if (pass == ND_DNNL_FORWARD)
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_training,
                                                          dnnl_convolution_direct, d->x, d->w_any, d->bias,
                                                          d->y, stride, dilation, left, right, attr);
  if (pass == ND_DNNL_BACKWARD_DATA)
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, d->x, d->w_any, d->y, stride, dilation, left, right, hint, attr);
  return dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, dnnl_convolution_direct, d->x,
                                                                 d->w_any, d->bias, d->y, stride, dilation,
                                                                 left, right, hint, attr);
#else
  dnnl_convolution_desc_t c;
  dnnl_status_t status;
  if (pass == ND_DNNL_FORWARD)
    status =
        dnnl_dilated_convolution_forward_desc_init(&c, dnnl_forward_training, dnnl_convolution_direct, d->x,
                                                   d->w_any, d->bias, d->y, stride, dilation, left, right);
  else if (pass == ND_DNNL_BACKWARD_DATA)
    status = dnnl_dilated_convolution_backward_data_desc_init(&c, dnnl_convolution_direct, d->x, d->w_any,
                                                              d->y, stride, dilation, left, right);
  else
    status = dnnl_dilated_convolution_backward_weights_desc_init(
        &c, dnnl_convolution_direct, d->x, d->w_any, d->bias, d->y, stride, dilation, left, right);
  return status == dnnl_success ? dnnl_primitive_desc_create(pd, &c, attr, engine, hint) : status;
#endif
}

static md_view pd_md(dnnl_primitive_desc_t pd, dnnl_query_t what) {
  return dnnl_primitive_desc_query_md(pd, what, 0);
}

static int conv_build(nd_dnnl_conv *c, const conv_descs *d, dnnl_primitive_desc_t pd) {
  bool forward = c->pass == ND_DNNL_FORWARD, weights = c->pass == ND_DNNL_BACKWARD_WEIGHTS;
  size_t *total = &c->scratch_bytes;
  int failed = 0;
  part *m = &c->main;
  if (forward) {
    failed = slot_new(&c->a, d->x, d->x, false, total) ||
             slot_new(&c->b, d->w, pd_md(pd, dnnl_query_weights_md), false, total) ||
             slot_new(&c->out, d->y, d->y, true, total);
    part_arg(m, DNNL_ARG_SRC, slot_memory(&c->a));
    part_arg(m, DNNL_ARG_WEIGHTS, slot_memory(&c->b));
    part_arg(m, DNNL_ARG_DST, slot_memory(&c->out));
  } else if (weights) {
    failed = slot_new(&c->a, d->x, d->x, false, total) || slot_new(&c->b, d->y, d->y, false, total) ||
             slot_new(&c->out, d->w, pd_md(pd, dnnl_query_diff_weights_md), true, total);
    part_arg(m, DNNL_ARG_SRC, slot_memory(&c->a));
    part_arg(m, DNNL_ARG_DIFF_DST, slot_memory(&c->b));
    part_arg(m, DNNL_ARG_DIFF_WEIGHTS, slot_memory(&c->out));
  } else {
    failed = slot_new(&c->a, d->y, d->y, false, total) ||
             slot_new(&c->b, d->w, pd_md(pd, dnnl_query_weights_md), false, total) ||
             slot_new(&c->out, d->x, d->x, true, total);
    part_arg(m, DNNL_ARG_DIFF_DST, slot_memory(&c->a));
    part_arg(m, DNNL_ARG_WEIGHTS, slot_memory(&c->b));
    part_arg(m, DNNL_ARG_DIFF_SRC, slot_memory(&c->out));
  }
  if (c->pass != ND_DNNL_BACKWARD_DATA) {
    c->bias = memory_of(d->bias);
    c->bias_offset = take(total, (size_t)c->shape.co * sizeof(float));
    part_arg(m, weights ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, c->bias);
  }
  md_view pad = pd_md(pd, dnnl_query_scratchpad_md);
  c->scratchpad = memory_of(pad);
  c->scratchpad_offset = take(total, dnnl_memory_desc_get_size(pad));
  part_arg(m, DNNL_ARG_SCRATCHPAD, c->scratchpad);
  return failed ? -1 : check(dnnl_primitive_create(&m->primitive, pd), "make a convolution");
}

static int conv_plan(nd_dnnl_conv *c, const conv_descs *d) {
  dnnl_primitive_attr_t attr = NULL;
  dnnl_primitive_attr_create(&attr);
  dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  dnnl_primitive_desc_t hint = NULL, pd = NULL;
  int failed = check(conv_pd(&c->shape, ND_DNNL_FORWARD, d, NULL, attr, &hint), "plan a convolution");
  if (!failed && c->pass != ND_DNNL_FORWARD)
    failed = check(conv_pd(&c->shape, c->pass, d, hint, attr, &pd), "plan the gradient of a convolution");
  if (!failed)
    failed = conv_build(c, d, pd ? pd : hint);
  dnnl_primitive_desc_destroy(pd);
  dnnl_primitive_desc_destroy(hint);
  dnnl_primitive_attr_destroy(attr);
  return failed;
}

int nd_dnnl_conv_new(const nd_conv_shape *s, nd_dnnl_pass pass, nd_dnnl_conv **out) {
  *out = NULL;
  if (start())
    return -1;
  nd_dnnl_conv *c = g_new0(nd_dnnl_conv, 1);
  c->pass = pass;
  c->shape = *s;
  conv_descs d = conv_descs_new(s);
  int failed = conv_plan(c, &d);
  conv_descs_free(&d);
  if (failed) {
    nd_dnnl_conv_free(c);
    return -1;
  }
  *out = c;
  return 0;
}

void nd_dnnl_conv_free(nd_dnnl_conv *c) {
  if (!c)
    return;
  slot_free(&c->a);
  slot_free(&c->b);
  slot_free(&c->out);
  dnnl_memory_destroy(c->bias);
  dnnl_memory_destroy(c->scratchpad);
  dnnl_primitive_destroy(c->main.primitive);
  g_free(c);
}

size_t nd_dnnl_conv_scratch(const nd_dnnl_conv *c) {
  return c->scratch_bytes;
}

static void activate(float *y, size_t n, nd_activation activation, float slope) {
  if (activation == ND_RELU)
    slope = 0;
  for (size_t i = 0; i < n; i++)
    y[i] = y[i] > 0 ? y[i] : slope * y[i];
}

/* bias: read in the forward pass, written in the backward one of weights. */
static void run(nd_dnnl_conv *c, const float *a, const float *b, float *out, const float *bias,
                void *scratch) {
  char *base = scratch;
  slot_bind(&c->a, a, base);
  slot_bind(&c->b, b, base);
  slot_bind(&c->out, out, base);
  if (c->bias && bias) {
    set(c->bias, bias);
  } else if (c->bias) {
    memset(base + c->bias_offset, 0, (size_t)c->shape.co * sizeof(float));
    set(c->bias, base + c->bias_offset);
  }
  set(c->scratchpad, base + c->scratchpad_offset);
  slot_reorder(&c->a);
  slot_reorder(&c->b);
  part_run(&c->main);
  slot_reorder(&c->out);
  dnnl_stream_wait(stream);
}

void nd_dnnl_conv_forward(nd_dnnl_conv *c, const float *x, const float *weights, const nd_epilogue *e,
                          float *y, void *scratch) {
  const nd_conv_shape *s = &c->shape;
  run(c, x, weights, y, e->bias, scratch);
  if (e->activation != ND_LINEAR)
    activate(y, (size_t)s->n * (size_t)s->oh * (size_t)s->ow * (size_t)s->co, e->activation, e->slope);
}

void nd_dnnl_conv_backward(nd_dnnl_conv *c, const float *a, const float *b, float *out, float *dbias,
                           void *scratch) {
  run(c, a, b, out, dbias, scratch);
}
