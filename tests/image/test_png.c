/* What only PNG has: colours told by numbers, texts, frames. Its chunks are put together and looked into
 * here. */
#include "fields.h"

/* ---- Colours that PNG tells by numbers ---- */
static void put_number(GByteArray *to, uint32_t x) {
  uint32_t big = GUINT32_TO_BE(x);
  g_byte_array_append(to, (guint8 *)&big, sizeof big);
}

static uint32_t checksum(const guint8 *bytes, size_t n) {
  uint32_t c = ~0u;
  for (size_t i = 0; i < n; i++) {
    c ^= bytes[i];
    for (int k = 0; k < 8; k++)
      c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
  }
  return ~c;
}

static void put_bytes(GByteArray *png, const char *type, const guint8 *bytes, size_t n) {
  put_number(png, (uint32_t)n);
  g_byte_array_append(png, (const guint8 *)type, 4);
  g_byte_array_append(png, bytes, (guint)n);
  put_number(png, checksum(png->data + png->len - 4 - n, n + 4));
}

/* A chunk of numbers, or of one byte, 0. */
static void put_chunk(GByteArray *png, const char *type, const uint32_t *numbers, size_t count) {
  uint32_t big[8] = {0};
  assert_true(count <= G_N_ELEMENTS(big));
  for (size_t i = 0; numbers && i < count; i++)
    big[i] = GUINT32_TO_BE(numbers[i]);
  put_bytes(png, type, (const guint8 *)big, numbers ? 4 * count : 1);
}

/* Values along x, on a picture of one row; chunks after the header, where they are not 0. */
static void write_colours(const char *path, int bands, uint32_t gamma, const uint32_t *primaries, bool srgb) {
  enum { HEADER = 33 };
  unsigned char pixels[3 * 256];
  for (int i = 0; i < 256 * bands; i++)
    pixels[i] = (unsigned char)(i / bands);
  VipsImage *bare = vips_image_new_from_memory(pixels, sizeof pixels, 256, 1, bands, VIPS_FORMAT_UCHAR),
            *image;
  VipsInterpretation kind = bands == 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
  void *bytes;
  size_t size;
  assert_int_equal(vips_copy(bare, &image, "interpretation", kind, NULL), 0);
  assert_int_equal(vips_pngsave_buffer(image, &bytes, &size, NULL), 0);
  g_autoptr(GByteArray) png = g_byte_array_new();
  g_byte_array_append(png, bytes, HEADER);
  if (gamma)
    put_chunk(png, "gAMA", &gamma, 1);
  if (primaries)
    put_chunk(png, "cHRM", primaries, 8);
  if (srgb)
    put_chunk(png, "sRGB", NULL, 0);
  g_byte_array_append(png, (guint8 *)bytes + HEADER, (guint)size - HEADER);
  must(nd_file_write_atomic(path, png->data, png->len));
  g_free(bytes);
  g_object_unref(image);
  g_object_unref(bare);
}

/* Next to black lcms, asked for 8 bits, interpolates roughly. */
enum { DARK = 3 * 32 };

/* What was read of `from` and written to `to`, as a viewer shows it: RGB or grey samples of sRGB, 256 of
 * them; NULL: no profile. g_free. */
static unsigned char *as_shown(const char *from, const char *to) {
  nd_image image;
  size_t n;
  must(nd_image_load(from, &image));
  must(nd_image_save(to, &image, NULL));
  nd_image_free(&image);
  VipsImage *file = look_into(to), *shown = NULL;
  unsigned char *samples = NULL;
  if (vips_image_get_typeof(file, VIPS_META_ICC_NAME)) {
    assert_int_equal(
        vips_icc_transform(file, &shown, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE, NULL), 0);
    samples = vips_image_write_to_memory(shown, &n);
    assert_int_equal(n, 3 * 256);
    g_object_unref(shown);
  }
  g_object_unref(file);
  return samples;
}

static double srgb_of(double light) {
  return 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055);
}

