/* Sums of a few hundred pixels in fp32, those sums added up in turn: the error grows with the depth of this
 * tree, not with the number of pixels. */
#include "tensor/kernels/bias.h"

#include "base/base.h"

#include <string.h>

enum { RUN = 256, ROWS = 3 };

typedef struct job {
  size_t pixels, slices;
  int channels;
  nd_data dy;
  float *sums; /* for each slice: the sum, the sum of the run under way, a pixel widened */
} job;

/* channels rounded up to whole cache lines */
static size_t row_of(int channels) {
  return ((size_t)channels + 15) / 16 * 16;
}

ND_KERNEL static void add_pixels(const float *dy, size_t pixels, int channels, float *sum) {
  for (size_t i = 0; i < pixels; i++, dy += channels)
    for (int c = 0; c < channels; c++)
      sum[c] += dy[c];
}

static void add_run(const job *j, size_t first, size_t count, float *sum) {
  size_t c = (size_t)j->channels;
  float *pixel = sum + row_of(j->channels);
  if (j->dy.type == ND_F32)
    add_pixels((const float *)j->dy.at + first * c, count, j->channels, sum);
  else
    for (size_t i = first; i < first + count; i++)
      add_pixels(nd_read(j->dy, i * c, c, pixel), 1, j->channels, sum);
}

static void sum_slice(const job *j, size_t slice) {
  size_t row = row_of(j->channels), first = j->pixels * slice / j->slices,
         last = j->pixels * (slice + 1) / j->slices;
  float *total = j->sums + slice * ROWS * row, *run = total + row;
  memset(total, 0, row * sizeof *total);
  for (size_t i = first, count; i < last; i += count) {
    count = last - i < RUN ? last - i : RUN;
    memset(run, 0, row * sizeof *run);
    add_run(j, i, count, run);
    for (int c = 0; c < j->channels; c++)
      total[c] += run[c];
  }
}

static void sum_slices(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  for (size_t i = begin; i < end; i++)
    sum_slice(context, i);
}

size_t nd_bias_gradient(size_t pixels, int channels, nd_data dy, float *dbias, nd_arena scratch) {
  job j = {.pixels = pixels, .slices = (size_t)nd_threads(), .channels = channels, .dy = dy};
  size_t row = row_of(channels);
  j.sums = nd_arena_floats(&scratch, j.slices * ROWS * row);
  if (!scratch.base || !dbias)
    return scratch.used;
  nd_parallel(j.slices, 1, sum_slices, &j);
  for (int c = 0; c < channels; c++) {
    dbias[c] = j.sums[c];
    for (size_t i = 1; i < j.slices; i++)
      dbias[c] += j.sums[i * ROWS * row + (size_t)c];
  }
  return scratch.used;
}
