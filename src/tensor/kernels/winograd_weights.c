/* Winograd backward weights: transform tiles of x and of dy, for each of 36 frequencies sum the products of
 * inputs x outputs over the tiles, transform the sums back to 3x3 kernels.
 *
 * Two orders again. With many tiles each thread takes blocks of them and keeps sums of its own, for as many
 * input channels at a time as keep the sums small. With few tiles (their transforms smaller than the sums)
 * all are transformed first, and each thread takes blocks of channels from the products to the finished
 * kernels.
 */
#include "tensor/kernels/filter.h"
#include "tensor/kernels/parts.h"
#include "tensor/kernels/tiles.h"
#include "tensor/kernels/winograd.h"
#include "tensor/kernels/winograd_private.h"

#include "base/base.h"

#include <string.h>

enum {
  BLOCK_TILES = 36,        /* tiles transformed and multiplied together */
  SUMS_AT_ONCE = 32 << 10, /* ci x co of the sums one thread keeps */
  DEPTH = 256,             /* tiles summed in one product */
  CHUNK_IN = 64,           /* by channel: input channels, */
  GROUP_OUT = 32,          /*   and output channels, in a block */
  UNPACK_IN = 16           /* input channels transformed back together */
};

typedef struct plan {
  const nd_conv_shape *s;
  const nd_micro *micro;
  nd_tiles tiles;
  nd_images x, dy;
  float *dweights, *dbias; /* dbias may be NULL */

  bool pairs; /* products of pairs of bf16: a row of v and z is that of two tiles */
  bool by_channel;
  int panels, group; /* of output channels; by_channel: those taken together */
  int block, slices;
  int chunk, in0, in1; /* input channels at a time, and the current ones */
  int pitch;
  ptrdiff_t v_plane, z_plane, u_plane;
  float *v;        /* 36 x chunks x tiles x pitch; by_channel: all chunks, else one */
  float *z;        /* 36 x panels x tiles x width */
  float *u;        /* the sums: 36 x panels x chunk x width */
  ptrdiff_t apart; /* from one slice's v, z and u to the next one's; by_channel of u alone */
  float *bias;     /* for each slice two rows of panels x width: dy's sums, and those of a block */
} plan;

static int width_of(const plan *p) {
  return 2 * p->micro->lanes;
}

static int vectors_of(const plan *p, int panel) {
  return nd_panel_vectors(p->micro, p->s->co, panel * width_of(p));
}

/* Rows of v and z for so many tiles. */
static int rows_of(const plan *p, int tiles) {
  return p->pairs ? nd_divide_up(tiles, 2) : tiles;
}

/* How tile `row` of a block is put into row rows_of(row + 1) - 1. */
static nd_into into_of(const plan *p, int row) {
  return !p->pairs ? ND_INTO_F32 : row % 2 ? ND_INTO_HIGH : ND_INTO_LOW;
}

static void set_order(plan *p) {
  const nd_conv_shape *s = p->s;
  int count = p->tiles.count, threads = nd_threads();
  p->by_channel = (double)count * (s->ci + s->co) < (double)s->ci * s->co;
  if (p->by_channel) {
    p->block = count;
    p->slices = threads;
    p->chunk = CHUNK_IN;
    p->group = GROUP_OUT / width_of(p);
    return;
  }
  p->block = nd_divide_up(count, nd_divide_up(count, threads * BLOCK_TILES) * threads);
  int blocks = nd_divide_up(count, p->block), most = SUMS_AT_ONCE / s->co < 16 ? 16 : SUMS_AT_ONCE / s->co;
  p->slices = threads < blocks ? threads : blocks;
  p->chunk = nd_divide_up(nd_divide_up(s->ci, nd_divide_up(s->ci, most)), 16) * 16;
}

