#ifndef ND_BENCH_MULTIPLIED_H
#define ND_BENCH_MULTIPLIED_H

#include "tensor/tensor.h"

/* As nd_plan_flops, but with what is really done for a convolution by Winograd's algorithm: the products of
 * its 6 x 6 frequencies, without its transforms. */
double nd_multiplied(const nd_plan *plan);

#endif
