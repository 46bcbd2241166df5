/* The U-Net of SR3 (Saharia et al. 2021) as its usual implementation has it, conditioned on the noise level
 * itself (Chen et al. 2021, WaveGrad): the embedded level is added to the channels between the two
 * convolutions of a residual block, or scales and shifts them; strided convolutions down, nearest neighbours
 * and a convolution up; attention with one head at chosen rates and in the middle. */
#include "net/net-private.h"

static const float EPSILON = 1e-5f, MAX_PERIOD = 10000;

typedef struct builder {
  nd_graph *g;
  nd_tensor embedding;
  int groups;
  float dropout;
  bool affine;
} builder;

static nd_tensor conv_block(const builder *b, const char *name, nd_tensor x, int out, float dropout) {
  nd_group_norm_settings norm = {b->groups, EPSILON, ND_ACT_SILU, dropout};
  nd_scope_push(b->g, "%s.block", name);
  x = nd_layer_group_norm(b->g, "0", x, ND_NONE, norm);
  x = nd_layer_conv(b->g, "3", x, (nd_conv_layer){.out = out, .kernel = 3});
  nd_scope_pop(b->g);
  return x;
}

/* x + e, or x (1 + e) + e' with the halves of a layer twice as wide. */
static nd_tensor tell_level(const builder *b, nd_tensor x) {
  nd_graph *g = b->g;
  int c = nd_dims(g, x)[3];
  nd_tensor e = nd_layer_linear(g, "noise_func.noise_func.0", b->embedding, b->affine ? 2 * c : c);
  if (!b->affine)
    return nd_add(g, x, e);
  nd_tensor scale = nd_affine(g, nd_slice(g, e, 3, 0, c), 1, 1), shift = nd_slice(g, e, 3, c, c);
  return nd_add(g, nd_mul(g, x, scale), shift);
}

static nd_tensor res_block(const builder *b, nd_tensor x, int out) {
  nd_tensor h = tell_level(b, conv_block(b, "block1", x, out, 0));
  h = conv_block(b, "block2", h, out, b->dropout);
  if (nd_dims(b->g, x)[3] != out)
    x = nd_layer_conv(b->g, "res_conv", x, (nd_conv_layer){.out = out, .kernel = 1});
  return nd_add(b->g, h, x);
}

static nd_tensor attention(const builder *b, nd_tensor x) {
  int c = nd_dims(b->g, x)[3];
  nd_tensor n =
      nd_layer_group_norm(b->g, "norm", x, ND_NONE, (nd_group_norm_settings){b->groups, EPSILON, 0, 0});
  nd_tensor qkv = nd_layer_conv(b->g, "qkv", n, (nd_conv_layer){.out = 3 * c, .kernel = 1, .no_bias = true});
  nd_tensor out = nd_attention(b->g, qkv, 1);
  return nd_add(b->g, nd_layer_conv(b->g, "out", out, (nd_conv_layer){.out = c, .kernel = 1}), x);
}

/* One entry of downs, mid or ups. */
static nd_tensor block(const builder *b, const char *list, int index, nd_tensor x, int out, bool attends) {
  nd_scope_push(b->g, "%s.%d.res_block", list, index);
  x = res_block(b, x, out);
  nd_scope_pop(b->g);
  if (!attends)
    return x;
  nd_scope_push(b->g, "%s.%d.attn", list, index);
  x = attention(b, x);
  nd_scope_pop(b->g);
  return x;
}

static nd_tensor resample(const builder *b, const char *list, int index, nd_tensor x, int stride) {
  nd_scope_push(b->g, "%s.%d", list, index);
  x = nd_layer_conv(b->g, "conv", x,
                    (nd_conv_layer){.out = nd_dims(b->g, x)[3], .kernel = 3, .stride = stride});
  nd_scope_pop(b->g);
  return x;
}

static nd_tensor down_path(const builder *b, const nd_diffusion_shape *s, nd_tensor x, nd_skips *kept) {
  x = kept->t[kept->n++] = nd_layer_conv(b->g, "downs.0", x, (nd_conv_layer){.out = s->width, .kernel = 3});
  for (int level = 0; level < s->levels; level++) {
    for (int i = 0; i < s->res_blocks; i++, kept->n++)
      x = kept->t[kept->n] =
          block(b, "downs", kept->n, x, s->width * s->multipliers[level], nd_diffusion_attends(s, level));
    if (level + 1 == s->levels)
      continue;
    x = kept->t[kept->n] = resample(b, "downs", kept->n, x, 2);
    kept->n++;
  }
  return x;
}

