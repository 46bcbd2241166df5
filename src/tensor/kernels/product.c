/* Each thread takes parts of the result and packs what it needs of both factors for itself, just before it is
 * used: nothing that one thread writes is read by another, and there is one job to wait for. A block of b, of
 * several panels, stays in the second cache while the rows of a pass by. See Goto & van de Geijn 2008,
 * "Anatomy of High-Performance Matrix Multiplication". */
#include "tensor/kernels/product.h"

#include "base/base.h"
#include "tensor/kernels/elementary.h"
#include "tensor/kernels/fetch.h"
#include "tensor/kernels/filter.h"
#include "tensor/kernels/parts.h"

#include <math.h>
#include <string.h>

enum {
  DEPTH = 256,        /* summands of a block at most, */
  BLOCK_B = 64 << 10, /*   numbers of a block of b, */
  BLOCK_ROWS = 96,    /*   rows of one of a, a multiple of what any tile has */
  PAGE = 1024,        /* rows so many numbers apart share the sets of a cache: they are copied */
  WORTH_A_COPY = 8,   /*   for so many panels */
  ROWS = 1024,        /* of c that are summed at a time where sums are not stored in between */
  SHORT = 320,        /* numbers of a row of c */
  FETCHED = 128 << 10 /* numbers of a transposed a at most: they and a block of b stay in the second cache */
};

typedef struct plan {
  const nd_product *p;
  const nd_micro *micro;
  int row_parts, panel_parts, depth_parts; /* that threads take */
  int panels, panels_at_once, depth_at_once, rows_at_once;
  bool copies;  /* a is converted or copied, */
  bool in_c;    /* sums of whole panels are stored where they belong, */
  int sum_rows; /*   those of others in so many rows */
  float *desks; /* for each thread: a block of b, of a converted, of a's tiles, sums, a bias */
  size_t desk, a_at, tiles_at, sums_at, bias_at;
  float *slices, *slice_sums; /* of the parts of the depth: c of all but the first, the sums of a */
} plan;

/* Rows of c, panels of it, summands: what a thread has to compute, or a block of that. */
typedef struct part {
  int row0, row1, panel0, panel1, depth0, depth1;
} part;

typedef struct job {
  const plan *p;
  part all;
  float *c, *a_sums; /* where this part's sums go, in place of q->c and q->a_sums; a_sums may be NULL */
  float *desk;
} job;

static int width_of(const plan *p) {
  return 2 * p->micro->lanes;
}

static int panel_width(const plan *p, int panel) {
  return nd_panel_vectors(p->micro, p->p->n, panel * width_of(p)) * p->micro->lanes;
}

static size_t aligned(size_t floats) {
  return (floats + 15) / 16 * 16;
}

/* Between copied rows of so many numbers: never a multiple of a page, whose lines would share a set. */
static size_t row_pitch(size_t numbers) {
  return aligned(numbers + 16);
}

/* ---- The plan ---- */

/* What a way to cut the work costs beyond the product itself, in multiply-adds: numbers packed or read again,
 * sums passed on, and threads that wait for the last part, of which more are done by whoever is faster. */
static double extra(const plan *p, int rows, int panels, int depths) {
  enum { PACK = 16, READ = 3, PASS_ON = 16, START = 20000 };
  const nd_product *q = p->p;
  double m = q->m, n = q->n, k = q->k, threads = nd_threads(), parts = (double)rows * panels * depths;
  double turns = ceil(parts / threads), wait = turns * threads / parts - 1 + 0.25 * (threads - 1) / parts;
  return PACK * rows * n * k + (p->copies || q->a_transposed ? PACK : READ) * panels * m * k +
         (depths > 1 ? PASS_ON * depths * m * n : 0) + START * parts + wait * m * n * k;
}

