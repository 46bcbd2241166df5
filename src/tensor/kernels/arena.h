/* Cutting a scratch buffer into parts. The same code runs once with no buffer, to learn the size, and once
 * with one, to place the parts; so the two cannot disagree. */
#ifndef ND_KERNELS_ARENA_H
#define ND_KERNELS_ARENA_H

#include <stddef.h>

typedef struct nd_arena {
  char *base; /* NULL: only counting */
  size_t used;
} nd_arena;

/* count floats, 64-byte aligned; NULL while counting. */
static inline float *nd_arena_floats(nd_arena *a, size_t count) {
  size_t at = a->used;
  a->used += (count * sizeof(float) + 63) / 64 * 64;
  return a->base ? (float *)(a->base + at) : NULL;
}

#endif
