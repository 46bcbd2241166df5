/* Partners by order, as of DPDD: each picture is called by the number of its own exposure, and that of its
 * truth is the one before or after it. */
#include "data/layout-private.h"

#include <string.h>

/* In all of the 500 pairs that are published numbers are one or two apart. */
enum { APART_MOST = 2 };

void nd_alone_free(void *p) {
  nd_alone *a = p;
  g_free(a->folder);
  g_free(a->name);
  g_free(a->wanted);
  g_free(a);
}

/* Case as in nd_tree_find. */
static GPtrArray *pictures_in(const nd_tree *tree, const char *folder) {
  GPtrArray *files = g_ptr_array_new();
  g_autofree char *wanted = g_utf8_casefold(folder, -1);
  for (guint i = 0; i < tree->files->len; i++) {
    const nd_tree_file *f = tree->files->pdata[i];
    g_autofree char *dir = g_path_get_dirname(f->path), *key = g_utf8_casefold(dir, -1);
    if (nd_image_named(f->path) && !strcmp(key, wanted))
      g_ptr_array_add(files, tree->files->pdata[i]);
  }
  return files;
}

/* The number at the end of a name, before what it ends in; -1: there is none. */
static int64_t number_of(const char *name) {
  const char *dot = strrchr(name, '.'), *end = dot ? dot : name + strlen(name), *at = end;
  while (at > name && g_ascii_isdigit(at[-1]))
    at--;
  return at < end ? (int64_t)MIN(g_ascii_strtoull(at, NULL, 10), INT64_MAX) : -1;
}

static bool far_apart(const char *name, const char *target) {
  int64_t a = number_of(name), b = number_of(target);
  return a < 0 || b < 0 || MAX(a, b) - MIN(a, b) > APART_MOST;
}

static int check_partners(const GPtrArray *alone, const GPtrArray *partners) {
  for (guint i = 0; i < alone->len; i++) {
    const nd_alone *a = alone->pdata[i];
    const nd_tree_file *partner = partners->pdata[i];
    if (far_apart(a->name, partner->path))
      return nd_fail("'%s' and '%s' stand at the same place in the order of their numbers, but are no pair, "
                     "whose numbers differ by %d at most: a picture before them is missing",
                     a->input->path, partner->path, APART_MOST);
  }
  return 0;
}

static int check_counts(const nd_alone *first, guint inputs, const char *folder, guint targets) {
  g_autofree char *from = g_path_get_dirname(first->input->path);
  if (!targets)
    return nd_fail("'%s' has no partners: there is no picture in '%s'", from, folder);
  return inputs == targets
             ? 0
             : nd_fail("'%s' holds %s and '%s' %u: they are pairs in the order of their numbers, "
                       "so both need as many",
                       from, nd_count(inputs, "picture").text, folder, targets);
}

GPtrArray *nd_layout_partners_in_order(const nd_tree *tree, const GPtrArray *alone) {
  const nd_alone *first = alone->pdata[0];
  g_autofree char *folder = g_path_get_dirname(first->wanted);
  g_autoptr(GPtrArray) targets = pictures_in(tree, folder), names = g_ptr_array_new(),
                       target_names = g_ptr_array_new(), partners = g_ptr_array_new();
  if (check_counts(first, alone->len, folder, targets->len))
    return NULL;
  for (guint i = 0; i < alone->len; i++) {
    g_ptr_array_add(names, ((const nd_alone *)alone->pdata[i])->name);
    g_ptr_array_add(target_names, ((const nd_tree_file *)targets->pdata[i])->path);
  }
  g_autofree size_t *a = nd_names_in_order(names), *b = nd_names_in_order(target_names);
  g_ptr_array_set_size(partners, (gint)alone->len);
  for (guint i = 0; i < alone->len; i++)
    partners->pdata[a[i]] = targets->pdata[b[i]];
  return check_partners(alone, partners) ? NULL : g_steal_pointer(&partners);
}
