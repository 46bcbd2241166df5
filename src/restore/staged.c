/* Networks that look at the whole picture, on pictures too large to be taken whole: stage after stage
 * (tensor/cuts.h), each in tiles. What a stage leaves lies in temporary files, in fp32, which all of it is
 * computed in, so that nothing is rounded between stages. */
#include "restore/restore-private.h"
#include "tensor/cuts.h"

#include <glib.h>
#include <string.h>

struct nd_staged {
  nd_restorer *r;
  const nd_picture *picture;
  nd_graph *model; /* the network for a picture of `side` pixels: what stages and shapes were found with */
  int side;
  nd_tensor x, y;
  nd_stages *stages;
  nd_layout *tiles;   /* by stage */
  float **statistics; /* by stage, once it is over */
  GHashTable *left;   /* nd_spool, by tensor */
  int done, total;    /* tiles */
  double wanted;      /* bytes, of the stage that wants the most and has not got it; 0: all have */
  int wanting;        /* which that is */
};

/* ---- How a stage is divided ---- */
/* A plan of stage i on a tile of that size; lay_out: one that is not to run. */
static nd_plan *plan_stage(const nd_staged *s, int i, int height, int width, nd_graph **graph, bool lay_out) {
  nd_graph *g = *graph = nd_graph_new(s->r->params);
  nd_tensor x, y;
  nd_plan *plan = NULL;
  if (nd_restorer_append(s->r, g, ND_F32, height, width, &x, &y) || nd_stages_cut(s->stages, i, g) ||
      (lay_out ? nd_lay_out(g, &plan) : nd_compile(g, &plan)))
    return NULL;
  nd_plan_bind(plan, s->r->values);
  return plan;
}

static int bytes_a_pixel(const nd_staged *s, int i, double *out) {
  nd_graph *g;
  nd_plan *plan = plan_stage(s, i, s->side, s->side, &g, true);
  if (plan)
    *out = (double)nd_plan_bytes(plan) / ((double)s->side * s->side);
  nd_plan_free(plan);
  nd_graph_free(g);
  return plan ? 0 : -1;
}

static int least_side(const nd_staged *s, int i) {
  return 2 * s->tiles[i].overlap + nd_net_multiple(s->r->net);
}

/* All stages have been looked at, so that there is one answer for all. */
static int no_room(const nd_staged *s) {
  int i = s->wanting, overlap = s->tiles[i].overlap;
  if (s->r->settings.tile)
    return nd_fail("tiles of %s are too small for this network; allow at least --tile %d",
                   nd_count((size_t)s->r->settings.tile, "pixel").text, least_side(s, i));
  return nd_fail("stage %d of this network overlaps by %s on each side: allow %s more", i + 1,
                 nd_count((size_t)overlap, "pixel").text, nd_restorer_want(s->r, s->wanted).text);
}

/* The smallest tile is not always one that divides the picture. */
static void want_room(nd_staged *s, int i, double bytes) {
  double area = (double)least_side(s, i) * least_side(s, i);
  while (!nd_restorer_divide(s->r, &s->tiles[i], area))
    area *= 1.05;
  if (bytes * area <= s->wanted)
    return;
  s->wanted = bytes * area;
  s->wanting = i;
}

/* At least a pixel of the coarsest level as overlap: a network may be built differently for a single one. */
static int divide_stage(nd_staged *s, int i, int height, int width) {
  const nd_net *net = s->r->net;
  nd_layout *t = &s->tiles[i];
  double bytes;
  t->steps = 1;
  t->height = t->tile_height = nd_net_padded(net, height);
  t->width = t->tile_width = nd_net_padded(net, width);
  t->overlap = nd_net_padded(net, MAX(nd_stages_at(s->stages, i)->reach, 1));
  if (bytes_a_pixel(s, i, &bytes))
    return -1;
  int least = least_side(s, i), side = nd_net_padded(net, s->r->settings.tile);
  double area = s->r->settings.tile ? (double)side * side : (double)s->r->settings.memory / bytes;
  if ((double)t->height * t->width > area) {
    if (area < (double)least * least || !nd_restorer_divide(s->r, t, area))
      want_room(s, i, bytes);
  }
  s->total += nd_layout_tiles(t);
  return 0;
}

static void forget(gpointer spool) {
  nd_spool_free(spool);
}

