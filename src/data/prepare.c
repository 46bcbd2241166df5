/* Published sets become plain folders: found, grouped, made by several threads, counted. */
#include "data/prepare-private.h"

#include <string.h>

enum { EXAMPLES = 5 };

const char *nd_task_name(int task) {
  static const char *const names[] = {"denoise", "derain", "deblur", NULL};
  return names[task];
}

typedef struct work {
  nd_prepare_work out;
  GPtrArray *found;
  nd_prepared *result; /* this and what follows: by one thread at a time, out.lock */
  GPtrArray *findings;
  GHashTable *groups; /* "folder role" to its place in result, plus one */
  size_t done;
} work;

/* ---- What was found ---- */
static nd_prepared_group *group_of(work *w, const nd_found *f) {
  const char *role = f->target ? "pairs" : f->role;
  g_autofree char *key = g_strconcat(f->folder, " ", role, NULL);
  size_t at = GPOINTER_TO_SIZE(g_hash_table_lookup(w->groups, key));
  if (at)
    return &w->result->groups[at - 1];
  w->result->groups = g_renew(nd_prepared_group, w->result->groups, w->result->count + 1);
  nd_prepared_group *g = &w->result->groups[w->result->count++];
  *g = (nd_prepared_group){.folder = g_strdup(f->folder), .role = role};
  g_hash_table_insert(w->groups, g_steal_pointer(&key), GSIZE_TO_POINTER(w->result->count));
  return g;
}

static int nothing_known(const nd_tree *tree, nd_task task, const GPtrArray *findings) {
  g_autofree char *known = nd_layout_known(task);
  g_autoptr(GString) seen = g_string_new(NULL);
  guint n = tree->files->len, shown = MIN(n, EXAMPLES);
  for (guint i = 0; i < shown; i++) /* spread over all of them */
    g_string_append_printf(seen, "%s'%s'", i ? ", " : ", such as ",
                           ((const nd_tree_file *)tree->files->pdata[i * (n / shown)])->path);
  if (findings->len)
    g_string_append_printf(seen, "; %s", (char *)findings->pdata[0]);
  return nd_fail("nothing to prepare for %s among %s%s%s Known are:%s", nd_task_name((int)task),
                 nd_count(n, "file").text, seen->str, nd_full_stop(seen->str), known);
}

/* The names of all sets that are there: "rain100l, rain13k"; the caller's. */
static char *names_found(const nd_tree *tree, nd_task task) {
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(nd_found_free),
                       findings = g_ptr_array_new_with_free_func(g_free);
  nd_layout_find(tree, task, NULL, all, findings);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < all->len; i++) {
    const char *folder = ((const nd_found *)all->pdata[i])->folder;
    char *name = g_strndup(folder, strcspn(folder, "/"));
    bool first = !g_hash_table_contains(seen, name);
    if (first)
      g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
    g_hash_table_add(seen, name);
  }
  return g_string_free(names, FALSE);
}

static bool holds_set(const GPtrArray *found, const char *name) {
  for (guint i = 0; i < found->len; i++) {
    const char *folder = ((const nd_found *)found->pdata[i])->folder;
    if (strcspn(folder, "/") == strlen(name) && g_str_has_prefix(folder, name))
      return true;
  }
  return false;
}

/* Of what was asked for by name; where something is wrong with what is there, that is told instead. */
static int check_only(const work *w, const nd_tree *tree) {
  const nd_prepare_settings *s = w->out.settings;
  for (int i = 0; s->only && s->only[i] && !w->findings->len; i++) {
    g_autofree char *names = holds_set(w->found, s->only[i]) ? NULL : names_found(tree, s->task);
    if (names && *names)
      return nd_fail("there is no set '%s'; found are: %s", s->only[i], names);
  }
  return 0;
}

/* ---- All of them ---- */
static void note(work *w, const nd_found *f, bool skipped, int failed, size_t files) {
  g_mutex_lock(&w->out.lock);
  nd_prepared_group *g = group_of(w, f);
  g->skipped += skipped;
  g->made += !skipped && !failed;
  g->failed += failed != 0;
  g->files += files;
  if (failed && !w->out.stop)
    g_ptr_array_add(w->findings, g_strdup(nd_error()));
  w->done++;
  if (w->out.settings->progress)
    w->out.settings->progress(w->done, w->found->len, w->out.settings->context);
  g_mutex_unlock(&w->out.lock);
}

