/* The register-tiled product of matrices, for one vector length. Included once by each micro_*.c, which says:
 *
 *   ND_NAME, ND_NAME_TEXT  the table to define, and its printed name
 *   ND_LANES               floats in a vector
 *   ND_TARGET              the attribute that switches the instruction set on
 *   ND_ROWS_TWO, _ONE      rows of the largest tile, for panels two and one vectors wide
 *   ND_MULTIPLY_EVEN       see philox_template.h
 *
 * A tile of C stays in registers while the terms are summed ("batch-reduce GEMM": Georganas et al., 2019,
 * "High-Performance Deep Learning via a Single Building Block"); rows of A are read where they lie, with any
 * step between rows and along k, so that neither a convolution nor a transposed product needs a copy of A.
 */
#include "tensor/kernels/micro.h"

#include <string.h>

#define ND_INLINE static inline __attribute__((always_inline)) ND_TARGET

typedef float vec __attribute__((vector_size(4 * ND_LANES)));
typedef float vec_anywhere __attribute__((vector_size(4 * ND_LANES), aligned(4), may_alias));
typedef int ivec __attribute__((vector_size(4 * ND_LANES)));

ND_INLINE vec load(const float *p) {
  return *(const vec_anywhere *)p;
}

ND_INLINE void store(float *p, vec v) {
  *(vec_anywhere *)p = v;
}

ND_INLINE vec splat(float s) {
  return s - (vec){0};
}

/* X(row, name of the pointer to rows 3i, row - 3i): groups of three rows share an address register. */
#define ND_EACH_ROW(X)                                                                                       \
  X(0, a0, 0)                                                                                                \
  X(1, a0, 1)                                                                                                \
  X(2, a0, 2)                                                                                                \
  X(3, a3, 0)                                                                                                \
  X(4, a3, 1)                                                                                                \
  X(5, a3, 2)                                                                                                \
  X(6, a6, 0)                                                                                                \
  X(7, a6, 1)                                                                                                \
  X(8, a6, 2)                                                                                                \
  X(9, a9, 0)                                                                                                \
  X(10, a9, 1)                                                                                               \
  X(11, a9, 2)