static void try_cut(plan *p, int rows, int panels, int depths, double *least) {
  double cost = extra(p, rows, panels, depths);
  if (cost < *least) {
    *least = cost;
    p->row_parts = rows, p->panel_parts = panels, p->depth_parts = depths;
  }
}

static void share_out(plan *p) {
  const nd_product *q = p->p;
  int threads = nd_threads();
  p->row_parts = p->panel_parts = p->depth_parts = 1;
  double least = extra(p, 1, 1, 1);
  for (int parts = threads; threads > 1 && parts <= threads * ND_RANGES_A_THREAD; parts *= 2) {
    for (int rows = 1; rows <= nd_least(parts, q->m); rows++)
      if (parts % rows == 0 && parts / rows <= p->panels)
        try_cut(p, rows, parts / rows, 1, &least);
    if (q->shares_depth && parts <= q->k)
      try_cut(p, 1, 1, parts, &least);
  }
}

static void place_desks(plan *p, nd_arena *a) {
  int width = width_of(p);
  bool ragged = p->p->n % width;
  size_t depth = (size_t)p->depth_at_once;
  bool transposed = p->p->a_transposed;
  p->a_at = aligned(depth * (size_t)(p->panels_at_once * width));
  p->tiles_at = p->a_at + (!p->copies   ? 0
                           : transposed ? depth * row_pitch(BLOCK_ROWS)
                                        : BLOCK_ROWS * row_pitch(depth));
  p->sums_at = p->tiles_at + (transposed ? aligned(BLOCK_ROWS * depth) : 0);
  size_t panels = !p->in_c ? (size_t)p->panels_at_once : ragged ? 1 : 0;
  p->bias_at = p->sums_at + panels * (size_t)(p->sum_rows * width);
  p->desks = nd_arena_for_threads(a, (size_t)nd_threads(), p->bias_at + (size_t)width, &p->desk);
}

static plan lay_out(const nd_product *q, nd_arena *a) {
  plan p = {.p = q, .micro = nd_micro_best()};
  p.panels = nd_panel_count(p.micro, q->n);
  p.copies = q->a.type != ND_F32 || (!q->a_transposed && q->k % PAGE == 0 && p.panels >= WORTH_A_COPY);
  share_out(&p);
  p.depth_at_once = nd_even_part((q->k + p.depth_parts - 1) / p.depth_parts, DEPTH);
  int panel = p.depth_at_once * width_of(&p);
  p.panels_at_once =
      nd_even_part((p.panels + p.panel_parts - 1) / p.panel_parts, (BLOCK_B + panel - 1) / panel);
  p.in_c = q->c.type == ND_F32;
  bool at_once = p.depth_at_once >= q->k;
  p.rows_at_once = at_once || (p.in_c && q->n % width_of(&p) == 0) ? q->m : nd_least(q->m, ROWS);
  p.sum_rows = at_once ? BLOCK_ROWS : p.rows_at_once;
  place_desks(&p, a);
  if (p.depth_parts > 1)
    p.slices = nd_arena_floats(a, (size_t)(p.depth_parts - 1) * (size_t)q->m * (size_t)q->n);
  if (q->a_transposed)
    p.slice_sums = nd_arena_floats(a, (size_t)p.depth_parts * (size_t)q->m);
  return p;
}

/* ---- Packing ---- */

static void pack_transposed(const plan *p, const part *b, float *to) {
  const nd_product *q = p->p;
  nd_filter f = {q->b.at, q->n, q->k, 1, q->k, 1};
  for (int panel = b->panel0; panel < b->panel1; panel++) {
    int width = panel_width(p, panel);
    nd_filter_pack(&f, panel * width_of(p), width, b->depth0, b->depth1, &(int){0}, 1, to, width, width);
    to += (b->depth1 - b->depth0) * width;
  }
}

