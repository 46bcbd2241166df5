/* SwinIR (Liang et al. 2021) for denoising: a convolution, groups of shifted-window transformer blocks
 * (Liu et al. 2021) that each end in a convolution, a convolution back. It returns the residual. */
#include "net/net-private.h"

#include <glib.h>

static const float EPSILON = 1e-5f;
/* The published code takes the mean of its training pictures from colour pictures. */
static const float MINUS_MEAN[3] = {-0.4488f, -0.4371f, -0.4040f};

static nd_tensor norm(nd_graph *g, const char *name, nd_tensor x) {
  return nd_layer_layer_norm(g, name, x, (nd_layer_norm_settings){.epsilon = EPSILON});
}

static nd_tensor attention(nd_graph *g, nd_tensor x, nd_window_attention_settings s) {
  int c = nd_dims(g, x)[3];
  nd_scope_push(g, "attn");
  nd_tensor bias = nd_layer_position_bias(g, s), qkv = nd_layer_linear(g, "qkv", x, 3 * c);
  x = nd_layer_linear(g, "proj", nd_window_attention(g, qkv, ND_NONE, bias, s), c);
  nd_scope_pop(g);
  return x;
}

static nd_tensor feed_forward(nd_graph *g, nd_tensor x, int hidden) {
  int c = nd_dims(g, x)[3];
  nd_scope_push(g, "mlp");
  x = nd_activate(g, nd_layer_linear(g, "fc1", x, hidden), ND_ACT_GELU, 0);
  x = nd_layer_linear(g, "fc2", x, c);
  nd_scope_pop(g);
  return x;
}

static nd_tensor block(nd_graph *g, nd_tensor x, nd_window_attention_settings s, int hidden) {
  x = nd_add(g, x, attention(g, norm(g, "norm1", x), s));
  return nd_add(g, x, feed_forward(g, norm(g, "norm2", x), hidden));
}

static nd_tensor group(nd_graph *g, const nd_net *net, nd_tensor x, int depth, int heads) {
  int c = nd_dims(g, x)[3], window = nd_net_int(net, "window");
  nd_tensor y = x;
  for (int i = 0; i < depth; i++) {
    nd_window_attention_settings s = {window, nd_window_shift(i, window), heads};
    nd_scope_push(g, "residual_group.blocks.%d", i);
    y = block(g, y, s, (int)(c * nd_net_real(net, "mlp_ratio")));
    nd_scope_pop(g);
  }
  return nd_add(g, nd_layer_conv(g, "conv", y, (nd_conv_layer){.out = c, .kernel = 3}), x);
}

/* Deep features of the shallow ones. */
static nd_tensor body(nd_graph *g, const nd_net *net, nd_tensor x) {
  int depths[ND_MAX_LIST], heads[ND_MAX_LIST], groups = nd_net_list(net, "depths", depths);
  nd_net_list(net, "heads", heads);
  x = norm(g, "patch_embed.norm", x);
  for (int i = 0; i < groups; i++) {
    nd_scope_push(g, "layers.%d", i);
    x = group(g, net, x, depths[i], heads[i]);
    nd_scope_pop(g);
  }
  return norm(g, "norm", x);
}

static nd_tensor in_range(nd_graph *g, nd_tensor x, float range) {
  return range == 1 ? x : nd_affine(g, x, range, 0);
}

static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  nd_conv_layer keep = {.out = nd_net_int(net, "width"), .kernel = 3};
  int channels = nd_dims(g, x)[3];
  float range = (float)nd_net_real(net, "range");
  if (channels == 3)
    x = nd_add(g, x, nd_constant(g, 3, MINUS_MEAN));
  x = nd_layer_conv(g, "conv_first", in_range(g, x, range), keep);
  x = nd_add(g, nd_layer_conv(g, "conv_after_body", body(g, net, x), keep), x);
  x = nd_layer_conv(g, "conv_last", x, (nd_conv_layer){.out = channels, .kernel = 3});
  return in_range(g, x, 1 / range);
}

static int multiple(const nd_net *net) {
  return nd_net_int(net, "window");
}

