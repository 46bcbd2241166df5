/* The files below a folder. */
#include "data/set-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* A link to a folder further up would otherwise be followed for ever. */
enum { DEPTH_MAX = 32 };

typedef struct walk {
  const char *root;
  bool (*wanted)(const char *name);
  GPtrArray *names; /* relative to root */
} walk;

static int list(walk *w, const char *below, int depth);

static int visit(walk *w, char *name, int depth) {
  g_autofree char *relative = name, *file = g_build_filename(w->root, name, NULL);
  GStatBuf status;
  if (g_stat(file, &status))
    return w->wanted(name) ? nd_fail("cannot read '%s': %s", file, g_strerror(errno)) : 0;
  if (S_ISDIR(status.st_mode))
    return list(w, relative, depth + 1);
  if (S_ISREG(status.st_mode) && w->wanted(name))
    g_ptr_array_add(w->names, g_steal_pointer(&relative));
  return 0;
}

static int list(walk *w, const char *below, int depth) {
  g_autofree char *folder = g_build_filename(w->root, below, NULL);
  if (depth > DEPTH_MAX)
    return nd_fail("folder '%s' is nested more than %d deep: is a link in it pointing back up?", folder,
                   DEPTH_MAX);
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
  if (!dir)
    return nd_fail("cannot list folder '%s': %s", folder, error->message);
  for (const char *entry; (entry = g_dir_read_name(dir));)
    if (entry[0] != '.' && visit(w, *below ? g_build_filename(below, entry, NULL) : g_strdup(entry), depth))
      return -1;
  return 0;
}

static int bytewise(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

int nd_walk(const char *root, bool (*wanted)(const char *name), GPtrArray *names) {
  walk w = {root, wanted, names};
  if (list(&w, "", 0))
    return -1;
  qsort(names->pdata, names->len, sizeof *names->pdata, bytewise);
  return 0;
}
