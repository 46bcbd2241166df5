/* Edge tiles need no copy: a missing pixel's pointer goes to a row of zeros, or to a dump for outputs. Only
 * the last few channels of an odd number go through a small buffer. */
#include "tensor/kernels/tiles.h"

nd_tiles nd_tiles_of(int n, int oh, int ow) {
  int down = (oh + ND_TILE_OUT - 1) / ND_TILE_OUT, across = (ow + ND_TILE_OUT - 1) / ND_TILE_OUT;
  return (nd_tiles){down, across, n * down * across};
}

typedef struct corner {
  int image, y, x; /* of a tile's first output */
} corner;

static corner corner_of(const nd_tiles *t, int index) {
  int row = index / t->across;
  return (corner){row / t->down, row % t->down * ND_TILE_OUT, index % t->across * ND_TILE_OUT};
}

/* Pointers to the size * size pixels of a tile. */
static void point(const nd_images *x, const corner *at, int size, const float *outside, const void **pixel) {
  const void *image = nd_number_at(x->pixels, x->type, (ptrdiff_t)at->image * x->h * x->w * x->c);
  for (int i = 0; i < size; i++) {
    int row = at->y - x->pad + x->above + i;
    bool inside = row >= 0 && row < x->h;
    for (int j = 0; j < size; j++) {
      int col = at->x - x->pad + j;
      pixel[i * size + j] = inside && col >= 0 && col < x->w
                                ? nd_number_at(image, x->type, ((ptrdiff_t)row * x->w + col) * x->c)
                                : outside;
    }
  }
}

/* Copies the last `count` channels of each pixel as floats, and points at the copies. */
static void copy_last(nd_dtype type, const void *const *pixel, int pixels, int first, int count,
                      float (*copy)[ND_MAX_LANES], const void **to) {
  for (int i = 0; i < pixels; i++) {
    for (int j = 0; j < ND_MAX_LANES; j++)
      copy[i][j] = j >= count        ? 0
                   : type == ND_BF16 ? nd_from_bf16(((const uint16_t *)pixel[i])[first + j])
                                     : ((const float *)pixel[i])[first + j];
    to[i] = copy[i];
  }
}

/* A tile's pixels between 0 and size: the first one's number in the tile, and how many. */
static void clip(int from, int size, int *first, int *count) {
  int begin = from < 0 ? 0 : from, end = from + ND_TILE_IN < size ? from + ND_TILE_IN : size;
  *first = begin - from;
  *count = end > begin ? end - begin : 0;
}

/* The same, `channels` channels further on. */
static nd_spectrum beyond(nd_spectrum to, int channels) {
  to.at += to.into == ND_INTO_HALVES ? channels / 2 : channels;
  return to;
}

static void transform_input(const nd_micro *micro, nd_dtype type, const void *const *pixel, int first,
                            int vectors, nd_spectrum to) {
  micro->winograd_input(type, pixel, first, vectors, to.into, to.at, to.plane);
}

static void input_of_enlarged(const nd_micro *micro, const corner *at, const nd_images *x, int first,
                              int count, nd_spectrum to) {
  static const float outside[ND_SAMPLED_CHANNELS];
  _Alignas(64) float sampled[ND_TILE_IN * ND_TILE_IN][ND_SAMPLED_CHANNELS];
  const void *pixel[36];
  int up, left, row = at->y - x->pad + x->above, column = at->x - x->pad;
  nd_enlarged_part p;
  clip(row, x->h, &up, &p.rows);
  clip(column, x->w, &left, &p.columns);
  p.row = row + up, p.column = column + left;
  for (int i = 0; i < 36; i++)
    pixel[i] = outside;
  for (int i = 0; i < p.rows; i++)
    for (int j = 0; j < p.columns; j++)
      pixel[(up + i) * ND_TILE_IN + left + j] = sampled[i * ND_SAMPLED + j];
  const nd_enlarged *e = x->enlarged;
  nd_data image = {(void *)nd_number_at(x->pixels, x->type, (ptrdiff_t)at->image * e->h * e->w * x->c),
                   x->type};
  for (int done = 0; done < count; done += ND_SAMPLED_CHANNELS) {
    int some = count - done < ND_SAMPLED_CHANNELS ? count - done : ND_SAMPLED_CHANNELS;
    int vectors = (some + micro->lanes - 1) / micro->lanes;
    if (some % micro->lanes)
      memset(sampled, 0, sizeof sampled);
    if (p.rows && p.columns)
      nd_sample_enlarged(image, e, x->c, p, first + done, some, sampled);
    transform_input(micro, ND_F32, pixel, 0, vectors, beyond(to, done));
  }
}

