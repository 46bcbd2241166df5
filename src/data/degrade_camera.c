/* What a camera makes of a scene: noise on the sensor's raw mosaic, then the development that spreads and
 * colours it, then JPEG. The way back from a finished picture to raw follows Brooks et al., "Unprocessing
 * images for learned raw denoising" (CVPR 2019). Noise of the result depends on the brightness, is correlated
 * between neighbours and channels, and grows in blocks: what white Gaussian noise is not. */
#include "data/degrade-private.h"

#include "data/camera-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum {
  SENSOR,
  ISO_MIN,
  ISO_MAX,
  EXPOSURE_MIN,
  EXPOSURE_MAX,
  QUALITY_MIN,
  QUALITY_MAX,
  WHITE_BALANCE,
  CCM,
  TONE_CURVE,
  NOISE,
  QUANTIZE,
  DENOISE_MIN,
  DENOISE_MAX,
  SHARPEN_MIN,
  SHARPEN_MAX,
  SOFTEN_MIN,
  SOFTEN_MAX,
  SOFTEN_COLOUR_MIN,
  SOFTEN_COLOUR_MAX
};

enum { RETOUCHING = 100 }; /* the stream of random numbers; the stages of a chain have the low ones */

static const char *choice_draw(int index) {
  static const char *const words[] = {"fixed", "random"};
  return index >= 0 && index < 2 ? words[index] : NULL;
}

/* The defaults make a phone's photo at night: about 23 dB PSNR on ordinary pictures. */
static const nd_degrade_key keys[] = {
    ND_KEY_CHOICE("sensor", SENSOR, 0, nd_sensor_name,
                  "whose noise; dnd: levels drawn at random, whatever the iso"),
    ND_KEY_RANGE("iso", ISO_MIN, 800, 1600, 25, 409600, "sensitivity, drawn uniformly in its logarithm"),
    ND_KEY_RANGE("exposure", EXPOSURE_MIN, 0.4, 0.8, 0.01, 1, "share of the sensor's range that white fills"),
    ND_KEY_RANGE("quality", QUALITY_MIN, 75, 95, 0, 100, "JPEG quality, drawn uniformly; 0: no JPEG"),
    ND_KEY_CHOICE("white_balance", WHITE_BALANCE, 1, choice_draw,
                  "gains: drawn from those of real cameras, or fixed"),
    ND_KEY_CHOICE("ccm", CCM, 1, choice_draw,
                  "colour matrix: a mixture of real cameras' drawn at random, or fixed"),
    ND_KEY_CHOICE("tone_curve", TONE_CURVE, 1, nd_choice_switch, "S-shaped tone curve; false: only sRGB's"),
    ND_KEY_CHOICE("noise", NOISE, 1, nd_choice_switch, "false: only what development and JPEG do"),
    ND_KEY_CHOICE("quantize", QUANTIZE, 1, nd_choice_switch, "round the result to 8 bits"),
    ND_KEY_RANGE("denoise", DENOISE_MIN, 0, 0, 0, 1, "strength of the camera's own noise reduction"),
    ND_KEY_RANGE("sharpen", SHARPEN_MIN, 0, 0, 0, 4, "strength of the camera's own sharpening"),
    ND_KEY_RANGE("soften", SOFTEN_MIN, 0, 0, 0, 3, "blur of brightness: deviation of a Gaussian in pixels"),
    ND_KEY_RANGE("soften_colour", SOFTEN_COLOUR_MIN, 0, 0, 0, 6,
                 "blur of colour: deviation of a Gaussian in pixels"),
};

/* All that is random about a picture's camera but the noise itself. */
typedef struct shot {
  double photon, read, exposure, denoise, sharpen, soften, soften_colour;
  int quality;
  nd_camera_colour colour;
} shot;

