/* A baseline: adaptation in feature space by a domain classifier with gradient reversal (Ganin et al.,
 * "Domain-adversarial training of neural networks", JMLR 2016). A small classifier tells from the features of
 * R's innermost layer whether a picture was synthetic or real; R gets its gradient with the opposite sign,
 * times alpha, so that the two come to look alike. The classifier's loss is the squared error of its
 * probabilities (Brier's score) in place of their logarithm: as proper a score, and bounded, so that the
 * reversed gradient cannot run away. */
#include "adapt/adapt-private.h"

enum { WIDTH = 32 };
static const float SLOPE = 0.2f;

/* Forward the identity, backward -alpha times the gradient: (1 + alpha) x - alpha x, where the first x passes
 * no gradient. */
static nd_tensor reverse_gradient(nd_graph *g, nd_tensor x, nd_tensor alpha) {
  nd_tensor still = nd_detach(g, x), moving = nd_mul(g, nd_affine(g, x, -1, 0), alpha);
  return nd_add(g, nd_add(g, still, nd_mul(g, still, alpha)), moving);
}

static nd_tensor layer(nd_graph *g, const char *name, nd_tensor x, int out, nd_act activation) {
  int kernel = activation == ND_ACT_NONE ? 1 : 3;
  nd_scope_push(g, "%s", name);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, (int[]){out, nd_dims(g, x)[3], kernel, kernel});
  nd_tensor b = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &out);
  nd_scope_pop(g);
  return nd_conv2d(g, x, w, b,
                   (nd_conv2d_settings){.pad = kernel / 2, .activation = activation, .slope = SLOPE});
}

/* Two probabilities a position: synthetic, real. */
static nd_tensor classify(nd_graph *g, nd_tensor features) {
  nd_scope_push(g, ND_SCOPE_DOMAIN);
  nd_tensor x = layer(g, "0", features, WIDTH, ND_ACT_LEAKY_RELU);
  x = nd_softmax(g, layer(g, "2", x, 2, ND_ACT_NONE));
  nd_scope_pop(g);
  return x;
}

static nd_tensor labels(nd_graph *g, nd_tensor like, float synthetic, float real) {
  nd_tensor one = nd_constant(g, 2, (float[]){synthetic, real});
  return nd_add(g, nd_affine(g, nd_detach(g, like), 0, 0), one);
}

static nd_tensor domain_error(nd_graph *g, const nd_objective *o, const nd_branch *b, bool real) {
  nd_tensor p = classify(g, reverse_gradient(g, b->features, o->alpha));
  return nd_mse(g, p, labels(g, p, real ? 0 : 1, real ? 1 : 0));
}

nd_tensor nd_dann_loss(nd_graph *g, nd_objective *o, const nd_net *net) {
  nd_branch synthetic, real;
  o->real = nd_objective_picture(g, "real", o);
  o->alpha = nd_input(g, "alpha", 1, 1, 1, 1);
  nd_objective_restore(g, o, net, o->real, &synthetic, &real);
  if (!nd_graph_failed(g) && synthetic.features < 0) {
    nd_fail(
        "mode dann needs a network with an innermost layer, as unet, nafnet and restormer have; %s has none",
        nd_net_name(net));
    return nd_graph_fail(g);
  }
  nd_tensor both = nd_add(g, domain_error(g, o, &synthetic, false), domain_error(g, o, &real, true));
  return o->loss_diffusion = nd_affine(g, both, 0.5f, 0);
}
