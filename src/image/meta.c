/* What comes with a picture besides its pixels: taken from the file that was read, put on the one to write.
 */
#include "image/vips-private.h"

#include <string.h>

/* exif-ifd1 describes the thumbnail, which is not kept. The pixels are upright, so nothing may turn them. */
static bool describes_picture(const char *field) {
  static const char *const whole[] = {
      VIPS_META_EXIF_NAME,       VIPS_META_XMP_NAME, VIPS_META_IPTC_NAME, VIPS_META_PHOTOSHOP_NAME,
      VIPS_META_RESOLUTION_UNIT, VIPS_META_ICC_NAME, "image-description"};
  for (size_t i = 0; i < G_N_ELEMENTS(whole); i++)
    if (!strcmp(field, whole[i]))
      return true;
  if (g_str_has_prefix(field, "exif-ifd1") || !strcmp(field, "exif-ifd0-Orientation"))
    return false;
  return nd_webp_is_mark(field) || g_str_has_prefix(field, "exif-ifd") ||
         g_str_has_prefix(field, "png-comment-");
}

static void *copy_field(VipsImage *from, const char *field, GValue *value, void *to) {
  (void)from;
  if (describes_picture(field))
    vips_image_set(to, field, value);
  return NULL;
}

/* Setting EXIF makes libvips unpack all of it, with what was left out on purpose. */
static void copy_fields(VipsImage *from, VipsImage *to) {
  vips_image_map(from, copy_field, to);
  g_auto(GStrv) fields = vips_image_get_fields(to);
  for (int i = 0; fields[i]; i++)
    if (!describes_picture(fields[i]))
      vips_image_remove(to, fields[i]); /* does nothing to width, height and the like */
}

void *nd_meta_new(VipsImage *from) {
  VipsImage *meta = vips_image_new();
  vips_image_init_fields(meta, 1, 1, 1, VIPS_FORMAT_UCHAR, VIPS_CODING_NONE, VIPS_INTERPRETATION_B_W,
                         vips_image_get_xres(from), vips_image_get_yres(from));
  copy_fields(from, meta);
  return meta;
}

void nd_meta_free(void *meta) {
  if (meta)
    g_object_unref(meta);
}

void nd_meta_set_exif(void *meta, const nd_exif *exif) {
  size_t n;
  void *block = nd_exif_pack(exif, &n);
  vips_image_set_blob(meta, VIPS_META_EXIF_NAME, (VipsCallbackFn)vips_area_free_cb, block, n);
}

void nd_meta_set_iptc(void *meta, const GByteArray *records) {
  vips_image_remove(meta, VIPS_META_IPTC_NAME);
  if (records)
    vips_image_set_blob_copy(meta, VIPS_META_IPTC_NAME, records->data, records->len);
}

nd_exif *nd_meta_exif(void *meta) {
  const void *block;
  size_t n;
  if (!meta || !vips_image_get_typeof(meta, VIPS_META_EXIF_NAME) ||
      vips_image_get_blob(meta, VIPS_META_EXIF_NAME, &block, &n))
    return NULL;
  return nd_exif_unpack(block, n);
}

void nd_meta_lay_down(void *meta) {
  VipsImage *image = meta;
  double xres = image->Xres;
  image->Xres = image->Yres;
  image->Yres = xres;
}

/* tiff:Orientation="6" or <tiff:Orientation>6</...>: the digit becomes 1. */
void nd_meta_set_upright(void *meta) {
  static const char key[] = "tiff:Orientation";
  const void *data;
  size_t n;
  if (!vips_image_get_typeof(meta, VIPS_META_XMP_NAME) ||
      vips_image_get_blob(meta, VIPS_META_XMP_NAME, &data, &n))
    return;
  g_autofree char *xmp = g_memdup2(data, n);
  for (char *at = xmp; at && (at = memmem(at, n - (size_t)(at - xmp), key, strlen(key)));) {
    at += strlen(key);
    char *digit = at;
    while (digit < xmp + n && strchr("=\"'> ", *digit) && *digit)
      digit++;
    if (digit > at && digit < xmp + n && *digit >= '2' && *digit <= '8')
      *digit = '1';
  }
  vips_image_set_blob_copy(meta, VIPS_META_XMP_NAME, xmp, n);
}

/* Bytes 16 to 19 of a profile name the colour space that it is for (ICC.1, 7.2.6). */
static bool profile_fits(VipsImage *image) {
  const void *profile;
  size_t n;
  if (vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &n) || n < 128)
    return false;
  return !memcmp((const char *)profile + 16, vips_image_get_bands(image) < 3 ? "GRAY" : "RGB ", 4);
}

int nd_meta_apply(void *meta, VipsImage *bare, VipsInterpretation interpretation, VipsImage **out) {
  const double usual = 72 / 25.4; /* pixels a millimetre: what files without a word on it are taken for */
  double x = meta ? vips_image_get_xres(meta) : usual, y = meta ? vips_image_get_yres(meta) : usual;
  if (vips_copy(bare, out, "interpretation", interpretation, "xres", x, "yres", y, NULL))
    return -1;
  if (meta)
    copy_fields(meta, *out);
  (*out)->Xres = x; /* EXIF says how it was before a turn */
  (*out)->Yres = y;
  /* The EXIF block still says how the camera was held, but the pixels stand upright already. */
  vips_image_remove(*out, "exif-ifd0-Orientation");
  vips_image_set_int(*out, VIPS_META_ORIENTATION, 1);
  if (vips_image_get_typeof(*out, VIPS_META_ICC_NAME) && !profile_fits(*out))
    vips_image_remove(*out, VIPS_META_ICC_NAME);
  return 0;
}
