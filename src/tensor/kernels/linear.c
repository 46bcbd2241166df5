#include "tensor/kernels/linear.h"

#include "tensor/kernels/product.h"

bool nd_linear_takes(const nd_conv_shape *s) {
  return s->groups == 1 && s->kh == 1 && s->kw == 1 && s->stride == 1 && s->pad == 0;
}

static int pixels_of(const nd_conv_shape *s) {
  return s->n * s->oh * s->ow;
}

/* y = x w', w: co x ci. */
size_t nd_linear_forward(const nd_conv_shape *s, const void *x, const float *weights, const nd_epilogue *e,
                         void *y, nd_arena scratch) {
  return nd_product_compute(&(nd_product){.m = pixels_of(s),
                                          .n = s->co,
                                          .k = s->ci,
                                          .a = {(void *)x, s->x_type},
                                          .b = {(void *)weights, ND_F32},
                                          .b_transposed = true,
                                          .c = {y, s->y_type},
                                          .epilogue = *e},
                            scratch);
}

/* dx = dy w */
size_t nd_linear_backward_data(const nd_conv_shape *s, const void *dy, const float *weights, void *dx,
                               nd_arena scratch) {
  return nd_product_compute(&(nd_product){.m = pixels_of(s),
                                          .n = s->ci,
                                          .k = s->co,
                                          .a = {(void *)dy, s->y_type},
                                          .b = {(void *)weights, ND_F32},
                                          .c = {dx, s->x_type},
                                          .epilogue = {NULL, ND_LINEAR, 0}},
                            scratch);
}

/* dw = dy' x */
size_t nd_linear_backward_weights(const nd_conv_shape *s, const void *x, const void *dy, float *dweights,
                                  float *dbias, nd_arena scratch) {
  return nd_product_compute(&(nd_product){.m = s->co,
                                          .n = s->ci,
                                          .k = pixels_of(s),
                                          .a = {(void *)dy, s->y_type},
                                          .a_transposed = true,
                                          .b = {(void *)x, s->x_type},
                                          .c = {dweights, ND_F32},
                                          .epilogue = {NULL, ND_LINEAR, 0},
                                          .shares_depth = true,
                                          .a_sums = dbias},
                            scratch);
}
