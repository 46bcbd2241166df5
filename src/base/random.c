#include "base/base.h"

#include <math.h>

/* One round's multipliers and the key's Weyl increments, from the paper's table 2. */
#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

void nd_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]) {
  uint32_t k0 = key[0], k1 = key[1];
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += PHILOX_W0;
    k1 += PHILOX_W1;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

nd_rng nd_rng_make(uint64_t seed, uint64_t step, uint32_t sample, nd_purpose purpose) {
  return (nd_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                  .counter = {0, sample, (uint32_t)step, (uint32_t)purpose},
                  .used = 4};
}

nd_rng nd_rng_branch(const nd_rng *r, uint32_t branch) {
  nd_rng b = *r;
  b.counter[0] = 0;
  b.counter[3] += branch << 16; /* purposes are small; branches of branches differ from both */
  b.used = 4;
  return b;
}

uint32_t nd_rng_u32(nd_rng *r) {
  if (r->used == 4) {
    nd_philox(r->key, r->counter, r->block);
    r->counter[0]++;
    r->used = 0;
  }
  return r->block[r->used++];
}

uint32_t nd_rng_below(nd_rng *r, uint32_t n) {
  /* Lemire's multiplication, drawing again in the short biased stretch. */
  uint64_t product = (uint64_t)nd_rng_u32(r) * n;
  if ((uint32_t)product < n) {
    uint32_t threshold = -n % n;
    while ((uint32_t)product < threshold)
      product = (uint64_t)nd_rng_u32(r) * n;
  }
  return (uint32_t)(product >> 32);
}

double nd_rng_uniform(nd_rng *r) {
  return (nd_rng_u32(r) + 0.5) * 0x1p-32;
}

double nd_rng_between(nd_rng *r, double a, double b) {
  return a + (b - a) * nd_rng_uniform(r);
}

double nd_rng_normal(nd_rng *r) {
  double u = nd_rng_uniform(r), v = nd_rng_uniform(r);
  return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

double nd_rng_poisson(nd_rng *r, double mean) {
  if (mean <= 0)
    return 0;
  if (mean >= 30)
    return fmax(0, floor(mean + sqrt(mean) * nd_rng_normal(r) + 0.5));
  double limit = exp(-mean), product = nd_rng_uniform(r);
  int count = 0;
  for (; product > limit; count++)
    product *= nd_rng_uniform(r);
  return count;
}

void nd_rng_fill_normal(nd_rng *r, float *out, size_t n) {
  for (size_t i = 0; i < n; i += 2) {
    float u = (float)nd_rng_uniform(r), v = (float)nd_rng_uniform(r);
    if (u >= 1)
      u = 0x1.fffffep-1f;
    float radius = sqrtf(-2 * logf(u)), angle = (float)(2 * M_PI) * v;
    out[i] = radius * cosf(angle);
    if (i + 1 < n)
      out[i + 1] = radius * sinf(angle);
  }
}