static void gamma_becomes_a_profile(void **state) {
  static const uint32_t gammas[] = {100000, 55556};
  g_autofree char *from = scratch_path(state, "a.png"), *png = scratch_path(state, "b.png"),
                  *tiff = scratch_path(state, "b.tif");
  for (size_t k = 0; k < G_N_ELEMENTS(gammas); k++)
    for (int bands = 1; bands <= 3; bands += 2) {
      write_colours(from, bands, gammas[k], NULL, false);
      g_autofree unsigned char *shown = as_shown(from, k ? tiff : png);
      assert_non_null(shown);
      for (int i = DARK; i < 3 * 256; i++)
        if (fabs(shown[i] - srgb_of(pow(i / 3 / 255.0, 1e5 / gammas[k]))) > 1.5)
          fail_msg("gamma %u, %d bands: %d is shown as %d", gammas[k], bands, i / 3, shown[i]);
    }
  g_unlink(from), g_unlink(png), g_unlink(tiff);
}

/* Adobe RGB's green lies outside of sRGB: greys stay, and red of it is brighter red. */
static void primaries_become_a_profile(void **state) {
  static const uint32_t adobe[] = {31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000},
                        usual[] = {31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000};
  g_autofree char *from = scratch_path(state, "a.png"), *to = scratch_path(state, "b.png");
  write_colours(from, 3, 45470, adobe, false);
  g_autofree unsigned char *shown = as_shown(from, to);
  assert_non_null(shown);
  for (int i = 0; i < 3 * 256; i++)
    assert_true(fabs(shown[i] - srgb_of(pow(i / 3 / 255.0, 2.1993))) <= 1.5);
  write_colours(from, 3, 45455, usual, false);
  assert_null(as_shown(from, to));
  write_colours(from, 3, 100000, adobe, true); /* sRGB's word counts */
  assert_null(as_shown(from, to));
  write_colours(from, 3, 0, adobe, false);
  assert_null(as_shown(from, to));
  write_colours(from, 3, 100000, (const uint32_t[8]){0}, false); /* of no colours */
  assert_null(as_shown(from, to));
  g_unlink(from), g_unlink(to);
}

/* ---- Frames ---- */
static void look_for_frames(nd_log_level level, const char *message, void *found) {
  *(bool *)found |= level == ND_LOG_WARNING && strstr(message, "holds 7 pictures; the first is read");
}

/* Whatever stands before. */
static void frames_of_an_animation_are_mentioned(void **state) {
  enum { HEADER = 33 };
  g_autofree char *path = scratch_path(state, "a.png"), *bytes = NULL;
  g_autoptr(GByteArray) animation = g_byte_array_new();
  gsize n;
  bool found = false;
  nd_image image;
  write_colours(path, 3, 0, NULL, false);
  assert_true(g_file_get_contents(path, &bytes, &n, NULL));
  g_byte_array_append(animation, (guint8 *)bytes, HEADER);
  put_chunk(animation, "sRGB", NULL, 0);
  put_chunk(animation, "acTL", (const uint32_t[]){7, 0}, 2);
  g_byte_array_append(animation, (guint8 *)bytes + HEADER, (guint)(n - HEADER));
  nd_log_set_sink(look_for_frames, &found);
  must(nd_image_load(path, &image));
  assert_false(found);
  nd_image_free(&image);
  must(nd_image_decode(animation->data, animation->len, "animation", &image));
  assert_true(found);
  nd_image_free(&image);
  nd_log_set_sink(NULL, NULL);
  g_unlink(path);
}

/* ---- Texts ---- */
/* libvips reads keywords with blanks, and writes them without what follows; UTF-8 it writes as Latin-1. */
static void texts_keep_their_keywords_and_letters(void **state) {
  static const char *const texts[][3] = {{"png-comment-0-Author", "nobody", "tEXt"},
                                         {"png-comment-1-Creation Time", "1 Jan 2000", "tEXt"},
                                         {"png-comment-2-Title", "M\xc3\xb6we", "iTXt"}};
  g_autofree char *path = scratch_path(state, "a.png");
  nd_image image;
  g_autofree char *golden = golden_path("rgb8.png");
  must(nd_image_load(golden, &image));
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    vips_image_set_string(image.meta, texts[i][0], texts[i][1]);
  for (int round = 0; round < 2; round++) { /* the second time of what was read */
    must(nd_image_save(path, &image, NULL));
    nd_image_free(&image);
    g_autofree char *bytes = NULL;
    size_t n;
    assert_true(g_file_get_contents(path, &bytes, &n, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
      const char *keyword = strrchr(texts[i][0], '-') + 1, *at = memmem(bytes, n, keyword, strlen(keyword));
      assert_non_null(at);
      assert_memory_equal(at - 4, texts[i][2], 4);
      assert_int_equal(at[strlen(keyword)], 0);
    }
    must(nd_image_load(path, &image));
    VipsImage *saved = look_into(path);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
      const char *text;
      assert_int_equal(vips_image_get_string(saved, texts[i][0], &text), 0);
      assert_string_equal(text, texts[i][1]);
    }
    g_object_unref(saved);
  }
  nd_image_free(&image);
  g_unlink(path);
}

