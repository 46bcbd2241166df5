/* Which precision a run gets. */
#include "base/base.h"
#include "tensor/tensor.h"

static bool has_bf16(void) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

nd_dtype nd_precision(bool bf16) {
  if (bf16)
    nd_log(ND_LOG_INFO, has_bf16() ? "bf16 is not built in yet; fp32 is used instead"
                                   : "this processor has no bf16 instructions; fp32 is used instead");
  return ND_F32;
}
