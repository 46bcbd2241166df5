/* The learning rate of each step. */
#include "train/trainer-private.h"

#include <math.h>

/* Halved each time half of the steps that were left is done, four times, as denoisers like SwinIR (Liang et
 * al., ICCV Workshops 2021) are trained. */
static double halvings(double progress) {
  double share = 1;
  for (int i = 0; i < 4 && progress >= 1 - share / 2; i++)
    share /= 2;
  return share;
}

double nd_learning_rate(const nd_recipe *r, uint64_t step) {
  double from = r->training.learning_rate, to = r->training.learning_rate_end,
         warmup = (double)r->training.warmup_steps, steps = (double)r->training.steps, at = (double)step;
  if (at < warmup)
    return from * (at + 1) / warmup;
  double progress = steps > warmup ? fmin((at - warmup) / (steps - warmup), 1) : 1;
  switch (r->training.learning_rate_schedule) {
  case ND_RECIPE_LINEAR:
    return to + (from - to) * (1 - progress);
  case ND_RECIPE_COSINE: /* Loshchilov and Hutter, ICLR 2017, without restarts */
    return to + (from - to) * (1 + cos(M_PI * progress)) / 2;
  case ND_RECIPE_HALVING:
    return fmax(from * halvings(progress), to);
  default:
    return from;
  }
}
