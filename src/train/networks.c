/* The networks and objective that a recipe describes. */
#include "train/trainer-private.h"

int nd_train_networks(const nd_recipe *r, nd_net **restoration, nd_net **diffusion) {
  *restoration = *diffusion = NULL;
  if (!nd_recipe_network(r, ND_RESTORATION, restoration) &&
      (r->mode == ND_RECIPE_SOURCE || !nd_recipe_network(r, ND_DIFFUSION, diffusion)))
    return 0;
  nd_net_free(*restoration);
  nd_net_free(*diffusion);
  *restoration = *diffusion = NULL;
  return -1;
}

nd_objective_settings nd_recipe_objective(const nd_recipe *r) {
  nd_objective_settings s = nd_objective_defaults();
  s.mode = r->mode == ND_RECIPE_SOURCE   ? ND_MODE_SOURCE
           : r->mode == ND_RECIPE_PAIRED ? ND_MODE_PAIRED
                                         : ND_MODE_UNPAIRED;
  s.residual = r->restoration.residual;
  s.shuffle = r->adapt.shuffle;
  s.contrast = r->adapt.contrast;
  s.margin = (float)r->adapt.margin;
  s.detach_synthetic = r->adapt.detach_synthetic;
  s.detach_real = r->adapt.detach_real;
  return s;
}
