/* Self-training on the damage that is there: what R takes off a real photo is put on the clean picture of a
 * pair, weaker or stronger, and R has to restore that picture. So R gets damage of the real kind, as far as
 * it sees it, with targets that are true; seeing more of it, it takes more off. Kin: noise taken from smooth
 * places of real photos (Chen et al., "Image blind denoising with generative adversarial network based noise
 * modeling", CVPR 2018), and the method's own negatives, which swap residuals too. It assumes that damage
 * adds up: noise and rain do, blur does not. */
#include "adapt/adapt-private.h"

/* Of clean pictures; residual: what R adds to the real photos. What is taken off is data, no gradient passes.
 */
static nd_tensor graft(nd_graph *g, nd_objective *o, nd_tensor residual) {
  o->strength = nd_input(g, "strength", o->n, 1, 1, 1);
  nd_tensor damage = nd_affine(g, nd_detach(g, residual), -1, 0);
  return nd_add(g, o->clean, nd_mul(g, damage, o->strength));
}

nd_tensor nd_graft_loss(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor residual) {
  nd_branch grafted = nd_objective_restore_alone(g, o, net, graft(g, o, residual));
  return nd_objective_charbonnier(g, grafted.restored, o->clean);
}

nd_tensor nd_graft_mode_loss(nd_graph *g, nd_objective *o, const nd_net *net) {
  nd_branch synthetic, grafted;
  o->real = nd_objective_picture(g, "real", o);
  o->alpha = nd_input(g, "alpha", 1, 1, 1, 1);
  nd_branch real = nd_objective_restore_alone(g, o, net, o->real);
  nd_objective_restore(g, o, net, graft(g, o, real.residual), &synthetic, &grafted);
  o->restored_real = real.restored;
  o->loss_diffusion = nd_objective_charbonnier(g, grafted.restored, o->clean);
  return nd_mul(g, o->alpha, o->loss_diffusion);
}
