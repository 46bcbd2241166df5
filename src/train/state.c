/* The buffers of training, and their sums. */
#include "train/train-private.h"

int nd_train_state_new(const nd_params *params, nd_train_state *out) {
  size_t size = nd_params_size(params);
  *out = (nd_train_state){.params = params, .size = size};
  float **buffers[] = {&out->values, &out->moment1, &out->moment2, &out->ema};
  int failed = 0;
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
    *buffers[i] = nd_mem_alloc(size * sizeof(float), "weights and their moments");
    failed |= !*buffers[i];
  }
  out->partial = nd_mem_alloc(nd_gradient_norm_blocks(size) * sizeof(double), "weights and their moments");
  if (failed || !out->partial) {
    nd_train_state_free(out);
    return -1;
  }
  return 0;
}

void nd_train_state_free(nd_train_state *s) {
  float *buffers[] = {s->values, s->moment1, s->moment2, s->ema};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
    nd_mem_free(buffers[i]);
  nd_mem_free(s->partial);
  *s = (nd_train_state){0};
}

typedef struct addition {
  float *to;
  const float *from;
} addition;

ND_KERNEL static void add_range(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const addition *a = context;
  float *restrict to = a->to;
  const float *restrict from = a->from;
  for (size_t i = begin; i < end; i++)
    to[i] += from[i];
}

void nd_add_into(float *to, const float *from, size_t n) {
  addition a = {to, from};
  nd_parallel(n, 1 << 16, add_range, &a);
}
