/* A restoration network as an ONNX file that takes pictures of any size: what `noiseda restore` does to a
 * picture in one piece, padding, cropping, residual and limits included. */
#include "weights/model.h"
#include "weights/onnx-private.h"

#include <glib.h>
#include <string.h>

static const char INPUT[] = "input", OUTPUT[] = "output";

/* ---- The network, for pictures of several sizes ---- */

typedef struct builds {
  nd_graph *at[ND_ONNX_BUILDS];
  nd_onnx_source source;
} builds;

static nd_graph *build(const nd_model *m, int n, int h, int w, nd_onnx_source *source) {
  nd_graph *g = nd_graph_new(m->params);
  nd_graph_set_training(g, false);
  source->x = nd_input(g, "x", n, h, w, nd_net_channels(m->net));
  source->y = nd_net_restore(g, m->net, source->x);
  return g;
}

static void build_all(const nd_model *m, builds *b) {
  int side = 2 * nd_net_multiple(m->net);
  *b = (builds){.source = {.values = m->values}};
  for (int i = 0; i < ND_ONNX_BUILDS; i++)
    b->source.at[i] = b->at[i] = build(m, i == ND_ONNX_BATCH ? 4 : 2, i == ND_ONNX_HEIGHT ? 2 * side : side,
                                       i == ND_ONNX_WIDTH ? 2 * side : side, &b->source);
}

/* ---- Around it ---- */

/* A picture's side, and what is missing to the next multiple. */
typedef struct side {
  const char *length, *missing;
} side;

static side side_of(nd_onnx *o, const char *shape, int axis, int multiple) {
  const char *length = nd_onnx_slice(o, shape, 0, axis, axis + 1);
  const char *less = nd_onnx_node(o, "Sub", ND_ONNX_IN(nd_onnx_int(o, 0), length), NULL);
  return (side){length, nd_onnx_node(o, "Mod", ND_ONNX_IN(less, nd_onnx_int(o, multiple)), NULL)};
}

/* In multiples. */
static const char *padded_length(nd_onnx *o, side s, int multiple) {
  const char *sum = nd_onnx_node(o, "Add", ND_ONNX_IN(s.length, s.missing), NULL);
  return nd_onnx_node(o, "Div", ND_ONNX_IN(sum, nd_onnx_int(o, multiple)), NULL);
}

/* The residual of the picture whatever its size: padded by repeating the last row and column, then cut. */
static const char *network(nd_onnx *o, const nd_model *m, const nd_onnx_source *source) {
  int multiple = nd_net_multiple(m->net);
  const char *shape = nd_onnx_node(o, "Shape", ND_ONNX_IN(INPUT), NULL), *x = INPUT;
  const char *batch = nd_onnx_slice(o, shape, 0, 0, 1);
  if (multiple == 1)
    return nd_onnx_graph(
        o, source, x,
        (nd_onnx_sizes){batch, nd_onnx_slice(o, shape, 0, 2, 3), nd_onnx_slice(o, shape, 0, 3, 4)});
  side rows = side_of(o, shape, 2, multiple), columns = side_of(o, shape, 3, multiple);
  const char *before = nd_onnx_ints(o, 6, (int64_t[6]){0});
  const char *pads = nd_onnx_join(o, ND_ONNX_IN(before, rows.missing, columns.missing));
  x = nd_onnx_node(o, "Pad", ND_ONNX_IN(x, pads), ND_ONNX_WITH(ND_ONNX_TEXT("mode", "edge")));
  nd_onnx_sizes sizes = {batch, padded_length(o, rows, multiple), padded_length(o, columns, multiple)};
  const char *y = nd_onnx_graph(o, source, x, sizes);
  const char *ends = nd_onnx_join(o, ND_ONNX_IN(rows.length, columns.length));
  return nd_onnx_node(
      o, "Slice",
      ND_ONNX_IN(y, nd_onnx_ints(o, 2, (int64_t[]){0, 0}), ends, nd_onnx_ints(o, 2, (int64_t[]){2, 3})),
      NULL);
}

static void say(nd_onnx *o, const nd_model *m, const nd_onnx_source *source) {
  const char *y = network(o, m, source);
  if (m->residual)
    y = nd_onnx_node(o, "Add", ND_ONNX_IN(INPUT, y), NULL);
  nd_onnx_node_named(o, OUTPUT, "Clip", ND_ONNX_IN(y, nd_onnx_real(o, 0), nd_onnx_real(o, 1)));
  nd_onnx_keep(o, OUTPUT);
}

/* ---- The file ---- */

/* What the model file says of itself, and what this program says in its place. */
static GArray *metadata_of(const nd_model *m, const char *settings, const char *reach) {
  nd_st_metadata own[] = {{"noiseda.network", nd_net_name(m->net)},
                          {"noiseda.settings", settings},
                          {"noiseda.version", ND_VERSION},
                          {"noiseda.reach", reach}};
  GArray *all = g_array_new(FALSE, FALSE, sizeof(nd_st_metadata));
  g_array_append_vals(all, own, G_N_ELEMENTS(own));
  for (size_t i = 0; i < m->n_metadata; i++)
    if (strcmp(m->metadata[i].key, "noiseda.residual") && /* part of the graph */
        !nd_st_value(own, G_N_ELEMENTS(own), m->metadata[i].key))
      g_array_append_val(all, m->metadata[i]);
  return all;
}

static int write_file(const char *path, const nd_model *m, const nd_onnx *o) {
  g_autofree char *settings = nd_net_settings_text(m->net);
  g_autofree char *reach = g_strdup_printf("%d", nd_net_reach(m->net));
  g_autoptr(GArray) metadata = metadata_of(m, settings, reach);
  nd_onnx_header h = {
      nd_net_name(m->net), INPUT, OUTPUT, nd_net_channels(m->net), (nd_st_metadata *)(void *)metadata->data,
      metadata->len};
  return nd_onnx_write(path, o, &h);
}

int nd_model_export_onnx(const char *path, const nd_model *m) {
  if (nd_net_role(m->net) != ND_RESTORATION)
    return nd_fail("only restoration networks are exported, and %s is none", nd_net_name(m->net));
  builds b;
  build_all(m, &b);
  nd_onnx *o = nd_onnx_new();
  say(o, m, &b.source);
  int failed = write_file(path, m, o);
  nd_onnx_free(o);
  for (int i = 0; i < ND_ONNX_BUILDS; i++)
    nd_graph_free(b.at[i]);
  return failed ? nd_fail_in("exporting to '%s'", path) : 0;
}
