/* Padding once, ahead of the sums, costs a percent or so of a convolution and keeps every loop behind it free
 * of conditions. */
#include "tensor/kernels/pad.h"

#include "base/base.h"

#include <string.h>

typedef struct job {
  const nd_frame *f;
  const float *from;
  float *to;
} job;

static void copy_pixels(const nd_frame *f, const float *from, float *to, int count) {
  if (f->pitch == f->c)
    memcpy(to, from, sizeof *to * (size_t)count * (size_t)f->c);
  else
    for (int i = 0; i < count; i++)
      memcpy(to + (size_t)i * (size_t)f->pitch, from + (size_t)i * (size_t)f->c, sizeof *to * (size_t)f->c);
}

static void copy_row(const nd_frame *f, const float *from, float *to) {
  int begin = f->left > 0 ? f->left : 0, end = f->left + f->w < f->to_w ? f->left + f->w : f->to_w;
  if (begin > f->to_w)
    begin = f->to_w;
  if (end < begin)
    end = begin;
  size_t pixel = sizeof *to * (size_t)f->pitch;
  memset(to, 0, pixel * (size_t)begin);
  copy_pixels(f, from + (ptrdiff_t)(begin - f->left) * f->c, to + (size_t)begin * (size_t)f->pitch,
              end - begin);
  memset(to + (size_t)end * (size_t)f->pitch, 0, pixel * (size_t)(f->to_w - end));
}

static void copy_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  job *j = context;
  const nd_frame *f = j->f;
  size_t to_row = (size_t)f->to_w * (size_t)f->pitch, from_row = (size_t)f->w * (size_t)f->c;
  for (size_t i = begin; i < end; i++) {
    size_t image = i / (size_t)f->to_h;
    int y = (int)(i % (size_t)f->to_h) - f->top;
    if (y >= 0 && y < f->h)
      copy_row(f, j->from + (image * (size_t)f->h + (size_t)y) * from_row, j->to + i * to_row);
    else
      memset(j->to + i * to_row, 0, sizeof(float) * to_row);
  }
}

void nd_frame_copy(const nd_frame *f, const float *from, float *to) {
  nd_parallel((size_t)f->n * (size_t)f->to_h, 8, copy_rows, &(job){f, from, to});
}
