/* What the objectives share. */
#ifndef ND_ADAPT_PRIVATE_H
#define ND_ADAPT_PRIVATE_H

#include "adapt/adapt.h"

/* What R makes of one domain. x: the picture, of two views their mean; residual: what is added to it.
 * features: n,h,w,c, R's deepest, as the network marks them; ND_NONE where it marks none. */
typedef struct nd_branch {
  nd_tensor x, residual, restored, features;
} nd_branch;

/* An input of pictures, and of what R takes: pictures, or two views of each. */
nd_tensor nd_objective_picture(nd_graph *g, const char *name, const nd_objective *o);
nd_tensor nd_objective_views(nd_graph *g, const char *name, const nd_objective *o);
nd_tensor nd_objective_charbonnier(nd_graph *g, nd_tensor restored, nd_tensor clean);
/* The restoration loss that the settings name, against o->clean. */
nd_tensor nd_objective_restoration_loss(nd_graph *g, const nd_objective *o, nd_tensor restored);
/* Restores the synthetic pictures and `real` (step 1 of the method), and appends the restoration loss. */
void nd_objective_restore(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor real,
                          nd_branch *synthetic, nd_branch *real_branch);

/* Restores x by itself, without a loss. */
nd_branch nd_objective_restore_alone(nd_graph *g, const nd_objective *o, const nd_net *net, nd_tensor x);
/* graft.c: the loss of clean pictures with what R took off the real ones; residual: what it added to those.
 */
nd_tensor nd_graft_loss(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor residual);

/* keep_means.c: how far restored photos are from what went in, in means over 16 x 16 pixels. */
nd_tensor nd_keep_means_loss(nd_graph *g, const nd_objective *o, const nd_branch *real);

/* What a baseline adds to the restoration loss. Each sets the tensors of o that it has, and restores. */
nd_tensor nd_noise2void_loss(nd_graph *g, nd_objective *o, const nd_net *net);
nd_tensor nd_graft_mode_loss(nd_graph *g, nd_objective *o, const nd_net *net);
nd_tensor nd_translate_loss(nd_graph *g, nd_objective *o, const nd_net *net);
nd_tensor nd_dann_loss(nd_graph *g, nd_objective *o, const nd_net *net);
nd_tensor nd_teacher_loss(nd_graph *g, nd_objective *o, const nd_net *net);

/* adversary.c. The identity forward, -weight (one number) times the gradient backward. */
nd_tensor nd_reverse_gradient(nd_graph *g, nd_tensor x, nd_tensor weight);
/* A convolution of the parameters "number.*", followed by leaky ReLU unless its kernel is 1. */
nd_tensor nd_adversary_layer(nd_graph *g, int number, nd_tensor x, int out, int kernel, int stride);
/* How badly a classifier tells synthetic from real: 0 (never wrong) to 1, 1/4 where it does not know. It
 * halves the resolution `halvings` times. */
nd_tensor nd_domain_error(nd_graph *g, nd_tensor synthetic, nd_tensor real, int halvings);

/* noise2void.c: hides pixels of one sample. real, blind: size x size x 3; mask: size x size. */
void nd_noise2void_hide(const float *real, int size, nd_rng *rng, float *blind, float *mask);

#endif
