/* A restoration network on pictures of any size: whole where memory allows; else sliding from top to bottom,
 * in strips side by side where the whole width is too much; else, where the network does not slide or a side
 * was asked for, in tiles. Networks that see the whole picture go through in stages. One compiled graph
 * serves one size; it is kept for the next picture. */
#include "restore/restore-private.h"

#include <string.h>

nd_restorer_settings nd_restorer_defaults(void) {
  return (nd_restorer_settings){.memory = (size_t)1 << 30, .residual = true, .strength = 1};
}

void nd_restorer_drop_plan(nd_restorer *r) {
  nd_plan_free(r->plan);
  nd_slide_free(r->slide);
  nd_graph_free(r->graph);
  r->plan = NULL;
  r->slide = NULL;
  r->graph = NULL;
}

int nd_restorer_append(const nd_restorer *r, nd_graph *g, nd_dtype dtype, int height, int width, nd_tensor *x,
                       nd_tensor *y) {
  size_t known = nd_params_size(r->params);
  nd_graph_set_training(g, false);
  nd_graph_set_dtype(g, dtype);
  *x = nd_input(g, "x", 1, height, width, nd_net_channels(r->net));
  if (*r->scope)
    nd_scope_push(g, "%s", r->scope);
  *y = nd_net_restore(g, r->net, *x);
  if (nd_params_size(r->params) != known)
    return nd_fail("the weights at hand are not those of this network");
  return 0;
}

static int build_graph(nd_restorer *r, int height, int width) {
  nd_graph *g = r->graph = nd_graph_new(r->params);
  if (nd_restorer_append(r, g, r->settings.dtype, height, width, &r->x, &r->y))
    return -1;
  nd_output(g, "y", r->y);
  r->plan_height = height;
  r->plan_width = width;
  return 0;
}

static int build_plan(nd_restorer *r, int height, int width) {
  if (build_graph(r, height, width) || nd_compile(r->graph, &r->plan))
    return -1;
  nd_plan_bind(r->plan, r->values);
  nd_plan_record(r->plan, r->settings.profile);
  return 0;
}

int nd_restorer_build_slide(nd_restorer *r, int height, int width, int band) {
  if (build_graph(r, height, width) || nd_slide_new(r->graph, r->x, r->y, band, &r->slide))
    return -1;
  r->band = band;
  nd_slide_bind(r->slide, r->values);
  return 0;
}

static int take_memory(nd_restorer *r) {
  if (nd_slide_take_memory(r->slide))
    return -1;
  nd_slide_record(r->slide, r->settings.profile);
  return 0;
}

int nd_restorer_make_plan(nd_restorer *r, int height, int width, int band) {
  if ((band ? r->slide && r->band == band : r->plan != NULL) && r->plan_height == height &&
      r->plan_width == width)
    return 0;
  nd_restorer_drop_plan(r);
  int64_t begun = nd_clock();
  if (band ? nd_restorer_build_slide(r, height, width, band) || take_memory(r) : build_plan(r, height, width))
    return -1;
  nd_profile_stage(r->settings.profile, "plan", begun, 0);
  return 0;
}

int nd_restorer_new(const nd_net *net, nd_params *params, const char *scope, const float *values,
                    nd_restorer_settings settings, nd_restorer **out) {
  nd_restorer *r = *out = g_new0(nd_restorer, 1);
  *r = (nd_restorer){
      .net = net, .params = params, .scope = g_strdup(scope), .values = values, .settings = settings};
  if (!r->settings.memory)
    r->settings.memory = (size_t)1 << 30;
  return 0;
}

int nd_restorer_of_model(const nd_model *model, nd_restorer_settings settings, nd_restorer **out) {
  settings.residual = model->residual;
  return nd_restorer_new(model->net, model->params, "", model->values, settings, out);
}

void nd_restorer_free(nd_restorer *r) {
  if (!r)
    return;
  nd_restorer_drop_plan(r);
  g_free(r->scope);
  g_free(r);
}

int nd_tile_in(const nd_restorer *r, const nd_picture *p, int y, int x, int height, int width, float *tile) {
  int inside = MIN(width, p->width - x);
  size_t pixel = (size_t)nd_net_channels(r->net);
  for (int i = 0; i < height; i++) {
    float *row = tile + (size_t)i * (size_t)width * pixel;
    if (p->get(p->context, MIN(y + i, p->height - 1), x, inside, row))
      return -1;
    for (int j = inside; j < width; j++)
      memcpy(row + (size_t)j * pixel, row + (size_t)(inside - 1) * pixel, pixel * sizeof *row);
  }
  return 0;
}

/* What the strength leaves of the correction, on x, n values. */
static void correct(const nd_restorer *r, const float *network, float *x, int n) {
  float strength = (float)r->settings.strength;
  for (int i = 0; i < n; i++)
    x[i] += strength * (r->settings.residual ? network[i] : network[i] - x[i]);
}

int nd_tile_out(const nd_restorer *r, const nd_picture *p, const nd_layout *l, nd_tile_span rows,
                nd_tile_span columns, const float *tile) {
  int n = MIN(columns.to, p->width) - columns.from, channels = nd_net_channels(r->net);
  g_autofree float *seen = g_new(float, channels *(size_t)MAX(n, 1)),
                   *row = g_new(float, 3 * (size_t)MAX(n, 1));
  for (int y = rows.from; y < MIN(rows.to, p->height) && n > 0; y++) {
    const float *t =
        tile +
        ((size_t)(y - rows.start) * (size_t)l->tile_width + (size_t)(columns.from - columns.start)) * 3;
    if (p->get(p->context, y, columns.from, n, seen))
      return -1;
    nd_views_photo(seen, (size_t)n, channels, row);
    correct(r, t, row, 3 * n);
    if (p->put(p->context, y, columns.from, n, row))
      return -1;
  }
  return 0;
}

