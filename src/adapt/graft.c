/* Self-training on the damage that is there: what R takes off a real photo is put on the clean picture of a
 * pair, and R has to restore that picture. So R gets damage of the real kind, as far as it sees it, with
 * targets that are true. Kin: noise taken from smooth places of real photos (Chen et al., "Image blind
 * denoising with generative adversarial network based noise modeling", CVPR 2018), and the method's own
 * negatives, which swap residuals too. It assumes that damage adds up: noise and rain do, blur does not. */
#include "adapt/adapt-private.h"

/* n,h,w,3 to 4n,h/2,w/2,3: the pictures of every second pixel, by rows and columns. */
static nd_tensor every_second(nd_graph *g, nd_tensor x, int n, int size) {
  int half = size / 2;
  nd_tensor rows = nd_reshape(g, x, n, half, 1, 2 * size * 3), all = ND_NONE;
  for (int row = 0; row < 2; row++) {
    nd_tensor one = nd_slice(g, rows, 3, row * size * 3, size * 3),
              columns = nd_reshape(g, one, n, half, half, 6);
    for (int column = 0; column < 2; column++) {
      nd_tensor part = nd_slice(g, columns, 3, column * 3, 3);
      all = all < 0 ? part : nd_concat(g, all, part, 0);
    }
  }
  return all;
}

/* The way back. */
static nd_tensor together(nd_graph *g, nd_tensor parts, int n, int size) {
  int half = size / 2;
  nd_tensor rows[2];
  for (int row = 0; row < 2; row++) {
    nd_tensor even = nd_slice(g, parts, 0, (2 * row) * n, n),
              odd = nd_slice(g, parts, 0, (2 * row + 1) * n, n);
    rows[row] = nd_reshape(g, nd_concat(g, even, odd, 3), n, half, 1, size * 3);
  }
  return nd_reshape(g, nd_concat(g, rows[0], rows[1], 3), n, size, size, 3);
}

/* What R adds to the real photos; with a stride of 2, to each of the four pictures that every second pixel of
 * them makes. Noise of finished photos is alike from pixel to pixel, so that R takes little of it for noise;
 * two pixels on it is nearly white, as what R has learned (pixel-shuffle down-sampling: Zhou et al., "When
 * AWGN-based denoiser meets real noises", AAAI 2020). */
static nd_tensor residual_of_real(nd_graph *g, nd_objective *o, const nd_net *net) {
  if (o->settings.graft_stride < 2)
    return nd_objective_restore_alone(g, o, net, o->real).residual;
  nd_tensor parts = nd_detach(g, every_second(g, o->real, o->n, o->patch_size));
  return together(g, nd_objective_restore_alone(g, o, net, parts).residual, o->n, o->patch_size);
}

/* Between black and white, where noise is cut off in photos too: 1 - relu(1 - relu(x)). */
static nd_tensor within_range(nd_graph *g, nd_tensor x) {
  nd_tensor below_white = nd_affine(g, nd_activate(g, x, ND_ACT_RELU, 0), -1, 1);
  return nd_affine(g, nd_activate(g, below_white, ND_ACT_RELU, 0), -1, 1);
}

/* Clean pictures with other damage than that of the pair. It is data, no gradient passes. residual: what R
 * adds to the real photos, where that is the damage. */
static nd_tensor graft(nd_graph *g, nd_objective *o, nd_tensor residual) {
  if (o->settings.graft_given) {
    o->damage = nd_objective_picture(g, "damage", o);
    return within_range(g, nd_add(g, o->clean, o->damage));
  }
  o->strength = nd_input(g, "strength", o->n, 1, 1, 1);
  nd_tensor damage = nd_affine(g, nd_detach(g, residual), -1, 0);
  return nd_add(g, o->clean, nd_mul(g, damage, o->strength));
}

nd_tensor nd_graft_loss(nd_graph *g, nd_objective *o, const nd_net *net, nd_tensor residual) {
  if (!o->settings.graft_given && o->settings.graft_stride > 1)
    residual = residual_of_real(g, o, net);
  nd_branch grafted = nd_objective_restore_alone(g, o, net, graft(g, o, residual));
  return nd_objective_restoration_loss(g, o, grafted.restored);
}

nd_tensor nd_graft_mode_loss(nd_graph *g, nd_objective *o, const nd_net *net) {
  nd_branch synthetic, grafted;
  nd_tensor residual = ND_NONE;
  o->alpha = nd_input(g, "alpha", 1, 1, 1, 1);
  if (!o->settings.graft_given) {
    o->real = nd_objective_picture(g, "real", o);
    residual = residual_of_real(g, o, net);
  }
  nd_objective_restore(g, o, net, graft(g, o, residual), &synthetic, &grafted);
  o->restored_real = residual >= 0 ? nd_add(g, o->real, residual) : ND_NONE;
  o->loss_diffusion = nd_objective_restoration_loss(g, o, grafted.restored);
  return nd_mul(g, o->alpha, o->loss_diffusion);
}
