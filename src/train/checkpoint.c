/* Checkpoints: everything a run needs to go on, in one safetensors file, and a manifest that names the last.
 * The random state is the step. */
#include "train/trainer-private.h"
#include "weights/model.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

typedef struct part {
  const char *prefix;
  float *values;
} part;

enum { PARTS = 4 };

static void parts_of(const nd_trainer *t, part out[PARTS]) {
  out[0] = (part){"values.", t->state.values};
  out[1] = (part){"ema.", t->state.ema};
  out[2] = (part){"moment1.", t->state.moment1};
  out[3] = (part){"moment2.", t->state.moment2};
}

static char *checkpoint_name(uint64_t step) {
  return g_strdup_printf("checkpoint-%08" G_GUINT64_FORMAT ".safetensors", step);
}

static GArray *all_tensors(const nd_trainer *t, GPtrArray *names) {
  GArray *tensors = g_array_new(FALSE, TRUE, sizeof(nd_st_tensor));
  part parts[PARTS];
  parts_of(t, parts);
  for (int k = 0; k < PARTS; k++)
    for (int i = 0; i < nd_params_length(t->params); i++) {
      const nd_param *p = nd_params_at(t->params, i);
      char *name = g_strconcat(parts[k].prefix, p->name, NULL);
      g_ptr_array_add(names, name);
      nd_st_tensor tensor = {.name = name,
                             .type = ND_ST_F32,
                             .rank = p->rank,
                             .count = p->count,
                             .data = parts[k].values + p->offset};
      for (int d = 0; d < p->rank; d++)
        tensor.shape[d] = p->dims[d];
      g_array_append_val(tensors, tensor);
    }
  return tensors;
}

static int write_tensors(const nd_trainer *t, const char *path) {
  g_autofree char *step = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.step);
  g_autofree char *recipe = nd_recipe_print(t->recipe);
  nd_st_metadata metadata[] = {{"noiseda.kind", "checkpoint"},
                               {"noiseda.step", step},
                               {"noiseda.recipe", recipe},
                               {"noiseda.version", ND_VERSION}};
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GArray) tensors = all_tensors(t, names);
  return nd_safetensors_save(path, (nd_st_tensor *)(void *)tensors->data, tensors->len, metadata,
                             G_N_ELEMENTS(metadata));
}

static int write_manifest(const nd_trainer *t, const char *folder, const char *checkpoint) {
  g_autofree char *path = g_build_filename(folder, "manifest.json", NULL);
  g_autofree char *text = g_strdup_printf("{\n  \"version\": \"%s\",\n  \"step\": %" G_GUINT64_FORMAT
                                          ",\n  \"seed\": %" G_GINT64_FORMAT
                                          ",\n  \"recipe\": \"recipe.yaml\",\n  \"checkpoint\": \"%s\",\n"
                                          "  \"random_state\": \"a function of seed and step\"\n}\n",
                                          ND_VERSION, t->state.step, t->recipe->seed, checkpoint);
  return nd_file_write_atomic(path, text, strlen(text));
}

static int by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Removes all but the newest output.keep checkpoints. */
static void prune(const nd_trainer *t, const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  if (!dir)
    return;
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
  for (const char *name; (name = g_dir_read_name(dir));)
    if (g_str_has_prefix(name, "checkpoint-") && g_str_has_suffix(name, ".safetensors"))
      g_ptr_array_add(found, g_strdup(name));
  g_ptr_array_sort(found, by_name);
  for (guint i = 0; i + (guint)t->recipe->output.keep < found->len; i++) {
    g_autofree char *path = g_build_filename(folder, g_ptr_array_index(found, i), NULL);
    g_unlink(path);
  }
}

int nd_checkpoint_save(const nd_trainer *t, const char *folder) {
  g_autofree char *name = checkpoint_name(t->state.step), *path = g_build_filename(folder, name, NULL);
  if (write_tensors(t, path) || nd_checkpoint_save_model(t, folder, "model.safetensors", NULL) ||
      write_manifest(t, folder, name))
    return nd_fail_in("saving step %" G_GUINT64_FORMAT, t->state.step);
  prune(t, folder);
  return 0;
}

int nd_checkpoint_save_model(const nd_trainer *t, const char *folder, const char *name,
                             const nd_validation *result) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *recipe = nd_recipe_print(t->recipe);
  g_autofree char *step = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.step);
  g_autofree char *figures = result ? g_strdup_printf("PSNR %.4f dB, SSIM %.5f on %d validation pictures",
                                                      result->psnr, result->ssim, result->pictures)
                                    : g_strdup("");
  nd_st_metadata metadata[] = {
      {"noiseda.recipe", recipe}, {"noiseda.step", step}, {"noiseda.metrics", figures}};
  return nd_model_save(path, t->restoration, t->recipe->restoration.residual, t->params,
                       ND_SCOPE_RESTORATION ".", t->state.ema, metadata, result ? 3 : 2);
}

/* From the manifest. */
char *nd_checkpoint_last(const char *folder) {
  g_autofree char *path = g_build_filename(folder, "manifest.json", NULL);
  g_autoptr(JsonParser) parser = json_parser_new();
  g_autoptr(GError) error = NULL;
  if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
    nd_fail("'%s' holds no run to resume: it has no manifest.json (it appears with the first checkpoint)",
            folder);
    return NULL;
  }
  const char *name = NULL;
  if (json_parser_load_from_file(parser, path, &error) &&
      JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser)))
    name = json_object_get_string_member_with_default(json_node_get_object(json_parser_get_root(parser)),
                                                      "checkpoint", NULL);
  if (!name || strchr(name, '/')) {
    nd_fail("'%s' cannot be read: %s", path, error ? error->message : "it names no checkpoint");
    return NULL;
  }
  return g_build_filename(folder, name, NULL);
}

static int read_parts(nd_trainer *t, const nd_safetensors *file) {
  const char *step = nd_safetensors_metadata(file, "noiseda.step");
  guint64 done;
  if (!step || !g_ascii_string_to_unsigned(step, 10, 0, UINT32_MAX, &done, NULL))
    return nd_fail("it is no checkpoint: it does not say at which step it was saved");
  part parts[PARTS];
  parts_of(t, parts);
  for (int k = 0; k < PARTS; k++)
    if (nd_weights_load(file, parts[k].prefix, t->params, "", true, parts[k].values))
      return -1;
  t->state.step = done;
  return 0;
}

int nd_checkpoint_load(nd_trainer *t, const char *folder) {
  g_autofree char *path = nd_checkpoint_last(folder);
  nd_safetensors *file;
  if (!path || nd_safetensors_open(path, &file))
    return -1;
  int failed = read_parts(t, file);
  nd_safetensors_close(file);
  return failed ? nd_fail_in("'%s'", path) : 0;
}

uint64_t nd_train_step_of(const char *folder) {
  g_autofree char *path = nd_checkpoint_last(folder), *name = path ? g_path_get_basename(path) : NULL;
  return name && g_str_has_prefix(name, "checkpoint-") && g_file_test(path, G_FILE_TEST_EXISTS)
             ? g_ascii_strtoull(name + strlen("checkpoint-"), NULL, 10)
             : 0;
}
