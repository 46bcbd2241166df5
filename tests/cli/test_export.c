/* Networks as ONNX: the file as it stands, and what ONNX Runtime makes of it on pictures of several sizes. */
#include "golden.h"
#include "weights/onnx.pb-c.h"
#include "program.h"
#include "restore/restore.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* Small networks of all kinds, every setting that changes the graph. */
static const struct kind {
  const char *name, *settings;
} KINDS[] = {
    {"unet", "width=4;depth=3"},
    {"dncnn", "width=4;depth=4"},
    {"dncnn", "width=4;depth=4;norm=0;subtract=1;grey=1"},
    {"dncnn", "width=4;depth=4;norm=2;subtract=1"},
    {"dncnn", "width=4;depth=4;bias=1"},
    {"nafnet", "width=4;middle_blocks=1;encoder_blocks=1,2;decoder_blocks=1,1"},
    {"nafnet", "width=4;middle_blocks=1;encoder_blocks=1,2;decoder_blocks=1,1;local=21"},
    {"restormer", "width=4;blocks=1,2,1;refinement=1;heads=1,2,4"},
    {"restormer", "width=4;blocks=1,1;refinement=1;heads=2,1;bias=1;norm_bias=1"},
    {"swinir", "width=6;depths=2,3;heads=2,3;window=4"},
    {"swinir", "width=4;depths=2;heads=1;window=7;range=255"},
    {"uformer", "width=4;depths=2,1,2;heads=1,2,2;window=4;mlp_ratio=2;image_size=8"},
    {"uformer", "width=4;depths=2,2,2;heads=2,1,2;window=4;modulators=1;transposed_up=1"},
};

/* The published settings (docs/networks.md). Minutes and gigabytes: only where ND_PUBLISHED is set. */
static const struct kind PUBLISHED[] = {
    {"unet", ""},
    {"dncnn", ""},
    {"dncnn", "depth=20;norm=0;subtract=1;grey=1"},
    {"nafnet", ""},
    {"nafnet", "width=64"},
    {"nafnet", "middle_blocks=1;encoder_blocks=1,1,1,28;decoder_blocks=1,1,1,1"},
    {"nafnet", "middle_blocks=1;encoder_blocks=1,1,1,28;decoder_blocks=1,1,1,1;local=384"},
    {"restormer", ""},
    {"restormer", "norm_bias=1"},
    {"restormer", "grey=1"},
    {"restormer", "bias=1;norm_bias=1"},
    {"swinir", ""},
    {"swinir", "width=60;depths=6,6,6,6;heads=6,6,6,6"},
    {"swinir", "window=7;range=255"},
    {"swinir", "grey=1"},
    {"uformer", ""},
    {"uformer", "width=16;modulators=1;transposed_up=1"},
    {"uformer", "modulators=1;transposed_up=1"},
    {"uformer", "depths=1,2,8,8,2,8,8,2,1;modulators=1;transposed_up=1"},
};

static const struct kind DUAL_PIXEL = {
    "restormer", "width=4;blocks=1,1,1;refinement=1;heads=1,2,4;norm_bias=1;dual_pixel=1"};

/* Batch, height, width: one as the networks like it, one odd and of a batch, one smaller than a window. */
static const int SIZES[][3] = {{1, 32, 48}, {2, 37, 21}, {1, 3, 5}};
static const double TOLERANCE = 1e-5, PUBLISHED_TOLERANCE = 1e-4; /* found: 2e-6 */

typedef struct made {
  nd_net *net;
  nd_params *params;
  float *values;
} made;

static made make(const struct kind *k) {
  made m = {.params = nd_params_new()};
  if (nd_net_from_text(k->name, ND_RESTORATION, k->settings, &m.net))
    fail_msg("%s", nd_error());
  nd_graph *g = nd_graph_new(m.params);
  int side = nd_net_multiple(m.net);
  assert_true(nd_net_restore(g, m.net, nd_input(g, "x", 1, side, side, nd_net_channels(m.net))) >= 0);
  nd_graph_free(g);
  m.values = g_new0(float, nd_params_size(m.params));
  golden_weights(m.params, m.values);
  return m;
}

static void clear(made *m) {
  nd_net_free(m->net);
  nd_params_free(m->params);
  g_free(m->values);
}

static void save(const made *m, const char *path, bool residual) {
  nd_st_metadata extra = {"noiseda.step", "12"};
  if (nd_model_save(path, m->net, residual, m->params, "", m->values, &extra, 1))
    fail_msg("%s", nd_error());
}

