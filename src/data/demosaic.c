/* Malvar, He and Cutler's linear 5x5 demosaicing: bilinear interpolation, corrected by the Laplacian of the
 * colour that was measured at the place. The gains of the correction are the paper's 1/2, 5/8 and 3/4. */
#include "data/camera-private.h"
#include "data/reflect.h"

#include <stddef.h>

enum { BORDER = 2 };

static void pad(const float *raw, int height, int width, float *out) {
  int stride = width + 2 * BORDER;
  for (int y = -BORDER; y < height + BORDER; y++, out += stride) {
    const float *row = raw + (size_t)nd_reflect(y, height) * (size_t)width;
    for (int x = 0; x < width; x++)
      out[x + BORDER] = row[x];
    for (int x = 1; x <= BORDER; x++) {
      out[BORDER - x] = row[nd_reflect(-x, width)];
      out[width + BORDER - 1 + x] = row[nd_reflect(width - 1 + x, width)];
    }
  }
}

/* p points at the place, s is the row stride. */
static inline float cross(const float *p, ptrdiff_t s, int distance) {
  return p[-distance] + p[distance] + p[-s * distance] + p[s * distance];
}

static inline float diagonals(const float *p, ptrdiff_t s) {
  return p[-s - 1] + p[-s + 1] + p[s - 1] + p[s + 1];
}

static inline float green_at_colour(const float *p, ptrdiff_t s) {
  return (4 * p[0] + 2 * cross(p, s, 1) - cross(p, s, 2)) / 8;
}

static inline float colour_at_opposite(const float *p, ptrdiff_t s) {
  return (6 * p[0] + 2 * diagonals(p, s) - 1.5f * cross(p, s, 2)) / 8;
}

/* A colour at a green place; its own samples are `along` steps away, `across` is the other direction. */
static inline float colour_at_green(const float *p, ptrdiff_t s, ptrdiff_t along, ptrdiff_t across) {
  float near = p[-along] + p[along], far = p[-2 * along] + p[2 * along];
  float beside = p[-2 * across] + p[2 * across];
  return (5 * p[0] + 4 * near - far + 0.5f * beside - diagonals(p, s)) / 8;
}

/* `own` is the colour of the row that is not green, `other` that of its neighbours. */
static inline void at_colour(const float *p, ptrdiff_t s, int own, float *rgb) {
  rgb[own] = p[0];
  rgb[1] = green_at_colour(p, s);
  rgb[2 - own] = colour_at_opposite(p, s);
}

static inline void at_green(const float *p, ptrdiff_t s, int own, float *rgb) {
  rgb[own] = colour_at_green(p, s, 1, s);
  rgb[1] = p[0];
  rgb[2 - own] = colour_at_green(p, s, s, 1);
}

static void row(const float *p, ptrdiff_t s, int y, int width, float *rgb) {
  int own = y & 1 ? 2 : 0;
  for (int x = 0; x < width; x++, p++, rgb += 3) {
    if (nd_bayer_channel(y, x) == own)
      at_colour(p, s, own, rgb);
    else
      at_green(p, s, own, rgb);
  }
}

int nd_demosaic(const float *raw, int height, int width, float *rgb) {
  size_t stride = (size_t)width + 2 * BORDER, rows = (size_t)height + 2 * BORDER;
  float *padded = nd_mem_alloc(rows * stride * sizeof *padded, "demosaicing");
  if (!padded)
    return -1;
  pad(raw, height, width, padded);
  for (int y = 0; y < height; y++)
    row(padded + (size_t)(y + BORDER) * stride + BORDER, (ptrdiff_t)stride, y, width,
        rgb + (size_t)y * (size_t)width * 3);
  nd_mem_free(padded);
  return 0;
}
