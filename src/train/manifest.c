/* The manifest of a run: which checkpoint is the last, and what it was trained on. */
#include "train/trainer-private.h"

#include <glib.h>
#include <json-glib/json-glib.h>
#include <string.h>

static char *pictures_text(const nd_trainer *t) {
  return g_strdup_printf("%016" G_GINT64_MODIFIER "x", nd_loader_fingerprint(t->loader));
}

int nd_checkpoint_note(const nd_trainer *t, const char *folder, const char *checkpoint) {
  g_autofree char *path = g_build_filename(folder, "manifest.json", NULL), *pictures = pictures_text(t);
  g_autofree char *text = g_strdup_printf("{\n  \"version\": \"%s\",\n  \"step\": %" G_GUINT64_FORMAT
                                          ",\n  \"seed\": %" G_GINT64_FORMAT
                                          ",\n  \"recipe\": \"recipe.yaml\",\n  \"checkpoint\": \"%s\",\n"
                                          "  \"random_state\": \"a function of seed and step\",\n"
                                          "  \"pictures\": \"%s\"\n}\n",
                                          ND_VERSION, t->state.step, t->recipe->seed, checkpoint, pictures);
  return nd_file_write_atomic(path, text, strlen(text));
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

void nd_last_clear(nd_last *l) {
  g_free(l->path);
  g_free(l->lost);
  g_free(l->pictures);
}

nd_last nd_checkpoint_find_last(const char *folder) {
  manifest m;
  nd_last found = {0};
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
  nd_last found = nd_checkpoint_find_last(folder);
  char *path = g_steal_pointer(&found.path);
  nd_last_clear(&found);
  return path;
}

void nd_checkpoint_compare_pictures(const nd_trainer *t) {
  g_autofree char *now = pictures_text(t);
  if (t->pictures_before && strcmp(now, t->pictures_before))
    nd_log(ND_LOG_WARNING, "the pictures to train on are not those of the last checkpoint: some were added, "
                           "removed or changed; the run goes on, but not as it would have");
}

uint64_t nd_train_step_of(const char *folder) {
  g_autofree char *path = nd_checkpoint_last(folder), *name = path ? g_path_get_basename(path) : NULL;
  return name && g_str_has_prefix(name, "checkpoint-") && g_file_test(path, G_FILE_TEST_EXISTS)
             ? g_ascii_strtoull(name + strlen("checkpoint-"), NULL, 10)
             : 0;
}
