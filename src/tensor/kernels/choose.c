/* The rule: processor cycles estimated for AVX2 from the counts of multiply-adds and of vectors transformed,
 * with constants measured on Zen 3 (bench/conv_kernels.c, options -d and -w). */
#include "tensor/kernels/choose.h"

#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/linear.h"
#include "tensor/kernels/tiles.h"
#include "tensor/kernels/winograd.h"

static nd_conv_method forced = ND_CONV_AUTO;

void nd_conv_force(nd_conv_method method) {
  forced = method;
}

/* Channels as the inner loops see them: whole vectors of eight. */
static double padded(int channels) {
  return (channels + 7) / 8 * 8;
}

/* in: channels summed over; out: channels side by side in a vector. 16 multiply-adds a cycle. */
static double direct_cycles(const nd_conv_shape *s, int in, int out, double pixels) {
  double products = pixels * 9 * in * padded(out) / 16, packing = 5.0 * s->ci * s->co;
  double stores = pixels * padded(out) / 8 * 4;
  return products + packing + stores;
}

static double winograd_cycles(const nd_conv_shape *s, int in, int out, double tiles) {
  double products = tiles * 36 * in * padded(out) / 16, packing = 14.0 * s->ci * s->co;
  double stores = tiles * 36 * padded(out) / 8 * 2;
  double transforms = tiles * 150 * (padded(in) + padded(out)) / 8;
  return products + packing + stores + transforms;
}

nd_conv_method nd_conv_choose(const nd_conv_shape *s, nd_conv_pass pass) {
  if (s->composed)
    return ND_CONV_WINOGRAD;
  if (nd_depthwise_takes(s))
    return ND_CONV_DEPTHWISE;
  if (nd_linear_takes(s))
    return ND_CONV_LINEAR;
  if (!nd_winograd_takes(s))
    return ND_CONV_DIRECT;
  if (forced != ND_CONV_AUTO)
    return forced;
  bool data = pass == ND_CONV_BACKWARD_DATA;
  int in = data ? s->co : s->ci, out = data ? s->ci : s->co, h = data ? s->h : s->oh, w = data ? s->w : s->ow;
  double direct = direct_cycles(s, in, out, (double)s->n * h * w);
  double winograd = winograd_cycles(s, in, out, nd_tiles_of(s->n, h, w).count);
  return winograd < direct ? ND_CONV_WINOGRAD : ND_CONV_DIRECT;
}
