/* The register-tiled product of matrices, for one vector length. Included once by each micro_*.c, which says:
 *
 *   ND_NAME, ND_NAME_TEXT  the table to define, and its printed name
 *   ND_LANES               floats in a vector
 *   ND_TARGET              the attribute that switches the instruction set on
 *   ND_ROWS_TWO, _ONE      rows of the largest tile, for panels two and one vectors wide
 *   ND_MULTIPLY_EVEN       see philox_template.h
 *   ND_SWEEP_VECTORS       see depthwise_template.h
 *   ND_ADD_PAIRS, _NARROW  sum + products of pairs of bf16, fp32 to bf16; only where there are such
 * instructions
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
typedef int int_anywhere __attribute__((may_alias));
typedef uint32_t uvec __attribute__((vector_size(4 * ND_LANES)));
typedef uint32_t uvec_anywhere __attribute__((vector_size(4 * ND_LANES), aligned(4), may_alias));
typedef uint16_t half_vec __attribute__((vector_size(2 * ND_LANES)));
typedef uint16_t half_vec_anywhere __attribute__((vector_size(2 * ND_LANES), aligned(2), may_alias));

ND_INLINE vec load(const float *p) {
  return *(const vec_anywhere *)p;
}

ND_INLINE void store(float *p, vec v) {
  *(vec_anywhere *)p = v;
}

ND_INLINE vec splat(float s) {
  return s - (vec){0};
}

ND_INLINE vec widen(half_vec h) {
  return (vec)(__builtin_convertvector(h, uvec) << 16);
}

/* nd_to_bf16, a vector at a time. */
ND_INLINE half_vec narrow(vec v) {
#ifdef ND_NARROW
  return ND_NARROW(v);
#else
  uvec u = (uvec)v, upper = u >> 16, nan = (uvec)(v != v);
  uvec rounded = (u + 0x7fff + (upper & 1)) >> 16;
  return __builtin_convertvector((rounded & ~nan) | ((upper | 0x40) & nan), half_vec);
#endif
}

/* Numbers at, at + 1, ... of p; `type` is a constant after inlining. */
ND_INLINE vec load_as(const nd_dtype type, const void *p, ptrdiff_t at) {
  return type == ND_BF16 ? widen(*(const half_vec_anywhere *)((const uint16_t *)p + at))
                         : load((const float *)p + at);
}

ND_INLINE void store_as(const nd_dtype type, void *p, ptrdiff_t at, vec v) {
  if (type == ND_BF16)
    *(half_vec_anywhere *)((uint16_t *)p + at) = narrow(v);
  else
    store((float *)p + at, v);
}

/* Numbers in a cache line. While a tile is summed, line by line of A's rows, its place in C and the rows of A
 * that come after its own are fetched: the sums must not wait for either. */
enum { ND_LINE = 16 };

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

ND_INLINE vec add_product(const bool pairs, vec sum, vec a, vec b) {
#ifdef ND_ADD_PAIRS
  if (pairs)
    return ND_ADD_PAIRS(sum, b, a);
#endif
  (void)pairs;
  return sum + a * b;
}

/* The same word in every lane; splat would do arithmetic with it. */
ND_INLINE vec word(const float *p) {
  return (vec)((ivec){0} + *(const int_anywhere *)p);
}

