/* What PSNR and SSIM share. */
#ifndef ND_METRICS_PRIVATE_H
#define ND_METRICS_PRIVATE_H

#include "image/image.h"

#include <math.h>

/* Values are compared on the scale 0..peak: as they are (1), or as the integers of an 8-bit file (255), which
 * floats hold exactly. What is not a number stays so. */
static inline float nd_metric_peak(nd_metric_options o) {
  return o.round_to_8_bits ? 255 : 1;
}

static inline float nd_metric_rounded(float x) {
  float y = x * 255;
  y = y < 0 ? 0 : y;
  return rintf(y > 255 ? 255 : y);
}

#endif
