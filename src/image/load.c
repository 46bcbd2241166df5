/* Reading pictures through libvips into floats. */
#include "image/vips-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

enum { STRIP = 64 }; /* rows decoded at a time */

typedef struct reading {
  const char *name, *path; /* path NULL: from bytes */
  const void *bytes;
  size_t size;
  nd_image *out;
  int width, height;
} reading;

static int check_file(const char *path) {
  GStatBuf s;
  if (g_stat(path, &s)) {
    int cause = errno;
    g_autofree char *folder = g_path_get_dirname(path);
    return nd_fail("cannot read '%s': %s%s", path, g_strerror(cause),
                   cause == ENOENT && !g_file_test(folder, G_FILE_TEST_IS_DIR)
                       ? "; its folder is not there either: is its disk attached?"
                       : "");
  }
  if (S_ISDIR(s.st_mode))
    return nd_fail("cannot read '%s': it is a folder, not a picture", path);
  if (!S_ISREG(s.st_mode))
    return nd_fail("cannot read '%s': it is not a regular file", path);
  if (s.st_size == 0)
    return nd_fail("cannot read '%s': the file is empty", path);
  return 0;
}

static VipsImage *open_source(const reading *r, VipsSource *source) {
  unsigned char *head;
  gint64 n = vips_source_sniff_at_most(source, &head, 12);
  const nd_format *format = n > 0 ? nd_format_starting(head, (size_t)n) : NULL;
  VipsImage *image = NULL;
  if (n < 0)
    nd_vips_fail("read", r->name);
  else if (!format)
    nd_fail("cannot read '%s': it is none of the formats that are read, " ND_FORMATS, r->name);
  else if (format->load(source, &image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR,
                        NULL))
    nd_vips_fail("read", r->name);
  return image;
}

static VipsImage *open_picture(const reading *r) {
  VipsSource *source =
      r->path ? vips_source_new_from_file(r->path) : vips_source_new_from_memory(r->bytes, r->size);
  if (!source) {
    nd_vips_fail("read", r->name);
    return NULL;
  }
  VipsImage *image = open_source(r, source);
  g_object_unref(source);
  return image;
}

static int check_samples(const reading *r, VipsImage *image) {
  VipsBandFormat format = vips_image_get_format(image);
  if (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT)
    return nd_fail("cannot read '%s': its samples are of kind %s; 8 and 16 bits are read", r->name,
                   vips_enum_nick(VIPS_TYPE_BAND_FORMAT, format));
  return 0;
}

/* One more step of a pipeline: takes the place of the last one when it succeeded. A pointer to next, because
 * the call that fills it in may stand in the same argument list. */
static int advance(VipsImage **image, int failed, VipsImage *const *next) {
  if (failed)
    return -1;
  g_object_unref(*image);
  *image = *next;
  return 0;
}

/* Turning needs the pixels in any order. */
static int make_upright(VipsImage **image) {
  if (vips_image_get_orientation(*image) == 1)
    return 0;
  VipsImage *next = vips_image_copy_memory(*image);
  if (advance(image, !next, &next))
    return -1;
  return advance(image, vips_autorot(*image, &next, NULL), &next);
}

/* Grey or RGB; whatever else knows how becomes RGB. */
static int make_rgb(VipsImage **image) {
  VipsImage *next = NULL;
  bool deep = vips_image_get_format(*image) == VIPS_FORMAT_USHORT;
  switch (vips_image_get_interpretation(*image)) {
  case VIPS_INTERPRETATION_B_W:
  case VIPS_INTERPRETATION_GREY16:
  case VIPS_INTERPRETATION_sRGB:
  case VIPS_INTERPRETATION_RGB:
  case VIPS_INTERPRETATION_RGB16:
  case VIPS_INTERPRETATION_MULTIBAND:
    return 0;
  default:
    return advance(
        image,
        vips_colourspace(*image, &next, deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB, NULL),
        &next);
  }
}

