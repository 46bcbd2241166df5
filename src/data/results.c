/* Results that stand among the pictures they were made from. */
#include "data/data.h"

#include <glib.h>
#include <string.h>

static bool is_elsewhere(const nd_set_item *item, void *folder) {
  g_autofree char *file = g_canonicalize_filename(item->file, NULL);
  size_t n = strlen(folder);
  return !nd_set_whole_file(item) || strncmp(file, folder, n) || file[n] != '/';
}

void nd_set_drop_results(nd_set *set, const char *folder) {
  g_autofree char *own = g_canonicalize_filename(set->path, NULL),
                  *results = g_canonicalize_filename(folder, NULL);
  if (strcmp(own, results) && nd_set_named(set->path))
    nd_set_filter(set, is_elsewhere, results);
}
