/* Reading: files that other programs wrote, value by value. Writing: back through the reader that this has
 * checked. */
#include "scratch.h"

/* ---- Reading ---- */
typedef struct expected {
  char *name;
  int width, height, channels, alpha, bits, tolerance;
  char **values;
} expected;

static void check_values(const expected *e, const nd_image *image) {
  float top = e->bits == 16 ? 65535 : 255;
  size_t bands = (size_t)(e->channels + e->alpha), n = (size_t)e->width * (size_t)e->height * bands;
  assert_int_equal(g_strv_length(e->values), n);
  for (size_t i = 0; i < n; i++) {
    size_t pixel = i / bands, k = i % bands;
    bool alpha = (int)k == e->channels;
    float found = alpha ? image->alpha[pixel] : image->data[pixel * (size_t)e->channels + k];
    float wanted = (float)g_ascii_strtod(e->values[i], NULL) / top;
    if (fabsf(found - wanted) > (float)e->tolerance / top * 1.001f)
      fail_msg("%s: value %zu is %.9g, not %.9g", e->name, i, (double)found, (double)wanted);
  }
}

static void check_picture(const expected *e, const nd_image *image) {
  assert_int_equal(image->width, e->width);
  assert_int_equal(image->height, e->height);
  assert_int_equal(image->channels, e->channels);
  assert_int_equal(image->bits, e->bits);
  assert_int_equal(image->alpha != NULL, e->alpha);
  check_values(e, image);
}

typedef void (*check_fn)(const expected *e, const char *path);

static int each_golden(check_fn check) {
  size_t size;
  g_autofree char *text = golden_bytes("pictures.txt", &size);
  g_auto(GStrv) lines = g_strsplit(g_strstrip(text), "\n", -1);
  int n = 0;
  for (; lines[n]; n++) {
    g_auto(GStrv) cells = g_strsplit(lines[n], " ", 8);
    g_auto(GStrv) values = g_strsplit(cells[7], " ", -1);
    g_autofree char *path = golden_path(cells[0]);
    expected e = {cells[0],       atoi(cells[1]), atoi(cells[2]), atoi(cells[3]),
                  atoi(cells[4]), atoi(cells[5]), atoi(cells[6]), values};
    check(&e, path);
  }
  return n;
}

static void check_load(const expected *e, const char *path) {
  nd_image image;
  must(nd_image_load(path, &image));
  check_picture(e, &image);
  nd_image_free(&image);
  assert_null(image.data);
}

static void check_decode(const expected *e, const char *path) {
  nd_image image;
  size_t size;
  g_autofree char *bytes = golden_bytes(e->name, &size);
  (void)path;
  must(nd_image_decode(bytes, size, e->name, &image));
  check_picture(e, &image);
  nd_image_free(&image);
}

static void check_rgb(const expected *e, const char *path) {
  nd_image image, rgb;
  must(nd_image_load(path, &image));
  must(nd_image_load_rgb(path, &rgb));
  assert_int_equal(rgb.channels, 3);
  assert_int_equal(rgb.bits, e->bits);
  assert_null(rgb.alpha);
  assert_null(rgb.meta);
  for (int i = 0; i < e->width * e->height * 3; i++)
    assert_true(rgb.data[i] == image.data[e->channels == 3 ? i : i / 3]);
  nd_image_free(&image);
  nd_image_free(&rgb);
}

static void check_size(const expected *e, const char *path) {
  int width, height;
  must(nd_image_size(path, &width, &height));
  assert_int_equal(width, e->width);
  assert_int_equal(height, e->height);
}

static void files_of_others_are_read_exactly(void **state) {
  (void)state;
  assert_int_equal(each_golden(check_load), 21);
}

static void memory_reads_like_a_file(void **state) {
  (void)state;
  each_golden(check_decode);
}

static void rgb_repeats_grey_and_drops_the_rest(void **state) {
  (void)state;
  each_golden(check_rgb);
}

static void sizes_come_from_the_header(void **state) {
  (void)state;
  each_golden(check_size);
}

