/* Published sets become plain folders: found, cut, written, noted. */
#include "data/prepare.h"

#include "data/layout-private.h"
#include "data/manifest-private.h"

#include <errno.h>
#include <string.h>

enum { PIXELS_MAX = 1 << 28, RASTER_BYTES = 1 << 30, EXAMPLES = 5 };

const char *nd_task_name(int task) {
  static const char *const names[] = {"denoise", "derain", "deblur", NULL};
  return names[task];
}

typedef struct work {
  const nd_prepare_settings *settings;
  GPtrArray *found;
  nd_manifest *manifest;
  GMutex lock; /* of what follows */
  nd_prepared *result;
  GPtrArray *findings;
  GHashTable *groups; /* "folder role" to its place in result, plus one */
  size_t done;
  char *stop; /* why nothing more can be written; NULL: it can */
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

/* Two pictures that would become one file, as when one set was given twice. The first stays. */
static void drop_repeated(GPtrArray *found) {
  g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < found->len;) {
    const nd_found *f = found->pdata[i];
    char *key = g_strdup_printf("%s/%s/%s%s", f->folder, f->role, f->name, f->blocks ? "#" : "");
    if (g_hash_table_add(taken, key))
      i++;
    else
      g_ptr_array_remove_index(found, i);
  }
}

/* Is all that a file becomes in that role there already? */
static bool has(const work *w, const nd_found *f, const nd_tree_file *file, const char *role) {
  g_autofree char *folder = g_build_filename(f->folder, role, NULL);
  return nd_manifest_has(w->manifest, file->path, folder);
}

/* ---- One picture, or pair ---- */
static int read_raster(const nd_tree_file *file, void **bytes, size_t *size, nd_raster **out) {
  int width, height;
  *out = NULL;
  if (nd_tree_read(file, bytes, size) || nd_image_measure(*bytes, *size, file->path, &width, &height))
    return -1;
  if ((int64_t)width * height > PIXELS_MAX)
    return nd_fail("'%s' is %d x %d, larger than any picture of these sets", file->path, width, height);
  return nd_raster_load(file->path, *bytes, *size, RASTER_BYTES, out);
}

static int cut_patch(const nd_raster *r, const nd_manifest_line *l, void **bytes, size_t *size) {
  nd_image image;
  int failed = nd_image_new(l->width, l->height, 3, &image);
  if (failed)
    return -1;
  image.bits = nd_raster_shape_of(r)->bits;
  for (int y = 0; y < l->height && !failed; y++)
    failed = nd_raster_get(r, l->y + y, l->x, l->width, image.data + (size_t)y * (size_t)l->width * 3, NULL);
  failed = failed || nd_image_encode(&image, ".png", NULL, bytes, size);
  nd_image_free(&image);
  return failed ? -1 : 0;
}

/* How many patches along a side, and where the k-th of them begins: evenly spread, to both ends. */
static int patches_along(int length, int size, int stride) {
  return length <= size ? 1 : (length - size + stride - 1) / stride + 1;
}

static int patch_start(int length, int size, int count, int k) {
  return count == 1 ? 0 : (int)((int64_t)(length - size) * k / (count - 1));
}

/* A file that cannot be written ends it all: the next one could not be either. */
static int put(work *w, const nd_manifest_line *l, const void *bytes, size_t size) {
  if (!nd_manifest_write(w->manifest, l, bytes, size))
    return 0;
  g_mutex_lock(&w->lock);
  if (!w->stop)
    w->stop = g_strdup(nd_error());
  g_mutex_unlock(&w->lock);
  return -1;
}

static int put_patches(work *w, const char *stem, const nd_tree_file *file, const nd_raster *r,
                       size_t *files) {
  const nd_raster_shape *shape = nd_raster_shape_of(r);
  int size = w->settings->patch_size, stride = w->settings->stride;
  int across = patches_along(shape->width, size, stride), down = patches_along(shape->height, size, stride);
  for (int k = 0; k < across * down; k++) {
    nd_manifest_line l = {.source = file->path,
                          .x = patch_start(shape->width, size, across, k % across),
                          .y = patch_start(shape->height, size, down, k / across),
                          .width = MIN(size, shape->width),
                          .height = MIN(size, shape->height),
                          .pieces = across * down};
    g_autofree char *output = g_strdup_printf("%s-%05d-%05d.png", stem, l.y, l.x);
    g_autofree void *bytes = NULL;
    size_t n;
    l.output = output;
    if (cut_patch(r, &l, &bytes, &n) || put(w, &l, bytes, n))
      return -1;
    ++*files;
  }
  return 0;
}

