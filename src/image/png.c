/* What libvips passes over. PNG may say what its colours are by numbers (gAMA, cHRM) in place of a profile,
 * and viewers go by them. As a profile they stay with the picture, whatever format it becomes. (PNG,
 * W3C, 11.3.2) And it may be the first frame of many (11.3.6.1). */
#include "image/vips-private.h"

#include <lcms2.h>
#include <math.h>
#include <string.h>

enum { SIGNATURE = 8, AROUND = 12, MOST = 1 << 16 }; /* bytes; around: length, type, checksum */

/* White, red, green, blue: x and y. */
typedef struct colours {
  double gamma; /* samples are light to this power; 0: unknown */
  double xy[8];
} colours;

typedef struct chunks {
  VipsImage *image;
  colours colours;
  bool settled; /* something better says what they are */
  uint32_t frames;
} chunks;

static const colours srgb = {1 / 2.2, {0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06}};

static uint32_t number_at(const unsigned char *b) {
  return (uint32_t)nd_number_in(b, 4, true);
}

/* A chunk of n bytes; false: the last that tells something. */
static bool read_chunk(const char *type, const unsigned char *data, size_t n, chunks *c) {
  if (!memcmp(type, "sRGB", 4) || !memcmp(type, "iCCP", 4))
    c->settled = true;
  if (!memcmp(type, "gAMA", 4) && n == 4)
    c->colours.gamma = number_at(data) / 1e5;
  for (int i = 0; i < 8 && !memcmp(type, "cHRM", 4) && n == 32; i++)
    c->colours.xy[i] = number_at(data + 4 * i) / 1e5;
  bool compressed = !memcmp(type, "zTXt", 4);
  if (compressed || !memcmp(type, "tEXt", 4))
    nd_png_take_latin(c->image, (const char *)data, n, compressed);
  if (!memcmp(type, "acTL", 4) && n == 8)
    c->frames = number_at(data);
  return memcmp(type, "IDAT", 4) != 0;
}

static chunks read_chunks(VipsImage *image, const unsigned char *file, size_t n) {
  chunks c = {.image = image, .colours = srgb};
  c.colours.gamma = 0;
  for (size_t at = SIGNATURE, length; at + AROUND <= n; at += AROUND + length) {
    length = number_at(file + at);
    if (length > n - at - AROUND || !read_chunk((const char *)file + at + 4, file + at + 8, length, &c))
      break;
  }
  return c;
}

/* As far as libpng too makes no difference: 5 % of gamma, a hundredth of a coordinate. */
static bool is_usual(const colours *c) {
  bool usual = fabs(c->gamma / srgb.gamma - 1) < 0.05;
  for (int i = 0; i < 8; i++)
    usual &= fabs(c->xy[i] - srgb.xy[i]) < 0.01;
  return usual;
}

static cmsHPROFILE profile_of(const colours *c, bool grey) {
  const double *p = c->xy;
  cmsCIExyY white = {p[0], p[1], 1};
  cmsCIExyYTRIPLE primaries = {{p[2], p[3], 1}, {p[4], p[5], 1}, {p[6], p[7], 1}};
  cmsToneCurve *curve = cmsBuildGamma(NULL, 1 / c->gamma), *curves[] = {curve, curve, curve};
  cmsHPROFILE profile = !curve ? NULL
                        : grey ? cmsCreateGrayProfile(&white, curve)
                               : cmsCreateRGBProfile(&white, &primaries, curves);
  cmsFreeToneCurve(curve);
  return profile;
}

/* The same bytes whenever it is made. */
static void forget_date(unsigned char *profile) {
  static const unsigned char fixed[] = {0x07, 0xd0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}; /* 1 January 2000 */
  memcpy(profile + 24, fixed, sizeof fixed);
}

static void put_profile(VipsImage *image, cmsHPROFILE profile) {
  cmsUInt32Number n = 0;
  if (!cmsSaveProfileToMem(profile, NULL, &n) || n < 128)
    return;
  g_autofree unsigned char *bytes = g_malloc0(n);
  if (!cmsSaveProfileToMem(profile, bytes, &n))
    return;
  forget_date(bytes);
  vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, bytes, n);
}

static void give_profile(VipsImage *image, const colours *c) {
  if (!(c->gamma >= 0.01 && c->gamma <= 100) || is_usual(c))
    return;
  cmsHPROFILE profile = profile_of(c, vips_image_get_bands(image) < 3);
  if (!profile) /* of colours that cannot be */
    return;
  put_profile(image, profile);
  cmsCloseProfile(profile);
}

void nd_png_mark(VipsImage *image, VipsSource *source) {
  unsigned char *head;
  gint64 n = vips_source_sniff_at_most(source, &head, MOST);
  chunks c = n > 0 ? read_chunks(image, head, (size_t)n) : (chunks){.settled = true};
  if (!c.settled)
    give_profile(image, &c.colours);
  if (c.frames > 1 && c.frames <= INT_MAX)
    vips_image_set_int(image, VIPS_META_N_PAGES, (int)c.frames);
}
