/* Winograd forward and backward data: transform the inputs, for each of 36 frequencies multiply tiles x
 * inputs by inputs x outputs, transform back. Backward data is the same with the kernel turned round and the
 * channels exchanged.
 *
 * Two orders. With many tiles, the weights are transformed once and each thread takes blocks of tiles through
 * all three steps while they are in its cache. With fewer tiles than output channels the transformed weights
 * would be the larger part (38 MB for 512 to 512 channels): then all tiles are transformed first, and each
 * thread takes groups of output channels, transforming their weights just before use.
 */
#include "tensor/kernels/filter.h"
#include "tensor/kernels/parts.h"
#include "tensor/kernels/tiles.h"
#include "tensor/kernels/winograd.h"
#include "tensor/kernels/winograd_private.h"

#include "base/base.h"

#include <string.h>

enum {
  BLOCK_TILES = 36, /* tiles that go through the three steps together, */
  BLOCK_OUT = 64,   /*   and output channels, from the second step on */
  DEPTH = 256,      /* input channels multiplied at a time: 16 KB of weights with AVX2 */
  GROUP_OUT = 32,   /* second order: output channels whose weights are transformed together, */
  PACK_IN = 16      /*   this many input channels at a time */
};

typedef struct plan {
  const nd_micro *micro;
  nd_tiles tiles;
  nd_images x[2]; /* one after the other by channel; the second may have none */
  nd_images y;    /* pixels: written */
  nd_filter filter;
  bool turned;
  nd_epilogue epilogue;

  bool pairs;        /* products of pairs of bf16 */
  int words;         /* of a tile's transformed channels: as many, or half */
  bool by_channel;   /* the second order */
  int panels, group; /* of output channels; those taken together */
  int pitch, block;
  ptrdiff_t u_plane, v_plane, m_plane;
  float *dump;
  float *common;   /* u, 36 x panels x in x width; by_channel v, 36 x all tiles x pitch */
  float *own;      /* for each thread the other factor: v of a block, by_channel u of a group; then m,  */
  ptrdiff_t apart; /*   36 x panels of a group x tiles of a block x width; a thread's to the next one's */
} plan;

static int width_of(const plan *p) {
  return 2 * p->micro->lanes;
}

static int vectors_of(const plan *p, int panel) {
  return nd_panel_vectors(p->micro, p->filter.out, panel * width_of(p));
}

/* Sizes, and equal blocks of at most BLOCK_TILES tiles, as many for each thread. */
static void set_sizes(plan *p) {
  int threads = nd_threads(), count = p->tiles.count;
  p->by_channel = count < p->filter.out;
  int cuts = p->by_channel ? (count + BLOCK_TILES - 1) / BLOCK_TILES
                           : (count + threads * BLOCK_TILES - 1) / (threads * BLOCK_TILES) * threads;
  p->block = (count + cuts - 1) / cuts;
  p->panels = nd_panel_count(p->micro, p->filter.out);
  p->group = (p->by_channel ? GROUP_OUT : BLOCK_OUT) / width_of(p);
  p->words = p->pairs ? (p->filter.in + 1) / 2 : p->filter.in;
  p->pitch = nd_winograd_pitch(p->pairs ? (p->filter.in + 15) / 16 * 8 : p->filter.in);
  size_t panels = (size_t)(p->by_channel ? p->group : p->panels), width = (size_t)width_of(p);
  p->u_plane = nd_winograd_plane(panels * (size_t)p->words * width);
  p->m_plane = nd_winograd_plane((size_t)p->group * (size_t)p->block * width);
  p->v_plane = nd_winograd_plane((size_t)(p->by_channel ? count : p->block) * (size_t)p->pitch);
}

static void take_buffers(plan *p, nd_arena *a) {
  size_t threads = (size_t)nd_threads(), in = (size_t)p->filter.in, out = (size_t)p->filter.out;
  float *zeros = nd_arena_floats(a, in);
  p->x[0].zeros = p->x[1].zeros = zeros;
  p->dump = nd_arena_floats(a, out * threads);
  p->apart = nd_winograd_apart((p->by_channel ? p->u_plane : p->v_plane) + p->m_plane, p->m_plane);
  p->common = nd_arena_floats(a, ND_FREQUENCIES * (size_t)(p->by_channel ? p->v_plane : p->u_plane));
  p->own = nd_arena_floats(a, threads * (size_t)p->apart);
  if (a->base)
    memset(zeros, 0, in * sizeof *zeros);
}

/* A thread's own factor, and its m. */
static float *factor_of(const plan *p, int thread) {
  return p->own + thread * p->apart;
}

static float *products_of(const plan *p, int thread) {
  return factor_of(p, thread) + ND_FREQUENCIES * (p->by_channel ? p->u_plane : p->v_plane);
}

