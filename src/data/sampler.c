/* A batch as a function of its step: the choice of pictures and patches, and the degradation. */
#include "data/loader-private.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

enum { PATCH_MAX = 4096, BATCH_MAX = 65536 };

static int check(const nd_loader_settings *s) {
  if (s->patch_size < 1 || s->patch_size > PATCH_MAX)
    return nd_fail("patch_size %d is outside 1 to %d", s->patch_size, PATCH_MAX);
  if (s->batch_size < 1 || s->batch_size > BATCH_MAX)
    return nd_fail("batch_size %d is outside 1 to %d", s->batch_size, BATCH_MAX);
  if (s->sample_begin < 0 || s->sample_count < 1 || s->sample_count > s->batch_size - s->sample_begin)
    return nd_fail("samples %d to %d are not within a batch of %d", s->sample_begin,
                   s->sample_begin + s->sample_count, s->batch_size);
  if (s->damage.of == ND_DAMAGE_PILE && (s->damage.layers < 1 || s->damage.layers > ND_DAMAGE_LAYERS))
    return nd_fail("%d layers of damage: 1 to %d can be piled up", s->damage.layers, ND_DAMAGE_LAYERS);
  if (s->damage.of == ND_DAMAGE_FLAT && !s->real_dir)
    return nd_fail("noise of real photos is asked for, and no set of them was given");
  return 0;
}

static int open_sets(const nd_loader_settings *s, nd_sampler *out) {
  if (nd_pair_files_open(&s->pairs, &out->pairs))
    return -1;
  if (s->real_dir && nd_set_open(s->real_dir, &out->real))
    return nd_fail_in("real photos");
  if (s->real_dir && s->real_fraction > 0)
    nd_set_thin(&out->real, s->real_fraction);
  if (s->clean_dir && nd_set_open(s->clean_dir, &out->reference))
    return nd_fail_in("clean photos for reference");
  return 0;
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t n) {
  for (const unsigned char *at = bytes; n--; at++)
    hash = (hash ^ *at) * 0x100000001b3u;
  return hash;
}

static uint64_t mix_set(uint64_t hash, const nd_set *set) {
  hash = mix(hash, &set->count, sizeof set->count);
  for (size_t i = 0; i < set->count; i++) {
    GStatBuf s = {0};
    g_stat(set->at[i].file, &s);
    hash = mix(hash, set->at[i].name, strlen(set->at[i].name) + 1);
    hash = mix(hash, &s.st_size, sizeof s.st_size);
  }
  return hash;
}

static uint64_t fingerprint(const nd_sampler *s) {
  const nd_set *sets[] = {&s->pairs.input, &s->pairs.target, &s->real, &s->reference};
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < G_N_ELEMENTS(sets); i++)
    hash = mix_set(hash, sets[i]);
  return hash;
}

int nd_sampler_open(const nd_loader_settings *settings, nd_sampler *out) {
  memset(out, 0, sizeof *out);
  out->settings = *settings;
  if (!out->settings.sample_count)
    out->settings.sample_count = settings->batch_size - settings->sample_begin;
  if (check(&out->settings) || open_sets(settings, out)) {
    nd_sampler_close(out);
    return -1;
  }
  out->settings.pairs = (nd_pair_source){0};
  out->settings.real_dir = out->settings.clean_dir = NULL;
  out->fingerprint = fingerprint(out);
  out->cache = nd_cache_new(settings->cache_bytes);
  if (settings->damage.of == ND_DAMAGE_FLAT)
    out->flat = nd_flat_new(out->real.count, settings->seed);
  return 0;
}

void nd_sampler_close(nd_sampler *sampler) {
  nd_cache_free(sampler->cache);
  nd_flat_free(sampler->flat);
  nd_pair_files_free(&sampler->pairs);
  nd_set_free(&sampler->real);
  nd_set_free(&sampler->reference);
  memset(sampler, 0, sizeof *sampler);
}

static size_t patch_values(const nd_sampler *sampler) {
  return (size_t)sampler->settings.patch_size * (size_t)sampler->settings.patch_size * 3;
}