static void take_buffers(plan *p, nd_arena *a) {
  size_t width = (size_t)width_of(p), panels = (size_t)p->panels, block = (size_t)rows_of(p, p->block);
  size_t sum_panels = p->by_channel ? (size_t)p->group : panels;
  int widest = p->s->ci > p->s->co ? p->s->ci : p->s->co;
  p->pitch = nd_winograd_pitch(p->chunk);
  size_t chunks = p->by_channel ? (size_t)nd_divide_up(p->s->ci, p->chunk) : 1;
  p->v_plane = nd_winograd_plane(chunks * block * (size_t)p->pitch);
  p->z_plane = nd_winograd_plane(panels * block * width);
  p->u_plane = nd_winograd_plane(sum_panels * (size_t)p->chunk * width);
  ptrdiff_t shared = p->by_channel ? ND_FREQUENCIES * (p->v_plane + p->z_plane) : 0;
  p->apart = nd_winograd_apart((p->by_channel ? 0 : p->v_plane + p->z_plane) + p->u_plane, p->u_plane);
  float *zeros = nd_arena_floats(a, (size_t)widest);
  p->x.zeros = p->dy.zeros = zeros;
  p->v = nd_arena_floats(a, (size_t)(shared + p->slices * p->apart));
  if (p->v) {
    p->z = p->v + ND_FREQUENCIES * p->v_plane;
    p->u = p->z + ND_FREQUENCIES * p->z_plane;
  }
  p->bias = nd_arena_floats(a, (size_t)p->slices * 2 * panels * width);
  if (a->base)
    memset(zeros, 0, (size_t)widest * sizeof *zeros);
}

static float *bias_of(const plan *p, ptrdiff_t slice) {
  return p->bias + slice * 2 * p->panels * width_of(p);
}

static void transform_input(const plan *p, int tile, int row, float *v) {
  int at = rows_of(p, row + 1) - 1;
  for (int in = p->in0; in < p->in1; in += p->chunk, v += (ptrdiff_t)rows_of(p, p->block) * p->pitch)
    nd_tile_input(p->micro, &p->tiles, tile, &p->x, in, nd_least(p->in1 - in, p->chunk),
                  (nd_spectrum){v + (ptrdiff_t)at * p->pitch, p->v_plane, into_of(p, row)});
}

static void transform_gradient(const plan *p, int tile, int row, float *z, float *sums) {
  int at = rows_of(p, row + 1) - 1;
  for (int panel = 0; panel < p->panels; panel++) {
    int vectors = vectors_of(p, panel), channel = panel * width_of(p);
    float *to = z + (ptrdiff_t)rows_of(p, p->block) * channel + (ptrdiff_t)at * vectors * p->micro->lanes;
    nd_tile_gradient(p->micro, &p->tiles, tile, &p->dy, channel, vectors,
                     (nd_spectrum){to, p->z_plane, into_of(p, row)}, sums ? sums + channel : NULL);
  }
}

/* Tiles first .. first+count-1, the current input channels, all of dy's; to row `row` on of v and z. The bias
 * is summed by blocks first, which rounds less than one long sum, and once if the tiles pass several times.
 */
static void transform_tiles(const plan *p, int slice, int first, int count, int row, float *v, float *z) {
  int channels = p->panels * width_of(p);
  float *total = bias_of(p, slice), *block = p->dbias && !p->in0 ? total + channels : NULL;
  if (block)
    memset(block, 0, sizeof(float) * (size_t)channels);
  for (int i = 0; i < count; i++, row++) {
    transform_input(p, first + i, row, v);
    transform_gradient(p, first + i, row, z, block);
  }
  for (int i = 0; block && i < channels; i++)
    total[i] += block[i];
}

static void put_bias(const plan *p) {
  for (int i = 0; p->dbias && i < p->s->co; i++) {
    p->dbias[i] = bias_of(p, 0)[i];
    for (int slice = 1; slice < p->slices; slice++)
      p->dbias[i] += bias_of(p, slice)[i];
  }
}

/* u (+)= v^T z over `count` rows, for `in` input channels of one panel and frequency. */
static void multiply(const plan *p, int vectors, int in, int count, const float *v, const float *z, float *u,
                     bool accumulate) {
  for (int k = 0; k < count; k += DEPTH) {
    nd_term term = {v + (ptrdiff_t)k * p->pitch, z + (ptrdiff_t)k * vectors * p->micro->lanes,
                    count - k < DEPTH ? count - k : DEPTH};
    (p->pairs ? p->micro->panel_pairs : p->micro->panel)(vectors, in, &term, 1, 1, p->pitch, u,
                                                         accumulate || k > 0);
  }
}

