/* NIQE against tests/image/niqe.py, which has it by the paper and nothing separated, and against what must
 * hold. */
#include "image/niqe-private.h"
#include "image/niqe.h"
#include "scratch.h"

/* textured() of niqe.py. */
static float *textured(int height, int width) {
  float *rgb = g_new(float, (gsize)height *(gsize)width * 3), *at = rgb;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++) {
        int v = 90 + 20 * c + 40 * ((x / 23 + y / 31) % 3) + (x * x / 50 + y * 3) % 41 +
                (x * 7919 + y * 104729 + x * y * 31) % 29;
        *at++ = (float)(v % 256) / 255;
      }
  return rgb;
}

/* model() of niqe.py. */
static void make_model(nd_niqe_model *out) {
  enum { N = ND_NIQE_FEATURES };
  double a[N][N];
  memset(out, 0, sizeof *out);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      a[i][j] = cos((i + 1.0) * (j + 2.0)) / 20;
  for (int i = 0; i < N; i++) {
    out->mean[i] = 0.3 + i * 7 % 11 / 10.0;
    out->covariance[i][i] = 0.01 + i / 500.0;
    for (int j = 0; j < N; j++)
      for (int k = 0; k < N; k++)
        out->covariance[i][j] += a[i][k] * a[j][k];
  }
}

static double niqe_of(const nd_niqe_model *model, const float *rgb, int height, int width) {
  double found;
  must(nd_niqe_measure(model, rgb, height, width, &found));
  return found;
}

static void check_line(const char *line, const nd_niqe_blocks *blocks, const nd_niqe_model *model) {
  g_auto(GStrv) cell = g_strsplit(line, " ", -1);
  double wanted, found;
  if (!strcmp(cell[0], "feature")) {
    found = blocks->features[0][atoi(cell[1])];
    wanted = g_ascii_strtod(cell[2], NULL);
  } else {
    int height = atoi(cell[1]), width = atoi(cell[2]);
    g_autofree float *rgb = textured(height, width);
    found = niqe_of(model, rgb, height, width);
    wanted = g_ascii_strtod(cell[3], NULL);
  }
  if (!(fabs(found - wanted) < 1e-7))
    fail_msg("%s: found %.12f", line, found);
}

static void niqe_is_that_of_the_oracle(void **state) {
  (void)state;
  size_t size;
  nd_niqe_blocks blocks;
  nd_niqe_model model;
  g_autofree char *text = golden_bytes("niqe.txt", &size);
  g_auto(GStrv) lines = g_strsplit(g_strstrip(text), "\n", -1);
  g_autofree float *rgb = textured(200, 300);
  must(nd_niqe_blocks_of(rgb, 200, 300, &blocks));
  make_model(&model);
  assert_int_equal(blocks.count, 6);
  assert_int_equal(g_strv_length(lines), 36 + 3);
  for (int i = 0; lines[i]; i++)
    check_line(lines[i], &blocks, &model);
  nd_niqe_blocks_free(&blocks);
}

/* Of a photo whose grain is Gaussian, the products of neighbours are even on both sides, and the widths those
 * of the distribution: the fit of a known one. */
static void a_gaussian_is_found_again(void **state) {
  (void)state;
  enum { SIDE = ND_NIQE_BLOCK };
  double block[SIDE * SIDE], found[ND_NIQE_SCALE_FEATURES];
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  for (int i = 0; i < SIDE * SIDE; i++)
    block[i] = 0.7 * nd_rng_normal(&rng);
  nd_niqe_features(block, SIDE, found);
  assert_true(fabs(found[0] - 2) < 0.1);
  assert_true(fabs(found[1] - 0.7 * sqrt(2)) < 0.03); /* exp(-(x / width)^2) */
  for (int i = 0; i < 4; i++)
    assert_true(fabs(found[3 + 4 * i]) < 0.02);
}

/* A texture with grain of its own in every block, and white noise of that deviation. */
static float *grainy(int side, uint64_t which, double noise) {
  float *rgb = textured(side, side);
  nd_rng rng = nd_rng_make(1, which, 0, ND_RANDOM_TEST);
  float run = 0;
  for (int i = 0; i < side * side * 3; i++) {
    float grain = 0.02f + 0.06f * (float)((i / 3 % side / 96 + i / 3 / side / 96 + (int)which) % 5);
    run = 0.6f * run + grain * (float)nd_rng_normal(&rng);
    rgb[i] = 0.3f + 0.4f * rgb[i] + run + (float)(noise * nd_rng_normal(&rng));
  }
  return rgb;
}

static void damage_raises_the_figure(void **state) {
  (void)state;
  enum { SIDE = 480 };
  nd_niqe_fit *fit = nd_niqe_fit_new();
  nd_niqe_model model;
  double previous = 0;
  for (uint64_t i = 1; i < 20; i++) {
    size_t taken;
    g_autofree float *rgb = grainy(SIDE, i, 0);
    must(nd_niqe_fit_add(fit, rgb, SIDE, SIDE, &taken));
    assert_true(taken > 0 && taken < 25); /* not the blocks of little grain */
  }
  must(nd_niqe_fit_finish(fit, &model));
  nd_niqe_fit_free(fit);
  for (int damage = 0; damage < 3; damage++) {
    g_autofree float *rgb = grainy(SIDE, 40, 0.05 * damage);
    double found = niqe_of(&model, rgb, SIDE, SIDE);
    assert_true(found > previous);
    previous = found;
  }
}

