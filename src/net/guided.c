/* The U-Net of guided diffusion (Dhariwal & Nichol 2021), conditioned on the noise level itself: residual
 * blocks with scale-shift group normalisation, residual blocks that sample down and up, attention at chosen
 * rates. */
#include "net/net-private.h"

#include <glib.h>

static const float EPSILON = 1e-5f, MAX_PERIOD = 10000;

typedef struct builder {
  nd_graph *g;
  nd_tensor embedding; /* SiLU of the embedded noise level: what every block starts from */
  int groups, head_channels;
  float dropout;
} builder;

typedef enum resample { KEEP, DOWN, UP } resample;

static nd_tensor resampled(nd_graph *g, nd_tensor x, resample how) {
  return how == DOWN ? nd_average_pool(g, x, 2) : how == UP ? nd_upsample_nearest(g, x, 2) : x;
}

static nd_tensor res_block(const builder *b, nd_tensor x, int out, resample how) {
  nd_graph *g = b->g;
  int in = nd_dims(g, x)[3];
  nd_group_norm_settings norm = {b->groups, EPSILON, ND_ACT_SILU, 0}, drop = norm;
  drop.dropout = b->dropout;
  nd_tensor h = resampled(g, nd_layer_group_norm(g, "in_layers.0", x, ND_NONE, norm), how);
  h = nd_layer_conv(g, "in_layers.2", h, (nd_conv_layer){.out = out, .kernel = 3});
  nd_tensor scale_shift = nd_layer_linear(g, "emb_layers.1", b->embedding, 2 * out);
  h = nd_layer_group_norm(g, "out_layers.0", h, scale_shift, drop);
  h = nd_layer_conv(g, "out_layers.3", h, (nd_conv_layer){.out = out, .kernel = 3});
  x = resampled(g, x, how);
  if (in != out)
    x = nd_layer_conv(g, "skip_connection", x, (nd_conv_layer){.out = out, .kernel = 1});
  return nd_add(g, h, x);
}

static nd_tensor conv1d(nd_graph *g, const char *name, nd_tensor x, int out) {
  int in = nd_dims(g, x)[3];
  nd_scope_push(g, "%s", name);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 3, (int[]){out, in, 1});
  nd_tensor bias = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &out);
  nd_scope_pop(g);
  return nd_conv2d(g, x, w, bias, (nd_conv2d_settings){0});
}

static nd_tensor attention(const builder *b, nd_tensor x) {
  nd_graph *g = b->g;
  int c = nd_dims(g, x)[3];
  nd_tensor n =
      nd_layer_group_norm(g, "norm", x, ND_NONE, (nd_group_norm_settings){b->groups, EPSILON, 0, 0});
  int width = MIN(b->head_channels, c);
  if (c % width) {
    nd_fail("%d channels do not split into heads of %d", c, width);
    return nd_graph_fail(g);
  }
  nd_tensor out = nd_attention(g, conv1d(g, "qkv", n, 3 * c), c / width);
  return nd_add(g, x, conv1d(g, "proj_out", out, c));
}

static nd_tensor block(const builder *b, const char *name, nd_tensor x, int out, resample how) {
  nd_scope_push(b->g, "%s", name);
  x = res_block(b, x, out, how);
  nd_scope_pop(b->g);
  return x;
}

static nd_tensor attend(const builder *b, const char *name, nd_tensor x) {
  nd_scope_push(b->g, "%s", name);
  x = attention(b, x);
  nd_scope_pop(b->g);
  return x;
}

static nd_tensor embed(nd_graph *g, nd_tensor level, int width) {
  nd_tensor e = nd_sinusoidal_embedding(g, level, width, MAX_PERIOD);
  e = nd_activate(g, nd_layer_linear(g, "cond_embed.0", e, 4 * width), ND_ACT_SILU, 0);
  return nd_layer_linear(g, "cond_embed.2", e, 4 * width);
}

static nd_tensor down_path(const builder *b, const nd_diffusion_shape *s, nd_tensor x, nd_skips *kept) {
  nd_graph *g = b->g;
  nd_conv_layer first = {.out = s->width * s->multipliers[0], .kernel = 3};
  x = kept->t[kept->n++] = nd_layer_conv(g, "input_blocks.0.0", x, first);
  for (int level = 0; level < s->levels; level++) {
    int out = s->width * s->multipliers[level];
    for (int i = 0; i < s->res_blocks; i++) {
      nd_scope_push(g, "input_blocks.%d", kept->n);
      x = block(b, "0", x, out, KEEP);
      if (nd_diffusion_attends(s, level))
        x = attend(b, "1", x);
      nd_scope_pop(g);
      kept->t[kept->n++] = x;
    }
    if (level + 1 == s->levels)
      continue;
    nd_scope_push(g, "input_blocks.%d", kept->n);
    x = block(b, "0", x, out, DOWN);
    nd_scope_pop(g);
    kept->t[kept->n++] = x;
  }
  return x;
}

