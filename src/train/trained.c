/* A checkpoint opened for its networks. */
#include "train/trainer-private.h"
#include "weights/model.h"

#include <glib.h>
#include <string.h>

/* Building both networks once, at the smallest size, declares their parameters. */
static int declare(nd_trained *t) {
  nd_graph *g = nd_graph_new(t->params);
  int a = nd_net_multiple(t->restoration), b = t->diffusion ? nd_net_multiple(t->diffusion) : 1;
  nd_scope_push(g, ND_SCOPE_RESTORATION);
  nd_net_restore(g, t->restoration, nd_input(g, "x", 1, a, a, nd_net_channels(t->restoration)));
  nd_scope_pop(g);
  if (t->diffusion) {
    nd_scope_push(g, ND_SCOPE_DIFFUSION);
    nd_net_predict_noise(g, t->diffusion, nd_input(g, "y", 1, b, b, 9), nd_input(g, "level", 1, 1, 1, 1));
    nd_scope_pop(g);
  }
  int failed = nd_graph_failed(g) ? -1 : 0;
  nd_graph_free(g);
  return failed;
}

static int load(nd_trained *t, const nd_safetensors *file) {
  const char *recipe = nd_safetensors_metadata(file, "noiseda.recipe");
  const char *kind = nd_safetensors_metadata(file, "noiseda.kind"),
             *step = nd_safetensors_metadata(file, "noiseda.step");
  if (!recipe || !kind || strcmp(kind, "checkpoint"))
    return nd_fail("it is no checkpoint of a training run");
  t->step = step ? g_ascii_strtoull(step, NULL, 10) : 0;
  if (nd_recipe_parse(&t->recipe, recipe, "its recipe") ||
      nd_train_networks(&t->recipe, &t->restoration, &t->diffusion))
    return -1;
  t->params = nd_params_new();
  if (declare(t))
    return -1;
  t->values = nd_mem_alloc(nd_params_size(t->params) * sizeof(float), "weights");
  /* A domain classifier and a translator stay behind. */
  bool exact = t->recipe.mode != ND_MODE_DANN && t->recipe.mode != ND_MODE_TRANSLATE;
  if (!t->values || nd_weights_load(file, "ema.", t->params, "", exact, t->values))
    return -1;
  return nd_weights_check_finite(t->params, "", t->values);
}

int nd_trained_load(const char *path, nd_trained **out) {
  *out = NULL;
  g_autofree char *last = g_file_test(path, G_FILE_TEST_IS_DIR) ? nd_checkpoint_last(path) : g_strdup(path);
  nd_safetensors *file;
  if (!last || nd_safetensors_open(last, &file))
    return -1;
  nd_trained *t = g_new0(nd_trained, 1);
  nd_recipe_init(&t->recipe);
  int failed = load(t, file);
  nd_safetensors_close(file);
  if (failed) {
    nd_trained_free(t);
    return nd_fail_in("'%s'", last);
  }
  *out = t;
  return 0;
}

int nd_trained_check_diffusion(const nd_trained *t, const char *path) {
  return t->diffusion ? 0
                      : nd_fail("'%s' was trained in mode %s: it has no diffusion network", path,
                                nd_recipe_word(&t->recipe, "mode"));
}

void nd_trained_free(nd_trained *t) {
  if (!t)
    return;
  nd_recipe_clear(&t->recipe);
  nd_net_free(t->restoration);
  nd_net_free(t->diffusion);
  nd_params_free(t->params);
  nd_mem_free(t->values);
  g_free(t);
}
