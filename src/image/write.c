/* Writing pixels through libvips: whole or not at all. */
#include "image/vips-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct writing {
  const char *name;
  const nd_written_pixels *pixels;
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

int nd_image_check_name(const char *path) {
  return nd_image_named(path)
             ? 0
             : nd_fail("cannot write '%s': its name ends in none of .png .jpg .jpeg .tif .tiff .webp", path);
}

const nd_format *nd_format_for(const char *path, int width, int height, const nd_save_options *options) {
  const nd_format *format = nd_format_named(path);
  if (nd_image_check_name(path) || (options && check_options(path, format, options)) ||
      check_sides(path, format, width, height))
    format = NULL;
  return format;
}

bool nd_format_deep(const nd_format *format, const nd_save_options *options, int bits) {
  return format->deep && (options && options->bits ? options->bits : bits) == 16;
}

static VipsImage *open_pixels(const nd_written_pixels *p) {
  VipsBandFormat format = p->deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR;
  size_t bytes = (size_t)p->width * (size_t)p->height * (size_t)p->bands * (p->deep ? 2 : 1);
  if (p->memory)
    return vips_image_new_from_memory(p->memory, bytes, p->width, p->height, p->bands, format);
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", p->descriptor);
  VipsImage *image = NULL;
  return vips_rawload(path, &image, p->width, p->height, p->bands, "format", format, NULL) ? NULL : image;
}

static VipsInterpretation interpretation(const nd_written_pixels *p) {
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
  g_free(w->bytes); /* of a first attempt */
  w->bytes = g_memdup2(bytes, w->size);
  vips_area_unref(VIPS_AREA(blob));
}

static int write_all_at(int fd, const GByteArray *bytes, uint64_t at) {
  return lseek(fd, (off_t)at, SEEK_SET) < 0 || nd_write_all(fd, (const char *)bytes->data, bytes->len) ? -1
                                                                                                       : 0;
}

static int put_addition(writing *w, const nd_exif_addition *a, uint64_t end) {
  if (w->descriptor >= 0)
    return write_all_at(w->descriptor, a->tail, end) || write_all_at(w->descriptor, a->head, 0)
               ? nd_fail_of(errno, "cannot write '%s'", w->name)
               : 0;
  w->bytes = g_realloc(w->bytes, w->size + a->tail->len);
  memcpy((char *)w->bytes + w->size, a->tail->data, a->tail->len);
  memcpy(w->bytes, a->head->data, a->head->len);
  w->size += a->tail->len;
  return 0;
}

/* Into the TIFF file that libvips has written, with IPTC. */
static int add_exif(writing *w, nd_exif *exif) {
  GStatBuf s = {0};
  if (w->descriptor >= 0 && fstat(w->descriptor, &s))
    return nd_fail_of(errno, "cannot write '%s'", w->name);
  nd_tiff_bytes file = {
      .memory = w->bytes, .descriptor = w->descriptor, .size = w->bytes ? w->size : (uint64_t)s.st_size};
  nd_exif_addition a;
  nd_exif_set_size(exif, w->pixels->width, w->pixels->height);
  if (nd_exif_add(exif, &file, &a))
    return nd_fail_in("cannot write '%s'", w->name);
  int failed = put_addition(w, &a, file.size);
  g_byte_array_unref(a.head);
  g_byte_array_unref(a.tail);
  return failed;
}

static int write_exif(writing *w) {
  nd_exif *exif = w->format->exif_apart ? nd_meta_exif(w->pixels->meta) : NULL;
  g_autoptr(GByteArray) records = w->format->exif_apart ? nd_iptc_records(w->pixels->meta) : NULL;
  if (records)
    nd_exif_put_iptc(&exif, records);
  int failed = exif ? add_exif(w, exif) : 0;
  nd_exif_free(exif);
  return failed;
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
  return failed ? nd_vips_fail("write", w->name) : write_exif(w);
}

/* What most programs write as XMP as well, which every format holds; not all do. */
static void warn_of_captions(const writing *w) {
  g_autoptr(GByteArray) records = w->format->iptc ? NULL : nd_iptc_records(w->pixels->meta);
  if (records)
    nd_log(ND_LOG_WARNING, "'%s' has no captions and keywords of IPTC: %s holds none; PNG, JPEG and TIFF do",
           w->name, w->format->name);
}

static int write_all(writing *w) {
  int failed = nd_vips_run(write_once, w);
  if (!failed)
    warn_of_captions(w);
  return failed;
}

int nd_pixels_encode(const char *name, const nd_written_pixels *p, const nd_format *format, int quality,
                     void **bytes, size_t *size) {
  writing w = {.name = name, .pixels = p, .format = format, .quality = quality, .descriptor = -1};
  int failed = write_all(&w);
  *bytes = w.bytes;
  *size = w.size;
  return failed;
}

int nd_pixels_save(const char *path, const nd_written_pixels *p, const nd_format *format, int quality) {
  nd_file_out *file = nd_file_begin(path);
  if (!file)
    return -1;
  writing w = {.name = path,
               .pixels = p,
               .format = format,
               .quality = quality,
               .descriptor = nd_file_descriptor(file)};
  if (!write_all(&w))
    return nd_file_commit(file);
  nd_file_discard(file);
  return -1;
}
