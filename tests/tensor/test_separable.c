/* A linear layer and the depth-wise convolution after it in one pass, held against plain loops in double
 * precision; and when a graph makes one node of the two. */
#include "../wide/micro_wide.h"
#include "tensor/graph-private.h"
#include "tensor/kernels/conv.h"
#include "tensor/plan-private.h"

#include "base/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { GUARD = 1024 };

typedef struct separable {
  int n, h, w, from, channels;
  nd_activation first, activation; /* of the linear layer, of what comes after */
  bool biased, gated;
} separable;

static const separable cases[] = {
    {1, 7, 9, 5, 10, ND_LINEAR, ND_LINEAR, true, false},
    {2, 9, 7, 12, 64, ND_GELU, ND_GELU, true, false},
    {1, 16, 16, 20, 70, ND_LINEAR, ND_RELU, false, false}, /* slices that overlap, rows made four at a time */
    {3, 5, 3, 33, 300, ND_GELU, ND_LEAKY_RELU, true, false}, /* several passes */
    {1, 1, 1, 8, 2, ND_LINEAR, ND_GELU, true, true},
    {2, 6, 11, 17, 20, ND_GELU, ND_LINEAR, true, true},
    {1, 9, 8, 48, 510, ND_LINEAR, ND_GELU, false, true},
    {1, 70, 13, 9, 256, ND_LINEAR, ND_LINEAR, true, true}, /* long enough for parts of rows */
    {1, 3, 200, 16, 254, ND_GELU, ND_LINEAR, true, true},  /* strips of columns */
    {2, 4, 600, 3, 64, ND_LINEAR, ND_LINEAR, false, false},
    {1, 4, 5, 500, 66, ND_GELU, ND_LINEAR, true, false}, /* several products for one sum */
    {1, 2, 3, 1030, 12, ND_LINEAR, ND_LINEAR, true, true},
};

typedef struct factors {
  float *x, *first, *first_bias, *weights, *bias;
} factors;

static float *numbers(size_t n, uint64_t seed, double scale) {
  nd_rng r = nd_rng_make(11, seed, 0, ND_RANDOM_TEST);
  float *x = malloc(n * sizeof *x);
  nd_rng_fill_normal(&r, x, n);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)(x[i] * scale);
  return x;
}

static factors make_factors(const separable *c) {
  size_t from = (size_t)c->from, channels = (size_t)c->channels;
  return (factors){numbers((size_t)c->n * (size_t)c->h * (size_t)c->w * from, 1, 1),
                   numbers(channels * from, 2, 1 / sqrt(c->from)), c->biased ? numbers(channels, 3, 1) : NULL,
                   numbers(channels * 9, 4, 1.0 / 3), c->biased ? numbers(channels, 5, 1) : NULL};
}

static void free_factors(factors *f) {
  free(f->x), free(f->first), free(f->first_bias), free(f->weights), free(f->bias);
}

static double activated(double x, nd_activation a) {
  return a == ND_RELU         ? fmax(x, 0)
         : a == ND_LEAKY_RELU ? (x < 0 ? 0.25 * x : x)
         : a == ND_GELU       ? 0.5 * x * (1 + erf(x / sqrt(2)))
                              : x;
}

static double *linear_layer(const separable *c, const factors *f) {
  size_t pixels = (size_t)c->n * (size_t)c->h * (size_t)c->w, channels = (size_t)c->channels;
  double *y = calloc(pixels * channels, sizeof *y);
  for (size_t i = 0; i < pixels; i++)
    for (size_t k = 0; k < channels; k++) {
      double sum = f->first_bias ? f->first_bias[k] : 0;
      for (int j = 0; j < c->from; j++)
        sum += (double)f->x[i * (size_t)c->from + (size_t)j] * f->first[k * (size_t)c->from + (size_t)j];
      y[i * channels + k] = activated(sum, c->first);
    }
  return y;
}

static double nine_taps(const separable *c, const factors *f, const double *x, int image, int y, int col,
                        int k) {
  double sum = f->bias ? f->bias[k] : 0;
  for (int t = 0; t < 9; t++) {
    int row = y + t / 3 - 1, at = col + t % 3 - 1;
    if (row >= 0 && row < c->h && at >= 0 && at < c->w)
      sum += f->weights[k * 9 + t] * x[((image * c->h + row) * c->w + at) * c->channels + k];
  }
  return sum;
}

static double expected(const separable *c, const factors *f, const double *x, int image, int y, int col,
                       int k) {
  double first = activated(nine_taps(c, f, x, image, y, col, k), c->activation);
  return c->gated ? first * nine_taps(c, f, x, image, y, col, c->channels / 2 + k) : first;
}

static nd_conv_shape shape_of(const separable *c) {
  return (nd_conv_shape){.n = c->n,
                         .h = c->h,
                         .w = c->w,
                         .ci = c->channels,
                         .oh = c->h,
                         .ow = c->w,
                         .co = c->channels,
                         .kh = 3,
                         .kw = 3,
                         .stride = 1,
                         .pad = 1,
                         .dilation = 1,
                         .groups = c->channels,
                         .gated = c->gated,
                         .through = c->from};
}

