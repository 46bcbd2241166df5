/* Recording a plan's runs: times within the run's own, every operator named, a trace that parses, and results
 * that do not change. */
#include "tensor/graph-private.h"
#include "tensor/kernels/peak.h"

#include <json-glib/json-glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { SIDE = 16, CHANNELS = 8 };

typedef struct model {
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_tensor x, loss;
  float *values, *gradients;
} model;

/* A convolution, dropout, a view, a pooling, a loss, and what their gradients need. */
static void model_open(model *m) {
  int c = CHANNELS;
  m->params = nd_params_new();
  nd_graph *g = m->g = nd_graph_new(m->params);
  m->x = nd_input(g, "x", 2, SIDE, SIDE, c);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, (int[]){c, c, 3, 3});
  nd_tensor b = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &c);
  nd_tensor h = nd_conv2d(g, m->x, w, b, (nd_conv2d_settings){.pad = 1});
  h = nd_dropout(g, nd_conv2d(g, h, w, b, (nd_conv2d_settings){.pad = 1}), 0.1f);
  h = nd_reshape(g, h, 2, SIDE / 2, SIDE * 2, c);
  h = nd_average_pool(g, h, 2);
  m->loss = nd_mse(g, h, nd_detach(g, nd_affine(g, h, 0.5f, 1)));
  nd_output(g, "loss", m->loss);
  assert_int_equal(nd_backward(g, m->loss), 0);
  assert_int_equal(nd_compile(g, &m->plan), 0);
  m->values = nd_mem_alloc(nd_params_size(m->params) * sizeof(float), "test");
  nd_params_init(m->params, 1, m->values);
  nd_plan_bind(m->plan, m->values);
  m->gradients = nd_plan_gradients(m->plan);
}

static void model_run(model *m) {
  nd_rng r = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_rng_fill_normal(&r, nd_plan_tensor(m->plan, m->x), 2 * SIDE * SIDE * CHANNELS);
  nd_run(m->plan, 1, 5, 0);
}

static void model_close(model *m) {
  nd_plan_free(m->plan);
  nd_graph_free(m->g);
  nd_params_free(m->params);
  nd_mem_free(m->values);
}

/* Nodes whose operator does work, as the plan describes itself. */
static guint running_nodes(const model *m) {
  g_autofree char *text = nd_plan_describe(m->plan);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  guint n = 0;
  for (int i = 1; i <= nd_plan_nodes(m->plan); i++)
    n += !g_str_has_suffix(lines[i], "view");
  return n;
}

typedef struct trace {
  JsonParser *parser;
  JsonArray *events;
} trace;

static trace trace_of(const nd_profile *p) {
  trace t = {.parser = json_parser_new()};
  g_autofree char *text = nd_profile_trace(p);
  g_autoptr(GError) error = NULL;
  if (!json_parser_load_from_data(t.parser, text, -1, &error))
    fail_msg("%s in %s", error->message, text);
  t.events =
      json_object_get_array_member(json_node_get_object(json_parser_get_root(t.parser)), "traceEvents");
  return t;
}

static guint count_events(const trace *t, const char *category, double *microseconds) {
  guint n = 0;
  *microseconds = 0;
  for (guint i = 0; i < json_array_get_length(t->events); i++) {
    JsonObject *e = json_array_get_object_element(t->events, i);
    if (strcmp(json_object_get_string_member(e, "cat"), category))
      continue;
    assert_string_equal(json_object_get_string_member(e, "ph"), "X");
    assert_true(json_object_get_double_member(e, "ts") >= 0);
    *microseconds += json_object_get_double_member(e, "dur");
    n++;
  }
  return n;
}

static void node_times_lie_within_the_run(void **state) {
  (void)state;
  model m;
  model_open(&m);
  model_run(&m);
  nd_profile *p = nd_profile_new();
  nd_plan_record(m.plan, p);
  nd_profile_begin(p);
  int64_t begun = nd_clock();
  model_run(&m);
  double wall = 1e-3 * (double)(nd_clock() - begun);
  nd_profile_stage(p, "everything", begun, 1e6);
  nd_profile_end(p);
  trace t = trace_of(p);
  double nodes, stage, unit;
  assert_int_equal(count_events(&t, "node", &nodes), running_nodes(&m));
  assert_int_equal(count_events(&t, "stage", &stage), 1);
  assert_int_equal(count_events(&t, "unit", &unit), 1);
  assert_true(nodes > 0 && nodes <= wall);
  assert_true(wall <= stage + 1e-3 && stage <= unit);
  g_object_unref(t.parser);
  nd_profile_free(p);
  model_close(&m);
}

