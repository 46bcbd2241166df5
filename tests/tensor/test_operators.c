/* Every operator in the table, on each of its examples: the compiled result, in fp32 and with bf16 between
 * the nodes, against the naive reference in double precision, and the compiled gradients against finite
 * differences of that reference. */
#include "../wide/micro_wide.h"
#include "tensor/graph-private.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { PROBES = 40 }; /* elements of each input whose derivative is checked */

/* What is tried, and how far it may be off, as a share of the largest number. */
typedef struct way {
  nd_dtype dtype;
  double result, gradient;
} way;
static const way fp32 = {ND_F32, 2e-5, 5e-5}, bf16 = {ND_BF16, 1e-2, 4e-2};
static way tried = {ND_F32, 2e-5, 5e-5};

typedef struct trial {
  nd_params *params;
  nd_graph *graph, *plain; /* to compile, which fuses nodes, and to interpret */
  nd_tensor result, weights, loss;
  double **value; /* by tensor, of the forward part */
  float *parameters, *gradients;
} trial;

/* The same twice: t->graph is the second one. */
static bool build_graph(trial *t, const nd_op *op, int example) {
  t->graph = nd_graph_new(t->params);
  nd_graph_set_dtype(t->graph, tried.dtype);
  t->graph->fewest_bf16_channels = 1;
  t->result = op->example(t->graph, example);
  if (nd_graph_failed(t->graph))
    fail_msg("%s example %d: %s", op->name, example, nd_error());
  if (t->result < 0)
    return false;
  if (tried.dtype == ND_BF16) /* outputs are fp32 */
    t->result = nd_affine(t->graph, t->result, 1, 0);
  nd_output(t->graph, "result", t->result);
  const int *d = nd_dims(t->graph, t->result);
  t->weights = nd_input(t->graph, "weights", d[0], d[1], d[2], d[3]);
  t->loss = nd_sum_to(t->graph, nd_mul(t->graph, t->result, t->weights), (int[]){1, 1, 1, 1});
  return true;
}

static bool build(trial *t, const nd_op *op, int example) {
  t->params = nd_params_new();
  if (!build_graph(t, op, example))
    return false;
  t->plain = t->graph;
  return build_graph(t, op, example);
}

static void close_trial(trial *t) {
  for (guint i = 0; t->value && i < t->graph->values->len; i++)
    g_free(t->value[i]);
  g_free(t->value);
  nd_mem_free(t->parameters);
  nd_graph_free(t->graph);
  nd_graph_free(t->plain);
  nd_params_free(t->params);
}

/* Random values for inputs and parameters, representable in float, so that both computations see the same. */
static void fill(trial *t) {
  t->parameters = nd_mem_alloc((nd_params_size(t->params) + 1) * sizeof(float), "test");
  nd_params_init(t->params, 5, t->parameters);
  t->value = g_new0(double *, t->graph->values->len);
  for (guint i = 0; i < t->graph->values->len; i++) {
    const nd_value *v = nd_value_of(t->graph, (int)i);
    if (v->producer >= 0)
      continue;
    t->value[i] = g_new(double, v->count);
    nd_rng r = nd_rng_make(3, 0, i, ND_RANDOM_TEST);
    for (size_t k = 0; k < v->count; k++)
      t->value[i][k] = v->param >= 0 ? (double)t->parameters[nd_params_at(t->params, v->param)->offset + k]
                       : v->name && !strcmp(v->name, "mask") ? (double)(k % 2)
                                                             : (double)(float)nd_rng_normal(&r);
  }
}

static double interpret(trial *t) {
  for (int i = 0; i < nd_node_count(t->plain); i++) {
    const nd_node *n = nd_node_at(t->plain, i);
    const double *in[ND_MAX_IN] = {0};
    double *out[ND_MAX_OUT];
    for (int k = 0; k < n->n_in; k++)
      in[k] = n->in[k] >= 0 ? t->value[n->in[k]] : NULL;
    for (int k = 0; k < n->n_out; k++) {
      if (!t->value[n->out[k]])
        t->value[n->out[k]] = g_new0(double, nd_out_value(t->plain, n, k)->count);
      out[k] = t->value[n->out[k]];
    }
    assert_non_null(n->op->reference);
    n->op->reference(t->plain, n, in, out);
  }
  return t->value[t->loss][0];
}

static double largest(const double *x, size_t n) {
  double top = 1e-6;
  for (size_t i = 0; i < n; i++)
    top = fmax(top, fabs(x[i]));
  return top;
}

