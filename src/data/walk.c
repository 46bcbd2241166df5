/* The files below a folder. */
#include "data/set-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* No tree that people made is deeper. */
enum { DEPTH_MAX = 64 };

typedef struct walk {
  const char *root;
  bool (*wanted)(const char *name);
  bool (*passed_over)(const char *name); /* may be NULL */
  GPtrArray *names, *passed;             /* relative to root */
  nd_set_problem problem;
  void *context;
} walk;

/* A folder that is being listed, and those it stands in. */
typedef struct level {
  const struct level *above;
  int depth;
  dev_t device;
  ino_t inode;
} level;

static int list(walk *w, const char *below, const level *above);

/* With nd_fail's message set: 0 goes on without it. */
static int bad(const walk *w, const char *path) {
  if (!w->problem)
    return -1;
  w->problem(path, w->context);
  return 0;
}

static int visit(walk *w, char *name, const level *above) {
  g_autofree char *relative = name, *file = g_build_filename(w->root, name, NULL);
  GStatBuf status;
  if (g_stat(file, &status))
    return w->wanted(name) ? nd_fail("cannot read '%s': %s", file, g_strerror(errno)), bad(w, file) : 0;
  if (S_ISDIR(status.st_mode))
    return list(w, relative, above);
  if (!S_ISREG(status.st_mode))
    return 0;
  if (w->wanted(name))
    g_ptr_array_add(w->names, g_steal_pointer(&relative));
  else if (w->passed_over && w->passed_over(name))
    g_ptr_array_add(w->passed, g_steal_pointer(&relative));
  return 0;
}

/* A link to a folder that it stands in shows nothing new, and would be followed for ever. */
static bool stands_in_itself(const level *l) {
  for (const level *a = l->above; a; a = a->above)
    if (a->device == l->device && a->inode == l->inode)
      return true;
  return false;
}

static int list(walk *w, const char *below, const level *above) {
  g_autofree char *folder = g_build_filename(w->root, below, NULL);
  g_autoptr(GError) error = NULL;
  GStatBuf status = {0};
  g_autoptr(GDir) dir = g_stat(folder, &status) ? NULL : g_dir_open(folder, 0, &error);
  level l = {above, above ? above->depth + 1 : 0, status.st_dev, status.st_ino};
  if (dir && stands_in_itself(&l))
    return 0;
  if (!dir) {
    nd_fail("cannot list folder '%s': %s", folder, error ? error->message : g_strerror(errno));
    return above ? bad(w, folder) : -1;
  }
  if (l.depth > DEPTH_MAX)
    return nd_fail("folder '%s' is nested more than %d deep", folder, DEPTH_MAX);
  for (const char *entry; (entry = g_dir_read_name(dir));)
    if (entry[0] != '.' && visit(w, *below ? g_build_filename(below, entry, NULL) : g_strdup(entry), &l))
      return -1;
  return 0;
}

static int bytewise(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(GPtrArray *names) {
  if (names->len)
    qsort(names->pdata, names->len, sizeof *names->pdata, bytewise);
}

int nd_walk_past(const char *root, bool (*wanted)(const char *name), bool (*passed_over)(const char *name),
                 nd_set_problem problem, void *context, GPtrArray *names, GPtrArray *passed) {
  walk w = {root, wanted, passed_over, names, passed, problem, context};
  if (list(&w, "", NULL))
    return -1;
  sort(names);
  if (passed)
    sort(passed);
  return 0;
}

int nd_walk(const char *root, bool (*wanted)(const char *name), nd_set_problem problem, void *context,
            GPtrArray *names) {
  return nd_walk_past(root, wanted, NULL, problem, context, names, NULL);
}
