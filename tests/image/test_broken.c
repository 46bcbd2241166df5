/* What cannot be read or written: one clear message, nothing half done, nothing printed. */
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <tiffio.h>
#include <unistd.h>

/* ---- Not pictures ---- */
static void assert_unreadable(const char *path, const char *part) {
  nd_image image = {.width = 7};
  int width, height;
  assert_refused(nd_image_load(path, &image), path, part);
  assert_null(image.data);
  assert_int_equal(image.width, 0);
  assert_refused(nd_image_load_rgb(path, &image), path, part);
  assert_refused(nd_image_size(path, &width, &height), path, part);
}

static void what_is_no_picture_is_named(void **state) {
  g_autofree char *missing = scratch_path(state, "missing.png"), *empty = scratch_path(state, "empty.png"),
                  *text = scratch_path(state, "text.png"), *vector = scratch_path(state, "vector.png"),
                  *pipe = scratch_path(state, "pipe.png");
  static const char svg[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>";
  must(nd_file_write_atomic(empty, "", 0));
  must(nd_file_write_atomic(text, "hello", 5));
  must(nd_file_write_atomic(vector, svg, strlen(svg)));
  assert_int_equal(mkfifo(pipe, 0600), 0);
  assert_unreadable(missing, "No such file");
  assert_unreadable(empty, "empty");
  assert_unreadable(text, "PNG, JPEG, TIFF and WebP");
  assert_unreadable(vector, "PNG, JPEG, TIFF and WebP");
  assert_unreadable(pipe, "not a regular file");
  assert_unreadable(*state, "folder");
  const char *made[] = {empty, text, vector, pipe};
  for (size_t i = 0; i < G_N_ELEMENTS(made); i++)
    g_unlink(made[i]);
}

static void samples_of_other_kinds_are_named(void **state) {
  (void)state;
  g_autofree char *path = golden_path("float.tif");
  assert_unreadable(path, "float");
}

/* Red, as YCbCr with full range. */
static void write_ycbcr(const char *path, uint16_t compression) {
  enum { SIDE = 16 };
  unsigned char row[3 * SIDE];
  for (int x = 0; x < SIDE; x++)
    row[3 * x] = 76, row[3 * x + 1] = 85, row[3 * x + 2] = 255;
  TIFF *tiff = TIFFOpen(path, "w");
  assert_non_null(tiff);
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, SIDE);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, SIDE);
  TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, SIDE);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 3);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_YCBCR);
  TIFFSetField(tiff, TIFFTAG_YCBCRSUBSAMPLING, 1, 1);
  for (uint32_t y = 0; y < SIDE; y++)
    assert_int_equal(TIFFWriteScanline(tiff, row, y, 0), 1);
  TIFFClose(tiff);
}

static void colours_that_would_be_mistaken_are_named(void **state) {
  g_autofree char *path = scratch_path(state, "ycc.tif"), *bytes = NULL;
  size_t size;
  nd_image image;
  write_ycbcr(path, COMPRESSION_LZW);
  assert_unreadable(path, "YCbCr");
  assert_true(g_file_get_contents(path, &bytes, &size, NULL));
  assert_refused(nd_image_decode(bytes, size, "in memory", &image), "in memory", "YCbCr");
  write_ycbcr(path, COMPRESSION_JPEG);
  must(nd_image_load(path, &image));
  assert_true(image.data[0] > 0.95 && image.data[1] < 0.05 && image.data[2] < 0.05);
  nd_image_free(&image);
  g_unlink(path);
}

static void memory_without_a_picture(void **state) {
  (void)state;
  nd_image image;
  assert_refused(nd_image_decode("", 0, "nothing", &image), "nothing", "empty");
  assert_refused(nd_image_decode("\x89PNG\r\n\x1a\n", 8, "start", &image), "start", "cannot read");
  assert_refused(nd_image_decode("MM", 2, "two bytes", &image), "two bytes", "TIFF");
}

/* ---- Truncated and damaged ---- */
static bool same(const nd_image *a, const nd_image *b) {
  size_t n = (size_t)a->width * (size_t)a->height;
  if (a->width != b->width || a->height != b->height || a->channels != b->channels || !a->alpha != !b->alpha)
    return false;
  return !memcmp(a->data, b->data, n * (size_t)a->channels * sizeof(float)) &&
         (!a->alpha || !memcmp(a->alpha, b->alpha, n * sizeof(float)));
}