static void to_floats(const void *from, size_t n, bool deep, float *to) {
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

static void put_row(nd_image *out, size_t y, const void *pixels, float *scratch) {
  size_t n = (size_t)out->width, c = (size_t)out->channels, at = y * n;
  bool deep = out->bits == 16;
  if (!out->alpha) {
    to_floats(pixels, n * c, deep, out->data + at * c);
    return;
  }
  to_floats(pixels, n * (c + 1), deep, scratch);
  split(scratch, n, c, out->data + at * c, out->alpha + at);
}

/* In the caller's thread, from top to bottom. */
static int read_strips(const reading *r, VipsImage *image) {
  nd_image *out = r->out;
  g_autofree float *scratch = g_new(float, (size_t)out->width * 4);
  VipsRegion *region = vips_region_new(image);
  int failed = 0;
  for (int top = 0; top < out->height && !failed; top += STRIP) {
    VipsRect strip = {0, top, out->width, MIN(STRIP, out->height - top)};
    failed = vips_region_prepare(region, &strip) ? nd_vips_fail("read", r->name) : 0;
    for (int y = top; y < top + strip.height && !failed; y++)
      put_row(out, (size_t)y, VIPS_REGION_ADDR(region, 0, y), scratch);
  }
  g_object_unref(region);
  return failed;
}

static int make_room(const reading *r, VipsImage *image) {
  int bands = vips_image_get_bands(image), channels = bands < 3 ? 1 : 3;
  int width = vips_image_get_width(image), height = vips_image_get_height(image);
  if (bands > 4)
    return nd_fail("cannot read '%s': it has %d channels; grey and RGB, with or without alpha, are read",
                   r->name, bands);
  if (nd_image_new(width, height, channels, r->out))
    return nd_fail_in("cannot read '%s'", r->name);
  r->out->bits = vips_image_get_format(image) == VIPS_FORMAT_USHORT ? 16 : 8;
  if (bands % 2)
    return 0;
  r->out->alpha = nd_mem_alloc((size_t)width * (size_t)height * sizeof *r->out->alpha, "its transparency");
  return r->out->alpha ? 0 : nd_fail_in("cannot read '%s'", r->name);
}

static int decode(const reading *r, VipsImage **image) {
  bool turned = vips_image_get_orientation(*image) != 1;
  if (check_samples(r, *image))
    return -1;
  if (make_upright(image) || make_rgb(image))
    return nd_vips_fail("read", r->name);
  if (make_room(r, *image) || read_strips(r, *image))
    return -1;
  r->out->meta = nd_meta_new(*image);
  if (turned)
    nd_meta_set_upright(r->out->meta);
  return 0;
}

/* libjpeg goes on with grey where data is damaged and only warns. Bytes too many between two markers, which
 * some cameras write, do no harm. The text is about this picture only when it is read alone. */
static int judge_warning(const reading *r, const char *warning, bool alone) {
  if (!warning || !strstr(warning, "read gave"))
    return 0;
  if (!alone)
    return nd_fail("cannot read '%s': %s", r->name, warning);
  const char *damage = strstr(vips_error_buffer(), "Corrupt JPEG data");
  return damage && !strstr(damage, "extraneous bytes") ? nd_vips_fail("read", r->name) : 0;
}

static void warn_of_pages(const reading *r, VipsImage *image) {
  int pages = vips_image_get_n_pages(image);
  if (pages > 1)
    nd_log(ND_LOG_WARNING, "'%s' holds %d pictures; the first is read", r->name, pages);
}

static int read_once(void *context, bool alone) {
  reading *r = context;
  g_free(nd_vips_take_warning());
  VipsImage *image = open_picture(r);
  if (!image)
    return -1;
  int failed = decode(r, &image);
  if (!failed)
    warn_of_pages(r, image);
  g_object_unref(image); /* the reader closes, and warns */
  g_autofree char *warning = nd_vips_take_warning();
  if (!failed)
    failed = judge_warning(r, warning, alone);
  if (failed)
    nd_image_free(r->out);
  return failed;
}

int nd_image_load(const char *path, nd_image *out) {
  *out = (nd_image){0};
  reading r = {.name = path, .path = path, .out = out};
  return check_file(path) ? -1 : nd_vips_run(read_once, &r);
}

int nd_image_decode(const void *bytes, size_t size, const char *name, nd_image *out) {
  *out = (nd_image){0};
  reading r = {.name = name, .bytes = bytes, .size = size, .out = out};
  return size ? nd_vips_run(read_once, &r) : nd_fail("cannot read '%s': it is empty", name);
}

static int measure_once(void *context, bool alone) {
  (void)alone;
  reading *r = context;
  VipsImage *image = open_picture(r);
  if (!image)
    return -1;
  bool lying = vips_image_get_orientation_swap(image);
  r->width = lying ? vips_image_get_height(image) : vips_image_get_width(image);
  r->height = lying ? vips_image_get_width(image) : vips_image_get_height(image);
  g_object_unref(image);
  return 0;
}

int nd_image_size(const char *path, int *width, int *height) {
  reading r = {.name = path, .path = path};
  if (check_file(path) || nd_vips_run(measure_once, &r))
    return -1;
  *width = r.width;
  *height = r.height;
  return 0;
}
