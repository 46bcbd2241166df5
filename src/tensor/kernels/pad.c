/* Padding once, ahead of the sums, costs a percent or so of a convolution and keeps every loop behind it free
 * of conditions. */
#include "tensor/kernels/pad.h"

#include "base/base.h"

#include <string.h>

typedef struct job {
  const nd_frame *f;
  nd_data from;
  float *to;
} job;

/* from: the first number to take. */
static void copy_pixels(const job *j, size_t from, float *to, int count) {
  const nd_frame *f = j->f;
  size_t pitch = (size_t)f->pitch, c = (size_t)f->c;
  nd_data target = {to, ND_F32};
  if (pitch == c)
    nd_copy_numbers(target, 0, j->from, from, (size_t)count * c);
  else
    for (size_t i = 0; i < (size_t)count; i++)
      nd_copy_numbers(target, i * pitch, j->from, from + i * c, c);
}

static void copy_row(const job *j, size_t from, float *to) {
  const nd_frame *f = j->f;
  int begin = f->left > 0 ? f->left : 0, end = f->left + f->w < f->to_w ? f->left + f->w : f->to_w;
  if (begin > f->to_w)
    begin = f->to_w;
  if (end < begin)
    end = begin;
  size_t pixel = sizeof *to * (size_t)f->pitch;
  memset(to, 0, pixel * (size_t)begin);
  copy_pixels(j, from + (size_t)(begin - f->left) * (size_t)f->c, to + (size_t)begin * (size_t)f->pitch,
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
      copy_row(j, (image * (size_t)f->h + (size_t)y) * from_row, j->to + i * to_row);
    else
      memset(j->to + i * to_row, 0, sizeof(float) * to_row);
  }
}

void nd_frame_copy(const nd_frame *f, const void *from, float *to) {
  nd_parallel((size_t)f->n * (size_t)f->to_h, 8, copy_rows, &(job){f, {(void *)from, f->from_type}, to});
}
