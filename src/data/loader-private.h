/* What the patch loader is made of, apart for the tests. */
#ifndef ND_LOADER_PRIVATE_H
#define ND_LOADER_PRIVATE_H

#include "data/data.h"

/* ---- cache.c: decoded pictures, shared by threads -----------------------------------------------------
 */

/* Dense height x width x 3, 8 or 16 bits a value. Read-only once made. */
typedef struct nd_cached {
  int width, height, bits;
  const void *pixels;
} nd_cached;

typedef struct nd_cache nd_cache;
nd_cache *nd_cache_new(size_t limit_bytes);
/* That picture of the set, read when it is not kept; NULL and an error when it cannot be read. To be given
 * back with nd_cached_release, also after the cache has dropped it. Thread-safe. */
const nd_cached *nd_cache_get(nd_cache *cache, const nd_set *set, size_t index);
void nd_cached_release(const nd_cached *picture); /* NULL is fine */
size_t nd_cache_bytes(nd_cache *cache);           /* held now, at most the limit */
size_t nd_cache_misses(nd_cache *cache);          /* pictures read so far */
void nd_cache_free(nd_cache *cache);              /* all pictures given back before; NULL is fine */

/* ---- patch.c: a square cut out of a picture, in one of the eight orientations -------------------------
 */
enum { ND_TRANSFORMS = 8, ND_TRANSFORMS_OF_VIEWS = 4 };
typedef struct nd_patch {
  int x, y, size;
  int transform; /* a sum of 1: mirror columns, 2: mirror rows, then 4: transpose */
} nd_patch;
/* Uniform over the places and so many of the transforms, the first ones (1: none is made). A side shorter
 * than size is centred. */
nd_patch nd_patch_draw(int width, int height, int size, int transforms, nd_rng *rng);
/* out: size x size x 3 in [0, 1]. What lies outside the picture is its reflection (edge pixel not repeated).
 */
void nd_patch_cut(const nd_cached *picture, nd_patch patch, float *out);
/* The same of two views of one size; out: size x size x 6. Of the transforms those below
 * ND_TRANSFORMS_OF_VIEWS are what such a sensor could have seen. */
void nd_patch_cut_views(const nd_cached *left, const nd_cached *right, nd_patch patch, float *out);

/* ---- order.c: shuffled epochs -------------------------------------------------------------------------
 * Each run of `count` positions, from a multiple of count on, visits every index once.
 */
size_t nd_order_pick(uint64_t seed, nd_purpose purpose, uint64_t position, size_t count);

/* ---- pair_files.c: the sets of a pair source ---------------------------------------------------------
 */
typedef struct nd_pair_files {
  nd_set input, target;            /* matched; input is empty when pictures are degraded on the fly */
  nd_set right;                    /* the right views of input's left ones; empty: there is one view */
  nd_degrade_settings degradation; /* then its kind is set */
} nd_pair_files;
int nd_pair_files_open(const nd_pair_source *source, nd_pair_files *out); /* zeroed on error */
/* Without targets; likewise. */
int nd_pair_files_open_photos(const char *photos, const char *right, nd_pair_files *out);
void nd_pair_files_free(nd_pair_files *files);
int nd_pair_files_channels(const nd_pair_files *files); /* of an input: 3, or 6 of two views */
const char *nd_pair_files_name(const nd_pair_files *files, size_t index);

/* ---- flat.c: noise as it stands over flat places of photos -------------------------------------------
 */
enum { ND_FLAT_SIDE = 32 };
typedef struct nd_flat nd_flat;
/* The flat places of so many photos, each looked for when its noise is first asked for. */
nd_flat *nd_flat_new(size_t photos, uint64_t seed);
void nd_flat_free(nd_flat *flat); /* NULL is fine */
/* Noise as that photo (the index-th) has over flat places of about that brightness (0 to 1). out: size x size
 * x 3, of mean zero. Thread-safe; a function of (seed, index, the picture, what rng gives). */
