/* The distance that NIQE is, and fitting the model it is measured from. */
#include "image/niqe.h"

#include "image/niqe-private.h"

#include "base/base.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { N = ND_NIQE_FEATURES };

/* A block is as sharp as the photo's sharpest where it has this share of its deviation. */
#define SHARP 0.75

size_t nd_niqe_statistics(const double (*rows)[N], size_t count, nd_niqe_model *out) {
  size_t used = 0;
  g_autofree size_t *at = g_new(size_t, count + 1);
  memset(out, 0, sizeof *out);
  for (size_t i = 0; i < count; i++) {
    bool finite = true;
    for (int j = 0; j < N; j++)
      finite = finite && isfinite(rows[i][j]);
    if (finite)
      at[used++] = i;
  }
  for (size_t i = 0; i < used; i++)
    for (int j = 0; j < N; j++)
      out->mean[j] += rows[at[i]][j] / (double)used;
  for (size_t i = 0; used > 1 && i < used; i++)
    for (int j = 0; j < N; j++)
      for (int k = 0; k < N; k++)
        out->covariance[j][k] +=
            (rows[at[i]][j] - out->mean[j]) * (rows[at[i]][k] - out->mean[k]) / (double)(used - 1);
  return used;
}

int nd_niqe_factor(double m[N][N]) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j <= i; j++) {
      double sum = m[i][j], largest = fabs(m[i][i]);
      for (int k = 0; k < j; k++)
        sum -= m[i][k] * m[j][k];
      if (i == j && !(sum > 1e-12 * largest))
        return -1;
      m[i][j] = i == j ? sqrt(sum) : sum / m[j][j];
    }
  return 0;
}

/* The square of the length of v, measured by the inverse of the matrix of which `lower` is the factor. */
static double squared_length(const double lower[N][N], const double v[N]) {
  double solved[N], sum = 0;
  for (int i = 0; i < N; i++) {
    solved[i] = v[i];
    for (int k = 0; k < i; k++)
      solved[i] -= lower[i][k] * solved[k];
    solved[i] /= lower[i][i];
    sum += solved[i] * solved[i];
  }
  return sum;
}

static int distance(const nd_niqe_model *a, const nd_niqe_model *b, double *out) {
  double middle[N][N], v[N];
  for (int i = 0; i < N; i++) {
    v[i] = a->mean[i] - b->mean[i];
    for (int j = 0; j < N; j++)
      middle[i][j] = (a->covariance[i][j] + b->covariance[i][j]) / 2;
  }
  if (nd_niqe_factor(middle))
    return nd_fail("NIQE: the covariance of the pristine photos is not positive definite");
  *out = sqrt(squared_length(middle, v));
  return 0;
}

static int too_few_blocks(int height, int width, size_t used) {
  return nd_fail("NIQE of a picture of %d x %d: at least two blocks of %d x %d pixels with contrast are "
                 "needed, it has %zu",
                 width, height, ND_NIQE_BLOCK, ND_NIQE_BLOCK, used);
}

int nd_niqe_check_size(int height, int width) {
  size_t blocks = (size_t)(height / ND_NIQE_BLOCK) * (size_t)(width / ND_NIQE_BLOCK);
  return blocks < 2 ? too_few_blocks(height, width, blocks) : 0;
}

int nd_niqe_measure(const nd_niqe_model *model, const float *rgb, int height, int width, double *out) {
  nd_niqe_blocks blocks;
  nd_niqe_model found;
  if (nd_niqe_blocks_of(rgb, height, width, &blocks))
    return nd_fail_in("NIQE of a picture of %d x %d", width, height);
  size_t used = nd_niqe_statistics((const double(*)[N])blocks.features, blocks.count, &found);
  nd_niqe_blocks_free(&blocks);
  if (used < 2)
    return too_few_blocks(height, width, used);
  return distance(model, &found, out);
}

/* ---- Fitting ---- */
struct nd_niqe_fit {
  GArray *rows;
};

nd_niqe_fit *nd_niqe_fit_new(void) {
  nd_niqe_fit *fit = g_new(nd_niqe_fit, 1);
  fit->rows = g_array_new(FALSE, FALSE, N * sizeof(double));
  return fit;
}

int nd_niqe_fit_add(nd_niqe_fit *fit, const float *rgb, int height, int width, size_t *taken) {
  nd_niqe_blocks blocks;
  double sharpest = 0;
  *taken = 0;
  if (nd_niqe_blocks_of(rgb, height, width, &blocks))
    return -1;
  for (size_t i = 0; i < blocks.count; i++)
    sharpest = MAX(sharpest, blocks.sharpness[i]);
  for (size_t i = 0; i < blocks.count; i++)
    if (blocks.sharpness[i] > SHARP * sharpest) {
      g_array_append_vals(fit->rows, blocks.features[i], 1);
      ++*taken;
    }
  nd_niqe_blocks_free(&blocks);
  return 0;
}

int nd_niqe_fit_finish(const nd_niqe_fit *fit, nd_niqe_model *out) {
  size_t used = nd_niqe_statistics((const double(*)[N])(void *)fit->rows->data, fit->rows->len, out);
  double factor[N][N];
  memcpy(factor, out->covariance, sizeof factor);
  if (used <= N || nd_niqe_factor(factor))
    return nd_fail("%s: too few, or too much alike, for a model of %d numbers; more photos are needed",
                   nd_count(used, "sharp block").text, N);
  return 0;
}

void nd_niqe_fit_free(nd_niqe_fit *fit) {
  if (!fit)
    return;
  g_array_free(fit->rows, TRUE);
  g_free(fit);
}
