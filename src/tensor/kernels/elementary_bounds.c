/* In a file of their own, so that no compiler knows them where they are used: see elementary.h. */
#include "tensor/kernels/elementary.h"

/* e^-87 is just a normal number, e^88 just finite. */
const float nd_exp_low = -87.0f, nd_exp_high = 88.0f;

const float nd_normal_low = -5.5507882f, nd_normal_high = 5.5507882f;
const float nd_gradient_low = -5.9f, nd_gradient_high = 5.9f;
