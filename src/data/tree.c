/* The files of folders and archives as one tree. */
#include "data/tree-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

enum { FILE_BYTES_MAX = 512 << 20 };

static void file_free(void *p) {
  nd_tree_file *f = p;
  g_free(f->path);
  g_free(f->disk);
  g_free(f);
}

static void archive_free(void *p) {
  nd_archive_close(p);
}

static char *utf8_of(const char *path) {
  GString *s = g_string_new(NULL);
  for (const char *bad; !g_utf8_validate(path, -1, &bad); path = bad + 1) {
    g_string_append_len(s, path, bad - path);
    g_string_append_printf(s, "%%%02X", (unsigned char)*bad);
  }
  g_string_append(s, path);
  return g_string_free(s, FALSE);
}

static char *key_of(const char *path) {
  g_autofree char *utf8 = utf8_of(path);
  return g_utf8_casefold(utf8, -1);
}

static nd_tree_file *file_new(const char *path, const char *disk, const nd_archive *archive, int64_t index) {
  nd_tree_file *f = g_new(nd_tree_file, 1);
  *f = (nd_tree_file){utf8_of(path), g_strdup(disk), archive, index, 0};
  return f;
}

/* Of two files of one path the first stays. */
static void add(nd_tree *tree, nd_tree_file *f) {
  char *key = key_of(f->path);
  if (g_hash_table_contains(tree->by_path, key)) {
    g_free(key);
    file_free(f);
    return;
  }
  g_hash_table_insert(tree->by_path, key, f);
  g_ptr_array_add(tree->files, f);
}

/* ---- Folders and archives with one path for different pictures ---- */

static bool is_data(const char *path) {
  g_autofree char *low = g_ascii_strdown(path, -1);
  return nd_image_named(path) || nd_mat_named(path) || g_str_has_suffix(low, ".bmp");
}

static bool clash(const nd_tree *tree, const GPtrArray *files) {
  int met = 0;
  for (guint i = 0; i < files->len; i++) {
    const nd_tree_file *f = files->pdata[i], *there = is_data(f->path) ? nd_tree_find(tree, f->path) : NULL;
    if (there && !nd_tree_same(there, f, met++))
      return true;
  }
  return false;
}

/* The files of a folder or an archive, which are taken over; together, so that partners stay what they are.
 */
static void add_source(nd_tree *tree, GPtrArray *files) {
  g_autofree char *apart = NULL;
  int number = ++tree->sources;
  if (clash(tree, files))
    apart = g_strdup_printf("source-%d", number);
  for (guint i = 0; i < files->len; i++) {
    nd_tree_file *f = files->pdata[i];
    char *path = apart ? g_build_filename(apart, f->path, NULL) : NULL;
    if (path) {
      g_free(f->path);
      f->path = path;
    }
    f->source = number;
    add(tree, f);
  }
}

/* What nd_fail was told: the rest is looked at all the same. */
static void note_problem(const char *path, void *context) {
  const nd_tree *tree = context;
  (void)path;
  g_ptr_array_add(tree->problems, g_strdup(nd_error()));
}

/* ---- Archives ---- */

/* Folders, and hidden files. */
static bool is_left_out(const char *path) {
  return path[0] == '.' || strstr(path, "/.") || g_str_has_prefix(path, "__MACOSX/") ||
         g_str_has_suffix(path, "/");
}

/* above: the folder the archive stands in, as a path of the tree. */
static void add_archive(nd_tree *tree, const char *disk, const char *above) {
  nd_archive *a;
  if (nd_archive_open(disk, &a)) {
    note_problem(disk, tree);
    return;
  }
  g_ptr_array_add(tree->archives, a);
  g_autoptr(GPtrArray) files = g_ptr_array_new();
  for (int64_t i = 0, n = nd_archive_count(a); i < n; i++) {
    const char *entry = nd_archive_name(a, i);
    g_autofree char *path = *above ? g_build_filename(above, entry, NULL) : g_strdup(entry);
    if (!is_left_out(entry))
      g_ptr_array_add(files, file_new(path, NULL, a, i));
  }
  add_source(tree, files);
}

