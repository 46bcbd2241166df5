/* Sets that are published as BMP become sets of PNG. */
#include "preparing.h"

enum { HEAD = 14, INFO = 40, WIDTH = 5, HEIGHT = 3 };

typedef struct form {
  int bits;
  bool top_down;
} form;

static void append(GByteArray *to, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++)
    g_byte_array_append(to, (const guint8[]){(guint8)(value >> 8 * i)}, 1);
}

/* Red: the column; green: the row; blue: 7. Of palettes entry i is (i % 16, i / 16, 7). */
static void append_pixel(GByteArray *to, int x, int y, int bits) {
  if (bits == 8) {
    append(to, (uint32_t)(x + 16 * y), 1);
    return;
  }
  append(to, 7, 1);
  append(to, (uint32_t)y, 1);
  append(to, (uint32_t)x, 1);
  if (bits == 32)
    append(to, 99, 1);
}

/* By Microsoft's description of BITMAPFILEHEADER and BITMAPINFOHEADER. */
static GByteArray *bmp(form f) {
  GByteArray *b = g_byte_array_new();
  uint32_t palette = f.bits == 8 ? 4 * 256 : 0;
  g_byte_array_append(b, (const guint8 *)"BM", 2);
  append(b, 0, 4); /* its size, which nobody relies on */
  append(b, 0, 4);
  append(b, HEAD + INFO + palette, 4);
  append(b, INFO, 4);
  append(b, WIDTH, 4);
  append(b, (uint32_t)(f.top_down ? -HEIGHT : HEIGHT), 4);
  append(b, 1, 2);
  append(b, (uint32_t)f.bits, 2);
  for (int i = 0; i < 6; i++)
    append(b, 0, 4);
  for (uint32_t i = 0; i < palette / 4; i++)
    append(b, 7 | i / 16 << 8 | i % 16 << 16, 4);
  for (int y = 0; y < HEIGHT; y++) {
    for (int x = 0; x < WIDTH; x++)
      append_pixel(b, x, f.top_down ? y : HEIGHT - 1 - y, f.bits);
    while ((b->len - HEAD - INFO - palette) % 4)
      append(b, 0, 1);
  }
  return b;
}

static void every_kind_is_decoded(void **state) {
  (void)state;
  static const form forms[] = {{24, false}, {24, true}, {32, false}, {32, true}, {8, false}, {8, true}};
  for (size_t k = 0; k < G_N_ELEMENTS(forms); k++) {
    g_autoptr(GByteArray) b = bmp(forms[k]);
    nd_image image;
    if (nd_bmp_decode(b->data, b->len, "a.bmp", &image))
      fail_msg("%s", nd_error());
    assert_true(image.width == WIDTH && image.height == HEIGHT && image.channels == 3 && !image.alpha);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
      assert_int_equal(byte_of(image.data[3 * i]), i % WIDTH);
      assert_int_equal(byte_of(image.data[3 * i + 1]), i / WIDTH);
      assert_int_equal(byte_of(image.data[3 * i + 2]), 7);
    }
    nd_image_free(&image);
  }
}

static void damage_is_told(void **state) {
  (void)state;
  static const struct {
    size_t at;
    uint8_t byte;
    const char *said;
  } cases[] = {{HEAD + 7, 0x80, "header is damaged"}, /* width */
               {HEAD + 8, 0, "header is damaged"},    /* height */
               {HEAD + 10, 2, "header is damaged"},   {HEAD + 14, 4, "8, 24 and 32 bits"},
               {HEAD + 16, 1, "uncompressed"},        {HEAD, 12, "uncompressed"},
               {13, 0xff, "ends before its picture"}};
  nd_image image;
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GByteArray) b = bmp((form){24, false});
    b->data[cases[i].at] = cases[i].byte;
    assert_int_equal(nd_bmp_decode(b->data, b->len, "a.bmp", &image), -1);
    assert_error_has(cases[i].said);
  }
  for (int bits = 8; bits <= 24; bits += 16) {
    g_autoptr(GByteArray) b = bmp((form){bits, false});
    for (guint n = 0; n < b->len; n++) {
      g_autofree guint8 *part = g_memdup2(b->data, n ? n : 1); /* of just that size, for the sanitizers */
      assert_int_equal(nd_bmp_decode(part, n, "a.bmp", &image), -1);
    }
  }
}

/* WED's archive has BMP alone. */
static void a_set_of_bmp_becomes_one_of_png(void **state) {
  (void)state;
  const char *folder = "from/exploration_database_and_code/pristine_images";
  g_autoptr(GByteArray) b = bmp((form){24, false});
  g_autofree char *good = g_build_filename(folder, "00001.bmp", NULL),
                  *cut = g_build_filename(folder, "00002.bmp", NULL);
  assert_int_equal(g_mkdir_with_parents(folder, 0777), 0);
  assert_true(g_file_set_contents(good, (char *)b->data, b->len, NULL));
  assert_true(g_file_set_contents(cut, (char *)b->data, b->len - 9, NULL));
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
  nd_prepared p;
  prepare(&s, &p);
  const nd_prepared_group *g = group(&p, "wed/train", "clean");
  assert_true(g->made == 1 && g->failed == 1);
  assert_non_null(strstr(p.findings[0], "00002.bmp': the BMP ends before its picture does"));
  nd_prepared_free(&p);
  nd_image image;
  assert_int_equal(nd_image_load_rgb("out/wed/train/clean/00001.png", &image), 0);
  assert_true(image.width == WIDTH && image.height == HEIGHT);
  assert_int_equal(byte_of(image.data[3 * (WIDTH + 2)]), 2);
  nd_image_free(&image);
  prepare(&s, &p);
  assert_int_equal(group(&p, "wed/train", "clean")->skipped, 1);
  nd_prepared_free(&p);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
  const struct CMUnitTest tests[] = {TEST(every_kind_is_decoded), TEST(damage_is_told),
                                     TEST(a_set_of_bmp_becomes_one_of_png)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
