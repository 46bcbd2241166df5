/* The kernels of processors with AVX-512 and bf16 products, in plain C, so that they are tested on processors
 * without either: the same templates with the same lengths of vectors and tiles. Linked into a test program,
 * they stand in for the machine's own where ND_TEST_WIDE is set. */
#define ND_NAME nd_micro_wide
#define ND_NAME_TEXT "sixteen lanes in plain C"
#define ND_LANES 16
#define ND_TARGET
#define ND_ROWS_TWO 12
#define ND_ROWS_ONE 12
#define ND_SWEEP_VECTORS 2
#define ND_MULTIPLY_EVEN(a, b) (((a)&0xffffffffu) * (b)) /* b is small */
#define ND_LOW(words) ((vec)((uvec)(words) << 16))
#define ND_HIGH(words) ((vec)((uvec)(words)&0xffff0000u))
#define ND_ADD_PAIRS(sum, a, b) ((sum) + ND_LOW(a) * ND_LOW(b) + ND_HIGH(a) * ND_HIGH(b))
#include "micro_wide.h"
#include "tensor/kernels/micro_template.h"

#include <stdlib.h>

__attribute__((constructor)) static void stand_in(void) {
  if (getenv("ND_TEST_WIDE"))
    nd_micro_force(&nd_micro_wide);
}
