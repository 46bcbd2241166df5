/* Rain: layers of streaks, near ones long and bright, far ones short, thin and many, before a veil of mist.
 * Streaks are added light, as in Garg and Nayar, "Vision and rain" (IJCV 2007), layers and veil as in Yang et
 * al., "Deep joint rain detection and removal from a single image" (CVPR 2017). */
#include "data/degrade-private.h"

#include <glib.h>
#include <math.h>

enum {
  ANGLE_MIN,
  ANGLE_MAX,
  SPREAD,
  LENGTH_MIN,
  LENGTH_MAX,
  WIDTH_MIN,
  WIDTH_MAX,
  DENSITY_MIN,
  DENSITY_MAX,
  BRIGHTNESS_MIN,
  BRIGHTNESS_MAX,
  LAYERS,
  MIST_MIN,
  MIST_MAX,
  LIGHT_MIN,
  LIGHT_MAX,
  DROPS_MIN,
  DROPS_MAX,
  DROP_RADIUS_MIN,
  DROP_RADIUS_MAX
};

enum { ON_THE_LENS = 100 }; /* the drops' stream of random numbers; the stages of a chain have the low ones */

static const nd_degrade_key keys[] = {
    ND_KEY_RANGE("angle", ANGLE_MIN, -30, 30, -90, 90,
                 "of the fall in degrees from straight down, positive to the right; one a picture"),
    ND_KEY_NUMBER("spread", SPREAD, 3, 0, 45,
                  "standard deviation of each streak's angle about it, in degrees"),
    ND_KEY_RANGE("length", LENGTH_MIN, 10, 40, 1, 400, "of the nearest streaks in pixels, drawn for each"),
    ND_KEY_RANGE("width", WIDTH_MIN, 0.8, 2, 0.2, 20,
                 "of the nearest streaks in pixels (at 61 % of their brightness)"),
    ND_KEY_RANGE("density", DENSITY_MIN, 10, 60, 0, 1000, "nearest streaks in 100 x 100 pixels"),
    ND_KEY_RANGE("brightness", BRIGHTNESS_MIN, 0.2, 0.7, 0, 1, "share of the light that a streak covers"),
    ND_KEY_WHOLE("layers", LAYERS, 3, 1, 8,
                 "depths, a whole number: at each next one streaks are twice as far away"),
    ND_KEY_RANGE("mist", MIST_MIN, 0, 0.3, 0, 1, "share of the light that mist covers"),
    ND_KEY_RANGE("light", LIGHT_MIN, 0.7, 0.95, 0, 1, "brightness of the sky that streaks and mist show"),
    ND_KEY_RANGE("drops", DROPS_MIN, 0, 0, 0, 50, "drops on the lens in 100 x 100 pixels; 0: none"),
    ND_KEY_RANGE("drop_radius", DROP_RADIUS_MIN, 4, 12, 1, 100, "of the drops in pixels, drawn for each"),
};

typedef struct streak {
  double x, y;   /* middle */
  double dx, dy; /* direction */
  double half;   /* of its length */
  double sigma;  /* of its profile */
  double cover;
} streak;

/* Light falls off from the middle line as a Gaussian, and over the last quarter of each end linearly. */
static double coverage(const streak *s, double x, double y) {
  double along = fabs((x - s->x) * s->dx + (y - s->y) * s->dy),
         across = (x - s->x) * s->dy - (y - s->y) * s->dx;
  double end = (s->half - along) / (0.25 * s->half + 1e-9);
  return end <= 0 ? 0 : s->cover * MIN(end, 1) * exp(-across * across / (2 * s->sigma * s->sigma));
}

/* Clear share of each pixel, multiplied by what this streak leaves clear. */
static void draw_streak(const streak *s, int height, int width, float *clear) {
  double reach_x = fabs(s->dx) * s->half + 3 * s->sigma, reach_y = fabs(s->dy) * s->half + 3 * s->sigma;
  int x0 = MAX((int)ceil(s->x - reach_x), 0), x1 = MIN((int)floor(s->x + reach_x), width - 1);
  int y0 = MAX((int)ceil(s->y - reach_y), 0), y1 = MIN((int)floor(s->y + reach_y), height - 1);
  for (int y = y0; y <= y1; y++)
    for (int x = x0; x <= x1; x++)
      clear[(size_t)y * (size_t)width + (size_t)x] *= (float)(1 - coverage(s, x, y));
}

/* Depth d: 2^d times as far, so that much smaller; the brightness falls as a thinner drop covers less time.
 */
static streak draw(const double *v, double angle, int depth, int height, int width, nd_rng *rng) {
  double near = ldexp(1, -depth), margin = v[LENGTH_MAX];
  streak s = {.x = nd_rng_between(rng, -margin, width + margin),
              .y = nd_rng_between(rng, -margin, height + margin)};
  double a = (angle + v[SPREAD] * nd_rng_normal(rng)) * G_PI / 180;
  s.dx = sin(a);
  s.dy = cos(a);
  s.half = MAX(nd_rng_between(rng, v[LENGTH_MIN], v[LENGTH_MAX]) * near, 2) / 2;
  s.sigma = MAX(nd_rng_between(rng, v[WIDTH_MIN], v[WIDTH_MAX]) * near, 0.4) / 2;
  s.cover = nd_rng_between(rng, v[BRIGHTNESS_MIN], v[BRIGHTNESS_MAX]) * sqrt(near);
  return s;
}

static void add_layers(const double *v, double angle, double density, int height, int width, float *clear,
                       nd_rng *rng) {
  double area = (height + 2 * v[LENGTH_MAX]) * (width + 2 * v[LENGTH_MAX]) / 1e4;
  for (int depth = 0; depth < (int)v[LAYERS]; depth++) {
    int streaks = (int)nd_rng_poisson(rng, density * area * ldexp(1, depth));
    for (int i = 0; i < streaks; i++) {
      streak s = draw(v, angle, depth, height, width, rng);
      draw_streak(&s, height, width, clear);
    }
  }
}

static int apply(const double *v, float *rgb, int height, int width, nd_rng *rng) {
  size_t pixels = (size_t)height * (size_t)width;
  double angle = nd_rng_between(rng, v[ANGLE_MIN], v[ANGLE_MAX]),
         density = nd_rng_between(rng, v[DENSITY_MIN], v[DENSITY_MAX]),
         mist = nd_rng_between(rng, v[MIST_MIN], v[MIST_MAX]),
         light = nd_rng_between(rng, v[LIGHT_MIN], v[LIGHT_MAX]);
  float *clear = nd_mem_alloc(pixels * sizeof *clear, "rain");
  if (!clear)
    return -1;
  for (size_t i = 0; i < pixels; i++)
    clear[i] = (float)(1 - mist);
  add_layers(v, angle, density, height, width, clear, rng);
  for (size_t i = 0; i < pixels * 3; i++)
    rgb[i] = clear[i / 3] * rgb[i] + (1 - clear[i / 3]) * (float)light;
  nd_mem_free(clear);
  nd_rng lens = nd_rng_branch(rng, ON_THE_LENS);
  double drops = nd_rng_between(&lens, v[DROPS_MIN], v[DROPS_MAX]);
  return nd_rain_drops(drops, v[DROP_RADIUS_MIN], v[DROP_RADIUS_MAX], rgb, height, width, &lens);
}

const nd_degradation nd_degradation_rain = {
    .name = "rain",
    .help = "streaks in layers of depth, a veil of mist, drops on the lens",
    .keys = keys,
    .key_count = G_N_ELEMENTS(keys),
    .apply = apply,
};
