/* PSNR, SSIM and luma against scikit-image and SciPy (make_goldens.py), and against what must hold. */
#include "scratch.h"

/* The pictures of pair() in make_goldens.py. */
static void make_pair(int height, int width, int channels, float *a, float *b) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < channels; c++) {
        int v = 30 + 5 * x + 3 * y + 40 * c + (x * y) % 97 * 4, w = v + (x * 31 + y * 17 + c * 11) % 83 - 37;
        *a++ = (float)((v % 1021 + 1021) % 1021) / 1000.0f;
        *b++ = (float)((w % 1021 + 1021) % 1021) / 1000.0f;
      }
}

static double measure(const char *name, const float *a, const float *b, int height, int width, int channels) {
  nd_metric_options o = {.round_to_8_bits = g_str_has_suffix(name, "_8"),
                         .gaussian = strstr(name, "gaussian") != NULL,
                         .matlab = strstr(name, "matlab") != NULL};
  return g_str_has_prefix(name, "psnr") ? nd_psnr(a, b, height, width, channels, o)
                                        : nd_ssim(a, b, height, width, channels, o);
}

static void check_metric(const char *line) {
  g_auto(GStrv) cell = g_strsplit(line, " ", 5);
  int height = atoi(cell[0]), width = atoi(cell[1]), channels = atoi(cell[2]);
  size_t n = (size_t)height * (size_t)width * (size_t)channels;
  g_autofree float *a = g_new(float, n), *b = g_new(float, n);
  make_pair(height, width, channels, a, b);
  double found = measure(cell[3], a, b, height, width, channels), wanted = g_ascii_strtod(cell[4], NULL);
  if (!(fabs(found - wanted) < 1e-9 * fabs(wanted)))
    fail_msg("%s: found %.12f", line, found);
}

static void metrics_are_those_of_scikit_image(void **state) {
  (void)state;
  size_t size;
  g_autofree char *text = golden_bytes("metrics.txt", &size);
  g_auto(GStrv) lines = g_strsplit(g_strstrip(text), "\n", -1);
  assert_int_equal(g_strv_length(lines), 40);
  for (int i = 0; lines[i]; i++)
    check_metric(lines[i]);
}

static void protocols_are_those_of_the_field(void **state) {
  (void)state;
  size_t size;
  g_autofree char *text = golden_bytes("protocols.txt", &size);
  g_auto(GStrv) lines = g_strsplit(g_strstrip(text), "\n", -1);
  assert_int_equal(g_strv_length(lines), 9);
  for (int i = 0; lines[i]; i++) {
    g_auto(GStrv) cell = g_strsplit(lines[i], " ", 5);
    int height = atoi(cell[0]), width = atoi(cell[1]);
    g_autofree float *a = g_new(float, height *width * 3), *b = g_new(float, height *width * 3);
    make_pair(height, width, 3, a, b);
    double psnr, ssim;
    assert_int_equal(nd_protocol_measure(nd_protocol_find(cell[2]), a, b, height, width, &psnr, &ssim), 0);
    if (fabs(psnr - g_ascii_strtod(cell[3], NULL)) > 1e-9 ||
        fabs(ssim - g_ascii_strtod(cell[4], NULL)) > 1e-9)
      fail_msg("%s: found %.12f %.12f", lines[i], psnr, ssim);
  }
}

static void unknown_protocols_and_tiny_pictures_are_refused(void **state) {
  (void)state;
  float a[9 * 9 * 3], b[9 * 9 * 3];
  double psnr, ssim;
  make_pair(9, 9, 3, a, b);
  assert_null(nd_protocol_find("ycbcr"));
  assert_non_null(strstr(nd_error(), "rgb, y, matlab"));
  assert_int_equal(nd_protocol_measure(nd_protocol_find("rgb"), a, b, 9, 9, &psnr, &ssim), 0);
  assert_int_equal(nd_protocol_measure(nd_protocol_find("y"), a, b, 9, 9, &psnr, &ssim), -1);
  assert_non_null(strstr(nd_error(), "9 x 9"));
}

/* By the definition, in the plainest way: weights of the whole window, one window at a time. */
static double plain_ssim_at(const float *a, const float *b, int width, int y, int x) {
  double ma = 0, mb = 0, va = 0, vb = 0, ab = 0;
  for (int i = 0; i < 49; i++) {
    size_t at = (size_t)((y + i / 7) * width + x + i % 7);
    ma += (double)a[at] / 49, mb += (double)b[at] / 49;
  }
  for (int i = 0; i < 49; i++) {
    size_t at = (size_t)((y + i / 7) * width + x + i % 7);
    double da = (double)a[at] - ma, db = (double)b[at] - mb;
    va += da * da / 48, vb += db * db / 48, ab += da * db / 48;
  }
  return (2 * ma * mb + 1e-4) * (2 * ab + 9e-4) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4));
}

static void ssim_is_its_definition(void **state) {
  (void)state;
  enum { H = 33, W = 260 };
  float a[H * W], b[H * W];
  double sum = 0;
  make_pair(H, W, 1, a, b);
  for (int y = 0; y < H - 6; y++)
    for (int x = 0; x < W - 6; x++)
      sum += plain_ssim_at(a, b, W, y, x);
  assert_true(fabs(sum / (H - 6) / (W - 6) - nd_ssim(a, b, H, W, 1, (nd_metric_options){0})) < 1e-9);
}