void nd_flat_noise(nd_flat *flat, size_t index, const nd_cached *picture, double tone, int size, nd_rng *rng,
                   float *out);
/* The square at x, y less its plane, channel by channel: out, ND_FLAT_SIDE squared x 3. Returns its mean;
 * cut_off: a channel is close to black or white. */
double nd_flat_residual(const nd_cached *picture, int x, int y, float *out, bool *cut_off);
/* A Gaussian texture, size x size x 3, whose covariance is that of such a square: between channels c and d of
 * pixels (u, v) apart, the sum of values[p][c] values[p + (u, v)][d] over the square, divided by its pixels.
 */
void nd_flat_texture(const float *values, int size, nd_rng *rng, float *out);

/* ---- sampler.c: a batch as a function of its step -----------------------------------------------------
 */
typedef struct nd_sampler {
  nd_loader_settings settings; /* its strings are not kept */
  nd_pair_files pairs;
  nd_set real, reference; /* empty when there is none */
  nd_set real_right;      /* the right views of real's left ones; empty: there is one view */
  nd_flat *flat;          /* places of the real photos; NULL: their noise is not asked for */
  uint64_t fingerprint;   /* of the files, see nd_loader_fingerprint */
  nd_cache *cache;
} nd_sampler;
int nd_sampler_open(const nd_loader_settings *settings, nd_sampler *out); /* zeroed on error */
void nd_sampler_close(nd_sampler *sampler);
/* Room for the batches of this sampler; nd_batch_free also when it failed. */
int nd_batch_alloc(const nd_sampler *sampler, nd_batch *out);
void nd_batch_free(nd_batch *batch);
/* Thread-safe for different batches. */
int nd_sampler_fill(const nd_sampler *sampler, uint64_t step, nd_batch *batch);
size_t nd_sampler_patch_values(const nd_sampler *sampler); /* patch_size x patch_size x 3 */

/* ---- sample.c: which pictures a sample is of, which place of them, and the degradation ----------------
 * Patches are dense patch_size x patch_size x 3, of two views x 6, in [0, 1]; names belong to the sampler.
 */

/* A place in the whole run: which sample of which step. */
typedef struct nd_sample_place {
  uint64_t step;
  uint32_t sample;
} nd_sample_place;
nd_rng nd_sample_stream(const nd_sampler *sampler, nd_sample_place at, nd_purpose purpose);
/* Of `count` pictures, each once before any comes again. */
size_t nd_sample_pick(const nd_sampler *sampler, nd_sample_place at, nd_purpose purpose, size_t count);
/* A patch of a picture that has no partner: a real photo, or an unrelated clean one. right: the right views
 * of a set of left ones, or an empty set. */
int nd_sample_single(const nd_sampler *sampler, nd_sample_place at, nd_purpose purpose, const nd_set *set,
                     const nd_set *right, float *out, const char **name);
int nd_sample_pair(const nd_sampler *sampler, nd_sample_place at, float *synthetic, float *clean,
                   const char **name);
/* What the degradation does to that patch of a real photo, to be added to it; where there is none, but pairs,
 * synthetic - clean. */
int nd_sample_worsen(const nd_sampler *sampler, nd_sample_place at, const float *synthetic,
                     const float *clean, float *out);
/* Of the index-th pair. where: gives the place of the patch; how: the degradation. */
int nd_sample_cut_pair(const nd_sampler *sampler, size_t index, nd_rng where, nd_rng how, float *synthetic,
                       float *clean);

/* ---- damage.c: damage by itself, to be put on clean pictures ------------------------------------------
 * As settings.damage says. synthetic, clean: the sample's own pair. out: a patch, to be added to a clean one.
 */
int nd_sample_damage(const nd_sampler *sampler, nd_sample_place at, const float *synthetic,
                     const float *clean, float *out);

#endif
