/* Any bytes as what the image room reads itself of a picture: a BMP file, the texts of a PNG file,
 * Photoshop's blocks and IPTC's records, which are written into a PNG file and a JPEG file as well.
 * fuzz_picture -max_len=4096 NEW_CORPUS corpus/fuzz_picture.tar.gz is a start. */
#include "require.h"

#include "image/image.h"
#include "image/vips-private.h"

#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  require(!vips_init((*argv)[0]));
  vips_concurrency_set(1);
  return 0;
}

static void decode_bmp(const uint8_t *bytes, size_t n) {
  nd_image picture;
  if (nd_bmp_decode(bytes, n, "fuzzed", &picture))
    return;
  size_t count = (size_t)picture.width * (size_t)picture.height * 3;
  for (size_t i = 0; i < count; i++)
    require(picture.data[i] >= 0 && picture.data[i] <= 1);
  nd_image_free(&picture);
}

/* What has been read of records and blocks is found again, whichever way it is to be written. */
static void write_fields(VipsImage *image, bool jpeg) {
  nd_iptc_fit(image, jpeg);
  g_autoptr(GByteArray) blocks = nd_iptc_blocks(image);
  VipsImage *other = blocks ? vips_image_new_memory() : NULL;
  if (!other)
    return;
  require(nd_iptc_put_blocks(other, blocks));
  g_autoptr(GByteArray) again = nd_iptc_blocks(other);
  require(again && again->len == blocks->len && !memcmp(again->data, blocks->data, again->len));
  g_object_unref(other);
}

static void read_fields(const uint8_t *bytes, size_t n, bool jpeg) {
  g_autoptr(GByteArray) blocks = g_byte_array_append(g_byte_array_new(), bytes, (guint)n);
  VipsImage *image = vips_image_new_memory();
  if (nd_iptc_put_blocks(image, blocks))
    write_fields(image, jpeg);
  g_object_unref(image);
}

static void read_text(const uint8_t *bytes, size_t n, bool compressed) {
  VipsImage *image = vips_image_new_memory();
  nd_png_take_latin(image, (const char *)bytes, n, compressed);
  g_autofree char *text = g_strndup((const char *)bytes, n);
  if (g_utf8_validate(text, -1, NULL)) {
    vips_image_set_string(image, "png-comment-0-Raw profile type iptc", text);
    nd_png_take_records(image);
  }
  g_object_unref(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  decode_bmp(bytes, n);
  read_fields(bytes, n, false);
  read_fields(bytes, n, true);
  read_text(bytes, n, false);
  read_text(bytes, n, true);
  return 0;
}
