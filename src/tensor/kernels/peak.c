/* Two short benchmarks: multiply-adds in registers, and the triad through memory. */
#include "tensor/kernels/peak.h"
#include "tensor/kernels/micro.h"

#include "base/base.h"

#include <unistd.h>

enum { FMA_RUN = 50000, FMA_REPEATS = 200, TRIAD_REPEATS = 20 };

static volatile float sink; /* makes the results count */

typedef struct triad {
  float *a;
  const float *b, *c;
} triad;

typedef struct loop {
  float (*run)(int);
  int flops; /* of a vector */
  double *rates;
} loop;

/* Each thread by itself, so that one which does not get a processor at once is measured all the same. */
static void run_multiply_adds(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const loop *l = context;
  for (size_t i = begin; i < end; i++)
    for (int k = 0; k < FMA_REPEATS; k++) {
      int64_t begun = nd_clock();
      sink = l->run(FMA_RUN);
      double took = (double)(nd_clock() - begun), rate = 1e9 * l->flops * ND_CHAINS * FMA_RUN / took;
      l->rates[i] = rate > l->rates[i] ? rate : l->rates[i];
    }
}

/* flops: of one vector. */
static double peak_of(float (*run)(int), int flops) {
  size_t threads = (size_t)nd_threads();
  loop l = {run, flops, nd_mem_alloc(threads * sizeof *l.rates, "rates of the threads")};
  double sum = 0;
  if (!l.rates)
    return 0;
  nd_parallel(threads, 1, run_multiply_adds, &l);
  for (size_t i = 0; i < threads; i++)
    sum += l.rates[i];
  nd_mem_free(l.rates);
  return sum;
}

double nd_peak_flops(void) {
  return peak_of(nd_micro_best()->multiply_adds, 2 * nd_micro_best()->lanes);
}

double nd_peak_bf16_flops(void) {
  const nd_micro *m = nd_micro_best();
  return m->multiply_add_pairs ? peak_of(m->multiply_add_pairs, 4 * m->lanes) : 0;
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
  int64_t best = INT64_MAX;
  for (int i = 0; i < TRIAD_REPEATS; i++) {
    int64_t begun = nd_clock();
    nd_parallel(n, 1, run_triad, &t);
    int64_t took = nd_clock() - begun;
    best = took < best ? took : best;
  }
  nd_mem_free(memory);
  return 3e9 * sizeof(float) * (double)n / (double)best;
}
