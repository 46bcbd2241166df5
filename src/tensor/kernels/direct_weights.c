/* Direct backward weights: for each tap the product x^T dy, summed over the output pixels. A block of pixels
 * of dy is packed for a panel of output channels and used for all taps and input channels; x is read in its
 * frame of zeros, with the roles of rows and summation index swapped. */
#include "tensor/kernels/direct.h"

#include "base/base.h"
#include "tensor/kernels/bias.h"
#include "tensor/kernels/filter.h"
#include "tensor/kernels/pad.h"

#include <string.h>

enum { BLOCK_DEPTH = 256, BLOCK_ROWS = 64 }; /* output pixels, and rows of them, summed at a time */

typedef struct plan {
  const nd_conv_shape *s;
  const nd_micro *micro;
  const void *x, *dy;
  nd_frame frame;
  bool copy;
  float *framed;     /* x in its frame, when it needs one */
  int n, rows, cols; /* of dy */
  int block_rows, block_cols, blocks_down, blocks_across;
  int panels, slices, groups; /* work is cut into slices of pixels times groups of panels */
  float *sums;                /* slices, panels, taps, ci, width */
  float *packed;              /* BLOCK_DEPTH pixels of a panel of dy for each unit of work */
  size_t slice, unit;         /* how far apart their sums and packed pixels are */
} plan;

static int width_of(const plan *p) {
  return 2 * p->micro->lanes;
}

static int vectors_of(const plan *p, int panel) {
  return nd_panel_vectors(p->micro, p->s->co, panel * width_of(p));
}

static size_t panel_size(const plan *p) {
  return (size_t)p->s->kh * (size_t)p->s->kw * (size_t)p->s->ci * (size_t)width_of(p);
}

static int blocks_of(const plan *p) {
  return p->n * p->blocks_down * p->blocks_across;
}

/* Pixels a multiple of 1 KB apart would fall into few sets of the cache. */
static int pitch_of(int channels) {
  return channels % 256 ? channels : channels + 16;
}

static void set_frame(plan *p) {
  const nd_conv_shape *s = p->s;
  p->frame = (nd_frame){.n = s->n,
                        .h = s->h,
                        .w = s->w,
                        .c = s->ci,
                        .to_h = (s->oh - 1) * s->stride + (s->kh - 1) * s->dilation + 1,
                        .to_w = (s->ow - 1) * s->stride + (s->kw - 1) * s->dilation + 1,
                        .top = s->pad,
                        .left = s->pad,
                        .pitch = pitch_of(s->ci),
                        .from_type = s->x_type};
  p->copy = s->x_type != ND_F32 || s->pad || p->frame.to_h > s->h || p->frame.to_w > s->w ||
            p->frame.pitch != s->ci;
  if (!p->copy)
    p->frame.to_h = s->h, p->frame.to_w = s->w;
}

static void cut_into_blocks(plan *p) {
  const nd_conv_shape *s = p->s;
  p->n = s->n;
  p->rows = s->oh;
  p->cols = s->ow;
  int across = (p->cols + BLOCK_DEPTH - 1) / BLOCK_DEPTH;
  p->block_cols = (p->cols + across - 1) / across;
  p->block_rows = BLOCK_DEPTH / p->block_cols;
  if (p->block_rows > BLOCK_ROWS)
    p->block_rows = BLOCK_ROWS;
  if (p->block_rows > p->rows)
    p->block_rows = p->rows;
  p->blocks_across = (p->cols + p->block_cols - 1) / p->block_cols;
  p->blocks_down = (p->rows + p->block_rows - 1) / p->block_rows;
}

/* Threads share out the panels if that comes out even, for then nothing is left to add up; else the pixels.
 */
static void share_out(plan *p) {
  int threads = nd_threads();
  bool by_panel = p->panels % threads == 0 || p->panels >= 6 * threads;
  p->groups = by_panel ? threads : 1;
  p->slices = by_panel ? 1 : threads < blocks_of(p) ? threads : blocks_of(p);
}

static plan lay_out(const nd_conv_shape *s, nd_arena *a) {
  plan p = {.s = s, .micro = nd_micro_best()};
  p.panels = nd_panel_count(p.micro, s->co);
  set_frame(&p);
  cut_into_blocks(&p);
  share_out(&p);
  if (p.copy)
    p.framed = nd_arena_floats(a, (size_t)s->n * (size_t)p.frame.to_h * (size_t)p.frame.to_w *
                                      (size_t)p.frame.pitch);
  p.sums = nd_arena_for_threads(a, (size_t)p.slices, (size_t)p.panels * panel_size(&p), &p.slice);
  p.packed =
      nd_arena_for_threads(a, (size_t)(p.slices * p.groups), BLOCK_DEPTH * (size_t)width_of(&p), &p.unit);
  return p;
}

/* A block of output pixels. */
typedef struct block {
  int image, row, col, rows, cols;
} block;