/* Some panels and input channels, summed over some tiles. */
typedef struct block {
  int panel0, panel1; /* the last one is left out */
  int in, count;      /* how many input channels and tiles */
  const float *v, *z; /* of the first of them; of panel 0 */
  float *u;           /* of panel0 */
  bool accumulate;
  nd_ahead *next; /* what is read next of x and dy, or NULL */
} block;

/* The sums of all frequencies. */
static void multiply_block(const plan *p, const block *b) {
  for (int f = 0; f < ND_FREQUENCIES; f++)
    for (int i = b->panel0; i < b->panel1; i++) {
      multiply(p, vectors_of(p, i), b->in, rows_of(p, b->count), b->v + f * p->v_plane,
               b->z + f * p->z_plane + (ptrdiff_t)i * rows_of(p, p->block) * width_of(p),
               b->u + f * p->u_plane + (ptrdiff_t)(i - b->panel0) * p->chunk * width_of(p), b->accumulate);
      for (int j = 0; b->next && j < 2; j++)
        nd_ahead_step(&b->next[j]);
    }
}

/* The kernels of a panel and input channels in0 .. in1-1 from their sums u, which lie in `copies` places. */
static void put_kernels(const plan *p, int panel, int in0, int in1, const float *u, int copies,
                        ptrdiff_t copy) {
  _Alignas(64) float g[UNPACK_IN * 9 * ND_MAX_WIDTH], one[9 * ND_MAX_WIDTH];
  nd_filter filter = nd_filter_forward(p->s, NULL);
  int vectors = vectors_of(p, panel), width = vectors * p->micro->lanes;
  for (int in = in0, last; in < in1; in = last, u += UNPACK_IN * width) {
    last = in1 - in < UNPACK_IN ? in1 : in + UNPACK_IN;
    for (int i = 0; i < last - in; i++) {
      float *to = g + i * 9 * width;
      p->micro->winograd_weights_gradient(u + i * width, p->u_plane, vectors, to);
      for (int j = 1; j < copies; j++) {
        p->micro->winograd_weights_gradient(u + i * width + j * copy, p->u_plane, vectors, one);
        for (int k = 0; k < 9 * width; k++)
          to[k] += one[k];
      }
    }
    nd_filter_unpack(&filter, panel * width_of(p), width, in, last, g, 9 * width, width, p->dweights);
  }
}

static void sum_slices(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const plan *p = context;
  int blocks = nd_divide_up(p->tiles.count, p->block);
  for (ptrdiff_t slice = (ptrdiff_t)begin; slice < (ptrdiff_t)end; slice++) {
    float *v = p->v + slice * p->apart, *z = p->z + slice * p->apart, *u = p->u + slice * p->apart;
    int first = (int)(blocks * slice / p->slices), last = (int)(blocks * (slice + 1) / p->slices);
    for (int i = first; i < last; i++) {
      int tile = i * p->block, count = p->tiles.count - tile < p->block ? p->tiles.count - tile : p->block;
      int steps = ND_FREQUENCIES * p->panels;
      nd_ahead next[2] = {{&p->tiles, &p->x, tile + count, p->block, p->in0, p->in1 - p->in0, steps, 0},
                          {&p->tiles, &p->dy, tile + count, p->block, 0, p->s->co, steps, 0}};
      transform_tiles(p, (int)slice, tile, count, 0, v, z);
      multiply_block(p, &(block){0, p->panels, p->in1 - p->in0, count, v, z, u, i > first, next});
    }
  }
}

