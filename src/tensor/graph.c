/* Building a graph: values, nodes, scopes, the one remembered failure. */
#include "tensor/graph-private.h"
#include "tensor/params-private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ELEMENTS = INT32_MAX };

static void node_free(gpointer data) {
  nd_node *n = data;
  if (n->op->release && n->state)
    n->op->release(n);
  g_free(n->attr);
  g_free(n);
}

nd_graph *nd_graph_new(nd_params *params) {
  nd_graph *g = g_new0(nd_graph, 1);
  g->params = params;
  g->values = g_array_new(FALSE, TRUE, sizeof(nd_value));
  g->nodes = g_ptr_array_new_with_free_func(node_free);
  g->scopes = g_ptr_array_new_with_free_func(g_free);
  g->training = true;
  g->features = ND_NONE;
  g->fewest_bf16_channels = 16; /* a vector of fp32 */
  return g;
}

void nd_graph_free(nd_graph *g) {
  if (!g)
    return;
  for (guint i = 0; i < g->values->len; i++)
    g_free(nd_value_of(g, (int)i)->name);
  g_array_free(g->values, TRUE);
  g_ptr_array_free(g->nodes, TRUE);
  g_ptr_array_free(g->scopes, TRUE);
  g_free(g->param_tensor);
  g_free(g->failure);
  g_free(g);
}

void nd_graph_set_early_gradients(nd_graph *g, bool early) {
  g->early_gradients = early;
}

void nd_graph_set_dtype(nd_graph *g, nd_dtype activations) {
  g->dtype = activations;
}

void nd_graph_set_training(nd_graph *g, bool training) {
  g->training = training;
}

bool nd_graph_training(const nd_graph *g) {
  return g->training;
}

void nd_deepest_features_set(nd_graph *g, nd_tensor x) {
  g->features = x;
}

nd_tensor nd_deepest_features(const nd_graph *g) {
  return g->features;
}

nd_tensor nd_graph_fail(nd_graph *g) {
  if (!g->failure)
    g->failure = g_strdup(nd_error());
  return ND_NONE;
}

bool nd_graph_failed(const nd_graph *g) {
  return g->failure != NULL;
}

static char *scoped(const nd_graph *g, const char *name) {
  GString *full = g_string_new(NULL);
  for (guint i = 0; i < g->scopes->len; i++)
    g_string_append_printf(full, "%s.", (char *)g_ptr_array_index(g->scopes, i));
  g_string_append(full, name);
  return g_string_free(full, FALSE);
}

nd_tensor nd_bad_node(nd_graph *g, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  g_autofree char *where = scoped(g, "");
  nd_fail("graph at '%s': %s", where, text);
  return nd_graph_fail(g);
}

void nd_scope_push(nd_graph *g, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_ptr_array_add(g->scopes, g_strdup_vprintf(format, args));
  va_end(args);
}

void nd_scope_pop(nd_graph *g) {
  g_ptr_array_remove_index(g->scopes, g->scopes->len - 1);
}

nd_tensor nd_new_value(nd_graph *g, int rank, const int *dims) {
  nd_value v = {.rank = rank,
                .dims = {1, 1, 1, 1},
                .count = 1,
                .param = -1,
                .producer = -1,
                .gradient = ND_NONE,
                .next = ND_NONE};
  for (int i = 0; i < rank; i++) {
    if (dims[i] < 1 || v.count > MAX_ELEMENTS / (size_t)dims[i])
      return nd_bad_node(g, "a tensor of dimensions %d x %d x %d x %d cannot be made", dims[0],
                         rank > 1 ? dims[1] : 1, rank > 2 ? dims[2] : 1, rank > 3 ? dims[3] : 1);
    v.dims[i] = dims[i];
    v.count *= (size_t)dims[i];
  }
  g_array_append_val(g->values, v);
  return (int)g->values->len - 1;
}

nd_tensor nd_input(nd_graph *g, const char *name, int n, int h, int w, int c) {
  if (nd_graph_failed(g))
    return ND_NONE;
  nd_tensor t = nd_new_value(g, 4, (int[]){n, h, w, c});
  if (t >= 0) {
    nd_value_of(g, t)->is_input = true;
    nd_value_of(g, t)->name = g_strdup(name);
  }
  return t;
}

void nd_output(nd_graph *g, const char *name, nd_tensor t) {
  if (nd_graph_failed(g) || t < 0)
    return;
  nd_value *v = nd_value_of(g, t);
  v->is_output = true;
  if (!v->name)
    v->name = g_strdup(name);
}

static nd_tensor *param_slot(nd_graph *g, int index) {
  if (index >= g->n_param_tensor) {
    int wanted = nd_params_length(g->params);
    g->param_tensor = g_renew(nd_tensor, g->param_tensor, wanted);
    for (int i = g->n_param_tensor; i < wanted; i++)
      g->param_tensor[i] = ND_NONE;
    g->n_param_tensor = wanted;
  }
  return &g->param_tensor[index];
}

static nd_tensor named(nd_graph *g, const char *name, nd_param wanted) {
  if (nd_graph_failed(g))
    return ND_NONE;
  g_autofree char *full = scoped(g, name);
  int index = nd_params_declare(g->params, full, wanted);
  if (index < 0)
    return nd_graph_fail(g);
  nd_tensor *slot = param_slot(g, index);
  if (*slot < 0) {
    nd_tensor t = nd_new_value(g, wanted.rank, wanted.dims);
    if (t < 0)
      return t;
    nd_value *v = nd_value_of(g, t);
    v->param = index;
    v->place = ND_IN_VALUES;
    v->needs_gradient = !wanted.state;
    *slot = t;
  }
  return *slot;
}

