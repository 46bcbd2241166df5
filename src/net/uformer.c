/* Uformer (Wang et al. 2022): a U-Net of shifted-window transformer blocks with a depth-wise convolution in
 * their feed-forward layers. It returns the residual. The release samples up by bilinear interpolation and a
 * convolution, the published T, S and B by transposed convolutions, and these have modulators. */
#include "net/net-private.h"

#include <glib.h>

static const float EPSILON = 1e-5f, SLOPE = 0.01f;

typedef struct uformer {
  int width, levels, window, image_size;
  int depths[ND_MAX_LIST], heads[ND_MAX_LIST]; /* encoder, bottleneck, decoder */
  int stages;
  double mlp_ratio;
  bool modulators, transposed_up, shift;
} uformer;

static uformer uformer_of(const nd_net *net) {
  uformer u = {.width = nd_net_int(net, "width"),
               .window = nd_net_int(net, "window"),
               .image_size = nd_net_int(net, "image_size"),
               .mlp_ratio = nd_net_real(net, "mlp_ratio"),
               .modulators = nd_net_int(net, "modulators"),
               .transposed_up = nd_net_int(net, "transposed_up"),
               .shift = nd_net_int(net, "shift")};
  u.stages = nd_net_list(net, "depths", u.depths);
  u.levels = u.stages / 2;
  nd_net_list(net, "heads", u.heads);
  return u;
}

/* A level at which pictures of the training size are no larger than a window has one window, never shifted.
 */
static nd_window_attention_settings windows_of(const uformer *u, int level, int block, int heads) {
  int size = u->image_size >> level;
  bool shifts = u->shift && size > u->window;
  return (nd_window_attention_settings){MIN(u->window, size), shifts ? nd_window_shift(block, u->window) : 0,
                                        heads};
}

static int level_of(const uformer *u, int stage) {
  return stage <= u->levels ? stage : 2 * u->levels - stage;
}

/* ---- A block ---- */

/* The square [side][side][c] turned so that it begins at (shift, shift) of a picture. */
static nd_tensor turned(nd_graph *g, nd_tensor x, int side, int shift, int c) {
  x = nd_reshape(g, x, side, 1, 1, side * c);
  if (!shift)
    return x;
  int rest = side - shift;
  x = nd_concat(g, nd_slice(g, x, 0, rest, shift), nd_slice(g, x, 0, 0, rest), 0);
  return nd_concat(g, nd_slice(g, x, 3, rest * c, shift * c), nd_slice(g, x, 3, 0, rest * c), 3);
}

/* Adds one learned vector for each place in a window. */
static nd_tensor modulated(nd_graph *g, nd_tensor x, nd_window_attention_settings s) {
  const int *d = nd_dims(g, x);
  int n = d[0], h = d[1], w = d[2], c = d[3], side = s.window;
  nd_tensor m = nd_parameter(g, "modulator.weight", ND_INIT_NORMAL, 2, (int[]){side * side, c});
  m = nd_reshape(g, turned(g, m, side, s.shift, c), 1, side, 1, side * c);
  x = nd_add(g, nd_reshape(g, x, n * (h / side), side, w / side, side * c), m);
  return nd_reshape(g, x, n, h, w, c);
}

static nd_tensor attention(nd_graph *g, nd_tensor x, nd_window_attention_settings s) {
  int c = nd_dims(g, x)[3];
  nd_scope_push(g, "attn");
  nd_tensor bias = nd_layer_position_bias(g, s);
  nd_tensor q = nd_layer_linear(g, "qkv.to_q", x, c), kv = nd_layer_linear(g, "qkv.to_kv", x, 2 * c);
  x = nd_layer_linear(g, "proj", nd_window_attention(g, q, kv, bias, s), c);
  nd_scope_pop(g);
  return x;
}