/* Whole panels, each `apart` numbers after the one before, from the block's first row and channel `from`. */
static void pack_panels(const plan *p, const part *b, int panels, ptrdiff_t apart, float *to) {
  const nd_product *q = p->p;
  size_t width = (size_t)width_of(p), from = (size_t)b->depth0 * (size_t)q->n + (size_t)b->panel0 * width;
  if (q->b.type == ND_F32) {
    p->micro->pack_columns((const float *)q->b.at + from, q->n, b->depth1 - b->depth0, panels, to, apart);
    return;
  }
  for (int k = b->depth0; k < b->depth1; k++, from += (size_t)q->n, to += width)
    for (int i = 0; i < panels; i++)
      nd_copy_numbers((nd_data){to, ND_F32}, (size_t)i * (size_t)apart, q->b, from + (size_t)i * width,
                      width);
}

static void pack_plain(const plan *p, const part *b, float *to) {
  const nd_product *q = p->p;
  int depth = b->depth1 - b->depth0, width = width_of(p),
      whole = nd_least(b->panel1, q->n / width) - b->panel0;
  int rest = b->panel0 + whole < b->panel1 ? q->n % width : 0, rest_width = panel_width(p, b->panel1 - 1);
  pack_panels(p, b, whole, (ptrdiff_t)depth * width, to);
  to += (ptrdiff_t)whole * depth * width;
  for (int k = b->depth0; rest && k < b->depth1; k++, to += rest_width) {
    nd_copy_numbers((nd_data){to, ND_F32}, 0, q->b, (size_t)k * (size_t)q->n + (size_t)(q->n - rest),
                    (size_t)rest);
    memset(to + rest, 0, (size_t)(rest_width - rest) * sizeof *to);
  }
}

/* Adds up the rows of a block of a transposed a. */
ND_KERNEL static void add_rows(const float *restrict x, ptrdiff_t x_row, int depth, int count,
                               float *restrict to) {
  float sums[BLOCK_ROWS] = {0};
  for (int k = 0; k < depth; k++, x += x_row)
    for (int i = 0; i < count; i++)
      sums[i] += x[i];
  for (int i = 0; i < count; i++)
    to[i] += sums[i];
}

/* Where a block of a is read: number (i, k) at a[i row + k step]; or its tiles, one after the other. */
typedef struct source {
  const float *a, *tiles;
  ptrdiff_t row, step;
} source;

/* Rows of a block as fp32 that lie well, rows of the factor in memory. */
static source convert_rows(const plan *p, size_t first, size_t count, size_t width, size_t row, float *copy) {
  const nd_data a = p->p->a;
  size_t pitch = row_pitch(width);
  if (!p->copies)
    return (source){.a = (const float *)a.at + first, .row = (ptrdiff_t)row};
  for (size_t i = 0; i < count; i++)
    nd_copy_numbers((nd_data){copy, ND_F32}, i * pitch, a, first + i * row, width);
  return (source){.a = copy, .row = (ptrdiff_t)pitch};
}

static source take_rows(const job *j, const part *b) {
  const plan *p = j->p;
  const nd_product *q = p->p;
  int rows = b->row1 - b->row0, depth = b->depth1 - b->depth0;
  float *copy = j->desk + p->a_at, *tiles = j->desk + p->tiles_at;
  if (!q->a_transposed) {
    source s = convert_rows(p, (size_t)b->row0 * (size_t)q->k + (size_t)b->depth0, (size_t)rows,
                            (size_t)depth, (size_t)q->k, copy);
    s.step = 1;
    return s;
  }
  source s = convert_rows(p, (size_t)b->depth0 * (size_t)q->m + (size_t)b->row0, (size_t)depth, (size_t)rows,
                          (size_t)q->m, copy);
  p->micro->pack_tiles(s.a, s.row, depth, rows, tiles);
  if (j->a_sums && b->panel0 == 0)
    add_rows(s.a, s.row, depth, rows, j->a_sums + b->row0);
  s.tiles = tiles;
  return s;
}

/* ---- Products ---- */

