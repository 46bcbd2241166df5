/* Speed of the convolution kernels, shape by shape: billions of floating-point operations a second that a
 * direct convolution would need (2 * n * oh * ow * co * ci * kh * kw), for the three passes, with oneDNN on
 * the same NHWC data and the processor's peak of fused multiply-adds beside them. The best of several runs.
 *
 *   conv_kernels [-d] [-w] [-n] [-r RUNS] [-t THREADS] [FILTER]
 *   -d, -w: force direct, Winograd; -n: without oneDNN; FILTER: only shapes whose name contains it
 */
#include "tensor/kernels/choose.h"
#include "tensor/kernels/conv.h"
#include "tensor/kernels/micro.h"
#include "tensor/kernels/peak.h"

#include "base/base.h"

#include <dnnl.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int runs = 7;

/* With one thread its processor time, which other programs disturb less. */
static double now(void) {
  struct timespec t;
  clock_gettime(nd_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Shapes and buffers ---- */

typedef struct shape_row {
  int n, size, ci, co, kernel, stride;
} shape_row;

static const shape_row table[] = {
    {6, 128, 64, 64, 3, 1},  {6, 64, 128, 128, 3, 1},  {6, 32, 256, 256, 3, 1},  {6, 16, 512, 512, 3, 1},
    {6, 8, 512, 512, 3, 1},  {1, 128, 64, 64, 3, 1},   {1, 64, 128, 128, 3, 1},  {1, 32, 256, 256, 3, 1},
    {1, 16, 512, 512, 3, 1}, {6, 16, 1024, 512, 3, 1}, {6, 16, 768, 512, 3, 1},  {6, 32, 768, 256, 3, 1},
    {6, 32, 512, 256, 3, 1}, {6, 32, 384, 256, 3, 1},  {6, 64, 384, 128, 3, 1},  {6, 64, 256, 128, 3, 1},
    {6, 64, 192, 128, 3, 1}, {6, 128, 192, 64, 3, 1},  {6, 128, 128, 64, 3, 1},  {6, 128, 9, 64, 3, 1},
    {6, 128, 3, 64, 3, 1},   {6, 128, 64, 3, 3, 1},    {8, 64, 32, 32, 3, 1},    {4, 64, 32, 32, 3, 1},
    {8, 32, 64, 64, 3, 1},   {8, 32, 32, 64, 3, 1},    {8, 64, 3, 32, 3, 1},     {8, 64, 32, 3, 3, 1},
    {6, 64, 128, 128, 3, 2}, {6, 128, 64, 64, 3, 2},   {6, 128, 64, 64, 1, 1},   {6, 64, 192, 128, 1, 1},
    {6, 32, 256, 256, 1, 1}, {6, 16, 512, 512, 1, 1},  {6, 16, 1024, 512, 1, 1}, {1, 512, 64, 64, 3, 1},
    {1, 512, 64, 3, 3, 1},   {6, 64, 32, 32, 5, 1},
};

static nd_conv_shape shape_of(const shape_row *r) {
  int pad = r->kernel / 2, out = (r->size + 2 * pad - r->kernel) / r->stride + 1;
  return (nd_conv_shape){.n = r->n,
                         .h = r->size,
                         .w = r->size,
                         .ci = r->ci,
                         .oh = out,
                         .ow = out,
                         .co = r->co,
                         .kh = r->kernel,
                         .kw = r->kernel,
                         .stride = r->stride,
                         .pad = pad,
                         .dilation = 1,
                         .groups = 1};
}

static bool huge_pages = true;

static float *noise(size_t count) {
  const size_t page = 2 << 20;
  size_t bytes = (count * sizeof(float) + page - 1) / page * page;
  float *p = aligned_alloc(page, bytes);
  if (huge_pages)
    madvise(p, bytes, MADV_HUGEPAGE);
  uint32_t state = 1;
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    p[i] = (float)(state >> 8) * 0x1p-23f - 1;
  }
  return p;
}

/* ---- Ours ---- */

typedef struct buffers {
  float *x, *y, *w, *bias, *scratch;
} buffers;

static void run_ours(const nd_conv_shape *s, nd_conv_pass pass, const buffers *b) {
  if (pass == ND_CONV_FORWARD)
    nd_conv_forward(s, b->x, b->w, &(nd_epilogue){b->bias, ND_LINEAR, 0}, b->y, b->scratch);
  else if (pass == ND_CONV_BACKWARD_DATA)
    nd_conv_backward_data(s, b->y, b->w, b->x, b->scratch);
  else
    nd_conv_backward_weights(s, b->x, b->y, b->w, b->bias, b->scratch);
}

static size_t scratch_of(const nd_conv_shape *s) {
  size_t a = nd_conv_forward_scratch(s), b = nd_conv_backward_data_scratch(s),
         c = nd_conv_backward_weights_scratch(s);
  return a > b ? (a > c ? a : c) : (b > c ? b : c);
}

/* ---- oneDNN ---- */

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void must(dnnl_status_t status, const char *what) {
  if (status != dnnl_success) {
    fprintf(stderr, "oneDNN: %s failed with status %d\n", what, (int)status);
    exit(1);
  }
}

typedef struct theirs {
  dnnl_primitive_t primitive;
  dnnl_exec_arg_t args[4];
  int count;
} theirs;

static dnnl_memory_t memory_of(dnnl_primitive_desc_t pd, dnnl_query_t what, void *data) {
  const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, what, 0);
  dnnl_memory_t m;
  must(dnnl_memory_create(&m, md, engine, data ? data : DNNL_MEMORY_ALLOCATE), "memory");
  if (!data) {
    void *p;
    must(dnnl_memory_get_data_handle(m, &p), "memory handle");
    memset(p, 0, dnnl_memory_desc_get_size(md));
  }
  return m;
}