static bool stopped(work *w) {
  g_mutex_lock(&w->out.lock);
  bool stop = w->out.stop != NULL;
  g_mutex_unlock(&w->out.lock);
  return stop;
}

static void prepare_range(size_t begin, size_t end, int thread, void *context) {
  work *w = context;
  (void)thread;
  for (size_t i = begin; i < end && !stopped(w); i++) {
    const nd_found *f = w->found->pdata[i];
    size_t files = 0;
    bool skipped = nd_prepare_is_done(&w->out, f);
    int failed = skipped ? 0 : nd_prepare_found(&w->out, f, &files);
    note(w, f, skipped, failed, files);
  }
}

/* What the folder was made with; a second way of cutting would leave a mixture. */
static int check_settings(const nd_prepare_settings *s) {
  g_autofree char *path = g_build_filename(s->out, "prepare.ini", NULL), *old = NULL,
                  *now = g_strdup_printf("[prepare]\npatch_size=%d\nstride=%d\n", s->patch_size, s->stride);
  if (nd_folder_make(s->out))
    return -1;
  if (!g_file_get_contents(path, &old, NULL, NULL))
    return nd_file_write_atomic(path, now, strlen(now));
  if (!strcmp(old, now))
    return 0;
  g_strdelimit(g_strchomp(old), "\n", ' ');
  return nd_fail("'%s' was prepared with other patches (%s); take the same, or another folder", s->out, old);
}

static int open_results(work *w) {
  if (check_settings(w->out.settings) || nd_manifest_open(w->out.settings->out, &w->out.manifest))
    return -1;
  nd_prepare_drop_others(w->found, w->out.manifest, w->findings);
  return 0;
}

static int prepare_all(work *w) {
  nd_parallel(w->found->len, 1, prepare_range, w);
  nd_manifest_close(w->out.manifest);
  return w->out.stop ? nd_fail("%s", w->out.stop) : 0;
}

static int prepare_tree(work *w, const nd_tree *tree) {
  const nd_prepare_settings *s = w->out.settings;
  for (guint i = 0; i < tree->problems->len; i++)
    g_ptr_array_add(w->findings, g_strdup(tree->problems->pdata[i]));
  nd_layout_find(tree, s->task, s->only, w->found, w->findings);
  nd_prepare_drop_repeated(w->found, w->findings);
  if (check_only(w, tree))
    return -1;
  if (!w->found->len)
    return nothing_known(tree, s->task, w->findings);
  if (!s->dry_run && open_results(w))
    return -1;
  for (guint i = 0; i < w->found->len; i++)
    group_of(w, w->found->pdata[i])->found++;
  return s->dry_run ? 0 : prepare_all(w);
}

static int check_numbers(const nd_prepare_settings *s) {
  if (s->patch_size && (s->patch_size < 16 || s->patch_size > 1 << 14))
    return nd_fail("patches of %d pixels: 16 to %d can be cut, 0 cuts none", s->patch_size, 1 << 14);
  if (s->patch_size && (s->stride < 1 || s->stride > s->patch_size))
    return nd_fail("a stride of %d: from 1 to the size of the patches, %d, nothing is left out", s->stride,
                   s->patch_size);
  return 0;
}

int nd_prepare(const nd_prepare_settings *settings, nd_prepared *out) {
  nd_tree tree;
  *out = (nd_prepared){0};
  if (check_numbers(settings) || nd_tree_open(settings->from, &tree))
    return -1;
  work w = {.out = {.settings = settings},
            .result = out,
            .found = g_ptr_array_new_with_free_func(nd_found_free),
            .findings = g_ptr_array_new_with_free_func(g_free),
            .groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  g_mutex_init(&w.out.lock);
  int failed = prepare_tree(&w, &tree);
  g_ptr_array_add(w.findings, NULL);
  out->findings = (char **)g_ptr_array_free(w.findings, FALSE);
  if (failed)
    nd_prepared_free(out);
  g_mutex_clear(&w.out.lock);
  g_hash_table_unref(w.groups);
  g_ptr_array_unref(w.found);
  g_free(w.out.stop);
  nd_tree_close(&tree);
  return failed;
}

void nd_prepared_free(nd_prepared *prepared) {
  for (size_t i = 0; i < prepared->count; i++)
    g_free(prepared->groups[i].folder);
  g_free(prepared->groups);
  g_strfreev(prepared->findings);
  *prepared = (nd_prepared){0};
}
