/* A restoration network on pictures of any size. One compiled graph serves one tile size; it is kept for the
 * next picture. */
#include "restore/restore.h"

#include <glib.h>
#include <math.h>
#include <string.h>

struct nd_restorer {
  const nd_net *net;
  nd_params *params;
  char *scope;
  const float *values;
  nd_restorer_settings settings;
  nd_graph *graph;
  nd_plan *plan;
  nd_tensor x, y;
  int plan_height, plan_width;
  double bytes_a_pixel; /* of the plan; 0: not known yet */
};

nd_restorer_settings nd_restorer_defaults(void) {
  return (nd_restorer_settings){.memory = (size_t)1 << 30, .residual = true, .strength = 1};
}

static void drop_plan(nd_restorer *r) {
  nd_plan_free(r->plan);
  nd_graph_free(r->graph);
  r->plan = NULL;
  r->graph = NULL;
}

static int build_plan(nd_restorer *r, int height, int width) {
  size_t known = nd_params_size(r->params);
  nd_graph *g = r->graph = nd_graph_new(r->params);
  nd_graph_set_training(g, false);
  nd_graph_set_dtype(g, r->settings.dtype);
  r->x = nd_input(g, "x", 1, height, width, 3);
  if (*r->scope)
    nd_scope_push(g, "%s", r->scope);
  r->y = nd_net_restore(g, r->net, r->x);
  nd_output(g, "y", r->y);
  if (nd_params_size(r->params) != known)
    return nd_fail("the weights at hand are not those of this network");
  if (nd_compile(g, &r->plan))
    return -1;
  nd_plan_bind(r->plan, r->values, NULL);
  r->plan_height = height;
  r->plan_width = width;
  return 0;
}

static int make_plan(nd_restorer *r, int height, int width) {
  if (r->plan && r->plan_height == height && r->plan_width == width)
    return 0;
  drop_plan(r);
  int64_t begun = nd_clock();
  if (build_plan(r, height, width))
    return -1;
  nd_plan_record(r->plan, r->settings.profile);
  nd_profile_stage(r->settings.profile, "plan", begun, 0);
  return 0;
}

int nd_restorer_new(const nd_net *net, nd_params *params, const char *scope, const float *values,
                    nd_restorer_settings settings, nd_restorer **out) {
  nd_restorer *r = g_new0(nd_restorer, 1);
  *r = (nd_restorer){
      .net = net, .params = params, .scope = g_strdup(scope), .values = values, .settings = settings};
  if (!r->settings.memory)
    r->settings.memory = (size_t)1 << 30;
  *out = r;
  return 0;
}

int nd_restorer_of_model(const nd_model *model, nd_restorer_settings settings, nd_restorer **out) {
  settings.residual = model->residual;
  return nd_restorer_new(model->net, model->params, "", model->values, settings, out);
}

void nd_restorer_free(nd_restorer *r) {
  if (!r)
    return;
  drop_plan(r);
  g_free(r->scope);
  g_free(r);
}

/* ---- Tiles ---- */
typedef struct layout {
  int height, width;           /* of the padded picture */
  int tile_height, tile_width; /* what one run takes */
  int overlap;                 /* border of a tile whose result is not used */
} layout;

/* Bytes of the network's buffers a pixel, found on a small picture. */
static int find_bytes_a_pixel(nd_restorer *r) {
  int size = nd_net_padded(r->net, 256);
  if (r->bytes_a_pixel > 0)
    return 0;
  if (make_plan(r, size, size))
    return -1;
  r->bytes_a_pixel = (double)nd_plan_bytes(r->plan) / ((double)size * size);
  return 0;
}

void nd_restorer_fit_memory(nd_restorer *r, size_t all) {
  size_t others = nd_mem_used() - (r->plan ? nd_plan_bytes(r->plan) : 0);
  r->settings.memory = all > others ? all - others : 1;
}

static int largest_tile(nd_restorer *r, int *out) {
  int multiple = nd_net_multiple(r->net);
  if (r->settings.tile) {
    *out = nd_net_padded(r->net, r->settings.tile);
    return 0;
  }
  if (find_bytes_a_pixel(r))
    return -1;
  *out = MAX((int)sqrt((double)r->settings.memory / r->bytes_a_pixel) / multiple * multiple, multiple);
  return 0;
}

static int too_small(const nd_restorer *r, const layout *l, int side) {
  int least = 2 * l->overlap + MAX(nd_net_multiple(r->net), 64);
  if (r->settings.tile)
    return nd_fail(
        "tiles of %d pixels are too small for this network: they overlap by %d on each side; allow "
        "at least --tile %d",
        side, l->overlap, least);
  double more = r->bytes_a_pixel * least * least - (double)r->settings.memory;
  return nd_fail(
      "tiles of this network overlap by %d pixels on each side, and there is memory for tiles of %d: "
      "allow %.0f MB more",
      l->overlap, side, ceil(more / 1e6));
}

/* The side of n tiles that cover a length, overlaps included. */
static int side_of(const nd_restorer *r, int length, int n, int overlap) {
  return n == 1 ? length : nd_net_padded(r->net, (length - 2 * overlap + n - 1) / n + 2 * overlap);
}

/* The grid of tiles of at most `area` pixels that computes the fewest: few tiles have little overlap, and
 * none is to be computed twice for being pushed back at the picture's end. */
