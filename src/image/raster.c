/* Rasters: the samples of a picture, in a spool. */
#include "image/vips-private.h"

#include <string.h>

struct nd_raster {
  nd_raster_shape shape;
  size_t limit, row_bytes;
  nd_spool *samples;
  void *meta;
};

static int make_room(nd_raster *r) {
  size_t bands = (size_t)r->shape.channels + r->shape.alpha;
  r->row_bytes = (size_t)r->shape.width * bands * (size_t)(r->shape.bits / 8);
  r->samples = nd_spool_new(r->row_bytes * (size_t)r->shape.height, r->limit);
  return r->samples ? 0 : -1;
}

static nd_raster *raster_new(size_t limit) {
  nd_raster *r = g_new0(nd_raster, 1);
  r->limit = limit;
  return r;
}

static void empty(nd_raster *r) {
  nd_spool_free(r->samples);
  nd_meta_free(r->meta);
  *r = (nd_raster){.limit = r->limit};
}

void nd_raster_free(nd_raster *r) {
  if (!r)
    return;
  empty(r);
  g_free(r);
}

const nd_raster_shape *nd_raster_shape_of(const nd_raster *r) {
  return &r->shape;
}

/* ---- From and to files ---- */
static int begin(void *to, VipsImage *image, int width, int height) {
  nd_raster *r = to;
  int bands = vips_image_get_bands(image);
  r->shape = (nd_raster_shape){.width = width,
                               .height = height,
                               .channels = bands < 3 ? 1 : 3,
                               .alpha = bands % 2 == 0,
                               .bits = vips_image_get_format(image) == VIPS_FORMAT_USHORT ? 16 : 8,
                               .ending = nd_format_read(image)->endings[0]};
  return make_room(r);
}

static int put_part(void *to, int y, int x, int n, const void *pixels) {
  nd_raster *r = to;
  size_t pixel = r->row_bytes / (size_t)r->shape.width;
  return nd_spool_write(r->samples, (size_t)y * r->row_bytes + (size_t)x * pixel, pixels, (size_t)n * pixel);
}

static void take_meta(void *to, void *meta) {
  ((nd_raster *)to)->meta = meta;
}

static void drop(void *to) {
  empty(to);
}

int nd_raster_load(const char *path, const void *bytes, size_t size, size_t limit, nd_raster **out) {
  static const nd_pixel_sink sink = {begin, put_part, take_meta, drop};
  nd_raster *r = *out = raster_new(limit);
  if (!nd_pixels_read(path, bytes, size, &sink, r))
    return 0;
  g_free(r);
  *out = NULL;
  return -1;
}

int nd_raster_new_for(const nd_raster *like, const char *path, const nd_save_options *options,
                      nd_raster **out) {
  nd_raster_shape shape = like->shape;
  *out = NULL;
  const nd_format *format = nd_format_for(path, shape.width, shape.height, options);
  if (!format)
    return -1;
  nd_raster *r = raster_new(like->limit);
  r->shape = shape;
  r->shape.bits = nd_format_deep(format, options, shape.bits) ? 16 : 8;
  r->shape.alpha = shape.alpha && format->alpha;
  r->meta = like->meta ? g_object_ref(like->meta) : NULL;
  if (make_room(r)) {
    nd_raster_free(r);
    return nd_fail_in("cannot write '%s'", path);
  }
  *out = r;
  return 0;
}

static nd_written_pixels pixels_of(const nd_raster *r) {
  return (nd_written_pixels){.width = r->shape.width,
                             .height = r->shape.height,
                             .bands = r->shape.channels + r->shape.alpha,
                             .deep = r->shape.bits == 16,
                             .memory = nd_spool_memory(r->samples),
                             .descriptor = nd_spool_descriptor(r->samples),
                             .meta = r->meta};
}

int nd_raster_save(const char *path, const nd_raster *r, const nd_save_options *options) {
  nd_written_pixels p = pixels_of(r);
  const nd_format *format = nd_format_for(path, p.width, p.height, options);
  return format ? nd_pixels_save(path, &p, format, nd_save_quality(options)) : -1;
}

int nd_raster_encode(const nd_raster *r, const char *name, const nd_save_options *options, void **bytes,
                     size_t *size) {
  nd_written_pixels p = pixels_of(r);
  const nd_format *format = nd_format_for(name, p.width, p.height, options);
  return format ? nd_pixels_encode(name, &p, format, nd_save_quality(options), bytes, size) : -1;
}

/* ---- Parts of rows ---- */
enum { PIECE = 1024 }; /* pixels */

