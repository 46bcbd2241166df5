/* A convolution's weights, seen from one pass: the forward pass maps ci channels to co, backward data maps co
 * to ci with the kernel turned round. Both are "out, in, tap" here. */
#ifndef ND_KERNELS_FILTER_H
#define ND_KERNELS_FILTER_H

#include "tensor/kernels/conv.h"

typedef struct nd_filter {
  const float *weights;
  int out, in, taps;           /* taps = kh * kw, stored side by side */
  ptrdiff_t out_step, in_step; /* between neighbouring channels, in floats */
} nd_filter;

nd_filter nd_filter_forward(const nd_conv_shape *s, const float *weights);
nd_filter nd_filter_backward(const nd_conv_shape *s, const float *weights);

/* Packs output channels out0 .. out0+width-1 (zero beyond f->out) of input channels in0 .. in1-1:
 * to[(i - in0) * to_in + j * to_tap + lane] = weight(out0 + lane, i, taps[j]), for j < ntaps. */
void nd_filter_pack(const nd_filter *f, int out0, int width, int in0, int in1, const int *taps, int ntaps,
                    float *to, ptrdiff_t to_in, ptrdiff_t to_tap);

/* The way back, for a gradient in the forward filter's form: weight(out0 + lane, i, j) =
 * from[(i - in0) * from_in + j * from_tap + lane], for j < f->taps, lane < width. */
void nd_filter_unpack(const nd_filter *f, int out0, int width, int in0, int in1, const float *from,
                      ptrdiff_t from_in, ptrdiff_t from_tap, float *weights);

#endif
