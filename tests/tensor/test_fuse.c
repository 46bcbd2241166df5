/* Activations and gates that a convolution takes over, joined and enlarged tensors that it reads where they
 * are: the same numbers as from two nodes, and only where nobody sees what is between them. */
#include "../wide/micro_wide.h"
#include "tensor/graph-private.h"
#include "tensor/plan-private.h"
#include "tensor/kernels/choose.h"

#include "base/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

typedef struct layer {
  int n, h, w, in, out, kernel, groups;
  nd_act act;
  bool fuses, gated;
} layer;

enum { NOTHING, AN_OUTPUT, A_SECOND_READER, A_BACKWARD_PASS };

typedef struct run {
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_tensor x, x2, y;
  float *values;
} run;

static run new_run(nd_dtype dtype) {
  run r = {.params = nd_params_new()};
  r.g = nd_graph_new(r.params);
  nd_graph_set_dtype(r.g, dtype);
  return r;
}

static nd_tensor conv(nd_graph *g, nd_tensor x, const layer *l) {
  nd_tensor w = nd_parameter(g, "w", ND_INIT_KAIMING, l->kernel > 1 ? 4 : 2,
                             (int[]){l->out, l->in / l->groups, l->kernel, l->kernel}),
            b = nd_parameter(g, "b", ND_INIT_NORMAL, 1, &l->out);
  return nd_conv2d(g, x, w, b, (nd_conv2d_settings){.pad = l->kernel / 2, .groups = l->groups});
}

/* Of normal numbers. */
static void fill(const run *r, nd_tensor x) {
  nd_rng random = nd_rng_make(3, (uint64_t)x, 0, ND_RANDOM_TEST);
  nd_rng_fill_normal(&random, nd_plan_tensor(r->plan, x), nd_value_of(r->g, x)->count);
}

static void compile_and_run(run *r) {
  assert_int_equal(nd_compile(r->g, &r->plan), 0);
  r->values = nd_mem_alloc(nd_params_size(r->params) * sizeof(float), "test");
  nd_params_init(r->params, 1, r->values);
  nd_plan_bind(r->plan, r->values);
  fill(r, r->x);
  if (r->x2 >= 0)
    fill(r, r->x2);
  nd_run(r->plan, 0, 0, 0);
}

/* between: what there is that sees the convolution's output. */
static run open_run(const layer *l, nd_dtype dtype, int between) {
  run r = new_run(dtype);
  nd_graph *g = r.g;
  r.x = nd_input(g, "x", l->n, l->h, l->w, l->in);
  r.x2 = ND_NONE;
  nd_tensor y = conv(g, r.x, l);
  if (between == AN_OUTPUT)
    nd_output(g, "between", y);
  r.y = l->gated ? nd_gate(g, y, l->act) : nd_activate(g, y, l->act, 0.2f);
  if (between == A_SECOND_READER)
    nd_output(g, "other", nd_add(g, y, y));
  nd_output(g, "y", r.y);
  if (between == A_BACKWARD_PASS)
    assert_int_equal(nd_backward(g, nd_mse(g, r.y, y)), 0);
  compile_and_run(&r);
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

/* Closes both. */
static void expect_rounded_alone(run *half, run *whole) {
  assert_int_equal(nd_plan_nodes(half->plan), nd_plan_nodes(whole->plan));
  assert_true(difference(half, whole) < 0.02);
  close_run(half);
  close_run(whole);
}

/* other: with a node more. Closes all. */
static void expect_two_nodes(run *two, run *other, run *back) {
  assert_int_equal(nd_plan_nodes(other->plan), 3);
  assert_true(difference(other, two) < 1e-6);
  assert_true(difference(back, two) < 1e-5); /* whose forward pass computes cheap tensors as part of others */
  close_run(two);
  close_run(other);
  close_run(back);
}

static const layer layers[] = {{1, 5, 7, 12, 70, 1, 1, ND_ACT_GELU, true, false},
                               {2, 9, 11, 600, 37, 1, 1, ND_ACT_GELU, true, false},
                               {1, 40, 41, 8, 130, 1, 1, ND_ACT_GELU, true, false},
                               {2, 6, 9, 70, 70, 3, 70, ND_ACT_GELU, true, false},
                               {1, 7, 5, 9, 9, 3, 9, ND_ACT_GELU, true, false},
                               {1, 7, 5, 9, 9, 3, 9, ND_ACT_LEAKY_RELU, true, false},
                               {1, 9, 9, 20, 16, 3, 1, ND_ACT_RELU, true, false},
                               {1, 9, 9, 20, 16, 3, 2, ND_ACT_LEAKY_RELU, true, false},
                               {1, 9, 9, 20, 16, 3, 1, ND_ACT_GELU, false, false},
                               {1, 9, 9, 20, 16, 3, 2, ND_ACT_GELU, false, false},
                               {1, 9, 9, 20, 16, 1, 1, ND_ACT_SILU, false, false},
                               {2, 6, 9, 10, 10, 3, 10, ND_ACT_NONE, true, true},
                               {1, 7, 5, 2, 2, 3, 2, ND_ACT_GELU, true, true},
                               {1, 9, 33, 510, 510, 3, 510, ND_ACT_GELU, true, true},
                               {1, 5, 1, 128, 128, 3, 128, ND_ACT_NONE, true, true},
                               {1, 9, 9, 20, 16, 3, 1, ND_ACT_NONE, false, true}};

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
    expect_rounded_alone(&half, &whole);
  }
}

