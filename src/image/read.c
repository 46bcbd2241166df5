/* Reading pictures through libvips, row by row. */
#include "image/vips-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum { STRIP = 64 }; /* rows decoded at a time */

typedef struct reading {
  const char *name;
  const void *bytes; /* NULL: the file of that name */
  size_t size;
  const nd_pixel_sink *sink;
  void *to;
  int width, height;
  bool turned;
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
  else if (format->mark)
    format->mark(image, source);
  return image;
}

static VipsImage *open_picture(const reading *r) {
  VipsSource *source =
      r->bytes ? vips_source_new_from_memory(r->bytes, r->size) : vips_source_new_from_file(r->name);
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

static int check_bands(const reading *r, VipsImage *image) {
  int bands = vips_image_get_bands(image);
  if (bands > 4)
    return nd_fail("cannot read '%s': it has %d channels; grey and RGB, with or without alpha, are read",
                   r->name, bands);
  return 0;
}

/* ---- Pixels as they stand in the file become upright ones, as EXIF's orientation says ---- */
typedef struct turn {
  bool lying;          /* rows become columns */
  bool flip_x, flip_y; /* and then change their order, in the upright picture */
} turn;

static turn turn_of(VipsImage *image) {
  static const turn turns[] = {{false, false, false}, {false, true, false}, {false, true, true},
                               {false, false, true},  {true, false, false}, {true, true, false},
                               {true, true, true},    {true, false, true}};
  int orientation = vips_image_get_orientation(image);
  return turns[orientation >= 1 && orientation <= 8 ? orientation - 1 : 0];
}

/* A row of the file. scratch: as many bytes. */
static int put_row(const reading *r, VipsRegion *region, turn t, int y, char *scratch) {
  VipsImage *image = region->im;
  int width = vips_image_get_width(image);
  size_t pixel = VIPS_IMAGE_SIZEOF_PEL(image);
  const void *pixels = VIPS_REGION_ADDR(region, 0, y);
  if (t.flip_x) {
    for (int x = 0; x < width; x++)
      memcpy(scratch + (size_t)(width - 1 - x) * pixel, VIPS_REGION_ADDR(region, x, y), pixel);
    pixels = scratch;
  }
  return r->sink->part(r->to, t.flip_y ? vips_image_get_height(image) - 1 - y : y, 0, width, pixels);
}

/* Columns of a strip, which become parts of rows. scratch: bytes of one such part. */
static int put_columns(const reading *r, VipsRegion *region, turn t, const VipsRect *strip, char *scratch) {
  VipsImage *image = region->im;
  size_t pixel = VIPS_IMAGE_SIZEOF_PEL(image);
  int n = strip->height, last = strip->width - 1;
  int begin = t.flip_x ? vips_image_get_height(image) - strip->top - n : strip->top;
  for (int x = 0; x <= last; x++) {
    for (int i = 0; i < n; i++)
      memcpy(scratch + (size_t)i * pixel,
             VIPS_REGION_ADDR(region, x, strip->top + (t.flip_x ? n - 1 - i : i)), pixel);
    if (r->sink->part(r->to, t.flip_y ? last - x : x, begin, n, scratch))
      return -1;
  }
  return 0;
}

/* In the caller's thread, from the file's top to its bottom. */
static int read_strips(const reading *r, VipsImage *image) {
  int width = vips_image_get_width(image), height = vips_image_get_height(image), failed = 0;
  turn t = turn_of(image);
  VipsRegion *region = vips_region_new(image);
  g_autofree char *scratch = g_malloc((size_t)MAX(width, STRIP) * VIPS_IMAGE_SIZEOF_PEL(image));
  for (int top = 0; top < height && !failed; top += STRIP) {
    VipsRect strip = {0, top, width, MIN(STRIP, height - top)};
    failed = vips_region_prepare(region, &strip) ? nd_vips_fail("read", r->name) : 0;
    if (t.lying && !failed)
      failed = put_columns(r, region, t, &strip, scratch);
    for (int y = top; y < top + strip.height && !failed && !t.lying; y++)
      failed = put_row(r, region, t, y, scratch);
  }
  g_object_unref(region);
  return failed;
}

static int begin(const reading *r, VipsImage *image) {
  int width = vips_image_get_width(image), height = vips_image_get_height(image);
  bool lying = turn_of(image).lying;
  return r->sink->begin(r->to, image, lying ? height : width, lying ? width : height);
}

/* kind: of the file's pixels. */
static void warn_of_colours(const reading *r, VipsInterpretation kind) {
  if (kind == VIPS_INTERPRETATION_CMYK || kind == VIPS_INTERPRETATION_LAB)
    nd_log(ND_LOG_WARNING, "the colours of '%s' are %s; they become sRGB", r->name,
           kind == VIPS_INTERPRETATION_CMYK ? "CMYK" : "L*a*b*");
}

static nd_tiff_bytes tiff_open(const reading *r) {
  nd_tiff_bytes file = {.memory = r->bytes, .size = r->size, .descriptor = -1};
  if (!r->bytes) {
    GStatBuf s;
    file.descriptor = g_open(r->name, O_RDONLY | O_CLOEXEC, 0);
    file.size = file.descriptor >= 0 && !fstat(file.descriptor, &s) ? (uint64_t)s.st_size : 0;
  }
  return file;
}

static void tiff_close(const nd_tiff_bytes *file) {
  if (file->descriptor >= 0)
    close(file->descriptor);
}

/* libvips takes YCbCr for RGB, unless it is within JPEG. */
static int check_tiff(const reading *r) {
  enum { YCBCR = 6, JPEG = 7 };
  nd_tiff_bytes file = tiff_open(r);
  bool wrong =
      nd_tiff_number(&file, ND_TAG_COLOURS) == YCBCR && nd_tiff_number(&file, ND_TAG_COMPRESSION) != JPEG;
  tiff_close(&file);
  return wrong ? nd_fail("cannot read '%s': its colours are YCbCr, which is read of TIFF only where it is "
                         "compressed as JPEG; convert it to RGB first (ImageMagick: convert a.tif a.png)",
                         r->name)
               : 0;
}

static void read_exif(const reading *r, void *meta) {
  nd_tiff_bytes file = tiff_open(r);
  nd_exif *exif = nd_exif_read(&file);
  g_autoptr(GByteArray) records = nd_tiff_value(&file, ND_TAG_IPTC);
  nd_meta_set_iptc(meta, records);
  if (exif)
    nd_meta_set_exif(meta, exif);
  nd_exif_free(exif);
  tiff_close(&file);
}

/* What the header tells. */
static int check_kind(const reading *r, VipsImage *image) {
  return check_samples(r, image) || (nd_format_read(image)->exif_apart && check_tiff(r)) ? -1 : 0;
}

static int decode(const reading *r, VipsImage **image) {
  bool turned = vips_image_get_orientation(*image) != 1, lying = turn_of(*image).lying;
  bool tiff = nd_format_read(*image)->exif_apart;
  if (check_kind(r, *image))
    return -1;
  if (make_rgb(image))
    return nd_vips_fail("read", r->name);
  if (check_bands(r, *image))
    return -1;
  if (begin(r, *image))
    return nd_fail_in("cannot read '%s'", r->name);
  if (read_strips(r, *image))
    return -1;
  void *meta = nd_meta_new(*image);
  nd_png_take_records(meta);
  if (tiff)
    read_exif(r, meta);
  if (turned)
    nd_meta_set_upright(meta);
  if (lying)
    nd_meta_lay_down(meta);
  r->sink->end(r->to, meta);
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
  VipsInterpretation kind = vips_image_get_interpretation(image);
  int failed = decode(r, &image);
  if (!failed) {
    warn_of_colours(r, kind);
    warn_of_pages(r, image);
  }
  g_object_unref(image); /* the reader closes, and warns */
  g_autofree char *warning = nd_vips_take_warning();
  if (!failed)
    failed = judge_warning(r, warning, alone);
  if (failed)
    r->sink->drop(r->to);
  return failed;
}

int nd_pixels_read(const char *name, const void *bytes, size_t size, const nd_pixel_sink *sink, void *to) {
  reading r = {.name = name, .bytes = bytes, .size = size, .sink = sink, .to = to};
  if (bytes && !size)
    return nd_fail("cannot read '%s': it is empty", name);
  if (!bytes && check_file(name))
    return -1;
  int failed = nd_vips_run(read_once, &r);
  if (failed &&
      (bytes || !check_file(name)))       /* it may have gone meanwhile, which says more than what failed */
    nd_jpeg_check_end(name, bytes, size); /* and this more than libjpeg does */
  return failed;
}

static int measure_once(void *context, bool alone) {
  (void)alone;
  reading *r = context;
  VipsImage *image = open_picture(r);
  if (!image)
    return -1;
  int failed = check_kind(r, image);
  bool lying = vips_image_get_orientation_swap(image);
  r->turned = vips_image_get_orientation(image) != 1;
  r->width = lying ? vips_image_get_height(image) : vips_image_get_width(image);
  r->height = lying ? vips_image_get_width(image) : vips_image_get_height(image);
  g_object_unref(image);
  return failed;
}

int nd_image_measure(const void *bytes, size_t size, const char *name, int *width, int *height) {
  reading r = {.name = name, .bytes = bytes, .size = size};
  if (!size)
    return nd_fail("cannot read '%s': it is empty", name);
  if (nd_vips_run(measure_once, &r))
    return -1;
  *width = r.width;
  *height = r.height;
  return 0;
}

int nd_image_size(const char *path, int *width, int *height) {
  reading r = {.name = path};
  if (check_file(path) || nd_vips_run(measure_once, &r))
    return -1;
  *width = r.width;
  *height = r.height;
  return 0;
}

bool nd_image_turned(const char *path) {
  reading r = {.name = path};
  return !check_file(path) && !nd_vips_run(measure_once, &r) && r.turned;
}
