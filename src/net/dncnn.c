/* DnCNN (Zhang et al. 2017): 3 x 3 convolutions, batch normalisation and ReLU between them, all at full
 * resolution. Three layouts: the release's; that of Zhang's own published files, whose normalisation went
 * into the weights and biases of the convolutions; and that of files which KAIR leaves before it does so. The
 * release adds the result to the picture, the published networks subtract it. */
#include "net/net-private.h"

#include <glib.h>

enum { MERGED, AS_RELEASED, AS_TRAINED_IN_KAIR }; /* `norm`; numbers are a format */

typedef struct {
  const char *list; /* the tensors' names begin so */
  bool bias;
  nd_batch_norm_settings norm;
} layout;

static layout layout_of(const nd_net *net) {
  int norm = nd_net_int(net, "norm");
  if (norm == AS_RELEASED)
    return (layout){"dncnn", nd_net_int(net, "bias"), {.epsilon = 1e-5f, .momentum = 0.1f}};
  return (layout){"model", true, {.epsilon = 1e-4f, .momentum = 0.9f}};
}

/* Layers are numbered as PyTorch's Sequential counts them, activations too. */
static nd_tensor conv(nd_graph *g, const char *list, int index, nd_tensor x, nd_conv_layer l) {
  g_autofree char *name = g_strdup_printf("%s.%d", list, index);
  l.kernel = 3;
  return nd_layer_conv(g, name, x, l);
}

static nd_tensor with_norms(nd_graph *g, layout l, nd_tensor x, int depth, int width) {
  int channels = nd_dims(g, x)[3];
  nd_conv_layer first = {.out = width, .no_bias = !l.bias, .activation = ND_ACT_RELU};
  nd_conv_layer inner = {.out = width, .no_bias = !l.bias}, last = {.out = channels, .no_bias = !l.bias};
  x = conv(g, l.list, 0, x, first);
  for (int i = 1; i < depth - 1; i++) {
    g_autofree char *norm = g_strdup_printf("%s.%d", l.list, 3 * i);
    x = nd_layer_batch_norm(g, norm, conv(g, l.list, 3 * i - 1, x, inner), l.norm);
    x = nd_activate(g, x, ND_ACT_RELU, 0);
  }
  return conv(g, l.list, 3 * depth - 4, x, last);
}

static nd_tensor without_norms(nd_graph *g, layout l, nd_tensor x, int depth, int width) {
  int channels = nd_dims(g, x)[3];
  for (int i = 0; i < depth - 1; i++)
    x = conv(g, l.list, 2 * i, x, (nd_conv_layer){.out = width, .activation = ND_ACT_RELU});
  return conv(g, l.list, 2 * depth - 2, x, (nd_conv_layer){.out = channels});
}

static nd_tensor restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  int depth = nd_net_int(net, "depth"), width = nd_net_int(net, "width");
  bool merged = nd_net_int(net, "norm") == MERGED;
  x = (merged ? without_norms : with_norms)(g, layout_of(net), x, depth, width);
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
  return nd_net_int(net, "norm") != MERGED;
}

static int layers_numbered(const nd_shapes *s, const char *list, const char *what, int first, int step) {
  int n = 0;
  while (nd_shapes_has(s, "%s.%d.%s", list, first + n * step, what))
    n++;
  return n;
}

/* The release has no grey networks and no biases: those are others', who subtract as published. */
static int recognise(const nd_shapes *s, nd_net *net) {
  bool released = nd_shapes_has(s, "dncnn.0.weight");
  const char *list = released ? "dncnn" : "model";
  int norms = layers_numbered(s, list, "running_mean", 3, 3);
  int norm = released ? AS_RELEASED : norms ? AS_TRAINED_IN_KAIR : MERGED;
  bool grey = nd_shapes_axis(s, 1, "%s.0.weight", list) == 1;
  return nd_net_set_int(net, "width", nd_shapes_axis(s, 0, "%s.0.weight", list)) ||
                 nd_net_set_int(net, "depth",
                                norm == MERGED ? layers_numbered(s, list, "weight", 0, 2) : norms + 2) ||
                 nd_net_set_int(net, "norm", norm) ||
                 nd_net_set_int(net, "bias", released && nd_shapes_has(s, "dncnn.0.bias")) ||
                 nd_net_set_int(net, "grey", grey) ||
                 nd_net_set_int(net, "subtract", grey || !released || nd_net_int(net, "bias"))
             ? -1
             : 0;
}

const nd_network nd_dncnn = {
    .name = "dncnn",
    .role = ND_RESTORATION,
    .settings = {{"width", ND_SETTING_INT, "64", 1, 512, "channels between the convolutions"},
                 {"depth", ND_SETTING_INT, "17", 2, 64, "convolutions"},
                 {"norm", ND_SETTING_INT, "1", 0, 2,
                  "1: batch normalisation; 0: convolutions with biases instead (published files without it); "
                  "2: both, as KAIR trains it"},
                 {"bias", ND_SETTING_INT, "0", 0, 1, "1: biases in the convolutions beside `norm: 1`"},
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
