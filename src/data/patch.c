/* Cutting patches: place, orientation, reflection at the borders. */
#include "data/loader-private.h"
#include "data/reflect.h"

#include <glib.h>

enum { MIRROR_COLUMNS = 1, MIRROR_ROWS = 2, TRANSPOSE = 4 };

static int draw_start(int length, int size, nd_rng *rng) {
  if (length <= size)
    return -((size - length) / 2);
  return (int)nd_rng_below(rng, (uint32_t)(length - size + 1));
}

nd_patch nd_patch_draw(int width, int height, int size, int transforms, nd_rng *rng) {
  nd_patch patch = {.size = size};
  patch.x = draw_start(width, size, rng);
  patch.y = draw_start(height, size, rng);
  patch.transform = transforms > 1 ? (int)nd_rng_below(rng, (uint32_t)transforms) : 0;
  return patch;
}

/* Where in the picture each row or column of the patch comes from, in values from the start. */
static void sources(int start, int size, bool mirror, int length, size_t stride, size_t *out) {
  for (int i = 0; i < size; i++)
    out[i] = (size_t)nd_reflect(start + (mirror ? size - 1 - i : i), length) * stride;
}

static void cut_8(const uint8_t *pixels, const size_t *outer, const size_t *inner, int size, int step,
                  float *out) {
  for (int i = 0; i < size; i++)
    for (int j = 0; j < size; j++, out += step)
      for (int c = 0; c < 3; c++)
        out[c] = (float)pixels[outer[i] + inner[j] + (size_t)c] / 255;
}

static void cut_16(const uint16_t *pixels, const size_t *outer, const size_t *inner, int size, int step,
                   float *out) {
  for (int i = 0; i < size; i++)
    for (int j = 0; j < size; j++, out += step)
      for (int c = 0; c < 3; c++)
        out[c] = (float)pixels[outer[i] + inner[j] + (size_t)c] / 65535;
}

/* step: from pixel to pixel of out. */
static void cut(const nd_cached *picture, nd_patch patch, int step, float *out) {
  int size = patch.size;
  size_t row = (size_t)picture->width * 3;
  g_autofree size_t *rows = g_new(size_t, size), *columns = g_new(size_t, size);
  sources(patch.y, size, patch.transform & MIRROR_ROWS, picture->height, row, rows);
  sources(patch.x, size, patch.transform & MIRROR_COLUMNS, picture->width, 3, columns);
  bool transpose = patch.transform & TRANSPOSE;
  const size_t *outer = transpose ? columns : rows, *inner = transpose ? rows : columns;
  if (picture->bits == 8)
    cut_8(picture->pixels, outer, inner, size, step, out);
  else
    cut_16(picture->pixels, outer, inner, size, step, out);
}

void nd_patch_cut(const nd_cached *picture, nd_patch patch, float *out) {
  cut(picture, patch, 3, out);
}

/* Light through the left half of the lens makes the left view: blur lies to one side in front of the focus
 * and to the other behind it, and in the mirror the halves have changed places. So mirrored columns swap the
 * views; mirrored rows do not, and a transposed picture is none that a sensor split into left and right could
 * see. (The published training code turns and mirrors all arrays alike, which teaches that sides tell
 * nothing.) */
void nd_patch_cut_views(const nd_cached *left, const nd_cached *right, nd_patch patch, float *out) {
  bool swap = patch.transform & MIRROR_COLUMNS;
  cut(swap ? right : left, patch, 6, out);
  cut(swap ? left : right, patch, 6, out + 3);
}
