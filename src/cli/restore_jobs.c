/* Files, sets and patterns become a list of pictures to restore, each with the file it goes to. */
#include "cli/restore_jobs.h"
#include "cli/cli.h"
#include "restore/restore.h"

#include <glob.h>
#include <string.h>

static const char suffix[] = ND_RESTORED_SUFFIX;

typedef struct list {
  const nd_restore_wish *wish;
  const char *ending; /* ".png", of wish->format; NULL: none was asked for */
  bool to_file;       /* wish->out is the file of the only input */
  GPtrArray *jobs;
} list;

static void set_clear(gpointer set) {
  nd_set_free(set);
}

static void job_free(gpointer data) {
  nd_restore_job *j = data;
  if (!j)
    return;
  if (j->set)
    g_rc_box_release_full((nd_set *)j->set, set_clear);
  job_free(j->right);
  g_free(j->in);
  g_free(j->out);
  g_free(j->error);
  g_free(j);
}

/* The name without its ending. */
static char *stem_of(const char *path) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
  return dot && dot > (slash ? slash + 1 : path) ? g_strndup(path, (gsize)(dot - path)) : g_strdup(path);
}

static bool is_own_result(const list *l, const char *path) {
  g_autofree char *stem = stem_of(path);
  return !l->wish->out && g_str_has_suffix(stem, suffix);
}

static char *output_for(const list *l, const char *in, const char *relative) {
  const char *dot = strrchr(in, '.');
  if (l->to_file)
    return g_strdup(l->wish->out);
  if (!strcmp(in, ND_STANDARD_STREAM))
    return g_strdup(ND_STANDARD_STREAM);
  g_autofree char *stem = stem_of(l->wish->out ? relative : in);
  const char *ending = l->ending ? l->ending : nd_image_named(in) ? dot : ".png";
  if (!l->wish->out)
    return g_strconcat(stem, suffix, ending, NULL);
  g_autofree char *name = g_strconcat(stem, ending, NULL);
  return g_build_filename(l->wish->out, name, NULL);
}

static nd_restore_job *add(const list *l, const char *in, const char *relative) {
  nd_restore_job *j = g_new0(nd_restore_job, 1);
  j->in = g_strdup(in);
  j->out = output_for(l, in, relative);
  g_ptr_array_add(l->jobs, j);
  return j;
}

static nd_restore_job *add_failure(const list *l, const char *in) {
  nd_restore_job *j = g_new0(nd_restore_job, 1);
  j->in = g_strdup(in);
  j->error = g_strdup(nd_error());
  g_ptr_array_add(l->jobs, j);
  return j;
}

/* A picture that is part of a file has no name beside it. */
static nd_restore_job *add_part(const list *l, const nd_set *set, size_t i) {
  const nd_set_item *item = &set->at[i];
  if (!l->wish->out) {
    nd_fail("'%s' is part of a file: -o DIR says where to put the result", item->label);
    return add_failure(l, item->label);
  }
  nd_restore_job *j = add(l, item->label, item->name);
  j->set = g_rc_box_acquire((nd_set *)set);
  j->index = i;
  return j;
}

static nd_restore_job *add_member(const list *l, const nd_set *set, size_t i) {
  const nd_set_item *item = &set->at[i];
  return nd_set_whole_file(item) ? add(l, item->file, item->name) : add_part(l, set, i);
}

static nd_restore_job *right_view(const nd_set *set, size_t i) {
  nd_restore_job *j = g_new0(nd_restore_job, 1);
  bool whole = nd_set_whole_file(&set->at[i]);
  *j = (nd_restore_job){
      .in = g_strdup(set->at[i].label), .set = whole ? NULL : g_rc_box_acquire((nd_set *)set), .index = i};
  return j;
}

/* Results of earlier runs are no pictures to restore. */
static bool is_to_restore(const nd_set_item *item, void *context) {
  return !nd_set_whole_file(item) || !is_own_result(context, item->file);
}

static void drop_results(list *l, nd_set *set) {
  nd_set_filter(set, is_to_restore, l);
  if (l->wish->out)
    nd_set_drop_results(set, l->wish->out);
}

static void note_problem(const char *path, void *context) {
  add_failure(context, path);
}

/* right: an empty set, or the right view of each picture. */
static void add_members(const list *l, const nd_set *set, const nd_set *right) {
  for (size_t i = 0; i < set->count; i++) {
    nd_restore_job *j = add_member(l, set, i);
    if (right->count && !j->error)
      j->right = right_view(right, i);
  }
}