/* Every draw is made whatever the settings, so that changing one leaves the others' draws alone. */
static shot draw(const double *v, nd_rng *rng) {
  shot s;
  double iso = exp(nd_rng_between(rng, log(v[ISO_MIN]), log(v[ISO_MAX])));
  s.exposure = nd_rng_between(rng, v[EXPOSURE_MIN], v[EXPOSURE_MAX]);
  s.quality = nd_jpeg_draw_quality(v[QUALITY_MIN], v[QUALITY_MAX], rng);
  nd_sensor_noise((int)v[SENSOR], iso, rng, &s.photon, &s.read);
  s.colour = nd_camera_colour_draw(v[WHITE_BALANCE] != 0, v[CCM] != 0, rng);
  nd_rng retouching = nd_rng_branch(rng, RETOUCHING);
  s.denoise = nd_rng_between(&retouching, v[DENOISE_MIN], v[DENOISE_MAX]);
  s.sharpen = nd_rng_between(&retouching, v[SHARPEN_MIN], v[SHARPEN_MAX]);
  s.soften = nd_rng_between(&retouching, v[SOFTEN_MIN], v[SOFTEN_MAX]);
  s.soften_colour = nd_rng_between(&retouching, v[SOFTEN_COLOUR_MIN], v[SOFTEN_COLOUR_MAX]);
  return s;
}

static inline float dot(const float row[3], const float *rgb) {
  return row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2];
}

/* Linear RGB to the sensor's mosaic: camera colours, no white balance yet, one channel a place. */
static void mosaic(const float *rgb, int height, int width, const shot *s, float *raw) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++, rgb += 3, raw++) {
      int channel = nd_bayer_channel(y, x);
      *raw = dot(s->colour.to_camera[channel], rgb) * (float)s->exposure / s->colour.gains[channel];
    }
}

static void white_balance(float *raw, int height, int width, const shot *s) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++, raw++)
      *raw *= s->colour.gains[nd_bayer_channel(y, x)] / (float)s->exposure;
}

static void colour_correct(float *rgb, size_t pixels, const float matrix[3][3]) {
  for (size_t i = 0; i < pixels; i++, rgb += 3) {
    float r = dot(matrix[0], rgb), g = dot(matrix[1], rgb), b = dot(matrix[2], rgb);
    rgb[0] = r, rgb[1] = g, rgb[2] = b;
  }
}

static void quantize(float *rgb, size_t n) {
  for (size_t i = 0; i < n; i++)
    rgb[i] = (float)(int)(rgb[i] * 255 + 0.5f) / 255;
}

/* About how far noise moves a value of middle grey: what noise reduction has to smooth. */
static double noise_on_display(const shot *s) {
  return 4 * sqrt(s->photon * 0.2 * s->exposure + s->read) / s->exposure;
}

static int apply(const double *v, float *rgb, int height, int width, nd_rng *rng) {
  size_t pixels = (size_t)height * (size_t)width;
  bool contrast = v[TONE_CURVE] != 0;
  shot s = draw(v, rng);
  float *raw = nd_mem_alloc(pixels * sizeof *raw, "simulated camera");
  if (!raw)
    return -1;
  nd_tone_apply(nd_tone_to_linear(contrast), rgb, pixels * 3);
  mosaic(rgb, height, width, &s, raw);
  if (v[NOISE] != 0)
    nd_sensor_expose(raw, pixels, s.photon, s.read, rng);
  white_balance(raw, height, width, &s);
  int failed = nd_demosaic(raw, height, width, rgb);
  nd_mem_free(raw);
  if (failed)
    return -1;
  colour_correct(rgb, pixels, s.colour.from_camera);
  nd_tone_apply(nd_tone_to_display(contrast), rgb, pixels * 3);
  if (nd_camera_retouch(rgb, height, width, noise_on_display(&s), s.denoise, 0) ||
      nd_camera_soften(rgb, height, width, s.soften, s.soften_colour) ||
      nd_camera_retouch(rgb, height, width, 0, 0, s.sharpen))
    return -1;
  if (v[QUANTIZE] != 0)
    quantize(rgb, pixels * 3);
  return s.quality ? nd_jpeg_round_trip(rgb, height, width, s.quality) : 0;
}

/* Of softening. What demosaicing, noise reduction and sharpening see beyond the border is a pixel or two,
 * and reflected there. */
static int reach(const double *v) {
  return nd_camera_soften_reach(MAX(v[SOFTEN_MAX], v[SOFTEN_COLOUR_MAX]));
}

const nd_degradation nd_degradation_camera = {
    .name = "camera",
    .help = "a digital camera: sensor noise on the Bayer mosaic, development, JPEG",
    .keys = keys,
    .key_count = G_N_ELEMENTS(keys),
    .apply = apply,
    .reach = reach,
    .colour = true,
};
