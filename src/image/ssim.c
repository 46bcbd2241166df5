/* Structural similarity (Wang et al. 2004); windows, covariance and borders as the header says. The window is
 * separable. A piece of an output row is made at a time, small enough for the first-level cache: five moments
 * (means of a, b, a^2, b^2, ab) are filtered down the columns, then along the row. Channels lie interleaved,
 * so the neighbour along the row stands `channels` further. */
#include "image/metrics-private.h"

#include <string.h>

enum { MOMENTS = 5, MAX_WINDOW = 11, PIECE = 192, MARGIN = (MAX_WINDOW - 1) * 3, WIDE = PIECE + MARGIN };

typedef struct window {
  int size;
  int border; /* how far the window's middle may come beyond the cropped area: its radius, or 0 */
  double weight[MAX_WINDOW];
  double unbias; /* sample covariance: n / (n - 1) */
} window;

typedef struct work {
  const float *a, *b;
  int height, width, channels;
  bool rounded, volume; /* volume: the window also runs across the channels */
  window w;
  double c1, c2;
  double across[3][3]; /* volume: weight of channel [from] in channel [to] */
  double *sums;        /* one an output row */
} work;

typedef double moments[MOMENTS][WIDE];

static window window_of(nd_metric_options o) {
  bool gaussian = o.gaussian || o.matlab;
  window w = {.size = gaussian ? 11 : 7, .unbias = gaussian ? 1 : 49.0 / 48, .border = o.matlab ? 5 : 0};
  double sum = 0;
  for (int i = 0; i < w.size; i++) {
    double x = i - w.size / 2;
    sum += w.weight[i] = gaussian ? exp(-x * x / (2 * 1.5 * 1.5)) : 1;
  }
  for (int i = 0; i < w.size; i++)
    w.weight[i] /= sum;
  return w;
}

