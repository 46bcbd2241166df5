/* One pass of a model's network on numbers, for tests/oracle/compare_published.py: what no command does with
 * a diffusion network, or with one that takes two views.
 *
 *   run_network MODEL fp32|bf16 HEIGHT WIDTH LEVEL IN OUT
 *
 * IN and OUT: float32, height x width x channels. LEVEL: the noise level; -: a restoration network. */
#include "weights/model.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
  const nd_model *model;
  nd_dtype dtype;
  int height, width;
  const char *level;
} job;

static int channels_of(const nd_net *net) {
  return nd_net_role(net) == ND_RESTORATION ? nd_net_channels(net) : 9;
}

/* y: height x width x 3. */
static int run(const job *j, const float *x, size_t bytes, float *y) {
  const nd_net *net = j->model->net;
  nd_graph *g = nd_graph_new(j->model->params);
  nd_graph_set_dtype(g, j->dtype);
  nd_graph_set_training(g, false);
  nd_tensor in = nd_input(g, "x", 1, j->height, j->width, channels_of(net)), level = ND_NONE, out;
  if (nd_net_role(net) == ND_RESTORATION)
    out = nd_net_restore(g, net, in);
  else
    out = nd_net_predict_noise(g, net, in, level = nd_input(g, "level", 1, 1, 1, 1));
  nd_output(g, "y", out);
  nd_plan *plan = NULL;
  int failed = nd_compile(g, &plan);
  if (!failed) {
    nd_plan_bind(plan, j->model->values);
    memcpy(nd_plan_tensor(plan, in), x, bytes);
    if (level >= 0)
      nd_plan_tensor(plan, level)[0] = (float)g_ascii_strtod(j->level, NULL);
    nd_run(plan, 0, 0, 0);
    memcpy(y, nd_plan_tensor(plan, out), (size_t)j->height * (size_t)j->width * 3 * sizeof *y);
  }
  nd_plan_free(plan);
  nd_graph_free(g);
  return failed;
}

static int work(job *j, const char *in, const char *out) {
  gsize bytes;
  g_autofree char *x = NULL;
  size_t pixels = (size_t)j->height * (size_t)j->width;
  if (!g_file_get_contents(in, &x, &bytes, NULL) ||
      bytes != pixels * (size_t)channels_of(j->model->net) * sizeof(float))
    return nd_fail("%s does not hold the numbers", in);
  g_autofree float *y = g_new(float, pixels * 3);
  if (run(j, (const float *)(void *)x, bytes, y))
    return -1;
  bool written = g_file_set_contents(out, (const char *)y, (gssize)(pixels * 3 * sizeof *y), NULL);
  return written ? 0 : nd_fail("cannot write %s", out);
}

int main(int argc, char **argv) {
  if (argc != 8)
    return 2;
  job j = {.dtype = strcmp(argv[2], "bf16") ? ND_F32 : ND_BF16,
           .height = atoi(argv[3]),
           .width = atoi(argv[4]),
           .level = argv[5]};
  nd_model *model = NULL;
  bool restores = !strcmp(argv[5], "-");
  int failed = nd_model_load_as(argv[1], restores ? ND_RESTORATION : ND_DIFFUSION, NULL, NULL, &model);
  j.model = model;
  failed = failed || work(&j, argv[6], argv[7]);
  if (failed)
    fprintf(stderr, "%s\n", nd_error());
  nd_model_free(model);
  return failed;
}
