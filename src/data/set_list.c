/* A text file that lists pictures, one a line or two. */
#include "data/set-private.h"

#include <string.h>

enum { LIST_BYTES_MAX = 1 << 30 };

static bool is_list(const char *path, const char *part) {
  g_autofree char *low = g_ascii_strdown(path, -1);
  return (!part || !strcmp(part, "1") || !strcmp(part, "2")) &&
         (g_str_has_suffix(low, ".flist") || g_str_has_suffix(low, ".txt")) &&
         g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static GArray *read_lines(const char *path) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &error);
  if (!file || g_mapped_file_get_length(file) > LIST_BYTES_MAX) {
    nd_fail("cannot read list '%s': %s", path, file ? "it is larger than any list" : error->message);
    return NULL;
  }
  const char *text = g_mapped_file_get_contents(file);
  return nd_list_read(text ? text : "", g_mapped_file_get_length(file), path);
}

/* Where the file of a line is. Some lists of published sets begin their paths with the '/' of another
 * computer. */
static char *find_file(const char *folder, const char *path) {
  g_autofree char *whole = g_canonicalize_filename(folder, NULL);
  const char *relative = path + strspn(path, "/");
  char *below = g_canonicalize_filename(relative, whole);
  if (relative == path || (g_file_test(below, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_EXISTS)))
    return below;
  g_free(below);
  return g_canonicalize_filename(path, NULL);
}

/* The path without what would lead out of a folder that something is written to by this name. */
static char *name_of(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  g_autoptr(GPtrArray) kept = g_ptr_array_new();
  for (char **p = parts; *p; p++)
    if (!strcmp(*p, ".."))
      g_ptr_array_set_size(kept, (int)kept->len - (kept->len > 0));
    else if (**p && strcmp(*p, "."))
      g_ptr_array_add(kept, *p);
  g_ptr_array_add(kept, NULL);
  return g_strjoinv("/", (char **)kept->pdata);
}

/* ---- What a line must be. A set that is opened past problems is told what is wrong and goes on. ---- */
static int check_name(GHashTable *taken, const nd_set_item *item, const char *list, int line) {
  const char *other = g_hash_table_lookup(taken, item->name);
  if (other && strcmp(other, item->file))
    return nd_fail("list '%s', line %d: '%s' and '%s' would share the name '%s'", list, line, other,
                   item->file, item->name);
  g_hash_table_insert(taken, item->name, item->file);
  return 0;
}

/* Two for pairs, if most lines have two. */
static guint columns_of(const GArray *lines) {
  guint of[3] = {0};
  for (guint i = 0; i < lines->len; i++)
    of[MIN(2, g_strv_length(g_array_index(lines, nd_list_line, i).paths))]++;
  return of[2] && of[2] >= of[1] ? 2 : 1;
}

static int check_count(const char *list, const nd_list_line *line, guint columns) {
  guint n = g_strv_length(line->paths);
  if (n > 2)
    return nd_fail("list '%s', line %d: it has %u paths; one a line makes a set, two make pairs", list,
                   line->number, n);
  return n == columns ? 0
                      : nd_fail("list '%s', line %d: it has %s, others have %u", list, line->number,
                                nd_count(n, "path").text, columns);
}

static int check_ending(const char *list, const nd_list_line *line, guint column) {
  const char *path = line->paths[column];
  return nd_image_named(path)
             ? 0
             : nd_fail("list '%s', line %d: '%s' is no picture: files ending in .png, .jpg, .jpeg, .tif, "
                       ".tiff or .webp are read",
                       list, line->number, path);
}

/* A line that is passed over is so on both sides of pairs, which belong together by their order. */
static int check_line(const nd_set *set, const char *list, const nd_list_line *line, guint columns,
                      guint column) {
  if (check_count(list, line, columns))
    return -1;
  for (guint c = 0; c < columns; c++)
    if ((set->problem || c == column) && check_ending(list, line, c))
      return -1;
  return 0;
}

static int add_line(nd_set *set, const char *list, const nd_list_line *line, guint column) {
  g_autofree char *folder = g_path_get_dirname(list), *file = find_file(folder, line->paths[column]);
  if (!set->problem && !g_file_test(file, G_FILE_TEST_IS_REGULAR))
    return nd_fail("list '%s', line %d: there is no file '%s'", list, line->number, file);
  nd_set_add(set, name_of(line->paths[column]), g_steal_pointer(&file), NULL, 0);
  return 0;
}

/* With nd_fail's message set: 0 goes on. */
static int bad(const nd_set *set, const nd_list_line *line) {
  if (!set->problem)
    return -1;
  set->problem(line->paths[0], set->context);
  return 0;
}

static int add_lines(nd_set *set, const char *list, const GArray *lines, guint columns, guint column) {
  g_autoptr(GHashTable) taken = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < lines->len; i++) {
    const nd_list_line *line = &g_array_index(lines, nd_list_line, i);
    bool wrong = check_line(set, list, line, columns, column);
    if (!wrong && add_line(set, list, line, column))
      return -1;
    if ((wrong || check_name(taken, &set->at[set->count - 1], list, line->number)) && bad(set, line))
      return -1;
  }
  return 0;
}

static int open_list(nd_set *set, const char *path, const char *part) {
  g_autoptr(GArray) lines = read_lines(path);
  if (!lines)
    return -1;
  if (!lines->len)
    return nd_fail("list '%s' names no picture; a list has one path a line, or two for pairs", path);
  guint columns = columns_of(lines), column = part ? (guint)(part[0] - '1') : 0;
  if (columns == 2 && !part)
    return nd_fail("list '%s' holds pairs; where pictures of one kind are needed, add #1 or #2", path);
  if (column >= columns)
    return nd_fail("list '%s' has one path a line, so there is no '#2'", path);
  return add_lines(set, path, lines, columns, column);
}

static bool pairs(const char *path, const char *part, char **input, char **target) {
  g_autoptr(GArray) lines = part ? NULL : read_lines(path);
  if (!lines || columns_of(lines) < 2)
    return false;
  *input = g_strconcat(path, "#1", NULL);
  *target = g_strconcat(path, "#2", NULL);
  return true;
}

static int load(const nd_set *set, const nd_set_item *item, nd_image *out) {
  return nd_set_folders.load(set, item, out);
}

static int size(const nd_set *set, const nd_set_item *item, int *width, int *height) {
  return nd_set_folders.size(set, item, width, height);
}

const nd_set_kind nd_set_lists = {
    .ordered = true, .knows = is_list, .open = open_list, .load = load, .size = size, .pairs = pairs};
