/* Which instruction set to run with: asked of the processor once. */
#include "tensor/kernels/micro.h"

static const nd_micro *forced;

static const nd_micro *ask_processor(void) {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl"))
    return &nd_micro_avx512bf16;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma"))
    return &nd_micro_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &nd_micro_avx2;
#endif
  return &nd_micro_portable;
}

const nd_micro *nd_micro_best(void) {
  return forced ? forced : ask_processor();
}

void nd_micro_force(const nd_micro *m) {
  forced = m;
}