static nd_tensor feed_forward(nd_graph *g, nd_tensor x, int hidden) {
  int c = nd_dims(g, x)[3];
  nd_scope_push(g, "mlp");
  x = nd_activate(g, nd_layer_linear(g, "linear1.0", x, hidden), ND_ACT_GELU, 0);
  x = nd_layer_conv(g, "dwconv.0", x, (nd_conv_layer){.out = hidden, .kernel = 3, .groups = hidden});
  x = nd_layer_linear(g, "linear2.0", nd_activate(g, x, ND_ACT_GELU, 0), c);
  nd_scope_pop(g);
  return x;
}

static nd_tensor norm(nd_graph *g, const char *name, nd_tensor x) {
  return nd_layer_layer_norm(g, name, x, (nd_layer_norm_settings){.epsilon = EPSILON});
}

static nd_tensor stage(nd_graph *g, const uformer *u, nd_tensor x, int number) {
  bool modulates = u->modulators && number > u->levels;
  for (int i = 0; i < u->depths[number]; i++) {
    nd_window_attention_settings s = windows_of(u, level_of(u, number), i, u->heads[number]);
    nd_scope_push(g, "blocks.%d", i);
    nd_tensor y = norm(g, "norm1", x);
    x = nd_add(g, x, attention(g, modulates ? modulated(g, y, s) : y, s));
    x = nd_add(g, x, feed_forward(g, norm(g, "norm2", x), (int)(nd_dims(g, x)[3] * u->mlp_ratio)));
    nd_scope_pop(g);
  }
  return x;
}

/* ---- The U ---- */

static nd_tensor encoder(nd_graph *g, const uformer *u, nd_tensor x, nd_tensor *skips) {
  for (int i = 0; i < u->levels; i++) {
    nd_scope_push(g, "encoderlayer_%d", i);
    x = skips[i] = stage(g, u, x, i);
    nd_scope_pop(g);
    nd_scope_push(g, "dowsample_%d", i); /* so spelled in the files */
    x = nd_layer_conv(g, "conv.0", x, (nd_conv_layer){.out = u->width << (i + 1), .kernel = 4, .stride = 2});
    nd_scope_pop(g);
  }
  nd_scope_push(g, "conv");
  x = stage(g, u, x, u->levels);
  nd_scope_pop(g);
  return x;
}

static nd_tensor upsample(nd_graph *g, const uformer *u, nd_tensor x, int out) {
  if (!u->transposed_up)
    return nd_layer_conv(g, "deconv.1", nd_upsample_bilinear_centred(g, x, 2),
                         (nd_conv_layer){.out = out, .kernel = 3});
  nd_scope_push(g, "deconv.0");
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, (int[]){nd_dims(g, x)[3], out, 2, 2});
  nd_tensor b = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &out);
  nd_scope_pop(g);
  return nd_conv_transpose2d(g, x, w, b, (nd_conv2d_settings){.stride = 2});
}

static nd_tensor decoder(nd_graph *g, const uformer *u, nd_tensor x, const nd_tensor *skips) {
  for (int i = 0; i < u->levels; i++) {
    int level = u->levels - 1 - i;
    nd_scope_push(g, "upsample_%d", i);
    x = nd_concat(g, upsample(g, u, x, u->width << level), skips[level], 3);
    nd_scope_pop(g);
    nd_scope_push(g, "decoderlayer_%d", i);
    x = stage(g, u, x, u->levels + 1 + i);
    nd_scope_pop(g);
  }
  return x;
}

static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  uformer u = uformer_of(net);
  nd_tensor skips[ND_MAX_LIST];
  nd_conv_layer first = {.out = u.width, .kernel = 3, .activation = ND_ACT_LEAKY_RELU, .slope = SLOPE};
  x = encoder(g, &u, nd_layer_conv(g, "input_proj.proj.0", x, first), skips);
  return nd_layer_conv(g, "output_proj.proj.0", decoder(g, &u, x, skips),
                       (nd_conv_layer){.out = 3, .kernel = 3});
}

