/* How numbers are stored, and the way from one type to another.
 *
 * bf16 is the upper half of an fp32: the same range, 8 bits of precision. Rounding is to nearest, ties to
 * even; NaN stays NaN.
 */
#ifndef ND_KERNELS_DATA_H
#define ND_KERNELS_DATA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum nd_dtype { ND_F32, ND_BF16 } nd_dtype;

/* Numbers in memory of either type. */
typedef struct nd_data {
  void *at;
  nd_dtype type;
} nd_data;

static inline size_t nd_dtype_size(nd_dtype t) {
  return t == ND_BF16 ? sizeof(uint16_t) : sizeof(float);
}

/* Number i of p. */
static inline const void *nd_number_at(const void *p, nd_dtype type, ptrdiff_t i) {
  return (const char *)p + i * (ptrdiff_t)nd_dtype_size(type);
}

static inline float nd_from_bf16(uint16_t h) {
  uint32_t bits = (uint32_t)h << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline uint16_t nd_to_bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16, quiet = u >> 16 | 0x40;
  return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

/* count numbers; they must not overlap. */
void nd_widen(const uint16_t *from, float *to, size_t count);
void nd_narrow(const float *from, uint16_t *to, size_t count);
/* Numbers first, first + 1, ... of each side, whatever the types. */
void nd_copy_numbers(nd_data to, size_t to_first, nd_data from, size_t from_first, size_t count);
/* Zeros, which are the same bytes in both types. */
void nd_clear_numbers(nd_data to, size_t first, size_t count);

/* For kernels in fp32: numbers first ... first + count - 1 of d where they lie, or widened into buffer. */
static inline const float *nd_read(nd_data d, size_t first, size_t count, float *buffer) {
  if (d.type == ND_F32)
    return (const float *)d.at + first;
  nd_widen((const uint16_t *)d.at + first, buffer, count);
  return buffer;
}

/* Where to put numbers first ... of d: there, or in buffer, from where nd_written takes them. */
static inline float *nd_to_write(nd_data d, size_t first, float *buffer) {
  return d.type == ND_F32 ? (float *)d.at + first : buffer;
}

static inline void nd_written(nd_data d, size_t first, size_t count, const float *buffer) {
  if (d.type == ND_BF16)
    nd_narrow(buffer, (uint16_t *)d.at + first, count);
}

#endif
