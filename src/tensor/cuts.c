#include "tensor/cuts.h"
#include "tensor/plan-private.h"

#include <string.h>

struct nd_stages {
  const nd_graph *g; /* while they are found */
  nd_tensor x, y;
  int nodes, values;
  bool *needed;    /* by node: y depends on it */
  bool *picture;   /* by tensor: differs from pixel to pixel */
  int *last_use;   /* by tensor: the last node that reads it; past the end for y; -1: none */
  GArray *ends;    /* int: nodes with a statistic, and those that see far: a stage ends before each */
  GArray *results; /* size_t: floats of their outputs */
  GArray *sums;    /* size_t */
  GArray *sources; /* nd_tensor: what they are gathered from */
  GArray *cuts;    /* int: the next stage goes on after this node; -1 before the first */
  GArray *at;      /* nd_stage */
};

int nd_reach_none(const nd_graph *g, const nd_node *node) {
  (void)g, (void)node;
  return 0;
}

int nd_reach_of_view(const nd_graph *g, const nd_node *n) {
  const nd_value *x = nd_in_value(g, n, 0), *y = nd_out_value(g, n, 0);
  return x->dims[1] == y->dims[1] && x->dims[2] == y->dims[2] ? 0 : -1;
}

/* ---- What the graph is ---- */
static bool gathers(const nd_graph *g, const nd_node *n) {
  const nd_statistic *s = n->op->statistic;
  return s && (!s->applies || s->applies(g, n));
}

static bool sees_picture(const nd_stages *s, const nd_node *n) {
  for (int i = 0; i < n->n_in; i++)
    if (n->in[i] >= 0 && s->picture[n->in[i]])
      return true;
  return false;
}

static void find_needed(nd_stages *s) {
  g_autofree bool *asked = g_new0(bool, s->values);
  asked[s->y] = true;
  for (int i = s->nodes - 1; i >= 0; i--) {
    const nd_node *n = nd_node_at(s->g, i);
    for (int o = 0; o < n->n_out; o++)
      s->needed[i] = s->needed[i] || asked[n->out[o]];
    for (int k = 0; k < n->n_in && s->needed[i]; k++)
      if (n->in[k] >= 0)
        asked[n->in[k]] = true;
  }
}

static void note_uses(nd_stages *s, const nd_node *n, int at) {
  for (int i = 0; i < n->n_in; i++)
    if (n->in[i] >= 0)
      s->last_use[n->in[i]] = at;
}

/* Which values are pictures, and where the statistics are. */
static int find_pictures(nd_stages *s) {
  s->picture[s->x] = true;
  for (int i = 0; i < s->nodes; i++) {
    const nd_node *n = nd_node_at(s->g, i);
    if (!s->needed[i])
      continue;
    note_uses(s, n, i);
    if (!sees_picture(s, n))
      continue;
    bool gathering = gathers(s->g, n);
    if (!n->op->reach || (n->op->reach(s->g, n) < 0 && !gathering))
      return nd_fail("its operator %s sees more of a picture than a tile has", n->op->name);
    for (int o = 0; o < n->n_out; o++)
      s->picture[n->out[o]] = !gathering || o != n->op->statistic->output;
    if (gathering || n->op->far)
      g_array_append_val(s->ends, i);
  }
  s->last_use[s->y] = s->nodes;
  return 0;
}

/* ---- Where it is cut ---- */
static bool lives(const nd_stages *s, nd_tensor t, int after) {
  return s->picture[t] && nd_value_of(s->g, t)->producer <= after && s->last_use[t] > after;
}

static size_t size_at(const nd_stages *s, int after) {
  size_t floats = 0;
  for (int t = 0; t < s->values; t++)
    if (lives(s, t, after))
      floats += nd_value_of(s->g, t)->count;
  return floats;
}

/* Between the end before and this one: where least is to be kept; of equals, the last. */
static int best_cut(const nd_stages *s, int before, int end) {
  int best = before;
  size_t least = size_at(s, best);
  for (int i = before + 1; i < end; i++)
    if (s->needed[i] && size_at(s, i) <= least) {
      best = i;
      least = size_at(s, i);
    }
  return best;
}

static void find_cuts(nd_stages *s) {
  int cut = -1, before = -1;
  g_array_append_val(s->cuts, cut);
  for (guint k = 0; k < s->ends->len; k++) {
    int end = g_array_index(s->ends, int, k);
    cut = best_cut(s, before, end);
    g_array_append_val(s->cuts, cut);
    before = end;
  }
  cut = s->nodes;
  g_array_append_val(s->cuts, cut);
}

