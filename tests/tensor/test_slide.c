/* Sliding over a picture gives what a run on the whole gives, however many rows go at a time. */
#include "tensor/graph-private.h"
#include "tensor/kernels/choose.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

typedef nd_tensor (*build_fn)(nd_graph *g, nd_tensor x);

static nd_tensor conv(nd_graph *g, const char *name, nd_tensor x, int out, int kernel, nd_conv2d_settings s) {
  int in = nd_dims(g, x)[3];
  nd_scope_push(g, "%s", name);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, (int[]){out, in, kernel, kernel});
  nd_tensor b = nd_parameter(g, "bias", ND_INIT_NORMAL, 1, &out);
  nd_scope_pop(g);
  return nd_conv2d(g, x, w, b, s);
}

static nd_tensor plain(nd_graph *g, const char *name, nd_tensor x, int out) {
  return conv(g, name, x, out, 3,
              (nd_conv2d_settings){.pad = 1, .activation = ND_ACT_LEAKY_RELU, .slope = 0.2f});
}

/* The same with what a convolution reads where it is: joined tensors and enlarged ones. */
static nd_tensor composed(nd_graph *g, nd_tensor x) {
  nd_tensor a = plain(g, "a", x, 16), b = plain(g, "b", nd_average_pool(g, a, 2), 32),
            c = plain(g, "c", nd_average_pool(g, b, 2), 64);
  nd_tensor d = plain(g, "d", nd_concat(g, plain(g, "d0", nd_upsample_bilinear(g, c, 2), 32), b, 3), 32);
  nd_tensor e =
      plain(g, "e", nd_concat(g, plain(g, "e0", nd_upsample_bilinear_centred(g, d, 2), 16), a, 3), 16);
  return nd_add(g, plain(g, "f", e, 3), x);
}

/* Three levels with skips and a detour whose rows are late. */
static nd_tensor hourglass(nd_graph *g, nd_tensor x) {
  nd_tensor a = plain(g, "a", plain(g, "a0", x, 9), 9), b = plain(g, "b", nd_average_pool(g, a, 2), 18),
            c = plain(g, "c", plain(g, "c0", nd_average_pool(g, b, 2), 20), 20);
  nd_tensor d = plain(g, "d", nd_concat(g, nd_upsample_bilinear(g, c, 2), b, 3), 10);
  nd_tensor e = plain(g, "e", nd_concat(g, nd_upsample_bilinear_centred(g, d, 2), a, 3), 7);
  return nd_add(g, conv(g, "f", e, 3, 5, (nd_conv2d_settings){.pad = 2}), x);
}

static nd_tensor strides(nd_graph *g, nd_tensor x) {
  nd_tensor a = conv(g, "a", x, 6, 3, (nd_conv2d_settings){.pad = 1, .stride = 2});
  nd_tensor b =
      nd_activate(g, conv(g, "b", a, 8, 3, (nd_conv2d_settings){.pad = 2, .dilation = 2}), ND_ACT_SILU, 0);
  nd_tensor c = nd_mul(g, conv(g, "c", b, 6, 1, (nd_conv2d_settings){0}), nd_affine(g, a, 0.5f, 1));
  return conv(g, "d", c, 3, 4, (nd_conv2d_settings){.pad = 1, .stride = 2});
}

static nd_tensor sees_all(nd_graph *g, nd_tensor x) {
  return nd_mul(g, x, nd_mean_to(g, x, (int[]){1, 1, 1, 3}));
}

typedef struct picture {
  const float *x;
  float *y;
  size_t in_row, out_row;
  int taken, given, limit;
} picture;

static int take(void *context, int y, int rows, float *to) {
  picture *p = context;
  assert_int_equal(y, p->taken);
  p->taken += rows;
  memcpy(to, p->x + (size_t)y * p->in_row, (size_t)rows * p->in_row * sizeof *to);
  return p->limit && p->taken > p->limit ? -1 : 0;
}

static int give(void *context, int y, int rows, const float *from) {
  picture *p = context;
  assert_int_equal(y, p->given);
  p->given += rows;
  memcpy(p->y + (size_t)y * p->out_row, from, (size_t)rows * p->out_row * sizeof *from);
  return 0;
}

typedef struct case_ {
  nd_params *params;
  float *values, *x, *whole;
  int height, width;
  size_t count; /* of the result */
} case_;

static nd_graph *graph_of(case_ *c, build_fn build, nd_tensor *x, nd_tensor *y) {
  nd_graph *g = nd_graph_new(c->params);
  nd_graph_set_training(g, false);
  *x = nd_input(g, "x", 1, c->height, c->width, 3);
  *y = build(g, *x);
  nd_output(g, "y", *y);
  return g;
}

static void case_open(case_ *c, build_fn build, int height, int width) {
  nd_tensor x, y;
  nd_plan *plan;
  *c = (case_){.params = nd_params_new(), .height = height, .width = width};
  nd_graph *g = graph_of(c, build, &x, &y);
  assert_int_equal(nd_compile(g, &plan), 0);
  c->values = nd_mem_alloc(nd_params_size(c->params) * sizeof(float), "test");
  nd_params_init(c->params, 3, c->values);
  nd_plan_bind(plan, c->values);
  size_t n = (size_t)height * (size_t)width * 3;
  c->x = g_new(float, n);
  nd_rng r = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_rng_fill_normal(&r, c->x, n);
  memcpy(nd_plan_tensor(plan, x), c->x, n * sizeof *c->x);
  nd_run(plan, 0, 0, 0);
  c->count = nd_value_of(g, y)->count;
  c->whole = g_memdup2(nd_plan_tensor(plan, y), c->count * sizeof(float));
  nd_plan_free(plan);
  nd_graph_free(g);
}

