/* Both gradients of a depth-wise convolution at once, for which dy is read once. Where a gate follows the
 * convolution, its gradient is made of a slice's rows as they are needed, with the convolution's result,
 * which has to be computed again for that: neither is ever stored. */
#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/depthwise_private.h"
#include "tensor/kernels/elementary.h"

enum { PARTS = 2 };
enum { RING = 3 /* rows of the gradient, and of x for the products */ };

typedef struct both {
  nd_blocks blocks;
  int x_rows, x_margin; /* in x's ring, and columns on each side of a strip */
  bool gelu;
  const nd_micro *micro;
  const float *x, *dy, *filter, *turned, *zeros;
  float *dx, *sums;
  float *desks; /* for each thread */
  size_t apart;
} both;

/* A block of dx. */
typedef struct unit {
  nd_block block;
  nd_columns x, gradient;        /* of rows that are read */
  nd_sweep again, through, over; /* x to the convolution's result, its gradient to dx, x times its gradient */
  float *desk; /* of each slice: sums, a row of dx, rows of the gradient and of x in rings */
} unit;

/* ---- The desk ---- */

/* The gradient of the convolution's result has rows at hand where it is not dy itself. */
static bool keeps_gradient(const both *b) {
  return b->blocks.copied || b->blocks.parts > 1;
}

static size_t row_size(const both *b, int margin) {
  return (size_t)(b->blocks.width + 2 * margin) * ND_SLICE;
}

/* Numbers that a slice of a part has there. */
static size_t slice_size(const both *b) {
  return ND_SLICE_SUMS + row_size(b, 0) + (keeps_gradient(b) ? RING * row_size(b, 1) : 0) +
         (b->blocks.copied ? (size_t)b->x_rows * row_size(b, b->x_margin) : 0);
}

static float *sums_of(const both *b, const unit *u, int part, size_t slice) {
  size_t slices = u->block.slice1 - u->block.slice0;
  return u->desk + ((size_t)part * slices + slice - u->block.slice0) * slice_size(b);
}

static float *own_dx(const both *b, const unit *u, int part, size_t slice) {
  return sums_of(b, u, part, slice) + ND_SLICE_SUMS;
}

static float *own_gradient(const both *b, const unit *u, int part, size_t slice, int y) {
  return own_dx(b, u, part, slice) + row_size(b, 0) + (size_t)(y % RING) * row_size(b, 1);
}

static float *copied_x(const both *b, const unit *u, int part, size_t slice, int y) {
  return own_gradient(b, u, part, slice, 0) + RING * row_size(b, 1) +
         (size_t)(y % b->x_rows) * row_size(b, b->x_margin);
}

/* ---- Rows of a slice ---- */

static bool inside(const both *b, int y) {
  return y >= 0 && y < b->blocks.h;
}

static size_t pixel_at(const both *b, const unit *u, int y, int column) {
  return (u->block.image * (size_t)b->blocks.h + (size_t)y) * (size_t)b->blocks.w + (size_t)column;
}

/* Where a slice of a part has a pixel in x and dx, */
static size_t place_in_x(const both *b, const unit *u, int part, size_t slice, int y, int column) {
  const nd_blocks *k = &b->blocks;
  return pixel_at(b, u, y, column) * k->c + (size_t)part * k->part + nd_slice_start(k->part, slice);
}

/* and in dy, which halves share. */
static size_t place_in_dy(const both *b, const unit *u, size_t slice, int y, int column) {
  size_t part = b->blocks.part;
  return pixel_at(b, u, y, column) * part + nd_slice_start(part, slice);
}

static void take_x(const both *b, const unit *u, size_t slice, int y) {
  for (int part = 0; part < b->blocks.parts && b->blocks.copied && inside(b, y); part++) {
    const float *x = b->x + place_in_x(b, u, part, slice, y, u->x.from);
    nd_slice_take(x, b->blocks.c, nd_slice_lanes(b->blocks.part), u->x.end - u->x.from,
                  copied_x(b, u, part, slice, y));
  }
}

