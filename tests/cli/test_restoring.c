/* noiseda restore: where results go, what is kept of a picture, how much memory it takes. */
#include "program.h"
#include "restore/restore.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vips/vips.h>
#include <cmocka.h>

#define MODEL "run/model.safetensors"

static void train_a_model(const char *network) {
  make_pairs();
  write_recipe_of("r.yaml", "source", 5, network, "network: guided");
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.every=0", NULL);
}

static bool exists(const char *path) {
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* ---- Pixels ---- */
/* What the program writes is what the network gives for the picture in memory. */
static void expect_as_in_memory(const char *in, const char *out) {
  nd_model *model;
  nd_restorer *r;
  nd_image wanted, got;
  assert_int_equal(nd_model_load(MODEL, &model), 0);
  assert_int_equal(nd_restorer_of_model(model, nd_restorer_defaults(), &r), 0);
  assert_int_equal(nd_image_load(in, &wanted), 0);
  assert_int_equal(nd_image_load(out, &got), 0);
  assert_int_equal(nd_restorer_run_image(r, &wanted, NULL, NULL, NULL), 0);
  assert_int_equal(got.width, wanted.width);
  assert_int_equal(got.height, wanted.height);
  assert_int_equal(got.channels, wanted.channels);
  assert_int_equal(got.bits, wanted.bits);
  assert_true(!got.alpha == !wanted.alpha);
  size_t pixels = (size_t)got.width * (size_t)got.height;
  double step = got.bits == 16 ? 1 / 65535.0 : 1 / 255.0;
  for (size_t i = 0; i < pixels * (size_t)got.channels; i++)
    assert_true(fabs((double)(got.data[i] - wanted.data[i])) < 0.51 * step);
  for (size_t i = 0; got.alpha && i < pixels; i++)
    assert_true(fabs((double)(got.alpha[i] - wanted.alpha[i])) < 1e-6);
  nd_image_free(&wanted);
  nd_image_free(&got);
  nd_restorer_free(r);
  nd_model_free(model);
}

static void make_kind(const char *path, int width, int height, int channels, int bits, bool alpha) {
  nd_image image;
  assert_int_equal(nd_image_new(width, height, channels, &image), 0);
  size_t pixels = (size_t)width * (size_t)height;
  for (size_t i = 0; i < pixels * (size_t)channels; i++)
    image.data[i] = 0.5f + 0.4f * sinf((float)i * 0.37f);
  if (alpha) {
    image.alpha = nd_mem_alloc(pixels * sizeof *image.alpha, "alpha");
    for (size_t i = 0; i < pixels; i++)
      image.alpha[i] = (float)(i % 256) / 255;
  }
  image.bits = bits;
  assert_int_equal(nd_image_save(path, &image, NULL), 0);
  nd_image_free(&image);
}

static void every_kind_of_picture_keeps_its_kind(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  for (int kind = 0; kind < 8; kind++) {
    int channels = kind & 1 ? 1 : 3, bits = kind & 2 ? 16 : 8;
    for (int odd = 0; odd < 2; odd++) {
      make_kind("in.png", odd ? 1 : 1500, odd ? 3 : 41, channels, bits, kind & 4);
      expect_status(0, "restore", "-m", MODEL, "in.png", "-o", "out.png", "--overwrite", NULL);
      expect_as_in_memory("in.png", "out.png");
    }
  }
}

static void alpha_is_not_lost_in_silence(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  make_kind("in.png", 30, 20, 3, 8, true);
  outcome o = run_program("restore", "-m", MODEL, "in.png", "-o", "out.jpg", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "'out.jpg' has no alpha"));
  outcome_clear(&o);
  o = run_program("restore", "-m", MODEL, "in.png", "-o", "out.webp", NULL);
  assert_int_equal(o.status, 0);
  assert_string_equal(o.err, "");
  outcome_clear(&o);
}

