/* From a graph to something that runs: drop what nobody needs, prepare the operators, place the buffers. */
#include "tensor/plan-private.h"
#include "tensor/params-private.h"
#include "tensor/profile-private.h"
#include "tensor/fp32_copies-private.h"

#include <string.h>

static int prepare_nodes(nd_plan *plan) {
  for (guint i = 0; i < plan->order->len; i++) {
    nd_node *n = nd_node_at(plan->graph, g_array_index(plan->order, int, i));
    if (n->op->prepare && n->op->prepare(plan->graph, n))
      return nd_fail_in("preparing %s", n->op->name);
    nd_fp32_copies_prepare(plan->graph, n);
  }
  return 0;
}

static void resolve_arena(nd_plan *plan) {
  for (guint t = 0; t < plan->graph->values->len; t++) {
    int r = plan->root[t];
    const nd_value *v = nd_value_of(plan->graph, r);
    if (v->place == ND_IN_ARENA)
      plan->data[t] = plan->arena + plan->place[r];
    else if (v->place == ND_IN_GRADIENTS)
      plan->data[t] = nd_plan_gradients(plan) + nd_params_at(plan->graph->params, v->param)->offset;
  }
}

static nd_plan *plan_new(nd_graph *g) {
  nd_plan *plan = g_new0(nd_plan, 1);
  plan->graph = g;
  plan->order = g_array_new(FALSE, TRUE, sizeof(int));
  plan->root = g_new0(int, g->values->len);
  plan->place = g_new0(size_t, g->values->len);
  plan->scratch_place = g_new0(size_t, g->nodes->len);
  plan->data = g_new0(void *, g->values->len);
  return plan;
}

/* All but the arena. */
static nd_plan *place_buffers(nd_graph *g) {
  if (nd_graph_failed(g)) {
    nd_fail("%s", g->failure);
    return NULL;
  }
  nd_plan *plan = plan_new(g);
  nd_fuse(g);
  nd_assign_types(g);
  nd_plan_order(plan);
  if (prepare_nodes(plan)) {
    nd_plan_free(plan);
    return NULL;
  }
  nd_plan_order_late(plan);
  nd_plan_memory(plan);
  return plan;
}

int nd_lay_out(nd_graph *g, nd_plan **out) {
  *out = place_buffers(g);
  return *out ? 0 : -1;
}

int nd_compile(nd_graph *g, nd_plan **out) {
  *out = NULL;
  nd_plan *plan = place_buffers(g);
  if (!plan)
    return -1;
  plan->arena = nd_mem_alloc(plan->arena_bytes, "buffers of the network");
  if (!plan->arena) {
    nd_plan_free(plan);
    return -1;
  }
  resolve_arena(plan);
  *out = plan;
  return 0;
}

void nd_plan_free(nd_plan *plan) {
  if (!plan)
    return;
  g_array_free(plan->order, TRUE);
  g_free(plan->root);
  g_free(plan->place);
  g_free(plan->scratch_place);
  g_free(plan->data);
  nd_mem_free(plan->arena);
  g_free(plan);
}

void nd_plan_bind(nd_plan *plan, const float *values) {
  const nd_graph *g = plan->graph;
  for (guint t = 0; t < g->values->len; t++) {
    const nd_value *v = nd_value_of(g, plan->root[t]);
    if (v->place == ND_IN_VALUES) /* nothing writes through these pointers */
      plan->data[t] = (void *)(values + nd_params_at(g->params, v->param)->offset);
  }
}

float *nd_plan_gradients(nd_plan *plan) {
  return plan->graph->differentiated ? (float *)(void *)plan->arena : NULL;
}

float *nd_plan_tensor(nd_plan *plan, nd_tensor t) {
  return plan->data[t];
}

void nd_plan_store_state(const nd_plan *plan, float *values) {
  const nd_graph *g = plan->graph;
  for (int i = 0; i < g->n_param_tensor; i++) {
    nd_tensor next = g->param_tensor[i] < 0 ? ND_NONE : nd_value_of(g, g->param_tensor[i])->next;
    const nd_param *p = nd_params_at(g->params, i);
    if (next >= 0)
      memcpy(values + p->offset, plan->data[next], p->count * sizeof *values);
  }
}

void nd_plan_set_window(nd_plan *plan, nd_window window) {
  plan->window = window;
}

void nd_plan_set_share(nd_plan *plan, nd_share share) {
  plan->share = share;
}

void nd_plan_set_watch(nd_plan *plan, nd_watch watch) {
  plan->watch = watch;
}

