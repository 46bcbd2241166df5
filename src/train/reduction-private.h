/* A gradient on its way: summed over processes piece by piece while the backward pass still computes the
 * rest.
 */
#ifndef ND_TRAIN_REDUCTION_PRIVATE_H
#define ND_TRAIN_REDUCTION_PRIVATE_H

#include "tensor/tensor.h"
#include "train/group.h"

typedef struct nd_reduction nd_reduction;

/* Cuts the buffer of all parameters into pieces of whole parameters of about `piece` floats; 0: a good size.
 * params must outlive it. */
nd_reduction *nd_reduction_new(const nd_params *params, nd_group *group, size_t piece);
void nd_reduction_free(nd_reduction *r); /* NULL is fine */

/* Before a backward pass into gradients. accumulated (of earlier passes) is added to each piece first; may be
 * NULL. */
void nd_reduction_start(nd_reduction *r, float *gradients, const float *accumulated);
/* This parameter's gradient is final. The last one of a piece sends it off. */
void nd_reduction_gradient(nd_reduction *r, int param);
/* After the backward pass: waits until gradients holds the sum over passes and processes. */
int nd_reduction_finish(nd_reduction *r);

#endif
