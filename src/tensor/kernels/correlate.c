/* Loops around the microkernel, from the outside: blocks of output pixels (their inputs stay in L2), panels
 * of output channels, groups of the summation index (a group of the packed weights stays in L1), pixel rows
 * of the block. See Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication"; the images
 * are read in place instead of being packed (Zhang et al. 2018, "High Performance Zero-Memory Overhead Direct
 * Convolutions"). */
#include "tensor/kernels/correlate.h"

#include "base/base.h"

#include <string.h>

enum {
  BLOCK_PIXELS = 128, /* output pixels in a block */
  GROUP_DEPTH = 384,  /* summands in a group: 24 KB of packed weights with AVX2 */
  GROUP_PIECES = 32
};

/* A stretch of the sum that lies side by side in memory for both factors. */
typedef struct piece {
  ptrdiff_t from;
  int row, depth; /* in the packed panel */
} piece;

typedef struct plan {
  const nd_correlation *c;
  const nd_micro *micro;
  piece *pieces;
  int *groups; /* ngroups + 1 indices into pieces */
  int ngroups;
  int depth; /* summands in all */
  int panels;
  float *packed; /* panels * depth * width */
  float *sums;   /* one block of a panel for each thread, */
  size_t apart;  /*   so far apart */
  int block_rows, block_cols, blocks_down, blocks_across;
} plan;

static size_t pieces_at_most(const nd_correlation *c) {
  return (size_t)c->ntaps * ((size_t)c->filter.in / GROUP_DEPTH + 2) + 1;
}

static void cut_into_blocks(plan *p) {
  int across = (p->c->cols + BLOCK_PIXELS - 1) / BLOCK_PIXELS;
  p->block_cols = (p->c->cols + across - 1) / across;
  p->block_rows = BLOCK_PIXELS / p->block_cols;
  if (p->block_rows > p->c->rows)
    p->block_rows = p->c->rows;
  p->blocks_across = (p->c->cols + p->block_cols - 1) / p->block_cols;
  p->blocks_down = (p->c->rows + p->block_rows - 1) / p->block_rows;
}

static plan lay_out(const nd_correlation *c, nd_arena *a) {
  plan p = {.c = c, .micro = nd_micro_best(), .depth = c->ntaps * c->filter.in};
  int width = 2 * p.micro->lanes;
  p.panels = nd_panel_count(p.micro, c->filter.out);
  cut_into_blocks(&p);
  p.packed = nd_arena_floats(a, (size_t)p.panels * (size_t)p.depth * (size_t)width);
  p.sums = nd_arena_for_threads(a, (size_t)nd_threads(), BLOCK_PIXELS * (size_t)width, &p.apart);
  p.pieces = (piece *)nd_arena_floats(a, pieces_at_most(c) * sizeof(piece) / sizeof(float));
  p.groups = (int *)nd_arena_floats(a, pieces_at_most(c) + 1);
  return p;
}

/* Cuts taps first .. last-1, which lie side by side, into pieces of about equal depth; returns how many. */
static int cut_run(const nd_correlation *c, int first, int last, piece *out) {
  int length = (last - first) * c->filter.in, parts = (length + GROUP_DEPTH - 1) / GROUP_DEPTH;
  for (int i = 0; i < parts; i++) {
    int begin = (int)((long)length * i / parts), end = (int)((long)length * (i + 1) / parts);
    out[i] = (piece){c->offset[first] + begin, first * c->filter.in + begin, end - begin};
  }
  return parts;
}

static int cut_into_pieces(const nd_correlation *c, piece *out) {
  int count = 0;
  for (int first = 0, last; first < c->ntaps; first = last) {
    last = first + 1;
    while (last < c->ntaps && c->offset[last] == c->offset[last - 1] + c->filter.in)
      last++;
    count += cut_run(c, first, last, out + count);
  }
  return count;
}

static void group_pieces(plan *p) {
  int count = cut_into_pieces(p->c, p->pieces), depth = 0;
  p->ngroups = 0;
  p->groups[0] = 0;
  for (int i = 0; i < count; i++) {
    bool full = depth + p->pieces[i].depth > GROUP_DEPTH || i - p->groups[p->ngroups] == GROUP_PIECES;
    if (i > 0 && full) {
      p->groups[++p->ngroups] = i;
      depth = 0;
    }
    depth += p->pieces[i].depth;
  }
  p->groups[++p->ngroups] = count;
}

static int panel_vectors(const plan *p, int panel) {
  return nd_panel_vectors(p->micro, p->c->filter.out, panel * 2 * p->micro->lanes);
}

static float *panel_weights(const plan *p, int panel) {
  return p->packed + (size_t)panel * (size_t)p->depth * (size_t)(2 * p->micro->lanes);
}

