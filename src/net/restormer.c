/* Restormer (Zamir et al. 2022): an encoder and a decoder of transformer blocks that attend between channels,
 * pixel unshuffling down and pixel shuffling up, and refinement at full size. The published network ends by
 * adding its input; here the residual is the result, and whoever calls adds it. */
#include "net/net-private.h"

#include <glib.h>

static const float EPSILON = 1e-5f;

typedef struct builder {
  nd_graph *g;
  double expansion;
  bool bias, norm_bias;
} builder;

static nd_tensor conv(const builder *b, const char *name, nd_tensor x, int out, int kernel) {
  return nd_layer_conv(b->g, name, x, (nd_conv_layer){.out = out, .kernel = kernel, .no_bias = !b->bias});
}

/* A convolution between pixels of the same channel. */
static nd_tensor depthwise(const builder *b, const char *name, nd_tensor x) {
  int c = nd_dims(b->g, x)[3];
  return nd_layer_conv(b->g, name, x,
                       (nd_conv_layer){.out = c, .kernel = 3, .groups = c, .no_bias = !b->bias});
}

static nd_tensor attention(const builder *b, nd_tensor x, int heads) {
  nd_graph *g = b->g;
  int c = nd_dims(g, x)[3];
  nd_tensor temperature = nd_parameter(g, "temperature", ND_INIT_ONE, 3, (int[]){heads, 1, 1});
  nd_tensor qkv = depthwise(b, "qkv_dwconv", conv(b, "qkv", x, 3 * c, 1));
  return conv(b, "project_out", nd_channel_attention(g, qkv, temperature), c, 1);
}

/* Half of the channels, through GELU, gates the other half. */
static nd_tensor feed_forward(const builder *b, nd_tensor x) {
  nd_graph *g = b->g;
  int c = nd_dims(g, x)[3], hidden = (int)(c * b->expansion);
  nd_tensor both = depthwise(b, "dwconv", conv(b, "project_in", x, 2 * hidden, 1));
  return conv(b, "project_out", nd_gate(g, both, ND_ACT_GELU), c, 1);
}

static nd_tensor normalised(const builder *b, const char *name, nd_tensor x) {
  return nd_layer_layer_norm(b->g, name, x, (nd_layer_norm_settings){EPSILON, !b->norm_bias});
}

static nd_tensor block(const builder *b, nd_tensor x, int heads) {
  nd_graph *g = b->g;
  nd_tensor n = normalised(b, "norm1.body", x);
  nd_scope_push(g, "attn");
  x = nd_add(g, x, attention(b, n, heads));
  nd_scope_pop(g);
  n = normalised(b, "norm2.body", x);
  nd_scope_push(g, "ffn");
  x = nd_add(g, x, feed_forward(b, n));
  nd_scope_pop(g);
  return x;
}

static nd_tensor stage(const builder *b, const char *name, nd_tensor x, int blocks, int heads) {
  for (int i = 0; i < blocks; i++) {
    nd_scope_push(b->g, "%s.%d", name, i);
    x = block(b, x, heads);
    nd_scope_pop(b->g);
  }
  return x;
}

typedef struct shape {
  int width, levels, blocks[ND_MAX_LIST], heads[ND_MAX_LIST], refinement;
} shape;

static shape shape_of(const nd_net *net) {
  shape s = {.width = nd_net_int(net, "width"), .refinement = nd_net_int(net, "refinement")};
  s.levels = nd_net_list(net, "blocks", s.blocks);
  nd_net_list(net, "heads", s.heads);
  return s;
}

/* A convolution without bias, then pixels to channels (down) or channels to pixels (up). */
static nd_tensor resample(const builder *b, const char *way, int from, int to, nd_tensor x) {
  int c = nd_dims(b->g, x)[3];
  bool down = from < to;
  nd_scope_push(b->g, "%s%d_%d.body", way, from, to);
  nd_conv_layer l = {.out = down ? c / 2 : 2 * c, .kernel = 3, .no_bias = true};
  x = nd_layer_conv(b->g, "0", x, l);
  nd_scope_pop(b->g);
  return down ? nd_pixel_unshuffle(b->g, x, 2) : nd_pixel_shuffle(b->g, x, 2);
}

static nd_tensor encode(const builder *b, const shape *s, nd_tensor x, nd_tensor *skips) {
  for (int i = 0; i + 1 < s->levels; i++) {
    g_autofree char *name = g_strdup_printf("encoder_level%d", i + 1);
    skips[i] = stage(b, name, x, s->blocks[i], s->heads[i]);
    x = resample(b, "down", i + 1, i + 2, skips[i]);
  }
  return stage(b, "latent", x, s->blocks[s->levels - 1], s->heads[s->levels - 1]);
}

/* The finest level keeps both halves of what is joined: twice the width. */
static nd_tensor decode(const builder *b, const shape *s, nd_tensor x, const nd_tensor *skips) {
  for (int i = s->levels - 2; i >= 0; i--) {
    g_autofree char *name = g_strdup_printf("decoder_level%d", i + 1);
    g_autofree char *reduce = g_strdup_printf("reduce_chan_level%d", i + 1);
    x = nd_concat(b->g, resample(b, "up", i + 2, i + 1, x), skips[i], 3);
    if (i > 0)
      x = conv(b, reduce, x, s->width << i, 1);
    x = stage(b, name, x, s->blocks[i], s->heads[i]);
  }
  return stage(b, "refinement", x, s->refinement, s->heads[0]);
}

