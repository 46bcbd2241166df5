/* DnCNN (Zhang et al. 2017): 3 x 3 convolutions without bias, batch normalisation and ReLU between them, all
 * at full resolution. It returns what is to be added to the picture, as in the release; the published network
 * gives the noise, which is subtracted. */
#include "net/net-private.h"

#include <glib.h>

static const nd_batch_norm_settings NORM = {.epsilon = 1e-5f, .momentum = 0.1f};

/* Layers are numbered as PyTorch's Sequential counts them. */
static nd_tensor conv(nd_graph *g, int index, nd_tensor x, int out, nd_act activation) {
  g_autofree char *name = g_strdup_printf("dncnn.%d", index);
  return nd_layer_conv(g, name, x,
                       (nd_conv_layer){.out = out, .kernel = 3, .activation = activation, .no_bias = true});
}

static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  int depth = nd_net_int(net, "depth"), width = nd_net_int(net, "width");
  x = conv(g, 0, x, width, ND_ACT_RELU);
  for (int i = 1; i < depth - 1; i++) {
    g_autofree char *norm = g_strdup_printf("dncnn.%d", 3 * i);
    x = nd_layer_batch_norm(g, norm, conv(g, 3 * i - 1, x, width, ND_ACT_NONE), NORM);
    x = nd_activate(g, x, ND_ACT_RELU, 0);
  }
  return conv(g, 3 * depth - 4, x, 3, ND_ACT_NONE);
}

static int multiple(const nd_net *net) {
  (void)net;
  return 1;
}

static int reach(const nd_net *net) {
  return nd_net_int(net, "depth");
}

static int recognise(const nd_shapes *s, nd_net *net) {
  int norms = 0;
  while (nd_shapes_has(s, "dncnn.%d.running_mean", 3 * (norms + 1)))
    norms++;
  return nd_net_set_int(net, "width", nd_shapes_axis(s, 0, "dncnn.0.weight")) ||
                 nd_net_set_int(net, "depth", norms + 2)
             ? -1
             : 0;
}

const nd_network nd_dncnn = {
    .name = "dncnn",
    .role = ND_RESTORATION,
    .settings = {{"width", ND_SETTING_INT, "64", 1, 512, "channels between the convolutions"},
                 {"depth", ND_SETTING_INT, "17", 2, 64, "convolutions"}},
    .restore = restore,
    .multiple = multiple,
    .reach = reach,
    .normalises_batch = true,
    .buffers = {"num_batches_tracked"},
    .landmark = "dncnn.0.weight",
    .recognise = recognise,
};