static void take_dy(const both *b, const unit *u, size_t slice, int y) {
  size_t pitch = b->blocks.part;
  const float *dy = b->dy + place_in_dy(b, u, slice, y, u->gradient.from);
  nd_slice_take(dy, pitch, nd_slice_lanes(b->blocks.part), u->gradient.end - u->gradient.from,
                own_gradient(b, u, 0, slice, y));
}

static const float *x_row(const both *b, const unit *u, int part, size_t slice, int y) {
  return b->blocks.copied ? copied_x(b, u, part, slice, y)
                          : b->x + place_in_x(b, u, part, slice, y, u->x.from);
}

static const float *gradient_row(const both *b, const unit *u, int part, size_t slice, int y) {
  return keeps_gradient(b) ? own_gradient(b, u, part, slice, y)
                           : b->dy + place_in_dy(b, u, slice, y, u->gradient.from);
}

/* The three rows around y; NULL for one outside. */
typedef const float *(*row_fn)(const both *b, const unit *u, int part, size_t slice, int y);

static void find_rows(const both *b, const unit *u, row_fn row, int part, size_t slice, int y,
                      const float *rows[3]) {
  for (int i = 0; i < 3; i++)
    rows[i] = inside(b, y - 1 + i) ? row(b, u, part, slice, y - 1 + i) : NULL;
}

/* Of a single slice, of rows of a picture or of dx. */
static nd_sweep_ahead ahead_of(const both *b, const unit *u, int part, size_t slice, const float *read,
                               int read_row, float *write, int write_row) {
  int from = u->over.from;
  if (!b->blocks.copied)
    return (nd_sweep_ahead){NULL, NULL, 0};
  return (nd_sweep_ahead){
      read && inside(b, read_row) ? read + place_in_x(b, u, part, slice, read_row, from) : NULL,
      write && inside(b, write_row) ? write + place_in_x(b, u, part, slice, write_row, from) : NULL,
      b->blocks.c};
}

/* What comes after row y of the gradient: in x, in dy, and in dx. */
static void fetch_rows(const both *b, const unit *u, int y) {
  int x = y + b->x_margin, dy = y + 1, dx = y;
  if (inside(b, x))
    nd_blocks_fetch(&b->blocks, &u->block, b->x + place_in_x(b, u, 0, 0, x, u->x.from), u->x.end - u->x.from,
                    b->blocks.c);
  if (inside(b, dy))
    nd_blocks_fetch(&b->blocks, &u->block, b->dy + place_in_dy(b, u, 0, dy, u->gradient.from),
                    u->gradient.end - u->gradient.from, b->blocks.part);
  if (dx >= u->block.row0 && dx < u->block.row1)
    nd_blocks_fetch(&b->blocks, &u->block, b->dx + place_in_x(b, u, 0, 0, dx, u->over.from),
                    u->over.end - u->over.from, b->blocks.c);
}

/* ---- The gradient of the convolution's result ---- */

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

/* Row y of both parts of a slice. */
static void pass_gate(const both *b, const unit *u, size_t slice, int y) {
  float *to[PARTS];
  size_t lanes = nd_slice_lanes(b->blocks.part);
  for (int part = 0; part < PARTS; part++) {
    const float *rows[3];
    find_rows(b, u, x_row, part, slice, y, rows);
    to[part] = own_gradient(b, u, part, slice, y);
    b->micro->sweep(&u->again, rows, lanes,
                    b->filter + ((size_t)part * (size_t)b->blocks.slices + slice) * ND_SLICE_FILTER,
                    &(nd_sweep_to){.y = to[part],
                                   .pitch = ND_SLICE,
                                   .ahead = ahead_of(b, u, part, slice, b->x, y + 2, NULL, 0)});
  }
  const float *dy = b->dy + place_in_dy(b, u, slice, y, u->gradient.from);
  (b->gelu ? pass_gelu : pass_product)(dy, b->blocks.part, u->gradient.end - u->gradient.from, lanes, to[0],
                                       to[1]);
}

