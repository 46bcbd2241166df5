/* Self-attention inside windows (Liu et al. 2021, "Swin Transformer"), one window and one head at a time: the
 * scores of one head of one window are all that is ever held, and the backward pass computes them again
 * (after Dao et al. 2022, "FlashAttention").
 *
 * Windows of window x window pixels stand on a grid through (shift, shift); what reaches over the picture's
 * border is cut off. That is Swin's cyclic shift with its attention mask, without the turning: the mask
 * leaves the parts of a window that come from opposite borders no view of one another.
 */
#ifndef ND_KERNELS_WINDOW_ATTENTION_H
#define ND_KERNELS_WINDOW_ATTENTION_H

#include "tensor/kernels/arena.h"

typedef struct nd_window_attention_shape {
  int n, h, w;       /* pictures */
  int heads, width;  /* channels of a head */
  int window, shift; /* 0 <= shift < window */
} nd_window_attention_shape;

/* Channel 0 of head 0 of the first pixel; the heads of a pixel lie side by side, pixels q_step or kv_step
 * floats apart. */
typedef struct nd_window_attention_in {
  const float *q, *k, *v;
  size_t q_step, kv_step;
  const float *bias; /* [2 window - 1][2 window - 1][heads], by the query's place minus the key's */
} nd_window_attention_in;

/* Gradients, laid out as what they are gradients of. */
typedef struct nd_window_attention_out {
  float *q, *k, *v, *bias; /* bias may be NULL */
} nd_window_attention_out;

/* y: n,h,w,heads width: softmax(q k' / sqrt(width) + bias) v. Both return the bytes of scratch they take;
 * with scratch.base NULL they do nothing else. */
size_t nd_window_attention_forward(const nd_window_attention_shape *s, const nd_window_attention_in *in,
                                   float *y, nd_arena scratch);
size_t nd_window_attention_backward(const nd_window_attention_shape *s, const nd_window_attention_in *in,
                                    const float *dy, const nd_window_attention_out *out, nd_arena scratch);

#endif
