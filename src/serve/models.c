/* The models in a folder. */
#include "serve/serve-private.h"

#include <string.h>

static bool is_checkpoint(const nd_safetensors *file) {
  const char *kind = nd_safetensors_metadata(file, "noiseda.kind");
  return kind && !strcmp(kind, "checkpoint");
}

/* What it is, from its head alone. */
static void describe(const char *name, const char *path, void *context) {
  JsonBuilder *b = context;
  nd_safetensors *file;
  if (!g_str_has_suffix(name, ".safetensors") || !g_file_test(path, G_FILE_TEST_IS_REGULAR))
    return;
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
    nd_json_text(b, "step", nd_safetensors_metadata(file, "noiseda.step"));
    nd_safetensors_close(file);
  }
  json_builder_end_object(b);
}

void nd_models_describe(const char *folder, JsonBuilder *b) {
  if (folder)
    nd_inside_each(folder, describe, b);
}

char *nd_models_find(const char *folder, const char *name) {
  if (!folder) {
    nd_fail("no folder of models was given; start with --models DIR");
    return NULL;
  }
  if (!name || !g_str_has_suffix(name, ".safetensors") || strchr(name, '/')) {
    nd_fail("'%s' is no model of this folder", name ? name : "");
    return NULL;
  }
  return nd_inside(folder, name);
}