static nd_plan *run_compiled(trial *t) {
  nd_plan *plan;
  if (nd_compile(t->graph, &plan))
    fail_msg("%s", nd_error());
  nd_plan_bind(plan, t->parameters);
  t->gradients = nd_plan_gradients(plan);
  for (guint i = 0; i < t->graph->values->len; i++) {
    const nd_value *v = nd_value_of(t->graph, (int)i);
    for (size_t k = 0; v->is_input && nd_plan_tensor(plan, (int)i) && k < v->count; k++)
      nd_plan_tensor(plan, (int)i)[k] = (float)t->value[i][k];
  }
  nd_run(plan, 0, 0, 0);
  return plan;
}

static void check_result(trial *t, nd_plan *plan, const char *name, int example) {
  const nd_value *v = nd_value_of(t->graph, t->result);
  const double *expect = t->value[t->result];
  double scale = largest(expect, v->count);
  for (size_t i = 0; i < v->count; i++) {
    double found = (double)nd_plan_tensor(plan, t->result)[i];
    if (!(fabs(found - expect[i]) <= tried.result * scale))
      fail_msg("%s example %d, element %zu: %g, reference %g", name, example, i, found, expect[i]);
  }
}

static double difference(trial *t, nd_tensor x, size_t k) {
  const double h = 1e-5;
  double kept = t->value[x][k];
  t->value[x][k] = kept + h;
  double above = interpret(t);
  t->value[x][k] = kept - h;
  double below = interpret(t);
  t->value[x][k] = kept;
  return (above - below) / (2 * h);
}

static void check_gradient(trial *t, nd_plan *plan, nd_tensor x, const char *name, int example) {
  const nd_value *v = nd_value_of(t->graph, x);
  const float *found = v->param >= 0      ? t->gradients + nd_params_at(t->params, v->param)->offset
                       : v->gradient >= 0 ? nd_plan_tensor(plan, v->gradient)
                                          : NULL;
  double expect[PROBES], scale = 1e-2;
  size_t n = MIN(v->count, PROBES);
  for (size_t i = 0; i < n; i++)
    expect[i] = difference(t, x, i * v->count / n);
  scale = fmax(scale, largest(expect, n));
  for (size_t i = 0; i < n; i++) {
    double value = found ? (double)found[i * v->count / n] : 0;
    if (!(fabs(value - expect[i]) <= tried.gradient * scale))
      fail_msg("%s example %d, gradient of input %d at %zu: %g, by differences %g", name, example, x,
               i * v->count / n, value, expect[i]);
  }
}

static bool check_example(const nd_op *op, int example) {
  trial t = {0};
  bool exists = build(&t, op, example);
  if (exists) {
    int values = (int)t.graph->values->len;
    if (nd_value_of(t.graph, t.loss)->needs_gradient && nd_backward(t.graph, t.loss))
      fail_msg("%s: %s", op->name, nd_error());
    for (int i = 0; i < values; i++)
      if (nd_value_of(t.graph, i)->is_input && nd_value_of(t.graph, i)->gradient >= 0)
        nd_output(t.graph, "gradient", nd_value_of(t.graph, i)->gradient);
    fill(&t);
    interpret(&t);
    nd_plan *plan = run_compiled(&t);
    check_result(&t, plan, op->name, example);
    for (int i = 0; i < values && op->gradient; i++) {
      const nd_value *v = nd_value_of(t.graph, i);
      if (v->producer < 0 && v->needs_gradient)
        check_gradient(&t, plan, i, op->name, example);
    }
    nd_plan_free(plan);
  }
  close_trial(&t);
  return exists;
}

static void operators_agree_with_reference_and_differences(void **state) {
  (void)state;
  int operators = 0, examples = 0;
  for (; nd_all_ops[operators]; operators++) {
    int i = 0;
    assert_non_null(nd_all_ops[operators]->example);
    while (check_example(nd_all_ops[operators], i))
      i++;
    assert_true(i > 0);
    examples += i;
  }
  printf("%d operators, %d examples\n", operators, examples);
  assert_true(operators >= 20);
}

static void operators_agree_on_three_threads(void **state) {
  nd_set_threads(3);
  operators_agree_with_reference_and_differences(state);
  nd_set_threads(0);
}

/* Each operator by itself, or what fp32_copies.c makes of it. */
static void operators_agree_in_bf16(void **state) {
  tried = bf16;
  operators_agree_with_reference_and_differences(state);
  nd_set_threads(3);
  operators_agree_with_reference_and_differences(state);
  nd_set_threads(0);
  tried = fp32;
}

static void operators_agree_in_plain_c(void **state) {
  nd_micro_force(nd_tested_micro(0));
  operators_agree_with_reference_and_differences(state);
  nd_micro_as_started();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(operators_agree_with_reference_and_differences),
      cmocka_unit_test(operators_agree_on_three_threads),
      cmocka_unit_test(operators_agree_in_plain_c),
      cmocka_unit_test(operators_agree_in_bf16),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