static nd_tensor up_path(const builder *b, const nd_diffusion_shape *s, nd_tensor x, nd_skips *kept) {
  int index = 0;
  for (int level = s->levels - 1; level >= 0; level--)
    for (int i = 0; i <= s->res_blocks; i++) {
      int out = s->width * s->multipliers[level];
      nd_scope_push(b->g, "output_blocks.%d", index++);
      x = block(b, "0", nd_concat(b->g, x, kept->t[--kept->n], 3), out, KEEP);
      if (nd_diffusion_attends(s, level))
        x = attend(b, "1", x);
      if (level && i == s->res_blocks)
        x = block(b, nd_diffusion_attends(s, level) ? "2" : "1", x, out, UP);
      nd_scope_pop(b->g);
    }
  return x;
}

static nd_tensor predict_noise(nd_graph *g, const nd_net *net, nd_tensor x, nd_tensor level) {
  nd_diffusion_shape s = nd_diffusion_shape_of(net);
  builder b = {g, ND_NONE, nd_net_int(net, "norm_groups"), nd_net_int(net, "head_channels"),
               (float)nd_net_real(net, "dropout")};
  nd_skips kept = {.n = 0};
  b.embedding = nd_activate(g, embed(g, level, s.width), ND_ACT_SILU, 0);
  x = down_path(&b, &s, x, &kept);
  int middle = s.width * s.multipliers[s.levels - 1];
  x = block(&b, "middle_block.0", x, middle, KEEP);
  x = attend(&b, "middle_block.1", x);
  x = block(&b, "middle_block.2", x, middle, KEEP);
  x = up_path(&b, &s, x, &kept);
  x = nd_layer_group_norm(g, "out.0", x, ND_NONE,
                          (nd_group_norm_settings){b.groups, EPSILON, ND_ACT_SILU, 0});
  return nd_layer_conv(g, "out.2", x, (nd_conv_layer){.out = 3, .kernel = 3});
}

/* Blocks that sample up stand last in a level; so the first tells how many others a level has. */
static int first_up(const nd_shapes *s, int blocks) {
  for (int i = 0; i < blocks; i++)
    if (nd_shapes_has(s, "output_blocks.%d.1.in_layers.0.weight", i) ||
        nd_shapes_has(s, "output_blocks.%d.2.in_layers.0.weight", i))
      return i;
  return blocks - 1;
}

static int recognise(const nd_shapes *s, nd_net *net) {
  int blocks = nd_shapes_run(s, 0, ".0.in_layers.0.weight", "output_blocks.");
  int each = first_up(s, blocks) + 1, width = nd_shapes_axis(s, 1, "cond_embed.0.weight");
  if (each < 2 || width < 1)
    return nd_fail("its output blocks make no levels");
  nd_diffusion_shape d = {.width = width, .levels = MIN(blocks / each, ND_MAX_LIST), .res_blocks = each - 1};
  for (int level = 0; level < d.levels; level++) {
    int first = 1 + level * each;
    d.multipliers[level] = nd_shapes_axis(s, 0, "input_blocks.%d.0.in_layers.2.weight", first) / width;
    if (nd_shapes_has(s, "input_blocks.%d.1.qkv.weight", first))
      d.attention[d.n_attention++] = 1 << level;
  }
  return nd_diffusion_set_shape(net, &d);
}

const nd_network nd_guided = {
    .name = "guided",
    .role = ND_DIFFUSION,
    .settings = {ND_DIFFUSION_SHAPE_SETTINGS("16"),
                 {"head_channels", ND_SETTING_INT, "32", 1, 512, "channels of an attention head"},
                 {"dropout", ND_SETTING_REAL, "0.2", 0, 0.99, "probability, in every residual block"},
                 {"norm_groups", ND_SETTING_INT, "32", 1, 256, "groups of the normalisation"}},
    .predict_noise = predict_noise,
    .multiple = nd_diffusion_multiple,
    .check = nd_diffusion_check,
    .landmarks = {"cond_embed.0.weight"},
    .recognise = recognise,
    .unseen = {"head_channels", "dropout", "norm_groups"},
};