/* Neither wins in silence. */
static void a_name_and_a_format_must_agree(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  make_kind("in.png", 30, 20, 3, 8, false);
  outcome o = run_program("restore", "-m", MODEL, "in.png", "-o", "other.png", "-f", "jpeg", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "--format is 'jpeg' and the result's name 'other.png'"));
  assert_false(g_file_test("other.png", G_FILE_TEST_EXISTS));
  outcome_clear(&o);
  expect_status(0, "restore", "-m", MODEL, "in.png", "-o", "same.TIFF", "-f", "tif", NULL);
}

/* Turned upright, and what describes the picture comes along. */
static void metadata_come_along(void **state) {
  (void)state;
  static const char profile[] = "not a profile, but kept apart from one that would be wrong";
  VipsImage *plain, *image;
  train_a_model("network: unet, width: 4, depth: 2");
  assert_int_equal(vips_black(&plain, 30, 20, "bands", 3, NULL), 0);
  assert_int_equal(
      vips_copy(plain, &image, "interpretation", VIPS_INTERPRETATION_sRGB, "xres", 5.0, "yres", 5.0, NULL),
      0);
  vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
  vips_image_set_string(image, "exif-ifd0-Artist", "somebody (somebody, ASCII, 9 components, 9 bytes)");
  vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, profile, sizeof profile);
  assert_int_equal(vips_jpegsave(image, "in.jpg", NULL), 0);
  g_object_unref(image);
  g_object_unref(plain);
  static const char *const outputs[] = {"out.jpg", "out.png", "out.webp"};
  for (size_t i = 0; i < G_N_ELEMENTS(outputs); i++) {
    const char *artist;
    const void *xmp;
    size_t n;
    expect_status(0, "restore", "-m", MODEL, "in.jpg", "-o", outputs[i], NULL);
    VipsImage *out = vips_image_new_from_file(outputs[i], NULL);
    assert_non_null(out);
    assert_int_equal(vips_image_get_width(out), 20);
    assert_int_equal(vips_image_get_orientation(out), 1);
    assert_int_equal(vips_image_get_string(out, "exif-ifd0-Artist", &artist), 0);
    assert_non_null(strstr(artist, "somebody"));
    assert_int_equal(vips_image_get_blob(out, VIPS_META_XMP_NAME, &xmp, &n), 0);
    assert_true(n >= sizeof profile - 1 && !memcmp(xmp, profile, sizeof profile - 1));
    g_object_unref(out);
  }
}

/* ---- Names ---- */
static void results_stand_beside_their_inputs(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  expect_status(0, "restore", "-m", MODEL, "noisy/0.png", NULL);
  assert_true(exists("noisy/0_restored.png"));
  expect_status(0, "restore", "-m", MODEL, "noisy", "--skip-existing", NULL);
  assert_true(exists("noisy/3_restored.png"));
  assert_false(exists("noisy/0_restored_restored.png"));
  expect_status(0, "restore", "-m", MODEL, "noisy/[12].png", "-o", "out", "--format", "tiff", NULL);
  assert_true(exists("out/1.tif") && exists("out/2.tif") && !exists("out/0.tif"));
}

static void folders_keep_their_shape(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  g_mkdir("noisy/deep", 0777);
  make_picture("noisy/deep/x.png", 20, 20, 1, 0.1);
  expect_status(0, "restore", "-m", MODEL, "noisy", "-o", "noisy/out", NULL);
  assert_true(exists("noisy/out/deep/x.png") && exists("noisy/out/0.png"));
  expect_status(0, "restore", "-m", MODEL, "noisy", "-o", "noisy/out", "--overwrite", NULL);
  assert_false(exists("noisy/out/out"));
}

static void two_pictures_do_not_become_one(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  make_picture("noisy/0.jpg", 20, 20, 1, 0.1);
  outcome o =
      run_program("restore", "-m", MODEL, "noisy/0.png", "noisy/0.jpg", "-o", "out", "-f", "png", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "noisy/0.jpg"));
  assert_false(exists("out"));
  outcome_clear(&o);
}