/* What inks look like is a matter of profiles; that cyan lacks red is not. */
static void check_inks(const char *name, const float *rows[5]) {
  for (int c = 0; c < 3; c++) {
    if (rows[0][c] < 0.95f || rows[1][c] > 0.3f)
      fail_msg("%s: paper is %.2f, black is %.2f", name, (double)rows[0][c], (double)rows[1][c]);
    for (int other = 0; other < 3; other++)
      if (other != c && rows[2 + c][c] > rows[2 + c][other] - 0.2f)
        fail_msg("%s: ink %d does not take away its colour", name, c);
  }
}

static void inks_become_rgb(void **state) {
  (void)state;
  static const char *const names[] = {"cmyk8.tif", "cmyk.jpg"};
  for (int i = 0; i < 2; i++) {
    g_autofree char *path = golden_path(names[i]);
    nd_image image;
    const float *rows[5];
    must(nd_image_load(path, &image));
    assert_int_equal(image.channels, 3);
    assert_null(image.alpha);
    for (int k = 0; k < 5; k++) /* the middle of each of the five stripes */
      rows[k] = image.data + (size_t)((2 * k + 1) * image.height / 10 * image.width) * 3;
    check_inks(names[i], rows);
    nd_image_free(&image);
  }
}

static void the_name_does_not_decide(void **state) {
  size_t size;
  g_autofree char *bytes = golden_bytes("rgb16.png", &size), *path = scratch_path(state, "odd[page=3].JPG");
  nd_image image;
  must(nd_file_write_atomic(path, bytes, size));
  must(nd_image_load(path, &image));
  assert_int_equal(image.bits, 16);
  nd_image_free(&image);
  g_unlink(path);
}

static void a_changed_file_is_read_anew(void **state) {
  g_autofree char *path = scratch_path(state, "a.png");
  nd_image image;
  must(nd_image_new(4, 4, 3, &image));
  for (int i = 0; i < 3; i++) {
    nd_image again;
    image.data[5] = (float)i / 255;
    must(nd_image_save(path, &image, NULL));
    must(nd_image_load(path, &again));
    assert_true(again.data[5] == (float)i / 255.0f);
    nd_image_free(&again);
  }
  nd_image_free(&image);
  g_unlink(path);
}

static char logged[300];

static void keep_log(nd_log_level level, const char *message, void *context) {
  (void)context;
  if (level == ND_LOG_WARNING)
    g_strlcpy(logged, message, sizeof logged);
}

static void further_pages_are_mentioned(void **state) {
  (void)state;
  g_autofree char *path = golden_path("pages.tif");
  nd_image image;
  logged[0] = 0;
  nd_log_set_sink(keep_log, NULL);
  must(nd_image_load(path, &image));
  nd_log_set_sink(NULL, NULL);
  nd_image_free(&image);
  assert_non_null(strstr(logged, "pages.tif"));
  assert_non_null(strstr(logged, "3 pictures"));
}

static void names_of_pictures(void **state) {
  (void)state;
  static const char *const yes[] = {"a.png", "b.JPG", "c.jpeg", "d.Tif", "e.tiff", "f.webp", ".png"};
  static const char *const no[] = {"png", "a.gif", "a.png.txt", "", "a.jp"};
  for (size_t i = 0; i < G_N_ELEMENTS(yes); i++)
    assert_true(nd_image_named(yes[i]));
  for (size_t i = 0; i < G_N_ELEMENTS(no); i++)
    assert_false(nd_image_named(no[i]));
}

/* ---- Writing ---- */
typedef struct saving {
  const char *name;
  int channels, bits;
  bool alpha;
  float tolerance; /* 0: exact up to the rounding to bits */
  bool keeps_alpha, keeps_grey;
} saving;

static const saving savings[] = {
    {"a.png", 3, 8, false, 0, true, true},     {"a.png", 1, 8, true, 0, true, true},
    {"a.png", 3, 16, true, 0, true, true},     {"a.PNG", 1, 16, false, 0, true, true},
    {"a.tif", 3, 8, true, 0, true, true},      {"a.tiff", 1, 8, false, 0, true, true},
    {"a.tif", 3, 16, false, 0, true, true},    {"a.TIF", 1, 16, true, 0, true, true},
    {"a.jpg", 3, 8, false, 0.03f, true, true}, {"a.jpeg", 1, 8, false, 0.03f, true, true},
    {"a.jpg", 3, 8, true, 0.03f, false, true}, {"a.webp", 3, 8, false, 0.06f, true, true},
    {"a.webp", 3, 8, true, 0.06f, true, true}, {"a.webp", 1, 8, false, 0.06f, true, false},
};