static block block_at(const plan *p, int i) {
  block b;
  b.col = i % p->blocks_across * p->block_cols;
  i /= p->blocks_across;
  b.row = i % p->blocks_down * p->block_rows;
  b.image = i / p->blocks_down;
  b.rows = p->rows - b.row < p->block_rows ? p->rows - b.row : p->block_rows;
  b.cols = p->cols - b.col < p->block_cols ? p->cols - b.col : p->block_cols;
  return b;
}

static void pack_gradient(const plan *p, const block *b, int panel, float *to) {
  int width = vectors_of(p, panel) * p->micro->lanes, channel = panel * width_of(p), co = p->s->co;
  int channels = co - channel < width ? co - channel : width;
  for (int i = 0; i < b->rows; i++) {
    size_t from = (size_t)((((ptrdiff_t)b->image * p->rows + b->row + i) * p->cols + b->col) * co + channel);
    for (int j = 0; j < b->cols; j++, from += (size_t)co, to += width) {
      nd_copy_numbers((nd_data){to, ND_F32}, 0, (nd_data){(void *)p->dy, p->s->y_type}, from,
                      (size_t)channels);
      for (int k = channels; k < width; k++)
        to[k] = 0;
    }
  }
}

static void sum_tap(const plan *p, const block *b, int panel, int tap, const float *packed, float *sums,
                    bool accumulate) {
  const nd_conv_shape *s = p->s;
  int vectors = vectors_of(p, panel), width = vectors * p->micro->lanes, pitch = p->frame.pitch;
  int y = b->row * s->stride + tap / s->kw * s->dilation, x = b->col * s->stride + tap % s->kw * s->dilation;
  ptrdiff_t line = (ptrdiff_t)p->frame.to_w * pitch;
  const float *from = (p->copy ? p->framed : (const float *)p->x) +
                      ((ptrdiff_t)b->image * p->frame.to_h + y) * line + (ptrdiff_t)x * pitch;
  nd_term terms[BLOCK_ROWS];
  for (int i = 0; i < b->rows; i++)
    terms[i] = (nd_term){from + i * s->stride * line, packed + (ptrdiff_t)i * b->cols * width, b->cols};
  p->micro->panel(vectors, s->ci, terms, b->rows, 1, (ptrdiff_t)s->stride * pitch, sums, accumulate);
}

static void sum_slice(const plan *p, int slice, int group, float *packed) {
  int first = (int)((long)blocks_of(p) * slice / p->slices),
      last = (int)((long)blocks_of(p) * (slice + 1) / p->slices);
  int panel0 = p->panels * group / p->groups, panel1 = p->panels * (group + 1) / p->groups;
  for (int i = first; i < last; i++) {
    block b = block_at(p, i);
    for (int panel = panel0; panel < panel1; panel++) {
      float *sums = p->sums + (size_t)slice * p->slice + (size_t)panel * panel_size(p);
      int width = vectors_of(p, panel) * p->micro->lanes;
      pack_gradient(p, &b, panel, packed);
      for (int tap = 0; tap < p->s->kh * p->s->kw; tap++)
        sum_tap(p, &b, panel, tap, packed, sums + (ptrdiff_t)tap * p->s->ci * width, i > first);
    }
  }
}

static void sum_units(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const plan *p = context;
  for (size_t i = begin; i < end; i++)
    sum_slice(p, (int)i / p->groups, (int)i % p->groups, p->packed + i * p->unit);
}

typedef struct result {
  const plan *p;
  float *dweights;
} result;

/* Adds up the slices' sums of each panel and puts them in the weights' order. */
static void unpack_panels(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const result *r = context;
  const plan *p = r->p;
  nd_filter f = nd_filter_forward(p->s, NULL);
  for (size_t i = begin; i < end; i++) {
    float *sums = p->sums + i * panel_size(p);
    for (int slice = 1; slice < p->slices; slice++) {
      const float *other = sums + (size_t)slice * p->slice;
      for (size_t k = 0; k < panel_size(p); k++)
        sums[k] += other[k];
    }
    int width = vectors_of(p, (int)i) * p->micro->lanes;
    nd_filter_unpack(&f, (int)i * width_of(p), width, 0, p->s->ci, sums, width, (ptrdiff_t)p->s->ci * width,
                     r->dweights);
  }
}

size_t nd_direct_backward_weights(const nd_conv_shape *s, const void *x, const void *dy, float *dweights,
                                  float *dbias, nd_arena scratch) {
  size_t bias = nd_bias_gradient((size_t)s->n * (size_t)s->oh * (size_t)s->ow, s->co,
                                 (nd_data){(void *)dy, s->y_type}, dbias, scratch);
  plan p = lay_out(s, &scratch);
  if (!scratch.base)
    return scratch.used > bias ? scratch.used : bias;
  p.x = x;
  p.dy = dy;
  if (p.copy)
    nd_frame_copy(&p.frame, x, p.framed);
  nd_parallel((size_t)(p.slices * p.groups), 1, sum_units, &p);
  nd_parallel((size_t)p.panels, 1, unpack_panels, &(result){&p, dweights});
  return scratch.used;
}