static nd_tensor up_path(const builder *b, const nd_diffusion_shape *s, nd_tensor x, nd_skips *kept) {
  int index = 0;
  for (int level = s->levels - 1; level >= 0; level--) {
    for (int i = 0; i <= s->res_blocks; i++)
      x = block(b, "ups", index++, nd_concat(b->g, x, kept->t[--kept->n], 3),
                s->width * s->multipliers[level], nd_diffusion_attends(s, level));
    if (level)
      x = resample(b, "ups", index++, nd_upsample_nearest(b->g, x, 2), 1);
  }
  return x;
}

/* Sines before cosines: the other way round than nd_sinusoidal_embedding. */
static nd_tensor embed(nd_graph *g, nd_tensor level, int width) {
  nd_tensor e = nd_sinusoidal_embedding(g, level, width, MAX_PERIOD);
  e = nd_concat(g, nd_slice(g, e, 3, width / 2, width / 2), nd_slice(g, e, 3, 0, width / 2), 3);
  e = nd_activate(g, nd_layer_linear(g, "noise_level_mlp.1", e, 4 * width), ND_ACT_SILU, 0);
  return nd_layer_linear(g, "noise_level_mlp.3", e, width);
}

static nd_tensor predict_noise(nd_graph *g, const nd_net *net, nd_tensor x, nd_tensor level) {
  nd_diffusion_shape s = nd_diffusion_shape_of(net);
  builder b = {g, embed(g, level, s.width), nd_net_int(net, "norm_groups"),
               (float)nd_net_real(net, "dropout"), nd_net_int(net, "affine")};
  nd_skips kept = {.n = 0};
  x = down_path(&b, &s, x, &kept);
  int middle = s.width * s.multipliers[s.levels - 1];
  x = block(&b, "mid", 0, x, middle, true);
  x = block(&b, "mid", 1, x, middle, false);
  x = up_path(&b, &s, x, &kept);
  return conv_block(&b, "final_conv", x, 3, 0);
}

static int recognise(const nd_shapes *s, nd_net *net) {
  nd_diffusion_shape d = {.width = nd_shapes_axis(s, 1, "noise_level_mlp.1.weight"), .levels = 1};
  int attended = -1, blocks = 0;
  if (d.width < 1)
    return nd_fail("its noise level has no width");
  for (int i = 1;; i++) {
    int out = nd_shapes_axis(s, 0, "downs.%d.res_block.block1.block.3.weight", i);
    bool down = nd_shapes_has(s, "downs.%d.conv.weight", i);
    if (!out && !down)
      break;
    if (down && ++d.levels > ND_MAX_LIST)
      return nd_fail("more than %d levels", ND_MAX_LIST);
    if (down)
      continue;
    int level = d.levels - 1;
    blocks++;
    d.multipliers[level] = out / d.width;
    if (nd_shapes_has(s, "downs.%d.attn.qkv.weight", i) && attended != level)
      d.attention[d.n_attention++] = 1 << (attended = level);
  }
  d.res_blocks = blocks / d.levels;
  int told = nd_shapes_axis(s, 0, "downs.1.res_block.noise_func.noise_func.0.weight"),
      out = nd_shapes_axis(s, 0, "downs.1.res_block.block1.block.3.weight");
  return nd_diffusion_set_shape(net, &d) || nd_net_set_int(net, "affine", told > out) ? -1 : 0;
}

const nd_network nd_sr3 = {
    .name = "sr3",
    .role = ND_DIFFUSION,
    .settings = {ND_DIFFUSION_SHAPE_SETTINGS("8"),
                 {"dropout", ND_SETTING_REAL, "0.2", 0, 0.99, "probability, in every residual block"},
                 {"norm_groups", ND_SETTING_INT, "32", 1, 256, "groups of the normalisation"},
                 {"affine", ND_SETTING_INT, "0", 0, 1,
                  "1: the noise level scales and shifts the channels; 0: it is added to them"}},
    .predict_noise = predict_noise,
    .multiple = nd_diffusion_multiple,
    .check = nd_diffusion_check,
    .landmarks = {"noise_level_mlp.1.weight"},
    .recognise = recognise,
    .unseen = {"dropout", "norm_groups"},
};