/* Smooth, so that JPEG and WebP keep it. */
static void make_smooth(const saving *s, nd_image *image) {
  must(nd_image_new(37, 29, s->channels, image));
  size_t n = 37 * 29;
  if (s->alpha)
    image->alpha = nd_mem_alloc(n * sizeof(float), "test");
  for (size_t i = 0; i < n; i++) {
    for (int c = 0; c < s->channels; c++)
      image->data[i * (size_t)s->channels + (size_t)c] = 0.2f + 0.0171f * (float)(i % 37) + 0.05f * (float)c;
    if (s->alpha)
      image->alpha[i] = 1 - 0.0123f * (float)(i / 37);
  }
  image->bits = s->bits;
}

static void check_saved(const saving *s, const nd_image *saved, const nd_image *read) {
  float step = s->tolerance > 0 ? s->tolerance : 0.5001f / (s->bits == 16 ? 65535 : 255);
  assert_int_equal(read->width, 37);
  assert_int_equal(read->height, 29);
  assert_int_equal(read->bits, s->bits);
  assert_int_equal(read->channels, s->keeps_grey ? s->channels : 3);
  assert_int_equal(read->alpha != NULL, s->alpha && s->keeps_alpha);
  for (int i = 0; i < 37 * 29 * read->channels; i++) {
    float wanted = saved->data[read->channels == s->channels ? i : i / 3];
    if (fabsf(read->data[i] - wanted) > step)
      fail_msg("%s: value %d is %.6f, not %.6f", s->name, i, (double)read->data[i], (double)wanted);
  }
  for (int i = 0; i < 37 * 29 && read->alpha; i++)
    assert_true(fabsf(read->alpha[i] - saved->alpha[i]) <= 0.5001f / (s->bits == 16 ? 65535 : 255));
}

static void every_format_comes_back(void **state) {
  for (size_t i = 0; i < G_N_ELEMENTS(savings); i++) {
    const saving *s = &savings[i];
    g_autofree char *path = scratch_path(state, s->name);
    nd_image image, again;
    make_smooth(s, &image);
    must(nd_image_save(path, &image, NULL));
    must(nd_image_load(path, &again));
    check_saved(s, &image, &again);
    nd_image_free(&image);
    nd_image_free(&again);
    g_unlink(path);
  }
}

/* All 65536 levels, written and read: not one moves. */
static void sixteen_bits_are_kept_to_the_last(void **state) {
  static const char *const names[] = {"a.png", "a.tif"};
  nd_image image, again;
  must(nd_image_new(256, 256, 1, &image));
  image.bits = 16;
  for (int i = 0; i < 65536; i++)
    image.data[i] = (float)i / 65535.0f;
  for (int k = 0; k < 2; k++) {
    g_autofree char *path = scratch_path(state, names[k]);
    must(nd_image_save(path, &image, NULL));
    must(nd_image_load(path, &again));
    assert_memory_equal(again.data, image.data, 65536 * sizeof(float));
    nd_image_free(&again);
    g_unlink(path);
  }
  nd_image_free(&image);
}

static void values_are_clamped_and_rounded(void **state) {
  (void)state;
  static const float in[] = {-3, 1e30f, NAN, 0.5f, 100.4f / 255, 100.6f / 255, INFINITY, 1.0f / 255};
  static const float out[] = {0, 1, 0, 128.0f / 255, 100.0f / 255, 101.0f / 255, 1, 1.0f / 255};
  nd_image image, again;
  void *bytes;
  size_t size;
  must(nd_image_new(8, 1, 1, &image));
  memcpy(image.data, in, sizeof in);
  must(nd_image_encode(&image, ".png", NULL, &bytes, &size));
  must(nd_image_decode(bytes, size, "memory", &again));
  for (int i = 0; i < 8; i++)
    assert_true(again.data[i] == out[i]);
  g_free(bytes);
  nd_image_free(&image);
  nd_image_free(&again);
}