static void restore(const made *m, const float *x, const int size[3], bool residual, float *y) {
  nd_restorer_settings s = nd_restorer_defaults();
  nd_restorer *r;
  size_t pixels = (size_t)size[1] * (size_t)size[2], channels = (size_t)nd_net_channels(m->net);
  s.residual = residual;
  assert_int_equal(nd_restorer_new(m->net, m->params, "", m->values, s, &r), 0);
  for (int i = 0; i < size[0]; i++)
    if (nd_restorer_run(r, x + channels * pixels * (size_t)i, size[1], size[2], y + 3 * pixels * (size_t)i,
                        NULL, NULL))
      fail_msg("%s", nd_error());
  nd_restorer_free(r);
}

static size_t count_of(const int size[3]) {
  return 3 * (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

/* Numbers from 0.25 to 0.75. */
static float *picture(const int size[3]) {
  nd_rng r = nd_rng_make(5, 0, 0, ND_RANDOM_TEST);
  float *x = g_new(float, count_of(size));
  for (size_t i = 0; i < count_of(size); i++)
    x[i] = (float)nd_rng_between(&r, 0.25, 0.75);
  return x;
}

static double largest_of(const float *x, size_t n) {
  double largest = 0;
  for (size_t i = 0; i < n; i++)
    largest = fmax(largest, fabs((double)x[i]));
  return largest;
}

/* The last convolution, and so what the network gives. */
static void scale_result(made *m, double factor) {
  int last = nd_params_length(m->params) - 1;
  while (nd_params_at(m->params, last)->rank < 4)
    last--;
  for (; last < nd_params_length(m->params); last++) {
    const nd_param *p = nd_params_at(m->params, last);
    for (size_t i = 0; i < p->count; i++)
      m->values[p->offset + i] *= (float)factor;
  }
}

/* Makes what the network gives at most `limit`: limits then hide nothing. */
static void tame(made *m, double limit) {
  float *x = picture(SIZES[0]), *y = g_new(float, count_of(SIZES[0]));
  restore(m, x, SIZES[0], false, y);
  double largest = largest_of(y, count_of(SIZES[0]));
  assert_true(largest > 1e-3);
  scale_result(m, limit / largest);
  g_free(x);
  g_free(y);
}

static void write_numbers(const char *path, const float *x, size_t n) {
  assert_true(g_file_set_contents(path, (const char *)x, (gssize)(n * sizeof *x), NULL));
}

/* ---- What the file holds ---- */

static NdOnnxFile__Model *read_onnx(const char *path) {
  g_autofree char *bytes = NULL;
  gsize n;
  assert_true(g_file_get_contents(path, &bytes, &n, NULL));
  NdOnnxFile__Model *m = nd_onnx_file__model__unpack(NULL, n, (uint8_t *)bytes);
  assert_non_null(m);
  return m;
}

static const NdOnnxFile__Tensor *initializer(const NdOnnxFile__Graph *g, const char *name) {
  for (size_t i = 0; i < g->n_initializer; i++)
    if (!strcmp(g->initializer[i]->name, name))
      return g->initializer[i];
  fail_msg("%s is not in the file", name);
  return NULL;
}

static void expect_weights(const NdOnnxFile__Graph *g, const made *m) {
  for (int i = 0; i < nd_params_length(m->params); i++) {
    const nd_param *p = nd_params_at(m->params, i);
    const NdOnnxFile__Tensor *t = initializer(g, p->name);
    assert_int_equal(t->data_type, 1);
    assert_int_equal(t->n_dims, p->rank);
    for (int k = 0; k < p->rank; k++)
      assert_int_equal(t->dims[k], p->dims[k]);
    assert_int_equal(t->raw_data.len, p->count * sizeof(float));
    assert_memory_equal(t->raw_data.data, m->values + p->offset, t->raw_data.len);
  }
}

static void expect_picture(NdOnnxFile__ValueInfo **list, size_t n, const char *name) {
  static const char *const axes[] = {"batch", NULL, "height", "width"};
  assert_int_equal(n, 1);
  assert_string_equal(list[0]->name, name);
  const NdOnnxFile__TensorType *t = list[0]->type->tensor_type;
  assert_int_equal(t->elem_type, 1);
  assert_int_equal(t->shape->n_dim, 4);
  for (int i = 0; i < 4; i++)
    if (axes[i])
      assert_string_equal(t->shape->dim[i]->dim_param, axes[i]);
    else
      assert_int_equal(t->shape->dim[i]->dim_value, 3);
}

/* Every name is made once, before it is used, and used. */
static void expect_sound(const NdOnnxFile__Graph *g) {
  g_autoptr(GHashTable) made_names = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GHashTable) used = g_hash_table_new(g_str_hash, g_str_equal);
  g_hash_table_add(made_names, g->input[0]->name);
  for (size_t i = 0; i < g->n_initializer; i++)
    assert_true(g_hash_table_add(made_names, g->initializer[i]->name));
  for (size_t i = 0; i < g->n_node; i++) {
    const NdOnnxFile__Node *n = g->node[i];
    for (size_t k = 0; k < n->n_input; k++) {
      if (*n->input[k] && !g_hash_table_contains(made_names, n->input[k]))
        fail_msg("%s takes %s, which nothing before it makes", n->name, n->input[k]);
      g_hash_table_add(used, n->input[k]);
    }
    for (size_t k = 0; k < n->n_output; k++)
      assert_true(g_hash_table_add(made_names, n->output[k]));
  }
  g_hash_table_add(used, g->output[0]->name);
  GHashTableIter at;
  g_hash_table_iter_init(&at, made_names);
  for (gpointer name; g_hash_table_iter_next(&at, &name, NULL);)
    if (!g_hash_table_contains(used, name))
      fail_msg("nothing uses %s", (char *)name);
}

static const char *property(const NdOnnxFile__Model *m, const char *key) {
  for (size_t i = 0; i < m->n_metadata_props; i++)
    if (!strcmp(m->metadata_props[i]->key, key))
      return m->metadata_props[i]->value;
  fail_msg("the file says nothing of %s", key);
  return NULL;
}

static void the_file_holds_the_network(void **state) {
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(KINDS); i++) {
    made m = make(&KINDS[i]);
    save(&m, "m.safetensors", true);
    expect_status(0, "export", "m.safetensors", "-o", "m.onnx", "--overwrite", NULL);
    NdOnnxFile__Model *f = read_onnx("m.onnx");
    assert_int_equal(f->ir_version, 8);
    assert_int_equal(f->n_opset_import, 1);
    assert_int_equal(f->opset_import[0]->version, 17);
    assert_string_equal(f->producer_name, "noiseda");
    assert_string_equal(f->producer_version, ND_VERSION);
    assert_string_equal(property(f, "noiseda.network"), KINDS[i].name);
    assert_non_null(strstr(property(f, "noiseda.settings"), "width="));
    assert_string_equal(property(f, "noiseda.step"), "12");
    expect_picture(f->graph->input, f->graph->n_input, "input");
    expect_picture(f->graph->output, f->graph->n_output, "output");
    expect_weights(f->graph, &m);
    expect_sound(f->graph);
    nd_onnx_file__model__free_unpacked(f, NULL);
    clear(&m);
  }
}

