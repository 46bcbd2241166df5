/* The networks and objective that a recipe describes. */
#include "train/trainer-private.h"

int nd_train_networks(const nd_recipe *r, nd_net **restoration, nd_net **diffusion) {
  *restoration = *diffusion = NULL;
  if (!nd_recipe_network(r, ND_RESTORATION, restoration) &&
      (!nd_mode_diffuses((nd_mode)r->mode) || !nd_recipe_network(r, ND_DIFFUSION, diffusion)))
    return 0;
  nd_net_free(*restoration);
  nd_net_free(*diffusion);
  *restoration = *diffusion = NULL;
  return -1;
}

nd_objective_settings nd_recipe_objective(const nd_recipe *r) {
  nd_objective_settings s = nd_objective_defaults();
  s.mode = (nd_mode)r->mode;
  s.restoration_loss = (nd_restoration_loss)r->training.restoration_loss;
  s.residual = r->restoration.residual;
  s.shuffle = r->adapt.shuffle;
  s.contrast = r->adapt.contrast;
  s.margin = (float)r->adapt.margin;
  if (r->training.recompute == ND_RECIPE_RECOMPUTE_YES)
    s.negatives = ND_NEGATIVES_AGAIN;
  s.detach_synthetic = r->adapt.detach_synthetic;
  s.detach_real = r->adapt.detach_real;
  s.weigh_conditions = r->adapt.warmup_steps > 0;
  s.graft = (float)r->adapt.graft;
  s.graft_min = (float)r->adapt.graft_min;
  s.graft_max = (float)r->adapt.graft_max;
  s.graft_given = r->adapt.graft_of != ND_RECIPE_TAKEN;
  s.graft_stride = (int)r->adapt.graft_stride;
  s.keep_means = (float)r->adapt.keep_means;
  return s;
}

bool nd_recipe_grafts(const nd_recipe *r) {
  return r->mode == ND_MODE_GRAFT || (nd_mode_diffuses((nd_mode)r->mode) && r->adapt.graft > 0);
}

bool nd_recipe_takes_views(const nd_recipe *r) {
  return nd_mode_takes_views((nd_mode)r->mode) && !nd_recipe_grafts(r);
}

nd_dtype nd_recipe_dtype(const nd_recipe *r) {
  return nd_precision(r->training.precision == ND_RECIPE_BF16);
}

/* The graph of one sample tells: what a step does grows in proportion to the batch. */
static int sample_flops(const nd_recipe *r, const nd_net *restoration, const nd_net *diffusion, double *out) {
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_objective_settings s = nd_recipe_objective(r);
  nd_objective o;
  nd_plan *plan = NULL;
  nd_objective_build(g, &s, restoration, diffusion, 1, r->data.patch_size, &o);
  nd_teacher *teacher = NULL;
  int failed = nd_backward(g, o.loss) || nd_compile(g, &plan) ||
               nd_teacher_new(r, restoration, params, 1, nd_lay_out, &teacher);
  if (!failed)
    *out = nd_plan_flops(plan) + nd_teacher_flops(teacher);
  nd_teacher_free(teacher);
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
  return failed ? -1 : 0;
}

int nd_train_step_flops(const nd_recipe *r, double *out) {
  nd_net *restoration, *diffusion;
  if (nd_train_networks(r, &restoration, &diffusion))
    return -1;
  int failed = sample_flops(r, restoration, diffusion, out);
  *out *= r->data.batch_size;
  nd_net_free(restoration);
  nd_net_free(diffusion);
  return failed;
}
