/* Pictures that would become one file: of a set that was given twice the second is dropped; two versions of a
 * set are not mixed. */
#include "data/prepare-private.h"

#include <string.h>

/* Whose pictures have the names of others, so that none of them is taken. */
typedef struct version {
  const nd_found *own; /* the first such picture */
  char *met;           /* what is in its place: "another picture, 'a.png' of 'x.zip'" */
  size_t pictures;
} version;

static void version_free(void *p) {
  g_free(((version *)p)->met);
  g_free(p);
}

/* A folder on disk or in an archive, and what is made of it. */
static char *origin_of(const nd_found *f) {
  g_autofree char *place = nd_tree_place(f->input), *parent = g_path_get_dirname(f->input->path);
  return g_strdup_printf("%s\t%s\t%s", f->folder, place, parent);
}

static bool same_pictures(const nd_found *a, const nd_found *b, int compared) {
  return nd_tree_same(a->input, b->input, compared) && !a->target == !b->target &&
         (!a->target || nd_tree_same(a->target, b->target, compared));
}

/* Takes over met. */
static void add_version(GHashTable *versions, const nd_found *f, char *met) {
  char *origin = origin_of(f);
  if (g_hash_table_contains(versions, origin)) {
    g_free(origin);
    g_free(met);
    return;
  }
  g_hash_table_insert(versions, origin, g_memdup2(&(version){f, met, 0}, sizeof(version)));
}

/* Within a folder (1.png and 1.jpg) it is that picture alone which is too many. */
static void note_other(const nd_found *first, const nd_found *f, GHashTable *versions, GPtrArray *findings) {
  g_autofree char *its = origin_of(first), *own = origin_of(f), *place = nd_tree_place(first->input);
  const char *path = first->input->path;
  if (!strcmp(its, own))
    g_ptr_array_add(findings, g_strdup_printf("'%s' is left out: '%s' has its name", f->input->path, path));
  else
    add_version(versions, f, g_strdup_printf("another picture, '%s' of '%s'", path, place));
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
    if ((dropped[i] = first) && !same_pictures(first, f, met++))
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
  g_autofree char *here = nd_tree_place(v->own->input);
  nd_count_text count = nd_count(v->pictures, v->own->target ? "pair" : "picture");
  g_ptr_array_add(
      findings, g_strdup_printf("%s: %s of '%s' left out, for '%s' would take the place of %s: prepare them "
                                "by themselves, into another folder",
                                v->own->folder, count.text, here, v->own->input->path, v->met));
}

/* All that is dropped, and all of the versions, leave `found`. */
static void drop(GPtrArray *found, bool *dropped, GHashTable *versions, GPtrArray *findings) {
  GHashTableIter at;
  gpointer v;
  drop_versions(found, dropped, versions);
  for (g_hash_table_iter_init(&at, versions); g_hash_table_iter_next(&at, NULL, &v);)
    tell(v, findings);
  for (guint i = 0, k = 0; i < found->len; k++)
    if (dropped[k])
      g_ptr_array_remove_index(found, i);
    else
      i++;
}

void nd_prepare_drop_repeated(GPtrArray *found, GPtrArray *findings) {
  g_autoptr(GHashTable) versions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, version_free);
  g_autofree bool *dropped = g_new0(bool, found->len);
  compare(found, dropped, versions, findings);
  drop(found, dropped, versions, findings);
}

/* ---- What an earlier run made ---- */
/* Of whole files (source as long as the result, unless it was a BMP) it is known whether they are the same;
 * patches are taken for the source's of that path. */
static bool is_other(const nd_manifest *m, const nd_found *f, const char *output, bool whole,
                     const char **source) {
  uint64_t bytes, own;
  *source = nd_manifest_source_of(m, output, &bytes);
  if (!*source)
    return false;
  bool moved = strcmp(*source, f->input->path) != 0;
  return whole && nd_tree_size(f->input, &own) ? own != bytes : moved;
}

/* The same picture has one of these names, or begins with one of these patches. */
static const char *made_of_another(const nd_manifest *m, const nd_found *f) {
  g_autofree char *stem = g_build_filename(f->folder, f->role, f->name, NULL),
                  *patch = g_strconcat(stem, "-00000-00000.png", NULL),
                  *ending = g_ascii_strdown(strrchr(f->input->path, '.'), -1),
                  *whole = g_strconcat(stem, ending, NULL);
  const char *source;
  return is_other(m, f, patch, false, &source) || is_other(m, f, whole, true, &source) ? source : NULL;
}

/* Pictures of arrays have numbers for names: whatever else is in their folder may have the same. */
static const char *made_of_another_array(const nd_manifest *m, const nd_found *f) {
  g_autofree char *folder = g_build_filename(f->folder, f->role, NULL);
  return nd_manifest_other_source(m, folder, f->input->path);
}

void nd_prepare_drop_others(GPtrArray *found, const nd_manifest *manifest, GPtrArray *findings) {
  g_autoptr(GHashTable) versions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, version_free);
  g_autofree bool *dropped = g_new0(bool, found->len);
  for (guint i = 0; i < found->len; i++) {
    const nd_found *f = found->pdata[i];
    const char *source = f->blocks ? made_of_another_array(manifest, f) : made_of_another(manifest, f);
    if (source)
      add_version(versions, f, g_strdup_printf("what an earlier run made of '%s'", source));
  }
  drop(found, dropped, versions, findings);
}
