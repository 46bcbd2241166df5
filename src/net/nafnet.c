/* NAFNet (Chen et al. 2022, "Simple Baselines for Image Restoration"): a U-shaped network of blocks without
 * activation functions, whose gates multiply two halves of the channels; strided convolutions down, pixel
 * shuffle up, skip connections added; the width doubles with each level. It returns the residual: the
 * published network's last step adds the input. */
#include "net/net-private.h"

#include <glib.h>

static const nd_layer_norm_settings NORM = {.epsilon = 1e-6f};

/* A learnt factor for each channel, 0 at first: a block begins as the identity. */
static nd_tensor scaled(nd_graph *g, const char *name, nd_tensor x) {
  int c = nd_dims(g, x)[3];
  nd_tensor factor = nd_parameter(g, name, ND_INIT_ZERO, 4, (int[]){1, c, 1, 1});
  return nd_mul(g, x, nd_reshape(g, factor, 1, 1, 1, c));
}

static nd_tensor pointwise(nd_graph *g, const char *name, nd_tensor x, int out) {
  return nd_layer_conv(g, name, x, (nd_conv_layer){.out = out, .kernel = 1});
}

/* Simplified channel attention: each channel times a linear function of all channels' means, over the whole
 * picture (window 0) or locally. */
static nd_tensor channel_attention(nd_graph *g, nd_tensor x, int window) {
  int n = nd_dims(g, x)[0], c = nd_dims(g, x)[3];
  nd_tensor mean = window ? nd_local_mean(g, x, window) : nd_mean_to(g, x, (int[]){n, 1, 1, c});
  return nd_mul(g, x, pointwise(g, "sca.1", mean, c));
}

static nd_tensor block(nd_graph *g, nd_tensor x, int window) {
  int c = nd_dims(g, x)[3];
  nd_tensor h = pointwise(g, "conv1", nd_layer_layer_norm(g, "norm1", x, NORM), 2 * c);
  h = nd_layer_conv(g, "conv2", h, (nd_conv_layer){.out = 2 * c, .kernel = 3, .groups = 2 * c});
  h = pointwise(g, "conv3", channel_attention(g, nd_gate(g, h, ND_ACT_NONE), window), c);
  x = nd_add(g, x, scaled(g, "beta", h));
  h = nd_gate(g, pointwise(g, "conv4", nd_layer_layer_norm(g, "norm2", x, NORM), 2 * c), ND_ACT_NONE);
  return nd_add(g, x, scaled(g, "gamma", pointwise(g, "conv5", h, c)));
}

static nd_tensor blocks(nd_graph *g, int count, nd_tensor x, int window) {
  for (int i = 0; i < count; i++) {
    nd_scope_push(g, "%d", i);
    x = block(g, x, window);
    nd_scope_pop(g);
  }
  return x;
}

static nd_tensor down(nd_graph *g, int i, nd_tensor x) {
  g_autofree char *name = g_strdup_printf("downs.%d", i);
  return nd_layer_conv(g, name, x, (nd_conv_layer){.out = 2 * nd_dims(g, x)[3], .kernel = 2, .stride = 2});
}

static nd_tensor up(nd_graph *g, int i, nd_tensor x) {
  g_autofree char *name = g_strdup_printf("ups.%d.0", i);
  nd_conv_layer l = {.out = 2 * nd_dims(g, x)[3], .kernel = 1, .no_bias = true};
  return nd_pixel_shuffle(g, nd_layer_conv(g, name, x, l), 2);
}

/* On the grid of a level: at least a pixel. */
static int window_at(int local, int level) {
  return local ? MAX(local >> level, 1) : 0;
}

static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  int encoders[ND_MAX_LIST], decoders[ND_MAX_LIST], levels = nd_net_list(net, "encoder_blocks", encoders);
  nd_net_list(net, "decoder_blocks", decoders);
  nd_tensor skips[ND_MAX_LIST];
  int local = nd_net_int(net, "local");
  x = nd_layer_conv(g, "intro", x, (nd_conv_layer){.out = nd_net_int(net, "width"), .kernel = 3});
  for (int i = 0; i < levels; i++) {
    nd_scope_push(g, "encoders.%d", i);
    skips[i] = blocks(g, encoders[i], x, window_at(local, i));
    nd_scope_pop(g);
    x = down(g, i, skips[i]);
  }
  nd_scope_push(g, "middle_blks");
  x = blocks(g, nd_net_int(net, "middle_blocks"), x, window_at(local, levels));
  nd_scope_pop(g);
  nd_deepest_features_set(g, x);
  for (int i = 0; i < levels; i++) {
    x = nd_add(g, up(g, i, x), skips[levels - 1 - i]);
    nd_scope_push(g, "decoders.%d", i);
    x = blocks(g, decoders[i], x, window_at(local, levels - 1 - i));
    nd_scope_pop(g);
  }
  return nd_layer_conv(g, "ending", x, (nd_conv_layer){.out = 3, .kernel = 3});
}

static int multiple(const nd_net *net) {
  int list[ND_MAX_LIST];
  return 1 << nd_net_list(net, "encoder_blocks", list);
}

static int check(const nd_net *net) {
  int list[ND_MAX_LIST], encoders = nd_net_list(net, "encoder_blocks", list),
                         decoders = nd_net_list(net, "decoder_blocks", list);
  if (encoders != decoders)
    return nd_fail("nafnet: encoder_blocks has %d levels and decoder_blocks %d; they must be as many",
                   encoders, decoders);
  return 0;
}

static int recognise(const nd_shapes *s, nd_net *net) {
  int levels = nd_shapes_run(s, 0, ".weight", "downs."), encoders[ND_MAX_LIST], decoders[ND_MAX_LIST];
  for (int i = 0; i < MIN(levels, ND_MAX_LIST); i++) {
    encoders[i] = nd_shapes_run(s, 0, ".conv1.weight", "encoders.%d.", i);
    decoders[i] = nd_shapes_run(s, 0, ".conv1.weight", "decoders.%d.", i);
  }
  if (levels > ND_MAX_LIST)
    return nd_fail("%d levels, more than %d", levels, ND_MAX_LIST);
  return nd_net_set_int(net, "width", nd_shapes_axis(s, 0, "intro.weight")) ||
                 nd_net_set_int(net, "middle_blocks", nd_shapes_run(s, 0, ".conv1.weight", "middle_blks.")) ||
                 nd_net_set_list(net, "encoder_blocks", encoders, levels) ||
                 nd_net_set_list(net, "decoder_blocks", decoders, levels)
             ? -1
             : 0;
}

/* Channel attention averages over the whole picture, or over so much of it that the reach of all blocks
 * together is beyond most pictures: no reach. */
const nd_network nd_nafnet = {
    .name = "nafnet",
    .role = ND_RESTORATION,
    .settings =
        {{"width", ND_SETTING_INT, "32", 1, 512, "channels of the first level; each level has twice as many"},
         {"middle_blocks", ND_SETTING_INT, "12", 0, 64, "blocks at the coarsest level"},
         {"encoder_blocks", ND_SETTING_LIST, "2,2,4,8", 0, 64, "blocks of each level on the way down"},
         {"decoder_blocks", ND_SETTING_LIST, "2,2,2,2", 0, 64,
          "blocks of each level on the way up, from the coarsest"},
         {"local", ND_SETTING_INT, "0", 0, 65536,
          "channel attention by means over a square of so many pixels around each (published: 1.5 times the "
          "training patches'); 0: over the picture"}},
    .restore = restore,
    .multiple = multiple,
    .check = check,
    .landmarks = {"intro.weight"},
    .recognise = recognise,
    .unseen = {"local"},
};
