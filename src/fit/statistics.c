/* Statistics of a patch that tell how it was degraded more than what it shows. Second differences at a lag of
 * s pixels measure detail of about s pixels: blur and noise change the fine against the coarse, motion and
 * streaks one direction against another. In logarithms, contrast cancels out of their differences. */
#include "fit/fit-private.h"

#include <glib.h>
#include <math.h>

enum { LAGS = 4, DIRECTIONS = 4 };

/* Of a plane: root mean square of p(x - d) - 2 p(x) + p(x + d), d = (dy, dx), as a logarithm. */
static double detail(const float *plane, int size, int dy, int dx) {
  double sum = 0;
  int side = dx < 0 ? -dx : dx;
  for (int y = dy; y < size - dy; y++) {
    const float *row = plane + (size_t)y * (size_t)size;
    const float *before = row - (ptrdiff_t)dy * size - dx, *after = row + (ptrdiff_t)dy * size + dx;
    float of_row = 0;
    for (int x = side; x < size - side; x++) {
      float d = before[x] - 2 * row[x] + after[x];
      of_row += d * d;
    }
    sum += (double)of_row;
  }
  return 0.5 * log(sum / ((double)(size - 2 * dy) * (size - 2 * side)) + 1e-6);
}

static void details(const float *plane, int size, double out[LAGS][DIRECTIONS]) {
  for (int k = 0; k < LAGS; k++) {
    int lag = 1 << k;
    out[k][0] = detail(plane, size, 0, lag);
    out[k][1] = detail(plane, size, lag, 0);
    out[k][2] = detail(plane, size, lag, lag);
    out[k][3] = detail(plane, size, lag, -lag);
  }
}

static double mean(const double v[DIRECTIONS]) {
  return (v[0] + v[1] + v[2] + v[3]) / DIRECTIONS;
}

static void brightness_and_contrast(const float *plane, size_t n, float *out) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++)
    sum += (double)plane[i], squares += (double)plane[i] * (double)plane[i];
  double average = sum / (double)n, variance = squares / (double)n - average * average;
  out[0] = (float)average;
  out[1] = (float)(0.5 * log(fmax(variance, 0) + 1e-5));
}

/* Returns the finest detail, all directions. */
static double of_brightness(const float *plane, int size, float *out) {
  double d[LAGS][DIRECTIONS];
  details(plane, size, d);
  brightness_and_contrast(plane, (size_t)size * (size_t)size, out);
  for (int k = 0; k < LAGS; k++) {
    double across = d[k][0] - d[k][1], diagonal = d[k][2] - d[k][3];
    if (k < LAGS - 1)
      out[2 + k] = (float)(mean(d[k]) - mean(d[LAGS - 1]));
    out[5 + k] = (float)hypot(across, diagonal);
    out[9 + k] = (float)across;
    out[13 + k] = (float)diagonal;
  }
  return mean(d[0]);
}

static void of_colour(const float *plane, int size, double finest_of_brightness, float *out) {
  double d[LAGS][DIRECTIONS];
  details(plane, size, d);
  for (int k = 0; k < LAGS - 1; k++)
    out[k] = (float)(mean(d[k]) - mean(d[LAGS - 1]));
  out[3] = (float)(mean(d[0]) - finest_of_brightness);
}

int nd_fit_statistics(const float *rgb, int size, bool colour, float *out) {
  size_t n = (size_t)size * (size_t)size;
  g_autofree float *planes = g_new(float, 3 * n);
  for (size_t i = 0; i < n; i++, rgb += 3) {
    float y = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
    planes[i] = y, planes[n + i] = rgb[2] - y, planes[2 * n + i] = rgb[0] - y;
  }
  double finest = of_brightness(planes, size, out);
  if (!colour)
    return ND_FIT_BRIGHTNESS;
  for (size_t c = 1; c < 3; c++)
    of_colour(planes + c * n, size, finest, out + ND_FIT_BRIGHTNESS + 4 * (c - 1));
  return ND_FIT_STATISTICS;
}
