/* The public interface, linked as others link it: a model written here restores as PyTorch does. */
#include "golden.h"
#include "noiseda/noiseda.h"
#include "weights/model.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { HEIGHT = 13, WIDTH = 10, COUNT = HEIGHT * WIDTH * 3 };

static void write_model(const char *path) {
  nd_net *net;
  assert_int_equal(nd_net_from_text("unet", ND_RESTORATION, "width=8;depth=4", &net), 0);
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_net_restore(g, net, nd_input(g, "x", 1, 8, 8, 3));
  nd_graph_free(g);
  float *values = nd_mem_alloc(nd_params_size(params) * sizeof(float), "test");
  golden_weights(params, values);
  assert_int_equal(nd_model_save(path, net, true, params, "", values, NULL, 0), 0);
  nd_mem_free(values);
  nd_params_free(params);
  nd_net_free(net);
}

static void a_model_restores_as_pytorch_does(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("nd-XXXXXX", NULL),
                  *path = g_build_filename(folder, "m.safetensors", NULL);
  write_model(path);
  golden *gold = golden_open("unet_restore");
  float x[COUNT], restored[COUNT], out[COUNT], half[COUNT];
  golden_copy(gold, "x", x);
  golden_copy(gold, "restored", restored);
  noiseda_model *m = noiseda_model_open(path);
  assert_non_null(m);
  assert_int_equal(noiseda_restore(m, x, HEIGHT, WIDTH, out, NULL), 0);
  noiseda_options o = {.less = 0.5};
  assert_int_equal(noiseda_restore(m, x, HEIGHT, WIDTH, half, &o), 0);
  for (int i = 0; i < COUNT; i++) {
    double full = (double)restored[i], middle = (full + (double)x[i]) / 2;
    assert_true(fabs(fmin(fmax(full, 0), 1) - (double)out[i]) < 1e-4);
    assert_true(fabs(fmin(fmax(middle, 0), 1) - (double)half[i]) < 1e-4);
  }
  assert_int_equal(noiseda_restore(m, x, 0, WIDTH, out, NULL), -1);
  noiseda_model_close(m);
  nd_safetensors_close(gold);
  g_unlink(path);
  g_rmdir(folder);
}

static void a_missing_model_is_named(void **state) {
  (void)state;
  assert_null(noiseda_model_open("/nowhere/m.safetensors"));
  assert_non_null(strstr(noiseda_error(), "/nowhere/m.safetensors"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_model_restores_as_pytorch_does),
                                     cmocka_unit_test(a_missing_model_is_named)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