static void put_slices(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const plan *p = context;
  int chunks = nd_divide_up(p->in1 - p->in0, UNPACK_IN);
  for (size_t i = begin; i < end; i++) {
    int panel = (int)i / chunks, in = (int)i % chunks * UNPACK_IN,
        width = vectors_of(p, panel) * p->micro->lanes;
    int in0 = p->in0 + in, in1 = in0 + UNPACK_IN < p->in1 ? in0 + UNPACK_IN : p->in1;
    put_kernels(p, panel, in0, in1, p->u + (ptrdiff_t)panel * p->chunk * width_of(p) + (ptrdiff_t)in * width,
                p->slices, p->apart);
  }
}

static void run_by_tile(plan *p) {
  for (p->in0 = 0; p->in0 < p->s->ci; p->in0 = p->in1) {
    p->in1 = p->in0 + p->chunk < p->s->ci ? p->in0 + p->chunk : p->s->ci;
    nd_parallel((size_t)p->slices, 1, sum_slices, p);
    nd_parallel((size_t)(p->panels * nd_divide_up(p->in1 - p->in0, UNPACK_IN)), 1, put_slices, p);
  }
}

/* Tiles that share a row go to one slice. */
static int first_tile(const plan *p, int slice) {
  int rows = rows_of(p, p->tiles.count), row = (int)((long)rows * slice / p->slices);
  return !p->pairs ? row : 2 * row < p->tiles.count ? 2 * row : p->tiles.count;
}

static void transform_slices(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const plan *p = context;
  for (int slice = (int)begin; slice < (int)end; slice++) {
    int first = first_tile(p, slice), last = first_tile(p, slice + 1);
    transform_tiles(p, slice, first, last - first, first, p->v, p->z);
  }
}

/* Work item i: a group of panels of a chunk of input channels; neighbours share the chunk. */
static void compute_chunks(size_t begin, size_t end, int thread, void *context) {
  const plan *p = context;
  float *u = p->u + thread * p->apart;
  int groups = nd_divide_up(p->panels, p->group);
  for (size_t i = begin; i < end; i++) {
    int panel0 = (int)i % groups * p->group, in0 = (int)i / groups * p->chunk;
    int panel1 = nd_least(panel0 + p->group, p->panels), in1 = nd_least(in0 + p->chunk, p->s->ci);
    const float *v = p->v + (ptrdiff_t)in0 / p->chunk * rows_of(p, p->block) * p->pitch;
    multiply_block(p, &(block){panel0, panel1, in1 - in0, p->tiles.count, v, p->z, u, false, NULL});
    for (int panel = panel0; panel < panel1; panel++)
      put_kernels(p, panel, in0, in1, u + (ptrdiff_t)(panel - panel0) * p->chunk * width_of(p), 1, 0);
  }
}

static void run_by_channel(plan *p) {
  p->in1 = p->s->ci;
  nd_parallel((size_t)p->slices, 1, transform_slices, p);
  size_t groups = (size_t)nd_divide_up(p->panels, p->group),
         chunks = (size_t)nd_divide_up(p->s->ci, p->chunk);
  nd_parallel(groups * chunks, 1, compute_chunks, p);
}

size_t nd_winograd_backward_weights(const nd_conv_shape *s, const void *x, const void *dy, float *dweights,
                                    float *dbias, nd_arena scratch) {
  plan p = {.s = s,
            .micro = nd_micro_best(),
            .tiles = nd_tiles_of(s->n, s->oh, s->ow),
            .x = {.pixels = x, .type = s->x_type, .h = s->h, .w = s->w, .c = s->ci, .pad = s->pad},
            .dy = {.pixels = dy, .type = s->y_type, .h = s->oh, .w = s->ow, .c = s->co},
            .dweights = dweights,
            .dbias = dbias};
  p.panels = nd_panel_count(p.micro, s->co);
  p.pairs = nd_winograd_rounds(s) && p.micro->panel_pairs;
  set_order(&p);
  take_buffers(&p, &scratch);
  if (!scratch.base)
    return scratch.used;
  memset(p.bias, 0, sizeof(float) * (size_t)p.slices * 2 * (size_t)(p.panels * width_of(&p)));
  if (p.by_channel)
    run_by_channel(&p);
  else
    run_by_tile(&p);
  put_bias(&p);
  return scratch.used;
}
