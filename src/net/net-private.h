/* What the network files say to the table. */
#ifndef ND_NET_PRIVATE_H
#define ND_NET_PRIVATE_H

#include "net/net.h"

/* x: n,h,w,3, or n,h,w,1 to a network with `grey`; the residual of the same shape. */
typedef nd_tensor nd_restore_fn(nd_graph *g, const nd_net *net, nd_tensor x);

typedef struct nd_network {
  const char *name;
  nd_role role;
  nd_setting settings[ND_MAX_SETTINGS]; /* ends with name NULL */
  nd_restore_fn *restore;
  nd_tensor (*predict_noise)(nd_graph *g, const nd_net *net, nd_tensor x, nd_tensor level);
  int (*multiple)(const nd_net *net);
  int (*reach)(const nd_net *net);
  /* Settings that contradict each other; NULL: none can. */
  int (*check)(const nd_net *net);
  bool (*normalises_batch)(const nd_net *net); /* NULL: no */
  /* Its values stay fp32 where bf16 is asked for, its gradients do not: a chain whose roundings all count. */
  bool keeps_f32;
  /* Endings of the names of tensors that published files hold and that are computed here; ends with NULL. */
  const char *buffers[4];
  /* Tensors of which this network has one and no other network any; ends with NULL. */
  const char *landmarks[3];
  /* Settings from the names and shapes of a file with a landmark. */
  int (*recognise)(const nd_shapes *shapes, nd_net *net);
  const char *unseen[4]; /* settings that do not show there; ends with NULL */
} nd_network;

extern const nd_network *const nd_networks[]; /* NULL at the end */

/* ---- Recognition (recognise.c). Names are formats. */
/* The length of an axis of a tensor; 0: it is not there, has fewer axes, or is no possible length. */
int nd_shapes_axis(const nd_shapes *s, int axis, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool nd_shapes_has(const nd_shapes *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* How many tensors "<format><number><ending>" there are from number `first` on, without a gap. */
int nd_shapes_run(const nd_shapes *s, int first, const char *ending, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The window of the attention of a block, from its table of position biases. */
int nd_shapes_window(const nd_shapes *s, const char *block);
int nd_net_set_int(nd_net *net, const char *setting, int value);
int nd_net_set_list(nd_net *net, const char *setting, const int *values, int n);
/* A ratio known by what it makes of widths, rounded down: low <= ratio < high. */
typedef struct nd_ratio {
  double low, high;
} nd_ratio;
nd_ratio nd_ratio_any(void);
/* What is left of it where it made `result` of a width `of`; of < 1: all. */
void nd_ratio_narrow(nd_ratio *r, int of, int result);
/* The setting's default where that is such a ratio, else the shortest number that is. Error: none is. */
int nd_net_set_ratio(nd_net *net, const char *setting, nd_ratio r);

/* ---- Grey pictures (grey.c): the luma of colour ones goes in, and what comes out is added to all channels.
 */
#define ND_GREY_SETTING                                                                                      \
  { "grey", ND_SETTING_INT, "0", 0, 1, "1: made for grey pictures; of colour ones it restores the luma" }
nd_tensor nd_restore_grey(nd_graph *g, const nd_net *net, nd_tensor x, nd_restore_fn *restore);

/* ---- Layers that several networks use. Parameters: <name>.weight, <name>.bias. */
typedef struct nd_conv_layer {
  int out, kernel;    /* padded so that the size stays, or is divided by the stride */
  int stride, groups; /* 0 means 1 */
  nd_act activation;
  float slope;
  bool no_bias;
} nd_conv_layer;
nd_tensor nd_layer_conv(nd_graph *g, const char *name, nd_tensor x, nd_conv_layer l);
nd_tensor nd_layer_linear(nd_graph *g, const char *name, nd_tensor x, int out);
/* groups is lowered to the channel count where there are fewer channels. */
nd_tensor nd_layer_group_norm(nd_graph *g, const char *name, nd_tensor x, nd_tensor scale_shift,
                              nd_group_norm_settings s);
/* State besides: <name>.running_mean, <name>.running_var. */
nd_tensor nd_layer_batch_norm(nd_graph *g, const char *name, nd_tensor x, nd_batch_norm_settings s);
/* Without bias where the mean is kept. */
nd_tensor nd_layer_layer_norm(nd_graph *g, const char *name, nd_tensor x, nd_layer_norm_settings s);

/* ---- Shifted windows (windows.c) */
/* The parameter relative_position_bias_table. */
nd_tensor nd_layer_position_bias(nd_graph *g, nd_window_attention_settings s);
/* Every other block's windows are shifted by half their side. */
int nd_window_shift(int block, int window);
/* Along one axis, the pixels that one pixel has reached so far, to find a network's reach: through layers
 * that see `by` pixels to each side; through windows; and how far that is from where it began. */
typedef struct nd_span {
  int low, high;
} nd_span;
nd_span nd_span_grow(nd_span s, int by);
nd_span nd_span_window(nd_span s, int window, int shift);
int nd_span_reach(nd_span s, int from);

/* ---- Diffusion U-Nets (diffusion_unet.c): settings width, multipliers, res_blocks, attention_levels,
 * norm_groups. */
typedef struct nd_diffusion_shape {
  int width, levels, multipliers[ND_MAX_LIST], res_blocks, n_attention, attention[ND_MAX_LIST];
} nd_diffusion_shape;
#define ND_DIFFUSION_SHAPE_SETTINGS(attention_levels)                                                        \
  {"width", ND_SETTING_INT, "64", 2, 1024, "channels of the first level"},                                   \
      {"multipliers", ND_SETTING_LIST, "1,2,4,8", 1, 64, "channels of each level, as multiples of width"},   \
      {"res_blocks", ND_SETTING_INT, "2", 1, 8, "residual blocks a level"}, {                                \
    "attention_levels", ND_SETTING_LIST, attention_levels, 1, 128,                                           \
        "down-sampling rates that get attention besides the middle"                                          \
  }
nd_diffusion_shape nd_diffusion_shape_of(const nd_net *net);
/* Whether that level, from 0, has attention. */
bool nd_diffusion_attends(const nd_diffusion_shape *s, int level);
/* The settings of a shape. */
int nd_diffusion_set_shape(nd_net *net, const nd_diffusion_shape *s);
int nd_diffusion_multiple(const nd_net *net);
int nd_diffusion_check(const nd_net *net);
/* What the way down keeps for the way up: at most 9 a level and the first. */
enum { ND_MAX_SKIPS = 9 * ND_MAX_LIST + 1 };
typedef struct nd_skips {
  nd_tensor t[ND_MAX_SKIPS];
  int n;
} nd_skips;

#endif
