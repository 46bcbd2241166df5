/* From a graph to something that runs: drop what nobody needs, prepare the operators, place the buffers. */
#include "tensor/plan-private.h"
#include "tensor/params-private.h"
#include "tensor/profile-private.h"
#include "tensor/stage-private.h"

#include <string.h>

static bool wanted(const nd_value *v) {
  return v->is_output || v->place == ND_IN_GRADIENTS;
}

static void find_order(nd_plan *plan) {
  const nd_graph *g = plan->graph;
  int n = nd_node_count(g);
  g_autofree bool *needed = g_new0(bool, n), *asked = g_new0(bool, g->values->len);
  for (int i = n - 1; i >= 0; i--) {
    const nd_node *node = nd_node_at(g, i);
    for (int o = 0; o < node->n_out; o++)
      if ((asked[node->out[o]] || wanted(nd_out_value(g, node, o))) && !nd_out_value(g, node, o)->is_input)
        needed[i] = true;
    for (int k = 0; k < node->n_in && needed[i]; k++)
      if (node->in[k] >= 0)
        asked[node->in[k]] = true;
  }
  for (int i = 0; i < n; i++)
    if (needed[i])
      g_array_append_val(plan->order, i);
}

static int prepare_nodes(nd_plan *plan) {
  for (guint i = 0; i < plan->order->len; i++) {
    nd_node *n = nd_node_at(plan->graph, g_array_index(plan->order, int, i));
    if (n->op->prepare && n->op->prepare(plan->graph, n))
      return nd_fail_in("preparing %s", n->op->name);
    nd_stage_prepare(plan->graph, n);
  }
  return 0;
}

static void resolve_arena(nd_plan *plan) {
  for (guint t = 0; t < plan->graph->values->len; t++) {
    int r = plan->root[t];
    if (nd_value_of(plan->graph, r)->place == ND_IN_ARENA)
      plan->data[t] = plan->arena + plan->place[r];
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
  find_order(plan);
  nd_assign_types(g);
  if (prepare_nodes(plan)) {
    nd_plan_free(plan);
    return NULL;
  }
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

void nd_plan_bind(nd_plan *plan, const float *values, float *gradients) {
  const nd_graph *g = plan->graph;
  if (gradients)
    memset(gradients, 0, nd_params_size(g->params) * sizeof *gradients);
  for (guint t = 0; t < g->values->len; t++) {
    const nd_value *v = nd_value_of(g, plan->root[t]);
    if (v->place == ND_IN_ARENA)
      continue;
    size_t offset = nd_params_at(g->params, v->param)->offset;
    /* Nothing writes through a pointer into values: only gradient nodes write, into gradients. */
    plan->data[t] = v->place == ND_IN_VALUES ? (void *)(values + offset) : (void *)(gradients + offset);
  }
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

/* False: the run is to end here. */
static bool tell(const nd_plan *plan, const nd_node *n) {
  const nd_watch *w = &plan->watch;
  bool go_on = true;
  for (int i = 0; i < n->n_out; i++) {
    const nd_value *v = nd_out_value(plan->graph, n, i);
    if (w->gradient && v->place == ND_IN_GRADIENTS && !v->is_partial)
      w->gradient(v->param, w->context);
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
  if (r->node->is_staged)
    nd_stage_in(r);
  r->node->op->run(r);
  if (r->node->is_staged)
    nd_stage_out(r);
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
                         nd_node_flops(g, n) / 1e6, (double)v->count * (double)nd_dtype_size(v->dtype) / 1e6);
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
