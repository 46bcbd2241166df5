/* Peak signal-to-noise ratio, 10 log10(1 / mean squared error), over all values. */
#include "image/metrics-private.h"

#include <math.h>

double nd_psnr(const float *a, const float *b, int height, int width, int channels, nd_metric_options o) {
  size_t n = (size_t)height * (size_t)width * (size_t)channels;
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    double d = nd_metric_value(a[i], o) - nd_metric_value(b[i], o);
    sum += d * d;
  }
  return sum > 0 ? 10 * log10((double)n / sum) : INFINITY;
}