static void describe(const nd_conv_shape *s, nd_conv_pass pass, dnnl_convolution_desc_t *d) {
  dnnl_dims_t xd = {s->n, s->ci, s->h, s->w}, wd = {s->co, s->ci, s->kh, s->kw}, bd = {s->co};
  dnnl_dims_t yd = {s->n, s->co, s->oh, s->ow}, step = {s->stride, s->stride}, pad = {s->pad, s->pad};
  dnnl_memory_desc_t x, w, b, y;
  must(dnnl_memory_desc_init_by_tag(&x, 4, xd, dnnl_f32, dnnl_nhwc), "descriptor");
  must(dnnl_memory_desc_init_by_tag(&w, 4, wd, dnnl_f32, dnnl_format_tag_any), "descriptor");
  must(dnnl_memory_desc_init_by_tag(&b, 1, bd, dnnl_f32, dnnl_a), "descriptor");
  must(dnnl_memory_desc_init_by_tag(&y, 4, yd, dnnl_f32, dnnl_nhwc), "descriptor");
  if (pass == ND_CONV_FORWARD)
    must(dnnl_convolution_forward_desc_init(d, dnnl_forward_training, dnnl_convolution_direct, &x, &w, &b, &y,
                                            step, pad, pad),
         "forward");
  else if (pass == ND_CONV_BACKWARD_DATA)
    must(dnnl_convolution_backward_data_desc_init(d, dnnl_convolution_direct, &x, &w, &y, step, pad, pad),
         "data");
  else
    must(dnnl_convolution_backward_weights_desc_init(d, dnnl_convolution_direct, &x, &w, &b, &y, step, pad,
                                                     pad),
         "weights");
}

static theirs make_theirs(const nd_conv_shape *s, nd_conv_pass pass, const buffers *b) {
  dnnl_convolution_desc_t d;
  dnnl_primitive_desc_t forward = NULL, pd;
  describe(s, ND_CONV_FORWARD, &d);
  must(dnnl_primitive_desc_create(&forward, &d, NULL, engine, NULL), "forward primitive");
  describe(s, pass, &d);
  must(dnnl_primitive_desc_create(&pd, &d, NULL, engine, pass == ND_CONV_FORWARD ? NULL : forward),
       "primitive");
  theirs t = {0};
  must(dnnl_primitive_create(&t.primitive, pd), "primitive");
  bool weights = pass == ND_CONV_BACKWARD_WEIGHTS, data = pass == ND_CONV_BACKWARD_DATA;
  t.args[0] = (dnnl_exec_arg_t){data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
                                memory_of(pd, data ? dnnl_query_diff_src_md : dnnl_query_src_md, b->x)};
  t.args[1] =
      (dnnl_exec_arg_t){weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
                        memory_of(pd, weights ? dnnl_query_diff_weights_md : dnnl_query_weights_md, NULL)};
  t.args[2] = (dnnl_exec_arg_t){
      pass == ND_CONV_FORWARD ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST,
      memory_of(pd, pass == ND_CONV_FORWARD ? dnnl_query_dst_md : dnnl_query_diff_dst_md, b->y)};
  t.count = 3;
  if (!data) {
    dnnl_memory_desc_t md;
    dnnl_dims_t dims = {s->co};
    must(dnnl_memory_desc_init_by_tag(&md, 1, dims, dnnl_f32, dnnl_a), "bias");
    t.args[t.count++].arg = weights ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS;
    must(dnnl_memory_create(&t.args[3].memory, &md, engine, b->bias), "bias");
  }
  dnnl_primitive_desc_destroy(pd);
  dnnl_primitive_desc_destroy(forward);
  return t;
}

