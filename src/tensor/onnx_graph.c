/* From a graph to ONNX: node by node, with shapes that follow the picture's size. */
#include "tensor/graph-private.h"
#include "tensor/onnx-private.h"

#include <string.h>

/* ---- Sizes ---- */

/* How the length of an axis grows when `what` is doubled: 0 not at all, 1 with it, -1 otherwise. */
static int growth(const nd_onnx *o, nd_tensor t, int axis, int what) {
  int base = nd_dims(o->source->at[ND_ONNX_BASE], t)[axis], grown = nd_dims(o->source->at[what], t)[axis];
  return grown == base ? 0 : grown == 2 * base ? 1 : -1;
}

/* The base graph has 2 of everything. */
int64_t nd_onnx_length_step(nd_onnx *o, nd_tensor t, int axis) {
  int length = nd_dims(o->source->at[ND_ONNX_BASE], t)[axis], step = length;
  for (int what = ND_ONNX_BATCH; what < ND_ONNX_BUILDS; what++) {
    int grows = growth(o, t, axis, what);
    if (grows < 0 || (grows && step % 2)) {
      nd_onnx_fail(
          o, "at %s an axis of length %d does not follow the picture's size in a way that ONNX can have",
          o->place, length);
      return 1;
    }
    step >>= grows;
  }
  return step;
}

static bool fixed(const nd_onnx *o, nd_tensor t, int axis) {
  for (int what = ND_ONNX_BATCH; what < ND_ONNX_BUILDS; what++)
    if (growth(o, t, axis, what))
      return false;
  return true;
}

const char *nd_onnx_length(nd_onnx *o, nd_tensor t, int axis) {
  const char *sizes[] = {
      [ND_ONNX_BATCH] = o->sizes.batch, [ND_ONNX_HEIGHT] = o->sizes.height, [ND_ONNX_WIDTH] = o->sizes.width};
  int64_t step = nd_onnx_length_step(o, t, axis);
  const char *product = NULL;
  for (int what = ND_ONNX_BATCH; what < ND_ONNX_BUILDS; what++)
    if (growth(o, t, axis, what))
      product = product ? nd_onnx_node(o, "Mul", ND_ONNX_IN(product, sizes[what]), NULL) : sizes[what];
  if (!product)
    return nd_onnx_int(o, step);
  return step == 1 ? product : nd_onnx_node(o, "Mul", ND_ONNX_IN(product, nd_onnx_int(o, step)), NULL);
}

static const int AXES[ND_ONNX_LAYOUTS][4] = {{0, 1, 2, 3}, {0, 3, 1, 2}}; /* of n,h,w,c */

const char *nd_onnx_shape(nd_onnx *o, nd_tensor t, nd_onnx_layout layout) {
  const char *lengths[5] = {NULL};
  int64_t dims[4];
  bool all_fixed = true;
  for (int i = 0; i < 4; i++) {
    int axis = AXES[layout][i];
    dims[i] = nd_dims(o->source->at[ND_ONNX_BASE], t)[axis];
    all_fixed &= fixed(o, t, axis);
  }
  if (all_fixed)
    return nd_onnx_ints(o, 4, dims);
  for (int i = 0; i < 4; i++)
    lengths[i] = nd_onnx_length(o, t, AXES[layout][i]);
  return nd_onnx_join(o, lengths);
}

/* ---- Values ---- */

int nd_onnx_axis(nd_onnx_layout layout, int axis) {
  for (int i = 0; i < 4; i++)
    if (AXES[layout][i] == axis)
      return i;
  return 0;
}

const char *nd_onnx_weights(nd_onnx *o, nd_tensor t) {
  const nd_graph *g = o->source->at[ND_ONNX_BASE];
  const nd_value *v = nd_value_of(g, t);
  if (v->param < 0) {
    nd_onnx_fail(o, "%s has weights that are computed", o->place);
    return "";
  }
  const nd_param *p = nd_params_at(g->params, v->param);
  if (!g_hash_table_contains(o->names, p->name))
    nd_onnx_parameter(o, p->name, p->rank, p->dims, o->source->values + p->offset);
  return p->name;
}

/* Parameters become values when they are asked for. */
static void want(nd_onnx *o, nd_tensor t) {
  const nd_value *v = nd_value_of(o->source->at[ND_ONNX_BASE], t);
  if (o->values[t][ND_ONNX_AS_IS] || o->values[t][ND_ONNX_CHANNELS_FIRST])
    return;
  const char *name = nd_onnx_weights(o, t);
  int64_t dims[4] = {ND_DIMS(v)};
  nd_onnx_set(o, t, ND_ONNX_AS_IS, v->rank == 4 ? name : nd_onnx_reshape(o, name, 4, dims));
}

const char *nd_onnx_value(nd_onnx *o, nd_tensor t, nd_onnx_layout layout) {
  static const int64_t orders[ND_ONNX_LAYOUTS][4] = {{0, 2, 3, 1}, {0, 3, 1, 2}};
  want(o, t);
  if (!o->values[t][layout])
    o->values[t][layout] = nd_onnx_transpose(o, o->values[t][!layout], 4, orders[layout]);
  return o->values[t][layout];
}

nd_onnx_layout nd_onnx_layout_of(const nd_onnx *o, nd_tensor t) {
  return o->layouts[t];
}

void nd_onnx_set(nd_onnx *o, nd_tensor t, nd_onnx_layout layout, const char *value) {
  o->values[t][layout] = value;
  o->layouts[t] = layout;
}

/* ---- The graph ---- */

static bool same_node(const nd_node *a, const nd_node *b) {
  return a->op == b->op && a->n_in == b->n_in && a->n_out == b->n_out &&
         !memcmp(a->in, b->in, sizeof a->in) && !memcmp(a->out, b->out, sizeof a->out);
}

static bool same_structure(const nd_graph *a, const nd_graph *b) {
  if (nd_node_count(a) != nd_node_count(b) || a->values->len != b->values->len)
    return false;
  for (int i = 0; i < nd_node_count(a); i++)
    if (!same_node(nd_node_at(a, i), nd_node_at(b, i)))
      return false;
  return true;
}

static void say(nd_onnx *o, const nd_graph *g, int i) {
  const nd_node *n = nd_node_at(g, i);
  g_free(o->place);
  o->place = g_strdup_printf("%s_%d", n->op->name, i);
  if (n->op->onnx)
    n->op->onnx(o, g, n);
  else
    nd_onnx_fail(o, "operator %s cannot be said in ONNX yet", n->op->name);
}

const char *nd_onnx_graph(nd_onnx *o, const nd_onnx_source *source, const char *x, nd_onnx_sizes sizes) {
  const nd_graph *g = source->at[ND_ONNX_BASE];
  o->source = source;
  o->sizes = sizes;
  for (int what = 0; what < ND_ONNX_BUILDS; what++)
    if (nd_graph_failed(source->at[what]))
      nd_onnx_fail(o, "%s", source->at[what]->failure);
    else if (!same_structure(g, source->at[what]))
      nd_onnx_fail(o, "the network is built otherwise for another size of picture");
  if (o->failure)
    return "";
  o->values = g_malloc0_n(g->values->len, sizeof *o->values);
  o->layouts = g_new0(nd_onnx_layout, g->values->len);
  nd_onnx_set(o, source->x, ND_ONNX_CHANNELS_FIRST, x);
  for (int i = 0; i < nd_node_count(g) && !o->failure; i++)
    say(o, g, i);
  g_clear_pointer(&o->place, g_free);
  return o->failure ? "" : nd_onnx_value(o, source->y, ND_ONNX_CHANNELS_FIRST);
}