/* ---- Sizes ---- */

static int common_multiple(int a, int b) {
  int x = a, y = b;
  while (y) {
    int rest = x % y;
    x = y;
    y = rest;
  }
  return a / x * b;
}

static int multiple(const nd_net *net) {
  uformer u = uformer_of(net);
  int all = 1;
  for (int level = 0; level <= u.levels; level++)
    all = common_multiple(all, windows_of(&u, level, 0, 1).window << level);
  return all;
}

static nd_span spread_stage(const uformer *u, nd_span s, int number) {
  for (int i = 0; i < u->depths[number]; i++) {
    nd_window_attention_settings w = windows_of(u, level_of(u, number), i, 1);
    s = nd_span_grow(nd_span_window(s, w.window, w.shift), 1);
  }
  return s;
}

/* Output o of the convolution down sees 2o - 1 to 2o + 2. */
static nd_span spread_down(nd_span s) {
  return (nd_span){(s.low - 1) >> 1, (s.high + 1) >> 1};
}

static nd_span spread_up(nd_span s, bool transposed) {
  return transposed ? (nd_span){2 * s.low, 2 * s.high + 1} : (nd_span){2 * s.low - 2, 2 * s.high + 3};
}

static nd_span spread(const uformer *u, nd_span s) {
  nd_span skips[ND_MAX_LIST];
  s = nd_span_grow(s, 1);
  for (int i = 0; i < u->levels; i++) {
    skips[i] = spread_stage(u, s, i);
    s = spread_down(skips[i]);
  }
  s = spread_stage(u, s, u->levels);
  for (int i = 0; i < u->levels; i++) {
    nd_span skip = skips[u->levels - 1 - i];
    s = spread_up(s, u->transposed_up);
    s = (nd_span){MIN(s.low, skip.low), MAX(s.high, skip.high)};
    s = spread_stage(u, s, u->levels + 1 + i);
  }
  return nd_span_grow(s, 1);
}

static int reach(const nd_net *net) {
  uformer u = uformer_of(net);
  int farthest = 0, period = multiple(net);
  for (int at = 0; at < period; at++)
    farthest = MAX(farthest, nd_span_reach(spread(&u, (nd_span){at, at}), at));
  return farthest;
}

static int channels_of(const uformer *u, int stage_number) {
  return u->width << (level_of(u, stage_number) + (stage_number > u->levels));
}

static int check(const nd_net *net) {
  uformer u = uformer_of(net);
  int heads[ND_MAX_LIST], listed = nd_net_list(net, "heads", heads);
  if (u.stages % 2 == 0 || u.stages != listed)
    return nd_fail("uformer: depths has %d numbers and heads %d; give as many of both, an odd number: the "
                   "encoder's levels, the bottleneck, the decoder's levels",
                   u.stages, listed);
  if (!(u.image_size >> u.levels))
    return nd_fail("uformer: pictures of %d pixels are smaller than a pixel of the bottleneck", u.image_size);
  for (int i = 0; i < u.stages; i++)
    if (channels_of(&u, i) % u.heads[i])
      return nd_fail("uformer: %d channels do not split into %d heads", channels_of(&u, i), u.heads[i]);
  if (u.modulators && u.levels && u.image_size >> (u.levels - 1) < u.window)
    return nd_fail("uformer: windows of %d pixels are larger than pictures of %d at the decoder's coarsest "
                   "level, which modulators do not allow",
                   u.window, u.image_size);
  return 0;
}

static char *stage_name(int number, int levels) {
  if (number == levels)
    return g_strdup("conv");
  return number < levels ? g_strdup_printf("encoderlayer_%d", number)
                         : g_strdup_printf("decoderlayer_%d", number - levels - 1);
}

