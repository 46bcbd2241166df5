/* What the adversarial baselines share: a small classifier that tells synthetic from real, and the reversal
 * of its gradient for what shall deceive it (Ganin et al., "Domain-adversarial training of neural networks",
 * JMLR 2016). The classifier's loss is the squared error of its probabilities (Brier's score) in place of
 * their logarithm: as proper a score, and bounded, so that the reversed gradient cannot run away. */
#include "adapt/adapt-private.h"

static const float SLOPE = 0.2f;

/* Forward the identity, backward -weight times the gradient: (1 + weight) x - weight x, where the first x
 * passes no gradient. */
nd_tensor nd_reverse_gradient(nd_graph *g, nd_tensor x, nd_tensor weight) {
  nd_tensor still = nd_detach(g, x), moving = nd_mul(g, nd_affine(g, x, -1, 0), weight);
  return nd_add(g, nd_add(g, still, nd_mul(g, still, weight)), moving);
}

nd_tensor nd_adversary_layer(nd_graph *g, int number, nd_tensor x, int out, int kernel, int stride) {
  nd_act activation = kernel == 1 ? ND_ACT_NONE : ND_ACT_LEAKY_RELU;
  nd_scope_push(g, "%d", number);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, (int[]){out, nd_dims(g, x)[3], kernel, kernel});
  nd_tensor b = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &out);
  nd_scope_pop(g);
  return nd_conv2d(
      g, x, w, b,
      (nd_conv2d_settings){.pad = kernel / 2, .stride = stride, .activation = activation, .slope = SLOPE});
}

/* Two probabilities a position: synthetic, real. */
static nd_tensor classify(nd_graph *g, nd_tensor x, int halvings) {
  enum { WIDTH = 32 };
  nd_scope_push(g, ND_SCOPE_DOMAIN);
  x = nd_adversary_layer(g, 0, x, WIDTH, 3, 1);
  for (int i = 1; i <= halvings; i++)
    x = nd_adversary_layer(g, 2 * i, x, WIDTH << i, 3, 2);
  x = nd_softmax(g, nd_adversary_layer(g, 2 * halvings + 2, x, 2, 1, 1));
  nd_scope_pop(g);
  return x;
}

static nd_tensor labels(nd_graph *g, nd_tensor like, float synthetic, float real) {
  nd_tensor one = nd_constant(g, 2, (float[]){synthetic, real});
  return nd_add(g, nd_affine(g, nd_detach(g, like), 0, 0), one);
}

static nd_tensor error(nd_graph *g, nd_tensor x, int halvings, bool real) {
  nd_tensor p = classify(g, x, halvings);
  return nd_mse(g, p, labels(g, p, real ? 0 : 1, real ? 1 : 0));
}

nd_tensor nd_domain_error(nd_graph *g, nd_tensor synthetic, nd_tensor real, int halvings) {
  nd_tensor both = nd_add(g, error(g, synthetic, halvings, false), error(g, real, halvings, true));
  return nd_affine(g, both, 0.5f, 0);
}
