/* The diffusion network run for its own sake: noise prediction, and the reverse process from noise to
 * picture. */
#include "diffusion/diffusion.h"

#include <glib.h>
#include <math.h>
#include <string.h>

struct nd_predictor {
  nd_graph *graph;
  nd_plan *plan;
  nd_tensor y, level, condition, noise;
  int n;
  size_t pixels; /* of all pictures */
};

static int build(nd_predictor *p, const nd_net *net, const char *scope, int n, int h, int w) {
  nd_graph *g = p->graph;
  nd_graph_set_training(g, false);
  p->y = nd_input(g, "y", n, h, w, 3);
  p->condition = nd_input(g, "condition", n, h, w, 6);
  p->level = nd_input(g, "level", n, 1, 1, 1);
  if (*scope)
    nd_scope_push(g, "%s", scope);
  p->noise = nd_net_predict_noise(g, net, nd_concat(g, p->y, p->condition, 3), p->level);
  if (*scope)
    nd_scope_pop(g);
  nd_output(g, "noise", p->noise);
  return nd_compile(g, &p->plan);
}

int nd_predictor_new(const nd_net *net, nd_params *params, const char *scope, const float *values, int n,
                     int height, int width, nd_predictor **out) {
  *out = NULL;
  nd_predictor *p = g_new0(nd_predictor, 1);
  p->graph = nd_graph_new(params);
  p->n = n;
  p->pixels = (size_t)n * (size_t)height * (size_t)width;
  size_t known = nd_params_size(params);
  int failed = build(p, net, scope, n, height, width);
  if (!failed && nd_params_size(params) != known)
    failed = nd_fail("the weights at hand are not those of this diffusion network");
  if (failed) {
    nd_predictor_free(p);
    return -1;
  }
  nd_plan_bind(p->plan, values);
  *out = p;
  return 0;
}

void nd_predictor_free(nd_predictor *p) {
  if (!p)
    return;
  nd_plan_free(p->plan);
  nd_graph_free(p->graph);
  g_free(p);
}

int nd_predictor_pictures(const nd_predictor *p) {
  return p->n;
}

size_t nd_predictor_pixels(const nd_predictor *p) {
  return p->pixels;
}

void nd_predict_noise(nd_predictor *p, const float *y, const float *level, const float *condition,
                      float *noise) {
  memcpy(nd_plan_tensor(p->plan, p->y), y, p->pixels * 3 * sizeof *y);
  memcpy(nd_plan_tensor(p->plan, p->condition), condition, p->pixels * 6 * sizeof *y);
  memcpy(nd_plan_tensor(p->plan, p->level), level, (size_t)p->n * sizeof *level);
  nd_run(p->plan, 0, 0, 0);
  memcpy(noise, nd_plan_tensor(p->plan, p->noise), p->pixels * 3 * sizeof *noise);
}

/* With a = gamma / gamma_before (the alpha of this step) and b = 1 - a:
 * y0 = (y - sqrt(1 - gamma) noise) / sqrt(gamma), clamped;
 * mean = y0 sqrt(gamma_before) b / (1 - gamma) + y sqrt(a) (1 - gamma_before) / (1 - gamma);
 * variance = b (1 - gamma_before) / (1 - gamma). */
void nd_reverse_step(float *y, const float *noise, const float *z, size_t count, double gamma,
                     double gamma_before) {
  gamma = fmax(gamma, 1e-12); /* the last level of the schedule jsd is 0 */
  double a = gamma / gamma_before, b = 1 - a, rest = 1 - gamma;
  double of_y0 = sqrt(gamma_before) * b / rest, of_y = sqrt(a) * (1 - gamma_before) / rest;
  double deviation = sqrt(b * (1 - gamma_before) / rest);
  for (size_t i = 0; i < count; i++) {
    double y0 = ((double)y[i] - sqrt(rest) * (double)noise[i]) / sqrt(gamma);
    y0 = y0 < 0 ? 0 : y0 > 1 ? 1 : y0;
    y[i] = (float)(of_y0 * y0 + of_y * (double)y[i] + deviation * (double)z[i]);
  }
}

/* Level k of `steps` spread evenly over the schedule; -1 is the clean picture. */
static double respaced(const nd_schedule *s, int k, int steps) {
  return k < 0 ? 1 : s->gamma[(int)llround((double)(k + 1) * s->steps / steps) - 1];
}

int nd_sample(nd_predictor *p, const nd_schedule *s, int steps, const float *condition, uint64_t seed,
              float *out, nd_sampler_progress progress, void *context) {
  if (steps < 1 || steps > s->steps)
    return nd_fail("sampling: %d steps; the schedule allows 1 to %d", steps, s->steps);
  size_t count = p->pixels * 3;
  float *noise = nd_mem_alloc(count * sizeof *noise, "sampler"),
        *z = nd_mem_alloc(count * sizeof *z, "sampler");
  float *level = nd_mem_alloc((size_t)p->n * sizeof *level, "sampler");
  if (noise && z && level) {
    nd_rng r = nd_rng_make(seed, (uint64_t)s->steps, 0, ND_RANDOM_SAMPLER);
    nd_rng_fill_normal(&r, out, count);
    for (int k = steps - 1; k >= 0; k--) {
      double gamma = respaced(s, k, steps);
      for (int i = 0; i < p->n; i++)
        level[i] = (float)gamma;
      nd_predict_noise(p, out, level, condition, noise);
      r = nd_rng_make(seed, (uint64_t)k, 0, ND_RANDOM_SAMPLER);
      nd_rng_fill_normal(&r, z, count);
      nd_reverse_step(out, noise, z, count, gamma, respaced(s, k - 1, steps));
      if (progress)
        progress(steps - k, steps, context);
    }
  }
  int failed = noise && z && level ? 0 : -1;
  nd_mem_free(noise);
  nd_mem_free(z);
  nd_mem_free(level);
  return failed;
}
