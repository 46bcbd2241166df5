/* oneDNN behind plain functions: the only door to it (dnnl.c alone includes dnnl.h). */
#ifndef ND_DNNL_PRIVATE_H
#define ND_DNNL_PRIVATE_H

#include "base/base.h"
#include "tensor/kernels/conv.h"

typedef enum nd_dnnl_pass { ND_DNNL_FORWARD, ND_DNNL_BACKWARD_DATA, ND_DNNL_BACKWARD_WEIGHTS } nd_dnnl_pass;

typedef struct nd_dnnl_conv nd_dnnl_conv;
int nd_dnnl_conv_new(const nd_conv_shape *s, nd_dnnl_pass pass, nd_dnnl_conv **out);
void nd_dnnl_conv_free(nd_dnnl_conv *c); /* NULL is fine */
size_t nd_dnnl_conv_scratch(const nd_dnnl_conv *c);
/* As nd_conv_forward. */
void nd_dnnl_conv_forward(nd_dnnl_conv *c, const float *x, const float *weights, const nd_epilogue *e,
                          float *y, void *scratch);
/* Backward data: dy, weights -> dx. Backward weights: x, dy -> dweights, and dbias unless NULL. */
void nd_dnnl_conv_backward(nd_dnnl_conv *c, const float *a, const float *b, float *out, float *dbias,
                           void *scratch);

#endif
