/* What is left of fine detail, and of fine noise, in a photo as a camera finishes it: little. The lens, the
 * filter before the sensor and noise reduction blur brightness by a fraction of a pixel, and colour, which
 * the eye resolves less, by more. Noise of finished photos is coarse for it, and its colour comes in
 * blotches. */
#include "data/camera-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { LARGEST = 20 }; /* radius of the filter in pixels */

int nd_camera_soften_reach(double sigma) {
  return MIN((int)ceil(3 * sigma), LARGEST);
}

/* Half of a normalised Gaussian sampled at whole pixels; returns its radius. */
static int gaussian(double sigma, float half[LARGEST + 1]) {
  int radius = nd_camera_soften_reach(sigma);
  double sum = 0;
  for (int i = 0; i <= radius; i++) {
    half[i] = (float)exp(-i * i / (2 * sigma * sigma));
    sum += half[i] * (i ? 2 : 1);
  }
  for (int i = 0; i <= radius; i++)
    half[i] = (float)(half[i] / sum);
  return radius;
}

/* n values, `stride` apart; line: room for n. The ends are repeated. */
static void filter_line(float *x, int n, size_t stride, const float *half, int radius, float *line) {
  for (int i = 0; i < n; i++)
    line[i] = x[(size_t)i * stride];
  for (int i = 0; i < n; i++) {
    float sum = half[0] * line[i];
    for (int k = 1; k <= radius; k++)
      sum += half[k] * (line[MAX(i - k, 0)] + line[MIN(i + k, n - 1)]);
    x[(size_t)i * stride] = sum;
  }
}

static void blur_plane(float *plane, int height, int width, double sigma, float *line) {
  float half[LARGEST + 1];
  if (sigma <= 0)
    return;
  int radius = gaussian(sigma, half);
  for (int y = 0; y < height; y++)
    filter_line(plane + (size_t)y * (size_t)width, width, 1, half, radius, line);
  for (int x = 0; x < width; x++)
    filter_line(plane + x, height, (size_t)width, half, radius, line);
}

/* Brightness and the two colour differences (Rec. 601), a plane each, and back. */
static void separate(const float *rgb, size_t pixels, float *planes) {
  for (size_t i = 0; i < pixels; i++, rgb += 3) {
    float y = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
    planes[i] = y, planes[pixels + i] = rgb[0] - y, planes[2 * pixels + i] = rgb[2] - y;
  }
}

static void join(const float *planes, size_t pixels, float *rgb) {
  for (size_t i = 0; i < pixels; i++, rgb += 3) {
    float y = planes[i], red = planes[pixels + i], blue = planes[2 * pixels + i];
    float v[3] = {y + red, y - (0.299f * red + 0.114f * blue) / 0.587f, y + blue};
    for (int c = 0; c < 3; c++)
      rgb[c] = CLAMP(v[c], 0, 1);
  }
}

int nd_camera_soften(float *rgb, int height, int width, double brightness, double colour) {
  if (brightness <= 0 && colour <= 0)
    return 0;
  size_t pixels = (size_t)height * (size_t)width;
  float *planes =
      nd_mem_alloc((3 * pixels + (size_t)MAX(height, width)) * sizeof *planes, "camera's softness");
  if (!planes)
    return -1;
  separate(rgb, pixels, planes);
  for (int c = 0; c < 3; c++)
    blur_plane(planes + (size_t)c * pixels, height, width, c ? colour : brightness, planes + 3 * pixels);
  join(planes, pixels, rgb);
  nd_mem_free(planes);
  return 0;
}