static void the_smallest_picture_is_the_window(void **state) {
  (void)state;
  float a[121], b[121];
  make_pair(11, 11, 1, a, b);
  nd_metric_options uniform = {0}, gaussian = {.gaussian = true};
  assert_true(nd_ssim(a, b, 7, 7, 1, uniform) > -1);
  assert_true(nd_ssim(a, b, 6, 20, 1, uniform) == -1);
  assert_non_null(strstr(nd_error(), "20 x 6"));
  assert_true(nd_ssim(a, b, 11, 11, 1, gaussian) > -1);
  assert_true(nd_ssim(a, b, 11, 10, 1, gaussian) == -1);
}

static void equal_pictures_are_perfect(void **state) {
  (void)state;
  float a[12 * 13 * 3], b[12 * 13 * 3];
  make_pair(12, 13, 3, a, b);
  for (int i = 0; i < 8; i++) {
    nd_metric_options o = {.round_to_8_bits = i & 1, .gaussian = i & 2, .matlab = i & 4};
    assert_true(fabs(nd_ssim(a, a, 12, 13, 3, o) - 1) < 1e-12);
    assert_true(isinf(nd_psnr(a, a, 12, 13, 3, o)));
  }
}

/* A difference everywhere of d: -20 log10 d. */
static void psnr_in_closed_form(void **state) {
  (void)state;
  enum { N = 100003 }; /* many blocks, and a remainder */
  g_autofree float *a = g_new0(float, N), *b = g_new(float, N);
  for (int i = 0; i < N; i++)
    b[i] = 0.125f;
  assert_true(fabs(nd_psnr(a, b, 1, N, 1, (nd_metric_options){0}) + 20 * log10(0.125)) < 1e-9);
  assert_true(fabs(nd_psnr(a, b, 1, N, 1, (nd_metric_options){.round_to_8_bits = true}) +
                   20 * log10(32 / 255.0)) < 1e-9);
}

/* A network that has broken down must not be praised. */
static void what_is_not_a_number_is_not_a_score(void **state) {
  (void)state;
  float a[12 * 13 * 3], b[12 * 13 * 3];
  make_pair(12, 13, 3, a, b);
  b[200] = NAN;
  for (int i = 0; i < 8; i++) {
    nd_metric_options o = {.round_to_8_bits = i & 1, .gaussian = i & 2, .matlab = i & 4};
    assert_true(isnan(nd_ssim(a, b, 12, 13, 3, o)));
    assert_true(isnan(nd_psnr(a, b, 12, 13, 3, o)));
  }
}

static void threads_do_not_change_a_bit(void **state) {
  (void)state;
  enum { H = 301, W = 307 };
  g_autofree float *a = g_new(float, H *W * 3), *b = g_new(float, H *W * 3);
  make_pair(H, W, 3, a, b);
  for (int i = 0; i < 3; i++) {
    nd_metric_options o = {.gaussian = i == 1, .matlab = i == 2};
    double psnr[4], ssim[4];
    for (int threads = 1; threads < 4; threads++) {
      nd_set_threads(threads);
      psnr[threads] = nd_psnr(a, b, H, W, 3, o);
      ssim[threads] = nd_ssim(a, b, H, W, 3, o);
    }
    nd_set_threads(0);
    assert_true(psnr[1] == psnr[2] && psnr[1] == psnr[3]);
    assert_true(ssim[1] == ssim[2] && ssim[1] == ssim[3]);
  }
}

static void check_luma(const char *line, const float *rgb) {
  g_auto(GStrv) cell = g_strsplit(line, " ", -1);
  float y[90];
  assert_int_equal(g_strv_length(cell), 91);
  nd_luma_y(rgb, 90, g_str_has_suffix(cell[0], "_8"), y);
  for (int i = 0; i < 90; i++)
    if (fabs((double)y[i] - g_ascii_strtod(cell[i + 1], NULL)) > 1e-7)
      fail_msg("%s of pixel %d is %.9f, not %s", cell[0], i, (double)y[i], cell[i + 1]);
}

static void luma_is_that_of_scikit_image(void **state) {
  (void)state;
  float rgb[9 * 10 * 3], other[9 * 10 * 3];
  size_t size;
  g_autofree char *text = golden_bytes("luma.txt", &size);
  g_auto(GStrv) lines = g_strsplit(g_strstrip(text), "\n", -1);
  make_pair(9, 10, 3, rgb, other);
  for (int i = 0; i < 2; i++)
    check_luma(lines[i], rgb);
}

/* ITU-R BT.601: black is 16, white 235 of 255. */
static void luma_of_black_and_white(void **state) {
  (void)state;
  const float rgb[] = {0, 0, 0, 1, 1, 1};
  for (int rounded = 0; rounded < 2; rounded++) {
    float y[2];
    nd_luma_y(rgb, 2, rounded, y);
    assert_true(fabsf(y[0] * 255 - 16) < 1e-4f && fabsf(y[1] * 255 - 235) < 1e-4f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(metrics_are_those_of_scikit_image),
      cmocka_unit_test(protocols_are_those_of_the_field),
      cmocka_unit_test(unknown_protocols_and_tiny_pictures_are_refused),
      cmocka_unit_test(ssim_is_its_definition),
      cmocka_unit_test(the_smallest_picture_is_the_window),
      cmocka_unit_test(equal_pictures_are_perfect),
      cmocka_unit_test(psnr_in_closed_form),
      cmocka_unit_test(what_is_not_a_number_is_not_a_score),
      cmocka_unit_test(threads_do_not_change_a_bit),
      cmocka_unit_test(luma_is_that_of_scikit_image),
      cmocka_unit_test(luma_of_black_and_white),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
