/* Writing pixels through libvips: whole or not at all. */
#include "image/vips-private.h"

#include <string.h>
#include <unistd.h>

typedef struct writing {
  const char *name;
  const nd_pixels *pixels;
  const nd_format *format;
  int quality;
  int descriptor; /* -1: into bytes */
  void *bytes;
  size_t size;
} writing;

static int check_options(const char *path, const nd_format *format, const nd_save_options *o) {
  if (o->quality < 0 || o->quality > 100)
    return nd_fail("cannot write '%s': a quality of %d was asked for; it is 1 to 100", path, o->quality);
  if (o->bits != 0 && o->bits != 8 && o->bits != 16)
    return nd_fail("cannot write '%s': %d bits were asked for; 8 and 16 are written", path, o->bits);
  if (o->bits == 16 && !format->deep)
    return nd_fail("cannot write '%s': 16 bits were asked for, %s holds 8; .png and .tif hold 16", path,
                   format->name);
  return 0;
}

static int check_sides(const char *path, const nd_format *format, int width, int height) {
  int most = format->longest_side;
  if (most && MAX(width, height) > most)
    return nd_fail(
        "cannot write '%s': it is %d x %d, %s holds at most %d pixels a side; .png and .tif hold more", path,
        width, height, format->name, most);
  return 0;
}

const nd_format *nd_format_for(const char *path, int width, int height, const nd_save_options *options) {
  const nd_format *format = nd_format_named(path);
  if (!format)
    nd_fail("cannot write '%s': its name ends in none of .png .jpg .jpeg .tif .tiff .webp", path);
  else if ((options && check_options(path, format, options)) || check_sides(path, format, width, height))
    format = NULL;
  return format;
}

bool nd_format_deep(const nd_format *format, const nd_save_options *options, int bits) {
  return format->deep && (options && options->bits ? options->bits : bits) == 16;
}

static VipsImage *open_pixels(const nd_pixels *p) {
  VipsBandFormat format = p->deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR;
  size_t bytes = (size_t)p->width * (size_t)p->height * (size_t)p->bands * (p->deep ? 2 : 1);
  if (p->memory)
    return vips_image_new_from_memory(p->memory, bytes, p->width, p->height, p->bands, format);
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", p->descriptor);
  VipsImage *image = NULL;
  return vips_rawload(path, &image, p->width, p->height, p->bands, "format", format, NULL) ? NULL : image;
}

static VipsInterpretation interpretation(const nd_pixels *p) {
  if (p->bands < 3)
    return p->deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W;
  return p->deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
}

/* The attempt may be the second one. */
static VipsTarget *open_target(const writing *w) {
  if (w->descriptor < 0)
    return vips_target_new_to_memory();
  if (ftruncate(w->descriptor, 0) || lseek(w->descriptor, 0, SEEK_SET))
    return NULL;
  return vips_target_new_to_descriptor(w->descriptor);
}

static void take_bytes(writing *w, VipsTarget *target) {
  VipsBlob *blob;
  g_object_get(target, "blob", &blob, NULL);
  const void *bytes = vips_blob_get(blob, &w->size);
  w->bytes = g_memdup2(bytes, w->size);
  vips_area_unref(VIPS_AREA(blob));
}

static int write_once(void *context, bool alone) {
  (void)alone;
  writing *w = context;
  VipsImage *bare = open_pixels(w->pixels), *whole = NULL;
  VipsTarget *target = open_target(w);
  int failed = !bare || !target || nd_meta_apply(w->pixels->meta, bare, interpretation(w->pixels), &whole) ||
               w->format->write(whole, w->quality, target);
  if (!failed && w->descriptor < 0)
    take_bytes(w, target);
  g_clear_object(&target);
  g_clear_object(&whole);
  g_clear_object(&bare);
  g_free(nd_vips_take_warning());
  return failed ? nd_vips_fail("write", w->name) : 0;
}

int nd_pixels_encode(const char *name, const nd_pixels *p, const nd_format *format, int quality, void **bytes,
                     size_t *size) {
  writing w = {.name = name, .pixels = p, .format = format, .quality = quality, .descriptor = -1};
  int failed = nd_vips_run(write_once, &w);
  *bytes = w.bytes;
  *size = w.size;
  return failed;
}

int nd_pixels_save(const char *path, const nd_pixels *p, const nd_format *format, int quality) {
  nd_file_out *file = nd_file_begin(path);
  if (!file)
    return -1;
  writing w = {.name = path,
               .pixels = p,
               .format = format,
               .quality = quality,
               .descriptor = nd_file_descriptor(file)};
  if (!nd_vips_run(write_once, &w))
    return nd_file_commit(file);
  nd_file_discard(file);
  return -1;
}
