/* Checkpoints: everything a run needs to go on, in one safetensors file, and a manifest that names the last.
 * The random state is the step. */
#include "train/trainer-private.h"
#include "weights/model.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <time.h>

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
  g_autofree char *skipped = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.skipped);
  g_autofree char *in_a_row = g_strdup_printf("%" G_GINT64_FORMAT, t->state.skipped_in_a_row);
  g_autofree char *rest = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.contrast_rest);
  g_autofree char *recipe = nd_recipe_print(t->recipe);
  nd_st_metadata metadata[] = {{"noiseda.kind", "checkpoint"},  {"noiseda.step", step},
                               {"noiseda.skipped", skipped},    {"noiseda.skipped_in_a_row", in_a_row},
                               {"noiseda.contrast_rest", rest}, {"noiseda.recipe", recipe},
                               {"noiseda.version", ND_VERSION}};
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GArray) tensors = all_tensors(t, names);
  return nd_safetensors_save(path, (nd_st_tensor *)(void *)tensors->data, tensors->len, metadata,
                             G_N_ELEMENTS(metadata));
}

static char *pictures_text(const nd_trainer *t) {
  return g_strdup_printf("%016" G_GINT64_MODIFIER "x", nd_loader_fingerprint(t->loader));
}

static int write_manifest(const nd_trainer *t, const char *folder, const char *checkpoint) {
  g_autofree char *path = g_build_filename(folder, "manifest.json", NULL), *pictures = pictures_text(t);
  g_autofree char *text = g_strdup_printf("{\n  \"version\": \"%s\",\n  \"step\": %" G_GUINT64_FORMAT
                                          ",\n  \"seed\": %" G_GINT64_FORMAT
                                          ",\n  \"recipe\": \"recipe.yaml\",\n  \"checkpoint\": \"%s\",\n"
                                          "  \"random_state\": \"a function of seed and step\",\n"
                                          "  \"pictures\": \"%s\"\n}\n",
                                          ND_VERSION, t->state.step, t->recipe->seed, checkpoint, pictures);
  return nd_file_write_atomic(path, text, strlen(text));
}

int nd_checkpoint_save(const nd_trainer *t, const char *folder) {
  g_autofree char *name = checkpoint_name(t->state.step), *path = g_build_filename(folder, name, NULL);
  if (write_tensors(t, path) || nd_checkpoint_save_model(t, folder, "model.safetensors", NULL) ||
      write_manifest(t, folder, name))
    return nd_fail_in("saving step %" G_GUINT64_FORMAT, t->state.step);
  nd_checkpoints_prune(t, folder, name);
  return 0;
}

int nd_checkpoint_save_model(const nd_trainer *t, const char *folder, const char *name,
                             const nd_validation *result) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *recipe = nd_recipe_print(t->recipe);
  g_autofree char *step = g_strdup_printf("%" G_GUINT64_FORMAT, t->state.step);
  g_autofree char *figures =
      result ? g_strdup_printf("PSNR %.4f dB, SSIM %.5f on %s", result->psnr, result->ssim,
                               nd_count((size_t)result->pictures, "validation picture").text)
             : g_strdup("");
  nd_st_metadata metadata[] = {
      {"noiseda.recipe", recipe}, {"noiseda.step", step}, {"noiseda.metrics", figures}};
  return nd_model_save(path, t->restoration, t->recipe->restoration.residual, t->params,
                       ND_SCOPE_RESTORATION ".", t->state.ema, metadata, result ? 3 : 2);
}