/* Input channels in0 .. in1-1 of a panel's weights, to u. */
static void transform_weights(const plan *p, int panel, int in0, int in1, float *u) {
  static const int straight[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, turned[9] = {8, 7, 6, 5, 4, 3, 2, 1, 0};
  _Alignas(64) float g[PACK_IN * 9 * ND_MAX_WIDTH];
  int vectors = vectors_of(p, panel), width = vectors * p->micro->lanes;
  for (int in = in0, last; in < in1; in = last) {
    last = in1 - in < PACK_IN ? in1 : in + PACK_IN;
    nd_filter_pack(&p->filter, panel * width_of(p), width, in, last, p->turned ? turned : straight, 9, g,
                   9 * width, width);
    for (int i = in; i < last; i++)
      p->micro->winograd_weights(g + (i - in) * 9 * width, vectors,
                                 !p->pairs ? ND_INTO_F32
                                 : i % 2   ? ND_INTO_HIGH
                                           : ND_INTO_LOW,
                                 u + (ptrdiff_t)(p->pairs ? i / 2 : i) * width, p->u_plane);
  }
}

static void transform_tiles(const plan *p, int first, int count, float *v) {
  nd_spectrum to = {v, p->v_plane, p->pairs ? ND_INTO_HALVES : ND_INTO_F32};
  for (int i = 0; i < count; i++, to.at += p->pitch) {
    nd_tile_input(p->micro, &p->tiles, first + i, &p->x[0], 0, p->x[0].c, to);
    if (p->x[1].c)
      nd_tile_input(p->micro, &p->tiles, first + i, &p->x[1], 0, p->x[1].c,
                    (nd_spectrum){to.at + p->x[0].c, to.plane, to.into});
  }
}

/* m = v u for `count` tiles and one panel of one frequency. */
static void multiply(const plan *p, int vectors, int count, const float *v, const float *u, float *m) {
  int in = p->words, width = vectors * p->micro->lanes;
  for (int k = 0, depth; k < in; k += depth) {
    depth = in - k >= 2 * DEPTH ? DEPTH : in - k > DEPTH ? (in - k + 1) / 2 : in - k;
    (p->pairs ? p->micro->panel_pairs : p->micro->panel)(
        vectors, count, &(nd_term){v + k, u + (ptrdiff_t)k * width, depth}, 1, p->pitch, 1, m, k > 0);
  }
}

/* Some panels of some tiles. */
typedef struct block {
  int first, count;   /* tiles */
  int panel0, panel1; /* the last one is left out */
  const float *v, *u; /* of the first tile; of panel0 */
  float *m;           /* of panel0 */
  nd_ahead *next;     /* what is read next of both images, or NULL */
} block;

static ptrdiff_t m_panel(const plan *p) {
  return (ptrdiff_t)p->block * width_of(p);
}

static void multiply_block(const plan *p, const block *b) {
  ptrdiff_t u_panel = (ptrdiff_t)p->words * width_of(p);
  int channel0 = b->panel0 * width_of(p), channel1 = nd_least(b->panel1 * width_of(p), p->y.c);
  nd_ahead targets = {&p->tiles,
                      &p->y,
                      b->first,
                      b->count,
                      channel0,
                      channel1 - channel0,
                      ND_FREQUENCIES * (b->panel1 - b->panel0),
                      0};
  for (int f = 0; f < ND_FREQUENCIES; f++)
    for (int i = b->panel0; i < b->panel1; i++) {
      multiply(p, vectors_of(p, i), b->count, b->v + f * p->v_plane,
               b->u + f * p->u_plane + (i - b->panel0) * u_panel,
               b->m + f * p->m_plane + (i - b->panel0) * m_panel(p));
      nd_ahead_step(&targets);
      for (int k = 0; b->next && k < 2; k++)
        nd_ahead_step(&b->next[k]);
    }
}

/* dump: a row of outputs, for those outside of the image. */
static void put_block(const plan *p, const block *b, float *dump) {
  for (int i = 0; i < b->count; i++) {
    void *target[16];
    nd_tile_targets(&p->tiles, b->first + i, &p->y, dump, target);
    for (int j = b->panel0; j < b->panel1; j++) {
      int vectors = vectors_of(p, j), channel = j * width_of(p);
      nd_epilogue e = p->epilogue;
      if (e.bias)
        e.bias += channel;
      nd_tile_output(p->micro, b->m + (j - b->panel0) * m_panel(p) + (ptrdiff_t)i * vectors * p->micro->lanes,
                     p->m_plane, vectors, &e, &p->y, target, channel);
    }
  }
}

static void compute_block(const plan *p, const block *b, int thread) {
  multiply_block(p, b);
  put_block(p, b, p->dump + (ptrdiff_t)thread * p->filter.out);
}

static void transform_panels(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const plan *p = context;
  int chunks = (p->filter.in + PACK_IN - 1) / PACK_IN;
  for (size_t i = begin; i < end; i++) {
    int panel = (int)i / chunks, in0 = (int)i % chunks * PACK_IN;
    int in1 = in0 + PACK_IN < p->filter.in ? in0 + PACK_IN : p->filter.in;
    transform_weights(p, panel, in0, in1, p->common + (ptrdiff_t)panel * p->words * width_of(p));
  }
}

static void compute_blocks(size_t begin, size_t end, int thread, void *context) {
  const plan *p = context;
  float *v = factor_of(p, thread);
  for (size_t i = begin; i < end; i++) {
    int first = (int)i * p->block, count = nd_least(p->tiles.count - first, p->block);
    nd_ahead next[2];
    for (int k = 0; k < 2; k++)
      next[k] = (nd_ahead){
          &p->tiles, &p->x[k], first + count, p->block, 0, p->x[k].c, ND_FREQUENCIES * p->panels, 0};
    transform_tiles(p, first, count, v);
    block b = {.first = first, .count = count, .v = v, .m = products_of(p, thread), .next = next};
    for (b.panel0 = 0; b.panel0 < p->panels; b.panel0 = b.panel1) {
      b.panel1 = nd_least(b.panel0 + p->group, p->panels);
      b.u = p->common + (ptrdiff_t)b.panel0 * p->words * width_of(p);
      compute_block(p, &b, thread);
    }
  }
}

static void run_by_tile(const plan *p) {
  int chunks = (p->filter.in + PACK_IN - 1) / PACK_IN;
  nd_parallel((size_t)(p->panels * chunks), 1, transform_panels, (void *)p);
  nd_parallel((size_t)((p->tiles.count + p->block - 1) / p->block), 1, compute_blocks, (void *)p);
}

static void transform_all_tiles(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const plan *p = context;
  transform_tiles(p, (int)begin, (int)(end - begin), p->common + (ptrdiff_t)begin * p->pitch);
}

static void compute_panels(size_t begin, size_t end, int thread, void *context) {
  const plan *p = context;
  float *u = factor_of(p, thread);
  block b = {.u = u, .m = products_of(p, thread)};
  for (b.panel0 = (int)begin; b.panel0 < (int)end; b.panel0 = b.panel1) {
    b.panel1 = nd_least(b.panel0 + p->group, (int)end);
    for (int i = b.panel0; i < b.panel1; i++)
      transform_weights(p, i, 0, p->filter.in, u + (ptrdiff_t)(i - b.panel0) * p->words * width_of(p));
    for (b.first = 0; b.first < p->tiles.count; b.first += b.count) {
      b.count = nd_least(p->tiles.count - b.first, p->block);
      b.v = p->common + (ptrdiff_t)b.first * p->pitch;
      compute_block(p, &b, thread);
    }
  }
}

static void run_by_channel(const plan *p) {
  nd_parallel((size_t)p->tiles.count, 4, transform_all_tiles, (void *)p);
  nd_parallel((size_t)p->panels, 1, compute_panels, (void *)p);
}

static size_t run(plan *p, nd_arena *a) {
  p->micro = nd_micro_best();
  p->pairs = p->pairs && p->micro->panel_pairs;
  set_sizes(p);
  take_buffers(p, a);
  if (!a->base)
    return a->used;
  if (p->by_channel)
    run_by_channel(p);
  else
    run_by_tile(p);
  return a->used;
}

bool nd_winograd_takes(const nd_conv_shape *s) {
  return s->kh == 3 && s->kw == 3 && s->stride == 1 && s->dilation == 1 && s->groups == 1;
}

size_t nd_winograd_forward(const nd_conv_shape *s, const nd_conv_source x[2], const float *weights,
                           const nd_epilogue *e, void *y, nd_arena scratch) {
  plan p = {.tiles = nd_tiles_of(s->n, s->oh, s->ow),
            .y = {.pixels = y, .type = s->y_type, .h = s->oh, .w = s->ow, .c = s->co},
            .filter = nd_filter_forward(s, weights),
            .epilogue = *e};
  for (int k = 0; k < 2; k++)
    p.x[k] = (nd_images){.pixels = x[k].pixels,
                         .type = x[k].type,
                         .h = s->h,
                         .w = s->w,
                         .c = x[k].c,
                         .above = s->above,
                         .pad = s->pad,
                         .enlarged = x[k].enlarged};
  return run(&p, &scratch);
}

size_t nd_winograd_backward_data(const nd_conv_shape *s, const void *dy, const float *weights, void *dx,
                                 nd_arena scratch) {
  plan p = {.tiles = nd_tiles_of(s->n, s->h, s->w),
            .x = {{.pixels = dy, .type = s->y_type, .h = s->oh, .w = s->ow, .c = s->co, .pad = 2 - s->pad}},
            .y = {.pixels = dx, .type = s->x_type, .h = s->h, .w = s->w, .c = s->ci},
            .filter = nd_filter_backward(s, weights),
            .turned = true,
            .pairs = nd_winograd_rounds(s),
            .epilogue = {NULL, ND_LINEAR, 0}};
  return run(&p, &scratch);
}