static void pack_panels(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const plan *p = context;
  const nd_filter *f = &p->c->filter;
  for (size_t i = begin; i < end; i++) {
    int width = panel_vectors(p, (int)i) * p->micro->lanes;
    nd_filter_pack(f, (int)i * 2 * p->micro->lanes, width, 0, f->in, p->c->taps, p->c->ntaps,
                   panel_weights(p, (int)i), width, (ptrdiff_t)f->in * width);
  }
}

/* The part of an output row that a block covers. */
typedef struct segment {
  int image, row, col, length;
} segment;

/* Where a segment's outputs of a panel go. */
static nd_data target_of(const nd_correlation *c, const segment *s, int channel) {
  ptrdiff_t at = s->image * c->to_image + s->row * c->to_row + s->col * c->to_pixel + channel;
  return (nd_data){(void *)nd_number_at(c->to.at, c->to.type, at), c->to.type};
}

static const float *bias_of(const nd_correlation *c, int channel) {
  return c->epilogue.bias ? c->epilogue.bias + channel : NULL;
}

static void sum_group(const plan *p, int panel, int group, const segment *s, float *sums) {
  const nd_correlation *c = p->c;
  int vectors = panel_vectors(p, panel), first = p->groups[group], count = p->groups[group + 1] - first;
  int channel = panel * 2 * p->micro->lanes;
  nd_term terms[GROUP_PIECES];
  const float *from = c->from + s->image * c->from_image + s->row * c->from_row + s->col * c->from_pixel;
  const float *weights = panel_weights(p, panel);
  for (int i = 0; i < count; i++) {
    const piece *q = &p->pieces[first + i];
    terms[i] = (nd_term){from + q->from, weights + (ptrdiff_t)q->row * vectors * p->micro->lanes, q->depth};
  }
  if (sums)
    p->micro->panel(vectors, s->length, terms, count, c->from_pixel, 1, sums, group > 0);
  else
    p->micro->panel_to(vectors, s->length, terms, count, c->from_pixel, 1, target_of(c, s, channel).at,
                       c->to_pixel, bias_of(c, channel), 0);
}

/* The one group's sums are the outputs. */
static bool is_direct(const plan *p, int panel) {
  const nd_correlation *c = p->c;
  int width = panel_vectors(p, panel) * p->micro->lanes;
  return p->ngroups == 1 && c->to.type == ND_F32 && c->epilogue.activation == ND_LINEAR &&
         c->filter.out - panel * 2 * p->micro->lanes >= width;
}

static void store_segment(const plan *p, int panel, const segment *s, const float *sums) {
  const nd_correlation *c = p->c;
  int width = panel_vectors(p, panel) * p->micro->lanes, channel = panel * 2 * p->micro->lanes;
  int channels = c->filter.out - channel < width ? c->filter.out - channel : width;
  nd_epilogue e = c->epilogue;
  e.bias = bias_of(c, channel);
  p->micro->finish(s->length, channels, width, sums, &e, target_of(c, s, channel), c->to_pixel);
}

static void compute_block(const plan *p, size_t block, int panel, float *sums) {
  int across = (int)(block % (size_t)p->blocks_across), width = panel_vectors(p, panel) * p->micro->lanes;
  block /= (size_t)p->blocks_across;
  int down = (int)(block % (size_t)p->blocks_down), image = (int)(block / (size_t)p->blocks_down);
  int row0 = down * p->block_rows, row1 = row0 + p->block_rows, col = across * p->block_cols;
  if (row1 > p->c->rows)
    row1 = p->c->rows;
  segment s = {image, 0, col, p->c->cols - col < p->block_cols ? p->c->cols - col : p->block_cols};
  ptrdiff_t step = (ptrdiff_t)s.length * width;
  bool direct = is_direct(p, panel);
  for (int group = 0; group < p->ngroups; group++)
    for (s.row = row0; s.row < row1; s.row++)
      sum_group(p, panel, group, &s, direct ? NULL : sums + (s.row - row0) * step);
  for (s.row = row0; s.row < row1 && !direct; s.row++)
    store_segment(p, panel, &s, sums + (s.row - row0) * step);
}

/* Work item i: panel i % panels of block i / panels. */
static void compute_items(size_t begin, size_t end, int thread, void *context) {
  const plan *p = context;
  float *sums = p->sums + (size_t)thread * p->apart;
  for (size_t i = begin; i < end; i++)
    compute_block(p, i / (size_t)p->panels, (int)(i % (size_t)p->panels), sums);
}

void nd_correlate(const nd_correlation *c, nd_arena scratch, size_t *used) {
  plan p = lay_out(c, &scratch);
  *used = scratch.used;
  if (!scratch.base)
    return;
  group_pieces(&p);
  nd_parallel((size_t)p.panels, 1, pack_panels, &p);
  size_t blocks = (size_t)c->n * (size_t)p.blocks_down * (size_t)p.blocks_across;
  nd_parallel(blocks * (size_t)p.panels, 1, compute_items, &p);
}