/* One tile: `rows` and `vectors` are constants after inlining. */
ND_INLINE void tile(const int rows, const int vectors, const nd_term *t, int nterms, ptrdiff_t first,
                    ptrdiff_t row, ptrdiff_t step, float *c, bool accumulate) {
#define ND_ZERO(r, p, i) vec x##r = {0}, y##r = {0};
  ND_EACH_ROW(ND_ZERO)
  for (; nterms > 0; nterms--, t++) {
    const float *b = t->b, *a0 = t->a + first, *a3 = a0 + 3 * row, *a6 = a3 + 3 * row, *a9 = a6 + 3 * row;
    for (int k = t->k; k > 0; k--) {
      vec b0 = load(b), b1 = vectors > 1 ? load(b + ND_LANES) : b0;
#define ND_STEP(r, p, i)                                                                                     \
  if (rows > r) {                                                                                            \
    vec a = splat(p[i * row]);                                                                               \
    x##r += a * b0;                                                                                          \
    if (vectors > 1)                                                                                         \
      y##r += a * b1;                                                                                        \
  }
      ND_EACH_ROW(ND_STEP)
      b += vectors * ND_LANES;
      a0 += step, a3 += step, a6 += step, a9 += step;
    }
  }
#define ND_PUT(r, p, i)                                                                                      \
  if (rows > r) {                                                                                            \
    float *out = c + r * vectors * ND_LANES;                                                                 \
    store(out, accumulate ? load(out) + x##r : x##r);                                                        \
    if (vectors > 1)                                                                                         \
      store(out + ND_LANES, accumulate ? load(out + ND_LANES) + y##r : y##r);                                \
  }
  ND_EACH_ROW(ND_PUT)
}

#define ND_CASE(r, p, i)                                                                                     \
  case r + 1:                                                                                                \
    tile(r + 1, ND_VECTORS, t, nterms, first, row, step, c, accumulate);                                     \
    break;

#define ND_VECTORS 1
static ND_TARGET void tile_one(int rows, const nd_term *t, int nterms, ptrdiff_t first, ptrdiff_t row,
                               ptrdiff_t step, float *c, bool accumulate) {
  switch (rows) { ND_EACH_ROW(ND_CASE) }
}
#undef ND_VECTORS

#define ND_VECTORS 2
static ND_TARGET void tile_two(int rows, const nd_term *t, int nterms, ptrdiff_t first, ptrdiff_t row,
                               ptrdiff_t step, float *c, bool accumulate) {
  switch (rows) { ND_EACH_ROW(ND_CASE) }
}
#undef ND_VECTORS

/* Rows of the next tile when m are left: full tiles, but the last two share what they have, since a tile of
 * one or two rows would wait for its own sums. */
static int next_rows(int m, int most) {
  return m >= 2 * most ? most : m > most ? (m + 1) / 2 : m;
}

static ND_TARGET void panel(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row,
                            ptrdiff_t a_step, float *c, bool accumulate) {
  for (int i = 0, rows; i < m; i += rows, c += rows * vectors * ND_LANES) {
    rows = next_rows(m - i, vectors > 1 ? ND_ROWS_TWO : ND_ROWS_ONE);
    if (vectors > 1)
      tile_two(rows, terms, nterms, i * a_row, a_row, a_step, c, accumulate);
    else
      tile_one(rows, terms, nterms, i * a_row, a_row, a_step, c, accumulate);
  }
}

/* ReLU and leaky ReLU; NaN stays NaN, and ReLU of -infinity is 0. */
ND_INLINE vec activate(vec v, nd_activation activation, float slope) {
  if (activation == ND_LINEAR)
    return v;
  ivec negative = v <= 0, kept = (ivec)v & ~negative;
  return activation == ND_RELU ? (vec)kept : (vec)(kept | ((ivec)(v * splat(slope)) & negative));
}

static float activate_one(float v, const nd_epilogue *e) {
  if (e->activation == ND_LINEAR || !(v <= 0))
    return v;
  return e->activation == ND_RELU ? 0 : v * e->slope;
}

static ND_TARGET void finish(int m, int channels, int width, const float *c, const nd_epilogue *e, float *y,
                             ptrdiff_t y_pixel) {
  for (; m > 0; m--, c += width, y += y_pixel) {
    int j = 0;
    for (; j + ND_LANES <= channels; j += ND_LANES) {
      vec v = e->bias ? load(c + j) + load(e->bias + j) : load(c + j);
      store(y + j, activate(v, e->activation, e->slope));
    }
    for (; j < channels; j++)
      y[j] = activate_one(e->bias ? c[j] + e->bias[j] : c[j], e);
  }
}

/* n times a multiply-add in each of ND_CHAINS vectors that do not wait for one another. */
static ND_TARGET float multiply_adds(int n) {
#define ND_CHAIN(r, p, i) vec a##r = splat(r); /* all different, so that none can be left out */
#define ND_MULTIPLY_ADD(r, p, i) a##r = a##r * m + c;
#define ND_ADD_UP(r, p, i) m += a##r;
  vec m = splat((float)n), c = splat(1);
  m = 1 / m;
  ND_EACH_ROW(ND_CHAIN)
  for (; n > 0; n--) {
    ND_EACH_ROW(ND_MULTIPLY_ADD)
  }
  ND_EACH_ROW(ND_ADD_UP)
  return m[0];
}

#include "tensor/kernels/philox_template.h"
#include "tensor/kernels/winograd_template.h"

const nd_micro ND_NAME = {
    .name = ND_NAME_TEXT,
    .lanes = ND_LANES,
    .panel = panel,
    .finish = finish,
    .multiply_adds = multiply_adds,
    .philox = philox,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .winograd_gradient = winograd_gradient,
    .winograd_weights = winograd_weights,
    .winograd_weights_gradient = winograd_weights_gradient,
};
