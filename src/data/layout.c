/* What the files of a tree are by the table of layouts: its patterns tried on their paths. */
#include "data/layout-private.h"

#include <string.h>

typedef struct search {
  const nd_tree *tree;
  const nd_published_layout *layout;
  GRegex *pattern;
  char *const *only;
  GPtrArray *found, *missing;
  GPtrArray *alone;    /* nd_alone: of ND_LAYOUT_ORDERED, until all files were seen */
  GHashTable *by_name; /* folders of targets that were found by their names */
  GHashTable **ends;   /* of nd_layout_find_apart */
} search;

void nd_found_free(void *p) {
  nd_found *f = p;
  g_free(f->folder);
  g_free(f->name);
  g_free(f);
}

static char *expand(const GMatchInfo *match, const char *template) {
  g_autoptr(GError) error = NULL;
  char *text = g_match_info_expand_references(match, template, &error);
  return text ? text : g_strdup("");
}

/* The part of the set: its last folder of one of these names, or what the layout says. */
static char *part_of(const nd_published_layout *l, const GMatchInfo *match, const char *path) {
  static const char *const words[] = {"train", "test", "val"};
  const char *chosen = l->part + 1;
  if (*l->part != '?') {
    char *part = expand(match, l->part);
    if (!strcmp(part, "valid"))
      part[3] = 0;
    return part;
  }
  g_auto(GStrv) folders = g_strsplit(path, "/", -1);
  for (char **f = folders; *f; f++)
    for (size_t w = 0; w < G_N_ELEMENTS(words); w++)
      if (!g_ascii_strcasecmp(*f, words[w]))
        chosen = words[w];
  return g_strdup(chosen);
}

/* The folder of the results; NULL: the set is not wanted. */
static char *folder_of(const search *s, const GMatchInfo *match, const char *path) {
  g_autofree char *set = expand(match, s->layout->set), *part = part_of(s->layout, match, path);
  if (s->only && !g_strv_contains((const char *const *)s->only, set))
    return NULL;
  return g_strdup_printf("%s/%s", set, part);
}

static void add(const search *s, char *folder, char *name, const nd_tree_file *input,
                const nd_tree_file *target) {
  nd_found *f = g_new(nd_found, 1);
  nd_layout_kind k = s->layout->kind;
  const char *role = k == ND_LAYOUT_CLEAN   ? "clean"
                     : k == ND_LAYOUT_RIGHT ? "right"
                     : target               ? "input"
                                            : "real";
  *f = (nd_found){folder, name, input, target, role, k == ND_LAYOUT_BLOCKS};
  g_ptr_array_add(s->found, f);
}

static void add_missing(const search *s, const char *path, const char *wanted) {
  g_ptr_array_add(s->missing, g_strdup_printf("'%s' has no partner: '%s' is not there", path, wanted));
}

static const nd_tree_file *find_target(const search *s, const GMatchInfo *match) {
  const nd_published_layout *l = s->layout;
  const nd_tree_file *target = NULL;
  for (int t = 0; t < ND_LAYOUT_TARGETS && l->targets[t] && !target; t++) {
    g_autofree char *path = expand(match, l->targets[t]);
    target = nd_tree_find(s->tree, path);
    if (!target && l->kind == ND_LAYOUT_APART)
      target = nd_layout_find_apart(s->tree, path, s->ends);
  }
  return target;
}

/* Takes over folder. */
static void add_match(const search *s, const GMatchInfo *match, const nd_tree_file *file, char *folder) {
  const nd_published_layout *l = s->layout;
  const nd_tree_file *target = find_target(s, match);
  g_autofree char *wanted = l->targets[0] ? expand(match, l->targets[0]) : NULL;
  if (l->kind == ND_LAYOUT_ORDERED && target)
    g_hash_table_add(s->by_name, g_path_get_dirname(wanted));
  if (target || !wanted) {
    add(s, folder, expand(match, l->name), file, target);
  } else if (l->kind == ND_LAYOUT_ORDERED) {
    nd_alone *a = g_new(nd_alone, 1);
    *a = (nd_alone){folder, expand(match, l->name), file, g_steal_pointer(&wanted)};
    g_ptr_array_add(s->alone, a);
  } else {
    add_missing(s, file->path, wanted);
    g_free(folder);
  }
}

/* ---- By order ---- */
/* Those of what is alone, from the one at `begin` on, whose partners should be in one folder. */
static GPtrArray *together_from(const GPtrArray *alone, guint begin, const char *targets) {
  GPtrArray *together = g_ptr_array_new();
  for (guint i = begin; i < alone->len; i++) {
    const nd_alone *a = alone->pdata[i];
    g_autofree char *dir = g_path_get_dirname(a->wanted);
    if (strcmp(dir, targets))
      break;
    g_ptr_array_add(together, alone->pdata[i]);
  }
  return together;
}

static void add_in_order(const search *s, const GPtrArray *alone) {
  g_autoptr(GPtrArray) partners = nd_layout_partners_in_order(s->tree, alone);
  if (!partners)
    g_ptr_array_add(s->missing, g_strdup(nd_error()));
  for (guint i = 0; partners && i < alone->len; i++) {
    const nd_alone *a = alone->pdata[i];
    add(s, g_strdup(a->folder), g_strdup(a->name), a->input, partners->pdata[i]);
  }
}