static bool has_manifest(const char *folder) {
  g_autofree char *path = g_build_filename(folder, "manifest.json", NULL);
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

bool nd_checkpoint_exists(const char *folder) {
  g_autofree char *newest = nd_checkpoints_newest(folder);
  return newest || has_manifest(folder);
}

/* What a manifest says. */
typedef struct manifest {
  char *checkpoint; /* its name */
  char *pictures;   /* NULL in those of older versions */
} manifest;

static void manifest_clear(manifest *m) {
  g_free(m->checkpoint);
  g_free(m->pictures);
}

static int parse_manifest(const char *path, manifest *out) {
  g_autoptr(JsonParser) parser = json_parser_new();
  g_autoptr(GError) error = NULL;
  if (!json_parser_load_from_file(parser, path, &error))
    return nd_fail("'%s' cannot be read: %s", path, error->message);
  JsonNode *root = json_parser_get_root(parser);
  if (root && JSON_NODE_HOLDS_OBJECT(root)) { /* of an empty file there is none */
    JsonObject *o = json_node_get_object(root);
    out->checkpoint = g_strdup(json_object_get_string_member_with_default(o, "checkpoint", NULL));
    out->pictures = g_strdup(json_object_get_string_member_with_default(o, "pictures", NULL));
  }
  return out->checkpoint ? 0 : nd_fail("'%s' cannot be read: it names no checkpoint", path);
}

/* Error: there is none, it cannot be read, or what it names is not there; out has what could be read. To be
 * cleared in any case. */
static int read_manifest(const char *folder, manifest *out) {
  g_autofree char *path = g_build_filename(folder, "manifest.json", NULL);
  *out = (manifest){0};
  if (!has_manifest(folder))
    return nd_fail("'%s' has no manifest.json", folder);
  if (parse_manifest(path, out))
    return -1;
  g_autofree char *named = g_build_filename(folder, out->checkpoint, NULL);
  return !strchr(out->checkpoint, '/') && g_file_test(named, G_FILE_TEST_EXISTS)
             ? 0
             : nd_fail("'%s': its manifest.json names '%s', which is not in it", folder, out->checkpoint);
}

/* The last checkpoint of a folder. */
typedef struct last {
  char *path;     /* NULL and an error: there is none */
  char *lost;     /* why the manifest does not name it; NULL: it does */
  char *pictures; /* what it was trained on; NULL: unknown */
} last;

static void last_clear(last *l) {
  g_free(l->path);
  g_free(l->lost);
  g_free(l->pictures);
}

static last find_last(const char *folder) {
  manifest m;
  last found = {0};
  bool named = !read_manifest(folder, &m);
  g_autofree char *newest = named ? NULL : nd_checkpoints_newest(folder);
  if (named || newest)
    found.path = g_build_filename(folder, named ? m.checkpoint : newest, NULL);
  else if (!has_manifest(folder))
    nd_fail("'%s' holds no checkpoint of a run, and no manifest.json (it appears with the first)", folder);
  if (newest) {
    found.lost = g_strdup(nd_error());
    nd_error_clear();
  }
  found.pictures = g_steal_pointer(&m.pictures);
  manifest_clear(&m);
  return found;
}

char *nd_checkpoint_last(const char *folder) {
  last found = find_last(folder);
  char *path = g_steal_pointer(&found.path);
  last_clear(&found);
  return path;
}

void nd_checkpoint_compare_pictures(const nd_trainer *t) {
  g_autofree char *now = pictures_text(t);
  if (t->pictures_before && strcmp(now, t->pictures_before))
    nd_log(ND_LOG_WARNING, "the pictures to train on are not those of the last checkpoint: some were added, "
                           "removed or changed; the run goes on, but not as it would have");
}

static bool read_count(const nd_safetensors *file, const char *key, guint64 most, guint64 *out) {
  const char *text = nd_safetensors_metadata(file, key);
  return text && g_ascii_string_to_unsigned(text, 10, 0, most, out, NULL);
}

static int other_networks(void) {
  return nd_fail_and(
      "a run keeps its networks: start another for other ones, or for a mode that has other ones "
      "(training.init_from takes weights along)");
}

static int read_parts(nd_trainer *t, const nd_safetensors *file) {
  guint64 done, skipped = 0, in_a_row = 0, rest = 0; /* all but the first were not always written */
  if (!read_count(file, "noiseda.step", UINT32_MAX, &done))
    return nd_fail("it is no checkpoint: it does not say at which step it was saved");
  read_count(file, "noiseda.skipped", done, &skipped);
  read_count(file, "noiseda.skipped_in_a_row", skipped, &in_a_row);
  read_count(file, "noiseda.contrast_rest", done, &rest);
  part parts[PARTS];
  parts_of(t, parts);
  for (int k = 0; k < PARTS; k++)
    if (nd_weights_load(file, parts[k].prefix, t->params, "", true, parts[k].values))
      return other_networks();
  t->state.step = done;
  t->state.skipped = skipped;
  t->state.skipped_in_a_row = (int64_t)in_a_row;
  t->state.contrast_rest = rest;
  return 0;
}

/* Nothing follows from the time of day, but people look at it. */
static void compare_clock(const char *path) {
  GStatBuf s;
  time_t now = time(NULL);
  if (!g_stat(path, &s) && s.st_mtime > now + 60)
    nd_log(ND_LOG_WARNING,
           "'%s' is from the future: the clock was set back since. The run goes on where it was; only the "
           "times shown beside its files and events are not to be relied on",
           path);
}

static int damaged(const char *path) {
  return nd_fail_and("without '%s' the run goes on from the checkpoint before it, if there is one", path);
}

static int load(nd_trainer *t, const char *folder, last *from) {
  nd_safetensors *file;
  if (!from->path)
    return -1;
  if (nd_safetensors_open(from->path, &file))
    return damaged(from->path);
  compare_clock(from->path);
  if (from->lost) /* the checkpoints are whole, each by itself */
    nd_log(ND_LOG_WARNING, "%s: the run goes on from its newest checkpoint, '%s'", from->lost, from->path);
  int failed = read_parts(t, file);
  nd_safetensors_close(file);
  if (failed)
    return nd_fail_in("'%s'", from->path);
  g_autofree char *name = g_path_get_basename(from->path); /* a killed process may not have got that far */
  nd_checkpoints_prune(t, folder, name);
  g_free(t->pictures_before);
  t->pictures_before = g_steal_pointer(&from->pictures);
  return 0;
}

int nd_checkpoint_load(nd_trainer *t, const char *folder) {
  last from = find_last(folder);
  int failed = load(t, folder, &from);
  last_clear(&from);
  return failed;
}

uint64_t nd_train_step_of(const char *folder) {
  g_autofree char *path = nd_checkpoint_last(folder), *name = path ? g_path_get_basename(path) : NULL;
  return name && g_str_has_prefix(name, "checkpoint-") && g_file_test(path, G_FILE_TEST_EXISTS)
             ? g_ascii_strtoull(name + strlen("checkpoint-"), NULL, 10)
             : 0;
}