/* As it is, byte for byte. */
static int put_whole(work *w, const char *stem, const nd_tree_file *file, const nd_raster *r,
                     const void *bytes, size_t size, size_t *files) {
  g_autofree char *ending = g_ascii_strdown(strrchr(file->path, '.'), -1),
                  *output = g_strconcat(stem, ending, NULL);
  nd_manifest_line l = {.output = output,
                        .source = file->path,
                        .width = nd_raster_shape_of(r)->width,
                        .height = nd_raster_shape_of(r)->height,
                        .pieces = 1};
  if (put(w, &l, bytes, size))
    return -1;
  ++*files;
  return 0;
}

typedef struct side {
  const nd_tree_file *file;
  const char *role;
  void *bytes;
  size_t size;
  nd_raster *raster;
} side;

static int write_side(work *w, const nd_found *f, const side *s, size_t *files) {
  const nd_raster_shape *shape = nd_raster_shape_of(s->raster);
  g_autofree char *stem = g_build_filename(f->folder, s->role, f->name, NULL);
  int size = w->settings->patch_size;
  bool cut = size && g_str_has_suffix(f->folder, "/train") && MAX(shape->width, shape->height) > size;
  return cut ? put_patches(w, stem, s->file, s->raster, files)
             : put_whole(w, stem, s->file, s->raster, s->bytes, s->size, files);
}

static int check_sizes(const side *a, const side *b) {
  const nd_raster_shape *s = nd_raster_shape_of(a->raster), *t = nd_raster_shape_of(b->raster);
  return nd_compare_sizes(&(nd_sized){a->file->path, s->width, s->height},
                          &(nd_sized){b->file->path, t->width, t->height});
}

static int prepare_picture(work *w, const nd_found *f, size_t *files) {
  side sides[2] = {{.file = f->input, .role = f->role}, {.file = f->target, .role = "target"}};
  int count = f->target ? 2 : 1, failed = 0;
  for (int i = 0; i < count && !failed; i++)
    failed = read_raster(sides[i].file, &sides[i].bytes, &sides[i].size, &sides[i].raster);
  if (!failed && count == 2)
    failed = check_sizes(&sides[0], &sides[1]);
  for (int i = 0; i < count && !failed; i++)
    if (!has(w, f, sides[i].file, sides[i].role))
      failed = write_side(w, f, &sides[i], files);
  for (int i = 0; i < count; i++) {
    nd_raster_free(sides[i].raster);
    nd_mem_free(sides[i].bytes);
  }
  return failed;
}

/* ---- Arrays ---- */
static int put_block(work *w, const nd_found *f, const nd_set *set, size_t i, const nd_tree_file *file,
                     const char *role) {
  nd_image image;
  void *bytes;
  size_t size;
  if (nd_set_load(set, i, &image))
    return -1;
  g_autofree char *output = g_build_filename(f->folder, role, set->at[i].name, NULL);
  nd_manifest_line l = {.output = output,
                        .source = file->path,
                        .width = image.width,
                        .height = image.height,
                        .pieces = (int)set->count};
  int failed = nd_image_encode(&image, ".png", NULL, &bytes, &size);
  nd_image_free(&image);
  if (failed)
    return -1;
  failed = put(w, &l, bytes, size);
  g_free(bytes);
  return failed;
}

static int open_array(const nd_tree_file *file, nd_set *set) {
  *set = (nd_set){0};
  if (!file->disk)
    return nd_fail("'%s' is within an archive; .mat files are read from folders: unpack it", file->path);
  return nd_set_open(file->disk, set);
}

static int put_array(work *w, const nd_found *f, const nd_set *set, const nd_tree_file *file,
                     const char *role, size_t *files) {
  for (size_t i = 0; i < set->count; i++, ++*files)
    if (put_block(w, f, set, i, file, role))
      return -1;
  return 0;
}

