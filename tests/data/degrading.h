/* Degrading square pictures made in memory. */
#ifndef ND_TEST_DEGRADING_H
#define ND_TEST_DEGRADING_H

#include "data/data.h"
#include "pictures.h"

/* assignments: "key=value key=value", or "". */
static inline nd_degrade_settings chosen(const char *name, const char *assignments) {
  nd_degrade_settings s;
  assert_int_equal(nd_degrade_find(name, &s), 0);
  g_auto(GStrv) all = g_strsplit(assignments, " ", -1);
  for (int i = 0; all[i] && *all[i]; i++) {
    g_auto(GStrv) pair = g_strsplit(all[i], "=", 2);
    if (nd_degrade_set(&s, pair[0], pair[1]))
      fail_msg("%s", nd_error());
  }
  return s;
}

static inline void degrade(const nd_degrade_settings *s, float *rgb, int side, uint64_t step) {
  nd_rng rng = nd_rng_make(3, step, 0, ND_RANDOM_DEGRADE);
  if (nd_degrade_apply(s, rgb, side, side, &rng))
    fail_msg("%s", nd_error());
}

static inline float *flat(int side, float level) {
  float *rgb = g_new(float, (gsize)side *(gsize)side * 3);
  for (int i = 0; i < side * side * 3; i++)
    rgb[i] = level;
  return rgb;
}

static inline void set(nd_degrade_settings *s, const char *key, const char *value) {
  if (nd_degrade_set(s, key, value))
    fail_msg("%s", nd_error());
}

typedef struct stats {
  double mean, variance, neighbour; /* correlation with the value `apart` places on */
} stats;

static inline stats measure(const float *x, int n, int apart) {
  stats s = {0, 0, 0};
  for (int i = 0; i < n; i++)
    s.mean += (double)x[i] / n;
  for (int i = 0; i < n; i++)
    s.variance += (x[i] - s.mean) * (x[i] - s.mean) / n;
  for (int i = 0; i + apart < n; i++)
    s.neighbour += (x[i] - s.mean) * (x[i + apart] - s.mean) / (n - apart) / s.variance;
  return s;
}

#endif
