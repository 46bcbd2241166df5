/* A baseline: adaptation in pixel space (Bousmalis et al., "Unsupervised pixel-level domain adaptation with
 * generative adversarial networks", PixelDA, CVPR 2017). A generator makes of a synthetic picture, and noise,
 * one of the real kind; a discriminator on patches tells those from real photos, and the generator gets its
 * gradient reversed. R learns on the synthetic pairs and on the translated ones, with the same clean targets,
 * the latter times alpha. Differing from the paper: Brier's score (adversary.c); the likeness to the
 * synthetic picture is asked of means over 8 x 8 pixels, so that damage may change but not the scene; and R's
 * loss does not reach the generator, which would lower it by leaving the damage out. */
#include "adapt/adapt-private.h"

enum { WIDTH = 32, HIDDEN = 3, CELL = 8 };
static const float LIKENESS = 10;

/* What the generator adds to a picture. */
static nd_tensor change(nd_graph *g, nd_tensor x, nd_tensor noise) {
  nd_scope_push(g, ND_SCOPE_TRANSLATOR);
  x = nd_concat(g, x, noise, 3);
  for (int i = 0; i < HIDDEN; i++)
    x = nd_adversary_layer(g, 2 * i, x, WIDTH, 3, 1);
  x = nd_adversary_layer(g, 2 * HIDDEN, x, 3, 1, 1);
  nd_scope_pop(g);
  return x;
}

nd_tensor nd_translate_loss(nd_graph *g, nd_objective *o, const nd_net *net) {
  nd_branch synthetic, translated;
  o->real = nd_objective_picture(g, "real", o);
  o->noise = nd_objective_picture(g, "noise", o);
  o->alpha = nd_input(g, "alpha", 1, 1, 1, 1);
  nd_tensor added = change(g, o->synthetic, o->noise), fake = nd_add(g, o->synthetic, added);
  nd_objective_restore(g, o, net, nd_detach(g, fake), &synthetic, &translated);
  nd_tensor deceived = nd_reverse_gradient(g, fake, nd_constant(g, 1, (float[]){1}));
  o->loss_diffusion = nd_domain_error(g, deceived, o->real, 2);
  nd_tensor means = nd_average_pool(g, added, CELL), zero = nd_affine(g, nd_detach(g, means), 0, 0);
  nd_tensor likeness = nd_affine(g, nd_mse(g, means, zero), LIKENESS, 0);
  nd_tensor task = nd_mul(g, o->alpha, nd_objective_restoration_loss(g, o, translated.restored));
  return nd_add(g, task, nd_add(g, o->loss_diffusion, likeness));
}
