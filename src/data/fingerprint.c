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

/* Turn 1: mirrored, 2: upside down, 4: rows and columns swapped; 3 and 5 to 7: several of these. */
static double turned(double m[FIELDS][FIELDS], int turn, int i, int j) {
  int y = turn & 4 ? j : i, x = turn & 4 ? i : j;
  return m[turn & 2 ? FIELDS - 1 - y : y][turn & 1 ? FIELDS - 1 - x : x];
}

static nd_fingerprint of_fields(double m[FIELDS][FIELDS], int turn) {
  double low = INFINITY, high = -INFINITY;
  nd_fingerprint f = {0};
  for (int i = 0; i < FIELDS; i++)
    for (int j = 0; j < FIELDS; j++) {
      double here = turned(m, turn, i, j);
      low = fmin(low, here);
      high = fmax(high, here);
      if (i == FIELDS - 1 || j == FIELDS - 1)
        continue;
      f.right = f.right << 1 | (here > turned(m, turn, i, j + 1));
      f.down = f.down << 1 | (here > turned(m, turn, i + 1, j));
    }
  f.flat = !(high - low > 0.05);
  return f;
}

void nd_fingerprint_of(const float *rgb, int height, int width, nd_fingerprint out[ND_FINGERPRINT_TURNS]) {
  double m[FIELDS][FIELDS];
  means(rgb, height, width, m);
  for (int turn = 0; turn < ND_FINGERPRINT_TURNS; turn++)
    out[turn] = of_fields(m, turn);
}

int nd_fingerprint_distance(nd_fingerprint a, nd_fingerprint b) {
  return __builtin_popcountll(a.right ^ b.right) + __builtin_popcountll(a.down ^ b.down);
}
