/* Writing pictures through libvips: whole or not at all. */
#include "image/meta-private.h"

#include <math.h>
#include <string.h>

static const char *format_of(const char *path) {
  static const struct {
    const char *ending, *format;
  } known[] = {{".png", ".png"}, {".jpg", ".jpg"},  {".jpeg", ".jpg"},
               {".tif", ".tif"}, {".tiff", ".tif"}, {".webp", ".webp"}};
  g_autofree char *low = g_ascii_strdown(path, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
    if (g_str_has_suffix(low, known[i].ending))
      return known[i].format;
  return NULL;
}

static bool deep_format(const char *format) {
  return !strcmp(format, ".png") || !strcmp(format, ".tif");
}

static void put_sample(void *pixels, size_t i, bool deep, float x) {
  float top = deep ? 65535 : 255, y = x > 0 ? (x < 1 ? x : 1) : 0;
  if (deep)
    ((uint16_t *)pixels)[i] = (uint16_t)lrintf(y * top);
  else
    ((uint8_t *)pixels)[i] = (uint8_t)lrintf(y * top);
}

/* The pixels as 8 or 16 bits, alpha last. */
static void *pack(const nd_image *image, bool alpha, bool deep) {
  size_t n = (size_t)image->width * (size_t)image->height, c = (size_t)image->channels, bands = c + alpha;
  void *pixels = nd_mem_alloc(n * bands * (deep ? 2 : 1), "picture");
  for (size_t i = 0; i < n && pixels; i++) {
    for (size_t k = 0; k < c; k++)
      put_sample(pixels, i * bands + k, deep, image->data[i * c + k]);
    if (alpha)
      put_sample(pixels, i * bands + c, deep, image->alpha[i]);
  }
  return pixels;
}

/* Resolution and all fields but those that describe the pixels themselves. */
static void *copy_field(VipsImage *from, const char *field, GValue *value, void *to) {
  (void)from;
  static const char *const own[] = {
      "width",   "height", "bands", "format",   "coding",          "interpretation",    "xoffset",
      "yoffset", "xres",   "yres",  "filename", "bits-per-sample", "palette-bit-depth", "vips-loader",
      "history", "palette"};
  for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
    if (!strcmp(field, own[i]))
      return NULL;
  vips_image_set(to, field, value);
  return NULL;
}

static VipsImage *with_meta(VipsImage *bare, const nd_image *image, bool deep) {
  VipsImage *copy = NULL, *meta = image->meta;
  VipsInterpretation grey = deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W;
  VipsInterpretation colour = deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
  double x = meta ? vips_image_get_xres(meta) : 1, y = meta ? vips_image_get_yres(meta) : 1;
  if (vips_copy(bare, &copy, "interpretation", image->channels == 1 ? grey : colour, "xres", x, "yres", y,
                NULL))
    return NULL;
  if (meta)
    vips_image_map(meta, copy_field, copy);
  return copy;
}

static int encode(VipsImage *image, const char *format, int quality, void **bytes, size_t *size) {
  if (!strcmp(format, ".jpg"))
    return vips_jpegsave_buffer(image, bytes, size, "Q", quality, "subsample_mode",
                                VIPS_FOREIGN_SUBSAMPLE_AUTO, NULL);
  if (!strcmp(format, ".webp"))
    return vips_webpsave_buffer(image, bytes, size, "Q", quality, NULL);
  if (!strcmp(format, ".tif"))
    return vips_tiffsave_buffer(image, bytes, size, "compression", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE,
                                NULL);
  return vips_pngsave_buffer(image, bytes, size, NULL);
}

static int encode_as(const nd_image *image, const char *format, const char *name,
                     const nd_save_options *options, void **bytes, size_t *size) {
  int wanted = options && options->bits ? options->bits : image->bits;
  bool deep = wanted == 16 && deep_format(format), alpha = image->alpha && strcmp(format, ".jpg");
  void *pixels = pack(image, alpha, deep);
  if (!pixels)
    return -1;
  size_t count = (size_t)image->width * (size_t)image->height * (size_t)(image->channels + alpha);
  VipsImage *bare =
      vips_image_new_from_memory(pixels, count * (deep ? 2 : 1), image->width, image->height,
                                 image->channels + alpha, deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
  VipsImage *whole = bare ? with_meta(bare, image, deep) : NULL;
  int quality = options && options->quality ? options->quality : 95;
  int failed =
      !whole || encode(whole, format, quality, bytes, size) ? nd_vips_fail("write the picture", name) : 0;
  g_clear_object(&whole);
  g_clear_object(&bare);
  nd_mem_free(pixels);
  return failed;
}

int nd_image_encode(const nd_image *image, const char *format, const nd_save_options *options, void **bytes,
                    size_t *size) {
  const char *known = format_of(format);
  *bytes = NULL;
  if (!known)
    return nd_fail("'%s' is no picture format; .png, .jpg, .tif and .webp are", format);
  return encode_as(image, known, format, options, bytes, size);
}

int nd_image_save(const char *path, const nd_image *image, const nd_save_options *options) {
  const char *format = format_of(path);
  if (!format)
    return nd_fail("cannot write '%s': its name does not end in .png, .jpg, .tif or .webp", path);
  void *bytes = NULL;
  size_t size;
  if (encode_as(image, format, path, options, &bytes, &size))
    return -1;
  int failed = nd_file_write_atomic(path, bytes, size);
  g_free(bytes);
  return failed;
}
