#include "base/base.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The header keeps the size in front of the buffer; one cache line, so alignment holds. */
enum { HEADER = 64, LARGE = 4 << 20, HUGE_PAGE = 2 << 20 };
static atomic_size_t used, peak, huge_from = LARGE;

static size_t rounded(size_t bytes, size_t to) {
  return (bytes + to - 1) / to * to;
}

void nd_mem_set_huge(size_t bytes) {
  atomic_store(&huge_from, bytes);
}

/* Large buffers come from the system as they are: zero pages that take memory only once they are used, in
 * huge pages where the system has them (fewer TLB misses under the convolutions). */
static char *take(size_t bytes) {
  if (bytes < LARGE) {
    char *p = aligned_alloc(HEADER, rounded(bytes + HEADER, HEADER));
    return p ? memset(p, 0, bytes + HEADER) : NULL;
  }
  size_t total = rounded(bytes + HEADER, HUGE_PAGE);
  char *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    return NULL;
  madvise(p, total, bytes < atomic_load(&huge_from) ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
  return p;
}

static void give_back(char *p, size_t bytes) {
  if (bytes < LARGE)
    free(p);
  else
    munmap(p, rounded(bytes + HEADER, HUGE_PAGE));
}

void *nd_mem_alloc(size_t bytes, const char *what) {
  if (bytes > SIZE_MAX / 2) {
    nd_fail("%s: %zu bytes cannot be allocated", what, bytes);
    return NULL;
  }
  char *p = take(bytes);
  if (!p) {
    nd_fail("%s: out of memory, %s wanted; use a smaller patch, batch or tile", what,
            nd_bytes((double)bytes).text);
    return NULL;
  }
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
  give_back(start, bytes);
}

size_t nd_mem_used(void) {
  return atomic_load(&used);
}

size_t nd_mem_peak(void) {
  return atomic_load(&peak);
}