/* Of two views of a dual-pixel sensor (net.h) the result is the picture itself. */
static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  shape s = shape_of(net);
  builder b = {g, nd_net_real(net, "expansion"), nd_net_int(net, "bias"), nd_net_int(net, "norm_bias")};
  nd_tensor skips[ND_MAX_LIST];
  int dual = nd_net_int(net, "dual_pixel"), channels = dual ? 3 : nd_dims(g, x)[3];
  nd_tensor first =
      nd_layer_conv(g, "patch_embed.proj", x, (nd_conv_layer){.out = s.width, .kernel = 3, .no_bias = true});
  x = encode(&b, &s, first, skips);
  nd_deepest_features_set(g, x);
  x = decode(&b, &s, x, skips);
  if (dual)
    x = nd_add(g, x, conv(&b, "skip_conv", first, 2 * s.width, 1));
  return conv(&b, "output", x, channels, 3);
}

static int multiple(const nd_net *net) {
  int levels = shape_of(net).levels;
  return levels > 1 ? 1 << (levels - 1) : 1;
}

static int check(const nd_net *net) {
  shape s = shape_of(net);
  int heads[ND_MAX_LIST], n = nd_net_list(net, "heads", heads);
  if (nd_net_int(net, "grey") && nd_net_int(net, "dual_pixel"))
    return nd_fail("restormer: it is either grey or dual_pixel");
  if (s.levels < 2 || n != s.levels)
    return nd_fail(
        "restormer: blocks has %d numbers and heads has %d; each needs one a level, for two levels or "
        "more",
        s.levels, n);
  for (int i = 0; i < n; i++)
    if (s.width % 2 || (s.width << i) % heads[i])
      return nd_fail("restormer: width %d is odd, or the %d channels of level %d do not split into %d heads",
                     s.width, s.width << i, i + 1, heads[i]);
  return 0;
}

static int count_levels(const nd_shapes *s) {
  int levels = 1;
  while (levels < ND_MAX_LIST && nd_shapes_has(s, "down%d_%d.body.0.weight", levels, levels + 1))
    levels++;
  return levels;
}

static int recognise(const nd_shapes *s, nd_net *net) {
  int levels = count_levels(s), blocks[ND_MAX_LIST], heads[ND_MAX_LIST];
  nd_ratio expansion = nd_ratio_any();
  for (int i = 0; i < levels; i++) {
    g_autofree char *name = i + 1 < levels ? g_strdup_printf("encoder_level%d", i + 1) : g_strdup("latent");
    blocks[i] = nd_shapes_run(s, 0, ".attn.temperature", "%s.", name);
    heads[i] = nd_shapes_axis(s, 0, "%s.0.attn.temperature", name);
    nd_ratio_narrow(&expansion, nd_shapes_axis(s, 0, "%s.0.ffn.project_out.weight", name),
                    nd_shapes_axis(s, 1, "%s.0.ffn.project_out.weight", name));
  }
  return nd_net_set_int(net, "width", nd_shapes_axis(s, 0, "patch_embed.proj.weight")) ||
                 nd_net_set_list(net, "blocks", blocks, levels) ||
                 nd_net_set_int(net, "refinement", nd_shapes_run(s, 0, ".attn.temperature", "refinement.")) ||
                 nd_net_set_list(net, "heads", heads, levels) ||
                 nd_net_set_ratio(net, "expansion", expansion) ||
                 nd_net_set_int(net, "bias", nd_shapes_has(s, "encoder_level1.0.attn.qkv.bias")) ||
                 nd_net_set_int(net, "norm_bias", nd_shapes_has(s, "encoder_level1.0.norm1.body.bias")) ||
                 nd_net_set_int(net, "grey", nd_shapes_axis(s, 1, "patch_embed.proj.weight") == 1) ||
                 nd_net_set_int(net, "dual_pixel", nd_shapes_has(s, "skip_conv.weight"))
             ? -1
             : 0;
}

const nd_network nd_restormer = {
    .name = "restormer",
    .role = ND_RESTORATION,
    .settings = {{"width", ND_SETTING_INT, "48", 2, 512,
                  "channels of the first level; each level has twice as many"},
                 {"blocks", ND_SETTING_LIST, "4,6,6,8", 1, 64, "transformer blocks of each level"},
                 {"refinement", ND_SETTING_INT, "4", 0, 64, "further blocks after the decoder"},
                 {"heads", ND_SETTING_LIST, "1,2,4,8", 1, 512, "heads of attention of each level"},
                 {"expansion", ND_SETTING_REAL, "2.66", 1, 16,
                  "hidden channels of the feed-forward layers, as a multiple of the level's"},
                 {"bias", ND_SETTING_INT, "0", 0, 1,
                  "1: convolutions have a bias, but for the first and those that resample"},
                 {"norm_bias", ND_SETTING_INT, "0", 0, 1,
                  "1: layer normalisation with mean and bias; 0: by the deviation alone"},
                 ND_GREY_SETTING,
                 {"dual_pixel", ND_SETTING_INT, "0", 0, 1,
                  "1: of the two views of a dual-pixel sensor, for defocus deblurring"}},
    .restore = restore,
    .multiple = multiple,
    .check = check,
    .landmarks = {"encoder_level1.0.attn.temperature"},
    .recognise = recognise,
};
