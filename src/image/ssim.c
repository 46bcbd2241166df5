/* Structural similarity (Wang et al. 2004) per channel, averaged; windows and covariance as the header says.
 * The window is separable: five moments are filtered along rows, then along columns. */
#include "image/metrics-private.h"

#include <string.h>

enum { MOMENTS = 5, MAX_WINDOW = 11 };

typedef struct window {
  int size;
  double weight[MAX_WINDOW];
  double unbias; /* sample covariance: n / (n - 1) */
} window;

static window window_of(nd_metric_options o) {
  window w = {.size = o.gaussian ? 11 : 7, .unbias = o.gaussian ? 1 : 49.0 / 48};
  double sum = 0;
  for (int i = 0; i < w.size; i++) {
    double x = i - w.size / 2;
    sum += w.weight[i] = o.gaussian ? exp(-x * x / (2 * 1.5 * 1.5)) : 1;
  }
  for (int i = 0; i < w.size; i++)
    w.weight[i] /= sum;
  return w;
}

typedef struct work {
  const float *a, *b;
  int height, width, channels;
  nd_metric_options o;
  window w;
  double *rows; /* [channel][moment][height][columns]: filtered along rows */
  double *sums; /* one an output row */
} work;

static void moments_at(const work *k, size_t at, double out[MOMENTS]) {
  double a = nd_metric_value(k->a[at], k->o), b = nd_metric_value(k->b[at], k->o);
  out[0] = a, out[1] = b, out[2] = a * a, out[3] = b * b, out[4] = a * b;
}

static int columns_of(const work *k) {
  return k->width - k->w.size + 1;
}

static void filter_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *k = context;
  size_t plane = (size_t)k->height * (size_t)columns_of(k);
  for (size_t y = begin; y < end; y++)
    for (int c = 0; c < k->channels; c++)
      for (int x = 0; x < columns_of(k); x++) {
        double sum[MOMENTS] = {0}, m[MOMENTS];
        for (int i = 0; i < k->w.size; i++) {
          moments_at(k, (y * (size_t)k->width + (size_t)(x + i)) * (size_t)k->channels + (size_t)c, m);
          for (int j = 0; j < MOMENTS; j++)
            sum[j] += k->w.weight[i] * m[j];
        }
        for (int j = 0; j < MOMENTS; j++)
          k->rows[(size_t)(c * MOMENTS + j) * plane + y * (size_t)columns_of(k) + (size_t)x] = sum[j];
      }
}

static double similarity(const double m[MOMENTS], double unbias) {
  const double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  double va = unbias * (m[2] - m[0] * m[0]), vb = unbias * (m[3] - m[1] * m[1]),
         ab = unbias * (m[4] - m[0] * m[1]);
  return (2 * m[0] * m[1] + c1) * (2 * ab + c2) / ((m[0] * m[0] + m[1] * m[1] + c1) * (va + vb + c2));
}

static void filter_columns(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *k = context;
  size_t columns = (size_t)columns_of(k), plane = (size_t)k->height * columns;
  for (size_t y = begin; y < end; y++) {
    k->sums[y] = 0;
    for (int c = 0; c < k->channels; c++)
      for (size_t x = 0; x < columns; x++) {
        double m[MOMENTS] = {0};
        for (int j = 0; j < MOMENTS; j++)
          for (int i = 0; i < k->w.size; i++)
            m[j] +=
                k->w.weight[i] * k->rows[(size_t)(c * MOMENTS + j) * plane + (y + (size_t)i) * columns + x];
        k->sums[y] += similarity(m, k->w.unbias);
      }
  }
}

double nd_ssim(const float *a, const float *b, int height, int width, int channels, nd_metric_options o) {
  work k = {
      .a = a, .b = b, .height = height, .width = width, .channels = channels, .o = o, .w = window_of(o)};
  if (height < k.w.size || width < k.w.size) {
    nd_fail("SSIM of a picture of %d x %d: it is smaller than the window of %d pixels", width, height,
            k.w.size);
    return -1;
  }
  size_t out_rows = (size_t)(height - k.w.size + 1);
  k.rows = nd_mem_alloc((size_t)channels * MOMENTS * (size_t)height * (size_t)columns_of(&k) * sizeof(double),
                        "SSIM");
  k.sums = nd_mem_alloc(out_rows * sizeof(double), "SSIM");
  double sum = -1;
  if (k.rows && k.sums) {
    nd_parallel((size_t)height, 8, filter_rows, &k);
    nd_parallel(out_rows, 8, filter_columns, &k);
    sum = 0;
    for (size_t y = 0; y < out_rows; y++)
      sum += k.sums[y];
    sum /= (double)out_rows * columns_of(&k) * channels;
  }
  nd_mem_free(k.rows);
  nd_mem_free(k.sums);
  return sum;
}