/* A folder after the other: they stand in the order of the tree. */
static void add_alone(const search *s) {
  for (guint begin = 0; begin < s->alone->len;) {
    const nd_alone *first = s->alone->pdata[begin];
    g_autofree char *targets = g_path_get_dirname(first->wanted);
    g_autoptr(GPtrArray) together = together_from(s->alone, begin, targets);
    begin += together->len;
    bool some_found = g_hash_table_contains(s->by_name, targets);
    for (guint i = 0; some_found && i < together->len; i++) {
      const nd_alone *a = together->pdata[i];
      add_missing(s, a->input->path, a->wanted);
    }
    if (!some_found)
      add_in_order(s, together);
  }
}

/* ---- Lists ---- */
/* A path of a list, from the folder of the list, or from one further up. */
static const nd_tree_file *find_listed(const nd_tree *tree, const char *list, const char *path) {
  g_autofree char *above = g_path_get_dirname(list);
  while (*path == '/' || g_str_has_prefix(path, "./"))
    path += *path == '/' ? 1 : 2;
  for (;;) {
    bool top = !strcmp(above, ".");
    g_autofree char *full = top ? g_strdup(path) : g_build_filename(above, path, NULL);
    const nd_tree_file *file = nd_tree_find(tree, full);
    if (file || top)
      return file;
    char *next = g_path_get_dirname(above);
    g_free(above);
    above = next;
  }
}

static void add_line(const search *s, const nd_tree_file *list, const nd_list_line *line, const char *folder,
                     const GRegex *name) {
  guint n = g_strv_length(line->paths), first = s->layout->kind == ND_LAYOUT_TARGET_FIRST;
  const nd_tree_file *input = n > 1 ? find_listed(s->tree, list->path, line->paths[first]) : NULL,
                     *target = n > 1 ? find_listed(s->tree, list->path, line->paths[1 - first]) : NULL;
  g_autoptr(GMatchInfo) match = NULL;
  if (n < 2)
    g_ptr_array_add(s->missing, g_strdup_printf("'%s', line %d: not two paths", list->path, line->number));
  else if (!input || !target)
    g_ptr_array_add(s->missing, g_strdup_printf("'%s', line %d: '%s' is not there", list->path, line->number,
                                                line->paths[input ? 1 - first : first]));
  else if (!g_regex_match(name, input->path, 0, &match))
    g_ptr_array_add(s->missing, g_strdup_printf("'%s', line %d: '%s' is not named as expected", list->path,
                                                line->number, input->path));
  else
    add(s, g_strdup(folder), expand(match, s->layout->name), input, target);
}

/* One that cannot be read is noted like a picture that is missing. */
static void add_list(const search *s, const nd_tree_file *list, const char *folder) {
  void *text;
  size_t size;
  g_autoptr(GArray) lines = NULL;
  if (!nd_tree_read(list, &text, &size)) {
    lines = nd_list_read(text, size, list->path);
    nd_mem_free(text);
  }
  if (!lines) {
    g_ptr_array_add(s->missing, g_strdup(nd_error()));
    return;
  }
  g_autoptr(GRegex) name = g_regex_new(s->layout->targets[0], G_REGEX_CASELESS, 0, NULL);
  for (guint i = 0; i < lines->len; i++)
    add_line(s, list, &g_array_index(lines, nd_list_line, i), folder, name);
}

static void try_file(const search *s, const nd_tree_file *file) {
  g_autoptr(GMatchInfo) match = NULL;
  if (!g_regex_match(s->pattern, file->path, 0, &match))
    return;
  char *folder = folder_of(s, match, file->path);
  if (!folder)
    return;
  if (s->layout->kind != ND_LAYOUT_INPUT_FIRST && s->layout->kind != ND_LAYOUT_TARGET_FIRST) {
    add_match(s, match, file, folder);
    return;
  }
  add_list(s, file, folder);
  g_free(folder);
}

void nd_layout_find(const nd_tree *tree, nd_task task, char *const *only, GPtrArray *found,
                    GPtrArray *missing) {
  GHashTable *ends = NULL;
  for (size_t k = 0; k < nd_layout_count; k++) {
    if (!(nd_layouts[k].tasks & 1 << task))
      continue;
    g_autoptr(GRegex) pattern =
        g_regex_new(nd_layouts[k].input, G_REGEX_CASELESS | G_REGEX_OPTIMIZE, 0, NULL);
    g_autoptr(GPtrArray) alone = g_ptr_array_new_with_free_func(nd_alone_free);
    g_autoptr(GHashTable) by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    search s = {tree, &nd_layouts[k], pattern, only, found, missing, alone, by_name, &ends};
    for (guint i = 0; i < tree->files->len; i++)
      try_file(&s, tree->files->pdata[i]);
    add_alone(&s);
  }
  g_clear_pointer(&ends, g_hash_table_unref);
}

char *nd_layout_known(nd_task task) {
  GString *text = g_string_new(NULL);
  for (size_t k = 0; k < nd_layout_count; k++)
    if (nd_layouts[k].tasks & 1 << task)
      g_string_append_printf(text, "\n  %s", nd_layouts[k].help);
  return g_string_free(text, FALSE);
}
