/* The teacher of mode teacher: the network as it is used, with the moving average of its weights. */
#include "train/trainer-private.h"
#include "weights/model.h"

#include <string.h>

struct nd_teacher {
  nd_graph *graph;
  nd_plan *plan;
  nd_tensor real, restored;
};

static void build(nd_teacher *t, const nd_recipe *r, const nd_net *net, int samples) {
  int size = r->data.patch_size;
  nd_graph_set_training(t->graph, false);
  nd_graph_set_dtype(t->graph, nd_recipe_dtype(r));
  t->real = nd_input(t->graph, "real", samples, size, size, 3);
  nd_scope_push(t->graph, ND_SCOPE_RESTORATION);
  t->restored = nd_net_restore(t->graph, net, t->real);
  nd_scope_pop(t->graph);
  if (r->restoration.residual)
    t->restored = nd_add(t->graph, t->real, t->restored);
  nd_output(t->graph, "restored", t->restored);
}

int nd_teacher_new(const nd_recipe *r, const nd_net *net, nd_params *params, int samples, nd_planner plan,
                   nd_teacher **out) {
  *out = NULL;
  if (r->mode != ND_MODE_TEACHER)
    return 0;
  nd_teacher *t = g_new0(nd_teacher, 1);
  t->graph = nd_graph_new(params);
  build(t, r, net, samples);
  if (plan(t->graph, &t->plan)) {
    nd_teacher_free(t);
    return -1;
  }
  *out = t;
  return 0;
}

void nd_teacher_say_pace(const nd_recipe *r) {
  double steps = 1 / (1 - r->training.ema);
  if (r->mode == ND_MODE_TEACHER && steps > (double)r->training.steps / 2)
    nd_log(ND_LOG_WARNING,
           "the teacher is an average over some %.0f steps (training.ema %g) and hardly learns in %d: "
           "training.ema=0.99 follows in some 100",
           steps, r->training.ema, (int)r->training.steps);
}

void nd_teacher_free(nd_teacher *t) {
  if (!t)
    return;
  nd_plan_free(t->plan);
  nd_graph_free(t->graph);
  g_free(t);
}

void nd_teacher_restore(nd_teacher *t, const float *average, const float *real, size_t count, float *out) {
  nd_plan_bind(t->plan, average);
  memcpy(nd_plan_tensor(t->plan, t->real), real, count * sizeof *real);
  nd_run(t->plan, 0, 0, 0);
  memcpy(out, nd_plan_tensor(t->plan, t->restored), count * sizeof *out);
}

size_t nd_teacher_bytes(const nd_teacher *t) {
  return t ? nd_plan_bytes(t->plan) : 0;
}

double nd_teacher_flops(const nd_teacher *t) {
  return t ? nd_plan_flops(t->plan) : 0;
}