/* Without inks, whose conversion takes long to prepare. */
static const char *const samples[] = {"grey8.png", "rgba16.png", "palette_alpha.png", "rgb.jpg",
                                      "l.jpg",     "full.jpg",   "rgb8.tif",          "rgb16.tif",
                                      "rgba8.tif", "pages.tif",  "rgb.webp",          "rgba.webp"};

static void truncate_at(const char *name, const char *bytes, size_t size, const nd_image *whole) {
  nd_image image;
  /* A copy of just that size, so that a sanitizer sees any read beyond it. */
  g_autofree char *part = g_memdup2(bytes, size);
  if (nd_image_decode(part, size, name, &image)) {
    assert_refused(-1, name, "cannot read");
    assert_null(image.data);
  } else if (!same(&image, whole)) {
    fail_msg("%s, cut off at %zu bytes, is read as another picture", name, size);
  }
  nd_image_free(&image);
}

/* Without decoding it is known of JPEG alone, and then it is what decoding says. */
static void expect_end(const char *path, const char *bytes, size_t size, bool jpeg) {
  nd_image image;
  must(nd_file_write_atomic(path, bytes, size));
  int refused = nd_image_load(path, &image);
  if (!refused)
    nd_image_free(&image);
  g_autofree char *said = g_strdup(refused ? nd_error() : "");
  if (nd_image_check_end(path) != (jpeg ? refused : 0))
    fail_msg("%s, %zu bytes: read: '%s', the end: '%s'", path, size, said, nd_error());
  if (refused && jpeg)
    assert_string_equal(nd_error(), said);
}

static void a_jpeg_that_is_cut_off_is_known_by_its_end(void **state) {
  static const char *const names[] = {"rgb.jpg", "full.jpg", "rgb8.tif"};
  g_autofree char *path = scratch_path(state, "cut.jpg");
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    size_t size;
    g_autofree char *bytes = golden_bytes(names[i], &size);
    for (size_t n = 3; n < size; n += MAX(size / 60, 1))
      expect_end(path, bytes, n, i < 2);
    expect_end(path, bytes, size - 1, i < 2);
    expect_end(path, bytes, size, i < 2);
    g_autofree char *longer = g_malloc0(size + 9);
    memcpy(longer, bytes, size);
    expect_end(path, longer, size + 9, i < 2);
  }
  g_unlink(path);
}

/* Not in the words of a library alone ("vipspng: libpng read error"). */
static void half_a_file_is_told_in_plain_words(void **state) {
  int told = 0;
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
    size_t size;
    nd_image image;
    g_autofree char *bytes = golden_bytes(samples[i], &size);
    bool refused = nd_image_decode(bytes, size / 2, samples[i], &image) != 0;
    if (refused && !strstr(nd_error(), "copy or download it again"))
      fail_msg("%s", nd_error());
    told += refused;
    nd_image_free(&image);
  }
  assert_true(told > (int)G_N_ELEMENTS(samples) / 2); /* of some all pixels are in their first half */
}

static void a_truncated_file_is_whole_or_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
    size_t size;
    nd_image whole;
    g_autofree char *bytes = golden_bytes(samples[i], &size);
    must(nd_image_decode(bytes, size, samples[i], &whole));
    for (size_t n = 0; n<size; n += size> 700 ? 3 : 1)
      truncate_at(samples[i], bytes, n, &whole);
    nd_image_free(&whole);
  }
}

static void any_damage_is_survived(void **state) {
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
    size_t size;
    nd_image image;
    nd_rng rng = nd_rng_make(1, 0, (uint32_t)i, ND_RANDOM_TEST);
    g_autofree char *bytes = golden_bytes(samples[i], &size);
    for (int round = 0; round < 150; round++) {
      g_autofree char *damaged = g_memdup2(bytes, size);
      for (int k = 0; k <= round % 3; k++)
        damaged[nd_rng_below(&rng, (uint32_t)size)] = (char)nd_rng_u32(&rng);
      if (nd_image_decode(damaged, size, samples[i], &image))
        assert_refused(-1, samples[i], "cannot read");
      nd_image_free(&image);
    }
  }
}

