/* Two views of a picture, as the two halves of a dual-pixel sensor's pixels have them. */
#include "image/image.h"

#include <string.h>

void nd_views_join(const float *left, const float *right, size_t pixels, float *out) {
  for (size_t i = 0; i < pixels; i++, out += 6) {
    memcpy(out, left + 3 * i, 3 * sizeof *out);
    memcpy(out + 3, right + 3 * i, 3 * sizeof *out);
  }
}

void nd_views_photo(const float *x, size_t pixels, int channels, float *rgb) {
  if (channels == 3) {
    memcpy(rgb, x, 3 * pixels * sizeof *x);
    return;
  }
  for (size_t i = 0; i < pixels; i++, x += 6)
    for (int c = 0; c < 3; c++)
      *rgb++ = (x[c] + x[c + 3]) / 2;
}
