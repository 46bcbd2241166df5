/* Loss of resolution: the picture is made smaller and brought back to its size, both with Keys' cubic
 * ("Cubic convolution interpolation for digital image processing", IEEE TASSP 1981, a = -1/2), stretched by
 * the factor on the way down so that it averages: what MATLAB's imresize does, the field's usual low
 * resolution. */
#include "data/degrade-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { FACTOR_MIN, FACTOR_MAX };
enum { MOST_TAPS = 4 * 16 + 2 };

static const nd_degrade_key keys[] = {
    ND_KEY_RANGE("factor", FACTOR_MIN, 2, 4, 1, 16, "how many times smaller, drawn uniformly"),
};

static double cubic(double x) {
  x = fabs(x);
  return x <= 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* Where an output value is taken from, on the line of `count` inputs; beyond the ends they are mirrored. */
typedef struct taps {
  int count, at[MOST_TAPS];
  float weight[MOST_TAPS];
} taps;

static int mirrored(int i, int n) {
  int period = 2 * n;
  i = ((i % period) + period) % period;
  return i < n ? i : period - 1 - i;
}

static taps taps_of(int i, int from, int to) {
  double scale = (double)from / to, stretch = scale > 1 ? scale : 1, centre = (i + 0.5) * scale - 0.5,
         sum = 0;
  int first = (int)ceil(centre - 2 * stretch), last = (int)floor(centre + 2 * stretch);
  taps t = {.count = MIN(last - first + 1, MOST_TAPS)};
  for (int k = 0; k < t.count; k++) {
    double w = cubic((first + k - centre) / stretch);
    t.at[k] = mirrored(first + k, from);
    t.weight[k] = (float)w;
    sum += w;
  }
  for (int k = 0; k < t.count; k++)
    t.weight[k] /= (float)sum;
  return t;
}

/* Along one axis: outer lines of `from` elements of `inner` floats become lines of `to`. */
static void resample(const float *in, int outer, int from, int to, int inner, float *out) {
  for (int i = 0; i < to; i++) {
    taps t = taps_of(i, from, to);
    for (int o = 0; o < outer; o++) {
      float *y = out + ((size_t)o * (size_t)to + (size_t)i) * (size_t)inner;
      memset(y, 0, (size_t)inner * sizeof *y);
      for (int k = 0; k < t.count; k++) {
        const float *x = in + ((size_t)o * (size_t)from + (size_t)t.at[k]) * (size_t)inner;
        for (int c = 0; c < inner; c++)
          y[c] += t.weight[k] * x[c];
      }
    }
  }
}

static int apply(const double *v, float *rgb, int height, int width, nd_rng *rng) {
  double factor = nd_rng_between(rng, v[FACTOR_MIN], v[FACTOR_MAX]);
  int h = MAX((int)lrint(height / factor), 1), w = MAX((int)lrint(width / factor), 1);
  size_t values = (size_t)height * (size_t)width * 3;
  float *a = nd_mem_alloc(2 * values * sizeof *a, "down-scaled picture");
  if (!a)
    return -1;
  float *b = a + values;
  resample(rgb, height, width, w, 3, a);
  resample(a, 1, height, h, w * 3, b);
  resample(b, 1, h, height, w * 3, a);
  resample(a, height, w, width, 3, rgb);
  for (size_t i = 0; i < values; i++)
    rgb[i] = CLAMP(rgb[i], 0.0f, 1.0f);
  nd_mem_free(a);
  return 0;
}

/* A cubic's two pixels on either side, of the small picture, down and up again. */
static int reach(const double *v) {
  return (int)ceil(4 * v[FACTOR_MAX]);
}

static const char *const untold[] = {"factor", NULL};

const nd_degradation nd_degradation_downscale = {
    .name = "downscale",
    .help = "lower resolution: made smaller and brought back to its size",
    .keys = keys,
    .key_count = G_N_ELEMENTS(keys),
    .apply = apply,
    .reach = reach,
    .untold = untold,
};
