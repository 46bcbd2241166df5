/* Bilinear up-sampling (kernels/bilinear.h). Where it samples depends on the whole picture's size, so a run
 * on a part of one (nd_window) samples where the whole would. The gradient gathers, for one row of the input,
 * from the output rows that touch it. */
#include "tensor/ops/ops-private.h"

#include <math.h>
#include <string.h>

typedef struct work {
  nd_data x, out;
  float *buffers; /* for each thread: two rows of the small side and one of the large, where they are bf16 */
  int h, w, big_h, big_w; /* input size, output size */
  nd_axis rows, columns;
  int first_in, first_out; /* of a part of the rows, where it begins in all of them */
  size_t c;
} work;

nd_axis nd_upsample_axis(const nd_upsample_attr *a, int in, int begin, int full, int window) {
  if (!window)
    return (nd_axis){in, in * a->factor, 0, in, in * a->factor, a->centred};
  int rate = window / in; /* how much coarser this level is than the picture */
  return (nd_axis){in, in * a->factor, begin / rate, full / rate, full / rate * a->factor, a->centred};
}

ND_KERNEL static void mix_row(const float *restrict top, const float *restrict bottom, float v, const work *w,
                              float *restrict out) {
  size_t c = w->c;
  for (int x = 0; x < w->big_w; x++, out += c) {
    nd_tap t = nd_tap_of(x, w->columns);
    size_t l = (size_t)t.low * c, h = (size_t)t.high * c;
    float a = (1 - v) * (1 - t.t), b = (1 - v) * t.t, d = v * (1 - t.t), e = v * t.t;
    for (size_t k = 0; k < c; k++)
      out[k] = a * top[l + k] + b * top[h + k] + d * bottom[l + k] + e * bottom[h + k];
  }
}

/* Numbers of the rows that a thread widens. */
static size_t row_floats(const work *w) {
  return (size_t)(2 * w->w + w->big_w) * w->c;
}

static void forward_rows(size_t begin, size_t end, int thread, void *context) {
  const work *w = context;
  size_t row = (size_t)w->w * w->c, big_row = (size_t)w->big_w * w->c;
  float *low = w->buffers + (size_t)thread * row_floats(w), *high = low + row, *big = high + row;
  for (size_t i = begin; i < end; i++) {
    size_t x = i / (size_t)w->big_h * (size_t)w->h * row;
    nd_tap t = nd_tap_of(w->first_out + (int)(i % (size_t)w->big_h), w->rows);
    t.low -= w->first_in, t.high -= w->first_in;
    mix_row(nd_read(w->x, x + (size_t)t.low * row, row, low),
            nd_read(w->x, x + (size_t)t.high * row, row, high), t.t, w,
            nd_to_write(w->out, i * big_row, big));
    nd_written(w->out, i * big_row, big_row, big);
  }
}

ND_KERNEL static void gather_row(const float *restrict dy, float v, const work *w, float *restrict dx) {
  size_t c = w->c;
  for (int x = 0; x < w->big_w; x++, dy += c) {
    nd_tap t = nd_tap_of(x, w->columns);
    float *low = dx + (size_t)t.low * c, *high = dx + (size_t)t.high * c;
    float a = v * (1 - t.t), b = v * t.t;
    for (size_t k = 0; k < c; k++)
      low[k] += a * dy[k];
    for (size_t k = 0; k < c; k++)
      high[k] += b * dy[k];
  }
}

/* The rows of the output that may sample row y of the input. */
static void outputs_of(int y, const work *w, int *first, int *last) {
  double step = w->rows.centred ? (double)w->big_h / w->h
                : w->h > 1      ? (double)(w->big_h - 1) / (w->h - 1)
                                : w->big_h;
  *first = MAX(0, (int)((y - 1) * step));
  *last = MIN(w->big_h - 1, (int)ceil((y + (w->rows.centred ? 2 : 1)) * step));
}