static float *alloc_patches(const nd_sampler *sampler) {
  return nd_mem_alloc((size_t)sampler->settings.sample_count * patch_values(sampler) * sizeof(float),
                      "batch");
}

int nd_batch_alloc(const nd_sampler *sampler, nd_batch *out) {
  size_t n = (size_t)sampler->settings.sample_count;
  *out = (nd_batch){.samples = (int)n, .patch_size = sampler->settings.patch_size};
  out->pair_names = g_new0(const char *, n);
  if (!(out->synthetic = alloc_patches(sampler)) || !(out->clean = alloc_patches(sampler)))
    return -1;
  if (sampler->real.count) {
    out->real_names = g_new0(const char *, n);
    if (!(out->real = alloc_patches(sampler)))
      return -1;
  }
  if (sampler->settings.damage.of && !(out->damage = alloc_patches(sampler)))
    return -1;
  if (sampler->reference.count) {
    out->reference_names = g_new0(const char *, n);
    if (!(out->reference = alloc_patches(sampler)))
      return -1;
  }
  return 0;
}

void nd_batch_free(nd_batch *batch) {
  nd_mem_free(batch->synthetic);
  nd_mem_free(batch->clean);
  nd_mem_free(batch->real);
  nd_mem_free(batch->reference);
  nd_mem_free(batch->damage);
  g_free(batch->pair_names);
  g_free(batch->real_names);
  g_free(batch->reference_names);
  memset(batch, 0, sizeof *batch);
}

/* A place in the whole run: which sample of which step. */
typedef struct place {
  uint64_t step;
  uint32_t sample;
} place;

static nd_rng stream(const nd_sampler *sampler, place at, nd_purpose purpose) {
  return nd_rng_make(sampler->settings.seed, at.step, at.sample, purpose);
}

static size_t pick(const nd_sampler *sampler, place at, nd_purpose purpose, size_t count) {
  uint64_t position = at.step * (uint64_t)sampler->settings.batch_size + at.sample;
  return nd_order_pick(sampler->settings.seed, purpose, position, count);
}

static nd_patch draw_patch(const nd_sampler *sampler, place at, nd_purpose purpose,
                           const nd_picture *picture) {
  nd_rng rng = stream(sampler, at, purpose);
  const nd_loader_settings *s = &sampler->settings;
  return nd_patch_draw(picture->width, picture->height, s->patch_size, s->augment, &rng);
}

