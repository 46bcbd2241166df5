/* Two short benchmarks: multiply-adds in registers, and the triad through memory. */
#include "tensor/kernels/peak.h"
#include "tensor/kernels/micro.h"

#include "base/base.h"

#include <unistd.h>

enum { FMA_RUN = 200000, NANOSECONDS = 200 * 1000 * 1000 };

static volatile float sink; /* makes the results count */

typedef struct triad {
  float *a;
  const float *b, *c;
} triad;

static void run_multiply_adds(size_t begin, size_t end, int thread, void *context) {
  (void)begin, (void)end, (void)thread;
  const nd_micro *m = context;
  sink = m->multiply_adds(FMA_RUN);
}

/* Pages that nothing was written to are all the same page, which stays in the cache. */
static void fill(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  float *memory = context;
  for (size_t i = begin; i < end; i++)
    memory[i] = 1;
}

ND_KERNEL static void run_triad(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const triad *t = context;
  float *restrict a = t->a;
  for (size_t i = begin; i < end; i++)
    a[i] = t->b[i] + 0.5f * t->c[i];
}

/* Seconds of the fastest run in a while. */
static double fastest(size_t n, nd_range_fn fn, void *context) {
  int64_t best = INT64_MAX, now = nd_clock(), end = now + NANOSECONDS;
  while (now < end) {
    int64_t begun = now;
    nd_parallel(n, 1, fn, context);
    now = nd_clock();
    best = now - begun < best ? now - begun : best;
  }
  return 1e-9 * (double)(best > 0 ? best : 1);
}

double nd_peak_flops(void) {
  const nd_micro *m = nd_micro_best();
  size_t threads = (size_t)nd_threads();
  double seconds = fastest(threads, run_multiply_adds, (void *)m);
  return 2.0 * ND_CHAINS * m->lanes * FMA_RUN * (double)threads / seconds;
}

/* Bytes of the three arrays together: four times the last cache, within reason. */
static size_t triad_bytes(void) {
  const size_t least = (size_t)96 << 20, most = (size_t)512 << 20;
  long cache = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
  cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  size_t bytes = cache > 0 ? 4 * (size_t)cache : least;
  return bytes < least ? least : bytes > most ? most : bytes;
}

double nd_peak_bandwidth(void) {
  size_t n = triad_bytes() / (3 * sizeof(float));
  float *memory = nd_mem_alloc(3 * n * sizeof *memory, "arrays to measure the memory with");
  if (!memory)
    return 0;
  nd_parallel(3 * n, 1, fill, memory);
  triad t = {memory, memory + n, memory + 2 * n};
  double seconds = fastest(n, run_triad, &t);
  nd_mem_free(memory);
  return 3.0 * sizeof(float) * (double)n / seconds;
}