static int find_stages(nd_staged *s, int height, int width) {
  s->model = nd_graph_new(s->r->params);
  if (nd_restorer_append(s->r, s->model, ND_F32, s->side, s->side, &s->x, &s->y))
    return -1;
  if (nd_stages_find(s->model, s->x, s->y, &s->stages))
    return nd_fail_in("this network sees the whole picture at once; %d x %d pixels need more memory than %s",
                      width, height, nd_bytes((double)s->r->settings.memory).text);
  int count = nd_stages_count(s->stages);
  s->tiles = g_new0(nd_layout, count);
  s->statistics = g_new0(float *, count);
  for (int i = 0; i < count; i++)
    if (divide_stage(s, i, height, width))
      return -1;
  return s->wanted > 0 ? no_room(s) : 0;
}

int nd_staged_new(nd_restorer *r, int height, int width, nd_staged **out) {
  nd_staged *s = *out = g_new0(nd_staged, 1);
  s->r = r;
  s->side = nd_net_padded(r->net, MAX(128, 4 * nd_net_multiple(r->net)));
  s->left = g_hash_table_new_full(NULL, NULL, NULL, forget);
  if (!find_stages(s, height, width))
    return 0;
  nd_staged_free(s);
  *out = NULL;
  return -1;
}

void nd_staged_free(nd_staged *s) {
  if (!s)
    return;
  for (int i = 0; s->statistics && i < nd_stages_count(s->stages); i++)
    g_free(s->statistics[i]);
  g_free(s->statistics);
  g_free(s->tiles);
  g_hash_table_unref(s->left);
  nd_stages_free(s->stages);
  nd_graph_free(s->model);
  g_free(s);
}

int nd_staged_tiles(const nd_staged *s) {
  return s->total;
}

/* ---- Pictures between stages ---- */
/* A part of one, at its own scale. */
typedef struct window {
  int y, x, rows, columns;
} window;

static int scale_of(const nd_staged *s, nd_tensor t) {
  return s->side / nd_dims(s->model, t)[1];
}

static window window_of(const nd_staged *s, nd_tensor t, int y, int x, int rows, int columns) {
  int scale = scale_of(s, t);
  return (window){y / scale, x / scale, rows / scale, columns / scale};
}

/* Where row y of a window stands in the spool, in bytes. */
static size_t row_at(const nd_staged *s, nd_tensor t, const window *w, int y) {
  size_t width = (size_t)(s->tiles[0].width / scale_of(s, t));
  return (((size_t)(w->y + y)) * width + (size_t)w->x) * (size_t)nd_dims(s->model, t)[3] * sizeof(float);
}

static int read_left(const nd_staged *s, nd_tensor t, window w, float *to) {
  const nd_spool *spool = g_hash_table_lookup(s->left, GINT_TO_POINTER(t));
  size_t row = (size_t)w.columns * (size_t)nd_dims(s->model, t)[3];
  for (int y = 0; y < w.rows; y++)
    if (nd_spool_read(spool, row_at(s, t, &w, y), to + (size_t)y * row, row * sizeof *to))
      return -1;
  return 0;
}

/* from: the window's first pixel in a tile `stride` pixels wide. */
static int write_left(const nd_staged *s, nd_tensor t, window w, const float *from, int stride) {
  nd_spool *spool = g_hash_table_lookup(s->left, GINT_TO_POINTER(t));
  size_t channels = (size_t)nd_dims(s->model, t)[3], row = (size_t)w.columns * channels;
  for (int y = 0; y < w.rows; y++)
    if (nd_spool_write(spool, row_at(s, t, &w, y), from + (size_t)y * (size_t)stride * channels,
                       row * sizeof *from))
      return -1;
  return 0;
}

static int make_room(nd_staged *s, const nd_stage *stage) {
  for (int i = 0; i < stage->out.count; i++) {
    nd_tensor t = stage->out.at[i];
    size_t scale = (size_t)scale_of(s, t), channels = (size_t)nd_dims(s->model, t)[3];
    nd_spool *spool = nd_spool_new((size_t)s->tiles[0].height / scale * ((size_t)s->tiles[0].width / scale) *
                                       channels * sizeof(float),
                                   0);
    if (!spool)
      return -1;
    g_hash_table_insert(s->left, GINT_TO_POINTER(t), spool);
  }
  return 0;
}

/* ---- Running ---- */
typedef struct running {
  int i;
  const nd_stage *stage;
  nd_plan *plan;
  double *sums;
} running;

static int fill_in(const nd_staged *s, const running *at, nd_tile_span rows, nd_tile_span columns) {
  const nd_layout *l = &s->tiles[at->i];
  for (int k = 0; k < at->i; k++)
    if (s->statistics[k])
      memcpy(nd_plan_tensor(at->plan, nd_stages_at(s->stages, k)->gathered), s->statistics[k],
             nd_stages_results(s->stages, k) * sizeof(float));
  for (int k = 0; k < at->stage->in.count; k++) {
    nd_tensor t = at->stage->in.at[k];
    float *to = nd_plan_tensor(at->plan, t);
    if (t == s->x
            ? nd_tile_in(s->r, s->picture, rows.start, columns.start, l->tile_height, l->tile_width, to)
            : read_left(s, t, window_of(s, t, rows.start, columns.start, l->tile_height, l->tile_width), to))
      return -1;
  }
  return 0;
}