/* ---- What ONNX Runtime makes of it ---- */

static char *script(void) {
  char *text = NULL;
  assert_true(g_file_get_contents(ND_TESTS_DIR "/cli/run_onnx.py", &text, NULL, NULL));
  return text;
}

/* Files of one picture and what is expected of it, and the arguments that name them. */
static void add_group(GPtrArray *arguments, const char *name, size_t i, const int size[3], const float *x,
                      int channels, float *y) {
  g_autofree char *given = g_strdup_printf("%s-%zu.in", name, i),
                  *expected = g_strdup_printf("%s-%zu.out", name, i);
  for (size_t k = 0; k < count_of(size); k++)
    y[k] = CLAMP(y[k], 0, 1);
  write_numbers(given, x, count_of(size) / 3 * (size_t)channels);
  write_numbers(expected, y, count_of(size));
  g_ptr_array_add(arguments, g_strconcat(name, ".onnx", NULL));
  g_ptr_array_add(arguments, g_strdup(given));
  g_ptr_array_add(arguments, g_strdup(expected));
  for (int k = 0; k < 3; k++)
    g_ptr_array_add(arguments, g_strdup_printf("%d", size[k]));
}

static void export(const made *m, const char *name, bool residual) {
  g_autofree char *model = g_strconcat(name, ".safetensors", NULL), *onnx = g_strconcat(name, ".onnx", NULL);
  save(m, model, residual);
  expect_status(0, "export", model, "-o", onnx, NULL);
}

static void prepare(const made *m, const char *name, bool residual, GPtrArray *arguments) {
  export(m, name, residual);
  for (size_t i = 0; i < G_N_ELEMENTS(SIZES); i++) {
    float *x = picture(SIZES[i]), *y = g_new(float, count_of(SIZES[i]));
    restore(m, x, SIZES[i], residual, y);
    add_group(arguments, name, i, SIZES[i], x, 3, y);
    g_free(x);
    g_free(y);
  }
}