static void what_came_with_the_program_is_a_model(void **state) {
  g_autofree char *path = scratch_path(state, "model.txt");
  nd_niqe_model model, read;
  nd_niqe_standard(&model);
  must(nd_niqe_model_write(path, &model, "of a test"));
  must(nd_niqe_model_read(path, &read)); /* which checks it */
  for (int i = 0; i < ND_NIQE_FEATURES; i++)
    for (int j = 0; j < ND_NIQE_FEATURES; j++)
      assert_true(fabs(read.covariance[i][j] - model.covariance[i][j]) <=
                  1e-9 * fabs(model.covariance[i][j]));
  g_autofree float *rgb = textured(200, 300);
  assert_true(fabs(niqe_of(&model, rgb, 200, 300) - niqe_of(&read, rgb, 200, 300)) < 1e-6);
  g_remove(path);
}

/* writes the model, with one text in place of another. */
static void expect_refusal(void **state, const nd_niqe_model *model, const char *from, const char *to,
                           const char *part) {
  g_autofree char *path = scratch_path(state, "model.txt"), *text = NULL;
  nd_niqe_model read;
  must(nd_niqe_model_write(path, model, "of a test"));
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_autoptr(GString) changed = g_string_new(text);
  g_string_replace(changed, from, to, 1);
  assert_true(g_file_set_contents(path, changed->str, -1, NULL));
  assert_refused(nd_niqe_model_read(path, &read), "model.txt", part);
  g_remove(path);
}

static void broken_models_are_refused(void **state) {
  nd_niqe_model model, read;
  make_model(&model);
  expect_refusal(state, &model, "\n0.3,", "\n", "1331 numbers");
  expect_refusal(state, &model, "\n0.3,", "\n0.3, 1,", "more than");
  expect_refusal(state, &model, "\n0.3,", "\nnan,", "line 2");
  expect_refusal(state, &model, "\n0.3,", "\nx0.3,", "not a number");
  model.covariance[3][5] += 1;
  expect_refusal(state, &model, "", "", "not symmetric: row 6, column 4");
  model.covariance[5][3] += 1;
  expect_refusal(state, &model, "", "", "not positive definite");
  assert_refused(nd_niqe_model_read("no/such/file", &read), "no/such/file", "cannot read");
}

static void small_and_flat_pictures_are_refused(void **state) {
  (void)state;
  nd_niqe_model model;
  double found;
  make_model(&model);
  g_autofree float *rgb = textured(200, 300), *flat = g_new0(float, 200 * 300 * 3);
  assert_refused(nd_niqe_measure(&model, rgb, 95, 300, &found), "300 x 95", "it has 0");
  assert_refused(nd_niqe_measure(&model, rgb, 191, 191, &found), "191 x 191", "it has 1");
  assert_refused(nd_niqe_measure(&model, flat, 200, 300, &found), "300 x 200", "it has 0");
  /* A burnt-out half does not count. */
  for (int i = 0; i < 96 * 3; i++)
    for (int y = 0; y < 200; y++)
      rgb[y * 300 * 3 + i] = 1;
  g_autofree float *right = g_new(float, 200 * 204 * 3);
  for (int y = 0; y < 200; y++)
    memcpy(right + y * 204 * 3, rgb + (y * 300 + 96) * 3, 204 * 3 * sizeof *right);
  assert_true(isfinite(niqe_of(&model, rgb, 200, 300)) && isfinite(niqe_of(&model, right, 200, 204)));
}

static void too_few_blocks_are_no_model(void **state) {
  (void)state;
  nd_niqe_fit *fit = nd_niqe_fit_new();
  nd_niqe_model model;
  size_t taken;
  g_autofree float *rgb = textured(200, 300);
  must(nd_niqe_fit_add(fit, rgb, 200, 300, &taken));
  must(nd_niqe_fit_add(fit, rgb, 50, 50, &taken));
  assert_int_equal(taken, 0);
  assert_refused(nd_niqe_fit_finish(fit, &model), "36", "more photos");
  nd_niqe_fit_free(fit);
}

static void threads_do_not_change_a_bit(void **state) {
  (void)state;
  nd_niqe_model model;
  double found[4];
  make_model(&model);
  g_autofree float *rgb = textured(400, 500);
  for (int threads = 1; threads < 4; threads++) {
    nd_set_threads(threads);
    found[threads] = niqe_of(&model, rgb, 400, 500);
  }
  nd_set_threads(0);
  assert_true(found[1] == found[2] && found[1] == found[3]);
}

static void photos_are_made_smaller(void **state) {
  (void)state;
  nd_image image;
  must(nd_image_start());
  must(nd_image_new(300, 100, 3, &image));
  for (int i = 0; i < 300 * 100 * 3; i++)
    image.data[i] = 0.25f;
  must(nd_image_shrink(&image, 400));
  assert_int_equal(image.width, 300);
  must(nd_image_shrink(&image, 150));
  assert_true(image.width == 150 && image.height == 50 && image.channels == 3);
  for (int i = 0; i < 150 * 50 * 3; i++)
    assert_true(fabsf(image.data[i] - 0.25f) < 1e-5f);
  nd_image_free(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(niqe_is_that_of_the_oracle),
      cmocka_unit_test(a_gaussian_is_found_again),
      cmocka_unit_test(damage_raises_the_figure),
      cmocka_unit_test_setup_teardown(what_came_with_the_program_is_a_model, scratch_enter, scratch_leave),
      cmocka_unit_test_setup_teardown(broken_models_are_refused, scratch_enter, scratch_leave),
      cmocka_unit_test(small_and_flat_pictures_are_refused),
      cmocka_unit_test(too_few_blocks_are_no_model),
      cmocka_unit_test(threads_do_not_change_a_bit),
      cmocka_unit_test(photos_are_made_smaller),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
