/* The inner loops: AVX2 with FMA: 16 registers, 12 of them sums. */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define ND_NAME nd_micro_avx2
#define ND_NAME_TEXT "avx2"
#define ND_LANES 8
#define ND_TARGET __attribute__((target("avx2,fma")))
#define ND_ROWS_TWO 6  /* rows of a tile two vectors wide */
#define ND_ROWS_ONE 12 /* and one vector wide */
#define ND_ADD_PRODUCT(sum, a, b) __asm__("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b))
#define ND_SWEEP_VECTORS 1
#define ND_MULTIPLY_EVEN(a, b) ((wide)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#include "tensor/kernels/micro_template.h"
#else
typedef int nd_not_on_this_processor;
#endif