/* Into y, with scratch memory of the size that was asked for and not a byte more. */
static void compute(const separable *c, const factors *f, float *y) {
  nd_conv_shape s = shape_of(c);
  nd_conv_shape plain = s;
  plain.through = 0;
  assert_true(nd_conv_takes_linear(&plain));
  size_t bytes = nd_conv_forward_scratch(&s);
  unsigned char *scratch = aligned_alloc(64, bytes + GUARD);
  memset(scratch, 0xa5, bytes + GUARD);
  nd_conv_forward_through(&s, f->x, &(nd_conv_linear){f->first, f->first_bias, c->first}, f->weights,
                          &(nd_epilogue){f->bias, c->activation, 0.25f}, y, scratch);
  for (size_t i = 0; i < GUARD; i++)
    assert_int_equal(scratch[bytes + i], 0xa5);
  free(scratch);
}

static void compare(size_t number, const separable *c, const float *y, const factors *f, const double *x) {
  int out = c->channels / (c->gated ? 2 : 1);
  for (int image = 0; image < c->n; image++)
    for (int row = 0; row < c->h; row++)
      for (int col = 0; col < c->w; col++)
        for (int k = 0; k < out; k++, y++) {
          double want = expected(c, f, x, image, row, col, k);
          if (!(fabs(*y - want) < 2e-5 * (1 + fabs(want))))
            fail_msg("case %zu, image %d, row %d, column %d, channel %d: %g, not %g", number, image, row, col,
                     k, *y, want);
        }
}

/* With vectors of both lengths, by one thread and by three. */
static void as_plain_loops_compute_it(void **state) {
  (void)state;
  int threads = nd_threads();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const separable *c = &cases[i];
    factors f = make_factors(c);
    double *x = linear_layer(c, &f);
    size_t numbers_out = (size_t)c->n * (size_t)c->h * (size_t)c->w * (size_t)c->channels;
    float *y = malloc(numbers_out * sizeof *y);
    for (int k = 0; k < 4; k++) {
      nd_micro_force(nd_tested_micro(k % 2));
      nd_set_threads(k < 2 ? 1 : 3);
      memset(y, 0xff, numbers_out * sizeof *y);
      compute(c, &f, y);
      compare(i, c, y, &f, x);
    }
    free(y), free(x);
    free_factors(&f);
  }
  nd_micro_as_started();
  nd_set_threads(threads);
}

/* ---- In a graph ---- */

enum { NOTHING, AN_OUTPUT, A_BACKWARD_PASS, HALVES };

static nd_tensor layer(nd_graph *g, const char *name, nd_tensor x, int out, int groups) {
  int in = nd_dims(g, x)[3], side = groups > 1 ? 3 : 1;
  g_autofree char *weights = g_strdup_printf("%s.weight", name), *bias = g_strdup_printf("%s.bias", name);
  nd_tensor w = nd_parameter(g, weights, ND_INIT_KAIMING, 4, (int[]){out, in / groups, side, side});
  return nd_conv2d(g, x, w, nd_parameter(g, bias, ND_INIT_ZERO, 1, &out),
                   (nd_conv2d_settings){.pad = side / 2, .groups = groups});
}

/* How many nodes run of a linear layer, GELU, a depth-wise convolution and a gate. */
static int nodes_of(int what) {
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_graph_set_dtype(g, what == HALVES ? ND_BF16 : ND_F32);
  nd_tensor x = nd_input(g, "x", 1, 12, 9, 24);
  nd_tensor first = nd_activate(g, layer(g, "first", x, 72, 1), ND_ACT_GELU, 0);
  nd_tensor y = nd_gate(g, layer(g, "second", first, 72, 72), ND_ACT_NONE);
  if (what == AN_OUTPUT)
    nd_output(g, "between", first);
  nd_output(g, "y", y);
  if (what == A_BACKWARD_PASS)
    assert_int_equal(nd_backward(g, nd_mse(g, y, nd_affine(g, y, 2, 1))), 0);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), 0);
  int linear = 0;
  for (guint i = 0; i < plan->order->len; i++) {
    const nd_node *n = nd_node_at(g, g_array_index(plan->order, int, i));
    linear += !strcmp(n->op->name, "conv2d");
  }
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
  return linear;
}

static void one_node_where_nobody_sees_what_is_between(void **state) {
  (void)state;
  assert_int_equal(nodes_of(NOTHING), 1);
  assert_int_equal(nodes_of(AN_OUTPUT), 2);
  assert_true(nodes_of(A_BACKWARD_PASS) >= 2);
  assert_int_equal(nodes_of(HALVES), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_plain_loops_compute_it),
                                     cmocka_unit_test(one_node_where_nobody_sees_what_is_between)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
