#include "base/base.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The header keeps the size in front of the buffer; one cache line, so alignment holds. */
enum { HEADER = 64 };
static atomic_size_t used, peak;

void *nd_mem_alloc(size_t bytes, const char *what) {
  if (bytes > SIZE_MAX - 2 * HEADER) {
    nd_fail("%s: %zu bytes cannot be allocated", what, bytes);
    return NULL;
  }
  size_t total = (bytes + 2 * HEADER - 1) / HEADER * HEADER;
  char *p = aligned_alloc(HEADER, total);
  if (!p) {
    nd_fail("%s: out of memory, %.1f MB wanted; use a smaller patch, batch or tile", what, bytes / 1e6);
    return NULL;
  }
  memset(p, 0, total);
  memcpy(p, &bytes, sizeof bytes);
  size_t now = atomic_fetch_add(&used, bytes) + bytes, before = atomic_load(&peak);
  while (now > before && !atomic_compare_exchange_weak(&peak, &before, now))
    ;
  return p + HEADER;
}

void nd_mem_free(void *p) {
  if (!p)
    return;
  char *start = (char *)p - HEADER;
  size_t bytes;
  memcpy(&bytes, start, sizeof bytes);
  atomic_fetch_sub(&used, bytes);
  free(start);
}

size_t nd_mem_used(void) {
  return atomic_load(&used);
}

size_t nd_mem_peak(void) {
  return atomic_load(&peak);
}
