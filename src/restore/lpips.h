/* LPIPS, a distance of pictures as people see it (Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable
 * effectiveness of deep features as a perceptual metric", CVPR 2018), version 0.1 of its weights. */
#ifndef ND_LPIPS_H
#define ND_LPIPS_H

#include "net/deep_features.h"

typedef struct nd_lpips nd_lpips;

/* A safetensors file or checkpoint with torchvision's features.N.weight and .bias and the linear layers
 * lin0.model.1.weight to lin4 (1 x channels x 1 x 1); AlexNet or VGG is known by the first layer's shape. The
 * error names what is missing. docs/metrics.md tells how to make it. */
int nd_lpips_open(const char *path, nd_lpips **out);
/* The same with weights of zero, to be set through nd_lpips_weights. */
int nd_lpips_new(nd_features kind, nd_lpips **out);
void nd_lpips_free(nd_lpips *l); /* NULL is fine */
float *nd_lpips_weights(nd_lpips *l, const nd_params **params);
nd_features nd_lpips_kind(const nd_lpips *l);
/* a, b: height x width x 3 in [0, 1], rounded to 8 bits first. 0: equal. Not for several threads at once. */
int nd_lpips_measure(nd_lpips *l, const float *a, const float *b, int height, int width, double *out);

#endif
