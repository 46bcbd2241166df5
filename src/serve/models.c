/* The models to choose from: those of a folder, or, without one, those that have names. */
#include "serve/serve-private.h"

#include <string.h>

static bool is_checkpoint(const nd_safetensors *file) {
  const char *kind = nd_safetensors_metadata(file, "noiseda.kind");
  return kind && !strcmp(kind, "checkpoint");
}

/* What it is, from its head alone. */
static void describe(const char *name, const char *path, JsonBuilder *b) {
  nd_safetensors *file;
  json_builder_begin_object(b);
  nd_json_text(b, "name", name);
  if (nd_safetensors_open(path, &file)) {
    nd_json_text(b, "problem", "it cannot be read as a model");
  } else if (is_checkpoint(file)) {
    nd_json_text(b, "problem", "it is a checkpoint, to resume training from");
    nd_safetensors_close(file);
  } else {
    nd_json_text(b, "network", nd_safetensors_metadata(file, "noiseda.network"));
    nd_json_text(b, "settings", nd_safetensors_metadata(file, "noiseda.settings"));
    nd_json_text(b, "task", nd_safetensors_metadata(file, "noiseda.task"));
    nd_json_text(b, "step", nd_safetensors_metadata(file, "noiseda.step"));
    nd_safetensors_close(file);
  }
  json_builder_end_object(b);
}

static void describe_file(const char *name, const char *path, void *context) {
  if (g_str_has_suffix(name, ".safetensors") && g_file_test(path, G_FILE_TEST_IS_REGULAR))
    describe(name, path, context);
}

static void describe_one(const char *name, JsonBuilder *b) {
  g_autofree char *path = NULL;
  if (!nd_model_find(name, &path))
    describe(name, path, b);
}

/* The page begins with the first: that which `noiseda restore` takes, too. */
static void describe_named(JsonBuilder *b) {
  g_auto(GStrv) names = nd_model_names();
  if (g_strv_contains((const char *const *)names, ND_DEFAULT_MODEL))
    describe_one(ND_DEFAULT_MODEL, b);
  for (int i = 0; names[i]; i++)
    if (strcmp(names[i], ND_DEFAULT_MODEL))
      describe_one(names[i], b);
}

bool nd_models_any(const char *folder) {
  g_auto(GStrv) names = folder ? NULL : nd_model_names();
  return folder || names[0];
}

void nd_models_describe(const char *folder, JsonBuilder *b) {
  if (folder)
    nd_inside_each(folder, describe_file, b);
  else
    describe_named(b);
}

/* Names are compared with those there are: what comes from outside never becomes a path. */
static char *find_named(const char *name) {
  g_auto(GStrv) names = nd_model_names();
  char *path = NULL;
  if (!name || !g_strv_contains((const char *const *)names, name))
    nd_fail("there is no model '%s'", name ? name : "");
  else if (nd_model_find(name, &path))
    return NULL;
  return path;
}

char *nd_models_find(const char *folder, const char *name) {
  if (!folder)
    return find_named(name);
  if (!name || !g_str_has_suffix(name, ".safetensors") || strchr(name, '/')) {
    nd_fail("'%s' is no model of this folder", name ? name : "");
    return NULL;
  }
  return nd_inside(folder, name);
}
