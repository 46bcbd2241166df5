/* A copy of a batch of NHWC images in a frame of zeros. */
#ifndef ND_KERNELS_PAD_H
#define ND_KERNELS_PAD_H

#include "tensor/kernels/data.h"

/* from: n,h,w,c. to: n,to_h,to_w pixels of `pitch` floats, of which c are written; its pixel (y + top, x +
 * left) is from's (y, x), what falls outside is dropped (so a frame may also crop), the rest is zero. */
typedef struct nd_frame {
  int n, h, w, c;
  int to_h, to_w, top, left, pitch;
  nd_dtype from_type;
} nd_frame;

void nd_frame_copy(const nd_frame *f, const void *from, float *to);

#endif
