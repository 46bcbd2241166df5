#include "weights/safetensors-private.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "safetensors are little-endian and mapped as they are");

static const struct {
  const char *name;
  size_t size;
} types[ND_ST_TYPES] = {
    [ND_ST_F32] = {"F32", 4}, [ND_ST_F16] = {"F16", 2},   [ND_ST_BF16] = {"BF16", 2},
    [ND_ST_F64] = {"F64", 8}, [ND_ST_I64] = {"I64", 8},   [ND_ST_I32] = {"I32", 4},
    [ND_ST_U8] = {"U8", 1},   [ND_ST_BOOL] = {"BOOL", 1}, [ND_ST_I8] = {"I8", 1},
    [ND_ST_I16] = {"I16", 2}, [ND_ST_U16] = {"U16", 2},   [ND_ST_U32] = {"U32", 4},
    [ND_ST_U64] = {"U64", 8},
};

const char *nd_st_type_name(nd_st_type type) {
  return types[type].name;
}

size_t nd_st_type_size(nd_st_type type) {
  return types[type].size;
}

int nd_st_type_find(const char *name, nd_st_type *type) {
  for (int i = 0; i < ND_ST_TYPES; i++)
    if (!strcmp(types[i].name, name)) {
      *type = (nd_st_type)i;
      return 0;
    }
  return nd_fail("unknown type '%s'; known are F32, F16, BF16, F64, BOOL and the integers of 8 to 64 bits",
                 name);
}

int nd_st_check_shape(const nd_st_tensor *t, size_t *count, size_t *bytes) {
  *count = 1;
  for (int i = 0; i < t->rank; i++)
    if (t->shape[i] < 0 || __builtin_mul_overflow(*count, (uint64_t)t->shape[i], count))
      return nd_fail("impossible shape");
  if (__builtin_mul_overflow(*count, nd_st_type_size(t->type), bytes) || *bytes > INT64_MAX)
    return nd_fail("impossible shape");
  return 0;
}

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

float nd_f16_to_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;
  if (exponent == 31)
    return from_bits(sign | 0x7f800000 | mantissa << 13);
  if (exponent)
    return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
  float subnormal = (float)mantissa * 0x1p-24f;
  return sign ? -subnormal : subnormal;
}

/* x is finite and not negative. */
static uint16_t round_to_f16(float x) {
  uint32_t bits = to_bits(x);
  if (x >= 65520) /* halfway between the largest half and what would be the next */
    return 0x7c00;
  if (x < 0x1p-14f) /* adding 1/2 makes the float's own rounding cut at the last bit of a subnormal half */
    return (uint16_t)(to_bits(x + 0.5f) - to_bits(0.5f));
  bits += 0xfff + (bits >> 13 & 1);
  return (uint16_t)((bits >> 13) - (112 << 10));
}

uint16_t nd_f32_to_f16(float x) {
  uint32_t bits = to_bits(x), magnitude = bits & 0x7fffffff;
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000)
    return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude == 0x7f800000)
    return sign | 0x7c00;
  return sign | round_to_f16(from_bits(magnitude));
}

/* Element i of an array that may stand at any address. */
#define ELEMENT(type, data, i)                                                                               \
  ({                                                                                                         \
    type element;                                                                                            \
    memcpy(&element, (const char *)(data) + (i) * sizeof element, sizeof element);                           \
    element;                                                                                                 \
  })

enum { GRAIN = 1 << 16 }; /* numbers that are worth a thread */

typedef struct conversion {
  const nd_st_tensor *from;
  float *out;
} conversion;

static void convert(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const conversion *c = context;
  const char *data = c->from->data;
  switch (c->from->type) {
  case ND_ST_F64:
    for (size_t i = begin; i < end; i++)
      c->out[i] = (float)ELEMENT(double, data, i);
    break;
  case ND_ST_F16:
    for (size_t i = begin; i < end; i++)
      c->out[i] = nd_f16_to_f32(ELEMENT(uint16_t, data, i));
    break;
  case ND_ST_BF16:
    for (size_t i = begin; i < end; i++)
      c->out[i] = from_bits((uint32_t)ELEMENT(uint16_t, data, i) << 16);
    break;
  default:
    memcpy(c->out + begin, data + begin * sizeof *c->out, (end - begin) * sizeof *c->out);
  }
}

int nd_st_to_f32(const nd_st_tensor *t, float *out) {
  if (!nd_st_is_real(t->type))
    return nd_fail("tensor '%s' holds %s, not floating-point numbers", t->name, nd_st_type_name(t->type));
  nd_parallel(t->count, GRAIN, convert, &(conversion){t, out});
  return 0;
}

bool nd_st_is_real(nd_st_type type) {
  return type == ND_ST_F32 || type == ND_ST_F16 || type == ND_ST_BF16 || type == ND_ST_F64;
}
