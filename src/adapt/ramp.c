/* The weight of the diffusion loss over training. */
#include "adapt/adapt.h"

#include <math.h>

double nd_adapt_alpha(double lambda, uint64_t step, uint64_t ramp_steps) {
  if (!ramp_steps)
    return lambda;
  double p = fmin((double)step / (double)ramp_steps, 1);
  return lambda * (2 / (1 + exp(-5 * p)) - 1);
}
