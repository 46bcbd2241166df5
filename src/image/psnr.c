/* Peak signal-to-noise ratio, 10 log10(peak^2 / mean squared error), over all values. */
#include "image/metrics-private.h"

enum { BLOCK = 1 << 15, LANES = 16 }; /* values a partial sum, so that threads do not change the result */

typedef struct comparison {
  const float *a, *b;
  size_t n;
  bool rounded;
  double *sums; /* one a block */
} comparison;

static inline double difference(float a, float b, bool rounded) {
  return rounded ? (double)nd_metric_rounded(a) - (double)nd_metric_rounded(b) : (double)a - (double)b;
}

static inline double squares(const float *a, const float *b, size_t n, bool rounded) {
  double lane[LANES] = {0}, sum = 0;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      double d = difference(a[i + k], b[i + k], rounded);
      lane[k] += d * d;
    }
  for (; i < n; i++) {
    double d = difference(a[i], b[i], rounded);
    lane[0] += d * d;
  }
  for (int k = 0; k < LANES; k++)
    sum += lane[k];
  return sum;
}

/* The choice stands outside the loops. */
ND_KERNEL static double block_sum(const float *a, const float *b, size_t n, bool rounded) {
  return rounded ? squares(a, b, n, true) : squares(a, b, n, false);
}

static void sum_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const comparison *c = context;
  for (size_t i = begin; i < end; i++) {
    size_t at = i * BLOCK, left = c->n - at;
    c->sums[i] = block_sum(c->a + at, c->b + at, left < BLOCK ? left : BLOCK, c->rounded);
  }
}

double nd_psnr(const float *a, const float *b, int height, int width, int channels, nd_metric_options o) {
  comparison c = {.a = a, .b = b, .n = (size_t)height * (size_t)width * (size_t)channels};
  c.rounded = o.round_to_8_bits;
  size_t blocks = (c.n + BLOCK - 1) / BLOCK;
  c.sums = nd_mem_alloc(blocks * sizeof *c.sums, "PSNR");
  if (!c.sums)
    return NAN;
  nd_parallel(blocks, 4, sum_blocks, &c);
  double sum = 0, peak = (double)nd_metric_peak(o);
  for (size_t i = 0; i < blocks; i++)
    sum += c.sums[i];
  nd_mem_free(c.sums);
  return sum == 0 ? INFINITY : 10 * log10(peak * peak * (double)c.n / sum);
}