static void a_picture_goes_through_the_standard_streams(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  make_kind("in.png", 30, 20, 3, 16, false);
  assert_int_equal(system("'" ND_PROGRAM "' restore -m " MODEL " - < in.png > out.png"), 0);
  expect_as_in_memory("in.png", "out.png");
  assert_int_equal(system("cat in.png | '" ND_PROGRAM "' restore -m " MODEL " - -o - -f tiff > out.tif"), 0);
  expect_as_in_memory("in.png", "out.tif");
  assert_int_equal(WEXITSTATUS(system("'" ND_PROGRAM "' restore -m " MODEL " - < /dev/null 2> said")), 1);
  make_kind("in.jpg", 30, 20, 3, 8, false);
  assert_int_equal(system("'" ND_PROGRAM "' restore -m " MODEL " - < in.jpg > out.jpg"), 0);
  g_autofree char *bytes = NULL;
  assert_true(g_file_get_contents("out.jpg", &bytes, NULL, NULL));
  assert_memory_equal(bytes, "\xff\xd8\xff", 3); /* as it came */
}

/* ---- What is said ---- */
static void a_dry_run_writes_nothing(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  outcome o = run_program("restore", "-m", MODEL, "noisy", "-o", "out", "--dry-run", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.out, "noisy/0.png -> out/0.png  40 x 36, 1 tile\n"));
  assert_false(exists("out"));
  outcome_clear(&o);
}

static void json_says_what_became_of_each(void **state) {
  (void)state;
  train_a_model("network: unet, width: 4, depth: 2");
  write_text("noisy/1.png", "broken");
  g_mkdir("out", 0777);
  write_text("out/2.png", "there");
  outcome o = run_program("restore", "-m", MODEL, "noisy", "-o", "out", "--json", "--skip-existing", NULL);
  static const char *const wanted[] = {"restored", "failed", "skipped", "restored", "done"};
  g_auto(GStrv) lines = g_strsplit(o.out, "\n", -1);
  assert_int_equal(o.status, 1);
  assert_int_equal(g_strv_length(lines), 6);
  for (int i = 0; i < 5; i++) {
    g_autoptr(JsonNode) node = json_from_string(lines[i], NULL);
    assert_non_null(node);
    JsonObject *object = json_node_get_object(node);
    assert_string_equal(json_object_get_string_member(object, "status"), wanted[i]);
    if (i == 0)
      assert_int_equal(json_object_get_int_member(object, "width"), 40);
    if (i == 1)
      assert_non_null(strstr(json_object_get_string_member(object, "error"), "noisy/1.png"));
    if (i == 4)
      assert_int_equal(json_object_get_int_member(object, "restored"), 2);
  }
  outcome_clear(&o);
}

/* ---- Large ones ---- */
enum { WIDE = 5000, HIGH = 4000, MEGABYTES = 190 };

static void make_large(const char *path) {
  VipsImage *one, *three;
  assert_int_equal(vips_zone(&one, WIDE, HIGH, "uchar", TRUE, NULL), 0);
  VipsImage *bands[] = {one, one, one};
  assert_int_equal(vips_bandjoin(bands, &three, 3, NULL), 0);
  assert_int_equal(vips_tiffsave(three, path, NULL), 0);
  g_object_unref(three);
  g_object_unref(one);
}

static double largest_difference(const char *a, const char *b) {
  VipsImage *x = vips_image_new_from_file(a, NULL), *y = vips_image_new_from_file(b, NULL), *d = NULL,
            *m = NULL;
  double most = 0;
  assert_int_equal(vips_subtract(x, y, &d, NULL) || vips_abs(d, &m, NULL) || vips_max(m, &most, NULL), 0);
  g_object_unref(x);
  g_object_unref(y);
  g_object_unref(d);
  g_object_unref(m);
  return most;
}

