/* Noise of real sensors, from published measurements. */
#include "data/camera-private.h"

#include <glib.h>
#include <math.h>

typedef struct level {
  double iso, shot, read;
} level;

typedef struct sensor {
  const char *name;
  const level *levels; /* by rising iso */
  size_t count;
} sensor;

/* The four phones: noise level functions of the phones of SIDD (Abdelhamed, Lin, Brown, "A high-quality
 * denoising dataset for smartphone cameras", CVPR 2018), as listed with Noise Flow (Abdelhamed, Brubaker,
 * Brown, ICCV 2019; cam_iso_nlf_all.txt). The two Canons: darktable's noise profiles
 * (data/noiseprofiles.json, measured by its users), green channel, the one that white balance leaves alone.
 * dnd: see draw_dnd. */
static const level google_pixel[] = {{100, 2.28e-4, 2e-6},
                                     {400, 8.86e-4, 5e-6},
                                     {800, 1.764e-3, 1.2e-5},
                                     {1600, 3.519e-3, 4.5e-5},
                                     {3200, 7.029e-3, 1.79e-4}};
static const level samsung_galaxy_s6_edge[] = {{100, 4.79e-4, 2e-6},
                                               {400, 1.774e-3, 2e-6},
                                               {800, 3.696e-3, 2e-6},
                                               {1600, 8.211e-3, 2e-6},
                                               {3200, 1.993e-2, 2e-6}};
static const level motorola_nexus_6[] = {{100, 4.73e-4, 3e-6},
                                         {400, 1.76e-3, 1.3e-5},
                                         {800, 3.476e-3, 5.2e-5},
                                         {1600, 6.909e-3, 2.08e-4},
                                         {3200, 1.3773e-2, 8.33e-4}};
static const level lg_g4[] = {{100, 7.39e-4, 2e-6}, {400, 1.86e-3, 2e-6}, {800, 3.356e-3, 6.3e-5}};
static const level canon_powershot_s110[] = {{100, 1.5083e-5, 2.4453e-8},
                                             {800, 1.05246e-4, 1.44359e-7},
                                             {3200, 4.45571e-4, 1.65024e-6},
                                             {6400, 8.8398e-4, 6.42207e-6}};
static const level canon_powershot_g1_x[] = {{100, 3.0514e-6, 3.51186e-8},
                                             {800, 2.20504e-5, 7.73038e-8},
                                             {3200, 8.99448e-5, 4.90274e-7},
                                             {12800, 3.61889e-4, 3.06507e-6}};

static const sensor sensors[] = {
    {"pixel", google_pixel, G_N_ELEMENTS(google_pixel)},
    {"galaxy_s6", samsung_galaxy_s6_edge, G_N_ELEMENTS(samsung_galaxy_s6_edge)},
    {"nexus_6", motorola_nexus_6, G_N_ELEMENTS(motorola_nexus_6)},
    {"lg_g4", lg_g4, G_N_ELEMENTS(lg_g4)},
    {"canon_s110", canon_powershot_s110, G_N_ELEMENTS(canon_powershot_s110)},
    {"canon_g1x", canon_powershot_g1_x, G_N_ELEMENTS(canon_powershot_g1_x)},
    {"dnd", NULL, 0},
};

const char *nd_sensor_name(int index) {
  return index >= 0 && index < (int)G_N_ELEMENTS(sensors) ? sensors[index].name : NULL;
}

/* The levels of the Darmstadt Noise Dataset's cameras as Brooks et al. fitted them, "Unprocessing images for
 * learned raw denoising" (CVPR 2019): log shot uniform, log read = 2.18 log shot + 1.20 +- 0.26.
 */
static void draw_dnd(nd_rng *rng, double *shot, double *read) {
  double log_shot = nd_rng_between(rng, log(0.0001), log(0.012));
  *shot = exp(log_shot);
  *read = exp(2.18 * log_shot + 1.20 + 0.26 * nd_rng_normal(rng));
}

static double interpolate(double x, double x0, double y0, double x1, double y1) {
  return exp(log(y0) + (log(x) - log(x0)) / (log(x1) - log(x0)) * (log(y1) - log(y0)));
}

static void tabulated(const sensor *s, double iso, double *shot, double *read) {
  const level *first = &s->levels[0], *last = &s->levels[s->count - 1];
  if (iso <= first->iso || iso >= last->iso) {
    const level *end = iso <= first->iso ? first : last;
    double ratio = iso / end->iso;
    *shot = end->shot * ratio;
    *read = end->read * ratio * ratio;
    return;
  }
  const level *above = first;
  while (above->iso < iso)
    above++;
  const level *below = above - 1;
  *shot = interpolate(iso, below->iso, below->shot, above->iso, above->shot);
  *read = interpolate(iso, below->iso, below->read, above->iso, above->read);
}

void nd_sensor_noise(int index, double iso, nd_rng *rng, double *shot, double *read) {
  draw_dnd(rng, shot, read);
  if (sensors[index].count)
    tabulated(&sensors[index], iso, shot, read);
}

/* From this mean count on a Poisson variable is as good as normal, and one draw serves for both noises. */
#define MANY_PHOTONS 30

/* normal: a draw from N(0, 1). */
static float expose(float x, float shot, float read, float normal, nd_rng *rng) {
  if (x <= 0 || shot <= 0) /* below 0, outside the sensor's gamut: no light, and no noise of it */
    return x + sqrtf(read) * normal;
  if (x >= MANY_PHOTONS * shot)
    return x + sqrtf(shot * x + read) * normal;
  return (float)nd_rng_poisson(rng, x / shot) * shot + sqrtf(read) * normal;
}

enum { BLOCK = 1024 };

void nd_sensor_expose(float *raw, size_t n, double shot, double read, nd_rng *rng) {
  float noise[BLOCK];
  for (size_t begin = 0; begin < n; begin += BLOCK) {
    size_t count = MIN(n - begin, (size_t)BLOCK);
    nd_rng_fill_normal(rng, noise, count);
    for (size_t i = 0; i < count; i++) {
      float x = expose(raw[begin + i], (float)shot, (float)read, noise[i], rng);
      raw[begin + i] = MIN(x, 1.0f);
    }
  }
}