/* It shows where the picture is smaller than a window. */
static int recognise_image_size(const nd_shapes *s, nd_net *net, int window, int levels) {
  for (int level = 1; level <= levels; level++) {
    g_autofree char *name = stage_name(level, levels), *block = g_strconcat(name, ".blocks.0", NULL);
    int side = nd_shapes_window(s, block);
    if (side > 0 && side < window)
      return nd_net_set_int(net, "image_size", side << level);
  }
  return 0;
}

static int recognise(const nd_shapes *s, nd_net *net) {
  int levels = nd_shapes_run(s, 0, ".conv.0.weight", "dowsample_"), stages = 2 * levels + 1;
  int window = nd_shapes_window(s, "encoderlayer_0.blocks.0"), depths[ND_MAX_LIST], heads[ND_MAX_LIST];
  if (levels > (ND_MAX_LIST - 1) / 2)
    return nd_fail("%d levels, more than %d", levels, (ND_MAX_LIST - 1) / 2);
  nd_ratio mlp = nd_ratio_any();
  for (int i = 0; i < stages; i++) {
    g_autofree char *name = stage_name(i, levels);
    depths[i] = nd_shapes_run(s, 0, ".norm1.weight", "%s.blocks.", name);
    heads[i] = nd_shapes_axis(s, 1, "%s.blocks.0.attn.relative_position_bias_table", name);
    nd_ratio_narrow(&mlp, nd_shapes_axis(s, 1, "%s.blocks.0.mlp.linear1.0.weight", name),
                    nd_shapes_axis(s, 0, "%s.blocks.0.mlp.linear1.0.weight", name));
  }
  return nd_net_set_int(net, "width", nd_shapes_axis(s, 0, "input_proj.proj.0.weight")) ||
                 nd_net_set_list(net, "depths", depths, stages) ||
                 nd_net_set_list(net, "heads", heads, stages) || nd_net_set_int(net, "window", window) ||
                 recognise_image_size(s, net, window, levels) || nd_net_set_ratio(net, "mlp_ratio", mlp) ||
                 nd_net_set_int(net, "modulators",
                                nd_shapes_has(s, "decoderlayer_0.blocks.0.modulator.weight")) ||
                 nd_net_set_int(net, "transposed_up", nd_shapes_has(s, "upsample_0.deconv.0.weight"))
             ? -1
             : 0;
}

const nd_network nd_uformer = {
    .name = "uformer",
    .role = ND_RESTORATION,
    .settings =
        {{"width", ND_SETTING_INT, "32", 1, 512, "channels of the first level; T has 16, S and B 32"},
         {"depths", ND_SETTING_LIST, "2,2,2,2,2,2,2,2,2", 1, 64,
          "blocks of the encoder's levels, the bottleneck and the decoder's levels; B has 1,2,8,8,2,8,8,2,1"},
         {"heads", ND_SETTING_LIST, "1,2,4,8,16,16,8,4,2", 1, 64, "attention heads of the same"},
         {"window", ND_SETTING_INT, "8", 1, 32, "side of an attention window in pixels"},
         {"mlp_ratio", ND_SETTING_REAL, "4", 0.1, 16, "hidden channels, as a multiple of a level's"},
         {"image_size", ND_SETTING_INT, "256", 1, 65536,
          "picture size it is made for: levels no larger than a window do not shift windows"},
         {"modulators", ND_SETTING_INT, "0", 0, 1, "1: learned modulators in the decoder (T, S, B)"},
         {"transposed_up", ND_SETTING_INT, "0", 0, 1,
          "up-sampling: 1 transposed convolution (T, S, B), 0 bilinear and convolution (the release)"},
         {"shift", ND_SETTING_INT, "1", 0, 1, "0: no windows are shifted (the published S without shifts)"}},
    .restore = restore,
    .multiple = multiple,
    .reach = reach,
    .check = check,
    .buffers = {"attn.relative_position_index"},
    .landmarks = {"encoderlayer_0.blocks.0.norm1.weight"},
    .recognise = recognise,
    .unseen = {"image_size", "shift"},
};
