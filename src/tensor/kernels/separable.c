/* Some slices of the channels (depthwise_private.h) at a time: their part of the linear layer's weights is
 * packed once, and of the linear layer's rows only those that the next row of output needs are at hand, in a
 * ring that stays in the second cache. Columns go by in strips whose neighbours are computed twice; so are
 * the rows between two parts of the picture. */
#include "tensor/kernels/separable.h"

#include "tensor/kernels/depthwise.h"
#include "tensor/kernels/depthwise_private.h"
#include "tensor/kernels/elementary.h"
#include "tensor/kernels/filter.h"

enum {
  CHANNELS = 256,      /* of a pass at most, of both halves of a gated one together */
  RING = 96 << 10,     /* numbers in three rows of a strip at most */
  FEWEST_COLUMNS = 16, /*   but so many columns */
  BAND_PIXELS = 64,    /* pixels worth a product: rows shorter than that are made together */
  DEPTH = 384          /* summands of a product, as in correlate.c */
};

typedef struct job {
  const nd_conv_shape *s;
  const nd_micro *micro;
  const float *x, *filter, *zeros; /* filter: all slices of the depth-wise one */
  const nd_conv_linear *first;
  const nd_epilogue *e;
  float *y;
  int halves;           /* 2: gated */
  size_t half;          /* channels of one */
  int slices, per_pass; /* of a half */
  int passes, row_parts;
  int pitch;           /* numbers of a pixel in the ring: a slice of each half, and so on for the pass */
  int strips, columns; /* of a strip at most, neighbours included */
  int band, ring;      /* rows made together, rows in the ring */
  float *desks;        /* for each thread: packed weights, their bias, the ring, the gate's first half */
  size_t apart, bias_at, ring_at, gate_at;
} job;

/* What one call works on: a pass, a strip, rows of one image. */
typedef struct piece {
  int first_slice, slices, from, end; /* columns of the output */
  int first, last;                    /*   and those of the ring */
  int image, y0, y1;
  int base; /* the row with which the ring begins */
  float *desk;
} piece;

bool nd_separable_takes(const nd_conv_shape *s) {
  return nd_depthwise_takes(s) && s->pad == 1 && s->x_type == ND_F32 && s->y_type == ND_F32;
}

/* ---- The plan ---- */

static double share_of_largest(int units, int threads) {
  return (double)nd_divide_up(units, threads) / units;
}

/* Parts of the rows cost two more rows each; passes alone may not be as many as threads, or not a multiple.
 */
static void share_out(job *j) {
  int threads = nd_threads(), rows = j->s->n * j->s->oh;
  int most = nd_least(j->slices, CHANNELS / ND_SLICE / j->halves);
  j->per_pass = nd_even_part(j->slices, most);
  j->row_parts = nd_least(threads, rows);
  double by_rows = share_of_largest(rows, j->row_parts) + 2.0 / rows,
         by_slices = share_of_largest(j->slices, threads);
  if (by_slices <= by_rows) {
    j->row_parts = 1;
    j->per_pass = nd_even_part(nd_divide_up(j->slices, threads), most);
  }
  j->passes = nd_divide_up(j->slices, j->per_pass);
}

static void cut_columns(job *j) {
  int w = j->s->ow, most = RING / (3 * j->pitch);
  most = most > FEWEST_COLUMNS ? most : FEWEST_COLUMNS;
  int width = nd_even_part(w, most);
  j->strips = nd_divide_up(w, width);
  j->columns = nd_least(width + 2, w);
  j->band = j->strips > 1 ? 1 : nd_divide_up(BAND_PIXELS, w);
  j->ring = nd_divide_up(j->band + 2, j->band) * j->band;
}

static void lay_out(job *j, nd_arena *a) {
  j->halves = j->s->gated ? 2 : 1;
  j->half = (size_t)(j->s->co / j->halves);
  j->slices = (int)nd_slices(j->half);
  share_out(j);
  j->pitch = j->per_pass * j->halves * ND_SLICE;
  cut_columns(j);
  size_t pitch = (size_t)j->pitch, columns = (size_t)j->columns;
  j->bias_at = pitch * (size_t)j->s->through;
  j->ring_at = j->bias_at + pitch;
  j->gate_at = j->ring_at + (size_t)j->ring * columns * pitch;
  j->desks = nd_arena_for_threads(a, (size_t)nd_threads(), j->gate_at + columns * ND_SLICE, &j->apart);
}

