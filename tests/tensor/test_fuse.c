/* Activations that a convolution takes over: the same numbers as from two nodes, and only where nobody sees
 * what is between them. */
#include "tensor/graph-private.h"
#include "tensor/kernels/micro.h"

#include "base/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

typedef struct layer {
  int n, h, w, in, out, kernel, groups;
  nd_act act;
  bool fuses;
} layer;

enum { NOTHING, AN_OUTPUT, A_SECOND_READER, A_BACKWARD_PASS };

typedef struct run {
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_tensor x, y;
  float *values;
} run;

/* between: what there is that sees the convolution's output. */
static run open_run(const layer *l, nd_dtype dtype, int between) {
  run r = {.params = nd_params_new()};
  nd_graph *g = r.g = nd_graph_new(r.params);
  nd_graph_set_dtype(g, dtype);
  r.x = nd_input(g, "x", l->n, l->h, l->w, l->in);
  nd_tensor w = nd_parameter(g, "w", ND_INIT_KAIMING, l->kernel > 1 ? 4 : 2,
                             (int[]){l->out, l->in / l->groups, l->kernel, l->kernel}),
            b = nd_parameter(g, "b", ND_INIT_NORMAL, 1, &l->out);
  nd_tensor y = nd_conv2d(g, r.x, w, b, (nd_conv2d_settings){.pad = l->kernel / 2, .groups = l->groups});
  if (between == AN_OUTPUT)
    nd_output(g, "between", y);
  r.y = nd_activate(g, y, l->act, 0.2f);
  if (between == A_SECOND_READER)
    nd_output(g, "other", nd_add(g, y, y));
  nd_output(g, "y", r.y);
  if (between == A_BACKWARD_PASS)
    assert_int_equal(nd_backward(g, nd_mse(g, r.y, y)), 0);
  assert_int_equal(nd_compile(g, &r.plan), 0);
  r.values = nd_mem_alloc(nd_params_size(r.params) * sizeof(float), "test");
  nd_params_init(r.params, 1, r.values);
  nd_plan_bind(r.plan, r.values);
  nd_rng random = nd_rng_make(3, 0, 0, ND_RANDOM_TEST);
  nd_rng_fill_normal(&random, nd_plan_tensor(r.plan, r.x), nd_value_of(g, r.x)->count);
  nd_run(r.plan, 0, 0, 0);
  return r;
}

static void close_run(run *r) {
  nd_plan_free(r->plan);
  nd_graph_free(r->g);
  nd_params_free(r->params);
  nd_mem_free(r->values);
}

/* Of the root of the mean square, the largest difference. */
static double difference(const run *a, const run *b) {
  const float *x = nd_plan_tensor(a->plan, a->y), *y = nd_plan_tensor(b->plan, b->y);
  size_t n = nd_value_of(a->g, a->y)->count;
  double squares = 0, largest = 0;
  for (size_t i = 0; i < n; i++) {
    squares += (double)y[i] * y[i];
    largest = fmax(largest, fabs((double)x[i] - y[i]));
  }
  return largest / sqrt(squares / (double)n);
}

static const layer layers[] = {
    {1, 5, 7, 12, 70, 1, 1, ND_ACT_GELU, true},   {2, 9, 11, 600, 37, 1, 1, ND_ACT_GELU, true},
    {1, 40, 41, 8, 130, 1, 1, ND_ACT_GELU, true}, {2, 6, 9, 70, 70, 3, 70, ND_ACT_GELU, true},
    {1, 7, 5, 9, 9, 3, 9, ND_ACT_GELU, true},     {1, 7, 5, 9, 9, 3, 9, ND_ACT_LEAKY_RELU, true},
    {1, 9, 9, 20, 16, 3, 1, ND_ACT_RELU, true},   {1, 9, 9, 20, 16, 3, 2, ND_ACT_LEAKY_RELU, true},
    {1, 9, 9, 20, 16, 3, 1, ND_ACT_GELU, false},  {1, 9, 9, 20, 16, 3, 2, ND_ACT_GELU, false},
    {1, 9, 9, 20, 16, 1, 1, ND_ACT_SILU, false}};

static void one_node_computes_what_two_do(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    run one = open_run(&layers[i], ND_F32, NOTHING), two = open_run(&layers[i], ND_F32, AN_OUTPUT);
    assert_int_equal(nd_plan_nodes(one.plan), layers[i].fuses ? 1 : 2);
    assert_int_equal(nd_plan_nodes(two.plan), 2);
    assert_true(difference(&one, &two) < 1e-6);
    close_run(&one);
    close_run(&two);
  }
}

static void bf16_rounds_once_less(void **state) {
  (void)state;
  if (nd_precision(true) != ND_BF16)
    skip();
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    run half = open_run(&layers[i], ND_BF16, NOTHING), whole = open_run(&layers[i], ND_F32, NOTHING);
    assert_int_equal(nd_plan_nodes(half.plan), nd_plan_nodes(whole.plan));
    assert_true(difference(&half, &whole) < 0.02);
    close_run(&half);
    close_run(&whole);
  }
}

static void what_somebody_else_reads_stays(void **state) {
  (void)state;
  run two = open_run(&layers[0], ND_F32, AN_OUTPUT), other = open_run(&layers[0], ND_F32, A_SECOND_READER),
      back = open_run(&layers[0], ND_F32, A_BACKWARD_PASS);
  assert_int_equal(nd_plan_nodes(other.plan), 3);
  assert_true(difference(&other, &two) < 1e-6);
  assert_true(difference(&back, &two) < 1e-6);
  close_run(&two);
  close_run(&other);
  close_run(&back);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_node_computes_what_two_do),
                                     cmocka_unit_test(bf16_rounds_once_less),
                                     cmocka_unit_test(what_somebody_else_reads_stays)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
