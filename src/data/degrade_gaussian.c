/* White Gaussian noise: the synthetic degradation of most denoising papers. */
#include "data/degrade-private.h"

#include <glib.h>

enum { SIGMA_MIN, SIGMA_MAX, CLIP };

static const nd_degrade_key keys[] = {
    ND_KEY_RANGE("sigma", SIGMA_MIN, 0, 75, 0, 255,
                 "noise level in units of 1/255, drawn uniformly per patch"),
    ND_KEY_CHOICE("clip", CLIP, 0, nd_choice_switch, "clip the result to [0, 1], as a file would"),
};

/* Noise is made in blocks on the stack, so that a whole picture needs no second buffer. */
enum { BLOCK = 1024 };

static int apply(const double *values, float *rgb, int height, int width, nd_rng *rng) {
  float sigma = (float)(nd_rng_between(rng, values[SIGMA_MIN], values[SIGMA_MAX]) / 255), noise[BLOCK];
  size_t n = (size_t)height * (size_t)width * 3;
  for (size_t begin = 0; begin < n; begin += BLOCK) {
    size_t count = MIN(n - begin, (size_t)BLOCK);
    nd_rng_fill_normal(rng, noise, count);
    for (size_t i = 0; i < count; i++)
      rgb[begin + i] += sigma * noise[i];
  }
  if (values[CLIP] != 0)
    for (size_t i = 0; i < n; i++)
      rgb[i] = CLAMP(rgb[i], 0.0f, 1.0f);
  return 0;
}

const nd_degradation nd_degradation_gaussian = {
    .name = "gaussian",
    .help = "white Gaussian noise, the same in every channel and at every brightness",
    .keys = keys,
    .key_count = G_N_ELEMENTS(keys),
    .apply = apply,
};
