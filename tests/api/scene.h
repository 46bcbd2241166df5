/* A model written here, what PyTorch makes of a picture with it, and a folder. */
#ifndef ND_TEST_SCENE_H
#define ND_TEST_SCENE_H

#include "golden.h"
#include "image/image.h"
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

/* What every test here begins with. */
typedef struct scene {
  char *folder, *path;
  float x[COUNT], restored[COUNT]; /* the golden picture, and what PyTorch makes of it, clamped */
  noiseda_model *model;
} scene;

static inline void write_model(const char *path, const char *network, const char *settings) {
  nd_net *net;
  assert_int_equal(nd_net_from_text(network, ND_RESTORATION, settings, &net), 0);
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_net_restore(g, net, nd_input(g, "x", 1, 8, 8, nd_net_channels(net)));
  nd_graph_free(g);
  float *values = nd_mem_alloc(nd_params_size(params) * sizeof(float), "test");
  golden_weights(params, values);
  assert_int_equal(
      nd_model_save(path, net, true, params, "", values, &(nd_st_metadata){"noiseda.step", "7"}, 1), 0);
  nd_mem_free(values);
  nd_params_free(params);
  nd_net_free(net);
}

static inline int setup(void **state) {
  scene *s = *state = g_new0(scene, 1);
  s->folder = g_dir_make_tmp("nd-XXXXXX", NULL);
  s->path = g_build_filename(s->folder, "m.safetensors", NULL);
  write_model(s->path, "unet", "width=8;depth=4");
  golden *gold = golden_open("unet_restore");
  golden_copy(gold, "x", s->x);
  golden_copy(gold, "restored", s->restored);
  nd_safetensors_close(gold);
  for (int i = 0; i < COUNT; i++)
    s->restored[i] = CLAMP(s->restored[i], 0, 1);
  s->model = noiseda_model_open(s->path);
  return s->model ? 0 : -1;
}

static inline int teardown(void **state) {
  scene *s = *state;
  noiseda_model_close(s->model);
  g_unlink(s->path);
  g_rmdir(s->folder);
  g_free(s->path);
  g_free(s->folder);
  g_free(s);
  return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static inline noiseda_picture floats(float *data) {
  return (noiseda_picture){data, WIDTH, HEIGHT, 3, NOISEDA_FLOAT, 0};
}

static inline void expect_near(const float *a, const float *b, double tolerance) {
  for (int i = 0; i < COUNT; i++)
    assert_true(fabs((double)a[i] - (double)b[i]) < tolerance);
}

typedef struct watch {
  int calls, last, tiles, stop_at;
} watch;

static inline int count(int done, int tiles, void *context) {
  watch *w = context;
  w->calls++;
  w->last = done;
  w->tiles = tiles;
  return done == w->stop_at;
}

#endif