/* libpng and libjpeg both would go on with grey. The middle of the compressed data is overwritten. */
static void damaged_pixels_are_refused(void **state) {
  static const char *const names[] = {".png", ".jpg"};
  nd_image image, again;
  must(nd_image_new(300, 200, 3, &image));
  fill_values(&image);
  for (int i = 0; i < 2; i++) {
    char *bytes;
    size_t size;
    g_autofree char *path = scratch_path(state, "damaged");
    must(nd_image_encode(&image, names[i], NULL, (void **)&bytes, &size));
    memset(bytes + size / 2, 0xff, 60);
    must(nd_file_write_atomic(path, bytes, size));
    assert_refused(nd_image_load(path, &again), path, "cannot read");
    g_free(bytes);
    g_unlink(path);
  }
  nd_image_free(&image);
}

/* Cut off, then closed as if nothing were missing: libjpeg fills the rest with grey and only warns. */
static void a_jpeg_closed_too_early_is_refused(void **state) {
  (void)state;
  nd_image image, again;
  unsigned char *bytes;
  size_t size;
  must(nd_image_new(300, 200, 3, &image));
  fill_values(&image);
  must(nd_image_encode(&image, ".jpg", NULL, (void **)&bytes, &size));
  bytes[size / 2] = 0xff, bytes[size / 2 + 1] = 0xd9;
  assert_refused(nd_image_decode(bytes, size / 2 + 2, "early.jpg", &again), "early.jpg", "Corrupt JPEG data");
  g_free(bytes);
  nd_image_free(&image);
}

/* Which some cameras write. */
static void bytes_too_many_before_the_end_do_no_harm(void **state) {
  (void)state;
  size_t size;
  nd_image image, padded;
  g_autofree char *bytes = golden_bytes("rgb.jpg", &size);
  g_autofree char *longer = g_malloc0(size + 5);
  memcpy(longer, bytes, size - 2);
  memset(longer + size - 2, 0x55, 5);
  memcpy(longer + size + 3, "\xff\xd9", 2);
  must(nd_image_decode(bytes, size, "plain", &image));
  must(nd_image_decode(longer, size + 5, "padded", &padded));
  assert_true(same(&image, &padded));
  nd_image_free(&image);
  nd_image_free(&padded);
}

/* Width and height of the header say 2 x 10^9 pixels a side. */
static void enormous_sizes_are_refused(void **state) {
  (void)state;
  size_t size;
  nd_image image;
  g_autofree char *bytes = golden_bytes("rgb8.png", &size);
  memset(bytes + 16, 0x77, 8);
  assert_refused(nd_image_decode(bytes, size, "enormous.png", &image), "enormous.png", "cannot read");
}

/* ---- Writing where it is not possible ---- */
static void check_old_file(const char *path, const char *old) {
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  assert_string_equal(text, old);
}

/* A limit on file sizes stands for the full disk. The scratch folder must be empty afterwards. */
static void a_full_disk_leaves_the_old_file(void **state) {
  g_autofree char *path = scratch_path(state, "a.png");
  struct rlimit before, tight;
  nd_image image;
  must(nd_image_new(200, 200, 3, &image));
  fill_values(&image);
  must(nd_file_write_atomic(path, "old", 3));
  getrlimit(RLIMIT_FSIZE, &before);
  tight = before;
  tight.rlim_cur = 4096;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &tight);
  int result = nd_image_save(path, &image, NULL);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  assert_refused(result, path, "cannot write");
  check_old_file(path, "old");
  must(nd_image_save(path, &image, NULL));
  nd_image_free(&image);
  g_unlink(path);
}

static void unwritable_places_are_named(void **state) {
  nd_image image;
  g_autofree char *missing = scratch_path(state, "none/a.png"), *locked = scratch_path(state, "locked"),
                  *inside = g_build_filename(locked, "a.png", NULL);
  must(nd_image_new(5, 5, 3, &image));
  assert_refused(nd_image_save(missing, &image, NULL), missing, "No such file");
  assert_int_equal(g_mkdir(locked, 0500), 0);
  if (geteuid() != 0) /* root may write anywhere */
    assert_refused(nd_image_save(inside, &image, NULL), inside, "ermission");
  assert_int_equal(g_rmdir(locked), 0);
  assert_int_equal(g_mkdir(locked, 0700), 0);
  assert_int_equal(g_mkdir(inside, 0700), 0); /* a folder where the file should go */
  assert_refused(nd_image_save(inside, &image, NULL), inside, "cannot write");
  assert_int_equal(g_rmdir(inside), 0);
  assert_int_equal(g_rmdir(locked), 0);
  nd_image_free(&image);
}

