/* Pictures in memory, written. */
#include "image/vips-private.h"

#include <math.h>

typedef struct packing {
  const nd_image *image;
  bool deep, alpha;
  void *pixels; /* 8 or 16 bits, interleaved, alpha last */
} packing;

/* Not a number becomes 0. */
static inline float clamped(float x) {
  return x > 0 ? (x < 1 ? x : 1) : 0;
}

void nd_floats_to_samples(const float *from, size_t n, bool deep, void *to) {
  if (deep)
    for (size_t i = 0; i < n; i++)
      ((uint16_t *)to)[i] = (uint16_t)lrintf(clamped(from[i]) * 65535);
  else
    for (size_t i = 0; i < n; i++)
      ((uint8_t *)to)[i] = (uint8_t)lrintf(clamped(from[i]) * 255);
}

static const float *join_alpha(const nd_image *image, size_t at, float *row) {
  size_t c = (size_t)image->channels;
  for (size_t i = 0; i < (size_t)image->width; i++) {
    for (size_t k = 0; k < c; k++)
      row[i * (c + 1) + k] = image->data[(at + i) * c + k];
    row[i * (c + 1) + c] = image->alpha[at + i];
  }
  return row;
}

static void pack_rows(size_t begin, size_t end, int thread, void *context) {
  (void)thread;
  const packing *w = context;
  const nd_image *image = w->image;
  size_t bands = (size_t)image->channels + w->alpha, n = (size_t)image->width * bands;
  g_autofree float *scratch = g_new(float, n);
  for (size_t y = begin; y < end; y++) {
    size_t at = y * (size_t)image->width;
    const float *row = w->alpha ? join_alpha(image, at, scratch) : image->data + at * bands;
    nd_floats_to_samples(row, n, w->deep, (char *)w->pixels + y * n * (w->deep ? 2 : 1));
  }
}

/* The pixels as `format` will have them; *pixels is the caller's, nd_mem_free. */
static int pack(const nd_image *image, const nd_format *format, const nd_save_options *options,
                nd_written_pixels *out, void **pixels) {
  packing p = {.image = image,
               .deep = nd_format_deep(format, options, image->bits),
               .alpha = format->alpha && image->alpha};
  int bands = image->channels + p.alpha;
  *pixels = p.pixels = nd_mem_alloc(
      (size_t)image->width * (size_t)image->height * (size_t)bands * (p.deep ? 2 : 1), "the picture");
  if (!p.pixels)
    return -1;
  nd_parallel((size_t)image->height, 64, pack_rows, &p);
  *out = (nd_written_pixels){.width = image->width,
                             .height = image->height,
                             .bands = bands,
                             .deep = p.deep,
                             .memory = p.pixels,
                             .meta = image->meta};
  return 0;
}

int nd_save_quality(const nd_save_options *o) {
  return o ? o->quality : 0;
}

int nd_image_encode(const nd_image *image, const char *name, const nd_save_options *options, void **bytes,
                    size_t *size) {
  void *packed;
  nd_written_pixels p;
  *bytes = NULL;
  *size = 0;
  const nd_format *format = nd_format_for(name, image->width, image->height, options);
  if (!format)
    return -1;
  if (pack(image, format, options, &p, &packed))
    return nd_fail_in("cannot write '%s'", name);
  int failed = nd_pixels_encode(name, &p, format, nd_save_quality(options), bytes, size);
  nd_mem_free(packed);
  return failed;
}

int nd_image_save(const char *path, const nd_image *image, const nd_save_options *options) {
  void *packed;
  nd_written_pixels p;
  const nd_format *format = nd_format_for(path, image->width, image->height, options);
  if (!format)
    return -1;
  if (pack(image, format, options, &p, &packed))
    return nd_fail_in("cannot write '%s'", path);
  int failed = nd_pixels_save(path, &p, format, nd_save_quality(options));
  nd_mem_free(packed);
  return failed;
}