static size_t encoded_size(const nd_image *image, const char *format, nd_save_options options, int *bits) {
  void *bytes;
  size_t size;
  nd_image again;
  must(nd_image_encode(image, format, &options, &bytes, &size));
  must(nd_image_decode(bytes, size, "memory", &again));
  *bits = again.bits;
  g_free(bytes);
  nd_image_free(&again);
  return size;
}

static void options_are_obeyed(void **state) {
  (void)state;
  nd_image image;
  int bits;
  must(nd_image_new(64, 64, 3, &image));
  fill_values(&image);
  size_t small = encoded_size(&image, ".jpg", (nd_save_options){.quality = 20}, &bits);
  size_t usual = encoded_size(&image, ".jpg", (nd_save_options){0}, &bits);
  size_t large = encoded_size(&image, ".jpg", (nd_save_options){.quality = 100}, &bits);
  assert_true(2 * small < usual && usual < large);
  assert_true(encoded_size(&image, ".webp", (nd_save_options){.quality = 20}, &bits) <
              encoded_size(&image, ".webp", (nd_save_options){.quality = 90}, &bits));
  encoded_size(&image, ".png", (nd_save_options){.bits = 16}, &bits);
  assert_int_equal(bits, 16);
  image.bits = 16;
  encoded_size(&image, ".tif", (nd_save_options){.bits = 8}, &bits);
  assert_int_equal(bits, 8);
  encoded_size(&image, ".jpg", (nd_save_options){0}, &bits); /* as the format can */
  assert_int_equal(bits, 8);
  nd_image_free(&image);
}

static void impossible_wishes_are_refused(void **state) {
  g_autofree char *jpg = scratch_path(state, "a.jpg"), *webp = scratch_path(state, "a.webp"),
                  *gif = scratch_path(state, "a.gif");
  nd_image image, wide;
  void *bytes = &image;
  size_t size;
  must(nd_image_new(8, 8, 3, &image));
  must(nd_image_new(16384, 1, 1, &wide));
  assert_refused(nd_image_save(jpg, &image, &(nd_save_options){.bits = 16}), jpg, "16 bits");
  assert_refused(nd_image_save(jpg, &image, &(nd_save_options){.bits = 12}), jpg, "12 bits");
  assert_refused(nd_image_save(jpg, &image, &(nd_save_options){.quality = 101}), jpg, "101");
  assert_refused(nd_image_save(webp, &wide, NULL), webp, "16384 x 1");
  assert_refused(nd_image_save(gif, &image, NULL), gif, ".png");
  assert_refused(nd_image_encode(&image, ".gif", NULL, &bytes, &size), ".gif", ".png");
  assert_null(bytes);
  nd_image_free(&image);
  nd_image_free(&wide);
}

static void pictures_that_cannot_be_made(void **state) {
  (void)state;
  nd_image image;
  assert_int_equal(nd_image_new(0, 5, 3, &image), -1);
  assert_int_equal(nd_image_new(5, -1, 3, &image), -1);
  assert_int_equal(nd_image_new(5, 5, 2, &image), -1);
  assert_int_equal(nd_image_new(G_MAXINT, G_MAXINT, 3, &image), -1);
  assert_null(image.data);
}

int main(void) {
  if (nd_image_start() || nd_image_start())
    return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(files_of_others_are_read_exactly),
      cmocka_unit_test(memory_reads_like_a_file),
      cmocka_unit_test(rgb_repeats_grey_and_drops_the_rest),
      cmocka_unit_test(sizes_come_from_the_header),
      cmocka_unit_test(inks_become_rgb),
      IN_SCRATCH(the_name_does_not_decide),
      IN_SCRATCH(a_changed_file_is_read_anew),
      cmocka_unit_test(further_pages_are_mentioned),
      cmocka_unit_test(names_of_pictures),
      IN_SCRATCH(every_format_comes_back),
      IN_SCRATCH(sixteen_bits_are_kept_to_the_last),
      cmocka_unit_test(values_are_clamped_and_rounded),
      cmocka_unit_test(options_are_obeyed),
      IN_SCRATCH(impossible_wishes_are_refused),
      cmocka_unit_test(pictures_that_cannot_be_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