static void backward_rows(size_t begin, size_t end, int thread, void *context) {
  const work *w = context;
  size_t row = (size_t)w->w * w->c, big_row = (size_t)w->big_w * w->c;
  float *small = w->buffers + (size_t)thread * row_floats(w), *big = small + 2 * row;
  for (size_t i = begin; i < end; i++) {
    int y = (int)(i % (size_t)w->h);
    float *dx = nd_to_write(w->out, i * row, small);
    memset(dx, 0, row * sizeof *dx);
    size_t dy = i / (size_t)w->h * (size_t)w->big_h * big_row;
    int first, last;
    outputs_of(y, w, &first, &last);
    for (int o = first; o <= last; o++) {
      nd_tap t = nd_tap_of(o, w->rows);
      float v = (t.low == y ? 1 - t.t : 0) + (t.high == y && t.high != t.low ? t.t : 0);
      if (v != 0)
        gather_row(nd_read(w->x, dy + (size_t)o * big_row, big_row, big), v, w, dx);
    }
    nd_written(w->out, i * row, row, dx);
  }
}

static work work_of(const nd_run_context *r, const nd_value *small, const nd_value *big) {
  const nd_window *p = r->window;
  int h = small->dims[1], w = small->dims[2], big_h = big->dims[1], big_w = big->dims[2];
  const nd_upsample_attr *a = r->node->attr;
  return (work){.x = nd_run_in_data(r, 0),
                .out = nd_run_out_data(r, 0),
                .buffers = r->scratch,
                .h = h,
                .w = w,
                .big_h = big_h,
                .big_w = big_w,
                .rows = nd_upsample_axis(a, h, p->y, p->full_height, p->height),
                .columns = nd_upsample_axis(a, w, p->x, p->full_width, p->width),
                .c = (size_t)small->dims[3]};
}

static int prepare_rows(nd_node *n, const nd_value *small, const nd_value *big) {
  bool widens = small->dtype == ND_BF16 || big->dtype == ND_BF16;
  work w = {.w = small->dims[2], .big_w = big->dims[2], .c = (size_t)small->dims[3]};
  n->scratch_bytes = widens ? (size_t)nd_threads() * row_floats(&w) * sizeof(float) : 0;
  return 0;
}

static int prepare(const nd_graph *g, nd_node *n) {
  return prepare_rows(n, nd_in_value(g, n, 0), nd_out_value(g, n, 0));
}

static int prepare_backward(const nd_graph *g, nd_node *n) {
  return prepare_rows(n, nd_out_value(g, n, 0), nd_in_value(g, n, 0));
}

/* The picture's rows on both sides, whatever part of them is at hand. */
static nd_axis rows_axis(const nd_graph *g, const nd_node *n, const nd_window *p) {
  return nd_upsample_axis(n->attr, nd_in_value(g, n, 0)->dims[1], p->y, p->full_height, p->height);
}

nd_rows nd_upsample_rows(nd_rows of, nd_axis rows) {
  return (nd_rows){nd_tap_of(of.from, rows).low, nd_tap_of(of.to - 1, rows).high + 1};
}

static bool rows_of(const nd_graph *g, const nd_node *n, int i, nd_rows of, nd_rows *from) {
  (void)i;
  *from = nd_upsample_rows(of, rows_axis(g, n, &(nd_window){0}));
  return true;
}

static void run(const nd_run_context *r) {
  work w = work_of(r, nd_run_in_value(r, 0), nd_run_out_value(r, 0));
  if (r->part) {
    w.rows = rows_axis(r->graph, r->node, r->window);
    w.first_in = r->part->in_from[0];
    w.first_out = r->part->out_from;
  }
  nd_parallel((size_t)nd_run_out_value(r, 0)->dims[0] * (size_t)w.big_h, 4, forward_rows, &w);
}

static void run_backward(const nd_run_context *r) {
  work w = work_of(r, nd_run_out_value(r, 0), nd_run_in_value(r, 0));
  nd_parallel((size_t)nd_run_out_value(r, 0)->dims[0] * (size_t)w.h, 2, backward_rows, &w);
}

static const nd_op upsample_bilinear_backward = {.name = "upsample_bilinear_backward",
                                                 .attr_size = sizeof(nd_upsample_attr),
                                                 .takes_bf16 = nd_always_takes_bf16,
                                                 .prepare = prepare_backward,
                                                 .run = run_backward};

