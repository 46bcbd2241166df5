/* Statistics of one block for NIQE. Asymmetric generalised Gaussians are fitted by moments (Lasmar, Stitou,
 * Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009). */
#include "image/niqe-private.h"

#include <glib.h>
#include <math.h>

/* Shapes are looked for in steps of 0.001 from 0.2 to 10, as in the authors' release. */
enum { SHAPES = 9801 };
#define SHAPE(i) (0.2 + 0.001 * (i))

typedef struct skewed {
  double shape, left, right; /* widths */
} skewed;

/* (E|x|)^2 / E x^2 of a generalised Gaussian; it grows with the shape. */
static double ratio_of(double shape) {
  double middle = tgamma(2 / shape);
  return middle * middle / (tgamma(1 / shape) * tgamma(3 / shape));
}

static const double *ratios(void) {
  static double table[SHAPES];
  static gsize ready;
  if (g_once_init_enter(&ready)) {
    for (int i = 0; i < SHAPES; i++)
      table[i] = ratio_of(SHAPE(i));
    g_once_init_leave(&ready, 1);
  }
  return table;
}

/* The shape whose ratio is nearest. */
static double shape_of(double ratio) {
  const double *table = ratios();
  int low = 0, high = SHAPES - 1;
  while (low < high) {
    int middle = (low + high) / 2;
    if (table[middle] < ratio)
      low = middle + 1;
    else
      high = middle;
  }
  return SHAPE(low > 0 && ratio - table[low - 1] <= table[low] - ratio ? low - 1 : low);
}

static skewed fit(const double *x, size_t n) {
  double left = 0, right = 0, absolute = 0;
  size_t below = 0, above = 0;
  for (size_t i = 0; i < n; i++) {
    absolute += fabs(x[i]);
    if (x[i] < 0)
      left += x[i] * x[i], below++;
    else if (x[i] > 0)
      right += x[i] * x[i], above++;
  }
  if (!below || !above)
    return (skewed){NAN, NAN, NAN};
  double count = (double)n, mean = absolute / count, square = (left + right) / count;
  left = sqrt(left / (double)below), right = sqrt(right / (double)above);
  double skew = left / right, even = skew * skew + 1;
  double shape = shape_of(mean * mean / square * (skew * skew * skew + 1) * (skew + 1) / (even * even)),
         width = sqrt(tgamma(1 / shape) / tgamma(3 / shape));
  return (skewed){shape, left * width, right * width};
}

/* Each value times its neighbour, the block taken for a torus. */
static void multiply(const double *block, int side, int down, int right, double *out) {
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++)
      *out++ = block[y * side + x] * block[(y + down) % side * side + (x + right + side) % side];
}

void nd_niqe_features(const double *block, int side, double out[ND_NIQE_SCALE_FEATURES]) {
  static const int neighbours[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}};
  size_t n = (size_t)side * (size_t)side;
  double products[ND_NIQE_BLOCK * ND_NIQE_BLOCK];
  skewed s = fit(block, n);
  *out++ = s.shape;
  *out++ = (s.left + s.right) / 2;
  for (int i = 0; i < 4; i++) {
    multiply(block, side, neighbours[i][0], neighbours[i][1], products);
    s = fit(products, n);
    *out++ = s.shape;
    *out++ = (s.right - s.left) * tgamma(2 / s.shape) / tgamma(1 / s.shape);
    *out++ = s.left;
    *out++ = s.right;
  }
}
