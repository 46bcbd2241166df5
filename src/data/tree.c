/* The files of folders and archives as one tree. */
#include "data/tree-private.h"

#include <errno.h>
#include <string.h>

enum { FILE_BYTES_MAX = 512 << 20 };

typedef struct place {
  nd_tree *tree;
  nd_zip *zip;
  const char *above; /* the folder the archive stands in, as a path of the tree */
} place;

static void file_free(void *p) {
  nd_tree_file *f = p;
  g_free(f->path);
  g_free(f->disk);
  g_free(f);
}

static void zip_free(void *p) {
  nd_zip_close(p);
}

static bool ends_in(const char *path, const char *const *endings) {
  g_autofree char *low = g_ascii_strdown(path, -1);
  for (; *endings; endings++)
    if (g_str_has_suffix(low, *endings))
      return true;
  return false;
}

static bool is_zip(const char *path) {
  return ends_in(path, (const char *const[]){".zip", NULL});
}

static bool is_other_archive(const char *path) {
  return ends_in(path, (const char *const[]){".tar", ".tgz", ".gz", ".xz", ".bz2", ".zst", ".rar", ".7z",
                                             ".z01", ".zip.00", ".zip.001", NULL});
}

/* Of two files of one path the first stays. */
static void add(nd_tree *tree, char *path, char *disk, nd_zip *zip, guint64 index) {
  nd_tree_file *f = g_new(nd_tree_file, 1);
  char *key = g_utf8_validate(path, -1, NULL) ? g_utf8_casefold(path, -1) : g_ascii_strdown(path, -1);
  *f = (nd_tree_file){path, disk, zip, index};
  if (g_hash_table_contains(tree->by_path, key)) {
    g_free(key);
    file_free(f);
    return;
  }
  g_hash_table_insert(tree->by_path, key, f);
  g_ptr_array_add(tree->files, f);
}

static int add_entry(void *context, const char *path, guint64 index) {
  const place *p = context;
  char *full = *p->above ? g_build_filename(p->above, path, NULL) : g_strdup(path);
  add(p->tree, full, NULL, p->zip, index);
  return 0;
}

static int add_zip(nd_tree *tree, const char *disk, const char *above) {
  nd_zip *zip;
  if (nd_zip_open(disk, &zip))
    return -1;
  g_ptr_array_add(tree->zips, zip);
  return nd_zip_list(zip, add_entry, &(place){tree, zip, above});
}

static int add_file(nd_tree *tree, const char *disk, const char *path) {
  g_autofree char *parent = g_path_get_dirname(path);
  if (is_zip(disk))
    return add_zip(tree, disk, strcmp(parent, ".") ? parent : "");
  if (is_other_archive(disk))
    g_ptr_array_add(tree->unread, g_strdup(disk));
  else
    add(tree, g_strdup(path), g_strdup(disk), NULL, 0);
  return 0;
}

static bool any(const char *name) {
  (void)name;
  return true;
}

static int add_folder(nd_tree *tree, const char *folder, const char *name) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  if (nd_walk(folder, any, NULL, NULL, names))
    return -1;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *disk = g_build_filename(folder, names->pdata[i], NULL),
                    *path = g_build_filename(name, names->pdata[i], NULL);
    if (add_file(tree, disk, path))
      return -1;
  }
  return 0;
}

static int by_path(const void *a, const void *b) {
  return strcmp((*(nd_tree_file *const *)a)->path, (*(nd_tree_file *const *)b)->path);
}

int nd_tree_open(char *const *from, nd_tree *out) {
  *out = (nd_tree){g_ptr_array_new_with_free_func(file_free), g_ptr_array_new_with_free_func(zip_free),
                   g_ptr_array_new_with_free_func(g_free),
                   g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  int failed = 0;
  for (; *from && !failed; from++) {
    g_autofree char *whole = g_canonicalize_filename(*from, NULL), *name = g_path_get_basename(whole);
    if (g_file_test(whole, G_FILE_TEST_IS_DIR))
      failed = add_folder(out, whole, name);
    else if (g_file_test(whole, G_FILE_TEST_EXISTS))
      failed = add_file(out, whole, name);
    else
      failed = nd_fail("cannot find '%s': there is no such folder or archive", *from);
  }
  if (failed)
    nd_tree_close(out);
  else if (out->files->len)
    qsort(out->files->pdata, out->files->len, sizeof *out->files->pdata, by_path);
  return failed;
}

void nd_tree_close(nd_tree *tree) {
  g_hash_table_unref(tree->by_path);
  g_ptr_array_unref(tree->files);
  g_ptr_array_unref(tree->zips);
  g_ptr_array_unref(tree->unread);
  *tree = (nd_tree){0};
}

const nd_tree_file *nd_tree_find(const nd_tree *tree, const char *path) {
  g_autofree char *key =
      g_utf8_validate(path, -1, NULL) ? g_utf8_casefold(path, -1) : g_ascii_strdown(path, -1);
  return g_hash_table_lookup(tree->by_path, key);
}

static int read_disk(const char *path, void **bytes, size_t *size) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GMappedFile) map = g_mapped_file_new(path, FALSE, &error);
  if (!map)
    return nd_fail("cannot read '%s': %s", path, error->message);
  *size = g_mapped_file_get_length(map);
  if (*size > FILE_BYTES_MAX)
    return nd_fail("'%s' has %zu bytes; up to %d are read", path, *size, FILE_BYTES_MAX);
  if (!(*bytes = nd_mem_alloc(*size + 1, path)))
    return -1;
  memcpy(*bytes, *size ? g_mapped_file_get_contents(map) : "", *size);
  return 0;
}

int nd_tree_read(const nd_tree_file *file, void **bytes, size_t *size) {
  *bytes = NULL;
  return file->zip ? nd_zip_read(file->zip, file->index, bytes, size) : read_disk(file->disk, bytes, size);
}
