/* What the diffusion U-Nets have in common: the settings of their shape. */
#include "net/net-private.h"

nd_diffusion_shape nd_diffusion_shape_of(const nd_net *net) {
  nd_diffusion_shape s = {.width = nd_net_int(net, "width"), .res_blocks = nd_net_int(net, "res_blocks")};
  s.levels = nd_net_list(net, "multipliers", s.multipliers);
  s.n_attention = nd_net_list(net, "attention_levels", s.attention);
  return s;
}

bool nd_diffusion_attends(const nd_diffusion_shape *s, int level) {
  for (int i = 0; i < s->n_attention; i++)
    if (s->attention[i] == 1 << level)
      return true;
  return false;
}

int nd_diffusion_multiple(const nd_net *net) {
  int levels = nd_diffusion_shape_of(net).levels;
  return levels > 1 ? 1 << (levels - 1) : 1;
}

int nd_diffusion_check(const nd_net *net) {
  nd_diffusion_shape s = nd_diffusion_shape_of(net);
  int groups = nd_net_int(net, "norm_groups");
  if (s.levels < 1)
    return nd_fail("%s: multipliers is empty; give one number a level, such as 1,2,4,8", nd_net_name(net));
  if (s.width % 2 || (s.width % groups && s.width > groups))
    return nd_fail("%s: width %d is not even, or not a multiple of the %d groups of its norms",
                   nd_net_name(net), s.width, groups);
  return 0;
}

int nd_diffusion_set_shape(nd_net *net, const nd_diffusion_shape *s) {
  return nd_net_set_int(net, "width", s->width) ||
                 nd_net_set_list(net, "multipliers", s->multipliers, s->levels) ||
                 nd_net_set_int(net, "res_blocks", s->res_blocks) ||
                 nd_net_set_list(net, "attention_levels", s->attention, s->n_attention)
             ? -1
             : 0;
}
