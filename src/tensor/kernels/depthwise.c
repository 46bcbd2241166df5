#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/depthwise_private.h"

enum { HALVES = 2, RING = 3 /* rows of x */ };

typedef struct job {
  nd_blocks blocks;                /* of y, in channels of x */
  int h, w, pad;                   /* of x */
  const float *x, *filter, *zeros; /* filter: its slices, of a gated one those of each half */
  const nd_epilogue *e;
  const nd_micro *micro;
  float *y;
  float *desks; /* for each thread, and each part of a slice: copied rows of x in a ring, a row of y */
  size_t apart;
} job;

bool nd_depthwise_takes(const nd_conv_shape *s) {
  return s->groups > 1 && s->ci == s->groups && s->co == s->groups && s->kh == 3 && s->kw == 3 &&
         s->stride == 1 && s->dilation == 1;
}

/* Forward, and backward data: the same with the kernel turned round. */

typedef struct unit {
  nd_block block;
  nd_columns x; /* of rows that are read */
  nd_sweep sweep;
  float *desk;
} unit;

static size_t x_row_size(const job *j) {
  return (size_t)(j->blocks.width + RING - 1) * ND_SLICE;
}

static size_t slice_size(const job *j) {
  return RING * x_row_size(j) + (size_t)j->blocks.width * ND_SLICE;
}

/* ---- Rows of a slice ---- */

static bool inside(const job *j, int y) {
  return y >= 0 && y < j->h;
}

static const float *x_at(const job *j, const unit *u, int part, size_t slice, int y, int column) {
  size_t pixel = (u->block.image * (size_t)j->h + (size_t)y) * (size_t)j->w + (size_t)column;
  return j->x + pixel * j->blocks.c + (size_t)part * j->blocks.part + nd_slice_start(j->blocks.part, slice);
}

static float *y_at(const job *j, const unit *u, size_t slice, int y) {
  const nd_blocks *b = &j->blocks;
  size_t pixel = (u->block.image * (size_t)b->h + (size_t)y) * (size_t)b->w + (size_t)u->block.columns.from;
  return j->y + pixel * b->part + nd_slice_start(b->part, slice);
}

static float *copied_x(const job *j, const unit *u, int part, int y) {
  return u->desk + (size_t)part * slice_size(j) + (size_t)(y % RING) * x_row_size(j);
}

static float *own_y(const job *j, const unit *u) {
  return u->desk + RING * x_row_size(j);
}

static void take_x(const job *j, const unit *u, size_t slice, int y) {
  size_t pitch = j->blocks.c;
  for (int part = 0; part < j->blocks.parts && j->blocks.copied && inside(j, y); part++) {
    const float *x = x_at(j, u, part, slice, y, u->x.from);
    nd_slice_take(x, pitch, nd_slice_lanes(j->blocks.part), u->x.end - u->x.from, copied_x(j, u, part, y));
  }
}

static void find_rows(const job *j, const unit *u, int part, size_t slice, int y, const float *rows[3]) {
  for (int i = 0; i < RING; i++, y++)
    rows[i] = !inside(j, y)      ? NULL
              : j->blocks.copied ? copied_x(j, u, part, y)
                                 : x_at(j, u, part, slice, y, u->x.from);
}

/* What comes after row y of a single slice: in x, and in y. */
static nd_sweep_ahead ahead_of(const job *j, const unit *u, int part, size_t slice, int y) {
  int next = y - j->pad + RING;
  if (!j->blocks.copied)
    return (nd_sweep_ahead){NULL, NULL, 0};
  return (nd_sweep_ahead){inside(j, next) ? x_at(j, u, part, slice, next, u->sweep.from) : NULL,
                          j->blocks.parts == 1 && y + 1 < u->block.row1 ? y_at(j, u, slice, y + 1) : NULL,
                          j->blocks.c};
}

/* What row y needs of x, and its place. */
static void fetch_rows(const job *j, const unit *u, int y) {
  int last = y - j->pad + 2;
  if (inside(j, last))
    nd_blocks_fetch(&j->blocks, &u->block, x_at(j, u, 0, 0, last, u->x.from), u->x.end - u->x.from,
                    j->blocks.c);
  nd_blocks_fetch(&j->blocks, &u->block, y_at(j, u, 0, y), u->sweep.end - u->sweep.from, j->blocks.part);
}

/* ---- A block ---- */

