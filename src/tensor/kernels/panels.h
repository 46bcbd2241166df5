/* Matrices cut into panels of columns (micro.h), one panel after another, and their products. */
#ifndef ND_KERNELS_PANELS_H
#define ND_KERNELS_PANELS_H

#include "tensor/kernels/arena.h"
#include "tensor/kernels/micro.h"

#include <string.h>

typedef struct nd_panels {
  const nd_micro *micro;
  int rows, columns; /* in use: at most those that it was made for */
  float *data;
} nd_panels;

/* The floats of one row of all panels, what fills the last one included. */
static inline size_t nd_panels_row(const nd_micro *m, int columns) {
  size_t step = 2 * (size_t)m->lanes;
  return ((size_t)columns + step - 1) / step * step;
}

static inline nd_panels nd_panels_new(nd_arena *a, int rows, int columns) {
  const nd_micro *m = nd_micro_best();
  return (nd_panels){m, rows, columns, nd_arena_floats(a, (size_t)rows * nd_panels_row(m, columns))};
}

static inline int nd_panels_step(const nd_panels *p) {
  return 2 * p->micro->lanes;
}

/* The panel that starts at column `first`, its row length, and how many of its columns are used. */
static inline float *nd_panel_at(const nd_panels *p, int first) {
  return p->data + (size_t)first * (size_t)p->rows;
}

static inline int nd_panel_width(const nd_panels *p, int first) {
  return p->micro->lanes * nd_panel_vectors(p->micro, p->columns, first);
}

static inline int nd_panel_columns(const nd_panels *p, int first) {
  return p->columns - first < nd_panels_step(p) ? p->columns - first : nd_panels_step(p);
}

/* c = A b + add, of b `depth` rows from `first` on; A[i][k] at a[i a_row + k]; add of c's shape, NULL: none.
 */
static inline void nd_panels_multiply(const nd_panels *c, const float *a, ptrdiff_t a_row, const nd_panels *b,
                                      int first, int depth, const nd_panels *add) {
  for (int j = 0; j < b->columns; j += nd_panels_step(b)) {
    int width = nd_panel_width(b, j);
    nd_term t = {a, nd_panel_at(b, j) + (size_t)first * (size_t)width, depth};
    c->micro->panel_to(width / c->micro->lanes, c->rows, &t, 1, a_row, 1, nd_panel_at(c, j), width,
                       add ? nd_panel_at(add, j) : NULL, width);
  }
}

/* c = a b; or c + a b. */
static inline void nd_panels_product(const nd_panels *c, const nd_panels *a, const nd_panels *b, bool onto) {
  for (int j = 0; j < b->columns; j += nd_panels_step(b))
    for (int k = 0; k < a->columns; k += nd_panels_step(a)) {
      int width = nd_panel_width(b, j);
      nd_term t = {nd_panel_at(a, k), nd_panel_at(b, j) + (size_t)k * (size_t)width, nd_panel_columns(a, k)};
      c->micro->panel(width / c->micro->lanes, c->rows, &t, 1, nd_panel_width(a, k), 1, nd_panel_at(c, j),
                      onto || k > 0);
    }
}

/* c = a' b. */
static inline void nd_panels_transposed_product(const nd_panels *c, const nd_panels *a, const nd_panels *b) {
  for (int j = 0; j < b->columns; j += nd_panels_step(b))
    for (int i = 0; i < a->columns; i += nd_panels_step(a)) {
      int width = nd_panel_width(b, j);
      nd_term t = {nd_panel_at(a, i), nd_panel_at(b, j), a->rows};
      c->micro->panel(width / c->micro->lanes, nd_panel_columns(a, i), &t, 1, 1, nd_panel_width(a, i),
                      nd_panel_at(c, j) + (size_t)i * (size_t)width, false);
    }
}

static inline void nd_panels_get_row(const nd_panels *p, int row, float *out) {
  for (int j = 0; j < p->columns; j += nd_panels_step(p))
    memcpy(out + j, nd_panel_at(p, j) + (size_t)row * (size_t)nd_panel_width(p, j),
           (size_t)nd_panel_columns(p, j) * sizeof *out);
}

static inline void nd_panels_put_row(const nd_panels *p, int row, const float *x) {
  for (int j = 0; j < p->columns; j += nd_panels_step(p))
    memcpy(nd_panel_at(p, j) + (size_t)row * (size_t)nd_panel_width(p, j), x + j,
           (size_t)nd_panel_columns(p, j) * sizeof *x);
}

/* From a plain matrix, its rows x_row apart. Whole vectors are read: x must have ND_MAX_WIDTH floats behind
 * its last number. */
void nd_panels_pack(const nd_panels *p, const float *x, ptrdiff_t x_row);

/* The transpose of a plain matrix: p->columns rows of p->rows numbers. */
void nd_panels_pack_transposed(const nd_panels *p, const float *x, ptrdiff_t x_row);

/* Each column to its softmax; and d from the gradient of such a softmax y to that of what it was taken of,
 * both of one shape. */
void nd_panels_softmax(const nd_panels *x);
void nd_panels_softmax_backward(const nd_panels *y, const nd_panels *d);

#endif
