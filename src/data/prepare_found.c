/* What one picture, pair or array of a published set becomes: read, cut, written, noted. */
#include "data/prepare-private.h"

#include <string.h>

enum { PIXELS_MAX = 1 << 28, RASTER_BYTES = 1 << 30 };

/* Is all that a file becomes in that role there already? */
static bool has(const nd_prepare_work *w, const nd_found *f, const nd_tree_file *file, const char *role) {
  g_autofree char *unit = g_build_filename(f->folder, role, f->blocks ? NULL : f->name, NULL);
  return nd_manifest_has(w->manifest, file->path, unit);
}

/* ---- One picture, or pair ---- */
/* Sets cannot hold BMP: what is prepared does not. */
static int make_png(const char *name, void **bytes, size_t *size) {
  nd_image image;
  g_autofree void *png = NULL;
  size_t n;
  if (nd_bmp_decode(*bytes, *size, name, &image))
    return -1;
  int failed = nd_image_encode(&image, ".png", NULL, &png, &n);
  nd_image_free(&image);
  nd_mem_free(*bytes);
  *bytes = failed ? NULL : nd_mem_alloc(n, name);
  if (!*bytes)
    return -1;
  memcpy(*bytes, png, n);
  *size = n;
  return 0;
}

static int read_raster(const nd_tree_file *file, void **bytes, size_t *size, nd_raster **out) {
  int width, height;
  *out = NULL;
  if (nd_tree_read(file, bytes, size) ||
      (nd_bmp_starts(*bytes, *size) && make_png(file->path, bytes, size)) ||
      nd_image_measure(*bytes, *size, file->path, &width, &height))
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
static int put(nd_prepare_work *w, const nd_manifest_line *l, const void *bytes, size_t size) {
  if (!nd_manifest_write(w->manifest, l, bytes, size))
    return 0;
  g_mutex_lock(&w->lock);
  if (!w->stop)
    w->stop = g_strdup(nd_error());
  g_mutex_unlock(&w->lock);
  return -1;
}

static int put_patches(nd_prepare_work *w, const char *stem, const nd_tree_file *file, const nd_raster *r,
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

/* As it is, byte for byte, unless it was a BMP. */
static int put_whole(nd_prepare_work *w, const char *stem, const nd_tree_file *file, const nd_raster *r,
                     const void *bytes, size_t size, size_t *files) {
  const char *name = nd_image_named(file->path) ? strrchr(file->path, '.') : nd_raster_shape_of(r)->ending;
  g_autofree char *ending = g_ascii_strdown(name, -1), *output = g_strconcat(stem, ending, NULL);
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

static int write_side(nd_prepare_work *w, const nd_found *f, const side *s, size_t *files) {
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

static int write_picture(nd_prepare_work *w, const nd_found *f, size_t *files) {
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
static int put_block(nd_prepare_work *w, const nd_found *f, const nd_set *set, size_t i,
                     const nd_tree_file *file, const char *role) {
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

/* matio reads files alone: what is in an archive becomes one that has no name. */
static int spool_array(const nd_tree_file *file, nd_spool **spool) {
  void *bytes;
  size_t size;
  if (nd_tree_read(file, &bytes, &size))
    return -1;
  *spool = nd_spool_new(size, 0);
  int failed = *spool ? nd_spool_write(*spool, 0, bytes, size) : -1;
  nd_mem_free(bytes);
  return failed;
}

/* *spool must stay until *set is freed. */
static int open_array(const nd_tree_file *file, nd_spool **spool, nd_set *set) {
  *set = (nd_set){0};
  if (file->disk)
    return nd_set_open(file->disk, set);
  if (spool_array(file, spool))
    return -1;
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", nd_spool_descriptor(*spool));
  return nd_set_open_array(path, file->path, set);
}

static int put_array(nd_prepare_work *w, const nd_found *f, const nd_set *set, const nd_tree_file *file,
                     const char *role, size_t *files) {
  for (size_t i = 0; i < set->count; i++, ++*files)
    if (put_block(w, f, set, i, file, role))
      return -1;
  return 0;
}

static int write_arrays(nd_prepare_work *w, const nd_found *f, size_t *files) {
  nd_set input, target = {0};
  nd_spool *spools[2] = {NULL, NULL};
  int failed = open_array(f->input, &spools[0], &input);
  if (!failed && f->target)
    failed = open_array(f->target, &spools[1], &target) || nd_set_match(&input, &target);
  failed = failed || put_array(w, f, &input, f->input, f->role, files) ||
           (f->target && put_array(w, f, &target, f->target, "target", files));
  nd_set_free(&input);
  nd_set_free(&target);
  nd_spool_free(spools[0]);
  nd_spool_free(spools[1]);
  return failed ? -1 : 0;
}

/* ---- Either ---- */
bool nd_prepare_is_done(const nd_prepare_work *w, const nd_found *f) {
  return has(w, f, f->input, f->role) && (!f->target || has(w, f, f->target, "target"));
}

int nd_prepare_found(nd_prepare_work *w, const nd_found *f, size_t *files) {
  return f->blocks ? write_arrays(w, f, files) : write_picture(w, f, files);
}