static void make_gradient(const both *b, const unit *u, size_t slice, int y) {
  if (!keeps_gradient(b) || !inside(b, y))
    return;
  if (b->blocks.parts > 1)
    pass_gate(b, u, slice, y);
  else
    take_dy(b, u, slice, y);
}

/* ---- A block ---- */

/* Channels that another slice has are left to it: it may be another thread's. */
static void sweep_dx(const both *b, const unit *u, int part, size_t slice, int y,
                     const float *const gradients[3]) {
  const float *filter = b->turned + ((size_t)part * (size_t)b->blocks.slices + slice) * ND_SLICE_FILTER;
  size_t lanes = nd_slice_lanes(b->blocks.part), shared = nd_slice_shared(b->blocks.part, slice);
  float *dx = b->dx + place_in_x(b, u, part, slice, y, u->block.columns.from),
        *own = own_dx(b, u, part, slice);
  bool direct = !shared && !b->blocks.copied;
  nd_sweep_to to = {
      .y = direct ? dx : own,
      .pitch = direct ? b->blocks.c : ND_SLICE,
      .ahead = ahead_of(b, u, part, slice, b->blocks.parts == 1 ? b->dy : NULL, y + 2, b->dx, y + 1)};
  b->micro->sweep(&u->through, gradients, lanes, filter, &to);
  dx += shared;
  if (!direct)
    nd_slice_put(own + shared, lanes - shared, u->over.end - u->over.from, dx, b->blocks.c);
}

static void add_products(const both *b, const unit *u, int part, size_t slice, int y, const float *gradient) {
  const float *rows[3];
  find_rows(b, u, x_row, part, slice, y, rows);
  gradient += (size_t)(u->block.columns.from - u->gradient.from) * u->through.pitch;
  b->micro->sum_taps(&u->over, rows, gradient, u->through.pitch, nd_slice_lanes(b->blocks.part),
                     ahead_of(b, u, part, slice, b->blocks.parts == 1 ? b->x : NULL, y + 2, NULL, 0),
                     sums_of(b, u, part, slice));
}

/* Row y of dx, and its products. */
static void finish_row(const both *b, const unit *u, size_t slice, int y) {
  for (int part = 0; part < b->blocks.parts; part++) {
    const float *gradients[3];
    find_rows(b, u, gradient_row, part, slice, y, gradients);
    sweep_dx(b, u, part, slice, y, gradients);
    add_products(b, u, part, slice, y, gradients[1]);
  }
}

static void clear_sums(const both *b, const unit *u) {
  for (int part = 0; part < b->blocks.parts; part++)
    for (size_t slice = u->block.slice0; slice < u->block.slice1; slice++)
      memset(sums_of(b, u, part, slice), 0, ND_SLICE_SUMS * sizeof(float));
}

static void store_sums(const both *b, const unit *u, float *to) {
  for (int part = 0; part < b->blocks.parts; part++)
    for (size_t slice = u->block.slice0; slice < u->block.slice1; slice++)
      nd_store_slice_sums(sums_of(b, u, part, slice), b->blocks.part, slice, b->blocks.c,
                          to + (size_t)part * b->blocks.part);
}

/* Row by row of the gradient, each of which needs those of x around it only where a gate follows. */
static void compute_unit(const both *b, const unit *u, float *sums) {
  int reach = b->x_margin;
  clear_sums(b, u);
  for (int y = u->block.row0 - reach; y < u->block.row0 + reach - 2; y++)
    take_x(b, u, u->block.slice0, y);
  for (int y = u->block.row0 - 1; y <= u->block.row1; y++) {
    fetch_rows(b, u, y);
    for (size_t slice = u->block.slice0; slice < u->block.slice1; slice++) {
      take_x(b, u, slice, y + reach - 1);
      make_gradient(b, u, slice, y);
      if (y > u->block.row0)
        finish_row(b, u, slice, y - 1);
    }
  }
  store_sums(b, u, sums);
}

