/* The inner loops: AVX-512 with products of pairs of bf16. */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define ND_NAME nd_micro_avx512bf16
#define ND_NAME_TEXT "avx512 with bf16"
#define ND_LANES 16
#define ND_TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512bf16,avx2,fma")))
#define ND_ROWS_TWO 12 /* rows of a tile two vectors wide */
#define ND_ROWS_ONE 12 /* and one vector wide */
#define ND_ADD_PRODUCT(sum, a, b) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b))
#define ND_SWEEP_VECTORS 2
#define ND_MULTIPLY_EVEN(a, b) ((wide)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define ND_ADD_PAIRS(sum, a, b) ((vec)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(a), (__m512bh)(b)))
#define ND_NARROW(v) ((half_vec)_mm512_cvtneps_pbh((__m512)(v)))
#include "tensor/kernels/micro_template.h"
#else
typedef int nd_not_on_this_processor;
#endif