/* 240 MB as floats, and 60 as bytes, twice. */
static void memory_is_a_limit_that_is_kept(void **state) {
  (void)state;
  train_a_model("network: dncnn, width: 4, depth: 3");
  make_large("in.tif");
  g_autofree char *limit = g_strdup_printf("%dM", MEGABYTES);
  long peak =
      peak_of(start_program("restore", "-m", MODEL, "in.tif", "-o", "tight.tif", "--memory", limit, NULL));
  if (peak > MEGABYTES + SANITIZER_MEGABYTES)
    fail_msg("%ld MB were taken, %d allowed", peak, MEGABYTES);
  expect_status(0, "restore", "-m", MODEL, "in.tif", "-o", "roomy.tif", "--memory", "2G", NULL);
  assert_true(largest_difference("tight.tif", "roomy.tif") <= 1);
  outcome o = run_program("restore", "-m", MODEL, "in.tif", "-o", "no.tif", "--memory", "1M", NULL);
  assert_int_equal(o.status, 2);
  assert_non_null(strstr(o.err, "--memory is 1"));
  assert_non_null(strstr(o.err, "give it more than 128M"));
  outcome_clear(&o);
}

/* The weights alone take what there is. */
static void what_does_not_fit_says_what_does(void **state) {
  (void)state;
  train_a_model("network: nafnet, width: 16");
  make_kind("in.png", 300, 200, 3, 8, false);
  outcome o = run_program("restore", "-m", MODEL, "in.png", "-o", "out.png", "--memory", "129M", NULL);
  assert_int_equal(o.status, 1);
  const char *advice = strstr(o.err, " more; --memory "), *end = advice ? strstr(advice, " is enough") : NULL;
  if (!end)
    fail_msg("%s", o.err);
  advice += strlen(" more; --memory ");
  g_autofree char *enough = g_strndup(advice, (gsize)(end - advice));
  const char *allow = strstr(o.err, "allow ");
  assert_true(allow && strstr(allow, " MiB more;"));
  double more = g_ascii_strtod(allow + strlen("allow "), NULL), pictures = 1;
  if (!(atoi(enough) <= 129 + more + pictures + 1)) /* each rounded up */
    fail_msg("the two amounts do not agree: %s", o.err);
  outcome_clear(&o);
  expect_status(1, "restore", "-m", MODEL, "in.png", "-o", "out.png", "--memory", "129M", "--dry-run", NULL);
  expect_status(0, "restore", "-m", MODEL, "in.png", "-o", "out.png", "--memory", enough, NULL);
}

/* After the first picture is there, the second is under way. */
static void interrupt(int signal_number, const char *out) {
  g_autofree char *first = g_build_filename(out, "0.png", NULL), *said = NULL;
  pid_t child =
      start_program("restore", "-m", MODEL, "noisy/0.png", "in.tif", "-o", out, "--memory", "256M", NULL);
  await_file(first);
  int status = end_program(child, signal_number);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 128 + signal_number);
  g_autoptr(GDir) dir = g_dir_open(out, 0, NULL);
  assert_string_equal(g_dir_read_name(dir), "0.png");
  assert_null(g_dir_read_name(dir));
  assert_true(g_file_get_contents("said", &said, NULL, NULL));
  assert_non_null(strstr(said, "interrupted: 1 picture restored"));
}

static void an_interrupted_picture_leaves_nothing(void **state) {
  (void)state;
  train_a_model("network: dncnn, width: 24, depth: 8");
  make_large("in.tif");
  interrupt(SIGINT, "out");
  interrupt(SIGHUP, "again"); /* its terminal was closed */
}

static int start(void **state) {
  (void)state;
  return nd_image_start();
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {TEST(every_kind_of_picture_keeps_its_kind),
                                     TEST(alpha_is_not_lost_in_silence),
                                     TEST(a_name_and_a_format_must_agree),
                                     TEST(metadata_come_along),
                                     TEST(results_stand_beside_their_inputs),
                                     TEST(folders_keep_their_shape),
                                     TEST(two_pictures_do_not_become_one),
                                     TEST(a_picture_goes_through_the_standard_streams),
                                     TEST(a_dry_run_writes_nothing),
                                     TEST(json_says_what_became_of_each),
                                     TEST(memory_is_a_limit_that_is_kept),
                                     TEST(what_does_not_fit_says_what_does),
                                     TEST(an_interrupted_picture_leaves_nothing)};
  return cmocka_run_group_tests(tests, start, NULL);
}
