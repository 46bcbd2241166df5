/* Reading pictures through libvips into floats. */
#include "image/meta-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

bool nd_image_named(const char *path) {
  static const char *const endings[] = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"};
  g_autofree char *low = g_ascii_strdown(path, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
    if (g_str_has_suffix(low, endings[i]))
      return true;
  return false;
}

static int check_file(const char *path) {
  GStatBuf s;
  if (g_stat(path, &s))
    return nd_fail("cannot read '%s': %s", path, g_strerror(errno));
  if (S_ISDIR(s.st_mode))
    return nd_fail("cannot read '%s': it is a folder, not a picture", path);
  if (s.st_size == 0)
    return nd_fail("cannot read '%s': the file is empty", path);
  return 0;
}

static VipsImage *open_file(const char *path) {
  if (check_file(path))
    return NULL;
  VipsImage *image =
      vips_image_new_from_file(path, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
  if (!image)
    nd_vips_fail("read the picture", path);
  return image;
}

/* One more step of a pipeline: replaces *image, frees the old one. */
static int take(VipsImage **image, int failed, VipsImage **next) {
  if (failed)
    return -1;
  g_object_unref(*image);
  *image = *next;
  return 0;
}

static bool is_grey(const VipsImage *image) {
  return vips_image_get_interpretation(image) == VIPS_INTERPRETATION_B_W ||
         vips_image_get_interpretation(image) == VIPS_INTERPRETATION_GREY16 ||
         vips_image_get_bands(image) < 3;
}

/* Upright, grey or RGB of 8 or 16 bits (alpha as the last band). */
static int normalise(VipsImage **image) {
  VipsImage *next = NULL;
  if (take(image, vips_autorot(*image, &next, NULL), &next))
    return -1;
  bool deep = vips_image_get_format(*image) != VIPS_FORMAT_UCHAR;
  VipsInterpretation to = is_grey(*image) ? (deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
                                          : (deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
  if (vips_image_get_interpretation(*image) != to &&
      take(image, vips_colourspace(*image, &next, to, NULL), &next))
    return -1;
  VipsBandFormat format = deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR;
  return vips_image_get_format(*image) == format ? 0
                                                 : take(image, vips_cast(*image, &next, format, NULL), &next);
}

static float sample_at(const void *pixels, size_t i, bool deep) {
  return deep ? ((const uint16_t *)pixels)[i] / 65535.0f : ((const uint8_t *)pixels)[i] / 255.0f;
}

static int fill(nd_image *out, const void *pixels, int bands, bool deep) {
  int channels = bands >= 3 ? 3 : 1;
  bool alpha = bands == 2 || bands == 4;
  if (nd_image_new(out->width, out->height, channels, out))
    return -1;
  out->bits = deep ? 16 : 8;
  size_t n = (size_t)out->width * (size_t)out->height;
  if (alpha && !(out->alpha = nd_mem_alloc(n * sizeof *out->alpha, "picture")))
    return -1;
  for (size_t i = 0; i < n; i++) {
    for (int c = 0; c < channels; c++)
      out->data[i * (size_t)channels + (size_t)c] = sample_at(pixels, i * (size_t)bands + (size_t)c, deep);
    if (alpha)
      out->alpha[i] = sample_at(pixels, i * (size_t)bands + (size_t)channels, deep);
  }
  return 0;
}

VipsImage *nd_meta_of(VipsImage *image) {
  VipsImage *pixel = NULL;
  if (vips_crop(image, &pixel, 0, 0, 1, 1, NULL))
    return NULL;
  VipsImage *kept = vips_image_copy_memory(pixel);
  g_object_unref(pixel);
  return kept;
}

static int read_pixels(VipsImage *image, const char *path, nd_image *out) {
  int bands = vips_image_get_bands(image);
  if (bands < 1 || bands > 4)
    return nd_fail("cannot read '%s': it has %d channels; grey, RGB and alpha are read", path, bands);
  VipsImage *memory = vips_image_copy_memory(image);
  if (!memory)
    return nd_vips_fail("read the picture", path);
  *out = (nd_image){.width = vips_image_get_width(memory), .height = vips_image_get_height(memory)};
  int failed =
      fill(out, vips_image_get_data(memory), bands, vips_image_get_format(memory) == VIPS_FORMAT_USHORT);
  if (!failed && !(out->meta = nd_meta_of(memory)))
    failed = nd_vips_fail("read the picture", path);
  g_object_unref(memory);
  if (failed)
    nd_image_free(out);
  return failed;
}

static int finish(VipsImage *image, const char *path, nd_image *out) {
  *out = (nd_image){0};
  if (!image)
    return -1;
  int failed = normalise(&image) ? nd_vips_fail("read the picture", path) : read_pixels(image, path, out);
  g_object_unref(image);
  return failed;
}

int nd_image_load(const char *path, nd_image *out) {
  *out = (nd_image){0};
  VipsImage *image = open_file(path);
  return finish(image, path, out);
}

int nd_image_decode(const void *bytes, size_t size, const char *name, nd_image *out) {
  *out = (nd_image){0};
  VipsImage *image = vips_image_new_from_buffer(bytes, size, "", "fail_on", VIPS_FAIL_ON_ERROR, NULL);
  return image ? finish(image, name, out) : nd_vips_fail("read the picture", name);
}

int nd_image_load_rgb(const char *path, nd_image *out) {
  if (nd_image_load(path, out))
    return -1;
  nd_mem_free(out->alpha);
  out->alpha = NULL;
  g_clear_object(&out->meta);
  if (out->channels == 3)
    return 0;
  nd_image rgb;
  int failed = nd_image_new(out->width, out->height, 3, &rgb);
  size_t n = (size_t)out->width * (size_t)out->height;
  for (size_t i = 0; i < n && !failed; i++)
    rgb.data[3 * i] = rgb.data[3 * i + 1] = rgb.data[3 * i + 2] = out->data[i];
  rgb.bits = out->bits;
  nd_image_free(out);
  *out = rgb;
  return failed;
}

int nd_image_size(const char *path, int *width, int *height) {
  VipsImage *image = open_file(path);
  if (!image)
    return -1;
  bool lying = vips_image_get_orientation_swap(image);
  *width = lying ? vips_image_get_height(image) : vips_image_get_width(image);
  *height = lying ? vips_image_get_width(image) : vips_image_get_height(image);
  g_object_unref(image);
  return 0;
}

int nd_image_new(int width, int height, int channels, nd_image *out) {
  *out = (nd_image){.width = width, .height = height, .channels = channels, .bits = 8};
  if (width < 1 || height < 1 || (channels != 1 && channels != 3))
    return nd_fail("a picture of %d x %d with %d channels cannot be made", width, height, channels);
  out->data = nd_mem_alloc((size_t)width * (size_t)height * (size_t)channels * sizeof *out->data, "picture");
  return out->data ? 0 : -1;
}

void nd_image_free(nd_image *image) {
  nd_mem_free(image->data);
  nd_mem_free(image->alpha);
  if (image->meta)
    g_object_unref(image->meta);
  *image = (nd_image){0};
}