/* A whole vector may be read. */
static const float *bias_of(const job *j, int panel) {
  const plan *p = j->p;
  const float *bias = p->p->epilogue.bias;
  int channel = panel * width_of(p), count = p->p->n - channel;
  if (!bias || count >= width_of(p))
    return bias ? bias + channel : NULL;
  float *copy = j->desk + p->bias_at;
  memset(copy, 0, (size_t)width_of(p) * sizeof *copy);
  return memcpy(copy, bias + channel, (size_t)count * sizeof *copy);
}

/* Sums of a panel that cannot be stored in c: of the rows from `rows` on. */
static float *sums_of(const job *j, int panel, int rows) {
  const plan *p = j->p;
  float *sums = j->desk + p->sums_at + (p->in_c ? 0 : (ptrdiff_t)panel * p->sum_rows * width_of(p));
  return p->sum_rows == BLOCK_ROWS ? sums : sums + (ptrdiff_t)rows * width_of(p);
}

static void multiply(const job *j, const part *b, int panel, const source *s, const float *packed,
                     float *sums) {
  const plan *p = j->p;
  const nd_product *q = p->p;
  int width = panel_width(p, panel), channel = panel * width_of(p), count = nd_least(width, q->n - channel);
  int rows = b->row1 - b->row0;
  nd_data c = {p->in_c ? (void *)j->c : q->c.at, q->c.type};
  c.at = (void *)nd_number_at(c.at, c.type, (ptrdiff_t)b->row0 * q->n + channel);
  bool stores = p->in_c && count == width, first = b->depth0 == j->all.depth0;
  float *to = stores ? c.at : sums;
  ptrdiff_t to_row = stores ? q->n : width;
  int vectors = width / p->micro->lanes, depth = b->depth1 - b->depth0;
  const float *add = first ? bias_of(j, panel) : to;
  ptrdiff_t add_row = first ? 0 : to_row;
  if (s->tiles)
    p->micro->panel_of_tiles(vectors, rows, s->tiles, packed, depth, to, to_row, add, add_row);
  else
    p->micro->panel_to(vectors, rows, &(nd_term){s->a, packed, depth}, 1, s->row, s->step, to, to_row, add,
                       add_row);
  if (b->depth1 < j->all.depth1)
    return;
  nd_epilogue e = {NULL, q->epilogue.activation, q->epilogue.slope};
  if (e.activation == ND_GELU) {
    nd_gelu_rows(to, rows, count, to_row);
    e.activation = ND_LINEAR;
  }
  if (stores && e.activation == ND_LINEAR)
    return;
  p->micro->finish(rows, count, (int)to_row, to, &e, c, q->n);
}

/* A transposed a is taken in blocks of its rows, which have but pieces of a row in memory. */
static void fetch_transposed(const job *j, const part *b) {
  const nd_product *q = j->p->p;
  int rows = b->row1 - b->row0, depth = b->depth1 - b->depth0;
  if (!q->a_transposed || q->a.type != ND_F32 || rows < q->m || rows <= BLOCK_ROWS || rows > FETCHED / depth)
    return;
  nd_fetch((const float *)q->a.at + (size_t)b->depth0 * (size_t)q->m, (size_t)depth * (size_t)rows);
}

/* Rows of c that are no whole lines of the cache: what a tile asks for while it is summed comes too late.
 * Long ones gain nothing. */
static void fetch_ragged(const job *j, const part *b) {
  const plan *p = j->p;
  int n = p->p->n;
  if (p->in_c && n % ND_LINE && n <= SHORT && b->depth0 == j->all.depth0 &&
      b->panel1 - b->panel0 == p->panels)
    nd_fetch(j->c + (size_t)b->row0 * (size_t)n, (size_t)(b->row1 - b->row0) * (size_t)n);
}