/* ---- All of it ---- */

static nd_columns widened(const both *b, int margin, nd_columns c) {
  return (nd_columns){c.from > margin ? c.from - margin : 0, nd_least(c.end + margin, b->blocks.w)};
}

/* From rows that begin with `from`'s first column to columns `to`. */
static nd_sweep sweep_of(const both *b, nd_columns from, nd_columns to, size_t pitch) {
  int h = b->blocks.h, w = b->blocks.w;
  return (nd_sweep){h, w, h, w, 1, from.from, to.from, to.end, pitch, b->zeros};
}

static unit unit_of(const both *b, size_t i) {
  unit u = {.block = nd_block_at(&b->blocks, i)};
  size_t x_pitch = b->blocks.copied ? ND_SLICE : b->blocks.c,
         pitch = keeps_gradient(b) ? ND_SLICE : b->blocks.c;
  u.gradient = widened(b, 1, u.block.columns);
  u.x = widened(b, b->x_margin, u.block.columns);
  u.again = sweep_of(b, u.x, u.gradient, x_pitch);
  u.through = sweep_of(b, u.gradient, u.block.columns, pitch);
  u.over = sweep_of(b, u.x, u.block.columns, x_pitch);
  return u;
}

static size_t sums_size(const both *b) {
  return (ND_TAPS + 1) * b->blocks.c;
}

static void compute_units(size_t begin, size_t end, int thread, void *context) {
  const both *b = context;
  for (size_t i = begin; i < end; i++) {
    unit u = unit_of(b, i);
    u.desk = b->desks + (size_t)thread * b->apart;
    compute_unit(b, &u, b->sums + i / (size_t)b->blocks.groups * sums_size(b));
  }
}

bool nd_depthwise_takes_both(const nd_conv_shape *s) {
  return nd_depthwise_takes(s) && s->pad == 1;
}

/* Where a gate follows, x is needed one row and column farther. */
static both lay_out(const nd_conv_shape *s) {
  int parts = s->gated ? PARTS : 1;
  both b = {.x_rows = RING + parts - 1, .x_margin = parts};
  b.blocks = nd_blocks_of(s->n, s->h, s->w, (size_t)s->ci, parts, b.x_rows + RING + 1);
  return b;
}

size_t nd_depthwise_backward_both(const nd_conv_shape *s, const float *x, const float *dy,
                                  const float *weights, const nd_epilogue *e, float *dx, float *dweights,
                                  float *dbias, nd_arena scratch) {
  both b = lay_out(s);
  const nd_blocks *p = &b.blocks;
  size_t blocks = nd_blocks_count(p) / (size_t)p->groups,
         filter = nd_filter_slices(p->c, s->gated) * ND_SLICE_FILTER;
  float *zeros = nd_arena_floats(&scratch, ND_SLICE), *packed = nd_arena_floats(&scratch, 2 * filter);
  b.sums = nd_arena_floats(&scratch, blocks * sums_size(&b));
  b.desks = nd_arena_for_threads(&scratch, (size_t)nd_threads(),
                                 (size_t)(p->parts * p->slices_at_once) * slice_size(&b), &b.apart);
  if (!scratch.base)
    return scratch.used;
  memset(zeros, 0, ND_SLICE * sizeof *zeros);
  nd_filter_slices_pack(weights, e->bias, p->c, s->gated, false, packed);
  nd_filter_slices_pack(weights, NULL, p->c, s->gated, true, packed + filter);
  b.filter = packed, b.turned = packed + filter, b.zeros = zeros;
  b.micro = nd_micro_best();
  b.gelu = e->activation == ND_GELU;
  b.x = x, b.dy = dy, b.dx = dx;
  nd_parallel(nd_blocks_count(p), 1, compute_units, &b);
  nd_add_tap_sums(b.sums, blocks, p->c, dweights, dbias);
  return scratch.used;
}
