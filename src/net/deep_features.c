/* The convolutional parts of AlexNet (Krizhevsky 2014, one tower) and VGG-16 (Simonyan and Zisserman 2015) as
 * torchvision builds and names them: "features.N" counts convolutions, ReLUs and pools. */
#include "net/deep_features.h"

#include <glib.h>
#include <string.h>

typedef struct layer {
  int out, kernel, stride, pad; /* a convolution and its ReLU; out 0: a pool of that kernel and stride */
  bool tap;
} layer;

static const layer alex[] = {
    {64, 11, 4, 2, true}, {0, 3, 2, 0, false},  {192, 5, 1, 2, true}, {0, 3, 2, 0, false},
    {384, 3, 1, 1, true}, {256, 3, 1, 1, true}, {256, 3, 1, 1, true}, {0}};
static const layer vgg[] = {{64, 3, 1, 1, false},  {64, 3, 1, 1, true},   {0, 2, 2, 0, false},
                            {128, 3, 1, 1, false}, {128, 3, 1, 1, true},  {0, 2, 2, 0, false},
                            {256, 3, 1, 1, false}, {256, 3, 1, 1, false}, {256, 3, 1, 1, true},
                            {0, 2, 2, 0, false},   {512, 3, 1, 1, false}, {512, 3, 1, 1, false},
                            {512, 3, 1, 1, true},  {0, 2, 2, 0, false},   {512, 3, 1, 1, false},
                            {512, 3, 1, 1, false}, {512, 3, 1, 1, true},  {0}};

static const struct {
  const char *name;
  const layer *layers;
  int smallest;
} networks[] = {{"alex", alex, 31}, {"vgg", vgg, 16}};

const char *nd_features_name(nd_features kind) {
  return kind >= 0 && kind < (int)G_N_ELEMENTS(networks) ? networks[kind].name : NULL;
}

int nd_features_smallest(nd_features kind) {
  return networks[kind].smallest;
}

static nd_tensor convolve(nd_graph *g, int index, nd_tensor x, const layer *l) {
  int weights[] = {l->out, x == ND_NONE ? 1 : nd_dims(g, x)[3], l->kernel, l->kernel};
  nd_scope_push(g, "features.%d", index);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, weights),
            b = nd_parameter(g, "bias", ND_INIT_ZERO, 1, weights);
  nd_scope_pop(g);
  return nd_conv2d(g, x, w, b,
                   (nd_conv2d_settings){.stride = l->stride, .pad = l->pad, .activation = ND_ACT_RELU});
}

void nd_features_build(nd_graph *g, nd_features kind, nd_tensor x, nd_tensor taps[ND_FEATURES_TAPS]) {
  int index = 0, tap = 0;
  for (const layer *l = networks[kind].layers; l->kernel; l++) {
    x = l->out ? convolve(g, index, x, l) : nd_max_pool(g, x, l->kernel, l->stride);
    index += l->out ? 2 : 1;
    if (l->tap)
      taps[tap++] = x;
  }
}