/* Some panels of some rows: `all` of these, b one block of the depth. */
static void multiply_block(const job *j, const part *all, part b) {
  const plan *p = j->p;
  size_t panel_size = (size_t)(b.depth1 - b.depth0) * (size_t)width_of(p);
  (p->p->b_transposed ? pack_transposed : pack_plain)(p, &b, j->desk);
  fetch_transposed(j, all);
  for (; b.row0 < all->row1; b.row0 = b.row1) {
    b.row1 = nd_least(b.row0 + BLOCK_ROWS, all->row1);
    fetch_ragged(j, &b);
    source s = take_rows(j, &b);
    for (int panel = b.panel0; panel < b.panel1; panel++)
      multiply(j, &b, panel, &s, j->desk + (size_t)(panel - b.panel0) * panel_size,
               sums_of(j, panel - b.panel0, b.row0 - all->row0));
  }
}

static void compute_job(const job *j) {
  const plan *p = j->p;
  for (part b = j->all; b.row0 < j->all.row1; b.row0 = b.row1) {
    b.row1 = nd_least(b.row0 + p->rows_at_once, j->all.row1);
    for (b.panel0 = j->all.panel0; b.panel0 < j->all.panel1; b.panel0 = b.panel1) {
      b.panel1 = nd_least(b.panel0 + p->panels_at_once, j->all.panel1);
      for (b.depth0 = j->all.depth0; b.depth0 < j->all.depth1; b.depth0 = b.depth1) {
        b.depth1 = nd_least(b.depth0 + p->depth_at_once, j->all.depth1);
        multiply_block(j, &b, b);
      }
    }
  }
}

static void compute_parts(size_t begin, size_t end, int thread, void *context) {
  const plan *p = context;
  const nd_product *q = p->p;
  size_t size = (size_t)q->m * (size_t)q->n;
  for (size_t i = begin; i < end; i++) {
    int slice = (int)i % p->depth_parts, column = (int)i / p->depth_parts % p->panel_parts,
        row = (int)i / p->depth_parts / p->panel_parts;
    job j = {p,
             {nd_part_start(q->m, row, p->row_parts), nd_part_start(q->m, row + 1, p->row_parts),
              nd_part_start(p->panels, column, p->panel_parts),
              nd_part_start(p->panels, column + 1, p->panel_parts),
              nd_part_start(q->k, slice, p->depth_parts), nd_part_start(q->k, slice + 1, p->depth_parts)},
             slice ? p->slices + (size_t)(slice - 1) * size : q->c.at,
             q->a_sums ? p->slice_sums + (size_t)slice * (size_t)q->m : NULL,
             p->desks + (size_t)thread * p->desk};
    if (j.a_sums && column == 0)
      memset(j.a_sums + j.all.row0, 0, (size_t)(j.all.row1 - j.all.row0) * sizeof *j.a_sums);
    compute_job(&j);
  }
}

ND_KERNEL static void add_slices(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const plan *p = context;
  float *restrict c = p->p->c.at;
  for (int slice = 1; slice < p->depth_parts; slice++) {
    const float *restrict other = p->slices + (size_t)(slice - 1) * (size_t)p->p->m * (size_t)p->p->n;
    for (size_t i = begin; i < end; i++)
      c[i] += other[i];
  }
}

size_t nd_product_compute(const nd_product *q, nd_arena scratch) {
  enum { GRAIN = 1 << 14 };
  plan p = lay_out(q, &scratch);
  if (!scratch.base)
    return scratch.used;
  nd_parallel((size_t)(p.row_parts * p.panel_parts * p.depth_parts), 1, compute_parts, &p);
  if (p.depth_parts > 1)
    nd_parallel((size_t)q->m * (size_t)q->n, GRAIN, add_slices, &p);
  for (int i = 0; q->a_sums && i < q->m; i++) {
    q->a_sums[i] = p.slice_sums[i];
    for (int slice = 1; slice < p.depth_parts; slice++)
      q->a_sums[i] += p.slice_sums[slice * q->m + i];
  }
  return scratch.used;
}
