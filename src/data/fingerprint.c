/* Fingerprints of pictures from the mean brightness of 9 x 9 fields. */
#include "data/check.h"

#include <math.h>

enum { FIELDS = 9 };

static double field_mean(const float *rgb, int width, int y0, int y1, int x0, int x1) {
  double sum = 0;
  for (int y = y0; y < y1; y++)
    for (int x = x0; x < x1; x++) {
      const float *p = rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
      sum += (double)(p[0] + p[1] + p[2]) / 3;
    }
  return sum / ((double)(y1 - y0) * (x1 - x0));
}

/* A picture smaller than the fields lends its pixels to several. */
static void means(const float *rgb, int height, int width, double out[FIELDS][FIELDS]) {
  for (int i = 0; i < FIELDS; i++)
    for (int j = 0; j < FIELDS; j++) {
      int y0 = i * height / FIELDS, x0 = j * width / FIELDS;
      int y1 = (i + 1) * height / FIELDS, x1 = (j + 1) * width / FIELDS;
      out[i][j] = field_mean(rgb, width, y0, y1 > y0 ? y1 : y0 + 1, x0, x1 > x0 ? x1 : x0 + 1);
    }
}

nd_fingerprint nd_fingerprint_of(const float *rgb, int height, int width) {
  double m[FIELDS][FIELDS], low = INFINITY, high = -INFINITY;
  nd_fingerprint f = {0};
  means(rgb, height, width, m);
  for (int i = 0; i < FIELDS; i++)
    for (int j = 0; j < FIELDS; j++) {
      low = fmin(low, m[i][j]);
      high = fmax(high, m[i][j]);
      if (i == FIELDS - 1 || j == FIELDS - 1)
        continue;
      f.right = f.right << 1 | (m[i][j] > m[i][j + 1]);
      f.down = f.down << 1 | (m[i][j] > m[i + 1][j]);
    }
  f.flat = !(high - low > 0.05);
  return f;
}

int nd_fingerprint_distance(nd_fingerprint a, nd_fingerprint b) {
  return __builtin_popcountll(a.right ^ b.right) + __builtin_popcountll(a.down ^ b.down);
}
