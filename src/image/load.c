/* Pictures read into floats. */
#include "image/vips-private.h"

#include <string.h>

void nd_samples_to_floats(const void *from, size_t n, bool deep, float *to) {
  if (deep)
    for (size_t i = 0; i < n; i++)
      to[i] = (float)((const uint16_t *)from)[i] / 65535.0f;
  else
    for (size_t i = 0; i < n; i++)
      to[i] = (float)((const uint8_t *)from)[i] / 255.0f;
}

/* Colours and alpha of a row go their ways. */
static void split(const float *row, size_t n, size_t channels, float *data, float *alpha) {
  for (size_t i = 0; i < n; i++, row += channels + 1) {
    for (size_t c = 0; c < channels; c++)
      data[i * channels + c] = row[c];
    alpha[i] = row[channels];
  }
}

static int put_part(void *to, int y, int x, int count, const void *pixels) {
  nd_image *out = to;
  size_t n = (size_t)count, c = (size_t)out->channels, at = (size_t)y * (size_t)out->width + (size_t)x;
  bool deep = out->bits == 16;
  if (!out->alpha) {
    nd_samples_to_floats(pixels, n * c, deep, out->data + at * c);
    return 0;
  }
  g_autofree float *row = g_new(float, n *(c + 1));
  nd_samples_to_floats(pixels, n * (c + 1), deep, row);
  split(row, n, c, out->data + at * c, out->alpha + at);
  return 0;
}

static int make_room(void *to, VipsImage *image, int width, int height) {
  nd_image *out = to;
  int bands = vips_image_get_bands(image);
  if (nd_image_new(width, height, bands < 3 ? 1 : 3, out))
    return -1;
  out->bits = vips_image_get_format(image) == VIPS_FORMAT_USHORT ? 16 : 8;
  if (bands % 2)
    return 0;
  out->alpha = nd_mem_alloc((size_t)width * (size_t)height * sizeof *out->alpha, "its transparency");
  return out->alpha ? 0 : -1;
}

static void take_meta(void *to, void *meta) {
  ((nd_image *)to)->meta = meta;
}

static void drop(void *to) {
  nd_image_free(to);
}

static const nd_pixel_sink floats = {make_room, put_part, take_meta, drop};

int nd_image_load(const char *path, nd_image *out) {
  *out = (nd_image){0};
  return nd_pixels_read(path, NULL, 0, &floats, out);
}

int nd_image_decode(const void *bytes, size_t size, const char *name, nd_image *out) {
  *out = (nd_image){0};
  return nd_pixels_read(name, bytes ? bytes : "", size, &floats, out);
}