/* ---- Many threads ---- */
typedef struct job {
  const char *name;
  int wrong;
} job;

/* Each failure must tell its own reason, whatever fails elsewhere at the same time. */
static void *load_often(void *context) {
  job *j = context;
  size_t size;
  g_autofree char *bytes = golden_bytes(j->name, &size);
  nd_image whole, image;
  bool png = g_str_has_suffix(j->name, ".png");
  must(nd_image_decode(bytes, size, j->name, &whole));
  for (int i = 0; i < 60; i++) {
    if (nd_image_decode(bytes, size, j->name, &image) || !same(&image, &whole))
      j->wrong++;
    nd_image_free(&image);
    if (!nd_image_decode(bytes, size / 2, j->name, &image) || !strstr(nd_error(), j->name) ||
        !strstr(nd_error(), png ? "png" : "JPEG ends") || strstr(nd_error(), png ? "Jpeg" : "png2vips"))
      j->wrong++;
  }
  nd_image_free(&whole);
  return NULL;
}

static void threads_do_not_disturb_one_another(void **state) {
  (void)state;
  job jobs[] = {{"rgba16.png", 0}, {"rgb.jpg", 0}, {"rgb8.png", 0}, {"full.jpg", 0}};
  GThread *threads[G_N_ELEMENTS(jobs)];
  for (size_t i = 0; i < G_N_ELEMENTS(jobs); i++)
    threads[i] = g_thread_new("load", load_often, &jobs[i]);
  for (size_t i = 0; i < G_N_ELEMENTS(jobs); i++)
    g_thread_join(threads[i]);
  for (size_t i = 0; i < G_N_ELEMENTS(jobs); i++)
    assert_int_equal(jobs[i].wrong, 0);
}

/* ---- Silence: everything above ran with standard error turned into a file ---- */
static FILE *captured;
static int real_stderr;

static int capture_stderr(void **state) {
  (void)state;
  captured = tmpfile();
  real_stderr = dup(2);
  return captured && real_stderr >= 0 && dup2(fileno(captured), 2) == 2 ? 0 : -1;
}

static void nothing_was_printed(void **state) {
  (void)state;
  char text[400] = "";
  fflush(stderr);
  dup2(real_stderr, 2);
  rewind(captured);
  size_t n = fread(text, 1, sizeof text - 1, captured);
  fclose(captured);
  close(real_stderr);
  text[n] = 0;
  assert_string_equal(text, "");
}

int main(void) {
  if (nd_image_start())
    return 1;
  const struct CMUnitTest tests[] = {
      IN_SCRATCH(what_is_no_picture_is_named),
      cmocka_unit_test(samples_of_other_kinds_are_named),
      IN_SCRATCH(colours_that_would_be_mistaken_are_named),
      cmocka_unit_test(memory_without_a_picture),
      IN_SCRATCH(a_jpeg_that_is_cut_off_is_known_by_its_end),
      cmocka_unit_test(half_a_file_is_told_in_plain_words),
      cmocka_unit_test(a_truncated_file_is_whole_or_refused),
      cmocka_unit_test(any_damage_is_survived),
      IN_SCRATCH(damaged_pixels_are_refused),
      cmocka_unit_test(a_jpeg_closed_too_early_is_refused),
      cmocka_unit_test(bytes_too_many_before_the_end_do_no_harm),
      cmocka_unit_test(enormous_sizes_are_refused),
      IN_SCRATCH(a_full_disk_leaves_the_old_file),
      IN_SCRATCH(unwritable_places_are_named),
      cmocka_unit_test(threads_do_not_disturb_one_another),
      cmocka_unit_test(nothing_was_printed),
  };
  return cmocka_run_group_tests(tests, capture_stderr, NULL);
}
