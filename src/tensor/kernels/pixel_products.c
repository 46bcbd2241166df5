#include "tensor/kernels/pixel_products.h"
#include "tensor/kernels/parts.h"

enum { BLOCK = 64 }; /* pixels that stay in the nearest cache */

static nd_panels panels_in(float *at, int rows, int d) {
  return (nd_panels){nd_micro_best(), rows, d, at};
}

static size_t panels_floats(int rows, int d) {
  return (size_t)rows * nd_panels_row(nd_micro_best(), d);
}

size_t nd_pixel_sums_scratch(int d) {
  return panels_floats(BLOCK, d) + panels_floats(d, d);
}

static void sum_block(const nd_panels *sums, const nd_panels *b, nd_pixels a, bool accumulate) {
  for (int j = 0; j < b->columns; j += nd_panels_step(b)) {
    nd_term t = {a.at, nd_panel_at(b, j), b->rows};
    b->micro->panel(nd_panel_width(b, j) / b->micro->lanes, sums->rows, &t, 1, 1, a.stride,
                    nd_panel_at(sums, j), accumulate);
  }
}

static void add_panels(const nd_panels *p, float *sum) {
  for (int j = 0; j < p->columns; j += nd_panels_step(p)) {
    int width = nd_panel_width(p, j), columns = nd_panel_columns(p, j);
    const float *from = nd_panel_at(p, j);
    for (int i = 0; i < p->rows; i++, from += width)
      for (int k = 0; k < columns; k++)
        sum[i * p->columns + j + k] += from[k];
  }
}

void nd_pixel_sums(int d, int pixels, nd_pixels a, nd_pixels b, float *sum, float *scratch) {
  nd_panels packed = panels_in(scratch, BLOCK, d), sums = panels_in(scratch + panels_floats(BLOCK, d), d, d);
  for (int first = 0; first < pixels; first += BLOCK) {
    packed.rows = nd_least(BLOCK, pixels - first);
    for (int i = 0; i < packed.rows; i++)
      nd_panels_put_row(&packed, i, b.at + (first + i) * b.stride);
    sum_block(&sums, &packed, (nd_pixels){a.at + first * a.stride, a.stride}, first > 0);
  }
  if (pixels > 0)
    add_panels(&sums, sum);
}

/* The panel of m from column j on, which is not full: by way of a buffer. */
static void last_products(const nd_panels *m, int j, int pixels, nd_pixels x, float *y, ptrdiff_t y_stride,
                          bool add) {
  _Alignas(64) float sums[BLOCK * ND_MAX_WIDTH];
  int width = nd_panel_width(m, j), columns = nd_panel_columns(m, j);
  nd_term t = {x.at, nd_panel_at(m, j), m->rows};
  m->micro->panel(width / m->micro->lanes, pixels, &t, 1, x.stride, 1, sums, false);
  for (int i = 0; i < pixels; i++)
    for (int k = 0; k < columns; k++)
      y[i * y_stride + j + k] = sums[i * width + k] + (add ? y[i * y_stride + j + k] : 0);
}

void nd_pixel_products(const nd_panels *m, int pixels, nd_pixels x, float *y, ptrdiff_t y_stride, bool add) {
  for (int first = 0; first < pixels; first += BLOCK, x.at += BLOCK * x.stride, y += BLOCK * y_stride) {
    int count = nd_least(BLOCK, pixels - first);
    for (int j = 0; j < m->columns; j += nd_panels_step(m)) {
      nd_term t = {x.at, nd_panel_at(m, j), m->rows};
      if (nd_panel_columns(m, j) < nd_panel_width(m, j))
        last_products(m, j, count, x, y, y_stride, add);
      else
        m->micro->panel_to(nd_panel_width(m, j) / m->micro->lanes, count, &t, 1, x.stride, 1, y + j, y_stride,
                           add ? y + j : NULL, y_stride);
    }
  }
}