static void what_somebody_else_reads_stays(void **state) {
  (void)state;
  run two = open_run(&layers[0], ND_F32, AN_OUTPUT), other = open_run(&layers[0], ND_F32, A_SECOND_READER),
      back = open_run(&layers[0], ND_F32, A_BACKWARD_PASS);
  expect_two_nodes(&two, &other, &back);
}

static int count_runs(const run *r, const char *op) {
  int count = 0;
  for (guint i = 0; i < r->plan->order->len; i++)
    count += !strcmp(nd_node_at(r->g, g_array_index(r->plan->order, int, i))->op->name, op);
  return count;
}

/* The gate and its gradient are parts of the convolution's nodes, also of the one that computes it again; the
 * numbers are held against finite differences with the gate's examples. */
static void no_gate_runs_in_training(void **state) {
  (void)state;
  const layer first = {.in = 6, .out = 20, .kernel = 1, .groups = 1},
              second = {.in = 20, .out = 20, .kernel = 3, .groups = 20},
              third = {.in = 10, .out = 3, .kernel = 1, .groups = 1};
  run r = new_run(ND_F32);
  const layer *all[] = {&first, &second, &third};
  r.y = r.x = nd_input(r.g, "x", 1, 7, 8, 6);
  r.x2 = ND_NONE;
  for (int i = 0; i < 3; i++) {
    nd_scope_push(r.g, "%d", i);
    r.y = conv(r.g, r.y, all[i]);
    if (i == 1)
      r.y = nd_gate(r.g, r.y, ND_ACT_GELU);
    nd_scope_pop(r.g);
  }
  assert_int_equal(nd_backward(r.g, nd_mse(r.g, r.y, nd_affine(r.g, r.y, 2, 1))), 0);
  compile_and_run(&r);
  assert_int_equal(count_runs(&r, "gate") + count_runs(&r, "gate_backward"), 0);
  assert_int_equal(count_runs(&r, "conv2d_backward"), 1);
  assert_int_equal(count_runs(&r, "conv2d"), 4);
  close_run(&r);
}

enum { JOINED, ALIGNED, CENTRED };

/* A convolution after a change of its input: of the first tensor's size. */
typedef struct source {
  int change, n, h, w, c, c2, out, factor;
  bool fuses;
} source;

static const source sources[] = {
    {JOINED, 1, 9, 14, 32, 32, 20, 0, true}, {JOINED, 2, 13, 7, 16, 37, 33, 0, true},
    {JOINED, 1, 8, 8, 48, 1, 16, 0, true},   {JOINED, 1, 8, 8, 20, 32, 16, 0, false},
    {ALIGNED, 1, 5, 7, 16, 0, 20, 2, true},  {ALIGNED, 2, 6, 3, 70, 0, 33, 2, true},
    {ALIGNED, 1, 1, 9, 150, 0, 16, 2, true}, {ALIGNED, 1, 3, 1, 5, 0, 16, 5, true},
    {CENTRED, 2, 5, 7, 67, 0, 20, 2, true},  {CENTRED, 1, 1, 1, 64, 0, 9, 2, true},
    {CENTRED, 1, 4, 9, 128, 0, 17, 3, true}, {ALIGNED, 1, 4, 9, 12, 0, 17, 1, false},
};

