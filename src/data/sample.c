/* One sample of a batch: which pictures, which place of them, and the degradation. */
#include "data/loader-private.h"
#include "data/set-private.h"

#include <glib.h>

nd_rng nd_sample_stream(const nd_sampler *sampler, nd_sample_place at, nd_purpose purpose) {
  return nd_rng_make(sampler->settings.seed, at.step, at.sample, purpose);
}

size_t nd_sample_pick(const nd_sampler *sampler, nd_sample_place at, nd_purpose purpose, size_t count) {
  uint64_t position = at.step * (uint64_t)sampler->settings.batch_size + at.sample;
  return nd_order_pick(sampler->settings.seed, purpose, position, count);
}

static nd_patch draw_patch(const nd_sampler *sampler, const nd_cached *picture, nd_rng *rng) {
  const nd_loader_settings *s = &sampler->settings;
  int transforms = !s->augment                                    ? 1
                   : nd_pair_files_channels(&sampler->pairs) == 6 ? ND_TRANSFORMS_OF_VIEWS
                                                                  : ND_TRANSFORMS;
  return nd_patch_draw(picture->width, picture->height, s->patch_size, transforms, rng);
}

/* ---- Pictures of one or two views ---- */
typedef struct views {
  const nd_cached *left, *right; /* right NULL: there is one */
} views;

static void release(views v) {
  nd_cached_release(v.left);
  nd_cached_release(v.right);
}

/* Headers promised the same size; trust the pixels. */
static int compare(const nd_cached *a, const char *a_label, const nd_cached *b, const char *b_label) {
  return nd_compare_sizes(&(nd_sized){a_label, a->width, a->height},
                          &(nd_sized){b_label, b->width, b->height});
}

static int get_views(const nd_sampler *sampler, const nd_set *set, const nd_set *right, size_t index,
                     views *out) {
  *out = (views){.left = nd_cache_get(sampler->cache, set, index)};
  if (!out->left)
    return -1;
  if (!right->count)
    return 0;
  out->right = nd_cache_get(sampler->cache, right, index);
  if (out->right && !compare(out->left, set->at[index].label, out->right, right->at[index].label))
    return 0;
  release(*out);
  return -1;
}

static void cut(views v, nd_patch patch, float *out) {
  if (v.right)
    nd_patch_cut_views(v.left, v.right, patch, out);
  else
    nd_patch_cut(v.left, patch, out);
}

int nd_sample_single(const nd_sampler *sampler, nd_sample_place at, nd_purpose purpose, const nd_set *set,
                     const nd_set *right, float *out, const char **name) {
  size_t index = nd_sample_pick(sampler, at, purpose, set->count);
  nd_rng rng = nd_sample_stream(sampler, at, purpose);
  views v;
  if (get_views(sampler, set, right, index, &v))
    return -1;
  cut(v, draw_patch(sampler, v.left, &rng), out);
  release(v);
  *name = set->at[index].name;
  return 0;
}

/* The partner's patch: the same place and orientation. */
static int cut_input(const nd_sampler *sampler, size_t index, const nd_cached *target, nd_patch patch,
                     float *out) {
  const nd_pair_files *pairs = &sampler->pairs;
  views v;
  if (get_views(sampler, &pairs->input, &pairs->right, index, &v))
    return -1;
  int failed = compare(v.left, pairs->input.at[index].label, target, pairs->target.at[index].label);
  if (!failed)
    cut(v, patch, out);
  release(v);
  return failed;
}

/* Of a set's picture, with as much around the patch as the degradation brings into it. */
static int degrade(const nd_sampler *sampler, const nd_set *set, size_t index, const nd_cached *target,
                   nd_patch patch, nd_rng rng, float *out) {
  const nd_degrade_settings *how = &sampler->pairs.degradation;
  int reach = nd_degrade_reach(how), side = patch.size + 2 * reach;
  float *wide = nd_mem_alloc((size_t)side * (size_t)side * 3 * sizeof *wide, "patch to degrade");
  if (!wide)
    return -1;
  nd_patch_cut(target, (nd_patch){patch.x - reach, patch.y - reach, side, patch.transform}, wide);
  int failed = nd_degrade_apply(how, wide, side, side, &rng);
  if (!failed)
    nd_degrade_middle(wide, side, patch.size, out);
  nd_mem_free(wide);
  return failed ? nd_fail_in("a patch of '%s'", set->at[index].label) : 0;
}

int nd_sample_cut_pair(const nd_sampler *sampler, size_t index, nd_rng where, nd_rng how, float *synthetic,
                       float *clean) {
  const nd_pair_files *pairs = &sampler->pairs;
  const nd_cached *target = nd_cache_get(sampler->cache, &pairs->target, index);
  if (!target)
    return -1;
  nd_patch patch = draw_patch(sampler, target, &where);
  nd_patch_cut(target, patch, clean);
  int failed = pairs->input.count ? cut_input(sampler, index, target, patch, synthetic)
                                  : degrade(sampler, &pairs->target, index, target, patch, how, synthetic);
  nd_cached_release(target);
  return failed;
}

int nd_sample_pair(const nd_sampler *sampler, nd_sample_place at, float *synthetic, float *clean,
                   const char **name) {
  size_t index = nd_sample_pick(sampler, at, ND_RANDOM_PICK, sampler->pairs.target.count);
  *name = nd_pair_files_name(&sampler->pairs, index);
  return nd_sample_cut_pair(sampler, index, nd_sample_stream(sampler, at, ND_RANDOM_PICK),
                            nd_sample_stream(sampler, at, ND_RANDOM_DEGRADE), synthetic, clean);
}

/* The patch is the one that nd_sample_single takes. */
static int degrade_real(const nd_sampler *sampler, nd_sample_place at, float *real, float *worse) {
  size_t index = nd_sample_pick(sampler, at, ND_RANDOM_PICK_REAL, sampler->real.count);
  nd_rng rng = nd_sample_stream(sampler, at, ND_RANDOM_PICK_REAL);
  const nd_cached *picture = nd_cache_get(sampler->cache, &sampler->real, index);
  if (!picture)
    return -1;
  nd_patch patch = draw_patch(sampler, picture, &rng);
  nd_patch_cut(picture, patch, real);
  int failed = degrade(sampler, &sampler->real, index, picture, patch,
                       nd_sample_stream(sampler, at, ND_RANDOM_DAMAGE), worse);
  nd_cached_release(picture);
  return failed;
}

int nd_sample_worsen(const nd_sampler *sampler, nd_sample_place at, const float *synthetic,
                     const float *clean, float *out) {
  size_t n = nd_sampler_patch_values(sampler);
  g_autofree float *real = NULL, *worse = NULL;
  if (!sampler->pairs.input.count) {
    real = g_new(float, n), worse = g_new(float, n);
    if (degrade_real(sampler, at, real, worse))
      return -1;
    synthetic = worse, clean = real;
  }
  for (size_t i = 0; i < n; i++)
    out[i] = synthetic[i] - clean[i];
  return 0;
}
