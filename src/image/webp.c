/* WebP holds pictures in two ways: as VP8, which loses detail, and as VP8L, which loses nothing. libvips does
 * not say which one it read; the file does (RFC 9649). */
#include "image/vips-private.h"

#include <string.h>

/* The mark on pictures that lost nothing, and on what is remembered of them. */
static const char mark[] = "noiseda-exact";

enum {
  RIFF_HEAD = 12,
  CHUNK_HEAD = 8,
  FRAME_HEAD = 16,
  MOST = 1 << 20
}; /* profiles before the pixels may be large */

/* Chunks of even size follow the head; pixels are in the first one of the two kinds, of an animation within
 * its first frame. */
static bool is_exact(const unsigned char *file, size_t n) {
  for (size_t at = RIFF_HEAD; at + CHUNK_HEAD <= n;) {
    if (!memcmp(file + at, "VP8L", 4))
      return true;
    if (!memcmp(file + at, "VP8 ", 4))
      return false;
    if (!memcmp(file + at, "ANMF", 4))
      at += CHUNK_HEAD + FRAME_HEAD;
    else
      at += CHUNK_HEAD + (((size_t)nd_number_in(file + at + 4, 4, false) + 1) & ~(size_t)1);
  }
  return false;
}

void nd_webp_mark(VipsImage *image, VipsSource *source) {
  unsigned char *head;
  gint64 n = vips_source_sniff_at_most(source, &head, MOST);
  if (n > 0 && is_exact(head, (size_t)n))
    vips_image_set_int(image, mark, 1);
}

bool nd_webp_is_mark(const char *field) {
  return !strcmp(field, mark);
}

int nd_webp_write(VipsImage *image, int quality, VipsTarget *to) {
  gboolean exact = !quality && vips_image_get_typeof(image, mark);
  return vips_webpsave_target(image, to, "Q", quality ? quality : ND_SAVE_QUALITY, "lossless", exact, NULL);
}