/* The line that begins with this name. */
static const char *line_of(const char *table, const char *name) {
  g_autofree char *start = g_strdup_printf("\n%s ", name);
  const char *at = strstr(table, start);
  if (!at)
    fail_msg("the table does not name '%s':\n%s", name, table);
  return at + 1;
}

static void the_table_names_and_counts_every_operator(void **state) {
  (void)state;
  model m;
  model_open(&m);
  nd_profile *p = nd_profile_new();
  nd_plan_record(m.plan, p);
  for (int i = 0; i < 3; i++) {
    nd_profile_begin(p);
    model_run(&m);
    nd_profile_stage(p, "afterwards", nd_clock(), 0);
    nd_profile_end(p);
  }
  nd_plan_record(m.plan, NULL);
  model_run(&m);
  g_autofree char *table = nd_profile_table(p, "step");
  static const char *const names[] = {"dropout",   "average_pool", "average_pool_backward",
                                      "pair_loss", "affine",       "conv2d_backward_data"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    line_of(table, names[i]);
  assert_non_null(strstr(table, "profile of 3 steps"));
  assert_int_equal(g_ascii_strtoull(line_of(table, "conv2d") + strlen("conv2d"), NULL, 10), 2);
  assert_int_equal(g_ascii_strtoull(line_of(table, "afterwards") + strlen("afterwards"), NULL, 10), 1);
  nd_profile_free(p);
  model_close(&m);
}

/* Two convolutions of 2 * 16 * 16 pixels, 8 to 8 channels, 3 x 3: counted by hand. */
static void rates_come_from_shapes(void **state) {
  (void)state;
  model m;
  model_open(&m);
  nd_profile *p = nd_profile_new();
  nd_plan_record(m.plan, p);
  nd_profile_begin(p);
  model_run(&m);
  nd_profile_end(p);
  trace t = trace_of(p);
  int convolutions = 0;
  for (guint i = 0; i < json_array_get_length(t.events); i++) {
    JsonObject *e = json_array_get_object_element(t.events, i),
               *args = json_object_get_object_member(e, "args");
    if (strcmp(json_object_get_string_member(e, "name"), "conv2d"))
      continue;
    assert_int_equal(json_object_get_int_member(args, "flops"), 2 * 2 * 16 * 16 * 8 * 8 * 9);
    assert_int_equal(json_object_get_int_member(args, "bytes"), 4 * (2 * 2 * 16 * 16 * 8 + 8 * 8 * 9 + 8));
    assert_string_equal(json_object_get_string_member(args, "shape"), "2x16x16x8");
    convolutions++;
  }
  assert_int_equal(convolutions, 2);
  g_object_unref(t.parser);
  nd_profile_free(p);
  model_close(&m);
}

static void recording_changes_no_bit(void **state) {
  (void)state;
  model m;
  model_open(&m);
  model_run(&m);
  size_t bytes = nd_params_size(m.params) * sizeof(float);
  g_autofree float *plain = g_memdup2(m.gradients, bytes);
  memset(m.gradients, 0, bytes);
  nd_profile *p = nd_profile_new();
  nd_plan_record(m.plan, p);
  size_t used = nd_mem_used();
  model_run(&m);
  assert_int_equal(nd_mem_used(), used);
  assert_memory_equal(plain, m.gradients, bytes);
  model_close(&m);
  g_autofree char *empty = nd_profile_table(p, "step"); /* the run was in no unit */
  assert_non_null(strstr(empty, "no step"));
  nd_profile_free(p);
}

/* Every machine that runs this does more than 0.1 GFLOP/s and 0.1 GB/s, and none a petaflop. */
static void the_machine_is_measured(void **state) {
  (void)state;
  double flops = nd_peak_flops(), bandwidth = nd_peak_bandwidth();
  assert_true(flops > 1e8 && flops < 1e15);
  assert_true(bandwidth > 1e8 && bandwidth < 1e14);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(node_times_lie_within_the_run),
      cmocka_unit_test(the_table_names_and_counts_every_operator),
      cmocka_unit_test(rates_come_from_shapes),
      cmocka_unit_test(recording_changes_no_bit),
      cmocka_unit_test(the_machine_is_measured),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
