/* Writing pictures through libvips: whole or not at all. */
#include "image/vips-private.h"

#include <math.h>
#include <string.h>

typedef struct writing {
  const nd_image *image;
  const nd_format *format;
  const char *name;
  int quality;
  bool deep, alpha;
  void *pixels; /* 8 or 16 bits, interleaved, alpha last */
  void *bytes;
  size_t size;
} writing;

/* Not a number becomes 0. */
static inline float clamped(float x) {
  return x > 0 ? (x < 1 ? x : 1) : 0;
}

static void to_bytes(const float *from, size_t n, uint8_t *to) {
  for (size_t i = 0; i < n; i++)
    to[i] = (uint8_t)lrintf(clamped(from[i]) * 255);
}

static void to_words(const float *from, size_t n, uint16_t *to) {
  for (size_t i = 0; i < n; i++)
    to[i] = (uint16_t)lrintf(clamped(from[i]) * 65535);
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
  const writing *w = context;
  const nd_image *image = w->image;
  size_t bands = (size_t)image->channels + w->alpha, n = (size_t)image->width * bands;
  g_autofree float *scratch = g_new(float, n);
  for (size_t y = begin; y < end; y++) {
    size_t at = y * (size_t)image->width;
    const float *row = w->alpha ? join_alpha(image, at, scratch) : image->data + at * bands;
    if (w->deep)
      to_words(row, n, (uint16_t *)w->pixels + y * n);
    else
      to_bytes(row, n, (uint8_t *)w->pixels + y * n);
  }
}

static size_t packed_size(const writing *w) {
  return (size_t)w->image->width * (size_t)w->image->height * ((size_t)w->image->channels + w->alpha) *
         (w->deep ? 2 : 1);
}

static VipsInterpretation interpretation(const writing *w) {
  if (w->image->channels == 1)
    return w->deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W;
  return w->deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
}

static int encode_once(void *context, bool alone) {
  (void)alone;
  writing *w = context;
  const nd_image *image = w->image;
  VipsImage *whole = NULL;
  VipsImage *bare = vips_image_new_from_memory(w->pixels, packed_size(w), image->width, image->height,
                                               image->channels + w->alpha,
                                               w->deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
  int failed = !bare || nd_meta_apply(image->meta, bare, interpretation(w), &whole) ||
               w->format->encode(whole, w->quality, &w->bytes, &w->size);
  g_clear_object(&whole);
  g_clear_object(&bare);
  g_free(nd_vips_take_warning());
  return failed ? nd_vips_fail("write", w->name) : 0;
}

static int check_options(const writing *w, const nd_save_options *o) {
  if (o->quality < 0 || o->quality > 100)
    return nd_fail("cannot write '%s': a quality of %d was asked for; it is 1 to 100", w->name, o->quality);
  if (o->bits != 0 && o->bits != 8 && o->bits != 16)
    return nd_fail("cannot write '%s': %d bits were asked for; 8 and 16 are written", w->name, o->bits);
  if (o->bits == 16 && !w->format->deep)
    return nd_fail("cannot write '%s': 16 bits were asked for, %s holds 8; .png and .tif hold 16", w->name,
                   w->format->name);
  return 0;
}

static int check_sides(const writing *w) {
  int width = w->image->width, height = w->image->height, most = w->format->longest_side;
  if (most && MAX(width, height) > most)
    return nd_fail(
        "cannot write '%s': it is %d x %d, %s holds at most %d pixels a side; .png and .tif hold more",
        w->name, width, height, w->format->name, most);
  return 0;
}

static int encode(const nd_image *image, const nd_format *format, const char *name,
                  const nd_save_options *options, void **bytes, size_t *size) {
  nd_save_options o = options ? *options : (nd_save_options){0};
  writing w = {.image = image, .format = format, .name = name, .quality = o.quality ? o.quality : 95};
  w.deep = format->deep && (o.bits ? o.bits : image->bits) == 16;
  w.alpha = format->alpha && image->alpha;
  if (check_options(&w, &o) || check_sides(&w))
    return -1;
  w.pixels = nd_mem_alloc(packed_size(&w), "the picture");
  if (!w.pixels)
    return nd_fail_in("cannot write '%s'", name);
  nd_parallel((size_t)image->height, 64, pack_rows, &w);
  int failed = nd_vips_run(encode_once, &w);
  nd_mem_free(w.pixels);
  *bytes = w.bytes;
  *size = w.size;
  return failed;
}

int nd_image_encode(const nd_image *image, const char *format, const nd_save_options *options, void **bytes,
                    size_t *size) {
  const nd_format *known = nd_format_named(format);
  *bytes = NULL;
  *size = 0;
  if (!known)
    return nd_fail("'%s' is none of the formats that are written, " ND_FORMATS, format);
  return encode(image, known, format, options, bytes, size);
}

int nd_image_save(const char *path, const nd_image *image, const nd_save_options *options) {
  const nd_format *format = nd_format_named(path);
  void *bytes = NULL;
  size_t size = 0;
  if (!format)
    return nd_fail("cannot write '%s': its name ends in none of .png .jpg .jpeg .tif .tiff .webp", path);
  if (encode(image, format, path, options, &bytes, &size))
    return -1;
  int failed = nd_file_write_atomic(path, bytes, size);
  g_free(bytes);
  return failed;
}
