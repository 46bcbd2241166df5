/* Pictures that would become one file: of a set that was given twice the second is dropped; two versions of a
 * set are not mixed. */
#include "data/prepare-private.h"

#include <string.h>

/* As many that meet are compared byte by byte, the others by their sizes. */
enum { READ_WHOLE = 8 };

/* Whose pictures have the names of others, so that none of them is taken. */
typedef struct version {
  const nd_found *own, *met; /* the first such picture, and the other one */
  size_t pictures;
} version;

/* A folder on disk or in an archive, and what is made of it. */
static char *origin_of(const nd_found *f) {
  g_autofree char *place = nd_tree_place(f->input), *parent = g_path_get_dirname(f->input->path);
  return g_strdup_printf("%s\t%s\t%s", f->folder, place, parent);
}

static bool same_pictures(const nd_found *a, const nd_found *b, bool whole) {
  return nd_tree_same(a->input, b->input, whole) && !a->target == !b->target &&
         (!a->target || nd_tree_same(a->target, b->target, whole));
}

/* Within a folder (1.png and 1.jpg) it is that picture alone which is too many. */
static void note_other(const nd_found *first, const nd_found *f, GHashTable *versions, GPtrArray *findings) {
  g_autofree char *its = origin_of(first), *own = origin_of(f);
  if (!strcmp(its, own))
    g_ptr_array_add(
        findings, g_strdup_printf("'%s' is left out: '%s' has its name", f->input->path, first->input->path));
  else if (!g_hash_table_contains(versions, own))
    g_hash_table_insert(versions, g_steal_pointer(&own), g_memdup2(&(version){f, first, 0}, sizeof(version)));
}

static int by_source(const void *a, const void *b, void *context) {
  const GPtrArray *found = context;
  const nd_found *f = found->pdata[*(const guint *)a], *g = found->pdata[*(const guint *)b];
  return f->input->source - g->input->source;
}

/* Whoever was given first is first; the caller's. */
static guint *order_of(GPtrArray *found) {
  guint *order = g_new(guint, found->len);
  for (guint i = 0; i < found->len; i++)
    order[i] = i;
  g_qsort_with_data(order, (int)found->len, sizeof *order, by_source, found); /* which is stable */
  return order;
}

/* dropped[i]: another has the name of the i-th. */
static void compare(GPtrArray *found, bool *dropped, GHashTable *versions, GPtrArray *findings) {
  g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autofree guint *order = order_of(found);
  int met = 0;
  for (guint k = 0; k < found->len; k++) {
    guint i = order[k];
    nd_found *f = found->pdata[i];
    char *key = g_strdup_printf("%s/%s/%s%s", f->folder, f->role, f->name, f->blocks ? "#" : "");
    const nd_found *first = g_hash_table_lookup(taken, key);
    if ((dropped[i] = first) && !same_pictures(first, f, met++ < READ_WHOLE))
      note_other(first, f, versions, findings);
    if (first)
      g_free(key);
    else
      g_hash_table_insert(taken, key, f);
  }
}

static void drop_versions(const GPtrArray *found, bool *dropped, GHashTable *versions) {
  for (guint i = 0; i < found->len && g_hash_table_size(versions); i++) {
    g_autofree char *origin = origin_of(found->pdata[i]);
    version *v = g_hash_table_lookup(versions, origin);
    if (v)
      v->pictures++, dropped[i] = true;
  }
}

static void tell(const version *v, GPtrArray *findings) {
  const nd_found *own = v->own, *met = v->met;
  g_autofree char *here = nd_tree_place(own->input), *there = nd_tree_place(met->input);
  nd_count_text count = nd_count(v->pictures, own->target ? "pair" : "picture");
  g_ptr_array_add(findings,
                  g_strdup_printf("%s: %s of '%s' left out, for '%s' is another picture than '%s' of '%s', "
                                  "whose name it would have: prepare them by themselves, into another folder",
                                  own->folder, count.text, here, own->input->path, met->input->path, there));
}

void nd_prepare_drop_repeated(GPtrArray *found, GPtrArray *findings) {
  g_autoptr(GHashTable) versions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autofree bool *dropped = g_new0(bool, found->len);
  compare(found, dropped, versions, findings);
  drop_versions(found, dropped, versions);
  GHashTableIter at;
  gpointer v;
  for (g_hash_table_iter_init(&at, versions); g_hash_table_iter_next(&at, NULL, &v);)
    tell(v, findings);
  for (guint i = 0, k = 0; i < found->len; k++)
    if (dropped[k])
      g_ptr_array_remove_index(found, i);
    else
      i++;
}