/* As PNG means it to be; here in place of a text of ASCII. */
static void a_text_in_latin_is_read(void **state) {
  g_autofree char *path = scratch_path(state, "a.png"), *golden = golden_path("rgb8.png"), *bytes = NULL;
  size_t n;
  nd_image image;
  must(nd_image_load(golden, &image));
  vips_image_set_string(image.meta, "png-comment-0-Source", "Koeln");
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  assert_true(g_file_get_contents(path, &bytes, &n, NULL));
  unsigned char *chunk = memmem(bytes, n, "tEXtSource", 10);
  assert_non_null(chunk);
  memcpy(chunk + 11, "K\xf6ln!", 5);
  uint32_t sum = GUINT32_TO_BE(checksum(chunk, 4 + 7 + 5));
  memcpy(chunk + 16, &sum, sizeof sum);
  must(nd_image_decode(bytes, n, "Latin-1", &image));
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  VipsImage *saved = look_into(path);
  check_text(saved, "png-comment-0-Source", "K\xc3\xb6ln!");
  g_object_unref(saved);
  g_unlink(path);
}

static void put_compressed(GByteArray *png, const char *head, size_t head_bytes, const guint8 *text,
                           size_t n) {
  static const guint8 before[] = "Comment\0"; /* and the method */
  g_autoptr(GByteArray) data = g_byte_array_new();
  g_byte_array_append(data, before, sizeof before);
  g_byte_array_append(data, text, (guint)n);
  g_byte_array_append(png, (const guint8 *)head, (guint)head_bytes);
  put_bytes(png, "zTXt", data->data, data->len);
}

/* Compressed by Python's zlib: 40 times "Gr\xfc\xdfe, ". What is cut short is no text. */
static void a_compressed_text_in_latin_is_read(void **state) {
  static const guint8 deflated[] = {0x78, 0x9c, 0x73, 0x2f, 0xfa, 0x73, 0x3f, 0x55, 0x47, 0xc1,
                                    0x7d, 0x94, 0x42, 0xa5, 0x00, 0x0b, 0xd4, 0x82, 0xc9};
  enum { HEADER = 33, TIMES = 40 };
  g_autofree char *path = scratch_path(state, "a.png"), *golden = golden_path("rgb8.png"), *bytes = NULL;
  g_autoptr(GByteArray) png = g_byte_array_new();
  g_autoptr(GString) wanted = g_string_new(NULL);
  size_t n;
  nd_image image;
  for (int i = 0; i < TIMES; i++)
    g_string_append(wanted, "Gr\xc3\xbc\xc3\x9f"
                            "e, ");
  assert_true(g_file_get_contents(golden, &bytes, &n, NULL));
  for (size_t kept = sizeof deflated; kept > sizeof deflated - 2; kept--) {
    g_byte_array_set_size(png, 0);
    put_compressed(png, bytes, HEADER, deflated, kept);
    g_byte_array_append(png, (guint8 *)bytes + HEADER, (guint)(n - HEADER));
    must(nd_image_decode(png->data, png->len, "zTXt", &image));
    must(nd_image_save(path, &image, NULL));
    nd_image_free(&image);
    VipsImage *saved = look_into(path);
    if (kept == sizeof deflated)
      check_text(saved, "png-comment-0-Comment", wanted->str);
    else
      assert_int_equal(vips_image_get_typeof(saved, "png-comment-0-Comment"), 0);
    g_object_unref(saved);
    g_unlink(path);
  }
}

int main(void) {
  if (nd_image_start())
    return 1;
  const struct CMUnitTest tests[] = {
      IN_SCRATCH(a_text_in_latin_is_read),
      IN_SCRATCH(a_compressed_text_in_latin_is_read),
      IN_SCRATCH(texts_keep_their_keywords_and_letters),
      IN_SCRATCH(frames_of_an_animation_are_mentioned),
      IN_SCRATCH(gamma_becomes_a_profile),
      IN_SCRATCH(primaries_become_a_profile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