static int prepare_arrays(work *w, const nd_found *f, size_t *files) {
  nd_set input, target = {0};
  int failed = open_array(f->input, &input);
  if (!failed && f->target)
    failed = open_array(f->target, &target) || nd_set_match(&input, &target);
  failed = failed || put_array(w, f, &input, f->input, f->role, files) ||
           (f->target && put_array(w, f, &target, f->target, "target", files));
  nd_set_free(&input);
  nd_set_free(&target);
  return failed ? -1 : 0;
}

/* ---- All of them ---- */
static bool is_done(const work *w, const nd_found *f) {
  return has(w, f, f->input, f->role) && (!f->target || has(w, f, f->target, "target"));
}

static void note(work *w, const nd_found *f, bool skipped, int failed, size_t files) {
  g_mutex_lock(&w->lock);
  nd_prepared_group *g = group_of(w, f);
  g->skipped += skipped;
  g->made += !skipped && !failed;
  g->failed += failed != 0;
  g->files += files;
  if (failed && !w->stop)
    g_ptr_array_add(w->findings, g_strdup(nd_error()));
  w->done++;
  if (w->settings->progress)
    w->settings->progress(w->done, w->found->len, w->settings->context);
  g_mutex_unlock(&w->lock);
}

static bool stopped(work *w) {
  g_mutex_lock(&w->lock);
  bool stop = w->stop != NULL;
  g_mutex_unlock(&w->lock);
  return stop;
}

static void prepare_range(size_t begin, size_t end, int thread, void *context) {
  work *w = context;
  (void)thread;
  for (size_t i = begin; i < end && !stopped(w); i++) {
    const nd_found *f = w->found->pdata[i];
    size_t files = 0;
    bool skipped = is_done(w, f);
    int failed = skipped ? 0 : f->blocks ? prepare_arrays(w, f, &files) : prepare_picture(w, f, &files);
    note(w, f, skipped, failed, files);
  }
}

/* What the folder was made with; a second way of cutting would leave a mixture. */
static int check_settings(const nd_prepare_settings *s) {
  g_autofree char *path = g_build_filename(s->out, "prepare.ini", NULL), *old = NULL,
                  *now = g_strdup_printf("[prepare]\npatch_size=%d\nstride=%d\n", s->patch_size, s->stride);
  if (g_mkdir_with_parents(s->out, 0777))
    return nd_fail("cannot make the folder '%s': %s", s->out, g_strerror(errno));
  if (!g_file_get_contents(path, &old, NULL, NULL))
    return nd_file_write_atomic(path, now, strlen(now));
  if (!strcmp(old, now))
    return 0;
  g_strdelimit(g_strchomp(old), "\n", ' ');
  return nd_fail("'%s' was prepared with other patches (%s); take the same, or another folder", s->out, old);
}

static int prepare_all(work *w) {
  if (check_settings(w->settings) || nd_manifest_open(w->settings->out, &w->manifest))
    return -1;
  nd_parallel(w->found->len, 1, prepare_range, w);
  nd_manifest_close(w->manifest);
  return w->stop ? nd_fail("%s", w->stop) : 0;
}

static int prepare_tree(work *w, const nd_tree *tree) {
  const nd_prepare_settings *s = w->settings;
  for (guint i = 0; i < tree->problems->len; i++)
    g_ptr_array_add(w->findings, g_strdup(tree->problems->pdata[i]));
  nd_layout_find(tree, s->task, s->only, w->found, w->findings);
  drop_repeated(w->found);
  if (!w->found->len)
    return nothing_known(tree, s->task, w->findings);
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
  work w = {.settings = settings,
            .result = out,
            .found = g_ptr_array_new_with_free_func(nd_found_free),
            .findings = g_ptr_array_new_with_free_func(g_free),
            .groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  g_mutex_init(&w.lock);
  int failed = prepare_tree(&w, &tree);
  g_ptr_array_add(w.findings, NULL);
  out->findings = (char **)g_ptr_array_free(w.findings, FALSE);
  if (failed)
    nd_prepared_free(out);
  g_mutex_clear(&w.lock);
  g_hash_table_unref(w.groups);
  g_ptr_array_unref(w.found);
  g_free(w.stop);
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
