/* Whole pictures and their clean targets, for evaluation. */
#include "data/loader-private.h"

#include <glib.h>
#include <string.h>

struct nd_pairs {
  nd_pair_files files;
  uint64_t seed;
};

static int open_with(nd_pairs *pairs, int failed, nd_pairs **out) {
  *out = failed ? NULL : pairs;
  if (failed)
    g_free(pairs);
  return failed;
}

int nd_pairs_open(const nd_pair_source *source, uint64_t seed, nd_pairs **out) {
  nd_pairs *pairs = g_new0(nd_pairs, 1);
  pairs->seed = seed;
  return open_with(pairs, nd_pair_files_open(source, &pairs->files), out);
}

int nd_pairs_open_photos(const char *photos, const char *right, nd_pairs **out) {
  nd_pairs *pairs = g_new0(nd_pairs, 1);
  return open_with(pairs, nd_pair_files_open_photos(photos, right, &pairs->files), out);
}

bool nd_pairs_have_truth(const nd_pairs *pairs) {
  return pairs->files.target.count;
}

size_t nd_pairs_count(const nd_pairs *pairs) {
  return nd_pairs_have_truth(pairs) ? pairs->files.target.count : pairs->files.input.count;
}

uint64_t nd_pairs_fingerprint(const nd_pairs *pairs) {
  const nd_pair_files *f = &pairs->files;
  uint64_t hash = nd_set_fingerprint(ND_SET_FINGERPRINT_OF_NONE, &f->input);
  return nd_set_fingerprint(nd_set_fingerprint(hash, &f->right), &f->target);
}

const char *nd_pairs_name(const nd_pairs *pairs, size_t index) {
  return nd_pair_files_name(&pairs->files, index);
}

int nd_pairs_size(const nd_pairs *pairs, size_t index, int *width, int *height) {
  return nd_set_size(nd_pairs_have_truth(pairs) ? &pairs->files.target : &pairs->files.input, index, width,
                     height);
}

static int load(const nd_set *set, size_t index, nd_pair *pair, float **pixels) {
  const char *label = set->at[index].label;
  nd_image image;
  if (nd_set_load(set, index, &image))
    return -1;
  size_t n = (size_t)image.width * (size_t)image.height * 3;
  int failed = 0;
  if (pair->width && (pair->width != image.width || pair->height != image.height))
    failed = nd_fail("'%s' is %d x %d, but its partner is %d x %d", label, image.width, image.height,
                     pair->width, pair->height);
  else if (!(*pixels = nd_mem_alloc(n * sizeof **pixels, label)))
    failed = -1;
  else
    memcpy(*pixels, image.data, n * sizeof **pixels);
  pair->width = image.width;
  pair->height = image.height;
  nd_image_free(&image);
  return failed;
}

static int load_views(const nd_pair_files *files, size_t index, nd_pair *pair) {
  float *left = NULL, *right = NULL;
  int failed = load(&files->input, index, pair, &left) || load(&files->right, index, pair, &right);
  size_t pixels = (size_t)pair->width * (size_t)pair->height;
  if (!failed && (pair->input = nd_mem_alloc(pixels * 6 * sizeof *left, files->input.at[index].label)))
    nd_views_join(left, right, pixels, pair->input);
  nd_mem_free(left);
  nd_mem_free(right);
  return pair->input ? 0 : -1;
}

static int degrade(const nd_pairs *pairs, size_t index, nd_pair *pair) {
  size_t bytes = (size_t)pair->width * (size_t)pair->height * 3 * sizeof(float);
  const char *label = pairs->files.target.at[index].label;
  nd_rng rng = nd_rng_make(pairs->seed, 0, (uint32_t)index, ND_RANDOM_DEGRADE);
  if (!(pair->input = nd_mem_alloc(bytes, label)))
    return -1;
  memcpy(pair->input, pair->target, bytes);
  if (nd_degrade_apply(&pairs->files.degradation, pair->input, pair->height, pair->width, &rng))
    return nd_fail_in("'%s'", label);
  return 0;
}

int nd_pairs_load(const nd_pairs *pairs, size_t index, nd_pair *out) {
  memset(out, 0, sizeof *out);
  const nd_pair_files *files = &pairs->files;
  if (index >= nd_pairs_count(pairs))
    return nd_fail("there is no pair %zu, only %zu", index, nd_pairs_count(pairs));
  out->channels = nd_pair_files_channels(files);
  int failed = nd_pairs_have_truth(pairs) ? load(&files->target, index, out, &out->target) : 0;
  if (!failed)
    failed = files->right.count   ? load_views(files, index, out)
             : files->input.count ? load(&files->input, index, out, &out->input)
                                  : degrade(pairs, index, out);
  if (failed)
    nd_pair_free(out);
  else
    out->name = nd_pair_files_name(files, index);
  return failed;
}

void nd_pair_free(nd_pair *pair) {
  nd_mem_free(pair->input);
  nd_mem_free(pair->target);
  memset(pair, 0, sizeof *pair);
}

void nd_pairs_close(nd_pairs *pairs) {
  if (!pairs)
    return;
  nd_pair_files_free(&pairs->files);
  g_free(pairs);
}