static nd_tensor changed(run *r, const source *s) {
  r->x = nd_input(r->g, "x", s->n, s->h, s->w, s->c);
  r->x2 = s->change == JOINED ? nd_input(r->g, "x2", s->n, s->h, s->w, s->c2) : ND_NONE;
  return s->change == JOINED    ? nd_concat(r->g, r->x, r->x2, 3)
         : s->change == ALIGNED ? nd_upsample_bilinear(r->g, r->x, s->factor)
                                : nd_upsample_bilinear_centred(r->g, r->x, s->factor);
}

static run open_source(const source *s, nd_dtype dtype, int between) {
  run r = new_run(dtype);
  layer l = {.in = s->c + s->c2, .out = s->out, .kernel = 3, .groups = 1};
  nd_tensor x = changed(&r, s);
  if (between == AN_OUTPUT)
    nd_output(r.g, "between", x);
  r.y = conv(r.g, x, &l);
  if (between == A_SECOND_READER)
    nd_output(r.g, "other", nd_add(r.g, x, x));
  nd_output(r.g, "y", r.y);
  if (between == A_BACKWARD_PASS)
    assert_int_equal(nd_backward(r.g, nd_mse(r.g, r.y, nd_affine(r.g, r.y, 2, 1))), 0);
  compile_and_run(&r);
  return r;
}

/* With vectors of both lengths. */
static void changed_inputs_are_read_where_they_are(void **state) {
  (void)state;
  nd_conv_force(ND_CONV_WINOGRAD);
  for (size_t i = 0; i < 2 * sizeof sources / sizeof *sources; i++) {
    const source *s = &sources[i / 2];
    nd_micro_force(nd_tested_micro(i % 2));
    run one = open_source(s, ND_F32, NOTHING), two = open_source(s, ND_F32, AN_OUTPUT);
    assert_int_equal(nd_plan_nodes(one.plan), s->fuses ? 1 : 2);
    assert_int_equal(nd_plan_nodes(two.plan), 2);
    if (!(difference(&one, &two) < 1e-5))
      fail_msg("case %zu is off by %g", i, difference(&one, &two));
    close_run(&one);
    close_run(&two);
  }
  nd_micro_as_started();
  nd_conv_force(ND_CONV_AUTO);
}

static void and_in_bf16(void **state) {
  (void)state;
  if (nd_precision(true) != ND_BF16)
    skip();
  nd_conv_force(ND_CONV_WINOGRAD);
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    run half = open_source(&sources[i], ND_BF16, NOTHING), whole = open_source(&sources[i], ND_F32, NOTHING);
    expect_rounded_alone(&half, &whole);
  }
  nd_conv_force(ND_CONV_AUTO);
}

static void inputs_that_somebody_else_reads_stay(void **state) {
  (void)state;
  nd_conv_force(ND_CONV_WINOGRAD);
  for (int i = 0; i < 5; i += 4) {
    run two = open_source(&sources[i], ND_F32, AN_OUTPUT),
        other = open_source(&sources[i], ND_F32, A_SECOND_READER),
        back = open_source(&sources[i], ND_F32, A_BACKWARD_PASS);
    expect_two_nodes(&two, &other, &back);
  }
  nd_conv_force(ND_CONV_AUTO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_node_computes_what_two_do),          cmocka_unit_test(bf16_rounds_once_less),
      cmocka_unit_test(what_somebody_else_reads_stays),         cmocka_unit_test(no_gate_runs_in_training),
      cmocka_unit_test(changed_inputs_are_read_where_they_are), cmocka_unit_test(and_in_bf16),
      cmocka_unit_test(inputs_that_somebody_else_reads_stay)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
