/* How a picture is divided: not at all, in strips that are slid over, or in tiles. */
#include "restore/restore-private.h"

#include <math.h>

/* Bytes of the network's buffers a pixel, found on a small picture. */
static int find_bytes_a_pixel(nd_restorer *r) {
  int size = nd_net_padded(r->net, 256);
  if (r->bytes_a_pixel > 0)
    return 0;
  if (nd_restorer_make_plan(r, size, size, 0))
    return -1;
  r->bytes_a_pixel = (double)nd_plan_bytes(r->plan) / ((double)size * size);
  return 0;
}

void nd_restorer_fit_memory(nd_restorer *r, size_t all) {
  size_t others = nd_mem_used() - (r->plan    ? nd_plan_bytes(r->plan)
                                   : r->slide ? nd_slide_bytes(r->slide)
                                              : 0);
  r->settings.memory = all > others ? all - others : 1;
  r->beyond = all > others ? 0 : others - all;
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

nd_bytes_text nd_restorer_want(nd_restorer *r, double bytes) {
  r->lacking = (size_t)(1.01 * (bytes - (double)r->settings.memory + (double)r->beyond));
  return nd_bytes((double)r->lacking);
}

size_t nd_restorer_lacking(const nd_restorer *r) {
  return r->lacking;
}

/* What is asked for is what is possible; what memory is asked for is to be worth it. */
static int too_small(nd_restorer *r, const nd_layout *l, int side) {
  int multiple = nd_net_multiple(r->net), good = 2 * l->overlap + MAX(multiple, 64);
  if (r->settings.tile)
    return nd_fail("tiles of %s are too small for this network: they overlap by %d on each side; allow "
                   "at least --tile %d",
                   nd_count((size_t)side, "pixel").text, l->overlap, 2 * l->overlap + multiple);
  return nd_fail("tiles of this network overlap by %s on each side, and there is memory for tiles of %d: "
                 "allow %s more",
                 nd_count((size_t)l->overlap, "pixel").text, side,
                 nd_restorer_want(r, r->bytes_a_pixel * good * good).text);
}

/* The side of n tiles that cover a length, overlaps included. */
static int side_of(const nd_restorer *r, int length, int n, int overlap) {
  return n == 1 ? length : nd_net_padded(r->net, (length - 2 * overlap + n - 1) / n + 2 * overlap);
}

/* Few tiles have little overlap, and none is to be computed twice for being pushed back at the picture's end.
 */
bool nd_restorer_divide(const nd_restorer *r, nd_layout *l, double area) {
  double best = INFINITY;
  int least = 2 * l->overlap + nd_net_multiple(r->net);
  for (int across = 1; across == 1 || side_of(r, l->width, across, l->overlap) >= least; across++) {
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
    if (width <= least)
      break;
  }
  return best < INFINITY;
}

int nd_tile_spans(int length, int tile, int overlap) {
  return length <= tile ? 1 : 1 + (length - tile + tile - 2 * overlap - 1) / (tile - 2 * overlap);
}

/* Strips of the picture, as few and hence as wide as memory allows with so many rows at a time. *work: what
 * they compute in all; INFINITY where nothing fits. */
static int fit_strips(nd_restorer *r, const nd_layout *whole, int band, nd_layout *l, double *work) {
  int least = 2 * whole->overlap + nd_net_multiple(r->net);
  double widest = INFINITY; /* by the last one that did not fit */
  *work = INFINITY;
  for (int across = 1;; across++) {
    int width = side_of(r, whole->width, across, whole->overlap);
    if (width > MAX(widest, least))
      continue;
    nd_restorer_drop_plan(r);
    if (nd_restorer_build_slide(r, whole->height, width, band))
      return -1;
    if (nd_slide_bytes(r->slide) > r->settings.memory) {
      if (width <= least)
        return 0;
      widest = width * (double)r->settings.memory / (double)nd_slide_bytes(r->slide);
      continue;
    }
    *l = *whole;
    l->tile_width = width;
    l->band = band;
    l->steps = nd_slide_steps(r->slide);
    *work = nd_slide_work(r->slide) * nd_tile_spans(whole->width, width, whole->overlap);
    return 0;
  }
}

/* The rows at a time and the strips that compute the least. A network that does not slide leaves l as it is.
 */
static void divide_in_strips(nd_restorer *r, nd_layout *l) {
  static const int bands[] = {64, 32, 16, 8};
  nd_layout whole = *l, one;
  double best = INFINITY, work;
  int64_t begun = nd_clock();
  for (size_t i = 0; i < G_N_ELEMENTS(bands); i++) {
    if (fit_strips(r, &whole, nd_net_padded(r->net, bands[i]), &one, &work))
      break;
    if (work < best) {
      best = work;
      *l = one;
    }
  }
  nd_restorer_drop_plan(r);
  nd_profile_stage(r->settings.profile, "find strips", begun, 0);
}

int nd_restorer_lay_out(nd_restorer *r, int height, int width, nd_layout *l) {
  int reach = nd_net_reach(r->net), side;
  l->height = l->tile_height = nd_net_padded(r->net, height);
  l->width = l->tile_width = nd_net_padded(r->net, width);
  l->overlap = nd_net_padded(r->net, reach);
  l->band = 0;
  l->steps = 1;
  l->staged = false;
  r->lacking = 0;
  if (largest_tile(r, &side))
    return -1;
  if (l->height <= side && l->width <= side)
    return 0;
  if ((double)l->height * l->width <= (double)side * side && !r->settings.tile)
    return 0;
  l->staged = !reach;
  if (l->staged)
    return 0;
  if (!r->settings.tile)
    divide_in_strips(r, l);
  if (l->band)
    return 0;
  if (side <= 2 * l->overlap)
    return too_small(r, l, side);
  if (r->settings.tile) {
    l->tile_height = MIN(side, l->height);
    l->tile_width = MIN(side, l->width);
  } else
    return nd_restorer_divide(r, l, (double)side * side) ? 0 : too_small(r, l, side);
  return 0;
}

nd_tile_span nd_tile_span_at(int i, int length, int tile, int overlap) {
  int n = nd_tile_spans(length, tile, overlap), step = tile - 2 * overlap;
  nd_tile_span s = {MIN(i * step, length - tile), 0, length};
  s.from = i ? i * step + overlap : 0;
  s.to = i + 1 < n ? (i + 1) * step + overlap : length;
  return s;
}

int nd_layout_across(const nd_layout *l) {
  return nd_tile_spans(l->width, l->tile_width, l->overlap);
}

int nd_layout_tiles(const nd_layout *l) {
  return nd_tile_spans(l->height, l->tile_height, l->overlap) * nd_layout_across(l) * l->steps;
}

void nd_layout_tile_at(const nd_layout *l, int i, nd_tile_span *rows, nd_tile_span *columns) {
  *rows = nd_tile_span_at(i / nd_layout_across(l), l->height, l->tile_height, l->overlap);
  *columns = nd_tile_span_at(i % nd_layout_across(l), l->width, l->tile_width, l->overlap);
}
