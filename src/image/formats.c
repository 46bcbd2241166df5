/* The formats: how they are named, how their files begin, what they can hold, how libvips reads and writes
 * them. */
#include "image/vips-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static bool is_png(const unsigned char *head, size_t n) {
  return n >= 8 && !memcmp(head, "\x89PNG\r\n\x1a\n", 8);
}

static bool is_jpeg(const unsigned char *head, size_t n) {
  return n >= 3 && !memcmp(head, "\xff\xd8\xff", 3);
}

/* Either byte order, and either size of offsets. */
static bool is_tiff(const unsigned char *head, size_t n) {
  return n >= 4 && (!memcmp(head, "II*\0", 4) || !memcmp(head, "MM\0*", 4) || !memcmp(head, "II+\0", 4) ||
                    !memcmp(head, "MM\0+", 4));
}

static bool is_webp(const unsigned char *head, size_t n) {
  return n >= 12 && !memcmp(head, "RIFF", 4) && !memcmp(head + 8, "WEBP", 4);
}

static int write_jpeg(VipsImage *image, int quality, VipsTarget *to) {
  nd_iptc_fit(image, true);
  return vips_jpegsave_target(image, to, "Q", quality ? quality : ND_SAVE_QUALITY, NULL);
}

/* Offsets of 32 bits do until the pixels alone come near 4 GB. */
static int write_tiff(VipsImage *image, int quality, VipsTarget *to) {
  (void)quality;
  nd_iptc_fit(image, false);
  gboolean huge = VIPS_IMAGE_SIZEOF_IMAGE(image) > (guint64)3 << 30;
  return vips_tiffsave_target(image, to, "compression", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE, "predictor",
                              VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, "bigtiff", huge, NULL);
}

static const nd_format formats[] = {
    {"PNG",
     {".png", NULL},
     true,
     true,
     false,
     true,
     0,
     is_png,
     vips_pngload_source,
     nd_png_write,
     nd_png_mark},
    {"JPEG",
     {".jpg", ".jpeg"},
     false,
     false,
     false,
     true,
     65500,
     is_jpeg,
     vips_jpegload_source,
     write_jpeg,
     nd_jpeg_mark},
    {"TIFF", {".tif", ".tiff"}, true, true, true, true, 0, is_tiff, vips_tiffload_source, write_tiff, NULL},
    {"WebP",
     {".webp", NULL},
     false,
     true,
     false,
     false,
     16383,
     is_webp,
     vips_webpload_source,
     nd_webp_write,
     nd_webp_mark},
};

const nd_format *nd_format_named(const char *path) {
  g_autofree char *low = g_ascii_strdown(path, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
    for (int k = 0; k < 2 && formats[i].endings[k]; k++)
      if (g_str_has_suffix(low, formats[i].endings[k]))
        return &formats[i];
  return NULL;
}

const nd_format *nd_format_starting(const unsigned char *head, size_t n) {
  for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
    if (formats[i].starts(head, n))
      return &formats[i];
  return NULL;
}

/* libvips says "pngload_source" and the like. */
const nd_format *nd_format_read(VipsImage *image) {
  const char *loader = "";
  if (vips_image_get_typeof(image, VIPS_META_LOADER))
    vips_image_get_string(image, VIPS_META_LOADER, &loader);
  for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
    if (!g_ascii_strncasecmp(loader, formats[i].name, strlen(formats[i].name)))
      return &formats[i];
  return &formats[0];
}

const char *nd_image_ending(const char *path) {
  unsigned char head[12];
  int fd = g_open(path, O_RDONLY | O_CLOEXEC, 0);
  ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head);
  if (fd >= 0)
    close(fd);
  const nd_format *format = n > 0 ? nd_format_starting(head, (size_t)n) : NULL;
  return format ? format->endings[0] : NULL;
}

bool nd_image_named(const char *path) {
  return nd_format_named(path) != NULL;
}

bool nd_image_named_foreign(const char *path) {
  static const char *const endings[] = {".gif", ".bmp",  ".jp2", ".jxl", ".avif", ".heic", ".heif",
                                        ".jpe", ".jfif", ".ppm", ".pgm", ".pnm",  ".tga",  ".psd",
                                        ".exr", ".hdr",  ".dng", ".cr2", ".cr3",  ".nef",  ".arw",
                                        ".raf", ".rw2",  ".orf", ".raw", ".xcf"};
  g_autofree char *low = g_ascii_strdown(path, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
    if (g_str_has_suffix(low, endings[i]))
      return true;
  return false;
}
