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

/* Left behind what one thread writes: processors fetch ahead, past the end of what a thread reads, and a line
 * fetched from what the next thread is writing has to come back, which takes 200 ns where the two share no
 * cache. They fetch ahead as far as a page of 4 KB goes. */
enum { ND_ARENA_GAP = 1024 };

/* `count` floats for each of `threads`; *apart: floats from one thread's to the next one's. */
static inline float *nd_arena_for_threads(nd_arena *a, size_t threads, size_t count, size_t *apart) {
  *apart = (count + 15) / 16 * 16 + ND_ARENA_GAP;
  return nd_arena_floats(a, threads * *apart);
}

#endif
