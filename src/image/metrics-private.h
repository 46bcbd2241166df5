#ifndef ND_METRICS_PRIVATE_H
#define ND_METRICS_PRIVATE_H

#include "image/image.h"

#include <math.h>

/* The value that is compared: as it is, or as an 8-bit file would hold it. */
static inline double nd_metric_value(float x, nd_metric_options o) {
  if (!o.round_to_8_bits)
    return (double)x;
  double y = x > 0 ? (x < 1 ? (double)x : 1) : 0;
  return rint(y * 255) / 255;
}

#endif