/* The floats between a gradient and the next held activations: they are zero in a buffer of gradients. */
static void finish_gradient(nd_plan *plan, int param) {
  const nd_params *params = plan->graph->params;
  const nd_param *p = nd_params_at(params, param);
  float *end = nd_plan_gradients(plan) + p->offset + p->count;
  memset(end, 0, (nd_params_end(params, param) - p->offset - p->count) * sizeof *end);
  if (plan->watch.gradient)
    plan->watch.gradient(param, plan->watch.context);
}

/* False: the run is to end here. */
static bool tell(nd_plan *plan, const nd_node *n) {
  const nd_watch *w = &plan->watch;
  bool go_on = true;
  for (int i = 0; i < n->n_out; i++) {
    const nd_value *v = nd_out_value(plan->graph, n, i);
    if (v->place == ND_IN_GRADIENTS && !v->is_partial)
      finish_gradient(plan, v->param);
    if (w->computed && n->out[i] == w->tensor)
      go_on = w->computed(w->context) && go_on;
  }
  return go_on;
}

void nd_find_buffers(nd_run_context *r) {
  const nd_node *n = r->node;
  for (int i = 0; i < n->n_in; i++)
    r->in[i] = n->in[i] >= 0 ? r->data[n->in[i]] : NULL;
  for (int i = 0; i < n->n_out; i++)
    r->out[i] = n->out[i] >= 0 ? r->data[n->out[i]] : NULL;
}

static void run_node(const nd_plan *plan, nd_run_context *r, guint at) {
  int64_t begun = plan->profile ? nd_clock() : 0;
  nd_find_buffers(r);
  if (r->node->has_copies)
    nd_fp32_copies_in(r);
  r->node->op->run(r);
  if (r->node->has_copies)
    nd_fp32_copies_out(r);
  if (plan->profile)
    nd_profile_node(plan->profile, plan->profile_first + at, begun);
}

void nd_run(nd_plan *plan, uint64_t seed, uint64_t step, uint32_t first_sample) {
  nd_run_context r = {.graph = plan->graph,
                      .data = plan->data,
                      .seed = seed,
                      .step = step,
                      .first_sample = first_sample,
                      .share = plan->share,
                      .window = &plan->window};
  for (guint i = 0; i < plan->order->len; i++) {
    int node = g_array_index(plan->order, int, i);
    r.node = nd_node_at(plan->graph, node);
    r.scratch = plan->arena + plan->scratch_place[node];
    if (!r.node->op->view)
      run_node(plan, &r, i);
    if (!tell(plan, r.node))
      return;
  }
}

size_t nd_plan_bytes(const nd_plan *plan) {
  return plan->arena_bytes;
}

int nd_plan_nodes(const nd_plan *plan) {
  return (int)plan->order->len;
}

double nd_node_flops(const nd_graph *g, const nd_node *n) {
  if (n->op->view)
    return 0;
  return n->op->flops ? n->op->flops(g, n) : (double)nd_out_value(g, n, 0)->count;
}

double nd_plan_flops(const nd_plan *plan) {
  double sum = 0;
  for (guint i = 0; i < plan->order->len; i++)
    sum += nd_node_flops(plan->graph, nd_node_at(plan->graph, g_array_index(plan->order, int, i)));
  return sum;
}

static void describe_node(const nd_plan *plan, int at, GString *text) {
  const nd_graph *g = plan->graph;
  const nd_node *n = nd_node_at(g, g_array_index(plan->order, int, at));
  const nd_value *v = nd_out_value(g, n, 0);
  const nd_value *root = nd_value_of(g, plan->root[n->out[0]]);
  g_autofree char *shape = g_strdup_printf("%dx%dx%dx%d", ND_DIMS(v));
  g_string_append_printf(text, "%5d  %-24s %-18s %10.2f %10.2f  ", at, n->op->name, shape,
                         nd_node_flops(g, n) / 1e6, (double)nd_value_bytes(v) / 1e6);
  if (n->op->view)
    g_string_append(text, "view\n");
  else if (root->place == ND_IN_ARENA)
    g_string_append_printf(text, "arena %zu\n", plan->place[plan->root[n->out[0]]]);
  else
    g_string_append_printf(text, "gradient of %s\n", nd_params_at(g->params, root->param)->name);
}

char *nd_plan_describe(const nd_plan *plan) {
  GString *text =
      g_string_new(" node  operator                 shape (NxHxWxC)         MFLOP         MB  place\n");
  for (guint i = 0; i < plan->order->len; i++)
    describe_node(plan, (int)i, text);
  g_string_append_printf(text, "%u nodes, %.2f GFLOP, arena %.1f MB, %zu weights\n", plan->order->len,
                         nd_plan_flops(plan) / 1e9, (double)plan->arena_bytes / 1e6,
                         nd_params_count(plan->graph->params));
  return g_string_free(text, FALSE);
}
