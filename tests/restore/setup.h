/* A network with the oracle's weights, and pictures through it. */
#ifndef ND_TEST_SETUP_H
#define ND_TEST_SETUP_H

#include "golden.h"
#include "restore/restore.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

typedef struct setup {
  nd_net *net;
  nd_params *params;
  float *values;
} setup;

static inline void open_setup(setup *u, const char *network, const char *settings) {
  assert_int_equal(nd_net_from_text(network, ND_RESTORATION, settings, &u->net), 0);
  u->params = nd_params_new();
  nd_graph *g = nd_graph_new(u->params);
  int size = nd_net_multiple(u->net);
  nd_net_restore(g, u->net, nd_input(g, "x", 1, size, size, nd_net_channels(u->net)));
  nd_graph_free(g);
  u->values = nd_mem_alloc(nd_params_size(u->params) * sizeof(float), "test");
  golden_weights(u->params, u->values);
}

static inline void close_setup(setup *u) {
  nd_net_free(u->net);
  nd_params_free(u->params);
  nd_mem_free(u->values);
}

/* As the network takes it. */
static inline float *random_picture(const setup *u, int height, int width) {
  size_t n = (size_t)height * (size_t)width * (size_t)nd_net_channels(u->net);
  float *x = g_new(float, n);
  nd_rng r = nd_rng_make(4, 0, 0, ND_RANDOM_TEST);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)nd_rng_uniform(&r);
  return x;
}

static inline float *restored(setup *u, nd_restorer_settings s, const float *x, int height, int width) {
  nd_restorer *r;
  float *y = g_new(float, (size_t)height *(size_t)width * 3);
  assert_int_equal(nd_restorer_new(u->net, u->params, "", u->values, s, &r), 0);
  if (nd_restorer_run(r, x, height, width, y, NULL, NULL))
    fail_msg("%s", nd_error());
  nd_restorer_free(r);
  return y;
}

static inline double largest_difference(const float *a, const float *b, size_t n) {
  double d = 0;
  for (size_t i = 0; i < n; i++)
    d = fmax(d, fabs((double)a[i] - (double)b[i]));
  return d;
}

#endif
