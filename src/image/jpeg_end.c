/* Whether a JPEG file ends before its picture does, by its markers alone: nothing is decoded. */
#include "image/vips-private.h"

#include <stdio.h>
#include <string.h>

enum {
  FILL = 0xff,
  STUFFING = 0,
  ALONE = 0x01,
  RESTART = 0xd0,
  RESTART_LAST = 0xd7,
  BEGIN = 0xd8,
  END = 0xd9
};

static bool is_restart(int byte) {
  return byte >= RESTART && byte <= RESTART_LAST;
}

/* The next marker that stands between segments or behind compressed data; EOF: there is none. */
static int next_marker(FILE *file) {
  int byte;
  do {
    while ((byte = getc_unlocked(file)) != FILL && byte != EOF)
      ;
    while (byte == FILL)
      byte = getc_unlocked(file);
  } while (byte == STUFFING || is_restart(byte));
  return byte;
}

/* A segment that reaches beyond the end leaves nothing to be read after it. */
static void skip_segment(FILE *file) {
  enum { LENGTH = 2 }; /* it counts itself */
  unsigned char bytes[LENGTH];
  if (fread(bytes, 1, LENGTH, file) < LENGTH)
    return;
  long length = (long)nd_number_in(bytes, LENGTH, true);
  if (length > LENGTH)
    fseek(file, length - LENGTH, SEEK_CUR);
}

static bool ends_early(FILE *file) {
  int marker = next_marker(file);
  if (marker != BEGIN)
    return false;
  while ((marker = next_marker(file)) != END && marker != EOF)
    if (marker != BEGIN && marker != ALONE)
      skip_segment(file);
  return marker == EOF;
}

int nd_jpeg_check_end(const char *name, const void *bytes, size_t size) {
  FILE *file = bytes ? fmemopen((void *)bytes, size, "re") : fopen(name, "re");
  unsigned char head[3];
  bool early = file && nd_format_starting(head, fread(head, 1, sizeof head, file)) == nd_format_named(".jpg");
  if (early)
    rewind(file);
  early = early && ends_early(file);
  if (file)
    fclose(file);
  return early ? nd_fail("cannot read '%s': the JPEG ends before its picture does; copy or download it again",
                         name)
               : 0;
}

int nd_image_check_end(const char *path) {
  return nd_jpeg_check_end(path, NULL, 0);
}