static int take_out(const nd_staged *s, const running *at, nd_tile_span rows, nd_tile_span columns) {
  const nd_layout *l = &s->tiles[at->i];
  for (int k = 0; k < at->stage->out.count; k++) {
    nd_tensor t = at->stage->out.at[k];
    int scale = scale_of(s, t), stride = l->tile_width / scale;
    size_t first = (size_t)((rows.from - rows.start) / scale) * (size_t)stride +
                   (size_t)((columns.from - columns.start) / scale);
    if (write_left(s, t,
                   window_of(s, t, rows.from, columns.from, rows.to - rows.from, columns.to - columns.from),
                   nd_plan_tensor(at->plan, t) + first * (size_t)nd_dims(s->model, t)[3], stride))
      return -1;
  }
  if (at->stage->last)
    return nd_tile_out(s->r, s->picture, l, rows, columns, nd_plan_tensor(at->plan, s->y));
  if (at->stage->gathered < 0)
    return 0;
  window w = window_of(s, nd_stages_source(s->stages, at->i), rows.from - rows.start,
                       columns.from - columns.start, rows.to - rows.from, columns.to - columns.from);
  nd_stages_gather(s->stages, at->i, at->plan, w.y, w.x, w.rows, w.columns, at->sums);
  return 0;
}

static int run_tile(const nd_staged *s, const running *at, nd_tile_span rows, nd_tile_span columns) {
  int64_t begun = nd_clock();
  if (fill_in(s, at, rows, columns))
    return -1;
  nd_profile_stage(s->r->settings.profile, "copy tile in", begun, 0);
  nd_run(at->plan, 0, 0, 0);
  begun = nd_clock();
  int failed = take_out(s, at, rows, columns);
  nd_profile_stage(s->r->settings.profile, "copy tile out", begun, 0);
  return failed;
}

static int run_tiles(nd_staged *s, const running *at, nd_tile_progress progress, void *context) {
  const nd_layout *l = &s->tiles[at->i];
  for (int k = 0; k < nd_layout_tiles(l); k++) {
    nd_tile_span rows, columns;
    nd_layout_tile_at(l, k, &rows, &columns);
    nd_plan_set_window(
        at->plan, (nd_window){rows.start, columns.start, l->tile_height, l->tile_width, l->height, l->width});
    if (run_tile(s, at, rows, columns))
      return -1;
    if (progress && !progress(++s->done, s->total, context))
      return nd_fail("stopped");
  }
  return 0;
}

static void finish_stage(nd_staged *s, const running *at) {
  const nd_layout *l = &s->tiles[at->i];
  for (int k = 0; k < at->stage->dropped.count; k++)
    g_hash_table_remove(s->left, GINT_TO_POINTER(at->stage->dropped.at[k]));
  if (at->stage->gathered < 0)
    return;
  window whole = window_of(s, nd_stages_source(s->stages, at->i), 0, 0, l->height, l->width);
  s->statistics[at->i] = g_new(float, nd_stages_results(s->stages, at->i));
  nd_stages_finish(s->stages, at->i, at->plan, at->sums, (double)whole.rows * whole.columns,
                   s->statistics[at->i]);
}

static int run_stage(nd_staged *s, int i, nd_tile_progress progress, void *context) {
  nd_graph *g;
  running at = {.i = i, .stage = nd_stages_at(s->stages, i)};
  int64_t begun = nd_clock();
  at.plan = plan_stage(s, i, s->tiles[i].tile_height, s->tiles[i].tile_width, &g, false);
  nd_profile_stage(s->r->settings.profile, "plan", begun, 0);
  at.sums = g_new0(double, at.stage->gathered < 0 ? 1 : nd_stages_sums(s->stages, i));
  if (at.plan)
    nd_plan_record(at.plan, s->r->settings.profile);
  int failed = !at.plan || make_room(s, at.stage) || run_tiles(s, &at, progress, context) ? -1 : 0;
  if (!failed)
    finish_stage(s, &at);
  g_free(at.sums);
  nd_plan_free(at.plan);
  nd_graph_free(g);
  return failed;
}

int nd_staged_run(nd_staged *s, const nd_picture *p, nd_tile_progress progress, void *context) {
  s->picture = p;
  for (int i = 0; i < nd_stages_count(s->stages); i++)
    if (run_stage(s, i, progress, context))
      return -1;
  return 0;
}