static int run_tile(nd_restorer *r, const nd_picture *p, const nd_layout *l, nd_tile_span rows,
                    nd_tile_span columns) {
  nd_plan_set_window(
      r->plan, (nd_window){rows.start, columns.start, l->tile_height, l->tile_width, l->height, l->width});
  int64_t begun = nd_clock();
  if (nd_tile_in(r, p, rows.start, columns.start, l->tile_height, l->tile_width,
                 nd_plan_tensor(r->plan, r->x)))
    return -1;
  nd_profile_stage(r->settings.profile, "copy tile in", begun, 0);
  nd_run(r->plan, 0, 0, 0);
  begun = nd_clock();
  int failed = nd_tile_out(r, p, l, rows, columns, nd_plan_tensor(r->plan, r->y));
  nd_profile_stage(r->settings.profile, "copy tile out", begun, 0);
  return failed;
}

/* ---- Sliding ---- */
typedef struct descent {
  const nd_restorer *r;
  const nd_picture *p;
  const nd_layout *l;
  nd_tile_span columns;
  nd_tile_progress progress;
  void *context;
  int done, all; /* steps */
} descent;

static int take_rows(void *context, int y, int rows, float *to) {
  const descent *d = context;
  int64_t begun = nd_clock();
  int failed = nd_tile_in(d->r, d->p, y, d->columns.start, rows, d->l->tile_width, to);
  nd_profile_stage(d->r->settings.profile, "copy rows in", begun, 0);
  return failed;
}

static int give_rows(void *context, int y, int rows, const float *from) {
  const descent *d = context;
  int64_t begun = nd_clock();
  int failed = nd_tile_out(d->r, d->p, d->l, (nd_tile_span){y, y, y + rows}, d->columns, from);
  nd_profile_stage(d->r->settings.profile, "copy rows out", begun, 0);
  return failed;
}

static int step_done(void *context) {
  descent *d = context;
  d->done++;
  return d->progress && !d->progress(d->done, d->all, d->context) ? nd_fail("stopped") : 0;
}

static int run_strips(nd_restorer *r, const nd_picture *p, const nd_layout *l, nd_tile_progress progress,
                      void *context) {
  int across = nd_layout_across(l);
  descent d = {r, p, l, {0}, progress, context, 0, nd_layout_tiles(l)};
  for (int i = 0; i < across; i++) {
    d.columns = nd_tile_span_at(i, l->width, l->tile_width, l->overlap);
    nd_window window = {0, d.columns.start, l->height, l->tile_width, l->height, l->width};
    if (nd_slide_run(r->slide, window, &(nd_slide_ends){take_rows, give_rows, step_done, &d}))
      return -1;
  }
  return 0;
}

static int run_tiles(nd_restorer *r, const nd_picture *p, const nd_layout *l, nd_tile_progress progress,
                     void *context) {
  int tiles = nd_layout_tiles(l);
  for (int i = 0; i < tiles; i++) {
    nd_tile_span rows, columns;
    nd_layout_tile_at(l, i, &rows, &columns);
    if (run_tile(r, p, l, rows, columns))
      return -1;
    if (progress && !progress(i + 1, tiles, context))
      return nd_fail("stopped");
  }
  return 0;
}

static int find_stages(nd_restorer *r, int height, int width, nd_staged **s) {
  int64_t begun = nd_clock();
  int failed = nd_staged_new(r, height, width, s);
  nd_profile_stage(r->settings.profile, "find stages", begun, 0);
  return failed;
}

static int count_staged(nd_restorer *r, int height, int width, int *tiles) {
  nd_staged *s;
  if (find_stages(r, height, width, &s))
    return -1;
  *tiles = nd_staged_tiles(s);
  nd_staged_free(s);
  return 0;
}

static int run_staged(nd_restorer *r, const nd_picture *p, nd_tile_progress progress, void *context) {
  nd_staged *s;
  nd_restorer_drop_plan(r);
  if (find_stages(r, p->height, p->width, &s))
    return -1;
  int failed = nd_staged_run(s, p, progress, context);
  nd_staged_free(s);
  return failed;
}

int nd_restorer_run_parts(nd_restorer *r, const nd_picture *p, const nd_layout *l, nd_tile_progress progress,
                          void *context) {
  if (l->staged)
    return run_staged(r, p, progress, context);
  if (nd_restorer_make_plan(r, l->tile_height, l->tile_width, l->band))
    return -1;
  return l->band ? run_strips(r, p, l, progress, context) : run_tiles(r, p, l, progress, context);
}

int nd_restorer_run_picture(nd_restorer *r, const nd_picture *p, nd_tile_progress progress, void *context) {
  nd_layout l;
  return nd_restorer_lay_out(r, p->height, p->width, &l) ? -1
                                                         : nd_restorer_run_parts(r, p, &l, progress, context);
}

int nd_restorer_count_tiles(nd_restorer *r, int height, int width, int *tiles) {
  nd_layout l;
  if (nd_restorer_lay_out(r, height, width, &l))
    return -1;
  if (l.staged)
    return count_staged(r, height, width, tiles);
  *tiles = nd_layout_tiles(&l);
  return 0;
}
