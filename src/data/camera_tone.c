/* Tone curves as tables: between display values (sRGB) and linear light. */
#include "data/camera-private.h"

#include <glib.h>
#include <math.h>

enum { STEPS = 4096 };
struct nd_tone_curve {
  float y[STEPS + 2]; /* one past the end, so that x = 1 interpolates without a branch */
};

static double srgb_to_linear(double x) {
  return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

static double linear_to_srgb(double x) {
  return x <= 0.0031308 ? x * 12.92 : 1.055 * pow(x, 1 / 2.4) - 0.055;
}

/* The S-curve and its inverse, as in Brooks et al., "Unprocessing images for learned raw denoising" (2019).
 */
static double contrast_up(double x) {
  return x * x * (3 - 2 * x);
}

static double contrast_down(double x) {
  return 0.5 - sin(asin(1 - 2 * x) / 3);
}

static double display_to_linear_contrast(double x) {
  return srgb_to_linear(contrast_down(x));
}

static double linear_to_display_contrast(double x) {
  return contrast_up(linear_to_srgb(x));
}

static const nd_tone_curve *tabulate(gsize *ready, nd_tone_curve *curve, double (*f)(double)) {
  if (g_once_init_enter(ready)) {
    for (int i = 0; i <= STEPS; i++)
      curve->y[i] = (float)f((double)i / STEPS);
    curve->y[STEPS + 1] = curve->y[STEPS];
    g_once_init_leave(ready, 1);
  }
  return curve;
}

const nd_tone_curve *nd_tone_to_linear(bool contrast) {
  static gsize ready[2];
  static nd_tone_curve curve[2];
  return tabulate(&ready[contrast], &curve[contrast], contrast ? display_to_linear_contrast : srgb_to_linear);
}

const nd_tone_curve *nd_tone_to_display(bool contrast) {
  static gsize ready[2];
  static nd_tone_curve curve[2];
  return tabulate(&ready[contrast], &curve[contrast], contrast ? linear_to_display_contrast : linear_to_srgb);
}

void nd_tone_apply(const nd_tone_curve *curve, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float place = x[i] > 0 ? MIN(x[i], 1.0f) * STEPS : 0; /* NaN becomes 0 */
    int step = (int)place;
    x[i] = curve->y[step] + (place - (float)step) * (curve->y[step + 1] - curve->y[step]);
  }
}
