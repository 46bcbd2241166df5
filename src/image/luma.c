/* RGB to the Y of Y'CbCr, ITU-R BT.601 with head and foot room, as MATLAB's rgb2ycbcr has it. */
#include "image/metrics-private.h"

static float luma(float r, float g, float b) {
  return (float)((16 + 65.481 * (double)r + 128.553 * (double)g + 24.966 * (double)b) / 255);
}

void nd_luma_y(const float *rgb, size_t pixels, bool round_to_8_bits, float *y) {
  for (size_t i = 0; i < pixels; i++, rgb += 3)
    if (round_to_8_bits)
      y[i] = nd_metric_rounded(luma(nd_metric_rounded(rgb[0]) / 255, nd_metric_rounded(rgb[1]) / 255,
                                    nd_metric_rounded(rgb[2]) / 255)) /
             255;
    else
      y[i] = luma(rgb[0], rgb[1], rgb[2]);
}