/* A patch of a picture that has no partner: a real photo, or an unrelated clean one. */
static int fill_single(const nd_sampler *sampler, place at, nd_purpose purpose, const nd_set *set, float *out,
                       const char **name) {
  size_t index = pick(sampler, at, purpose, set->count);
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

static int degrade(const nd_sampler *sampler, size_t index, nd_rng rng, const float *clean, float *out) {
  int size = sampler->settings.patch_size;
  memcpy(out, clean, patch_values(sampler) * sizeof *out);
  if (nd_degrade_apply(&sampler->pairs.degradation, out, size, size, &rng))
    return nd_fail_in("a patch of '%s'", sampler->pairs.target.at[index].label);
  return 0;
}

/* where: gives the place of the patch; how: the degradation. */
static int cut_pair(const nd_sampler *sampler, size_t index, nd_rng where, nd_rng how, float *synthetic,
                    float *clean) {
  const nd_pair_files *pairs = &sampler->pairs;
  const nd_loader_settings *s = &sampler->settings;
  const nd_picture *target = nd_cache_get(sampler->cache, &pairs->target, index);
  if (!target)
    return -1;
  nd_patch patch = nd_patch_draw(target->width, target->height, s->patch_size, s->augment, &where);
  nd_patch_cut(target, patch, clean);
  int failed = pairs->input.count ? cut_input(sampler, index, target, patch, synthetic)
                                  : degrade(sampler, index, how, clean, synthetic);
  nd_picture_release(target);
  return failed;
}

static int fill_pair(const nd_sampler *sampler, place at, float *synthetic, float *clean, const char **name) {
  size_t index = pick(sampler, at, ND_RANDOM_PICK, sampler->pairs.target.count);
  *name = nd_pair_files_name(&sampler->pairs, index);
  return cut_pair(sampler, index, stream(sampler, at, ND_RANDOM_PICK), stream(sampler, at, ND_RANDOM_DEGRADE),
                  synthetic, clean);
}

/* Adds the damage of another pair, the k-th layer's, times a strength. All is drawn from branches of rng,
 * apart enough for those that degradations take. */
static int add_layer(const nd_sampler *sampler, const nd_rng *rng, int k, float *out) {
  const nd_damage_settings *d = &sampler->settings.damage;
  size_t n = patch_values(sampler);
  g_autofree float *synthetic = g_new(float, n), *clean = g_new(float, n);
  nd_rng layer = nd_rng_branch(rng, 3 * (uint32_t)k);
  float strength = (float)nd_rng_between(&layer, d->least, d->most);
  size_t index = nd_rng_below(&layer, (uint32_t)sampler->pairs.target.count);
  if (cut_pair(sampler, index, nd_rng_branch(&layer, 1), nd_rng_branch(rng, 1024 + 512 * (uint32_t)k),
               synthetic, clean))
    return -1;
  for (size_t i = 0; i < n; i++)
    out[i] += strength * (synthetic[i] - clean[i]);
  return 0;
}

static int pile(const nd_sampler *sampler, place at, const float *synthetic, const float *clean, float *out) {
  const nd_damage_settings *d = &sampler->settings.damage;
  nd_rng rng = stream(sampler, at, ND_RANDOM_DAMAGE);
  int layers = 1 + (int)nd_rng_below(&rng, (uint32_t)d->layers);
  float strength = (float)nd_rng_between(&rng, d->least, d->most);
  for (size_t i = 0; i < patch_values(sampler); i++)
    out[i] = strength * (synthetic[i] - clean[i]);
  for (int k = 1; k < layers; k++)
    if (add_layer(sampler, &rng, k, out))
      return -1;
  return 0;
}

static double mean(const float *values, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += (double)values[i];
  return sum / (double)n;
}

/* Of the real photo that the sample has a patch of. */
static int noise_of_real(const nd_sampler *sampler, place at, const float *clean, float *out) {
  const nd_damage_settings *d = &sampler->settings.damage;
  size_t index = pick(sampler, at, ND_RANDOM_PICK_REAL, sampler->real.count), n = patch_values(sampler);
  const nd_picture *picture = nd_cache_get(sampler->cache, &sampler->real, index);
  if (!picture)
    return -1;
  nd_rng rng = stream(sampler, at, ND_RANDOM_DAMAGE);
  float strength = (float)nd_rng_between(&rng, d->least, d->most);
  nd_flat_noise(sampler->flat, index, picture, mean(clean, n), sampler->settings.patch_size, &rng, out);
  nd_picture_release(picture);
  for (size_t i = 0; i < n; i++)
    out[i] *= strength;
  return 0;
}

static int fill_sample(const nd_sampler *sampler, place at, nd_batch *batch, size_t k) {
  size_t offset = k * patch_values(sampler);
  if (fill_pair(sampler, at, batch->synthetic + offset, batch->clean + offset, &batch->pair_names[k]))
    return -1;
  if (batch->real && fill_single(sampler, at, ND_RANDOM_PICK_REAL, &sampler->real, batch->real + offset,
                                 &batch->real_names[k]))
    return -1;
  if (sampler->flat && noise_of_real(sampler, at, batch->clean + offset, batch->damage + offset))
    return -1;
  if (sampler->settings.damage.of == ND_DAMAGE_PILE &&
      pile(sampler, at, batch->synthetic + offset, batch->clean + offset, batch->damage + offset))
    return -1;
  if (batch->reference && fill_single(sampler, at, ND_RANDOM_PICK_CLEAN, &sampler->reference,
                                      batch->reference + offset, &batch->reference_names[k]))
    return -1;
  return 0;
}

int nd_sampler_fill(const nd_sampler *sampler, uint64_t step, nd_batch *batch) {
  batch->step = step;
  for (int k = 0; k < batch->samples; k++) {
    place at = {step, (uint32_t)(sampler->settings.sample_begin + k)};
    if (fill_sample(sampler, at, batch, (size_t)k))
      return nd_fail_in("training data, step %llu", (unsigned long long)step);
  }
  return 0;
}