static nd_param wanted_param(nd_init init, bool state, int rank, const int *dims) {
  nd_param p = {.init = init, .state = state, .rank = rank, .dims = {1, 1, 1, 1}};
  memcpy(p.dims, dims, (size_t)rank * sizeof *dims);
  return p;
}

nd_tensor nd_parameter(nd_graph *g, const char *name, nd_init init, int rank, const int *dims) {
  return named(g, name, wanted_param(init, false, rank, dims));
}

nd_tensor nd_state(nd_graph *g, const char *name, nd_init init, int rank, const int *dims) {
  return named(g, name, wanted_param(init, true, rank, dims));
}

nd_tensor nd_state_now(const nd_graph *g, nd_tensor state) {
  return state >= 0 && nd_value_of(g, state)->next >= 0 ? nd_value_of(g, state)->next : state;
}

void nd_state_set(nd_graph *g, nd_tensor state, nd_tensor next) {
  if (!nd_ready(g, 2, (nd_tensor[]){state, next}))
    return;
  nd_value_of(g, state)->next = next;
  nd_value_of(g, next)->is_output = true;
}

const int *nd_dims(const nd_graph *g, nd_tensor t) {
  static const int none[4] = {1, 1, 1, 1};
  return t < 0 ? none : nd_value_of(g, t)->dims;
}

void nd_require_gradient(nd_graph *g, nd_tensor input) {
  if (input >= 0)
    nd_value_of(g, input)->needs_gradient = true;
}

bool nd_ready(const nd_graph *g, int n, const nd_tensor *tensors) {
  if (nd_graph_failed(g))
    return false;
  for (int i = 0; i < n; i++)
    if (tensors[i] < 0 || tensors[i] >= (int)g->values->len)
      return false;
  return true;
}

nd_node *nd_last_node(nd_graph *g) {
  return nd_node_at(g, nd_node_count(g) - 1);
}

void nd_carry_dropout(nd_graph *g, const nd_node *n) {
  nd_last_node(g)->stream = n->stream;
  nd_last_node(g)->part = n->part;
}

uint32_t nd_dropout_mark(const nd_graph *g) {
  return g->next_stream;
}

void nd_dropout_from(nd_graph *g, uint32_t mark, int part) {
  g->next_stream = mark;
  g->part = part;
}

void nd_recompute(nd_graph *g, bool recompute) {
  g->recompute = recompute;
}

void nd_keep_f32(nd_graph *g, bool keep) {
  g->keeps_f32 = keep;
}

static nd_tensor append(nd_graph *g, const nd_op *op, const void *attr, int n_in, const nd_tensor *in,
                        int rank, const int *dims) {
  if (nd_graph_failed(g))
    return ND_NONE;
  nd_tensor t = nd_new_value(g, rank, dims);
  if (t < 0)
    return t;
  nd_node *n = g_new0(nd_node, 1);
  n->op = op;
  n->part = g->part;
  n->recompute = g->recompute;
  n->keeps_f32 = g->keeps_f32;
  n->attr = g_memdup2(attr, op->attr_size);
  n->n_in = n_in;
  n->n_out = 1;
  n->out[0] = t;
  nd_value *v = nd_value_of(g, t);
  v->producer = nd_node_count(g);
  for (int i = 0; i < n_in; i++) {
    n->in[i] = in[i];
    if (in[i] >= 0 && op->gradient && nd_value_of(g, in[i])->needs_gradient)
      v->needs_gradient = true;
  }
  g_ptr_array_add(g->nodes, n);
  return t;
}

nd_tensor nd_append(nd_graph *g, const nd_op *op, const void *attr, int n_in, const nd_tensor *in, int n,
                    int h, int w, int c) {
  return append(g, op, attr, n_in, in, 4, (int[]){n, h, w, c});
}

nd_tensor nd_append_like(nd_graph *g, const nd_op *op, const void *attr, int n_in, const nd_tensor *in,
                         nd_tensor like) {
  if (nd_graph_failed(g))
    return ND_NONE;
  nd_value v = *nd_value_of(g, like);
  return append(g, op, attr, n_in, in, v.rank, v.dims);
}

nd_tensor nd_append_output(nd_graph *g, int rank, const int *dims) {
  if (nd_graph_failed(g))
    return ND_NONE;
  nd_node *n = nd_last_node(g);
  nd_tensor t = nd_new_value(g, rank, dims);
  if (t >= 0) {
    nd_value_of(g, t)->producer = nd_node_count(g) - 1;
    n->out[n->n_out++] = t;
  }
  return t;
}

nd_tensor nd_example_input(nd_graph *g, int n, int h, int w, int c) {
  nd_tensor t = nd_input(g, "example", n, h, w, c);
  nd_require_gradient(g, t);
  return g->dtype == ND_F32 ? t : nd_affine(g, t, 1, 0); /* inputs are fp32 */
}

nd_tensor nd_example_parameter(nd_graph *g, int rank, int d0, int d1, int d2, int d3) {
  g_autofree char *name = g_strdup_printf("p%d", nd_params_length(g->params));
  return nd_parameter(g, name, ND_INIT_KAIMING, rank, (int[]){d0, d1, d2, d3});
}
