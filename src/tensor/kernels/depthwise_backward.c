/* Both gradients of a depth-wise convolution at once, for which dy is read once. Where a gate follows the
 * convolution, its gradient is made of a slice's rows as they are needed, with the convolution's result,
 * which has to be computed again for that: neither is ever stored. */
#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/depthwise_private.h"
#include "tensor/kernels/elementary.h"

enum { PARTS = 2, RING = 3, ROWS = 16 /* of a band */, UNITS = 4 /* for each thread at least */ };

typedef struct both {
  int n, h, w;
  size_t c, part, slices; /* channels, of the whole or of a half that has so many slices */
  int parts;
  int bands, strips, groups; /* of a picture's rows and columns, and of slices: units */
  int width, slices_at_once; /* of a strip, of a group, at most */
  bool gelu;
  const nd_micro *micro;
  const float *x, *dy, *filter, *turned, *zeros;
  float *dx, *sums;
  float *desks; /* for each thread */
  size_t apart;
} both;

/* What is done at once: of a picture, a band of rows, a strip of columns and a group of each part's slices.
 */
typedef struct unit {
  size_t image, slice0, slice1;
  int row0, row1;
  nd_sweep again, through, over; /* x to the convolution's result, its gradient to dx, x times its gradient */
  float *desk;                   /* sums of each slice, rows of the gradient in a ring, a row of dx */
} unit;

static size_t ring_row_size(const both *b) {
  return (size_t)(b->width + 2) * ND_SLICE;
}

/* Floats before the row of dx. */
static size_t spare_row_at(const both *b) {
  size_t slices = (size_t)b->slices_at_once * (size_t)b->parts;
  return slices * (ND_SLICE_SUMS + (b->parts > 1 ? RING * ring_row_size(b) : 0));
}

/* Number of a slice of a part on the desk. */
static size_t on_desk(const both *b, const unit *u, int part, size_t slice) {
  return (slice - u->slice0) * (size_t)b->parts + (size_t)part;
}

static float *sums_of(const both *b, const unit *u, int part, size_t slice) {
  return u->desk + on_desk(b, u, part, slice) * ND_SLICE_SUMS;
}

static float *ring_row(const both *b, const unit *u, int part, size_t slice, int y) {
  size_t slices = (u->slice1 - u->slice0) * (size_t)b->parts;
  return u->desk + slices * ND_SLICE_SUMS +
         (on_desk(b, u, part, slice) * RING + (size_t)(y % RING)) * ring_row_size(b);
}

/* The unit's first pixel of row y, from channel k on of c. */
static size_t pixel_at(const both *b, const unit *u, int y, size_t c, size_t k) {
  return ((u->image * (size_t)b->h + (size_t)y) * (size_t)b->w + (size_t)u->over.from) * c + k;
}

static nd_sweep_ahead ahead_of(const both *b, const unit *u, const float *read, int read_row, float *write,
                               int write_row, size_t k) {
  if (b->groups > 1) /* pieces again */
    return (nd_sweep_ahead){NULL, NULL};
  nd_sweep_ahead a = {read && read_row < b->h ? read + pixel_at(b, u, read_row, b->c, 0) : NULL,
                      write && write_row < b->h ? write + pixel_at(b, u, write_row, b->c, 0) : NULL};
  return nd_sweep_ahead_of(&u->over, a, k);
}

/* What the gate read, to its gradients; dy's pixels are `pitch` apart. */
ND_KERNEL static void pass_gelu(const float *restrict dy, size_t pitch, int pixels, size_t lanes,
                                float *restrict first, float *restrict second) {
  for (int i = 0; i < pixels; i++, dy += pitch, first += ND_SLICE, second += ND_SLICE)
    for (size_t k = 0; k < lanes; k++) {
      float a = first[k], b = second[k];
      first[k] = dy[k] * b * nd_gelu_gradientf(a);
      second[k] = dy[k] * nd_geluf(a);
    }
}

ND_KERNEL static void pass_product(const float *restrict dy, size_t pitch, int pixels, size_t lanes,
                                   float *restrict first, float *restrict second) {
  for (int i = 0; i < pixels; i++, dy += pitch, first += ND_SLICE, second += ND_SLICE)
    for (size_t k = 0; k < lanes; k++) {
      float d = dy[k] * second[k];
      second[k] = dy[k] * first[k];
      first[k] = d;
    }
}

