/* PSNR and SSIM against scikit-image (make_metrics.py printed the numbers), and charts. */
#include "image/image.h"
#include "image/plot.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { HEIGHT = 23, WIDTH = 31, MOST = HEIGHT * WIDTH * 3 };

static void fill(float *x, int which, int channels) {
  for (uint64_t i = 0; i < (uint64_t)HEIGHT * WIDTH * (uint64_t)channels; i++) {
    uint32_t h = (uint32_t)(i * 2654435761u + (uint64_t)which * 40503);
    double noise = (h >> 16) % 256, smooth = (double)(i / (uint64_t)channels % 97) * 2;
    x[i] = (float)(rint(smooth * 0.8 + noise * (which == 1 ? 0.2 : 0.25)) / 255);
  }
}

static void metrics_equal_scikit_image(void **state) {
  (void)state;
  static const struct {
    int channels;
    double psnr, uniform, gaussian;
  } cases[] = {{1, 30.37627707307207, 0.9934586368989321, 0.9925730238907794},
               {3, 30.188488739364384, 0.9934757158190021, 0.9938742261871951}};
  float a[MOST], b[MOST];
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    int c = cases[i].channels;
    fill(a, 1, c);
    fill(b, 2, c);
    nd_metric_options uniform = {.round_to_8_bits = true},
                      gaussian = {.round_to_8_bits = true, .gaussian = true};
    assert_true(fabs(nd_psnr(a, b, HEIGHT, WIDTH, c, uniform) - cases[i].psnr) < 1e-9);
    assert_true(fabs(nd_ssim(a, b, HEIGHT, WIDTH, c, uniform) - cases[i].uniform) < 1e-9);
    assert_true(fabs(nd_ssim(a, b, HEIGHT, WIDTH, c, gaussian) - cases[i].gaussian) < 1e-9);
  }
}

static void rounding_compares_what_a_file_holds(void **state) {
  (void)state;
  float a[3] = {0.5f, 1.7f, -0.2f}, b[3] = {0.501f, 1, 0};
  assert_true(isinf(nd_psnr(a, b, 1, 1, 3, (nd_metric_options){.round_to_8_bits = true})));
  assert_true(nd_psnr(a, b, 1, 1, 3, (nd_metric_options){0}) < 20);
}

static void equal_pictures_are_perfect_and_small_ones_refused(void **state) {
  (void)state;
  float a[MOST];
  fill(a, 1, 3);
  assert_true(isinf(nd_psnr(a, a, HEIGHT, WIDTH, 3, (nd_metric_options){0})));
  assert_true(fabs(nd_ssim(a, a, HEIGHT, WIDTH, 3, (nd_metric_options){0}) - 1) < 1e-12);
  assert_true(nd_ssim(a, a, 6, 31, 3, (nd_metric_options){0}) == -1);
  assert_non_null(strstr(nd_error(), "window"));
}

static void charts_are_svg_and_skip_what_is_not_finite(void **state) {
  (void)state;
  double x[] = {0, 1, 2, 3}, y[] = {1, NAN, 100, 1000};
  nd_plot_series series = {.name = "a & b", .x = x, .y = y, .count = 4};
  nd_plot plot = {
      .title = "t < u", .x_label = "x", .y_label = "y", .series = &series, .series_count = 1, .log_y = true};
  g_autofree char *svg = nd_plot_svg(&plot);
  assert_non_null(strstr(svg, "t &lt; u"));
  assert_null(strstr(svg, "nan"));
  assert_non_null(strstr(svg, ">100<")); /* a tick of the logarithmic axis */
  series.count = 0;
  assert_null(nd_plot_svg(&plot));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(metrics_equal_scikit_image),
      cmocka_unit_test(rounding_compares_what_a_file_holds),
      cmocka_unit_test(equal_pictures_are_perfect_and_small_ones_refused),
      cmocka_unit_test(charts_are_svg_and_skip_what_is_not_finite),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