void nd_tile_input(const nd_micro *micro, const nd_tiles *t, int index, const nd_images *x, int first,
                   int count, nd_spectrum to) {
  corner at = corner_of(t, index);
  if (x->enlarged) {
    input_of_enlarged(micro, &at, x, first, count, to);
    return;
  }
  const void *pixel[36], *last[36];
  float copy[36][ND_MAX_LANES];
  point(x, &at, ND_TILE_IN, x->zeros, pixel);
  int vectors = count / micro->lanes, done = vectors * micro->lanes;
  transform_input(micro, x->type, pixel, first, vectors, to);
  if (done == count)
    return;
  copy_last(x->type, pixel, 36, first + done, count - done, copy, last);
  transform_input(micro, ND_F32, last, 0, 1, beyond(to, done));
}

void nd_tile_gradient(const nd_micro *micro, const nd_tiles *t, int index, const nd_images *dy, int first,
                      int vectors, nd_spectrum to, float *sums) {
  const void *pixel[16], *last[16];
  float copy[16][ND_MAX_LANES];
  corner at = corner_of(t, index);
  point(dy, &at, ND_TILE_OUT, dy->zeros, pixel);
  int left = dy->c - first, whole = left / micro->lanes < vectors ? left / micro->lanes : vectors;
  int done = whole * micro->lanes;
  micro->winograd_gradient(dy->type, pixel, first, whole, to.into, to.at, to.plane, sums);
  if (whole == vectors)
    return;
  copy_last(dy->type, pixel, 16, first + done, left - done, copy, last);
  micro->winograd_gradient(ND_F32, last, 0, 1, to.into, to.at + done, to.plane, sums ? sums + done : NULL);
}

void nd_tile_targets(const nd_tiles *t, int index, const nd_images *y, float *dump, void *target[16]) {
  const void *pixel[16];
  corner at = corner_of(t, index);
  point(y, &at, ND_TILE_OUT, dump, pixel);
  for (int i = 0; i < 16; i++)
    target[i] = (void *)pixel[i];
}

void nd_tile_output(const nd_micro *micro, const float *m, ptrdiff_t plane, int vectors, const nd_epilogue *e,
                    const nd_images *y, void *const target[16], int first) {
  int left = y->c - first, whole = left / micro->lanes < vectors ? left / micro->lanes : vectors;
  int done = whole * micro->lanes;
  micro->winograd_output(m, plane, whole, e, y->type, target, first);
  if (whole == vectors)
    return;
  float copy[16][ND_MAX_LANES], bias[ND_MAX_LANES] = {0};
  void *to[16];
  for (int i = 0; i < 16; i++)
    to[i] = copy[i];
  for (int j = 0; e->bias && j < left - done; j++)
    bias[j] = e->bias[done + j];
  micro->winograd_output(m + done, plane, 1, &(nd_epilogue){bias, e->activation, e->slope}, ND_F32, to, 0);
  for (int i = 0; i < 16; i++)
    nd_copy_numbers((nd_data){target[i], y->type}, (size_t)(first + done), (nd_data){copy[i], ND_F32}, 0,
                    (size_t)(left - done));
}

/* The pixels of one row of a tile. The empty assembly keeps GCC 12 from taking a function that only
 * prefetches for one without effect and dropping its calls. */
static void prefetch_row(const nd_ahead *a, int index, int i) {
  const nd_images *x = a->images;
  corner at = corner_of(a->tiles, index);
  int row = at.y + i, last = at.x + ND_TILE_OUT < x->w ? at.x + ND_TILE_OUT : x->w;
  if (row >= x->h)
    return;
  ptrdiff_t line = ((ptrdiff_t)at.image * x->h + row) * x->w * x->c + a->channel;
  int step = 64 / (int)nd_dtype_size(x->type); /* numbers in a cache line */
  for (int col = at.x; col < last; col++)
    for (int j = 0; j < a->channels; j += step)
      __builtin_prefetch(nd_number_at(x->pixels, x->type, line + (ptrdiff_t)col * x->c + j), 0, 2);
  __asm__ volatile("");
}

void nd_ahead_step(nd_ahead *a) {
  if (!a->channels || a->images->enlarged)
    return;
  long rows = (long)a->count * ND_TILE_OUT;
  long begin = rows * a->step / a->steps, end = rows * (a->step + 1) / a->steps;
  a->step++;
  for (long i = begin; i < end; i++) {
    int index = a->first + (int)i / ND_TILE_OUT;
    if (index < a->tiles->count)
      prefetch_row(a, index, (int)i % ND_TILE_OUT);
  }
}