static void divide(const nd_restorer *r, layout *l, double area) {
  double best = INFINITY;
  int least = 2 * l->overlap + nd_net_multiple(r->net);
  for (int across = 1; side_of(r, l->width, across, l->overlap) >= least; across++) {
    int width = side_of(r, l->width, across, l->overlap), most = (int)(area / width), down = 1;
    if (most < least)
      continue;
    while (side_of(r, l->height, down, l->overlap) > MAX(most, least))
      down++;
    int height = side_of(r, l->height, down, l->overlap);
    double pixels = (double)across * down * width * height;
    if (pixels < best && (double)height * width <= area) {
      best = pixels;
      l->tile_width = width;
      l->tile_height = height;
    }
    if (width == least)
      break;
  }
}

static int lay_out(nd_restorer *r, int height, int width, layout *l) {
  int reach = nd_net_reach(r->net), side;
  l->height = l->tile_height = nd_net_padded(r->net, height);
  l->width = l->tile_width = nd_net_padded(r->net, width);
  l->overlap = nd_net_padded(r->net, reach);
  if (largest_tile(r, &side))
    return -1;
  if (l->height <= side && l->width <= side)
    return 0;
  if ((double)l->height * l->width <= (double)side * side && !r->settings.tile)
    return 0;
  if (!reach)
    return nd_fail(
        "this network sees the whole picture at once and cannot be tiled; %d x %d pixels need more memory "
        "than %zu MB allow",
        width, height, r->settings.memory >> 20);
  if (side <= 2 * l->overlap)
    return too_small(r, l, side);
  if (r->settings.tile) {
    l->tile_height = MIN(side, l->height);
    l->tile_width = MIN(side, l->width);
  } else
    divide(r, l, (double)side * side);
  return 0;
}

/* Along one axis, tile i starts at start and its result is used from `from` up to `to`. */
typedef struct span {
  int start, from, to;
} span;

static int spans_count(int length, int tile, int overlap) {
  return length <= tile ? 1 : 1 + (length - tile + tile - 2 * overlap - 1) / (tile - 2 * overlap);
}

static span span_at(int i, int length, int tile, int overlap) {
  int n = spans_count(length, tile, overlap), step = tile - 2 * overlap;
  span s = {MIN(i * step, length - tile), 0, length};
  s.from = i ? i * step + overlap : 0;
  s.to = i + 1 < n ? (i + 1) * step + overlap : length;
  return s;
}

/* The tile at (y, x) of the picture padded by replication. */
static int copy_in(const nd_picture *p, int y, int x, int height, int width, float *tile) {
  int inside = MIN(width, p->width - x);
  for (int i = 0; i < height; i++) {
    float *row = tile + (size_t)i * (size_t)width * 3;
    if (p->get(p->context, MIN(y + i, p->height - 1), x, inside, row))
      return -1;
    for (int j = inside; j < width; j++)
      memcpy(row + (size_t)j * 3, row + (size_t)(inside - 1) * 3, 3 * sizeof *row);
  }
  return 0;
}

/* What the strength leaves of the correction, on x, n values. */
static void correct(const nd_restorer *r, const float *network, float *x, int n) {
  float strength = (float)r->settings.strength;
  for (int i = 0; i < n; i++)
    x[i] += strength * (r->settings.residual ? network[i] : network[i] - x[i]);
}

static int copy_out(const nd_restorer *r, const nd_picture *p, const layout *l, span rows, span columns,
                    const float *tile) {
  int n = MIN(columns.to, p->width) - columns.from;
  g_autofree float *row = g_new(float, 3 * (size_t)MAX(n, 1));
  for (int y = rows.from; y < MIN(rows.to, p->height) && n > 0; y++) {
    const float *t =
        tile +
        ((size_t)(y - rows.start) * (size_t)l->tile_width + (size_t)(columns.from - columns.start)) * 3;
    if (p->get(p->context, y, columns.from, n, row))
      return -1;
    correct(r, t, row, 3 * n);
    if (p->put(p->context, y, columns.from, n, row))
      return -1;
  }
  return 0;
}

static int run_tile(nd_restorer *r, const nd_picture *p, const layout *l, span rows, span columns) {
  nd_plan_set_window(
      r->plan, (nd_window){rows.start, columns.start, l->tile_height, l->tile_width, l->height, l->width});
  int64_t begun = nd_clock();
  if (copy_in(p, rows.start, columns.start, l->tile_height, l->tile_width, nd_plan_tensor(r->plan, r->x)))
    return -1;
  nd_profile_stage(r->settings.profile, "copy tile in", begun, 0);
  nd_run(r->plan, 0, 0, 0);
  begun = nd_clock();
  int failed = copy_out(r, p, l, rows, columns, nd_plan_tensor(r->plan, r->y));
  nd_profile_stage(r->settings.profile, "copy tile out", begun, 0);
  return failed;
}

int nd_restorer_run_picture(nd_restorer *r, const nd_picture *p, nd_tile_progress progress, void *context) {
  layout l;
  if (lay_out(r, p->height, p->width, &l) || make_plan(r, l.tile_height, l.tile_width))
    return -1;
  int down = spans_count(l.height, l.tile_height, l.overlap),
      across = spans_count(l.width, l.tile_width, l.overlap);
  for (int i = 0; i < down; i++)
    for (int j = 0; j < across; j++) {
      if (run_tile(r, p, &l, span_at(i, l.height, l.tile_height, l.overlap),
                   span_at(j, l.width, l.tile_width, l.overlap)))
        return -1;
      if (progress && !progress(i * across + j + 1, down * across, context))
        return nd_fail("stopped");
    }
  return 0;
}

int nd_restorer_count_tiles(nd_restorer *r, int height, int width, int *tiles) {
  layout l;
  if (lay_out(r, height, width, &l))
    return -1;
  *tiles = spans_count(l.height, l.tile_height, l.overlap) * spans_count(l.width, l.tile_width, l.overlap);
  return 0;
}
