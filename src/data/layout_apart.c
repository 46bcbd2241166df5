/* Partners that stand in folders unpacked by themselves: found by the end of their path. */
#include "data/layout-private.h"

#include <string.h>

/* "train_sharp/000/00000000.png" of REDS. */
enum { PARTS = 3 };

/* The last PARTS of a path; NULL: it has fewer. */
static const char *end_of(const char *path) {
  const char *at = path + strlen(path);
  int parts = PARTS;
  while (at > path && parts) {
    at--;
    parts -= *at == '/' || at == path;
  }
  return parts ? NULL : at + (*at == '/');
}

static char *key_of(const char *path) {
  const char *end = end_of(path);
  return end ? g_utf8_casefold(end, -1) : NULL;
}

/* Of each end the file that has it, or NULL where there are several. */
static GHashTable *ends_of(const nd_tree *tree) {
  GHashTable *ends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < tree->files->len; i++) {
    nd_tree_file *f = tree->files->pdata[i];
    char *key = key_of(f->path);
    if (key)
      g_hash_table_insert(ends, key, g_hash_table_contains(ends, key) ? NULL : f);
  }
  return ends;
}

const nd_tree_file *nd_layout_find_apart(const nd_tree *tree, const char *wanted, GHashTable **ends) {
  g_autofree char *key = key_of(wanted);
  if (!*ends)
    *ends = ends_of(tree);
  return key ? g_hash_table_lookup(*ends, key) : NULL;
}