/* Row y of the gradient of the convolution's result, of both parts of a slice. */
static void make_row(const both *b, const unit *u, size_t slice, int y) {
  size_t channel = nd_slice_start(b->part, slice);
  if (b->parts == 1 || y < 0 || y >= b->h)
    return;
  for (int part = 0; part < PARTS; part++) {
    size_t k = (size_t)part * b->part + channel;
    const float *rows[3];
    nd_find_rows(&u->again, b->x, u->image, y - 1, k, rows);
    nd_sweep_to to = {ring_row(b, u, part, slice, y),         ND_SLICE, NULL, ND_LINEAR, 0,
                      ahead_of(b, u, b->x, y + 2, NULL, 0, k)};
    b->micro->sweep(&u->again, rows, nd_slice_lanes(b->part),
                    b->filter + ((size_t)part * b->slices + slice) * ND_SLICE_FILTER, &to);
  }
  const float *dy =
      b->dy + ((u->image * (size_t)b->h + (size_t)y) * (size_t)b->w + (size_t)u->again.from) * b->part;
  (b->gelu ? pass_gelu : pass_product)(dy + channel, b->part, u->again.end - u->again.from,
                                       nd_slice_lanes(b->part), ring_row(b, u, 0, slice, y),
                                       ring_row(b, u, 1, slice, y));
}

/* The gradient's rows y - 1, y, y + 1. */
static void find_gradients(const both *b, const unit *u, int part, size_t slice, int y,
                           const float *rows[3]) {
  if (b->parts == 1) {
    nd_find_rows(&u->through, b->dy, u->image, y - 1, nd_slice_start(b->part, slice), rows);
    return;
  }
  for (int i = 0; i < 3; i++)
    rows[i] = y - 1 + i < 0 || y - 1 + i >= b->h ? NULL : ring_row(b, u, part, slice, y - 1 + i);
}

static void sweep_dx(const both *b, const unit *u, int part, size_t slice, int y,
                     const float *const rows[3]) {
  const float *filter = b->turned + ((size_t)part * b->slices + slice) * ND_SLICE_FILTER;
  size_t lanes = nd_slice_lanes(b->part);
  size_t channel = nd_slice_start(b->part, slice), k = (size_t)part * b->part + channel;
  size_t skip = slice * ND_SLICE - channel; /* another slice's channels */
  float *dx = b->dx + pixel_at(b, u, y, b->c, k), *own = u->desk + spare_row_at(b);
  nd_sweep_to to = {skip ? own : dx,
                    skip ? ND_SLICE : b->c,
                    NULL,
                    ND_LINEAR,
                    0,
                    ahead_of(b, u, b->parts == 1 ? b->dy : NULL, y + 2, b->dx, y + 1, k)};
  b->micro->sweep(&u->through, rows, lanes, filter, &to);
  for (int i = u->over.from; skip && i < u->over.end; i++, own += ND_SLICE, dx += b->c)
    memcpy(dx + skip, own + skip, (lanes - skip) * sizeof *dx);
}

static void add_products(const both *b, const unit *u, int part, size_t slice, int y, const float *gradient) {
  size_t k = (size_t)part * b->part + nd_slice_start(b->part, slice);
  const float *rows[3];
  nd_find_rows(&u->over, b->x, u->image, y - 1, k, rows);
  gradient += (size_t)(u->over.from - u->through.first) * u->through.pitch;
  b->micro->sum_taps(&u->over, rows, gradient, u->through.pitch, nd_slice_lanes(b->part),
                     ahead_of(b, u, b->parts == 1 ? b->x : NULL, y + 2, NULL, 0, k),
                     sums_of(b, u, part, slice));
}

static void compute_unit(const both *b, const unit *u, float *sums) {
  memset(u->desk, 0, (u->slice1 - u->slice0) * (size_t)b->parts * ND_SLICE_SUMS * sizeof(float));
  for (size_t slice = u->slice0; slice < u->slice1; slice++)
    make_row(b, u, slice, u->row0 - 1), make_row(b, u, slice, u->row0);
  for (int y = u->row0; y < u->row1; y++)
    for (size_t slice = u->slice0; slice < u->slice1; slice++) {
      make_row(b, u, slice, y + 1);
      for (int part = 0; part < b->parts; part++) {
        const float *rows[3];
        find_gradients(b, u, part, slice, y, rows);
        sweep_dx(b, u, part, slice, y, rows);
        add_products(b, u, part, slice, y, rows[1]);
      }
    }
  for (size_t slice = u->slice0; slice < u->slice1; slice++)
    for (int part = 0; part < b->parts; part++)
      nd_store_slice_sums(sums_of(b, u, part, slice), b->part, slice, b->c, sums + (size_t)part * b->part);
}