static void free_theirs(theirs *t) {
  for (int i = 0; i < t->count; i++)
    dnnl_memory_destroy(t->args[i].memory);
  dnnl_primitive_destroy(t->primitive);
}

/* ---- The table ---- */

/* Best seconds of each, taken in turn so that a busy machine is unkind to both. */
static void time_both(const nd_conv_shape *s, nd_conv_pass pass, const buffers *b, theirs *t,
                      double best[2]) {
  best[0] = best[1] = DBL_MAX;
  for (int i = 0; i < runs; i++) {
    double start = now();
    run_ours(s, pass, b);
    double took = now() - start;
    best[0] = took < best[0] ? took : best[0];
    if (!t)
      continue;
    start = now();
    dnnl_primitive_execute(t->primitive, stream, t->count, t->args);
    dnnl_stream_wait(stream);
    took = now() - start;
    best[1] = took < best[1] ? took : best[1];
  }
}

static void run_shape(const nd_conv_shape *s, const char *name, bool with_dnnl) {
  double flops = 2.0 * s->n * s->oh * s->ow * s->co * s->ci * s->kh * s->kw;
  size_t scratch = scratch_of(s);
  buffers b = {noise((size_t)s->n * (size_t)(s->h * s->w) * (size_t)s->ci),
               noise((size_t)s->n * (size_t)(s->oh * s->ow) * (size_t)s->co),
               noise((size_t)(s->co * s->ci * s->kh * s->kw)), noise((size_t)s->co), noise(scratch / 4)};
  printf("%-24s", name);
  for (int pass = ND_CONV_FORWARD; pass <= ND_CONV_BACKWARD_WEIGHTS; pass++) {
    theirs t;
    double best[2];
    if (with_dnnl)
      t = make_theirs(s, (nd_conv_pass)pass, &b);
    time_both(s, (nd_conv_pass)pass, &b, with_dnnl ? &t : NULL, best);
    if (with_dnnl)
      free_theirs(&t);
    printf(" |%7.0f %7.2f ms", flops / best[0] * 1e-9, best[0] * 1e3);
    if (with_dnnl)
      printf(" %6.0f", flops / best[1] * 1e-9);
    fflush(stdout);
  }
  printf(" | %.0f MB\n", (double)scratch * 0x1p-20);
  free(b.x), free(b.y), free(b.w), free(b.bias), free(b.scratch);
}

int main(int argc, char **argv) {
  bool with_dnnl = true;
  for (int c; (c = getopt(argc, argv, "dwnpsr:t:")) != -1;) {
    if (c == 'd' || c == 'w')
      nd_conv_force(c == 'd' ? ND_CONV_DIRECT : ND_CONV_WINOGRAD);
    else if (c == 'p')
      nd_micro_force(&nd_micro_portable);
    else if (c == 's')
      huge_pages = false;
    else if (c == 'n')
      with_dnnl = false;
    else if (c == 'r')
      runs = atoi(optarg);
    else if (c == 't')
      nd_set_threads(atoi(optarg));
    else
      return 2;
  }
  must(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
  must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
  printf(
      "%s, %d threads, peak %.0f GFLOP/s; GFLOP/s ours, time, GFLOP/s oneDNN of forward | data | weights\n",
      nd_micro_best()->name, nd_threads(), nd_peak_flops() * 1e-9);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    nd_conv_shape s = shape_of(&table[i]);
    char name[64];
    snprintf(name, sizeof name, "%dx%d N%d %d->%d k%d s%d", s.h, s.w, s.n, s.ci, s.co, s.kh, s.stride);
    if (optind >= argc || strstr(name, argv[optind]))
      run_shape(&s, name, with_dnnl);
  }
  return 0;
}
