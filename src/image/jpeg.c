/* A JPEG file may go on behind its picture: with the brightness that an HDR screen adds, with other views or
 * depths (CIPA DC-007, Multi-Picture Format). A segment at its beginning tells of them. */
#include "image/vips-private.h"

#include <string.h>

enum { MOST = 1 << 18, MARKER = 2, LENGTH = 2, APP2 = 0xe2, SCAN = 0xda, ENTRY = 16, ENTRIES = 0xb002 };
static const char mpf[] = "MPF"; /* 0 behind it; then a small TIFF file */

/* A smaller copy of the picture itself, for a screen; it goes as EXIF's thumbnail does. */
static bool is_preview(uint64_t attributes) {
  return (attributes >> 16 & 0xff) == 1;
}

static int count_pictures(const unsigned char *bytes, size_t n) {
  nd_tiff_bytes directory = {.memory = bytes, .size = n, .descriptor = -1};
  g_autoptr(GByteArray) entries = nd_tiff_value(&directory, ENTRIES);
  int pictures = 0;
  for (guint at = 0; entries && at + ENTRY <= entries->len; at += ENTRY)
    pictures += !is_preview(nd_number_in(entries->data + at, 4, *bytes == 'M'));
  return pictures;
}

/* 0: it does not say. */
static int pictures_of(const unsigned char *file, size_t n) {
  for (size_t at = MARKER, length; at + MARKER + LENGTH <= n && file[at] == 0xff && file[at + 1] != SCAN;
       at += MARKER + length) {
    const unsigned char *segment = file + at + MARKER;
    length = nd_number_in(segment, LENGTH, true);
    if (length < LENGTH || length > n - at - MARKER)
      return 0;
    if (file[at + 1] == APP2 && length > LENGTH + sizeof mpf && !memcmp(segment + LENGTH, mpf, sizeof mpf))
      return count_pictures(segment + LENGTH + sizeof mpf, length - LENGTH - sizeof mpf);
  }
  return 0;
}

void nd_jpeg_mark(VipsImage *image, VipsSource *source) {
  unsigned char *head;
  gint64 n = vips_source_sniff_at_most(source, &head, MOST);
  int pictures = n > 0 ? pictures_of(head, (size_t)n) : 0;
  if (pictures > 1)
    vips_image_set_int(image, VIPS_META_N_PAGES, pictures);
}
