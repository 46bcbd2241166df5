/* A JPEG file with other pictures behind the picture, put together here. */
#include "fields.h"

static void put_bytes(GByteArray *to, bool big, uint32_t x, int n) {
  for (int i = 0; i < n; i++) {
    guint8 byte = (guint8)(x >> 8 * (big ? n - 1 - i : i));
    g_byte_array_append(to, &byte, 1);
  }
}

/* A segment that tells of pictures of these kinds (CIPA DC-007, 5.2), behind one that tells nothing. */
static GByteArray *with_pictures(const GByteArray *jpeg, bool big, const uint32_t *kinds, uint32_t count) {
  enum { DIRECTORY = 8, ENTRIES = DIRECTORY + 2 + 3 * 12 + 4 };
  GByteArray *out = g_byte_array_new();
  g_byte_array_append(out, jpeg->data, 2);
  g_byte_array_append(out,
                      (const guint8 *)"\xff\xe2\0\x06"
                                      "MPX",
                      7);
  g_byte_array_append(out, (const guint8 *)"\0\xff\xe2", 3);
  put_bytes(out, true, 2 + 4 + ENTRIES + 16 * count, 2);
  g_byte_array_append(out, (const guint8 *)"MPF", 4);
  g_byte_array_append(out, (const guint8 *)(big ? "MM\0*" : "II*"), 4);
  put_bytes(out, big, DIRECTORY, 4);
  const uint32_t directory[3][3] = {{0xb000 | 7 << 16, 4, 0x30303130},
                                    {0xb001 | 4 << 16, 1, count},
                                    {0xb002 | 7 << 16, 16 * count, ENTRIES}};
  put_bytes(out, big, 3, 2);
  for (int i = 0; i < 3; i++) {
    put_bytes(out, big, directory[i][0] & 0xffff, 2);
    put_bytes(out, big, directory[i][0] >> 16, 2);
    put_bytes(out, big, directory[i][1], 4);
    put_bytes(out, big, directory[i][2], 4);
  }
  put_bytes(out, big, 0, 4);
  for (uint32_t i = 0; i < count; i++) {
    put_bytes(out, big, kinds[i], 4);
    for (int k = 0; k < 3; k++)
      put_bytes(out, big, 0, 4);
  }
  g_byte_array_append(out, jpeg->data + 2, jpeg->len - 2);
  return out;
}

static void count_warnings(nd_log_level level, const char *message, void *said) {
  if (level == ND_LOG_WARNING && strstr(message, "holds 2 pictures; the first is read"))
    ++*(int *)said;
}

static void pictures_behind_a_jpeg_are_mentioned(void **state) {
  static const uint32_t primary = 0x20030000, gain_map = 0, preview = 0x10002;
  static const struct {
    uint32_t kinds[3], count;
    int said;
  } cases[] = {{{primary, gain_map}, 2, 1}, {{primary, preview}, 2, 0}, {{primary, preview, gain_map}, 3, 1}};
  (void)state;
  nd_image image;
  void *bytes;
  size_t n;
  must(nd_image_new(16, 16, 3, &image));
  must(nd_image_encode(&image, ".jpg", NULL, &bytes, &n));
  nd_image_free(&image);
  g_autoptr(GByteArray) jpeg = g_byte_array_new_take(bytes, n);
  for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
    int said = 0;
    g_autoptr(GByteArray) file = with_pictures(jpeg, i % 2, cases[i / 2].kinds, cases[i / 2].count);
    nd_log_set_sink(count_warnings, &said);
    must(nd_image_decode(file->data, file->len, "a.jpg", &image));
    nd_log_set_sink(NULL, NULL);
    nd_image_free(&image);
    assert_int_equal(said, cases[i / 2].said);
  }
}

int main(void) {
  if (nd_image_start())
    return 1;
  const struct CMUnitTest tests[] = {
      IN_SCRATCH(pictures_behind_a_jpeg_are_mentioned),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