/* The second half is multiplied by what the first one became. */
static void sweep_slice(const job *j, const unit *u, size_t slice, int y, nd_sweep_to to) {
  const float *rows[3], *filter = j->filter + slice * ND_SLICE_FILTER;
  size_t lanes = nd_slice_lanes(j->blocks.part);
  bool gated = j->blocks.parts > 1;
  nd_sweep_to first = gated ? (nd_sweep_to){.y = own_y(j, u), .pitch = ND_SLICE} : to;
  first.ahead = ahead_of(j, u, 0, slice, y);
  find_rows(j, u, 0, slice, y - j->pad, rows);
  nd_sweep_activated(j->micro, &u->sweep, rows, lanes, filter, j->e, first);
  if (!gated)
    return;
  to.times = first.y;
  to.ahead = ahead_of(j, u, 1, slice, y);
  find_rows(j, u, 1, slice, y - j->pad, rows);
  j->micro->sweep(&u->sweep, rows, lanes, filter + (size_t)j->blocks.slices * ND_SLICE_FILTER, &to);
}

/* Channels that another slice has are left to it: it may be another thread's. */
static void compute_slice(const job *j, const unit *u, size_t slice, int y) {
  size_t part = j->blocks.part, shared = nd_slice_shared(part, slice);
  float *to = y_at(j, u, slice, y), *own = own_y(j, u);
  take_x(j, u, slice, y - j->pad + 2);
  if (!shared && !j->blocks.copied) {
    sweep_slice(j, u, slice, y, (nd_sweep_to){.y = to, .pitch = part});
    return;
  }
  sweep_slice(j, u, slice, y, (nd_sweep_to){.y = own, .pitch = ND_SLICE});
  to += shared;
  nd_slice_put(own + shared, nd_slice_lanes(part) - shared, u->sweep.end - u->sweep.from, to, part);
}

static void compute_unit(const job *j, const unit *u) {
  for (int y = u->block.row0 - j->pad; y < u->block.row0 - j->pad + 2; y++)
    take_x(j, u, u->block.slice0, y);
  for (int y = u->block.row0; y < u->block.row1; y++) {
    fetch_rows(j, u, y);
    for (size_t slice = u->block.slice0; slice < u->block.slice1; slice++)
      compute_slice(j, u, slice, y);
  }
}

/* ---- All of it ---- */

static unit unit_of(const job *j, size_t i) {
  const nd_blocks *b = &j->blocks;
  unit u = {.block = nd_block_at(b, i)};
  nd_columns c = u.block.columns;
  u.x = (nd_columns){c.from > j->pad ? c.from - j->pad : 0, nd_least(c.end - j->pad + 2, j->w)};
  u.sweep = (nd_sweep){
      j->h, j->w, b->h, b->w, j->pad, u.x.from, c.from, c.end, b->copied ? ND_SLICE : b->c, j->zeros};
  return u;
}

static void compute_units(size_t begin, size_t end, int thread, void *context) {
  const job *j = context;
  for (size_t i = begin; i < end; i++) {
    unit u = unit_of(j, i);
    u.desk = j->desks + (size_t)thread * j->apart;
    compute_unit(j, &u);
  }
}

static size_t correlate(job j, const float *weights, bool turned, nd_arena scratch) {
  const nd_blocks *p = &j.blocks;
  bool gated = p->parts > 1;
  float *zeros = nd_arena_floats(&scratch, ND_SLICE);
  float *filter = nd_arena_floats(&scratch, nd_filter_slices(p->c, gated) * ND_SLICE_FILTER);
  j.desks = nd_arena_for_threads(&scratch, (size_t)nd_threads(), (size_t)p->parts * slice_size(&j), &j.apart);
  if (!scratch.base)
    return scratch.used;
  nd_filter_slices_pack(weights, j.e->bias, p->c, gated, turned, filter);
  memset(zeros, 0, ND_SLICE * sizeof *zeros);
  j.filter = filter;
  j.zeros = zeros;
  j.micro = nd_micro_best();
  nd_parallel(nd_blocks_count(p), 1, compute_units, &j);
  return scratch.used;
}

size_t nd_depthwise_forward(const nd_conv_shape *s, const float *x, const float *weights,
                            const nd_epilogue *e, float *y, nd_arena scratch) {
  job j = {.h = s->h, .w = s->w, .pad = s->pad, .x = x, .e = e, .y = y};
  j.blocks = nd_blocks_of(s->n, s->oh, s->ow, (size_t)s->ci, s->gated ? HALVES : 1, RING + 1);
  return correlate(j, weights, false, scratch);
}

size_t nd_depthwise_backward_data(const nd_conv_shape *s, const float *dy, const float *weights, float *dx,
                                  nd_arena scratch) {
  job j = {.h = s->oh, .w = s->ow, .pad = 2 - s->pad, .x = dy, .y = dx};
  j.e = &(nd_epilogue){NULL, ND_LINEAR, 0};
  j.blocks = nd_blocks_of(s->n, s->h, s->w, (size_t)s->ci, 1, RING + 1);
  return correlate(j, weights, true, scratch);
}
