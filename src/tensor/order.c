/* Which nodes run, and when: all that an output or a gradient needs, in the order in which they were built.
 * But gradients of weights that are larger than what they are made of run last, when the activations whose
 * memory they take (memory_plan.c) are dead, unless somebody waits for them. */
#include "tensor/plan-private.h"

static bool wanted(const nd_value *v) {
  return v->is_output || v->place == ND_IN_GRADIENTS;
}

static void find_needed(const nd_graph *g, bool *needed) {
  g_autofree bool *asked = g_new0(bool, g->values->len);
  for (int i = nd_node_count(g) - 1; i >= 0; i--) {
    const nd_node *node = nd_node_at(g, i);
    for (int o = 0; o < node->n_out; o++)
      if ((asked[node->out[o]] || wanted(nd_out_value(g, node, o))) && !nd_out_value(g, node, o)->is_input)
        needed[i] = true;
    for (int k = 0; k < node->n_in && needed[i]; k++)
      if (node->in[k] >= 0)
        asked[node->in[k]] = true;
  }
}

/* Makes final gradients alone, and more of them than it reads. */
static bool can_wait(const nd_graph *g, const nd_node *n) {
  size_t made = 0, read = 0;
  if (g->early_gradients)
    return false;
  for (int o = 0; o < n->n_out; o++) {
    const nd_value *v = nd_out_value(g, n, o);
    if (v->place != ND_IN_GRADIENTS || v->is_partial)
      return false;
    made += nd_value_bytes(v);
  }
  for (int i = 0; i < n->n_in; i++)
    if (n->in[i] >= 0 && nd_in_value(g, n, i)->place == ND_IN_ARENA)
      read += nd_value_bytes(nd_in_value(g, n, i));
  return made > read;
}

void nd_plan_order(nd_plan *plan) {
  const nd_graph *g = plan->graph;
  int n = nd_node_count(g);
  g_autofree bool *needed = g_new0(bool, n);
  find_needed(g, needed);
  for (int late = 0; late < 2; late++) {
    plan->late = plan->order->len;
    for (int i = 0; i < n; i++)
      if (needed[i] && can_wait(g, nd_node_at(g, i)) == late)
        g_array_append_val(plan->order, i);
  }
}

/* What a node takes besides its gradients, all of which is free afterwards. */
static size_t passing_bytes(const nd_graph *g, const nd_node *n) {
  size_t bytes = n->scratch_bytes;
  for (int i = 0; i < n->n_in; i++)
    if (n->in[i] >= 0 && nd_in_value(g, n, i)->place == ND_IN_ARENA)
      bytes += nd_value_bytes(nd_in_value(g, n, i));
  return bytes;
}

static int greedy_first(gconstpointer a, gconstpointer b, gpointer graph) {
  const int *i = a, *j = b;
  size_t p = passing_bytes(graph, nd_node_at(graph, *i)), q = passing_bytes(graph, nd_node_at(graph, *j));
  return p != q ? p < q ? 1 : -1 : *i - *j;
}

void nd_plan_order_late(nd_plan *plan) {
  if (plan->late < plan->order->len)
    g_qsort_with_data(&g_array_index(plan->order, int, plan->late), (int)(plan->order->len - plan->late),
                      sizeof(int), greedy_first, plan->graph);
}
