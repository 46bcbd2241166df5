/* Functions that the compiler can vectorise. */
#ifndef ND_KERNELS_ELEMENTARY_H
#define ND_KERNELS_ELEMENTARY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Where e^x is cut off. Not known to the compiler: it would work out what follows from each bound, and put
 * products with such numbers, which are denormal and some 30 times as slow, beside those of every x. */
extern const float nd_exp_low, nd_exp_high;

/* Where the normal distribution and the gradient of GELU are 0 and 1 to the fitted functions below. Not known
 * either, for the same reason. */
extern const float nd_normal_low, nd_normal_high, nd_gradient_low, nd_gradient_high;

/* e^x to about 1e-7 relative: x = n ln 2 + r, |r| <= ln 2 / 2, polynomial in r, exponent set to n. */
static inline float nd_expf(float x) {
  const float magic = 12582912.0f;     /* 1.5 * 2^23: adding it rounds to an integer */
  x = x < nd_exp_low ? nd_exp_low : x; /* one after the other and NaN last: vector minimum and maximum */
  x = x > nd_exp_high ? nd_exp_high : x;
  float n = (x * 1.44269504f + magic) - magic;
  float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  uint32_t bits = (uint32_t)((int32_t)n + 127) << 23; /* of NaN: any bits, for p is NaN */
  float power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

static inline float nd_sigmoidf(float x) {
  return 1.0f / (1.0f + nd_expf(-x));
}

/* x p(x^2) / q(x^2), of powers from 0 up. */
static inline float nd_odd_ratiof(float x, const float p[6], const float q[6]) {
  float u = x * x, above = p[5], below = q[5];
  for (int i = 4; i >= 0; i--) {
    above = above * u + p[i];
    below = below * u + q[i];
  }
  return x * above / below;
}

/* GELU, x Phi(x) (Hendrycks & Gimpel 2016). Phi(x) - 0.5 and, for the gradient, Phi(x) + x Phi'(x) - 0.5 are
 * odd ratios of polynomials that were fitted to the smallest largest error: with what fp32 rounds, 2e-7 and
 * 4e-7. At both bounds Phi is 0 and 1. */
static inline float nd_geluf(float x) {
  const float p[6] = {3.98942232e-1f, 3.41130905e-2f, 4.6920389e-3f,
                      1.71311098e-4f, 6.3527013e-6f,  2.2437895e-8f},
              q[6] = {1.0f, 2.52174646e-1f, 2.87918840e-2f, 1.898545423e-3f, 7.43591663e-5f, 1.18847242e-6f};
  float from_low = x < nd_normal_low ? nd_normal_low : x;
  float c = from_low > nd_normal_high ? nd_normal_high : from_low;
  return from_low * (0.5f + nd_odd_ratiof(c, p, q));
}

static inline float nd_gelu_gradientf(float x) {
  const float p[6] = {0.797885358f,    -0.0309958737f,  0.0142303072f,
                      1.92201787e-05f, 3.59559563e-05f, 1.92929434e-07f},
              q[6] = {1.0f, 0.294494033f, 0.0409802049f, 0.00352303451f, 0.000192036343f, 8.95242465e-06f};
  float c = x < nd_gradient_low ? nd_gradient_low : x;
  c = c > nd_gradient_high ? nd_gradient_high : c;
  return 0.5f + nd_odd_ratiof(c, p, q);
}

/* GELU in place, for rows of `count` numbers, `step` apart. */
void nd_gelu_rows(float *x, int rows, int count, ptrdiff_t step);

#endif
