/* The sets that batches are drawn from, and a batch as a function of its step. */
#include "data/loader-private.h"

#include <glib.h>
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
  if ((s->damage.of == ND_DAMAGE_FLAT || s->damage.of == ND_DAMAGE_REAL) && !s->real_dir)
    return nd_fail("%s real photos is asked for, and no set of them was given",
                   s->damage.of == ND_DAMAGE_FLAT ? "noise of" : "damage to");
  if (s->damage.of && s->pairs.right_dir)
    return nd_fail("damage can be put on pictures of one view, not of two");
  if (s->real_dir && !s->real_right_dir != !s->pairs.right_dir)
    return nd_fail("pairs and real photos are both to have right views, or neither");
  return 0;
}

static int open_real(const nd_loader_settings *s, nd_sampler *out) {
  if (nd_set_open(s->real_dir, &out->real) ||
      (s->real_right_dir && nd_set_open_right(s->real_right_dir, &out->real, &out->real_right)))
    return -1;
  if (s->real_fraction > 0) {
    nd_set_thin(&out->real, s->real_fraction);
    nd_set_thin(&out->real_right, s->real_fraction);
  }
  return 0;
}

static int open_sets(const nd_loader_settings *s, nd_sampler *out) {
  if (nd_pair_files_open(&s->pairs, &out->pairs))
    return -1;
  if (s->real_dir && open_real(s, out))
    return nd_fail_in("real photos");
  if (s->clean_dir && nd_set_open(s->clean_dir, &out->reference))
    return nd_fail_in("clean photos for reference");
  return 0;
}

static uint64_t fingerprint(const nd_sampler *s) {
  const nd_set *sets[] = {&s->pairs.input, &s->pairs.target, &s->real,
                          &s->reference,   &s->pairs.right,  &s->real_right};
  uint64_t hash = ND_SET_FINGERPRINT_OF_NONE;
  for (size_t i = 0; i < G_N_ELEMENTS(sets); i++)
    if (i < 4 || sets[i]->count) /* pictures of one view have the number they always had */
      hash = nd_set_fingerprint(hash, sets[i]);
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
  out->settings.real_dir = out->settings.real_right_dir = out->settings.clean_dir = NULL;
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
  nd_set_free(&sampler->real_right);
  nd_set_free(&sampler->reference);
  memset(sampler, 0, sizeof *sampler);
}

size_t nd_sampler_patch_values(const nd_sampler *sampler) {
  return (size_t)sampler->settings.patch_size * (size_t)sampler->settings.patch_size * 3;
}

static float *alloc_patches(const nd_sampler *sampler, int channels) {
  size_t values = nd_sampler_patch_values(sampler) / 3 * (size_t)channels;
  return nd_mem_alloc((size_t)sampler->settings.sample_count * values * sizeof(float), "batch");
}

int nd_batch_alloc(const nd_sampler *sampler, nd_batch *out) {
  size_t n = (size_t)sampler->settings.sample_count;
  int channels = nd_pair_files_channels(&sampler->pairs);
  *out = (nd_batch){.samples = (int)n, .patch_size = sampler->settings.patch_size, .channels = channels};
  out->pair_names = g_new0(const char *, n);
  if (!(out->synthetic = alloc_patches(sampler, channels)) || !(out->clean = alloc_patches(sampler, 3)))
    return -1;
  if (sampler->real.count) {
    out->real_names = g_new0(const char *, n);
    if (!(out->real = alloc_patches(sampler, channels)))
      return -1;
  }
  if (sampler->settings.damage.of && !(out->damage = alloc_patches(sampler, 3)))
    return -1;
  if (sampler->reference.count) {
    out->reference_names = g_new0(const char *, n);
    if (!(out->reference = alloc_patches(sampler, 3)))
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

static int fill_sample(const nd_sampler *sampler, nd_sample_place at, nd_batch *batch, size_t k) {
  static const nd_set none = {0};
  size_t values = nd_sampler_patch_values(sampler), offset = k * values,
         seen = k * (values / 3 * (size_t)batch->channels);
  float *synthetic = batch->synthetic + seen, *clean = batch->clean + offset;
  if (nd_sample_pair(sampler, at, synthetic, clean, &batch->pair_names[k]))
    return -1;
  if (batch->real && nd_sample_single(sampler, at, ND_RANDOM_PICK_REAL, &sampler->real, &sampler->real_right,
                                      batch->real + seen, &batch->real_names[k]))
    return -1;
  if (batch->damage && nd_sample_damage(sampler, at, synthetic, clean, batch->damage + offset))
    return -1;
  if (batch->reference && nd_sample_single(sampler, at, ND_RANDOM_PICK_CLEAN, &sampler->reference, &none,
                                           batch->reference + offset, &batch->reference_names[k]))
    return -1;
  return 0;
}

int nd_sampler_fill(const nd_sampler *sampler, uint64_t step, nd_batch *batch) {
  batch->step = step;
  for (int k = 0; k < batch->samples; k++) {
    nd_sample_place at = {step, (uint32_t)(sampler->settings.sample_begin + k)};
    if (fill_sample(sampler, at, batch, (size_t)k))
      return nd_fail_in("training data, step %llu", (unsigned long long)step);
  }
  return 0;
}
