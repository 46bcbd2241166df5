/* What cameras do to a developed picture so that it looks better: noise reduction that keeps edges, and
 * sharpening. Both spread noise over neighbours, and sharpening makes what is left of it stronger: the noise
 * of finished photos is correlated. */
#include "data/camera-private.h"

#include <math.h>
#include <string.h>

static int within(int i, int n) {
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static const float *pixel(const float *rgb, int y, int x, int height, int width) {
  return rgb + ((size_t)within(y, height) * (size_t)width + (size_t)within(x, width)) * 3;
}

/* A bilateral filter of 5 x 5 (Tomasi and Manduchi, ICCV 1998). */
static void smooth_pixel(const float *in, int y, int x, int height, int width, float range, float strength,
                         float *out) {
  const float *middle = pixel(in, y, x, height, width);
  float sum[3] = {0}, total = 0;
  for (int k = 0; k < 25; k++) {
    int dy = k / 5 - 2, dx = k % 5 - 2;
    const float *p = pixel(in, y + dy, x + dx, height, width);
    float d = 0;
    for (int c = 0; c < 3; c++)
      d += (p[c] - middle[c]) * (p[c] - middle[c]);
    float weight = expf(-d / (6 * range * range) - (float)(dx * dx + dy * dy) / 4.5f);
    total += weight;
    for (int c = 0; c < 3; c++)
      sum[c] += weight * p[c];
  }
  for (int c = 0; c < 3; c++)
    out[c] = middle[c] + strength * (sum[c] / total - middle[c]);
}

/* The picture plus `amount` times what a 3 x 3 binomial filter takes away. */
static void sharpen_pixel(const float *in, int y, int x, int height, int width, float amount, float *out) {
  static const float weight[3] = {0.25f, 0.5f, 0.25f};
  const float *middle = pixel(in, y, x, height, width);
  float low[3] = {0};
  for (int k = 0; k < 9; k++) {
    const float *p = pixel(in, y + k / 3 - 1, x + k % 3 - 1, height, width);
    for (int c = 0; c < 3; c++)
      low[c] += weight[k / 3] * weight[k % 3] * p[c];
  }
  for (int c = 0; c < 3; c++) {
    float v = middle[c] + amount * (middle[c] - low[c]);
    out[c] = v < 0 ? 0 : v > 1 ? 1 : v;
  }
}

int nd_camera_retouch(float *rgb, int height, int width, double range, double denoise, double sharpen) {
  if (denoise <= 0 && sharpen <= 0)
    return 0;
  size_t bytes = (size_t)height * (size_t)width * 3 * sizeof *rgb;
  float *in = nd_mem_alloc(bytes, "camera's noise reduction");
  if (!in)
    return -1;
  for (int pass = 0; pass < 2; pass++) {
    if ((pass ? sharpen : denoise) <= 0)
      continue;
    memcpy(in, rgb, bytes);
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++) {
        float *out = rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
        if (pass)
          sharpen_pixel(in, y, x, height, width, (float)sharpen, out);
        else
          smooth_pixel(in, y, x, height, width, (float)range, (float)denoise, out);
      }
  }
  nd_mem_free(in);
  return 0;
}
