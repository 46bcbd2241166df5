/* Dropout masks from the counter: nothing is stored, forward and backward draw the same. */
#ifndef ND_DROPOUT_PRIVATE_H
#define ND_DROPOUT_PRIVATE_H

#include "tensor/graph-private.h"

enum { ND_MASK_BLOCK = 256 }; /* elements a call; positions are multiples of it */

typedef struct nd_mask {
  uint32_t key[2], step, stream, first_sample;
  nd_share share;
  uint32_t threshold; /* of 65536: a draw below it drops */
  float keep_scale;   /* 1 / (1 - p) */
} nd_mask;

/* p in [0, 1), rounded to 1/65536. */
nd_mask nd_mask_make(const nd_run_context *r, float p);
/* Factors (0 or keep_scale) of elements block * ND_MASK_BLOCK ... of a sample of the node's tensor. */
void nd_mask_fill(const nd_mask *m, uint32_t sample, uint32_t block, float out[ND_MASK_BLOCK]);

#endif
