/* JPEG compression alone: what a web site or a messenger does to a photo. ITU-T T.81, by libvips' encoder. */
#include "data/degrade-private.h"

#include "image/image.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { QUALITY_MIN, QUALITY_MAX };

static const nd_degrade_key keys[] = {
    ND_KEY_RANGE("quality", QUALITY_MIN, 30, 90, 1, 100, "JPEG quality, drawn uniformly; whole numbers"),
};

int nd_jpeg_round_trip(float *rgb, int height, int width, int quality) {
  nd_image picture = {.width = width, .height = height, .channels = 3, .bits = 8, .data = rgb}, decoded = {0};
  nd_save_options options = {.bits = 8, .quality = quality};
  void *bytes = NULL;
  size_t size = 0, pixels = (size_t)height * (size_t)width;
  if (nd_image_encode(&picture, ".jpg", &options, &bytes, &size))
    return nd_fail_in("simulated JPEG, %d x %d", width, height);
  int failed = nd_image_decode(bytes, size, "simulated JPEG", &decoded);
  g_free(bytes);
  if (failed)
    return -1;
  if (decoded.width != width || decoded.height != height || decoded.channels != 3)
    failed = nd_fail("simulated JPEG: %d x %d x %d came back as %d x %d x %d", width, height, 3,
                     decoded.width, decoded.height, decoded.channels);
  else
    memcpy(rgb, decoded.data, pixels * 3 * sizeof *rgb);
  nd_image_free(&decoded);
  return failed;
}

int nd_jpeg_draw_quality(double low, double high, nd_rng *rng) {
  int quality = (int)floor(nd_rng_between(rng, low, high + 1));
  return MIN(quality, (int)high);
}

static int apply(const double *v, float *rgb, int height, int width, nd_rng *rng) {
  return nd_jpeg_round_trip(rgb, height, width, nd_jpeg_draw_quality(v[QUALITY_MIN], v[QUALITY_MAX], rng));
}

const nd_degradation nd_degradation_jpeg = {
    .name = "jpeg",
    .help = "JPEG compression",
    .keys = keys,
    .key_count = G_N_ELEMENTS(keys),
    .apply = apply,
};
