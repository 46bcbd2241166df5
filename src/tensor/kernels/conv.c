/* The public face: sends each pass to the method that suits its shape. */
#include "tensor/kernels/conv.h"

#include "tensor/kernels/choose.h"
#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/direct.h"
#include "tensor/kernels/linear.h"
#include "tensor/kernels/separable.h"
#include "tensor/kernels/winograd.h"

static bool fits(int in, int out, int kernel, const nd_conv_shape *s) {
  int span = (kernel - 1) * s->dilation + 1;
  return kernel > 0 && in > 0 && out > 0 && in + 2 * s->pad >= span &&
         out == (in + 2 * s->pad - span) / s->stride + 1;
}

bool nd_conv_supported(const nd_conv_shape *s) {
  return (s->groups == 1 || nd_depthwise_takes(s)) && s->n > 0 && s->ci > 0 && s->co > 0 && s->stride > 0 &&
         s->dilation > 0 && s->pad >= 0 && fits(s->h, s->oh, s->kh, s) && fits(s->w, s->ow, s->kw, s);
}

bool nd_conv_takes_gelu(const nd_conv_shape *s) {
  return nd_depthwise_takes(s) || nd_linear_takes(s);
}

bool nd_conv_takes_gate(const nd_conv_shape *s) {
  return nd_depthwise_takes(s) && s->co % 2 == 0;
}

bool nd_conv_takes_sources(const nd_conv_shape *s) {
  return nd_conv_choose(s, ND_CONV_FORWARD) == ND_CONV_WINOGRAD;
}

bool nd_conv_takes_linear(const nd_conv_shape *s) {
  return nd_separable_takes(s);
}

static size_t forward(const nd_conv_shape *s, const void *x, const float *weights, const nd_epilogue *e,
                      void *y, void *scratch) {
  nd_arena a = {scratch, 0};
  nd_conv_method method = nd_conv_choose(s, ND_CONV_FORWARD);
  nd_conv_source whole[2] = {{x, s->x_type, s->ci, NULL}};
  if (s->through) /* this way to learn the size of the scratch memory alone */
    return nd_separable_forward(s, NULL, NULL, NULL, e, NULL, a);
  if (method == ND_CONV_DEPTHWISE)
    return nd_depthwise_forward(s, x, weights, e, y, a);
  if (method == ND_CONV_WINOGRAD)
    return nd_winograd_forward(s, whole, weights, e, y, a);
  if (method == ND_CONV_LINEAR)
    return nd_linear_forward(s, x, weights, e, y, a);
  return nd_direct_forward(s, x, weights, e, y, a);
}

size_t nd_conv_forward_scratch(const nd_conv_shape *s) {
  return forward(s, NULL, NULL, &(nd_epilogue){NULL, ND_LINEAR, 0}, NULL, NULL);
}

void nd_conv_forward(const nd_conv_shape *s, const void *x, const float *weights, const nd_epilogue *e,
                     void *y, void *scratch) {
  forward(s, x, weights, e, y, scratch);
}

void nd_conv_forward_of(const nd_conv_shape *s, const nd_conv_source x[2], const float *weights,
                        const nd_epilogue *e, void *y, void *scratch) {
  nd_winograd_forward(s, x, weights, e, y, (nd_arena){scratch, 0});
}

void nd_conv_forward_through(const nd_conv_shape *s, const float *x, const nd_conv_linear *first,
                             const float *weights, const nd_epilogue *e, float *y, void *scratch) {
  nd_separable_forward(s, x, first, weights, e, y, (nd_arena){scratch, 0});
}

static size_t backward_data(const nd_conv_shape *s, const void *dy, const float *weights, void *dx,
                            void *scratch) {
  nd_arena a = {scratch, 0};
  nd_conv_method method = nd_conv_choose(s, ND_CONV_BACKWARD_DATA);
  if (method == ND_CONV_DEPTHWISE)
    return nd_depthwise_backward_data(s, dy, weights, dx, a);
  if (method == ND_CONV_WINOGRAD)
    return nd_winograd_backward_data(s, dy, weights, dx, a);
  if (method == ND_CONV_LINEAR)
    return nd_linear_backward_data(s, dy, weights, dx, a);
  return nd_direct_backward_data(s, dy, weights, dx, a);
}

size_t nd_conv_backward_data_scratch(const nd_conv_shape *s) {
  return backward_data(s, NULL, NULL, NULL, NULL);
}

void nd_conv_backward_data(const nd_conv_shape *s, const void *dy, const float *weights, void *dx,
                           void *scratch) {
  backward_data(s, dy, weights, dx, scratch);
}

static size_t backward_weights(const nd_conv_shape *s, const void *x, const void *dy, float *dweights,
                               float *dbias, void *scratch) {
  nd_arena a = {scratch, 0};
  nd_conv_method method = nd_conv_choose(s, ND_CONV_BACKWARD_WEIGHTS);
  if (method == ND_CONV_DEPTHWISE)
    return nd_depthwise_backward_weights(s, x, dy, dweights, dbias, a);
  if (method == ND_CONV_WINOGRAD)
    return nd_winograd_backward_weights(s, x, dy, dweights, dbias, a);
  if (method == ND_CONV_LINEAR)
    return nd_linear_backward_weights(s, x, dy, dweights, dbias, a);
  return nd_direct_backward_weights(s, x, dy, dweights, dbias, a);
}

size_t nd_conv_backward_weights_scratch(const nd_conv_shape *s) {
  return backward_weights(s, NULL, NULL, NULL, NULL, NULL);
}

void nd_conv_backward_weights(const nd_conv_shape *s, const void *x, const void *dy, float *dweights,
                              float *dbias, void *scratch) {
  backward_weights(s, x, dy, dweights, dbias, scratch);
}

bool nd_conv_takes_both(const nd_conv_shape *s) {
  return nd_depthwise_takes_both(s);
}

size_t nd_conv_backward_both_scratch(const nd_conv_shape *s) {
  return nd_depthwise_backward_both(s, NULL, NULL, NULL, &(nd_epilogue){NULL, ND_LINEAR, 0}, NULL, NULL, NULL,
                                    (nd_arena){NULL, 0});
}

void nd_conv_backward_both(const nd_conv_shape *s, const float *x, const float *dy, const float *weights,
                           const nd_epilogue *e, float *dx, float *dweights, float *dbias, void *scratch) {
  nd_depthwise_backward_both(s, x, dy, weights, e, dx, dweights, dbias, (nd_arena){scratch, 0});
}
