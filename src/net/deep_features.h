/* Networks of which LPIPS compares the features. */
#ifndef ND_DEEP_FEATURES_H
#define ND_DEEP_FEATURES_H

#include "tensor/tensor.h"

enum { ND_FEATURES_TAPS = 5 };
typedef enum nd_features { ND_FEATURES_ALEX, ND_FEATURES_VGG } nd_features;

const char *nd_features_name(nd_features kind); /* NULL past the last */
int nd_features_smallest(nd_features kind);     /* side of the smallest picture */
/* x: n,h,w,3 as torchvision normalises it. The five values that LPIPS taps, all after a ReLU. Parameters are
 * named as in torchvision's state_dict: features.0.weight, ... */
void nd_features_build(nd_graph *g, nd_features kind, nd_tensor x, nd_tensor taps[ND_FEATURES_TAPS]);

#endif
