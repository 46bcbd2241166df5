/* Memory that is about to be used, brought near. */
#ifndef ND_KERNELS_FETCH_H
#define ND_KERNELS_FETCH_H

#include <stddef.h>

/* Numbers in a cache line. */
enum { ND_LINE = 16 };

/* `count` neighbouring numbers that are about to be read, or written in part. They are loaded, one from each
 * cache line, as nothing else makes a processor's own prefetcher run ahead: neither instructions that
 * prefetch nor loads of short pieces that lie apart (here rows of 2 KB come at 25 GB/s so, pieces of 384
 * bytes of them at 7). Worth it for what is larger than a page and not in a cache already. */
static inline void nd_fetch(const float *x, size_t count) {
  for (size_t i = 0; i < count; i += ND_LINE)
    (void)*(const volatile float *)(x + i);
}

#endif