static void gradient(nd_graph *g, const nd_node *n, const nd_tensor *dout, const bool *wanted,
                     nd_tensor *din) {
  if (wanted[0])
    din[0] = nd_append_like(g, &upsample_bilinear_backward, n->attr, 1, dout, n->in[0]);
}

static double sampled_at(int i, int in, int out, bool centred) {
  if (centred)
    return CLAMP((i + 0.5) * in / out - 0.5, 0, in - 1);
  return out > 1 ? (double)i * (in - 1) / (out - 1) : 0;
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const nd_value *a = nd_in_value(g, node, 0), *b = nd_out_value(g, node, 0);
  int h = a->dims[1], w = a->dims[2], c = a->dims[3];
  bool centred = ((const nd_upsample_attr *)node->attr)->centred;
  double *y = out[0];
  for (int n = 0; n < b->dims[0]; n++)
    for (int i = 0; i < b->dims[1]; i++)
      for (int j = 0; j < b->dims[2]; j++) {
        double sy = sampled_at(i, h, b->dims[1], centred), sx = sampled_at(j, w, b->dims[2], centred);
        int y0 = (int)floor(sy), x0 = (int)floor(sx), y1 = MIN(y0 + 1, h - 1), x1 = MIN(x0 + 1, w - 1);
        double v = sy - y0, u = sx - x0;
        const double *p = in[0] + n * h * w * c;
        for (int k = 0; k < c; k++)
          *y++ = (1 - v) * ((1 - u) * p[(y0 * w + x0) * c + k] + u * p[(y0 * w + x1) * c + k]) +
                 v * ((1 - u) * p[(y1 * w + x0) * c + k] + u * p[(y1 * w + x1) * c + k]);
      }
}

static void onnx(nd_onnx *o, const nd_graph *g, const nd_node *n) {
  (void)g;
  const nd_upsample_attr *a = n->attr;
  float factor = (float)a->factor, scales[] = {1, 1, factor, factor};
  const char *x = nd_onnx_value(o, n->in[0], ND_ONNX_CHANNELS_FIRST);
  x = nd_onnx_node(o, "Resize", ND_ONNX_IN(x, "", nd_onnx_reals(o, 1, (int64_t[]){4}, scales)),
                   ND_ONNX_WITH(ND_ONNX_TEXT("mode", "linear"),
                                ND_ONNX_TEXT("coordinate_transformation_mode",
                                             a->centred ? "half_pixel" : "align_corners")));
  nd_onnx_set(o, n->out[0], ND_ONNX_CHANNELS_FIRST, x);
}

static nd_tensor upsample(nd_graph *g, nd_tensor x, nd_upsample_attr a) {
  if (!nd_ready(g, 1, &x))
    return ND_NONE;
  const int *d = nd_dims(g, x);
  return nd_append(g, &nd_op_upsample_bilinear, &a, 1, &x, d[0], d[1] * a.factor, d[2] * a.factor, d[3]);
}

nd_tensor nd_upsample_bilinear(nd_graph *g, nd_tensor x, int factor) {
  return upsample(g, x, (nd_upsample_attr){factor, false});
}

nd_tensor nd_upsample_bilinear_centred(nd_graph *g, nd_tensor x, int factor) {
  return upsample(g, x, (nd_upsample_attr){factor, true});
}

static nd_tensor example(nd_graph *g, int i) {
  static const int size[][3] = {{3, 4, 2}, {1, 5, 2}, {5, 1, 3}, {4, 6, 2}};
  if (i >= 8)
    return ND_NONE;
  nd_tensor x = nd_example_input(g, 2, size[i % 4][0], size[i % 4][1], 3);
  return upsample(g, x, (nd_upsample_attr){size[i % 4][2], i >= 4});
}

const nd_op nd_op_upsample_bilinear = {.name = "upsample_bilinear",
                                       .again = &nd_op_upsample_bilinear,
                                       .attr_size = sizeof(nd_upsample_attr),
                                       .linear = nd_always_linear,
                                       .takes_bf16 = nd_always_takes_bf16,
                                       .prepare = prepare,
                                       .gradient = gradient,
                                       .run = run,
                                       .rows = rows_of,
                                       .reference = reference,
                                       .onnx = onnx,
                                       .example = example};
