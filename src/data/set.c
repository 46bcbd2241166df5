/* Sets of pictures: which kind a path names, and what all kinds have in common. */
#include "data/set-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* In the order in which they are asked; the first that knows a path has it. */
static const nd_set_kind *const kinds[] = {&nd_set_halves, &nd_set_folders, &nd_set_lists, &nd_set_blocks,
                                           &nd_set_pictures};

/* A file or folder whose own name has a '#' is meant as it stands. */
static void split(const char *path, char **base, char **part) {
  const char *mark = strrchr(path, '#');
  bool parted = mark && mark > path && !g_file_test(path, G_FILE_TEST_EXISTS);
  *base = parted ? g_strndup(path, (gsize)(mark - path)) : g_strdup(path);
  *part = parted ? g_strdup(mark + 1) : NULL;
}

static const nd_set_kind *kind_of(const char *base, const char *part) {
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (kinds[i]->knows(base, part))
      return kinds[i];
  return NULL;
}

bool nd_set_named(const char *path) {
  g_autofree char *base = NULL, *part = NULL;
  split(path, &base, &part);
  const nd_set_kind *kind = kind_of(base, part);
  return kind && kind != &nd_set_pictures;
}

static int unknown(const char *path, const char *base) {
  if (!g_file_test(base, G_FILE_TEST_EXISTS))
    return nd_fail("cannot find '%s': there is no such folder, list or .mat file", base);
  return nd_fail("'%s' is no set of pictures; a set is a folder, a list (.flist or .txt, a path a line), an "
                 "array (.mat), or halves of the pictures of a folder (DIR#left, DIR#right, DIR#halves)",
                 path);
}

int nd_set_open_past(const char *path, nd_set_problem problem, void *context, nd_set *out) {
  g_autofree char *base = NULL, *part = NULL;
  *out = (nd_set){0};
  split(path, &base, &part);
  const nd_set_kind *kind = kind_of(base, part);
  if (!kind)
    return unknown(path, base);
  *out = (nd_set){.kind = kind, .path = g_strdup(path), .problem = problem, .context = context};
  if (!kind->open(out, base, part))
    return 0;
  nd_set_free(out);
  return -1;
}

int nd_set_open(const char *path, nd_set *out) {
  return nd_set_open_past(path, NULL, NULL, out);
}

void nd_set_add(nd_set *set, char *name, char *file, char *label, size_t part) {
  if ((set->count & (set->count - 1)) == 0) /* full at each power of two */
    set->at = g_renew(nd_set_item, set->at, MAX(1, 2 * set->count));
  set->at[set->count++] = (nd_set_item){name, file, label ? label : g_strdup(file), part};
}

bool nd_set_whole_file(const nd_set_item *item) {
  return !strcmp(item->label, item->file);
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t n) {
  for (const unsigned char *at = bytes; n--; at++)
    hash = (hash ^ *at) * 0x100000001b3u;
  return hash;
}

uint64_t nd_set_fingerprint(uint64_t before, const nd_set *set) {
  uint64_t hash = mix(before, &set->count, sizeof set->count);
  for (size_t i = 0; i < set->count; i++) {
    GStatBuf s = {0};
    g_stat(set->at[i].file, &s);
    hash = mix(hash, set->at[i].name, strlen(set->at[i].name) + 1);
    hash = mix(hash, &s.st_size, sizeof s.st_size);
  }
  return hash;
}

static void item_clear(nd_set_item *item) {
  g_free(item->name);
  g_free(item->file);
  g_free(item->label);
}

void nd_set_filter(nd_set *set, bool (*wanted)(const nd_set_item *, void *), void *context) {
  size_t kept = 0;
  for (size_t i = 0; i < set->count; i++)
    if (wanted(&set->at[i], context))
      set->at[kept++] = set->at[i];
    else
      item_clear(&set->at[i]);
  set->count = kept;
}

typedef struct thinning {
  size_t n, keep, seen, kept;
} thinning;

static bool next_of_keep(const nd_set_item *item, void *context) {
  thinning *t = context;
  (void)item;
  bool wanted = t->seen++ == t->kept * t->n / t->keep && t->kept < t->keep;
  t->kept += wanted;
  return wanted;
}

void nd_set_thin(nd_set *set, double fraction) {
  thinning t = {.n = set->count, .keep = MAX(1, (size_t)(fraction * (double)set->count + 0.5))};
  if (t.keep < t.n)
    nd_set_filter(set, next_of_keep, &t);
}

void nd_set_free(nd_set *set) {
  for (size_t i = 0; i < set->count; i++)
    item_clear(&set->at[i]);
  if (set->kind && set->kind->close)
    set->kind->close(set->state);
  g_free(set->at);
  g_free(set->path);
  *set = (nd_set){0};
}

int nd_set_load(const nd_set *set, size_t index, nd_image *out) {
  return set->kind->load(set, &set->at[index], out);
}

int nd_set_size(const nd_set *set, size_t index, int *width, int *height) {
  return set->kind->size(set, &set->at[index], width, height);
}

/* ---- Pairs ---- */
static bool find_sides(const char *path, char **input, char **target) {
  g_autofree char *base = NULL, *part = NULL;
  split(path, &base, &part);
  const nd_set_kind *kind = kind_of(base, part);
  return kind && kind->pairs && kind->pairs(base, part, input, target);
}

bool nd_set_holds_pairs(const char *path) {
  g_autofree char *input = NULL, *target = NULL;
  return find_sides(path, &input, &target);
}

int nd_set_pair_paths(const char *path, char **input, char **target) {
  *input = *target = NULL;
  if (find_sides(path, input, target))
    return 0;
  return nd_fail(
      "'%s' holds no pairs: a folder with input/ and target/ in it does, a list of two paths a line, "
      "or DIR#halves for pictures that show input and target side by side",
      path);
}
