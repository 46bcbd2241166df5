/* A baseline: adaptation in feature space by a domain classifier with gradient reversal (Ganin et al., JMLR
 * 2016). A small classifier tells from the features of R's innermost layer whether a picture was synthetic or
 * real; R gets its gradient with the opposite sign, times alpha, so that the two come to look alike. */
#include "adapt/adapt-private.h"

nd_tensor nd_dann_loss(nd_graph *g, nd_objective *o, const nd_net *net) {
  nd_branch synthetic, real;
  o->real = nd_objective_views(g, "real", o);
  o->alpha = nd_input(g, "alpha", 1, 1, 1, 1);
  nd_objective_restore(g, o, net, o->real, &synthetic, &real);
  if (!nd_graph_failed(g) && synthetic.features < 0) {
    nd_fail(
        "mode dann needs a network with an innermost layer, as unet, nafnet and restormer have; %s has none",
        nd_net_name(net));
    return nd_graph_fail(g);
  }
  return o->loss_diffusion = nd_domain_error(g, nd_reverse_gradient(g, synthetic.features, o->alpha),
                                             nd_reverse_gradient(g, real.features, o->alpha), 0);
}
