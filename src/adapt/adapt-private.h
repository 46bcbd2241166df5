/* What the objectives share. */
#ifndef ND_ADAPT_PRIVATE_H
#define ND_ADAPT_PRIVATE_H

#include "adapt/adapt.h"

/* What R makes of one domain. features: n,h,w,c, of its innermost layer; ND_NONE where the network marks
 * none. */
typedef struct nd_branch {
  nd_tensor x, residual, restored, features;
} nd_branch;

/* An input of pictures. */
nd_tensor nd_objective_picture(nd_graph *g, const char *name, const nd_objective *o);
/* Restores the synthetic pictures and `real` (step 1 of the method), and appends the restoration loss. */
void nd_objective_restore(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor real,
                          nd_branch *synthetic, nd_branch *real_branch);

/* What a baseline adds to the restoration loss. Each sets the tensors of o that it has, and restores. */
nd_tensor nd_noise2void_loss(nd_graph *g, nd_objective *o, const nd_net *net);
nd_tensor nd_dann_loss(nd_graph *g, nd_objective *o, const nd_net *net);

/* noise2void.c: hides pixels of one sample. real, blind: size x size x 3; mask: size x size. */
void nd_noise2void_hide(const float *real, int size, nd_rng *rng, float *blind, float *mask);

#endif