/* Two views in, a picture out. */
static void prepare_dual_pixel(GPtrArray *arguments) {
  static const int sizes[][3] = {{1, 16, 24}, {2, 13, 5}};
  made m = make(&DUAL_PIXEL);
  for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
    const int twice[3] = {2 * sizes[i][0], sizes[i][1], sizes[i][2]};
    float *x = picture(twice), *y = g_new(float, count_of(sizes[i]));
    restore(&m, x, sizes[i], false, y);
    if (i == 0) {
      scale_result(&m, 1.5 / largest_of(y, count_of(sizes[i])));
      export(&m, "dual", true); /* that its result is no residual is the network's to know */
      restore(&m, x, sizes[i], false, y);
    }
    add_group(arguments, "dual", i, sizes[i], x, 6, y);
    g_free(x);
    g_free(y);
  }
  clear(&m);
}

/* One network without residual; of its result only half lies inside the limits, which then show. */
static void prepare_without_residual(GPtrArray *arguments) {
  made m = make(&KINDS[0]);
  tame(&m, 1.5);
  prepare(&m, "direct", false, arguments);
  clear(&m);
}

static void expect_line(const char *line, const char *file, double tolerance, double least_inside) {
  double difference, inside;
  char same_shape[8];
  if (sscanf(line, "%lf %lf %7s", &difference, &inside, same_shape) != 3 || strcmp(same_shape, "True"))
    fail_msg("%s: '%s'", file, line);
  print_message("%s: %g from noiseda, %.0f%% inside\n", file, difference, 100 * inside);
  if (!(difference <= tolerance) || !(inside >= least_inside))
    fail_msg("%s: %g from noiseda, %g of it inside the limits", file, difference, inside);
}

static void prepare_kinds(const struct kind *kinds, size_t n, GPtrArray *arguments) {
  for (size_t i = 0; i < n; i++) {
    made m = make(&kinds[i]);
    g_autofree char *name = g_strdup_printf("%s%zu", kinds[i].name, i);
    tame(&m, 0.25);
    prepare(&m, name, true, arguments);
    clear(&m);
  }
}

static void expect_agreement(GPtrArray *arguments, double tolerance) {
  g_ptr_array_add(arguments, NULL);
  g_autofree char *program = script();
  g_autofree char *out = run_python("numpy, onnxruntime", program, (char **)arguments->pdata);
  if (!out) {
    print_message("skipped: no Python with numpy and onnxruntime (ND_PYTHON may name one)\n");
    skip();
  }
  g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
  size_t groups = (arguments->len - 1) / 6;
  assert_int_equal(g_strv_length(lines), groups + 1);
  for (size_t i = 0; i < groups; i++) {
    const char *file = g_ptr_array_index(arguments, 6 * i);
    expect_line(lines[i], file, tolerance,
                g_str_has_prefix(file, "d") && !g_str_has_prefix(file, "dncnn") ? 0.1 : 0.9);
  }
}

static void onnx_runtime_agrees(void **state) {
  (void)state;
  g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
  prepare_kinds(KINDS, G_N_ELEMENTS(KINDS), arguments);
  prepare_without_residual(arguments);
  prepare_dual_pixel(arguments);
  expect_agreement(arguments, TOLERANCE);
}

static void onnx_runtime_agrees_at_published_settings(void **state) {
  (void)state;
  if (!g_getenv("ND_PUBLISHED"))
    skip();
  g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
  prepare_kinds(PUBLISHED, G_N_ELEMENTS(PUBLISHED), arguments);
  expect_agreement(arguments, PUBLISHED_TOLERANCE);
}

/* ---- Mistakes ---- */

static void bad_orders_leave_nothing(void **state) {
  (void)state;
  made m = make(&KINDS[0]);
  save(&m, "m.safetensors", true);
  clear(&m);
  write_text("m.onnx", "precious");
  expect_failure("m.onnx", "--overwrite", "export", "m.safetensors", "-o", "m.onnx", NULL);
  expect_failure("gone.safetensors", "", "export", "gone.safetensors", "-o", "m.onnx", "--overwrite", NULL);
  truncate_file("m.safetensors", 4000);
  expect_failure("m.safetensors", "", "export", "m.safetensors", "-o", "m.onnx", "--overwrite", NULL);
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents("m.onnx", &text, NULL, NULL));
  assert_string_equal(text, "precious");
  expect_failure("sr3", "--diffusion", "export", ND_TESTS_DIR "/weights/checkpoints/sr3.pth", "-o", "n.onnx",
                 NULL);
  assert_false(g_file_test("n.onnx", G_FILE_TEST_EXISTS));
  expect_status(2, "export", "m.safetensors", NULL);
  expect_status(2, "export", "-o", "m.onnx", NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_file_holds_the_network, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(onnx_runtime_agrees, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(onnx_runtime_agrees_at_published_settings, folder_setup,
                                      folder_teardown),
      cmocka_unit_test_setup_teardown(bad_orders_leave_nothing, folder_setup, folder_teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
