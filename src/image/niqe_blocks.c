/* The blocks of a picture for NIQE: brightness as MATLAB's rgb2gray of a uint8 picture has it, each pixel
 * less its local mean, over its local deviation, at full size and at half (imresize's cubic). */
#include "image/metrics-private.h"
#include "image/niqe-private.h"

#include <string.h>

enum { RADIUS = 3, WINDOW = 2 * RADIUS + 1, MARGINED = ND_NIQE_BLOCK + 2 * RADIUS };

/* What rounding leaves of a flat area. */
#define NOTHING 1e-8

typedef struct plane {
  double *at; /* on the scale 0 to 255 */
  int width, height;
} plane;

typedef struct work {
  plane full, half;
  int columns; /* of blocks */
  double window[WINDOW];
  nd_niqe_blocks *blocks;
} work;

static int within(int i, int n) {
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static void fill_grey(const float *rgb, int stride, plane *out) {
  for (int y = 0; y < out->height; y++)
    for (int x = 0; x < out->width; x++) {
      const float *p = rgb + ((size_t)y * (size_t)stride + (size_t)x) * 3;
      out->at[(size_t)y * (size_t)out->width + (size_t)x] =
          floor(0.298936021293775 * (double)nd_metric_rounded(p[0]) +
                0.587043074451121 * (double)nd_metric_rounded(p[1]) +
                0.114020904255103 * (double)nd_metric_rounded(p[2]) + 0.5);
    }
}

/* Keys' cubic with a = -1/2, stretched by two, at a quarter, three quarters, ... of a step; mirrored edges.
 */
static double half_value(const double *line, int n, size_t step, int i) {
  static const double weight[] = {0.43359375, 0.11328125, -0.03515625, -0.01171875};
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    int before = 2 * i - k, after = 2 * i + 1 + k;
    sum += weight[k] * (line[(size_t)(before < 0 ? -before - 1 : before) * step] +
                        line[(size_t)(after >= n ? 2 * n - 1 - after : after) * step]);
  }
  return sum;
}

static int fill_half(const plane *full, plane *out) {
  size_t width = (size_t)full->width;
  double *rows = nd_mem_alloc((size_t)out->height * width * sizeof *rows, "NIQE at half size");
  if (!rows)
    return -1;
  for (int y = 0; y < out->height; y++)
    for (size_t x = 0; x < width; x++)
      rows[(size_t)y * width + x] = half_value(full->at + x, full->height, width, y);
  for (int y = 0; y < out->height; y++)
    for (int x = 0; x < out->width; x++)
      out->at[(size_t)y * (size_t)out->width + (size_t)x] =
          half_value(rows + (size_t)y * width, full->width, 1, x);
  nd_mem_free(rows);
  return 0;
}

static void set_window(double window[WINDOW]) {
  double sum = 0, sigma = 7.0 / 6;
  for (int i = 0; i < WINDOW; i++)
    sum += window[i] = exp(-(i - RADIUS) * (i - RADIUS) / (2 * sigma * sigma));
  for (int i = 0; i < WINDOW; i++)
    window[i] /= sum;
}

/* Sums of a row of the picture and of its squares under the window from above to below. */
static void add_down(const work *w, const plane *p, int y, int left, int side, double *sum, double *squares) {
  memset(sum, 0, MARGINED * sizeof *sum);
  memset(squares, 0, MARGINED * sizeof *squares);
  for (int i = 0; i < WINDOW; i++) {
    const double *row = p->at + (size_t)within(y + i - RADIUS, p->height) * (size_t)p->width;
    for (int x = 0; x < side + 2 * RADIUS; x++) {
      double v = row[within(left + x - RADIUS, p->width)];
      sum[x] += w->window[i] * v;
      squares[x] += w->window[i] * v * v;
    }
  }
}

/* The block at (top, left), normalised; returns its mean local deviation. */
static double normalise(const work *w, const plane *p, int top, int left, int side, double *out) {
  double sum[MARGINED], squares[MARGINED], deviations = 0;
  for (int y = top; y < top + side; y++) {
    add_down(w, p, y, left, side, sum, squares);
    for (int x = 0; x < side; x++) {
      double mean = 0, square = 0;
      for (int i = 0; i < WINDOW; i++)
        mean += w->window[i] * sum[x + i], square += w->window[i] * squares[x + i];
      double deviation = sqrt(fabs(square - mean * mean)),
             v = p->at[(size_t)y * (size_t)p->width + (size_t)(left + x)] - mean;
      *out++ = fabs(v) < NOTHING ? 0 : v / (deviation + 1);
      deviations += deviation;
    }
  }
  return deviations / (side * side);
}

static void measure_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  double block[ND_NIQE_BLOCK * ND_NIQE_BLOCK];
  for (size_t i = begin; i < end; i++) {
    int row = (int)i / w->columns, column = (int)i % w->columns, side = ND_NIQE_BLOCK;
    double *features = w->blocks->features[i];
    w->blocks->sharpness[i] = normalise(w, &w->full, row * side, column * side, side, block);
    nd_niqe_features(block, side, features);
    side /= 2;
    normalise(w, &w->half, row * side, column * side, side, block);
    nd_niqe_features(block, side, features + ND_NIQE_SCALE_FEATURES);
  }
}

static int alloc(size_t count, nd_niqe_blocks *out) {
  out->count = count;
  out->features = nd_mem_alloc(count * sizeof *out->features, "NIQE");
  out->sharpness = out->features ? nd_mem_alloc(count * sizeof *out->sharpness, "NIQE") : NULL;
  return out->sharpness ? 0 : -1;
}

int nd_niqe_blocks_of(const float *rgb, int height, int width, nd_niqe_blocks *out) {
  int rows = height / ND_NIQE_BLOCK, columns = width / ND_NIQE_BLOCK;
  *out = (nd_niqe_blocks){0};
  if (!rows || !columns)
    return 0;
  work w = {.columns = columns, .blocks = out};
  w.full = (plane){NULL, columns * ND_NIQE_BLOCK, rows * ND_NIQE_BLOCK};
  w.half = (plane){NULL, w.full.width / 2, w.full.height / 2};
  size_t n = (size_t)w.full.width * (size_t)w.full.height;
  double *values = nd_mem_alloc((n + n / 4) * sizeof *values, "NIQE");
  int failed = !values || alloc((size_t)rows * (size_t)columns, out);
  if (!failed) {
    w.full.at = values, w.half.at = values + n;
    set_window(w.window);
    fill_grey(rgb, width, &w.full);
    failed = fill_half(&w.full, &w.half);
  }
  if (!failed)
    nd_parallel(out->count, 4, measure_blocks, &w);
  nd_mem_free(values);
  if (failed)
    nd_niqe_blocks_free(out);
  return failed ? -1 : 0;
}

void nd_niqe_blocks_free(nd_niqe_blocks *blocks) {
  nd_mem_free(blocks->features);
  nd_mem_free(blocks->sharpness);
  *blocks = (nd_niqe_blocks){0};
}
