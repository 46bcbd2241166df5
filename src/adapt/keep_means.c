/* What keeps brightness and colours of real photos where they were while they are adapted. The diffusion loss
 * says little about what is coarse, and the pairs' loss nothing about real photos; so a network drifts there.
 * Noise, and blur, leave the mean of many pixels alone: so should the restoration. */
#include "adapt/adapt-private.h"

enum { BLOCK = 16 }; /* pixels; larger than the blotches of noise in finished photos */

nd_tensor nd_keep_means_loss(nd_graph *g, const nd_objective *o, const nd_branch *real) {
  int block = o->patch_size < BLOCK ? o->patch_size : BLOCK;
  return nd_objective_charbonnier(g, nd_average_pool(g, real->restored, block),
                                  nd_average_pool(g, real->x, block));
}
