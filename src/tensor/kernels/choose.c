/* The rule, from measurements on Zen 3 with AVX2 (bench/conv_kernels.c). */
#include "tensor/kernels/choose.h"

#include "tensor/kernels/winograd.h"

static nd_conv_method forced = ND_CONV_AUTO;

void nd_conv_force(nd_conv_method method) {
  forced = method;
}

nd_conv_method nd_conv_choose(const nd_conv_shape *s, nd_conv_pass pass) {
  (void)pass;
  if (!nd_winograd_takes(s))
    return ND_CONV_DIRECT;
  if (forced != ND_CONV_AUTO)
    return forced;
  return ND_CONV_WINOGRAD;
}