/* One tile: `pairs` (words are pairs of bf16), `rows` and `vectors` are constants after inlining. */
ND_INLINE void tile(const bool pairs, const int rows, const int vectors, const nd_term *t, int nterms,
                    ptrdiff_t first, ptrdiff_t row, ptrdiff_t step, float *c, ptrdiff_t c_row,
                    const float *add, ptrdiff_t add_row) {
#define ND_ZERO(r, p, i) vec x##r = {0}, y##r = {0};
  ND_EACH_ROW(ND_ZERO)
#define ND_PREFETCH_C(r, p, i)                                                                               \
  if (rows > r) {                                                                                            \
    __builtin_prefetch(c + r * c_row, 1);                                                                    \
    if (vectors > 1)                                                                                         \
      __builtin_prefetch(c + r * c_row + ND_LANES, 1);                                                       \
  }
  ND_EACH_ROW(ND_PREFETCH_C)
  for (; nterms > 0; nterms--, t++) {
    const float *b = t->b, *a0 = t->a + first, *a3 = a0 + 3 * row, *a6 = a3 + 3 * row, *a9 = a6 + 3 * row;
    for (int k = t->k, now; k > 0; k -= now) {
      now = k < ND_LINE ? k : ND_LINE;
#define ND_PREFETCH_A(r, p, i)                                                                               \
  if (rows > r)                                                                                              \
    __builtin_prefetch(p + i * row + rows * row, 0, 2);
      if (step == 1) {
        ND_EACH_ROW(ND_PREFETCH_A)
      }
      for (int n = now; n > 0; n--) {
        vec b0 = load(b), b1 = vectors > 1 ? load(b + ND_LANES) : b0;
#define ND_STEP(r, p, i)                                                                                     \
  if (rows > r) {                                                                                            \
    vec a = pairs ? word(p + i * row) : splat(p[i * row]);                                                   \
    x##r = add_product(pairs, x##r, a, b0);                                                                  \
    if (vectors > 1)                                                                                         \
      y##r = add_product(pairs, y##r, a, b1);                                                                \
  }
        ND_EACH_ROW(ND_STEP)
        b += vectors * ND_LANES;
        a0 += step, a3 += step, a6 += step, a9 += step;
      }
    }
  }
#define ND_PUT(r, p, i)                                                                                      \
  if (rows > r) {                                                                                            \
    const float *more = add ? add + r * add_row : c;                                                         \
    store(c + r * c_row, add ? load(more) + x##r : x##r);                                                    \
    if (vectors > 1)                                                                                         \
      store(c + r * c_row + ND_LANES, add ? load(more + ND_LANES) + y##r : y##r);                            \
  }
  ND_EACH_ROW(ND_PUT)
}

#define ND_CASE(r, p, i)                                                                                     \
  case r + 1:                                                                                                \
    tile(ND_PAIRS, r + 1, ND_VECTORS, t, nterms, first, row, step, c, c_row, add, add_row);                  \
    break;
#define ND_TILE_OF(name)                                                                                     \
  static ND_TARGET void name(int rows, const nd_term *t, int nterms, ptrdiff_t first, ptrdiff_t row,         \
                             ptrdiff_t step, float *c, ptrdiff_t c_row, const float *add,                    \
                             ptrdiff_t add_row) {                                                            \
    switch (rows) { ND_EACH_ROW(ND_CASE) }                                                                   \
  }

#define ND_PAIRS false
#define ND_VECTORS 1
ND_TILE_OF(tile_one)
#undef ND_VECTORS
#define ND_VECTORS 2
ND_TILE_OF(tile_two)
#undef ND_PAIRS
#ifdef ND_ADD_PAIRS
#define ND_PAIRS true
ND_TILE_OF(tile_two_pairs)
#undef ND_VECTORS
#define ND_VECTORS 1
ND_TILE_OF(tile_one_pairs)
#endif

/* Rows of the next tile when m are left: full tiles, but the last two share what they have, since a tile of
 * one or two rows would wait for its own sums. */
static int next_rows(int m, int most) {
  return m >= 2 * most ? most : m > most ? (m + 1) / 2 : m;
}

/* Rows of C are c_row apart; `add`, unless NULL, is added to them, its rows add_row apart. */
static ND_TARGET void panel_to(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row,
                               ptrdiff_t a_step, float *c, ptrdiff_t c_row, const float *add,
                               ptrdiff_t add_row) {
  for (int i = 0, rows; i < m; i += rows, c += rows * c_row, add = add ? add + rows * add_row : NULL) {
    rows = next_rows(m - i, vectors > 1 ? ND_ROWS_TWO : ND_ROWS_ONE);
    (vectors > 1 ? tile_two : tile_one)(rows, terms, nterms, i * a_row, a_row, a_step, c, c_row, add,
                                        add_row);
  }
}

static ND_TARGET void panel(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row,
                            ptrdiff_t a_step, float *c, bool accumulate) {
  int width = vectors * ND_LANES;
  panel_to(vectors, m, terms, nterms, a_row, a_step, c, width, accumulate ? c : NULL, width);
}

#ifdef ND_ADD_PAIRS
static ND_TARGET void panel_pairs(int vectors, int m, const nd_term *terms, int nterms, ptrdiff_t a_row,
                                  ptrdiff_t a_step, float *c, bool accumulate) {
  int width = vectors * ND_LANES;
  for (int i = 0, rows; i < m; i += rows, c += rows * width) {
    rows = next_rows(m - i, vectors > 1 ? ND_ROWS_TWO : ND_ROWS_ONE);
    (vectors > 1 ? tile_two_pairs : tile_one_pairs)(rows, terms, nterms, i * a_row, a_row, a_step, c, width,
                                                    accumulate ? c : NULL, width);
  }
}
#endif

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

ND_INLINE void finish_as(const nd_dtype type, int m, int channels, int width, const float *c,
                         const nd_epilogue *e, void *y, ptrdiff_t y_pixel) {
  for (ptrdiff_t at = 0; m > 0; m--, c += width, at += y_pixel) {
    int j = 0;
    for (; j + ND_LANES <= channels; j += ND_LANES) {
      vec v = e->bias ? load(c + j) + load(e->bias + j) : load(c + j);
      store_as(type, y, at + j, activate(v, e->activation, e->slope));
    }
    for (; j < channels; j++) {
      float v = activate_one(e->bias ? c[j] + e->bias[j] : c[j], e);
      if (type == ND_BF16)
        ((uint16_t *)y)[at + j] = nd_to_bf16(v);
      else
        ((float *)y)[at + j] = v;
    }
  }
}

static ND_TARGET void finish(int m, int channels, int width, const float *c, const nd_epilogue *e, nd_data y,
                             ptrdiff_t y_pixel) {
  if (y.type == ND_BF16)
    finish_as(ND_BF16, m, channels, width, c, e, y.at, y_pixel);
  else
    finish_as(ND_F32, m, channels, width, c, e, y.at, y_pixel);
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

#ifdef ND_ADD_PAIRS
static ND_TARGET float multiply_add_pairs(int n) {
#define ND_ADD_PAIR(r, p, i) a##r = ND_ADD_PAIRS(a##r, m, c);
  vec m = splat((float)n), c = splat(1);
  ND_EACH_ROW(ND_CHAIN)
  for (; n > 0; n--) {
    ND_EACH_ROW(ND_ADD_PAIR)
  }
  ND_EACH_ROW(ND_ADD_UP)
  return m[0];
}
#endif

#include "tensor/kernels/depthwise_template.h"
#include "tensor/kernels/pack_template.h"
#include "tensor/kernels/philox_template.h"
#include "tensor/kernels/winograd_template.h"

const nd_micro ND_NAME = {
    .name = ND_NAME_TEXT,
    .lanes = ND_LANES,
    .panel = panel,
    .panel_to = panel_to,
    .panel_of_tiles = panel_of_tiles,
    .pack_columns = pack_columns,
    .pack_tiles = pack_tiles,
#ifdef ND_ADD_PAIRS
    .panel_pairs = panel_pairs,
    .multiply_add_pairs = multiply_add_pairs,
#endif
    .finish = finish,
    .multiply_adds = multiply_adds,
    .philox = philox,
    .sweep = sweep,
    .sum_taps = sum_taps,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .winograd_gradient = winograd_gradient,
    .winograd_weights = winograd_weights,
    .winograd_weights_gradient = winograd_weights_gradient,
};