static unit unit_of(const both *b, size_t i) {
  int group = (int)(i % (size_t)b->groups), strip = (int)(i / (size_t)b->groups % (size_t)b->strips);
  size_t band = i / (size_t)b->groups / (size_t)b->strips;
  unit u = {.image = band / (size_t)b->bands, .row0 = (int)(band % (size_t)b->bands) * ROWS};
  u.row1 = nd_least(u.row0 + ROWS, b->h);
  u.slice0 = (size_t)(group * b->slices_at_once);
  u.slice1 = (size_t)nd_least((group + 1) * b->slices_at_once, (int)b->slices);
  int from = strip * b->width, end = nd_least(from + b->width, b->w);
  u.over = (nd_sweep){b->h, b->w, b->h, b->w, 1, 0, from, end, b->c, b->zeros};
  u.again = u.through = u.over;
  if (b->parts > 1) {
    u.again.from = from ? from - 1 : 0;
    u.again.end = nd_least(end + 1, b->w);
    u.through.first = u.again.from;
    u.through.pitch = ND_SLICE;
  }
  return u;
}

static void compute_units(size_t begin, size_t end, int thread, void *context) {
  const both *b = context;
  for (size_t i = begin; i < end; i++) {
    unit u = unit_of(b, i);
    u.desk = b->desks + (size_t)thread * b->apart;
    float *sums = b->sums + i / (size_t)b->groups * (ND_TAPS + 1) * b->c;
    compute_unit(b, &u, sums);
  }
}

bool nd_depthwise_takes_both(const nd_conv_shape *s) {
  return nd_depthwise_takes(s) && s->pad == 1;
}

/* Fewer units than threads want: slices are shared out as well. */
static both lay_out(const nd_conv_shape *s) {
  both b = {.n = s->n, .h = s->h, .w = s->w, .c = (size_t)s->ci, .parts = s->gated ? PARTS : 1};
  b.part = b.c / (size_t)b.parts;
  b.slices = nd_slices(b.part);
  b.bands = nd_divide_up(s->h, ROWS);
  b.width = nd_strip_width(s->w, 2 * b.c);
  b.strips = nd_divide_up(s->w, b.width);
  int units = s->n * b.bands * b.strips, wanted = UNITS * nd_threads();
  b.groups = nd_least(nd_divide_up(wanted, units), (int)b.slices);
  b.slices_at_once = nd_divide_up((int)b.slices, b.groups);
  b.groups = nd_divide_up((int)b.slices, b.slices_at_once);
  return b;
}

size_t nd_depthwise_backward_both(const nd_conv_shape *s, const float *x, const float *dy,
                                  const float *weights, const nd_epilogue *e, float *dx, float *dweights,
                                  float *dbias, nd_arena scratch) {
  both b = lay_out(s);
  size_t blocks = (size_t)s->n * (size_t)(b.bands * b.strips),
         filter = nd_filter_slices(b.c, s->gated) * ND_SLICE_FILTER;
  float *zeros = nd_arena_floats(&scratch, ND_SLICE), *packed = nd_arena_floats(&scratch, 2 * filter);
  b.sums = nd_arena_floats(&scratch, blocks * (ND_TAPS + 1) * b.c);
  b.desks =
      nd_arena_for_threads(&scratch, (size_t)nd_threads(), spare_row_at(&b) + ring_row_size(&b), &b.apart);
  if (!scratch.base)
    return scratch.used;
  memset(zeros, 0, ND_SLICE * sizeof *zeros);
  nd_filter_slices_pack(weights, e->bias, b.c, s->gated, false, packed);
  nd_filter_slices_pack(weights, NULL, b.c, s->gated, true, packed + filter);
  b.filter = packed, b.turned = packed + filter, b.zeros = zeros;
  b.micro = nd_micro_best();
  b.gelu = e->activation == ND_GELU;
  b.x = x, b.dy = dy, b.dx = dx;
  nd_parallel(blocks * (size_t)b.groups, 1, compute_units, &b);
  nd_add_tap_sums(b.sums, blocks, b.c, dweights, dbias);
  return scratch.used;
}
