/* Self-attention over all pixels of a picture (Vaswani et al. 2017), a block of queries of one head at a
 * time: the scores of those are all that is ever held, and the backward pass computes them again (after Dao
 * et al. 2022, "FlashAttention"; a block sees all keys at once, so its softmax needs no second look). */
#ifndef ND_KERNELS_ATTENTION_H
#define ND_KERNELS_ATTENTION_H

#include "tensor/kernels/arena.h"

typedef struct nd_attention_shape {
  int n, tokens;    /* pictures, their pixels */
  int heads, width; /* channels of a head */
} nd_attention_shape;

/* qkv and its gradient: n,tokens,3 heads width: queries, keys and values of head 0, then those of head 1, ...
 * y and dy: n,tokens,heads width: softmax(q k' / sqrt(width)) v. Both return the bytes of scratch they take;
 * with scratch.base NULL they do nothing else. */
size_t nd_attention_forward(const nd_attention_shape *s, const float *qkv, float *y, nd_arena scratch);
size_t nd_attention_backward(const nd_attention_shape *s, const float *qkv, const float *dy, float *dqkv,
                             nd_arena scratch);

#endif
