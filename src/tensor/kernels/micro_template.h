/* The innermost loops, for one vector length. Included once by each micro_*.c, which says:
 *
 *   ND_NAME, ND_NAME_TEXT  the table to define, and its printed name
 *   ND_LANES               floats in a vector
 *   ND_TARGET              the attribute that switches the instruction set on
 *   ND_ROWS_TWO, _ONE      rows of the largest tile, for panels two and one vectors wide
 *   ND_MULTIPLY_EVEN       see philox_template.h
 *   ND_SWEEP_VECTORS       see depthwise_template.h
 *   ND_ADD_PRODUCT         sum += a * b without another register; where there is such an instruction
 *   ND_ADD_PAIRS, _NARROW  sum + products of pairs of bf16, fp32 to bf16; where there are such ones
 */
#include "tensor/kernels/fetch.h"
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

#include "tensor/kernels/tile_template.h"

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
