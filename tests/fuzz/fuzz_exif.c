/* Any bytes as a TIFF file, and as a block of EXIF: what is read out of them can be written, and read again
 * as much. fuzz_exif -max_len=2048 NEW_CORPUS corpus/fuzz_exif.tar.gz is a start. */
#include "require.h"

#include "image/exif-private.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void pack_and_read(const nd_exif *exif) {
  size_t n, m;
  g_autofree void *block = nd_exif_pack(exif, &n);
  nd_exif *again = nd_exif_unpack(block, n);
  require(n < 65536);
  if (!again) /* all of it was too large */
    return;
  g_free(nd_exif_pack(again, &m));
  require(n == m); /* values may stand in another order */
  nd_exif_free(again);
}

static void add(const nd_exif *exif, const uint8_t *bytes, size_t n) {
  nd_exif_addition a;
  if (nd_exif_add(exif, &(nd_tiff_bytes){.memory = bytes, .size = n}, &a)) {
    require(!a.head && !a.tail);
    return;
  }
  GByteArray *whole = g_byte_array_new();
  g_byte_array_append(whole, bytes, (guint)n);
  require(a.head->len <= n);
  memcpy(whole->data, a.head->data, a.head->len);
  g_byte_array_append(whole, a.tail->data, a.tail->len);
  nd_exif_free(nd_exif_read(&(nd_tiff_bytes){.memory = whole->data, .size = whole->len}));
  g_byte_array_unref(whole);
  g_byte_array_unref(a.head);
  g_byte_array_unref(a.tail);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  nd_exif *exif = nd_exif_unpack(bytes, n);
  if (!exif)
    return 0;
  pack_and_read(exif);
  nd_exif_set_size(exif, 1000, 1);
  add(exif, bytes, n);
  nd_exif_free(exif);
  return 0;
}
