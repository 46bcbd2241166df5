/* DnCNN (Zhang et al. 2017): 3 x 3 convolutions, batch normalisation and ReLU between them, all at full
 * resolution. Two layouts: the release's, without biases; and that of Zhang's own published files, whose
 * normalisation went into the weights and biases of the convolutions. The release adds the result to the
 * picture, the published networks subtract it. */
#include "net/net-private.h"

#include <glib.h>

static const nd_batch_norm_settings NORM = {.epsilon = 1e-5f, .momentum = 0.1f};

/* Layers are numbered as PyTorch's Sequential counts them, activations too. */
static nd_tensor conv(nd_graph *g, const char *list, int index, nd_tensor x, nd_conv_layer l) {
  g_autofree char *name = g_strdup_printf("%s.%d", list, index);
  l.kernel = 3;
  return nd_layer_conv(g, name, x, l);
}

static nd_tensor with_norms(nd_graph *g, nd_tensor x, int depth, int width) {
  int channels = nd_dims(g, x)[3];
  nd_conv_layer inner = {.out = width, .no_bias = true}, last = {.out = channels, .no_bias = true};
  x = conv(g, "dncnn", 0, x, (nd_conv_layer){.out = width, .no_bias = true, .activation = ND_ACT_RELU});
  for (int i = 1; i < depth - 1; i++) {
    g_autofree char *norm = g_strdup_printf("dncnn.%d", 3 * i);
    x = nd_layer_batch_norm(g, norm, conv(g, "dncnn", 3 * i - 1, x, inner), NORM);
    x = nd_activate(g, x, ND_ACT_RELU, 0);
  }
  return conv(g, "dncnn", 3 * depth - 4, x, last);
}

static nd_tensor without_norms(nd_graph *g, nd_tensor x, int depth, int width) {
  int channels = nd_dims(g, x)[3];
  for (int i = 0; i < depth - 1; i++)
    x = conv(g, "model", 2 * i, x, (nd_conv_layer){.out = width, .activation = ND_ACT_RELU});
  return conv(g, "model", 2 * depth - 2, x, (nd_conv_layer){.out = channels});
}

static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  int depth = nd_net_int(net, "depth"), width = nd_net_int(net, "width");
  x = nd_net_int(net, "norm") ? with_norms(g, x, depth, width) : without_norms(g, x, depth, width);
  return nd_net_int(net, "subtract") ? nd_affine(g, x, -1, 0) : x;
}

static int multiple(const nd_net *net) {
  (void)net;
  return 1;
}

static int reach(const nd_net *net) {
  return nd_net_int(net, "depth");
}

static bool normalises_batch(const nd_net *net) {
  return nd_net_int(net, "norm");
}

/* The release has no grey networks: those are Zhang's. */
static int recognise(const nd_shapes *s, nd_net *net) {
  bool norm = nd_shapes_has(s, "dncnn.0.weight");
  const char *first = norm ? "dncnn.0.weight" : "model.0.weight";
  bool grey = nd_shapes_axis(s, 1, "%s", first) == 1;
  int depth = 0;
  while (nd_shapes_has(s, norm ? "dncnn.%d.running_mean" : "model.%d.weight",
                       norm ? 3 * (depth + 1) : 2 * depth))
    depth++;
  return nd_net_set_int(net, "width", nd_shapes_axis(s, 0, "%s", first)) ||
                 nd_net_set_int(net, "depth", norm ? depth + 2 : depth) ||
                 nd_net_set_int(net, "norm", norm) || nd_net_set_int(net, "grey", grey) ||
                 nd_net_set_int(net, "subtract", grey || !norm)
             ? -1
             : 0;
}

const nd_network nd_dncnn = {
    .name = "dncnn",
    .role = ND_RESTORATION,
    .settings = {{"width", ND_SETTING_INT, "64", 1, 512, "channels between the convolutions"},
                 {"depth", ND_SETTING_INT, "17", 2, 64, "convolutions"},
                 {"norm", ND_SETTING_INT, "1", 0, 1,
                  "1: batch normalisation; 0: convolutions with biases instead (published files without it)"},
                 {"subtract", ND_SETTING_INT, "0", 0, 1,
                  "1: the result is noise to be subtracted, as published; 0: added, as in the release"},
                 ND_GREY_SETTING},
    .restore = restore,
    .multiple = multiple,
    .reach = reach,
    .normalises_batch = normalises_batch,
    .keeps_f32 = true,
    .buffers = {"num_batches_tracked"},
    .landmarks = {"dncnn.0.weight", "model.0.weight"},
    .recognise = recognise,
    .unseen = {"subtract"},
};