static nd_span spread(const nd_net *net, nd_span s) {
  int depths[ND_MAX_LIST], groups = nd_net_list(net, "depths", depths), window = nd_net_int(net, "window");
  s = nd_span_grow(s, 1);
  for (int k = 0; k < groups; k++) {
    for (int i = 0; i < depths[k]; i++)
      s = nd_span_window(s, window, nd_window_shift(i, window));
    s = nd_span_grow(s, 1);
  }
  return nd_span_grow(s, 2);
}

static int reach(const nd_net *net) {
  int farthest = 0;
  for (int at = 0; at < multiple(net); at++)
    farthest = MAX(farthest, nd_span_reach(spread(net, (nd_span){at, at}), at));
  return farthest;
}

static int check(const nd_net *net) {
  int depths[ND_MAX_LIST], heads[ND_MAX_LIST], width = nd_net_int(net, "width");
  int groups = nd_net_list(net, "depths", depths), listed = nd_net_list(net, "heads", heads);
  if (groups < 1 || groups != listed)
    return nd_fail("swinir: depths has %d numbers and heads %d; give one of each a group, such as 6,6,6,6",
                   groups, listed);
  for (int i = 0; i < groups; i++)
    if (width % heads[i])
      return nd_fail("swinir: %d channels do not split into %d heads", width, heads[i]);
  return 0;
}

/* Published models of windows as large are for JPEG's artefacts, whose blocks are larger by one, and take
 * pictures from 0 to 255; no shape shows that. */
enum { JPEG_WINDOW = 7 };

static int recognise(const nd_shapes *s, nd_net *net) {
  static const char first[] = "layers.0.residual_group.blocks.0";
  int groups = nd_shapes_run(s, 0, ".residual_group.blocks.0.norm1.weight", "layers.");
  int window = nd_shapes_window(s, first);
  int depths[ND_MAX_LIST], heads[ND_MAX_LIST];
  for (int i = 0; i < MIN(groups, ND_MAX_LIST); i++) {
    depths[i] = nd_shapes_run(s, 0, ".norm1.weight", "layers.%d.residual_group.blocks.", i);
    heads[i] = nd_shapes_axis(s, 1, "layers.%d.residual_group.blocks.0.attn.relative_position_bias_table", i);
  }
  nd_ratio mlp = nd_ratio_any();
  nd_ratio_narrow(&mlp, nd_shapes_axis(s, 1, "%s.mlp.fc1.weight", first),
                  nd_shapes_axis(s, 0, "%s.mlp.fc1.weight", first));
  if (groups > ND_MAX_LIST)
    return nd_fail("%d groups, more than %d", groups, ND_MAX_LIST);
  return nd_net_set_int(net, "width", nd_shapes_axis(s, 0, "conv_first.weight")) ||
                 nd_net_set_list(net, "depths", depths, groups) ||
                 nd_net_set_list(net, "heads", heads, groups) || nd_net_set_int(net, "window", window) ||
                 nd_net_set_int(net, "range", window == JPEG_WINDOW ? 255 : 1) ||
                 nd_net_set_int(net, "grey", nd_shapes_axis(s, 1, "conv_first.weight") == 1) ||
                 nd_net_set_ratio(net, "mlp_ratio", mlp)
             ? -1
             : 0;
}

const nd_network nd_swinir = {
    .name = "swinir",
    .role = ND_RESTORATION,
    .settings = {{"width", ND_SETTING_INT, "180", 1, 1024, "channels (the lightweight setting: 60)"},
                 {"depths", ND_SETTING_LIST, "6,6,6,6,6,6", 1, 64,
                  "blocks of each group (lightweight: 6,6,6,6)"},
                 {"heads", ND_SETTING_LIST, "6,6,6,6,6,6", 1, 64, "attention heads of each group"},
                 {"window", ND_SETTING_INT, "8", 1, 32, "side of an attention window in pixels"},
                 {"mlp_ratio", ND_SETTING_REAL, "2", 0.1, 16,
                  "hidden channels of the feed-forward layers, as a multiple of width"},
                 {"range", ND_SETTING_REAL, "1", 1e-3, 65535,
                  "what white is to the network (the published JPEG models: 255)"},
                 ND_GREY_SETTING},
    .restore = restore,
    .multiple = multiple,
    .reach = reach,
    .check = check,
    .buffers = {"attn.relative_position_index", "attn_mask"},
    .landmarks = {"layers.0.residual_group.blocks.0.norm1.weight"},
    .recognise = recognise,
    .unseen = {"range"},
};
