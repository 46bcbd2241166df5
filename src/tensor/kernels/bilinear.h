/* Bilinear up-sampling: where an axis of the large picture samples the small one, and pixels of the large one
 * made from the small one where they are read, so that it is never stored. */
#ifndef ND_KERNELS_BILINEAR_H
#define ND_KERNELS_BILINEAR_H

#include "tensor/kernels/data.h"

#include <stdbool.h>

/* Sampled between two pixels. */
typedef struct nd_tap {
  int low, high;
  float t; /* weight of high */
} nd_tap;

/* One axis: sizes of this input and output, and of the whole picture's at this level. Corners aligned, output
 * i samples the input at i (in - 1) / (out - 1), which depends on the whole; centred at (i + 1/2) in / out -
 * 1/2, beyond the border at the border. */
typedef struct nd_axis {
  int in, out, begin, full_in, full_out; /* begin: where this input starts in the whole */
  bool centred;
} nd_axis;

nd_tap nd_tap_of(int i, nd_axis a);

/* A batch of pictures read as if it were enlarged at least twice: h x w pixels each, and by row and by column
 * of the enlarged one where it samples them. */
typedef struct nd_enlarged {
  int h, w;
  const nd_tap *rows, *columns;
} nd_enlarged;

/* Of the enlarged picture, pixels across and down that are sampled together; numbers of a pixel likewise. */
enum { ND_SAMPLED = 6, ND_SAMPLED_CHANNELS = 64 };

/* The pixels of some rows and columns of an enlarged picture. */
typedef struct nd_enlarged_part {
  int row, rows, column, columns; /* at most ND_SAMPLED rows and columns */
} nd_enlarged_part;

/* `count` of the c channels, from the first one on, of an image's pixels; pixel (i, j) of the part is number
 * i * ND_SAMPLED + j of out. image: its first number. */
void nd_sample_enlarged(nd_data image, const nd_enlarged *e, int c, nd_enlarged_part p, int first, int count,
                        float (*out)[ND_SAMPLED_CHANNELS]);

#endif
