/* One sample of a batch: which pictures, which place of them, and the degradation. */
#include "data/loader-private.h"

#include <glib.h>

nd_rng nd_sample_stream(const nd_sampler *sampler, nd_place at, nd_purpose purpose) {
  return nd_rng_make(sampler->settings.seed, at.step, at.sample, purpose);
}

size_t nd_sample_pick(const nd_sampler *sampler, nd_place at, nd_purpose purpose, size_t count) {
  uint64_t position = at.step * (uint64_t)sampler->settings.batch_size + at.sample;
  return nd_order_pick(sampler->settings.seed, purpose, position, count);
}

static nd_patch draw_patch(const nd_sampler *sampler, nd_place at, nd_purpose purpose,
                           const nd_picture *picture) {
  nd_rng rng = nd_sample_stream(sampler, at, purpose);
  const nd_loader_settings *s = &sampler->settings;
  return nd_patch_draw(picture->width, picture->height, s->patch_size, s->augment, &rng);
}

int nd_sample_single(const nd_sampler *sampler, nd_place at, nd_purpose purpose, const nd_set *set,
                     float *out, const char **name) {
  size_t index = nd_sample_pick(sampler, at, purpose, set->count);
  const nd_picture *picture = nd_cache_get(sampler->cache, set, index);
  if (!picture)
    return -1;
  nd_patch_cut(picture, draw_patch(sampler, at, purpose, picture), out);
  nd_picture_release(picture);
  *name = set->at[index].name;
  return 0;
}

/* The partner's patch: the same place and orientation. The header promised the same size; trust the pixels.
 */
static int cut_input(const nd_sampler *sampler, size_t index, const nd_picture *target, nd_patch patch,
                     float *out) {
  const nd_pair_files *pairs = &sampler->pairs;
  const nd_picture *input = nd_cache_get(sampler->cache, &pairs->input, index);
  if (!input)
    return -1;
  int failed = 0;
  if (input->width != target->width || input->height != target->height)
    failed =
        nd_fail("pair of different sizes: '%s' is %d x %d, '%s' is %d x %d", pairs->input.at[index].label,
                input->width, input->height, pairs->target.at[index].label, target->width, target->height);
  else
    nd_patch_cut(input, patch, out);
  nd_picture_release(input);
  return failed;
}

/* With as much of the picture around the patch as the degradation brings into it. */
static int degrade(const nd_sampler *sampler, size_t index, const nd_picture *target, nd_patch patch,
                   nd_rng rng, float *out) {
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
  return failed ? nd_fail_in("a patch of '%s'", sampler->pairs.target.at[index].label) : 0;
}

int nd_sample_cut_pair(const nd_sampler *sampler, size_t index, nd_rng where, nd_rng how, float *synthetic,
                       float *clean) {
  const nd_pair_files *pairs = &sampler->pairs;
  const nd_loader_settings *s = &sampler->settings;
  const nd_picture *target = nd_cache_get(sampler->cache, &pairs->target, index);
  if (!target)
    return -1;
  nd_patch patch = nd_patch_draw(target->width, target->height, s->patch_size, s->augment, &where);
  nd_patch_cut(target, patch, clean);
  int failed = pairs->input.count ? cut_input(sampler, index, target, patch, synthetic)
                                  : degrade(sampler, index, target, patch, how, synthetic);
  nd_picture_release(target);
  return failed;
}

int nd_sample_pair(const nd_sampler *sampler, nd_place at, float *synthetic, float *clean,
                   const char **name) {
  size_t index = nd_sample_pick(sampler, at, ND_RANDOM_PICK, sampler->pairs.target.count);
  *name = nd_pair_files_name(&sampler->pairs, index);
  return nd_sample_cut_pair(sampler, index, nd_sample_stream(sampler, at, ND_RANDOM_PICK),
                            nd_sample_stream(sampler, at, ND_RANDOM_DEGRADE), synthetic, clean);
}