typedef union samples {
  uint8_t low[PIECE * 4];
  uint16_t high[PIECE * 4];
} samples;

static int get_piece(const nd_raster *r, int y, int x, int n, float *values) {
  samples s;
  size_t bands = (size_t)r->shape.channels + r->shape.alpha, depth = (size_t)r->shape.bits / 8;
  if (nd_spool_read(r->samples, (size_t)y * r->row_bytes + (size_t)x * bands * depth, &s,
                    (size_t)n * bands * depth))
    return -1;
  nd_samples_to_floats(&s, (size_t)n * bands, depth == 2, values);
  return 0;
}

int nd_raster_get(const nd_raster *r, int y, int x, int n, float *rgb, float *alpha) {
  float values[PIECE * 4];
  int bands = r->shape.channels + r->shape.alpha, last = r->shape.channels - 1;
  for (int done = 0, k; done < n; done += k) {
    k = MIN(PIECE, n - done);
    if (get_piece(r, y, x + done, k, values))
      return -1;
    for (int i = 0; i < k; i++) {
      for (int c = 0; c < 3; c++)
        rgb[3 * (done + i) + c] = values[i * bands + MIN(c, last)];
      if (alpha)
        alpha[done + i] = r->shape.alpha ? values[i * bands + last + 1] : 1;
    }
  }
  return 0;
}

/* Of n pixels of `bands` samples, the colours. */
static void take_colours(const void *from, size_t n, size_t bands, size_t depth, void *rgb) {
  size_t last = bands < 3 ? 0 : 2;
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < 3; c++) {
      size_t at = i * bands + MIN(c, last);
      if (depth == 1)
        ((uint8_t *)rgb)[3 * i + c] = ((const uint8_t *)from)[at];
      else
        ((uint16_t *)rgb)[3 * i + c] = ((const uint16_t *)from)[at];
    }
}

int nd_raster_get_samples(const nd_raster *r, int y, void *rgb) {
  size_t bands = (size_t)r->shape.channels + r->shape.alpha, at = (size_t)y * r->row_bytes;
  if (bands == 3)
    return nd_spool_read(r->samples, at, rgb, r->row_bytes);
  g_autofree char *row = g_malloc(r->row_bytes);
  if (nd_spool_read(r->samples, at, row, r->row_bytes))
    return -1;
  take_colours(row, (size_t)r->shape.width, bands, (size_t)r->shape.bits / 8, rgb);
  return 0;
}

static int put_piece(nd_raster *r, int y, int x, int n, const float *values) {
  samples s;
  size_t bands = (size_t)r->shape.channels + r->shape.alpha, depth = (size_t)r->shape.bits / 8;
  nd_floats_to_samples(values, (size_t)n * bands, depth == 2, &s);
  return nd_spool_write(r->samples, (size_t)y * r->row_bytes + (size_t)x * bands * depth, &s,
                        (size_t)n * bands * depth);
}

int nd_raster_put(nd_raster *r, int y, int x, int n, const float *rgb, const float *alpha) {
  float values[PIECE * 4];
  int bands = r->shape.channels + r->shape.alpha;
  for (int done = 0, k; done < n; done += k) {
    k = MIN(PIECE, n - done);
    for (int i = 0; i < k; i++) {
      const float *from = rgb + 3 * (done + i);
      float *to = values + i * bands;
      if (r->shape.channels == 1)
        to[0] = (from[0] + from[1] + from[2]) / 3;
      else
        memcpy(to, from, 3 * sizeof *to);
      if (r->shape.alpha)
        to[bands - 1] = alpha[done + i];
    }
    if (put_piece(r, y, x + done, k, values))
      return -1;
  }
  return 0;
}

int nd_raster_of(const nd_image *image, nd_raster **out) {
  nd_raster *r = *out = raster_new(SIZE_MAX);
  r->shape = (nd_raster_shape){.width = image->width,
                               .height = image->height,
                               .channels = image->channels,
                               .bits = image->bits,
                               .ending = ".png"};
  int failed = make_room(r);
  size_t row = (size_t)image->width * (size_t)image->channels;
  g_autofree char *values = g_malloc(MAX(r->row_bytes, 1));
  for (int y = 0; y < image->height && !failed; y++) {
    nd_floats_to_samples(image->data + (size_t)y * row, row, image->bits == 16, values);
    failed = nd_spool_write(r->samples, (size_t)y * r->row_bytes, values, r->row_bytes);
  }
  if (!failed)
    return 0;
  nd_raster_free(r);
  *out = NULL;
  return -1;
}