/* ---- The linear layer ---- */

/* Slice `i` of the pass, of half `h`: its place among the channels of a pixel in the ring, */
static int place_of(const job *j, int i, int h) {
  return (i * j->halves + h) * ND_SLICE;
}

/*   and its first channel of all. */
static size_t channel_of(const job *j, const piece *p, int i, int h) {
  return (size_t)h * j->half + nd_slice_start(j->half, (size_t)(p->first_slice + i));
}

static int panels_of(const job *j) {
  return nd_panel_count(j->micro, (int)nd_slice_lanes(j->half));
}

static void pack(const job *j, const piece *p) {
  int width = 2 * j->micro->lanes, depth = j->s->through;
  nd_filter f = {j->first->weights, j->s->ci, depth, 1, depth, 1};
  for (int i = 0; i < p->slices; i++)
    for (int h = 0; h < j->halves; h++) {
      int place = place_of(j, i, h), channel = (int)channel_of(j, p, i, h);
      for (int k = 0; k < panels_of(j); k++)
        nd_filter_pack(&f, channel + k * width, width, 0, depth, &(int){0}, 1,
                       p->desk + (size_t)(place + k * width) * (size_t)depth, width, width);
      float *bias = p->desk + j->bias_at + place;
      for (int k = 0; k < ND_SLICE; k++)
        bias[k] = j->first->bias && channel + k < j->s->ci ? j->first->bias[channel + k] : 0;
    }
}

/* Row y in the ring, its column 0. */
static float *ring_row(const job *j, const piece *p, int y) {
  return p->desk + j->ring_at + (size_t)((y - p->base) % j->ring) * (size_t)(j->columns * j->pitch);
}

/* `pixels` pixels from x on through a slice's part of the linear layer. */
static void make_slice(const job *j, const piece *p, int place, int pixels, const float *x, float *to) {
  int width = 2 * j->micro->lanes, depth = j->s->through, at_once = nd_even_part(depth, DEPTH);
  for (int k = 0; k < panels_of(j); k++) {
    int at = place + k * width;
    const float *packed = p->desk + (size_t)at * (size_t)depth, *add = p->desk + j->bias_at + at;
    for (int d = 0, count; d < depth; d += count, packed += (ptrdiff_t)count * width, add = to + at) {
      count = nd_least(at_once, depth - d);
      j->micro->panel_to(2, pixels, &(nd_term){x + d, packed, count}, 1, depth, 1, to + at, j->pitch, add,
                         d ? j->pitch : 0);
    }
  }
  if (j->first->activation == ND_GELU)
    nd_gelu_rows(to + place, pixels, (int)nd_slice_lanes(j->half), j->pitch);
}

/* Rows y ... y + rows - 1 of the linear layer: of a strip one, else side by side in x and in the ring. */
static void make_rows(const job *j, const piece *p, int y, int rows) {
  const nd_conv_shape *s = j->s;
  const float *x = j->x + (((size_t)p->image * (size_t)s->h + (size_t)y) * (size_t)s->w + (size_t)p->first) *
                              (size_t)s->through;
  for (int i = 0; i < p->slices; i++)
    for (int h = 0; h < j->halves; h++)
      make_slice(j, p, place_of(j, i, h), rows * (p->last - p->first), x, ring_row(j, p, y));
}

/* ---- The depth-wise convolution ---- */

static nd_sweep strip_of(const job *j, const piece *p) {
  const nd_conv_shape *s = j->s;
  return (nd_sweep){.h = s->h,
                    .w = s->w,
                    .oh = s->oh,
                    .ow = s->ow,
                    .pad = 1,
                    .first = p->first,
                    .from = p->from,
                    .end = p->end,
                    .pitch = (size_t)j->pitch,
                    .zeros = j->zeros};
}

/* The three rows around y, from a slice's place on; NULL for one outside. */
static void find_rows(const job *j, const piece *p, int y, int place, const float *rows[3]) {
  for (int i = 0; i < 3; i++) {
    int row = y - 1 + i;
    rows[i] = row >= 0 && row < j->s->h ? ring_row(j, p, row) + place : NULL;
  }
}

