/* A number to cosines and sines of geometrically spaced frequencies. */
#include "tensor/ops/ops-private.h"

#include <math.h>

extern const nd_op nd_op_sinusoidal_embedding;

static double frequency(int k, int half, float max_period) {
  return exp(-log((double)max_period) * k / half);
}

static void run(const nd_run_context *r) {
  const nd_value *v = nd_run_out_value(r, 0);
  const float *level = nd_run_in(r, 0);
  float *out = nd_run_out(r, 0);
  int half = v->dims[3] / 2;
  for (int n = 0; n < v->dims[0]; n++, out += v->dims[3])
    for (int k = 0; k < half; k++) {
      double angle = (double)level[n] * frequency(k, half, *(const float *)r->node->attr);
      out[k] = (float)cos(angle);
      out[half + k] = (float)sin(angle);
    }
}

static void reference(const nd_graph *g, const nd_node *node, const double *const *in, double *const *out) {
  const nd_value *v = nd_out_value(g, node, 0);
  int width = v->dims[3], half = width / 2;
  for (int n = 0; n < v->dims[0]; n++)
    for (int k = 0; k < width; k++) {
      double period = pow((double)*(const float *)node->attr, (double)(k % half) / half);
      out[0][n * width + k] = k < half ? cos(in[0][n] / period) : sin(in[0][n] / period);
    }
}

nd_tensor nd_sinusoidal_embedding(nd_graph *g, nd_tensor level, int width, float max_period) {
  if (!nd_ready(g, 1, &level))
    return ND_NONE;
  const int *d = nd_dims(g, level);
  if (d[1] * d[2] * d[3] != 1 || width < 2 || width % 2)
    return nd_bad_node(g, "an embedding of width %d from %d numbers a sample", width, d[1] * d[2] * d[3]);
  return nd_append(g, &nd_op_sinusoidal_embedding, &max_period, 1, &level, d[0], 1, 1, width);
}

static nd_tensor example(nd_graph *g, int i) {
  return i < 1 ? nd_sinusoidal_embedding(g, nd_example_input(g, 3, 1, 1, 1), 8, 10000) : ND_NONE;
}

const nd_op nd_op_sinusoidal_embedding = {.name = "sinusoidal_embedding",
                                          .attr_size = sizeof(float),
                                          .run = run,
                                          .reference = reference,
                                          .example = example};
