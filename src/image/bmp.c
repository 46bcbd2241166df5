/* BMP, in which some published sets come: uncompressed, of 8 (with a palette), 24 or 32 bits a pixel. */
#include "image/vips-private.h"

#include "image/exif-private.h"

#include <string.h>

enum {
  FILE_HEAD = 14,
  OFFSET_OF_PIXELS = 10,
  INFO_HEAD = 40, /* of the oldest kind that is read; newer ones begin like it */
  PALETTE_ENTRY = 4,
  SIDE_MAX = 1 << 16
};

typedef struct bmp {
  const unsigned char *bytes;
  size_t size, pixels, row; /* where the pixels begin; bytes a row */
  const unsigned char *palette;
  size_t colours;
  int width, height, bits;
  bool top_down;
} bmp;

static uint32_t number(const bmp *b, size_t at, size_t bytes) {
  return (uint32_t)nd_number_in(b->bytes + at, bytes, false);
}

bool nd_bmp_starts(const void *bytes, size_t size) {
  return size >= FILE_HEAD + INFO_HEAD && !memcmp(bytes, "BM", 2);
}

static int read_head(bmp *b, const char *name) {
  size_t info = number(b, FILE_HEAD, 4);
  int32_t height = (int32_t)number(b, FILE_HEAD + 8, 4);
  b->width = (int)number(b, FILE_HEAD + 4, 4);
  b->bits = (int)number(b, FILE_HEAD + 14, 2);
  b->top_down = height < 0;
  b->pixels = number(b, OFFSET_OF_PIXELS, 4);
  if (info < INFO_HEAD || number(b, FILE_HEAD + 16, 4) || (b->bits != 8 && b->bits != 24 && b->bits != 32))
    return nd_fail("cannot read '%s': of BMP, uncompressed files of 8, 24 and 32 bits a pixel are read",
                   name);
  if (b->width < 1 || b->width > SIDE_MAX || height == 0 || height > SIDE_MAX || height < -SIDE_MAX)
    return nd_fail("cannot read '%s': its BMP header is damaged", name);
  b->height = height < 0 ? -height : height;
  b->row = ((size_t)b->width * (size_t)b->bits / 8 + 3) / 4 * 4;
  if (b->pixels > b->size || b->row * (size_t)b->height > b->size - b->pixels)
    return nd_fail("cannot read '%s': the BMP ends before its picture does; copy or download it again", name);
  return 0;
}

static int read_palette(bmp *b, const char *name) {
  size_t begin = FILE_HEAD + (size_t)number(b, FILE_HEAD, 4);
  if (b->bits != 8)
    return 0;
  b->colours = number(b, FILE_HEAD + 32, 4);
  b->colours = b->colours ? b->colours : 256;
  if (b->colours > 256 || begin > b->size || b->colours * PALETTE_ENTRY > b->size - begin)
    return nd_fail("cannot read '%s': its BMP palette is damaged", name);
  b->palette = b->bytes + begin;
  return 0;
}

/* Blue, green and red of a pixel; black where the palette has no such colour. */
static const unsigned char *colour_at(const bmp *b, const unsigned char *row, int x) {
  static const unsigned char black[PALETTE_ENTRY];
  if (b->bits != 8)
    return row + (size_t)x * (size_t)b->bits / 8;
  return row[x] < b->colours ? b->palette + (size_t)row[x] * PALETTE_ENTRY : black;
}

int nd_bmp_decode(const void *bytes, size_t size, const char *name, nd_image *out) {
  bmp b = {.bytes = bytes, .size = size};
  memset(out, 0, sizeof *out);
  if (!nd_bmp_starts(bytes, size))
    return nd_fail("cannot read '%s': it is no BMP", name);
  if (read_head(&b, name) || read_palette(&b, name) || nd_image_new(b.width, b.height, 3, out))
    return -1;
  float *to = out->data;
  for (int y = 0; y < b.height; y++) {
    const unsigned char *row = b.bytes + b.pixels + (size_t)(b.top_down ? y : b.height - 1 - y) * b.row;
    for (int x = 0; x < b.width; x++) {
      const unsigned char *bgr = colour_at(&b, row, x);
      for (int c = 0; c < 3; c++)
        *to++ = (float)bgr[2 - c] / 255;
    }
  }
  return 0;
}