static void case_close(case_ *c) {
  nd_params_free(c->params);
  nd_mem_free(c->values);
  g_free(c->x);
  g_free(c->whole);
}

static void expect_same(case_ *c, build_fn build, int rows) {
  nd_tensor x, y;
  nd_slide *s;
  nd_graph *g = graph_of(c, build, &x, &y);
  if (nd_slide_new(g, x, y, rows, &s) || nd_slide_take_memory(s))
    fail_msg("%s", nd_error());
  nd_slide_bind(s, c->values);
  const int *d = nd_dims(g, y);
  g_autofree float *out = g_new0(float, c->count);
  picture p = {.x = c->x, .y = out, .in_row = (size_t)c->width * 3, .out_row = (size_t)d[2] * (size_t)d[3]};
  for (int twice = 0; twice < 2; twice++) {
    p.taken = p.given = 0;
    assert_int_equal(nd_slide_run(s, (nd_window){0}, &(nd_slide_ends){take, give, NULL, &p}), 0);
    assert_int_equal(p.taken, c->height);
    assert_int_equal(p.given, d[1]);
  }
  double worst = 0, scale = 0;
  for (size_t i = 0; i < c->count; i++) {
    worst = fmax(worst, fabs((double)out[i] - (double)c->whole[i]));
    scale = fmax(scale, fabs((double)c->whole[i]));
  }
  if (!(worst <= 2e-5 * scale))
    fail_msg("%d x %d, %d rows at a time: off by %g of %g", c->width, c->height, rows, worst, scale);
  nd_slide_free(s);
  nd_graph_free(g);
}

static void expect_same_with_any_rows(build_fn build, int height, int width) {
  case_ c;
  case_open(&c, build, height, width);
  for (int rows = 4; rows <= height + 4; rows = rows * 2 + (rows < 20 ? 0 : 4))
    expect_same(&c, build, rows);
  case_close(&c);
}

static void sliding_equals_the_whole(void **state) {
  (void)state;
  static const nd_conv_method methods[] = {ND_CONV_AUTO, ND_CONV_WINOGRAD, ND_CONV_DIRECT};
  for (int i = 0; i < 3; i++) {
    nd_conv_force(methods[i]);
    expect_same_with_any_rows(hourglass, 96, 20);
    expect_same_with_any_rows(hourglass, 4, 12);
    expect_same_with_any_rows(strides, 70, 33);
    expect_same_with_any_rows(composed, 88, 20);
    expect_same_with_any_rows(composed, 4, 12);
  }
  nd_conv_force(ND_CONV_AUTO);
}

/* Of a picture ten times as high no more is kept. */
static void memory_does_not_grow_with_height(void **state) {
  (void)state;
  size_t bytes[2];
  for (int i = 0; i < 2; i++) {
    case_ c = {.params = nd_params_new(), .height = i ? 4000 : 400, .width = 40};
    nd_tensor x, y;
    nd_slide *s;
    nd_graph *g = graph_of(&c, hourglass, &x, &y);
    assert_int_equal(nd_slide_new(g, x, y, 16, &s), 0);
    bytes[i] = nd_slide_bytes(s);
    nd_slide_free(s);
    nd_graph_free(g);
    nd_params_free(c.params);
  }
  assert_true(bytes[1] <= bytes[0] + bytes[0] / 10);
}

static void what_sees_the_whole_picture_does_not_slide(void **state) {
  (void)state;
  case_ c = {.params = nd_params_new(), .height = 40, .width = 40};
  nd_tensor x, y;
  nd_slide *s;
  nd_graph *g = graph_of(&c, sees_all, &x, &y);
  assert_int_equal(nd_slide_new(g, x, y, 16, &s), -1);
  assert_null(s);
  nd_graph_free(g);
  nd_params_free(c.params);
}

static void a_row_that_cannot_be_had_ends_the_run(void **state) {
  (void)state;
  case_ c;
  nd_tensor x, y;
  nd_slide *s;
  case_open(&c, hourglass, 64, 12);
  nd_graph *g = graph_of(&c, hourglass, &x, &y);
  assert_int_equal(nd_slide_new(g, x, y, 8, &s), 0);
  assert_int_equal(nd_slide_take_memory(s), 0);
  nd_slide_bind(s, c.values);
  g_autofree float *out = g_new0(float, c.count);
  picture p = {.x = c.x, .y = out, .in_row = 36, .out_row = 36, .limit = 30};
  assert_int_equal(nd_slide_run(s, (nd_window){0}, &(nd_slide_ends){take, give, NULL, &p}), -1);
  nd_slide_free(s);
  nd_graph_free(g);
  case_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sliding_equals_the_whole),
      cmocka_unit_test(memory_does_not_grow_with_height),
      cmocka_unit_test(what_sees_the_whole_picture_does_not_slide),
      cmocka_unit_test(a_row_that_cannot_be_had_ends_the_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
