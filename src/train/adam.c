/* Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019), as PyTorch computes them, and the exponential
 * moving average of the weights in one pass, and the norm of the gradient before it. */
#include "train/train-private.h"

#include <math.h>

typedef struct work {
  const nd_adam_settings *s;
  nd_train_state *state;
  float step_size, root, decay, scale; /* lr / (1 - b1^t), 1 / sqrt(1 - b2^t), EMA decay, of the gradient */
  float shrink, kept;                  /* weight decay: into the gradient, of the weights themselves */
  size_t first;                        /* where ranges begin */
} work;

ND_KERNEL static void update(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const work *w = context;
  float *restrict p = w->state->values, *restrict m = w->state->moment1, *restrict v = w->state->moment2;
  float *restrict e = w->state->ema;
  const float *restrict g = w->state->gradients;
  const float b1 = w->s->beta1, b2 = w->s->beta2, eps = w->s->epsilon, size = w->step_size, root = w->root;
  const float shrink = w->shrink, kept = w->kept, decay = w->decay, scale = w->scale;
  for (size_t i = w->first + begin; i < w->first + end; i++) {
    float d = scale * g[i] + shrink * p[i];
    m[i] = b1 * m[i] + (1 - b1) * d;
    v[i] = b2 * v[i] + (1 - b2) * d * d;
    p[i] = kept * p[i] - size * m[i] / (sqrtf(v[i]) * root + eps);
    e[i] = decay * e[i] + (1 - decay) * p[i];
  }
}

/* Weight decay is for weights. Apart from it, state stays as it is by itself: its gradient is zero. */
static void update_all(work *w, const nd_params *params) {
  for (int i = 0, n = nd_params_length(params); i < n;) {
    const nd_param *first = nd_params_at(params, i);
    while (i < n && nd_params_at(params, i)->state == first->state)
      i++;
    size_t end = i < n ? nd_params_at(params, i)->offset : nd_params_size(params);
    w->first = first->offset;
    float decay = first->state ? 0 : w->s->weight_decay;
    w->shrink = w->s->decoupled_decay ? 0 : decay;
    w->kept = w->s->decoupled_decay ? 1 - (float)w->s->learning_rate * decay : 1;
    nd_parallel(end - first->offset, 1 << 16, update, w);
  }
}

void nd_adam_step(nd_train_state *state, const nd_adam_settings *s, double gradient_scale) {
  double t = (double)(++state->step - state->skipped);
  work w = {.s = s, .state = state};
  w.step_size = (float)(s->learning_rate / (1 - pow((double)s->beta1, t)));
  w.root = (float)(1 / sqrt(1 - pow((double)s->beta2, t)));
  /* Until then the average is the weights themselves. */
  w.decay = state->step > s->ema_from_step ? s->ema : 0;
  w.scale = (float)gradient_scale;
  update_all(&w, state->params);
}

enum { NORM_BLOCK = 1 << 14 };

typedef struct norm_work {
  const float *g;
  size_t n;
  double *partial;
} norm_work;

ND_KERNEL static double block_squares(const float *g, size_t n) {
  float lanes[16] = {0};
  size_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (size_t k = 0; k < 16; k++)
      lanes[k] += g[i + k] * g[i + k];
  double sum = 0;
  for (; i < n; i++)
    sum += (double)g[i] * (double)g[i];
  for (int k = 0; k < 16; k++)
    sum += (double)lanes[k];
  return sum;
}

static void norm_blocks(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const norm_work *w = context;
  for (size_t i = begin; i < end; i++) {
    size_t at = i * NORM_BLOCK, left = w->n - at;
    w->partial[i] = block_squares(w->g + at, left < NORM_BLOCK ? left : NORM_BLOCK);
  }
}

double nd_gradient_norm(const nd_train_state *state) {
  size_t blocks = (state->size + NORM_BLOCK - 1) / NORM_BLOCK;
  norm_work w = {state->gradients, state->size, state->partial};
  nd_parallel(blocks, 4, norm_blocks, &w);
  double sum = 0;
  for (size_t i = 0; i < blocks; i++)
    sum += state->partial[i];
  return sqrt(sum);
}

size_t nd_gradient_norm_blocks(size_t size) {
  return (size + NORM_BLOCK - 1) / NORM_BLOCK;
}
