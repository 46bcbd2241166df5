/* Drops on the lens or the pane before it. Each is a small wide-angle lens: within it stands what is around
 * it, upside down and out of focus, and its rim is soft because the camera looks past it (Roser and Geiger,
 * "Video-based raindrop detection for improved image registration", ICCV Workshops 2009; the mixture
 * (1 - M) B + M R of a mask M and drops R: Qian et al., "Attentive generative adversarial network for
 * raindrop removal from a single image", CVPR 2018). */
#include "data/degrade-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

/* How many times as large as itself the field is that a drop shows. */
#define FIELD 4.0

typedef struct drop {
  double x, y, radius;
  double wobble[2], phase[2]; /* its outline is no circle */
} drop;

static drop draw(double radius_min, double radius_max, int height, int width, nd_rng *rng) {
  drop d = {.x = nd_rng_between(rng, 0, width), .y = nd_rng_between(rng, 0, height)};
  d.radius = nd_rng_between(rng, radius_min, radius_max);
  for (int i = 0; i < 2; i++) {
    d.wobble[i] = nd_rng_between(rng, 0, 0.15);
    d.phase[i] = nd_rng_between(rng, 0, 2 * G_PI);
  }
  return d;
}

/* 1 within, 0 outside, falling over the outer third. */
static double cover(const drop *d, double dx, double dy) {
  double a = atan2(dy, dx), edge = d->radius;
  for (int i = 0; i < 2; i++)
    edge *= 1 + d->wobble[i] * sin((i + 2) * a + d->phase[i]);
  double t = CLAMP((1 - hypot(dx, dy) / edge) * 3, 0, 1);
  return t * t * (3 - 2 * t);
}

static int reflected(double at, int n) {
  int i = (int)floor(at), period = 2 * n;
  i = (i % period + period) % period;
  return i < n ? i : period - 1 - i;
}

/* What the drop shows at a place: the scene mirrored through its middle, smoothed over five by five points.
 */
static void refract(const float *scene, int height, int width, const drop *d, double dx, double dy,
                    float rgb[3]) {
  double step = d->radius * FIELD / 25;
  double sum[3] = {0};
  for (int k = 0; k < 25; k++) {
    int y = reflected(d->y - FIELD * dy + (k / 5 - 2) * step, height),
        x = reflected(d->x - FIELD * dx + (k % 5 - 2) * step, width);
    for (int c = 0; c < 3; c++)
      sum[c] += (double)scene[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] / 25;
  }
  for (int c = 0; c < 3; c++)
    rgb[c] = (float)sum[c];
}

static void put(const float *scene, int height, int width, const drop *d, float *out) {
  double reach = 1.4 * d->radius;
  int y1 = MIN((int)(d->y + reach), height - 1), x1 = MIN((int)(d->x + reach), width - 1);
  for (int y = MAX((int)(d->y - reach), 0); y <= y1; y++)
    for (int x = MAX((int)(d->x - reach), 0); x <= x1; x++) {
      float *p = out + ((size_t)y * (size_t)width + (size_t)x) * 3, shown[3];
      float m = (float)cover(d, x - d->x, y - d->y);
      if (m == 0)
        continue;
      refract(scene, height, width, d, x - d->x, y - d->y, shown);
      for (int c = 0; c < 3; c++)
        p[c] += m * (shown[c] - p[c]);
    }
}

int nd_rain_drops(double density, double radius_min, double radius_max, float *rgb, int height, int width,
                  nd_rng *rng) {
  size_t bytes = (size_t)height * (size_t)width * 3 * sizeof *rgb;
  int count = (int)nd_rng_poisson(rng, density * height * width / 1e4);
  if (!count)
    return 0;
  float *scene = nd_mem_alloc(bytes, "drops of rain");
  if (!scene)
    return -1;
  memcpy(scene, rgb, bytes);
  for (int i = 0; i < count; i++) {
    drop d = draw(radius_min, radius_max, height, width, rng);
    put(scene, height, width, &d, rgb);
  }
  nd_mem_free(scene);
  return 0;
}
