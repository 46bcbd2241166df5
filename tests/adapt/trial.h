/* An objective's graph, with the oracle's weights. */
#ifndef ND_TEST_TRIAL_H
#define ND_TEST_TRIAL_H

#include "golden.h"
#include "adapt/adapt.h"
#include "train/train-private.h"
#include "weights/model.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { N = 3, SIZE = 8 };

typedef struct trial {
  nd_net *restoration, *diffusion;
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_objective o;
  nd_train_state state;
} trial;

static inline nd_net *network(const char *name, nd_role role, const char *settings) {
  nd_net *net;
  if (nd_net_from_text(name, role, settings, &net))
    fail_msg("%s", nd_error());
  return net;
}

/* Parameters of the diffusion network take places in the oracle's sorted list also where the mode has none.
 */
static inline void fill_weights(trial *t) {
  nd_params *all = nd_params_new();
  nd_graph *g = nd_graph_new(all);
  nd_objective_settings s = nd_objective_defaults();
  nd_objective o;
  nd_objective_build(g, &s, t->restoration, t->diffusion, 1, SIZE, &o);
  float *values = nd_mem_alloc(nd_params_size(all) * sizeof(float), "test");
  golden_weights(all, values);
  for (int i = 0; i < nd_params_length(t->params); i++) {
    const nd_param *p = nd_params_at(t->params, i), *q = nd_params_find(all, p->name);
    memcpy(t->state.values + p->offset, values + q->offset, p->count * sizeof(float));
  }
  memcpy(t->state.ema, t->state.values, t->state.size * sizeof(float));
  nd_mem_free(values);
  nd_graph_free(g);
  nd_params_free(all);
}

/* Weights are zero. */
static inline void build_trial(trial *t, nd_net *restoration, nd_objective_settings s, int samples,
                               int size) {
  *t = (trial){.restoration = restoration,
               .diffusion = network("guided", ND_DIFFUSION,
                                    "width=4;multipliers=1,2;res_blocks=1;attention_levels=;head_channels=4;"
                                    "norm_groups=2;dropout=0"),
               .params = nd_params_new()};
  t->g = nd_graph_new(t->params);
  nd_objective_build(t->g, &s, t->restoration, t->diffusion, samples, size, &t->o);
  if (nd_backward(t->g, t->o.loss) || nd_compile(t->g, &t->plan))
    fail_msg("%s", nd_error());
  assert_int_equal(nd_train_state_new(t->params, &t->state), 0);
  nd_plan_bind(t->plan, t->state.values);
  t->state.gradients = nd_plan_gradients(t->plan);
}

static inline void open_trial_with(trial *t, nd_net *restoration, nd_objective_settings s) {
  build_trial(t, restoration, s, N, SIZE);
  fill_weights(t);
}

/* What the restoration network makes of the pictures by itself. */
static inline void restore(const trial *t, const float *x, float *out) {
  nd_graph *g = nd_graph_new(t->params);
  nd_plan *plan;
  nd_tensor in = nd_input(g, "x", N, SIZE, SIZE, 3), y;
  nd_scope_push(g, ND_SCOPE_RESTORATION);
  y = nd_add(g, in, nd_net_restore(g, t->restoration, in));
  nd_scope_pop(g);
  nd_output(g, "y", y);
  assert_int_equal(nd_compile(g, &plan), 0);
  nd_plan_bind(plan, t->state.values);
  memcpy(nd_plan_tensor(plan, in), x, (size_t)N * SIZE * SIZE * 3 * sizeof *x);
  nd_run(plan, 0, 0, 0);
  memcpy(out, nd_plan_tensor(plan, y), (size_t)N * SIZE * SIZE * 3 * sizeof *x);
  nd_plan_free(plan);
  nd_graph_free(g);
}

static inline void close_trial(trial *t) {
  nd_plan_free(t->plan);
  nd_graph_free(t->g);
  nd_params_free(t->params);
  nd_net_free(t->restoration);
  nd_net_free(t->diffusion);
  nd_train_state_free(&t->state);
}

#endif
