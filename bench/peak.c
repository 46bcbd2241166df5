/* What the machine can do at best, by the measure that everything else is given as a share of: multiply-adds
 * in registers, fp32 and bf16, and the triad through memory. One JSON line.
 *
 *   peak [--threads T]
 */
#include "tensor/kernels/micro.h"
#include "tensor/kernels/peak.h"

#include "base/base.h"

#include <glib.h>
#include <stdio.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { RUN = 50000, REPEATS = 200 };

static volatile float sink; /* makes the results count */

/* Pairs of bf16 products into 10 independent sums: 64 operations an instruction. */
#if defined(__x86_64__)
enum { SUMS = 10 };

__attribute__((target("avx512f,avx512bf16"))) static void multiply_pairs(int rounds) {
  __m512 sum[SUMS];
  __m512bh a = (__m512bh)_mm512_set1_epi32(0x3f803f80), b = (__m512bh)_mm512_set1_epi32(0x33803380);
  for (int i = 0; i < SUMS; i++)
    sum[i] = _mm512_setzero_ps();
  for (int k = 0; k < rounds; k++) {
#pragma GCC unroll 10
    for (int i = 0; i < SUMS; i++)
      sum[i] = _mm512_dpbf16_ps(sum[i], a, b);
    __asm__ volatile("" : "+v"(a)); /* or the sums would be a product */
  }
  for (int i = 0; i < SUMS; i++)
    sink = _mm512_reduce_add_ps(sum[i]);
}

static void run(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  double *rates = context;
  for (size_t i = begin; i < end; i++)
    for (int k = 0; k < REPEATS; k++) {
      int64_t begun = nd_clock();
      multiply_pairs(RUN);
      double rate = 64.0 * SUMS * RUN / (double)(nd_clock() - begun);
      rates[i] = MAX(rate, rates[i]);
    }
}

/* 10^9 operations a second of all threads; 0 without the instruction. */
static double bf16_rate(void) {
  size_t threads = (size_t)nd_threads();
  g_autofree double *rates = g_new0(double, threads);
  double sum = 0;
  if (!__builtin_cpu_supports("avx512bf16"))
    return 0;
  nd_parallel(threads, 1, run, rates);
  for (size_t i = 0; i < threads; i++)
    sum += rates[i];
  return sum;
}
#else
static double bf16_rate(void) {
  return 0;
}
#endif

int main(int argc, char **argv) {
  int threads = 0;
  const GOptionEntry entries[] = {{"threads", 0, 0, G_OPTION_ARG_INT, &threads, "threads", NULL}, {0}};
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, NULL))
    return 2;
  nd_set_threads(threads);
  printf("{\"instructions\": \"%s\", \"threads\": %d, \"fp32_gflops\": %.0f, \"bf16_gflops\": %.0f, "
         "\"memory_gb\": %.1f}\n",
         nd_micro_best()->name, nd_threads(), nd_peak_flops() * 1e-9, bf16_rate(),
         nd_peak_bandwidth() * 1e-9);
  return 0;
}
