#include "tensor/kernels/elementary.h"

/* e^-87 is just a normal number, e^88 just finite. */
const float nd_exp_low = -87.0f, nd_exp_high = 88.0f;
