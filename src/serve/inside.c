/* Names from outside stay inside the folder that was given. */
#include "serve/serve-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

/* "." alone, or parts that are neither empty nor hidden, which leaves no "..". */
static bool is_plain(const char *name) {
  if (!strcmp(name, "."))
    return true;
  g_auto(GStrv) parts = g_strsplit(name, "/", -1);
  for (int i = 0; parts[i]; i++)
    if (!*parts[i] || *parts[i] == '.')
      return false;
  return *name != 0;
}

static bool is_below(const char *path, const char *root) {
  size_t n = strlen(root);
  return !strncmp(path, root, n) && (!path[n] || path[n] == '/' || root[n - 1] == '/');
}

char *nd_inside(const char *folder, const char *name) {
  if (!folder || !name || !is_plain(name)) {
    nd_fail("'%s' is no name in this folder", name ? name : "");
    return NULL;
  }
  g_autofree char *joined = g_build_filename(folder, name, NULL);
  char *root = realpath(folder, NULL), *path = realpath(joined, NULL);
  char *result = root && path && is_below(path, root) ? g_strdup(path) : NULL;
  if (!result && root && path)
    nd_fail("'%s' is a link that leads out of its folder", name);
  else if (!result)
    nd_fail("there is no '%s'", name);
  free(root);
  free(path);
  return result;
}

static int bytewise(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

void nd_inside_each(const char *folder, nd_entry_visit visit, void *context) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (const char *name; dir && (name = g_dir_read_name(dir));)
    if (g_utf8_validate(name, -1, NULL))
      g_ptr_array_add(names, g_strdup(name));
  if (names->len)
    qsort(names->pdata, names->len, sizeof *names->pdata, bytewise);
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = nd_inside(folder, names->pdata[i]);
    if (path)
      visit(names->pdata[i], path, context);
  }
}

void nd_remove_all(const char *folder) {
  g_autoptr(GDir) dir = g_file_test(folder, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *below = g_build_filename(folder, name, NULL);
    nd_remove_all(below);
  }
  g_remove(folder);
}
