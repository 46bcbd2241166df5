/* Direct forward convolution: every tap reads the padded image at a fixed distance from the output pixel. */
#include "tensor/kernels/correlate.h"
#include "tensor/kernels/direct.h"
#include "tensor/kernels/pad.h"

/* The frame that holds every pixel some tap reads, and no other. */
static nd_frame frame_of(const nd_conv_shape *s) {
  return (nd_frame){.n = s->n,
                    .h = s->h,
                    .w = s->w,
                    .c = s->ci,
                    .to_h = (s->oh - 1) * s->stride + (s->kh - 1) * s->dilation + 1,
                    .to_w = (s->ow - 1) * s->stride + (s->kw - 1) * s->dilation + 1,
                    .top = s->pad - s->above,
                    .left = s->pad,
                    .pitch = s->ci,
                    .from_type = s->x_type};
}

static void list_taps(const nd_conv_shape *s, int width, ptrdiff_t *offset, int *taps) {
  for (int ky = 0; ky < s->kh; ky++)
    for (int kx = 0; kx < s->kw; kx++) {
      int i = ky * s->kw + kx;
      offset[i] = ((ptrdiff_t)ky * width + kx) * s->dilation * s->ci;
      taps[i] = i;
    }
}

size_t nd_direct_forward(const nd_conv_shape *s, const void *x, const float *weights, const nd_epilogue *e,
                         void *y, nd_arena scratch) {
  nd_frame f = frame_of(s);
  bool copy = s->x_type != ND_F32 || s->pad || f.to_h > s->h || f.to_w > s->w;
  int taps = s->kh * s->kw;
  float *padded =
      copy ? nd_arena_floats(&scratch, (size_t)f.n * (size_t)f.to_h * (size_t)f.to_w * (size_t)f.c) : NULL;
  ptrdiff_t *offset = (ptrdiff_t *)nd_arena_floats(&scratch, (size_t)taps * sizeof *offset / sizeof(float));
  int *tap = (int *)nd_arena_floats(&scratch, (size_t)taps);
  int width = copy ? f.to_w : s->w, height = copy ? f.to_h : s->h;
  nd_correlation c = {.from = copy ? padded : x,
                      .from_image = (ptrdiff_t)height * width * s->ci,
                      .from_row = (ptrdiff_t)s->stride * width * s->ci,
                      .from_pixel = (ptrdiff_t)s->stride * s->ci,
                      .filter = nd_filter_forward(s, weights),
                      .offset = offset,
                      .taps = tap,
                      .ntaps = taps,
                      .to = {y, s->y_type},
                      .to_image = (ptrdiff_t)s->oh * s->ow * s->co,
                      .to_row = (ptrdiff_t)s->ow * s->co,
                      .to_pixel = s->co,
                      .n = s->n,
                      .rows = s->oh,
                      .cols = s->ow,
                      .epilogue = *e};
  if (scratch.base) {
    list_taps(s, width, offset, tap);
    if (copy)
      nd_frame_copy(&f, x, padded);
  }
  size_t used;
  nd_correlate(&c, scratch, &used);
  return used;
}