/* ---- Folders ---- */

/* A plain file joins the others of its folder. */
static void add_file(nd_tree *tree, const char *disk, const char *path, GPtrArray *files) {
  g_autofree char *parent = g_path_get_dirname(path);
  if (nd_archive_named(disk))
    add_archive(tree, disk, strcmp(parent, ".") ? parent : "");
  else if (nd_archive_named_unread(disk))
    g_ptr_array_add(tree->problems,
                    g_strdup_printf("'%s' is an archive of a kind that is not read: unpack it", disk));
  else
    g_ptr_array_add(files, file_new(path, disk, NULL, 0));
}

static bool any(const char *name) {
  (void)name;
  return true;
}

static int add_folder(nd_tree *tree, const char *folder, const char *name) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) files = g_ptr_array_new();
  if (nd_walk(folder, any, note_problem, tree, names))
    return -1;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *disk = g_build_filename(folder, names->pdata[i], NULL),
                    *path = g_build_filename(name, names->pdata[i], NULL);
    add_file(tree, disk, path, files);
  }
  add_source(tree, files);
  return 0;
}

static void add_single(nd_tree *tree, const char *disk, const char *name) {
  g_autoptr(GPtrArray) files = g_ptr_array_new();
  add_file(tree, disk, name, files);
  add_source(tree, files);
}

static int by_path(const void *a, const void *b) {
  return strcmp((*(nd_tree_file *const *)a)->path, (*(nd_tree_file *const *)b)->path);
}

int nd_tree_open(char *const *from, nd_tree *out) {
  *out = (nd_tree){g_ptr_array_new_with_free_func(file_free), g_ptr_array_new_with_free_func(archive_free),
                   g_ptr_array_new_with_free_func(g_free),
                   g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), 0};
  int failed = 0;
  for (; *from && !failed; from++) {
    g_autofree char *whole = g_canonicalize_filename(*from, NULL), *name = g_path_get_basename(whole);
    if (g_file_test(whole, G_FILE_TEST_IS_DIR))
      failed = add_folder(out, whole, name);
    else if (g_file_test(whole, G_FILE_TEST_EXISTS))
      add_single(out, whole, name);
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
  g_ptr_array_unref(tree->archives);
  g_ptr_array_unref(tree->problems);
  *tree = (nd_tree){0};
}

const nd_tree_file *nd_tree_find(const nd_tree *tree, const char *path) {
  g_autofree char *key = key_of(path);
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
  return file->archive ? nd_archive_read(file->archive, file->index, FILE_BYTES_MAX, bytes, size)
                       : read_disk(file->disk, bytes, size);
}

char *nd_tree_place(const nd_tree_file *file) {
  return file->archive ? g_strdup(nd_archive_path(file->archive)) : g_path_get_dirname(file->disk);
}

bool nd_tree_size(const nd_tree_file *file, uint64_t *size) {
  GStatBuf s;
  if (file->archive)
    return nd_archive_size(file->archive, file->index, size);
  bool there = !g_stat(file->disk, &s);
  *size = there ? (uint64_t)s.st_size : 0;
  return there;
}

static bool same_sizes(const nd_tree_file *a, const nd_tree_file *b) {
  uint64_t sizes[2];
  return nd_tree_size(a, &sizes[0]) && nd_tree_size(b, &sizes[1]) && sizes[0] == sizes[1];
}

static bool same_bytes(const nd_tree_file *a, const nd_tree_file *b) {
  void *bytes[2] = {NULL, NULL};
  size_t n[2];
  bool same = !nd_tree_read(a, &bytes[0], &n[0]) && !nd_tree_read(b, &bytes[1], &n[1]) && n[0] == n[1] &&
              !memcmp(bytes[0], bytes[1], n[0]);
  nd_mem_free(bytes[0]);
  nd_mem_free(bytes[1]);
  return same;
}

bool nd_tree_same(const nd_tree_file *a, const nd_tree_file *b, int compared) {
  enum { READ_WHOLE = 8 };
  return a == b || (same_sizes(a, b) && (compared >= READ_WHOLE || same_bytes(a, b)));
}
