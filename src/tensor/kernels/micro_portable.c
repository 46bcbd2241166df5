/* The inner loops: plain C for any processor with vectors of four floats (SSE2, NEON) in GCC's vector
 * notation. */
#define ND_NAME nd_micro_portable
#define ND_NAME_TEXT "portable"
#define ND_LANES 4
#define ND_TARGET
#define ND_ROWS_TWO 6 /* rows of a tile two vectors wide */
#define ND_ROWS_ONE 8 /* and one vector wide */
#define ND_SWEEP_VECTORS 1
#define ND_MULTIPLY_EVEN(a, b) (((a)&0xffffffffu) * (b)) /* b is small */
#include "tensor/kernels/micro_template.h"