static void add_set(list *l, const char *path) {
  nd_set *set = g_rc_box_new0(nd_set), *right = g_rc_box_new0(nd_set);
  int failed = nd_set_open_past(path, note_problem, l, set);
  if (!failed) {
    if (nd_set_named(path))
      drop_results(l, set);
    failed = l->wish->right && nd_set_open_right(l->wish->right, set, right);
  }
  if (failed)
    add_failure(l, path);
  else
    add_members(l, set, right);
  g_rc_box_release_full(set, set_clear);
  g_rc_box_release_full(right, set_clear);
}

static void add_file(const list *l, const char *path) {
  g_autofree char *base = g_path_get_basename(path);
  add(l, path, base);
}

/* A pattern that the shell was kept from expanding. */
static void add_pattern(list *l, const char *pattern) {
  glob_t found;
  int failed = glob(pattern, 0, NULL, &found);
  for (size_t i = 0; !failed && i < found.gl_pathc; i++)
    if (nd_set_named(found.gl_pathv[i]))
      add_set(l, found.gl_pathv[i]);
    else if (!is_own_result(l, found.gl_pathv[i]))
      add_file(l, found.gl_pathv[i]);
  if (failed) {
    nd_fail("no file is named like '%s'", pattern);
    add_failure(l, pattern);
  } else
    globfree(&found);
}

static void add_input(list *l, const char *in) {
  if (nd_set_named(in) || l->wish->right)
    add_set(l, in);
  else if (strpbrk(in, "*?[") && !g_file_test(in, G_FILE_TEST_EXISTS))
    add_pattern(l, in);
  else
    add_file(l, in);
}

static int check_names(const GPtrArray *jobs) {
  g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < jobs->len; i++) {
    nd_restore_job *j = g_ptr_array_index(jobs, i), *other;
    if (!j->out)
      continue;
    char *path = g_canonicalize_filename(j->out, NULL);
    if ((other = g_hash_table_lookup(taken, path))) {
      g_free(path);
      return nd_fail("'%s' and '%s' would both become '%s'; nothing was restored", other->in, j->in, j->out);
    }
    g_hash_table_insert(taken, path, j);
  }
  return 0;
}

/* One input, and an output that is no folder. */
static bool goes_to_file(const nd_restore_wish *w) {
  if (!w->out || w->in[1] || nd_set_named(w->in[0]) || g_file_test(w->out, G_FILE_TEST_IS_DIR))
    return false;
  return !strcmp(w->out, ND_STANDARD_STREAM) || nd_image_named(w->out);
}

/* Whoever names such a file does not mean a folder. */
static bool is_other_format(const char *path) {
  g_autofree char *low = g_ascii_strdown(path, -1);
  return nd_image_named_foreign(path) || g_str_has_suffix(low, ".svg") || g_str_has_suffix(low, ".pdf");
}

/* A file's name says a format, too. */
static int check_format(const list *l) {
  const char *out = l->wish->out;
  if (!l->to_file || !l->ending || !strcmp(out, ND_STANDARD_STREAM) ||
      !g_strcmp0(nd_cli_format_ending(strrchr(out, '.') + 1), l->ending))
    return 0;
  return nd_fail("--format is '%s' and the result's name '%s': they say different formats, give one of them",
                 l->wish->format, out);
}

static int check_wish(const list *l) {
  const nd_restore_wish *w = l->wish;
  if (w->out && is_other_format(w->out) && !g_file_test(w->out, G_FILE_TEST_IS_DIR))
    return nd_image_check_name(w->out);
  if (check_format(l))
    return -1;
  if (w->out && !strcmp(w->out, ND_STANDARD_STREAM) && !l->to_file)
    return nd_fail("one picture can go to the standard output, not several");
  if (w->out && !l->to_file && nd_cli_check_folder(w->out))
    return -1;
  if (w->right && (w->in[1] || !strcmp(w->in[0], ND_STANDARD_STREAM)))
    return nd_fail("--right has the right views of one input, a file or a set with the left ones");
  for (int i = 0; w->in[i]; i++)
    if (!strcmp(w->in[i], ND_STANDARD_STREAM) && (w->in[1] || (w->out && !l->to_file)))
      return nd_fail("the standard input is one picture: it goes to the standard output, or to -o FILE.png");
  return 0;
}

GPtrArray *nd_restore_jobs(const nd_restore_wish *wish) {
  list l = {.wish = wish, .to_file = goes_to_file(wish)};
  if ((wish->format && !(l.ending = nd_cli_format_ending(wish->format))) || check_wish(&l))
    return NULL;
  l.jobs = g_ptr_array_new_with_free_func(job_free);
  for (int i = 0; wish->in[i]; i++)
    add_input(&l, wish->in[i]);
  if (!check_names(l.jobs))
    return l.jobs;
  g_ptr_array_unref(l.jobs);
  return NULL;
}
