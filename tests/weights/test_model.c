/* Model files: what else may stand in them. */
#include "weights/model.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static nd_params *params_of(nd_net *net) {
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  int size = nd_net_multiple(net);
  assert_true(nd_net_restore(g, net, nd_input(g, "x", 1, size, size, 3)) >= 0);
  nd_graph_free(g);
  return params;
}

/* As published: the weights, their names after a prefix, and one more tensor. */
static void save_named(const char *path, const char *network, const char *settings, const char *prefix,
                       const char *extra) {
  nd_net *net;
  assert_int_equal(nd_net_from_text(network, ND_RESTORATION, settings, &net), 0);
  nd_params *params = params_of(net);
  float *values = g_new0(float, nd_params_size(params));
  nd_params_init(params, 3, values);
  int64_t index[16] = {0};
  g_autoptr(GArray) tensors = g_array_new(FALSE, FALSE, sizeof(nd_st_tensor));
  g_autoptr(GStringChunk) names = g_string_chunk_new(1024);
  for (int i = 0; i < nd_params_length(params); i++) {
    const nd_param *p = nd_params_at(params, i);
    g_autofree char *name = g_strconcat(prefix, p->name, NULL);
    nd_st_tensor t = {
        g_string_chunk_insert(names, name), ND_ST_F32, p->rank, {0}, p->count, values + p->offset};
    for (int k = 0; k < p->rank; k++)
      t.shape[k] = p->dims[k];
    g_array_append_val(tensors, t);
  }
  nd_st_tensor t = {extra, ND_ST_I64, 2, {4, 4}, 16, index};
  g_array_append_val(tensors, t);
  nd_st_metadata metadata[] = {{"noiseda.network", network}, {"noiseda.settings", settings}};
  assert_int_equal(
      nd_safetensors_save(path, (nd_st_tensor *)(void *)tensors->data, tensors->len, metadata, 2), 0);
  g_free(values);
  nd_params_free(params);
  nd_net_free(net);
}

static void save_with(const char *path, const char *network, const char *settings, const char *extra) {
  save_named(path, network, settings, "", extra);
}

static void a_prefix_of_all_names_is_taken_off(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("noiseda-XXXXXX", NULL),
                  *path = g_build_filename(folder, "m.safetensors", NULL);
  nd_model *m;
  static const char *const outer[] = {"module.module.", "_orig_mod.", "module._orig_mod.module."};
  for (size_t i = 0; i < G_N_ELEMENTS(outer); i++) {
    g_autofree char *buffer = g_strconcat(outer[i], "dncnn.3.num_batches_tracked", NULL);
    save_named(path, "dncnn", "width=4;depth=3", outer[i], buffer);
    if (nd_model_load(path, &m))
      fail_msg("%s: %s", outer[i], nd_error());
    assert_true(m->values[nd_params_find(m->params, "dncnn.3.running_var")->offset] == 1);
    nd_model_free(m);
  }
  static const char *const nested[] = {"RestorationNet.module.", "module.RestorationNet.",
                                       "module.RestorationNet.module.module.",
                                       "RestorationNet._orig_mod.module."};
  for (size_t i = 0; i < G_N_ELEMENTS(nested); i++) {
    g_autofree char *buffer =
        g_strconcat(g_str_has_prefix(nested[i], "module.") ? "module." : "", "betas", NULL);
    save_named(path, "dncnn", "width=4;depth=3", nested[i], buffer);
    if (nd_model_load(path, &m))
      fail_msg("%s: %s", nested[i], nd_error());
    assert_true(m->values[nd_params_find(m->params, "dncnn.3.running_var")->offset] == 1);
    assert_non_null(strstr(m->left_aside, "betas"));
    nd_model_free(m);
  }
  save_named(path, "dncnn", "width=4;depth=3", "RestorationNet.module.", "RestorationNet.betas");
  assert_int_equal(nd_model_load(path, &m), -1);
  assert_non_null(strstr(nd_error(), "dncnn.0.weight' is missing"));
  save_named(path, "dncnn", "width=4;depth=3", "module.", "dncnn.3.num_batches_tracked");
  assert_int_equal(nd_model_load(path, &m), -1);
  assert_non_null(strstr(nd_error(), "'dncnn.0.weight' is missing"));
  g_unlink(path);
  g_rmdir(folder);
}

static void buffers_are_passed_over_and_other_extras_are_not(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("noiseda-XXXXXX", NULL),
                  *path = g_build_filename(folder, "m.safetensors", NULL);
  const char *swinir = "width=4;depths=2;heads=2;window=2";
  nd_model *m;
  save_with(path, "swinir", swinir, "layers.0.residual_group.blocks.0.attn.relative_position_index");
  if (nd_model_load(path, &m))
    fail_msg("%s", nd_error());
  const nd_param *p = nd_params_find(m->params, "conv_last.weight");
  assert_true(m->values[p->offset] != 0);
  nd_model_free(m);
  save_with(path, "swinir", swinir, "layers.0.residual_group.blocks.1.attn_mask");
  assert_int_equal(nd_model_load(path, &m), 0);
  nd_model_free(m);
  save_with(path, "swinir", swinir, "layers.0.residual_group.blocks.1.mask");
  assert_int_equal(nd_model_load(path, &m), -1);
  assert_non_null(strstr(nd_error(), "blocks.1.mask"));
  save_with(path, "dncnn", "width=4;depth=3", "dncnn.3.num_batches_tracked");
  if (nd_model_load(path, &m))
    fail_msg("%s", nd_error());
  assert_true(m->values[nd_params_find(m->params, "dncnn.3.running_var")->offset] == 1);
  nd_model_free(m);
  /* As KAIR leaves it: "model." is no prefix of a module that held the network. */
  save_with(path, "dncnn", "width=4;depth=3;norm=2;subtract=1", "model.3.num_batches_tracked");
  if (nd_model_load(path, &m))
    fail_msg("%s", nd_error());
  assert_true(m->values[nd_params_find(m->params, "model.3.running_var")->offset] == 1);
  nd_model_free(m);
  g_unlink(path);
  g_rmdir(folder);
}

static void weights_that_are_no_numbers_are_refused(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("noiseda-XXXXXX", NULL),
                  *path = g_build_filename(folder, "m.safetensors", NULL);
  nd_model *m, *again;
  save_with(path, "dncnn", "width=4;depth=3", "dncnn.3.num_batches_tracked");
  assert_int_equal(nd_model_load(path, &m), 0);
  const nd_param *p = nd_params_find(m->params, "dncnn.2.weight");
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
    m->values[p->offset + p->count - 1] = bad[i];
    assert_int_equal(nd_model_save(path, m->net, true, m->params, "", m->values, NULL, 0), 0);
    assert_int_equal(nd_model_load(path, &again), -1);
    assert_non_null(strstr(nd_error(), "'dncnn.2.weight' holds numbers that are NaN or infinite"));
  }
  nd_model_free(m);
  g_unlink(path);
  g_rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_prefix_of_all_names_is_taken_off),
                                     cmocka_unit_test(buffers_are_passed_over_and_other_extras_are_not),
                                     cmocka_unit_test(weights_that_are_no_numbers_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
