/* The U-Net of the release (Ronneberger et al. 2015): two 3 x 3 convolutions with leaky ReLU a level, average
 * pooling down, bilinear up-sampling (corners aligned) and a convolution up, skip connections; the width
 * doubles with each level. It returns the residual. */
#include "net/net-private.h"

static const float SLOPE = 0.2f;

static nd_tensor conv_block(nd_graph *g, nd_tensor x, int out) {
  nd_conv_layer l = {.out = out, .kernel = 3, .activation = ND_ACT_LEAKY_RELU, .slope = SLOPE};
  nd_scope_push(g, "block");
  x = nd_layer_conv(g, "0", x, l);
  x = nd_layer_conv(g, "2", x, l);
  nd_scope_pop(g);
  return x;
}

static nd_tensor up_block(nd_graph *g, nd_tensor x, nd_tensor skip, int out) {
  x = nd_layer_conv(g, "conv_up", nd_upsample_bilinear(g, x, 2), (nd_conv_layer){.out = out, .kernel = 3});
  nd_scope_push(g, "conv_block");
  x = conv_block(g, nd_concat(g, x, skip, 3), out);
  nd_scope_pop(g);
  return x;
}

static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  int depth = nd_net_int(net, "depth"), width = nd_net_int(net, "width");
  nd_tensor skips[8];
  for (int i = 0; i < depth; i++) {
    nd_scope_push(g, "down_path.%d", i);
    x = skips[i] = conv_block(g, x, width << i);
    nd_scope_pop(g);
    if (i + 1 < depth)
      x = nd_average_pool(g, x, 2);
  }
  nd_deepest_features_set(g, x);
  for (int i = depth - 2; i >= 0; i--) {
    nd_scope_push(g, "up_path.%d", depth - 2 - i);
    x = up_block(g, x, skips[i], width << i);
    nd_scope_pop(g);
  }
  return nd_layer_conv(g, "last", x, (nd_conv_layer){.out = 3, .kernel = 3});
}

static int multiple(const nd_net *net) {
  return 1 << (nd_net_int(net, "depth") - 1);
}

/* Level i reaches 2 pixels of 2^i down, 1 + 1 of the coarser grid up and 2 + 1 more. */
static int reach(const nd_net *net) {
  int depth = nd_net_int(net, "depth"), sum = 1;
  for (int i = 0; i < depth; i++)
    sum += (2 << i) + (i + 1 < depth ? (1 << i) + (3 << i) + (2 << i) : 0);
  return sum;
}

static int recognise(const nd_shapes *s, nd_net *net) {
  return nd_net_set_int(net, "width", nd_shapes_axis(s, 0, "down_path.0.block.0.weight")) ||
                 nd_net_set_int(net, "depth", nd_shapes_run(s, 0, ".block.0.weight", "down_path."))
             ? -1
             : 0;
}

const nd_network nd_unet = {
    .name = "unet",
    .role = ND_RESTORATION,
    .settings = {{"width", ND_SETTING_INT, "64", 1, 512,
                  "channels of the first level; each level has twice as many"},
                 {"depth", ND_SETTING_INT, "4", 1, 8, "levels"}},
    .restore = restore,
    .multiple = multiple,
    .reach = reach,
    .landmarks = {"down_path.0.block.0.weight"},
    .recognise = recognise,
};
