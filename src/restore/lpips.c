/* The features of both pictures go through the engine as a batch of two; the distance between them is summed
 * here, in double precision. */
#include "restore/lpips.h"

#include "weights/model.h"

#include <glib.h>
#include <math.h>
#include <string.h>

/* The mean and deviation of pictures in [-1, 1] that the release subtracts and divides by. */
static const double SHIFT[3] = {-0.030, -0.088, -0.188}, SCALE[3] = {0.458, 0.448, 0.450};

struct nd_lpips {
  nd_features kind;
  nd_params *params;
  float *values;
  nd_graph *graph;
  nd_plan *plan;
  nd_tensor x, taps[ND_FEATURES_TAPS];
  int height, width; /* of the plan */
};

static void drop_plan(nd_lpips *l) {
  nd_plan_free(l->plan);
  nd_graph_free(l->graph);
  l->plan = NULL;
  l->graph = NULL;
}

static void build(nd_lpips *l, int height, int width) {
  nd_graph *g = l->graph = nd_graph_new(l->params);
  nd_graph_set_training(g, false);
  l->x = nd_input(g, "x", 2, height, width, 3);
  nd_features_build(g, l->kind, l->x, l->taps);
  for (int i = 0; i < ND_FEATURES_TAPS; i++) {
    g_autofree char *name = g_strdup_printf("tap%d", i),
                    *weights = g_strdup_printf("lin%d.model.1.weight", i);
    nd_output(g, name, l->taps[i]);
    if (!nd_graph_failed(g))
      nd_parameter(g, weights, ND_INIT_ZERO, 4, (int[]){1, nd_dims(g, l->taps[i])[3], 1, 1});
  }
}

static int make_plan(nd_lpips *l, int height, int width) {
  if (l->plan && l->height == height && l->width == width)
    return 0;
  drop_plan(l);
  build(l, height, width);
  if (nd_compile(l->graph, &l->plan))
    return -1;
  nd_plan_bind(l->plan, l->values);
  l->height = height;
  l->width = width;
  return 0;
}

int nd_lpips_new(nd_features kind, nd_lpips **out) {
  nd_lpips *l = g_new0(nd_lpips, 1);
  *out = NULL;
  l->kind = kind;
  l->params = nd_params_new();
  build(l, 64, 64); /* declares the parameters */
  drop_plan(l);
  l->values = nd_mem_alloc(nd_params_size(l->params) * sizeof *l->values, "LPIPS");
  if (!l->values) {
    nd_lpips_free(l);
    return -1;
  }
  *out = l;
  return 0;
}

void nd_lpips_free(nd_lpips *l) {
  if (!l)
    return;
  drop_plan(l);
  nd_params_free(l->params);
  nd_mem_free(l->values);
  g_free(l);
}

float *nd_lpips_weights(nd_lpips *l, const nd_params **params) {
  *params = l->params;
  return l->values;
}

nd_features nd_lpips_kind(const nd_lpips *l) {
  return l->kind;
}

static int load(const nd_safetensors *file, nd_lpips **out) {
  const nd_st_tensor *first = nd_safetensors_find(file, "features.0.weight");
  if (!first || first->rank != 4)
    return nd_fail(
        "there is no features.0.weight of an AlexNet or a VGG-16 in it; it must hold torchvision's "
        "features.N.weight and .bias and lin0.model.1.weight to lin4");
  if (nd_lpips_new(first->shape[2] == 11 ? ND_FEATURES_ALEX : ND_FEATURES_VGG, out))
    return -1;
  if (!nd_weights_load(file, "", (*out)->params, "", false, (*out)->values))
    return 0;
  nd_lpips_free(*out);
  *out = NULL;
  return -1;
}

int nd_lpips_open(const char *path, nd_lpips **out) {
  nd_safetensors *file;
  *out = NULL;
  if (nd_weights_open(path, &file))
    return -1;
  int failed = load(file, out);
  nd_safetensors_close(file);
  return failed ? nd_fail_in("LPIPS from '%s'", path) : 0;
}

static void normalise(const float *rgb, size_t values, float *out) {
  for (size_t i = 0; i < values; i++) {
    double rounded = (double)rintf(CLAMP(rgb[i], 0.0f, 1.0f) * 255) / 255;
    out[i] = (float)((2 * rounded - 1 - SHIFT[i % 3]) / SCALE[i % 3]);
  }
}

static double length(const float *x, int n) {
  double sum = 0;
  for (int c = 0; c < n; c++)
    sum += (double)x[c] * (double)x[c];
  return sqrt(sum) + 1e-10;
}

/* Mean over the places of the weighted squares of the difference of unit vectors. */
static double distance(const float *a, const float *b, size_t places, int channels, const float *weight) {
  double sum = 0;
  for (size_t i = 0; i < places; i++, a += channels, b += channels) {
    double la = length(a, channels), lb = length(b, channels);
    for (int c = 0; c < channels; c++) {
      double d = (double)a[c] / la - (double)b[c] / lb;
      sum += (double)weight[c] * d * d;
    }
  }
  return sum / (double)places;
}

static double tap_distance(const nd_lpips *l, int i) {
  g_autofree char *name = g_strdup_printf("lin%d.model.1.weight", i);
  const float *weight = l->values + nd_params_find(l->params, name)->offset;
  const int *d = nd_dims(l->graph, l->taps[i]);
  size_t places = (size_t)d[1] * (size_t)d[2];
  const float *features = nd_plan_tensor(l->plan, l->taps[i]);
  return distance(features, features + places * (size_t)d[3], places, d[3], weight);
}

int nd_lpips_measure(nd_lpips *l, const float *a, const float *b, int height, int width, double *out) {
  size_t values = (size_t)height * (size_t)width * 3;
  int smallest = nd_features_smallest(l->kind);
  if (height < smallest || width < smallest)
    return nd_fail("LPIPS of a picture of %d x %d: %s needs at least %d x %d", width, height,
                   nd_features_name(l->kind), smallest, smallest);
  if (make_plan(l, height, width))
    return nd_fail_in("LPIPS of a picture of %d x %d", width, height);
  float *x = nd_plan_tensor(l->plan, l->x);
  normalise(a, values, x);
  normalise(b, values, x + values);
  nd_run(l->plan, 0, 0, 0);
  *out = 0;
  for (int i = 0; i < ND_FEATURES_TAPS; i++)
    *out += tap_distance(l, i);
  return 0;
}
