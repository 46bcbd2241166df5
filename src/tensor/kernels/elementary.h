/* Functions that the compiler can vectorise. */
#ifndef ND_KERNELS_ELEMENTARY_H
#define ND_KERNELS_ELEMENTARY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Where e^x is cut off. Not known to the compiler: it would work out what follows from each bound, and put
 * products with such numbers, which are denormal and some 30 times as slow, beside those of every x. */
extern const float nd_exp_low, nd_exp_high;

/* Where the normal distribution is 0 and 1 in fp32, to nd_geluf. Not known either, for the same reason. */
extern const float nd_normal_low, nd_normal_high;

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

/* The normal distribution below x to about 1e-7, with its density at x (Abramowitz & Stegun 1964, 7.1.26). */
static inline float nd_normal_cdff(float x, float *density) {
  float z = (x < 0 ? -x : x) * 0.70710678f, t = 1.0f / (1.0f + 0.3275911f * z), e = nd_expf(-z * z);
  e = e < 1e-30f ? 0 : e; /* what is made of less would be denormal, here or where it is multiplied next */
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  float tail = 0.5f * p * t * e;
  *density = 0.39894228f * e;
  return x < 0 ? tail : 1.0f - tail;
}

/* GELU, x Phi(x) (Hendrycks & Gimpel 2016), by Phi(x) = 0.5 + x p(x^2) / q(x^2), in half the time: p and q
 * were fitted to the smallest largest error, 2e-7 with what fp32 rounds. At both bounds it is 0 and 1. */
static inline float nd_geluf(float x) {
  float from_low = x < nd_normal_low ? nd_normal_low : x;
  float c = from_low > nd_normal_high ? nd_normal_high : from_low;
  float u = c * c, p = 2.2437895e-8f, q = 1.18847242e-6f;
  p = p * u + 6.3527013e-6f;
  p = p * u + 1.71311098e-4f;
  p = p * u + 4.6920389e-3f;
  p = p * u + 3.41130905e-2f;
  p = p * u + 3.98942232e-1f;
  q = q * u + 7.43591663e-5f;
  q = q * u + 1.898545423e-3f;
  q = q * u + 2.87918840e-2f;
  q = q * u + 2.52174646e-1f;
  q = q * u + 1.0f;
  return from_low * (0.5f + c * p / q);
}

/* GELU in place, for rows of `count` numbers, `step` apart. */
void nd_gelu_rows(float *x, int rows, int count, ptrdiff_t step);

#endif
