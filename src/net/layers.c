/* Layers: an operator with its parameters. */
#include "net/net-private.h"

#include <glib.h>

nd_tensor nd_layer_conv(nd_graph *g, const char *name, nd_tensor x, nd_conv_layer l) {
  int in = nd_dims(g, x)[3] / MAX(l.groups, 1);
  nd_scope_push(g, "%s", name);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, (int[]){l.out, in, l.kernel, l.kernel});
  nd_tensor b = l.no_bias ? ND_NONE : nd_parameter(g, "bias", ND_INIT_ZERO, 1, &l.out);
  nd_scope_pop(g);
  return nd_conv2d(g, x, w, b,
                   (nd_conv2d_settings){.stride = l.stride,
                                        .pad = (l.kernel - 1) / 2,
                                        .groups = l.groups,
                                        .activation = l.activation,
                                        .slope = l.slope});
}

nd_tensor nd_layer_linear(nd_graph *g, const char *name, nd_tensor x, int out) {
  int in = nd_dims(g, x)[3];
  nd_scope_push(g, "%s", name);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 2, (int[]){out, in});
  nd_tensor b = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &out);
  nd_scope_pop(g);
  return nd_conv2d(g, x, w, b, (nd_conv2d_settings){0});
}

nd_tensor nd_layer_group_norm(nd_graph *g, const char *name, nd_tensor x, nd_tensor scale_shift,
                              nd_group_norm_settings s) {
  int c = nd_dims(g, x)[3];
  s.groups = MIN(s.groups, c);
  nd_scope_push(g, "%s", name);
  nd_tensor gamma = nd_parameter(g, "weight", ND_INIT_ONE, 1, &c);
  nd_tensor beta = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &c);
  nd_scope_pop(g);
  return nd_group_norm(g, x, gamma, beta, scale_shift, s);
}

nd_tensor nd_layer_batch_norm(nd_graph *g, const char *name, nd_tensor x, nd_batch_norm_settings s) {
  int c = nd_dims(g, x)[3];
  nd_scope_push(g, "%s", name);
  nd_tensor weight = nd_parameter(g, "weight", ND_INIT_ONE, 1, &c);
  nd_tensor bias = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &c);
  nd_tensor mean = nd_state(g, "running_mean", ND_INIT_ZERO, 1, &c);
  nd_tensor variance = nd_state(g, "running_var", ND_INIT_ONE, 1, &c);
  nd_scope_pop(g);
  return nd_batch_norm(g, x, weight, bias, mean, variance, s);
}

nd_tensor nd_layer_layer_norm(nd_graph *g, const char *name, nd_tensor x, nd_layer_norm_settings s) {
  int c = nd_dims(g, x)[3];
  nd_scope_push(g, "%s", name);
  nd_tensor weight = nd_parameter(g, "weight", ND_INIT_ONE, 1, &c);
  nd_tensor bias = s.keep_mean ? ND_NONE : nd_parameter(g, "bias", ND_INIT_ZERO, 1, &c);
  nd_scope_pop(g);
  return nd_layer_norm(g, x, weight, bias, s);
}