/* ---- The stages ---- */
typedef struct asking {
  bool *wanted; /* by tensor */
  GArray *in;
  int reach;
} asking;

static int scale(const nd_stages *s, nd_tensor t) {
  return nd_value_of(s->g, s->x)->dims[1] / nd_value_of(s->g, t)->dims[1];
}

static int picture_of(const nd_stages *s, const nd_node *n) {
  for (int i = 0; i < n->n_in; i++)
    if (n->in[i] >= 0 && s->picture[n->in[i]])
      return n->in[i];
  return ND_NONE;
}

static void ask(const nd_stages *s, asking *a, int from, nd_tensor t) {
  if (t < 0 || a->wanted[t])
    return;
  a->wanted[t] = true;
  if (lives(s, t, from))
    g_array_append_val(a->in, t);
}

/* Everything that the wanted values need, back to what lives at `from` and to statistics. */
static void follow(const nd_stages *s, asking *a, int from) {
  for (int i = s->nodes - 1; i > from; i--) {
    const nd_node *n = nd_node_at(s->g, i);
    bool gathering = gathers(s->g, n), made = false;
    for (int o = 0; o < n->n_out; o++)
      made = made || (a->wanted[n->out[o]] && !(gathering && o == n->op->statistic->output));
    if (!made)
      continue;
    if (sees_picture(s, n))
      a->reach += MAX(n->op->reach(s->g, n), 0) * scale(s, picture_of(s, n));
    for (int k = 0; k < n->n_in; k++)
      ask(s, a, from, n->in[k]);
  }
}

static nd_tensors taken(GArray *array) {
  int count = (int)array->len;
  return (nd_tensors){count, (nd_tensor *)(void *)g_array_free(array, FALSE)};
}

/* Pictures that live after one cut and not after the other. */
static nd_tensors only_after(const nd_stages *s, int one, int other) {
  GArray *found = g_array_new(FALSE, FALSE, sizeof(nd_tensor));
  for (nd_tensor t = 0; t < s->values; t++)
    if (t != s->x && t != s->y && lives(s, t, one) && !lives(s, t, other))
      g_array_append_val(found, t);
  return taken(found);
}

static void add_stage(nd_stages *s, guint k) {
  int from = g_array_index(s->cuts, int, k), to = g_array_index(s->cuts, int, k + 1);
  bool last = k == s->ends->len;
  const nd_node *n = last ? NULL : nd_node_at(s->g, g_array_index(s->ends, int, k));
  bool gathering = n && gathers(s->g, n);
  nd_stage stage = {.out = only_after(s, to, from),
                    .dropped = only_after(s, from, to),
                    .last = last,
                    .gathered = gathering ? n->out[n->op->statistic->output] : ND_NONE};
  g_autofree bool *wanted = g_new0(bool, s->values);
  asking a = {wanted, g_array_new(FALSE, FALSE, sizeof(nd_tensor)), 0};
  for (int i = 0; i < stage.out.count; i++)
    ask(s, &a, from, stage.out.at[i]);
  ask(s, &a, from, last ? s->y : gathering ? n->in[0] : ND_NONE);
  follow(s, &a, from);
  stage.in = taken(a.in);
  stage.reach = a.reach;
  g_array_append_val(s->at, stage);
}

static void measure_statistics(nd_stages *s) {
  for (guint k = 0; k < s->ends->len; k++) {
    const nd_node *n = nd_node_at(s->g, g_array_index(s->ends, int, k));
    bool gathering = gathers(s->g, n);
    size_t sums = gathering ? n->op->statistic->sums(s->g, n) : 0,
           results = gathering ? nd_out_value(s->g, n, n->op->statistic->output)->count : 0;
    g_array_append_val(s->sources, n->in[0]);
    g_array_append_val(s->sums, sums);
    g_array_append_val(s->results, results);
  }
}

