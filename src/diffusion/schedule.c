/* The seven beta schedules of the release and the draw of a continuous noise level. */
#include "diffusion/diffusion.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static double along(double from, double to, int i, int n) {
  return n > 1 ? from + (to - from) * i / (n - 1) : from;
}

static void linear(double *beta, int n, double start, double end) {
  for (int i = 0; i < n; i++)
    beta[i] = along(start, end, i, n);
}

static void quad(double *beta, int n, double start, double end) {
  for (int i = 0; i < n; i++)
    beta[i] = pow(along(sqrt(start), sqrt(end), i, n), 2);
}

static void warm_up(double *beta, int n, double start, double end, double share) {
  int rising = (int)(n * share);
  for (int i = 0; i < n; i++)
    beta[i] = i < rising ? along(start, end, i, rising) : end;
}

static void warmup10(double *beta, int n, double start, double end) {
  warm_up(beta, n, start, end, 0.1);
}

static void warmup50(double *beta, int n, double start, double end) {
  warm_up(beta, n, start, end, 0.5);
}

static void constant(double *beta, int n, double start, double end) {
  (void)start;
  for (int i = 0; i < n; i++)
    beta[i] = end;
}

/* 1/T, 1/(T-1), ... 1. */
static void jsd(double *beta, int n, double start, double end) {
  (void)start, (void)end;
  for (int i = 0; i < n; i++)
    beta[i] = 1.0 / (n - i);
}

/* Nichol & Dhariwal 2021, with their offset 0.008. */
static double cosine_gamma(double at) {
  const double offset = 8e-3;
  return pow(cos((at + offset) / (1 + offset) * M_PI / 2), 2);
}

static void cosine(double *beta, int n, double start, double end) {
  (void)start, (void)end;
  for (int i = 0; i < n; i++)
    beta[i] = fmin(0.999, 1 - cosine_gamma((i + 1.0) / n) / cosine_gamma((double)i / n));
}

static const struct {
  const char *name;
  void (*fill)(double *beta, int n, double start, double end);
} kinds[] = {{"linear", linear},  {"quad", quad}, {"warmup10", warmup10}, {"warmup50", warmup50},
             {"const", constant}, {"jsd", jsd},   {"cosine", cosine}};

const char *const *nd_schedule_kinds(void) {
  static const char *names[G_N_ELEMENTS(kinds) + 1];
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
    names[i] = kinds[i].name;
  return names;
}

static nd_schedule *schedule_of(size_t kind, int steps, double start, double end) {
  nd_schedule *s = g_new0(nd_schedule, 1);
  s->steps = steps;
  s->beta = g_new(double, steps);
  s->gamma = g_new(double, steps);
  kinds[kind].fill(s->beta, steps, start, end);
  double product = 1;
  for (int i = 0; i < steps; i++)
    s->gamma[i] = product *= 1 - s->beta[i];
  return s;
}

int nd_schedule_new(const char *kind, int steps, double beta_start, double beta_end, nd_schedule **out) {
  *out = NULL;
  if (steps < 2 || steps > 100000)
    return nd_fail("noise schedule: steps are %d; there must be 2 to 100000", steps);
  if (!(beta_start > 0 && beta_start <= beta_end && beta_end < 1))
    return nd_fail("noise schedule: beta goes from %g to %g; it must rise inside (0, 1)", beta_start,
                   beta_end);
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (!strcmp(kinds[i].name, kind)) {
      *out = schedule_of(i, steps, beta_start, beta_end);
      return 0;
    }
  g_autofree char *known = g_strjoinv(", ", (char **)nd_schedule_kinds());
  return nd_fail("there is no noise schedule '%s'; there are: %s", kind, known);
}

void nd_schedule_free(nd_schedule *s) {
  if (!s)
    return;
  g_free(s->beta);
  g_free(s->gamma);
  g_free(s);
}

static int draw_t(nd_rng *r, nd_levels levels) {
  int count = levels.t_max - levels.t_min + 1;
  if (levels.t_power == 1)
    return levels.t_min + (int)nd_rng_below(r, (uint32_t)count);
  int place = (int)(count * pow(nd_rng_uniform(r), levels.t_power));
  return levels.t_min + MIN(place, count - 1);
}

double nd_schedule_draw(const nd_schedule *s, nd_rng *r, nd_levels levels) {
  int t = draw_t(r, levels);
  return nd_rng_between(r, s->gamma[t], s->gamma[t - 1]);
}