static void sweep_row(const job *j, const piece *p, int y) {
  const nd_conv_shape *s = j->s;
  const float *rows[3];
  size_t lanes = nd_slice_lanes(j->half);
  nd_sweep strip = strip_of(j, p);
  float *gate = p->desk + j->gate_at;
  float *out =
      j->y + (((size_t)p->image * (size_t)s->oh + (size_t)y) * (size_t)s->ow + (size_t)p->from) * j->half;
  for (int i = 0; i < p->slices; i++) {
    size_t slice = (size_t)(p->first_slice + i), channel = nd_slice_start(j->half, slice);
    const float *filter = j->filter + slice * ND_SLICE_FILTER;
    nd_sweep_to to = {.y = out + channel, .pitch = j->half};
    find_rows(j, p, y, place_of(j, i, 0), rows);
    nd_sweep_activated(j->micro, &strip, rows, lanes, filter, j->e,
                       j->halves > 1 ? (nd_sweep_to){.y = gate, .pitch = ND_SLICE} : to);
    if (j->halves == 1)
      continue;
    to.times = gate;
    find_rows(j, p, y, place_of(j, i, 1), rows);
    j->micro->sweep(&strip, rows, lanes, filter + (size_t)j->slices * ND_SLICE_FILTER, &to);
  }
}

/* ---- All of it ---- */

static void compute_rows(const job *j, piece p) {
  int last = nd_least(p.y1 + 1, j->s->h), next = p.y0 > 0 ? p.y0 - 1 : 0;
  p.base = next;
  for (int y = p.y0; y < p.y1; y++) {
    for (int rows; next < nd_least(y + 2, last); next += rows) {
      rows = nd_least(j->band, last - next);
      make_rows(j, &p, next, rows);
    }
    sweep_row(j, &p, y);
  }
}

/* Rows row0 ... row1 - 1 of all images, one below the other. */
static void compute_images(const job *j, piece p, int row0, int row1) {
  int h = j->s->oh;
  for (p.image = row0 / h; p.image * h < row1; p.image++) {
    p.y0 = row0 > p.image * h ? row0 - p.image * h : 0;
    p.y1 = nd_least(row1 - p.image * h, h);
    compute_rows(j, p);
  }
}

static void compute_units(size_t begin, size_t end, int thread, void *context) {
  const job *j = context;
  int rows = j->s->n * j->s->oh, w = j->s->ow;
  for (int unit = (int)begin; unit < (int)end; unit++) {
    int part = unit / j->passes, pass = unit % j->passes;
    piece p = {.first_slice = pass * j->per_pass, .desk = j->desks + (size_t)thread * j->apart};
    p.slices = nd_least(j->per_pass, j->slices - p.first_slice);
    pack(j, &p);
    for (int i = 0; i < j->strips; i++) {
      p.from = nd_part_start(w, i, j->strips), p.end = nd_part_start(w, i + 1, j->strips);
      p.first = p.from > 0 ? p.from - 1 : 0, p.last = nd_least(p.end + 1, w);
      compute_images(j, p, nd_part_start(rows, part, j->row_parts),
                     nd_part_start(rows, part + 1, j->row_parts));
    }
  }
}

size_t nd_separable_forward(const nd_conv_shape *s, const float *x, const nd_conv_linear *first,
                            const float *weights, const nd_epilogue *e, float *y, nd_arena scratch) {
  job j = {.s = s, .micro = nd_micro_best(), .x = x, .first = first, .e = e, .y = y};
  float *zeros = nd_arena_floats(&scratch, ND_SLICE);
  float *filter = nd_arena_floats(&scratch, nd_filter_slices((size_t)s->co, s->gated) * ND_SLICE_FILTER);
  lay_out(&j, &scratch);
  if (!scratch.base)
    return scratch.used;
  nd_filter_slices_pack(weights, e->bias, (size_t)s->co, s->gated, false, filter);
  memset(zeros, 0, ND_SLICE * sizeof *zeros);
  j.filter = filter;
  j.zeros = zeros;
  nd_parallel((size_t)(j.passes * j.row_parts), 1, compute_units, &j);
  return scratch.used;
}
