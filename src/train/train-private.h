/* What the files of this room share. */
#ifndef ND_TRAIN_PRIVATE_H
#define ND_TRAIN_PRIVATE_H

#include "tensor/tensor.h"

/* All that changes in training; buffers of `size` floats laid out as the parameters. */
typedef struct nd_train_state {
  const nd_params *params; /* the caller's */
  size_t size;
  uint64_t step;            /* steps done, skipped ones included */
  uint64_t skipped;         /* of them, those whose loss or gradient was not finite: nothing was learned */
  int64_t skipped_in_a_row; /* the last ones */
  uint64_t contrast_rest;   /* steps in a row in which the contrast had no slope */
  float *values, *moment1, *moment2, *ema;
  float *gradients; /* a plan's */
  double *partial;  /* scratch of nd_gradient_norm */
} nd_train_state;

/* to += from, n floats. */
void nd_add_into(float *to, const float *from, size_t n);

int nd_train_state_new(const nd_params *params, nd_train_state *out);
void nd_train_state_free(nd_train_state *state);

typedef struct nd_adam_settings {
  double learning_rate;
  float beta1, beta2, epsilon, weight_decay, ema;
  uint64_t ema_from_step;
  bool decoupled_decay; /* AdamW: weights shrink by learning_rate weight_decay of themselves; else the decay
                           is part of the gradient */
} nd_adam_settings;

/* One step from state->gradients times gradient_scale; counts the step. Adam's own count leaves out skipped
 * ones. Parameters that are state (nd_state)
 * keep their values, and their average is made like that of the weights. */
void nd_adam_step(nd_train_state *state, const nd_adam_settings *s, double gradient_scale);
double nd_gradient_norm(const nd_train_state *state);
size_t nd_gradient_norm_blocks(size_t size);

#endif
