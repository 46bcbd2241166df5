/* Damage by itself, to be put on clean pictures: of pairs, piled up, or the noise of real photos; or on the
 * real photos themselves. */
#include "data/loader-private.h"

#include <glib.h>

/* Adds the damage of another pair, the k-th layer's, times a strength. All is drawn from branches of rng,
 * apart enough for those that degradations take. */
static int add_layer(const nd_sampler *sampler, const nd_rng *rng, int k, float *out) {
  const nd_damage_settings *d = &sampler->settings.damage;
  size_t n = nd_sampler_patch_values(sampler);
  g_autofree float *synthetic = g_new(float, n), *clean = g_new(float, n);
  nd_rng layer = nd_rng_branch(rng, 3 * (uint32_t)k);
  float strength = (float)nd_rng_between(&layer, d->least, d->most);
  size_t index = nd_rng_below(&layer, (uint32_t)sampler->pairs.target.count);
  if (nd_sample_cut_pair(sampler, index, nd_rng_branch(&layer, 1),
                         nd_rng_branch(rng, 1024 + 512 * (uint32_t)k), synthetic, clean))
    return -1;
  for (size_t i = 0; i < n; i++)
    out[i] += strength * (synthetic[i] - clean[i]);
  return 0;
}

static int pile(const nd_sampler *sampler, nd_sample_place at, const float *synthetic, const float *clean,
                float *out) {
  const nd_damage_settings *d = &sampler->settings.damage;
  nd_rng rng = nd_sample_stream(sampler, at, ND_RANDOM_DAMAGE);
  int layers = 1 + (int)nd_rng_below(&rng, (uint32_t)d->layers);
  float strength = (float)nd_rng_between(&rng, d->least, d->most);
  for (size_t i = 0; i < nd_sampler_patch_values(sampler); i++)
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
static int noise_of_real(const nd_sampler *sampler, nd_sample_place at, const float *clean, float *out) {
  const nd_damage_settings *d = &sampler->settings.damage;
  size_t index = nd_sample_pick(sampler, at, ND_RANDOM_PICK_REAL, sampler->real.count),
         n = nd_sampler_patch_values(sampler);
  const nd_cached *picture = nd_cache_get(sampler->cache, &sampler->real, index);
  if (!picture)
    return -1;
  nd_rng rng = nd_sample_stream(sampler, at, ND_RANDOM_DAMAGE);
  float strength = (float)nd_rng_between(&rng, d->least, d->most);
  nd_flat_noise(sampler->flat, index, picture, mean(clean, n), sampler->settings.patch_size, &rng, out);
  nd_cached_release(picture);
  for (size_t i = 0; i < n; i++)
    out[i] *= strength;
  return 0;
}

int nd_sample_damage(const nd_sampler *sampler, nd_sample_place at, const float *synthetic,
                     const float *clean, float *out) {
  switch (sampler->settings.damage.of) {
  case ND_DAMAGE_PILE:
    return pile(sampler, at, synthetic, clean, out);
  case ND_DAMAGE_FLAT:
    return noise_of_real(sampler, at, clean, out);
  case ND_DAMAGE_REAL:
    return nd_sample_worsen(sampler, at, synthetic, clean, out);
  default:
    return nd_fail("no damage is asked for");
  }
}