static int within(int i, int n) {
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* The window across three channels, the outer ones replicated. */
static void set_across(work *k) {
  for (int to = 0; to < 3; to++)
    for (int i = 0; i < k->w.size; i++)
      k->across[to][within(to + i - k->w.size / 2, 3)] += k->w.weight[i];
}

static inline void add_row(const float *a, const float *b, size_t n, double weight, bool rounded, moments m) {
  for (size_t x = 0; x < n; x++) {
    double va = (double)(rounded ? nd_metric_rounded(a[x]) : a[x]);
    double vb = (double)(rounded ? nd_metric_rounded(b[x]) : b[x]);
    double wa = weight * va, wb = weight * vb;
    m[0][x] += wa;
    m[1][x] += wb;
    m[2][x] += wa * va;
    m[3][x] += wb * vb;
    m[4][x] += wa * vb;
  }
}

/* Adds n values of one row to the moments, weighted. */
ND_KERNEL static void add_weighted(const float *a, const float *b, size_t n, double weight, bool rounded,
                                   moments m) {
  if (rounded)
    add_row(a, b, n, weight, true, m);
  else
    add_row(a, b, n, weight, false, m);
}

/* In place: out[x] needs in[x] and what follows it. */
ND_KERNEL static void filter_along(moments m, size_t n, size_t step, const double *weight, int size) {
  double sum[PIECE];
  for (int j = 0; j < MOMENTS; j++) {
    memset(sum, 0, sizeof sum);
    for (int i = 0; i < size; i++)
      for (size_t x = 0; x < n; x++)
        sum[x] += weight[i] * m[j][x + (size_t)i * step];
    memcpy(m[j], sum, n * sizeof *sum);
  }
}

static void filter_across(const work *k, moments m, size_t n) {
  for (int j = 0; j < MOMENTS; j++)
    for (size_t x = 0; x < n; x += 3) {
      const double v[3] = {m[j][x], m[j][x + 1], m[j][x + 2]};
      for (int to = 0; to < 3; to++)
        m[j][x + (size_t)to] = k->across[to][0] * v[0] + k->across[to][1] * v[1] + k->across[to][2] * v[2];
    }
}

ND_KERNEL static double similarity(moments m, size_t n, double unbias, double c1, double c2) {
  double value[PIECE], sum = 0;
  for (size_t x = 0; x < n; x++) {
    double a = m[0][x], b = m[1][x];
    double va = unbias * (m[2][x] - a * a), vb = unbias * (m[3][x] - b * b), ab = unbias * (m[4][x] - a * b);
    value[x] = (2 * a * b + c1) * (2 * ab + c2) / ((a * a + b * b + c1) * (va + vb + c2));
  }
  for (size_t x = 0; x < n; x++)
    sum += value[x];
  return sum;
}

/* The moments of columns [from, to), where columns outside the picture are those at its edge. */
static void filter_down(const work *k, int y, int from, int to, moments m) {
  size_t c = (size_t)k->channels;
  int first = within(from, k->width), last = within(to - 1, k->width), lead = first - from;
  size_t n = (size_t)(last - first + 1) * c, row = (size_t)k->width * c, start = (size_t)lead * c;
  double found[MOMENTS][WIDE];
  memset(found, 0, sizeof found);
  for (int i = 0; i < k->w.size; i++) {
    size_t at = (size_t)within(y - k->w.border + i, k->height) * row + (size_t)first * c;
    add_weighted(k->a + at, k->b + at, n, k->w.weight[i], k->rounded, found);
  }
  for (int j = 0; j < MOMENTS; j++) {
    memcpy(m[j] + start, found[j], n * sizeof(double));
    for (size_t x = 0; x < start; x++)
      m[j][x] = found[j][x % c];
    for (size_t x = start + n; x < (size_t)(to - from) * c; x++)
      m[j][x] = found[j][n - c + x % c];
  }
}

static int output_rows(const work *k) {
  return k->height - k->w.size + 1 + 2 * k->w.border;
}

static int output_columns(const work *k) {
  return k->width - k->w.size + 1 + 2 * k->w.border;
}

static double row_sum(const work *k, int y) {
  int columns = output_columns(k), piece = PIECE / k->channels;
  double sum = 0;
  for (int x = 0; x < columns; x += piece) {
    int count = piece < columns - x ? piece : columns - x, from = x - k->w.border;
    size_t n = (size_t)count * (size_t)k->channels;
    moments m;
    filter_down(k, y, from, from + count + k->w.size - 1, m);
    filter_along(m, n, (size_t)k->channels, k->w.weight, k->w.size);
    if (k->volume)
      filter_across(k, m, n);
    sum += similarity(m, n, k->w.unbias, k->c1, k->c2);
  }
  return sum;
}

static void sum_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *k = context;
  for (size_t y = begin; y < end; y++)
    k->sums[y] = row_sum(k, (int)y);
}

static double mean(work *k) {
  size_t rows = (size_t)output_rows(k);
  k->sums = nd_mem_alloc(rows * sizeof *k->sums, "SSIM");
  if (!k->sums)
    return -1;
  nd_parallel(rows, 8, sum_rows, k);
  double sum = 0;
  for (size_t y = 0; y < rows; y++)
    sum += k->sums[y];
  nd_mem_free(k->sums);
  return sum / (double)rows / output_columns(k) / k->channels;
}

int nd_ssim_check_size(int height, int width, nd_metric_options o) {
  int size = window_of(o).size;
  if (height >= size && width >= size)
    return 0;
  return nd_fail("SSIM of a picture of %d x %d: it is smaller than the window of %d pixels", width, height,
                 size);
}

double nd_ssim(const float *a, const float *b, int height, int width, int channels, nd_metric_options o) {
  work k = {.a = a, .b = b, .height = height, .width = width, .channels = channels, .w = window_of(o)};
  double peak = (double)nd_metric_peak(o);
  if (nd_ssim_check_size(height, width, o))
    return -1;
  if (channels != 1 && channels != 3) {
    nd_fail("SSIM of a picture of %d channels: 1 and 3 are compared", channels);
    return -1;
  }
  k.rounded = o.round_to_8_bits;
  k.volume = o.matlab && channels == 3;
  k.c1 = 0.01 * 0.01 * peak * peak;
  k.c2 = 0.03 * 0.03 * peak * peak;
  set_across(&k);
  return mean(&k);
}