int nd_stages_find(const nd_graph *g, nd_tensor x, nd_tensor y, nd_stages **out) {
  nd_stages *s = *out = g_new0(nd_stages, 1);
  *s = (nd_stages){.g = g, .x = x, .y = y, .nodes = nd_node_count(g), .values = (int)g->values->len};
  s->needed = g_new0(bool, s->nodes);
  s->picture = g_new0(bool, s->values);
  s->last_use = g_new(int, s->values);
  memset(s->last_use, 0xff, (size_t)s->values * sizeof *s->last_use);
  s->ends = g_array_new(FALSE, FALSE, sizeof(int));
  s->cuts = g_array_new(FALSE, FALSE, sizeof(int));
  s->results = g_array_new(FALSE, FALSE, sizeof(size_t));
  s->sums = g_array_new(FALSE, FALSE, sizeof(size_t));
  s->sources = g_array_new(FALSE, FALSE, sizeof(nd_tensor));
  s->at = g_array_new(FALSE, FALSE, sizeof(nd_stage));
  find_needed(s);
  if (nd_graph_failed(g) || find_pictures(s)) {
    nd_stages_free(s);
    *out = NULL;
    return -1;
  }
  find_cuts(s);
  for (guint k = 0; k <= s->ends->len; k++)
    add_stage(s, k);
  measure_statistics(s);
  s->g = NULL;
  return 0;
}

void nd_stages_free(nd_stages *s) {
  if (!s)
    return;
  for (guint k = 0; k < s->at->len; k++) {
    nd_stage *stage = &g_array_index(s->at, nd_stage, k);
    g_free(stage->in.at);
    g_free(stage->out.at);
    g_free(stage->dropped.at);
  }
  GArray *arrays[] = {s->ends, s->cuts, s->results, s->sums, s->sources, s->at};
  for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_array_free(arrays[i], TRUE);
  g_free(s->needed);
  g_free(s->picture);
  g_free(s->last_use);
  g_free(s);
}

int nd_stages_count(const nd_stages *s) {
  return (int)s->at->len;
}

const nd_stage *nd_stages_at(const nd_stages *s, int i) {
  return &g_array_index(s->at, nd_stage, i);
}

static const nd_node *gathering_node(const nd_stages *s, const nd_graph *g, int i) {
  return nd_node_at(g, g_array_index(s->ends, int, i));
}

int nd_stages_cut(const nd_stages *s, int i, nd_graph *g) {
  const nd_stage *stage = nd_stages_at(s, i);
  if (nd_graph_failed(g))
    return nd_fail("%s", g->failure);
  if (nd_node_count(g) != s->nodes || (int)g->values->len != s->values)
    return nd_fail("the network is built differently for other sizes of picture");
  for (int k = 0; k < stage->in.count; k++)
    nd_value_of(g, stage->in.at[k])->is_input = true;
  for (int k = 0; k < i; k++)
    if (nd_stages_at(s, k)->gathered >= 0)
      nd_value_of(g, nd_stages_at(s, k)->gathered)->is_input = true;
  for (int k = 0; k < stage->out.count; k++)
    nd_output(g, "left", stage->out.at[k]);
  if (stage->last || stage->gathered >= 0)
    nd_output(g, "result", stage->last ? s->y : nd_stages_source(s, i));
  return 0;
}

size_t nd_stages_sums(const nd_stages *s, int i) {
  return g_array_index(s->sums, size_t, i);
}

nd_tensor nd_stages_source(const nd_stages *s, int i) {
  return g_array_index(s->sources, nd_tensor, i);
}

size_t nd_stages_results(const nd_stages *s, int i) {
  return g_array_index(s->results, size_t, i);
}

void nd_stages_gather(const nd_stages *s, int i, const nd_plan *plan, int y, int x, int rows, int columns,
                      double *sums) {
  const nd_graph *g = plan->graph;
  const nd_node *n = gathering_node(s, g, i);
  const nd_value *v = nd_in_value(g, n, 0);
  size_t stride = (size_t)v->dims[2];
  const float *first =
      (const float *)plan->data[n->in[0]] + ((size_t)y * stride + (size_t)x) * (size_t)v->dims[3];
  n->op->statistic->gather(g, n, first, (size_t)rows, (size_t)columns, stride, sums);
}

void nd_stages_finish(const nd_stages *s, int i, const nd_plan *plan, const double *sums, double pixels,
                      float *out) {
  const nd_node *n = gathering_node(s, plan->graph, i);
  const float *in[ND_MAX_IN] = {NULL};
  for (int k = 1; k < n->n_in; k++)
    in[k] = n->in[k] < 0 ? NULL : plan->data[n->in[k]];
  n->op->statistic->finish(plan->graph, n, sums, pixels, in, out);
}
