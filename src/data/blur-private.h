/* Blur kernels, apart for the tests. */
#ifndef ND_BLUR_PRIVATE_H
#define ND_BLUR_PRIVATE_H

#include "base/base.h"

enum { ND_BLUR_SIDE = 65, ND_BLUR_RADIUS = ND_BLUR_SIDE / 2 };

/* weight[y][x] of the pixel at (y, x) - ND_BLUR_RADIUS; the sum is 1, the centre of mass the middle up to
 * half a pixel. */
typedef struct nd_blur_kernel {
  float weight[ND_BLUR_SIDE][ND_BLUR_SIDE];
} nd_blur_kernel;

/* The path of a shaking hand, as far as `length` pixels in all, at most 60. swings >= 0: how many times it
 * goes to and fro about where it aims; 0: it drifts. impulsiveness 0: it only drifts and trembles; 1: often
 * jerks. */
void nd_blur_shake(double length, double swings, double impulsiveness, nd_rng *rng, nd_blur_kernel *out);
/* A lens out of focus: a disc, its edge pixels by the share of them that it covers. 0 <= radius <= 30. */
void nd_blur_disc(double radius, nd_blur_kernel *out);
/* A straight line of `length` pixels, 0 <= length <= 60; angle in degrees from the row, anticlockwise. */
void nd_blur_line(double length, double angle, nd_blur_kernel *out);
/* rgb: height x width x 3, blurred in place; edges repeated. */
int nd_blur_apply(const nd_blur_kernel *kernel, float *rgb, int height, int width);

#endif
