/* A teacher: on real photos the network has to agree with the moving average of its own weights, though it
 * gets them with the synthetic damage on top (mean teacher: Tarvainen and Valpola, NeurIPS 2017; the harder
 * input for the student: Sohn et al., "FixMatch", NeurIPS 2020). What the average sees only weakly the
 * network learns to take off with the damage that it knows, and so does the average in turn. */
#include "adapt/adapt-private.h"

nd_tensor nd_teacher_loss(nd_graph *g, nd_objective *o, const nd_net *net) {
  nd_branch synthetic, worse;
  o->real = nd_objective_picture(g, "real", o);
  o->damage = nd_objective_picture(g, "damage", o);
  o->taught = nd_objective_picture(g, "taught", o);
  o->alpha = nd_input(g, "alpha", 1, 1, 1, 1);
  nd_objective_restore(g, o, net, nd_add(g, o->real, o->damage), &synthetic, &worse);
  o->loss_diffusion = nd_objective_charbonnier(g, worse.restored, o->taught);
  return nd_mul(g, o->alpha, o->loss_diffusion);
}
