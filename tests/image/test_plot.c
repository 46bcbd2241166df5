/* Charts and pages: where ticks stand, where points land, and that the text is sound XML whatever the names.
 */
#include "scratch.h"

#include "image/page.h"
#include "image/plot-private.h"
#include "image/plot.h"

#include <locale.h>

/* ---- Ticks ---- */
static void check_ticks(bool log, double low, double high, int wanted, const char *labels) {
  nd_tick ticks[ND_MOST_TICKS];
  int n = log ? nd_ticks_log(low, high, wanted, ticks) : nd_ticks_linear(low, high, wanted, ticks);
  GString *found = g_string_new(NULL);
  for (int i = 0; i < n; i++)
    g_string_append_printf(found, "%s%s", i ? " " : "", ticks[i].label);
  if (strcmp(found->str, labels))
    fail_msg("[%g, %g]: %s instead of %s", low, high, found->str, labels);
  g_string_free(found, TRUE);
}

static void linear_ticks_are_round(void **state) {
  (void)state;
  check_ticks(false, 0, 10, 5, "0 2 4 6 8 10");
  check_ticks(false, -0.13, 0.42, 6, "-0.1 0.0 0.1 0.2 0.3 0.4");
  check_ticks(false, 24.31, 27.02, 6, "24.5 25.0 25.5 26.0 26.5 27.0");
  check_ticks(false, 0, 300000, 6, "0 50k 100k 150k 200k 250k 300k");
  check_ticks(false, 0, 3.1e6, 6, "0 500k 1000k 1500k 2000k 2500k 3000k");
  check_ticks(false, 0, 8e6, 4, "0 2M 4M 6M 8M");
  check_ticks(false, 900, 2100, 6, "1000 1200 1400 1600 1800 2000");
  check_ticks(false, 0, 6e-5, 6, "0 1e-05 2e-05 3e-05 4e-05 5e-05 6e-05");
  check_ticks(false, 26.123401, 26.123449, 5, "26.12341 26.12342 26.12343 26.12344");
}

static void logarithmic_ticks_are_round(void **state) {
  (void)state;
  check_ticks(true, 0.0008, 1.3, 5, "0.001 0.01 0.1 1");
  check_ticks(true, 1e-9, 1e3, 5, "1e-08 1e-06 1e-04 0.01 1 100");
  check_ticks(true, 0.03, 0.9, 5, "0.05 0.1 0.2 0.5");
  check_ticks(true, 0.021, 0.049, 5, "0.025 0.030 0.035 0.040 0.045");
}

/* Whatever the range: some ticks, rising, within it, no two with one label. */
static void any_range_has_ticks(void **state) {
  (void)state;
  nd_rng rng = nd_rng_make(3, 0, 0, ND_RANDOM_TEST);
  for (int i = 0; i < 20000; i++) {
    nd_tick t[ND_MOST_TICKS];
    double middle = nd_rng_between(&rng, -1, 1) * pow(10, nd_rng_between(&rng, -12, 12));
    double low = middle - fabs(middle) * pow(10, nd_rng_between(&rng, -5, 1)), high = middle + middle - low;
    bool log = low > 0 && i % 2;
    int n = log ? nd_ticks_log(low, high, 5, t) : nd_ticks_linear(low, high, 6, t);
    if (n < 2 || n >= ND_MOST_TICKS)
      fail_msg("%d ticks in [%.9g, %.9g]", n, low, high);
    for (int k = 0; k < n; k++) {
      double slack = (high - low) * 1e-6;
      if (t[k].at < low - slack || t[k].at > high + slack || (k && t[k].at <= t[k - 1].at))
        fail_msg("tick %s in [%.9g, %.9g]", t[k].label, low, high);
      if (k && !strcmp(t[k].label, t[k - 1].label))
        fail_msg("two ticks %s in [%.9g, %.9g]", t[k].label, low, high);
    }
  }
}

/* ---- Charts ---- */
static const double four[] = {0, 1, 2, 3}, squares[] = {0, 1, 4, 9}, falling[] = {9, 4, 1, 0};

static char *draw(const nd_plot_series *series, int count, bool log_y) {
  nd_plot plot = {
      .title = "T", .x_label = "X", .y_label = "Y", .series = series, .series_count = count, .log_y = log_y};
  char *svg = nd_plot_svg(&plot);
  if (!svg)
    fail_msg("%s", nd_error());
  return svg;
}

static int count_of(const char *text, const char *part) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
    n++;
  return n;
}

static void assert_sound_xml(const char *svg) {
  static const GMarkupParser accept = {0};
  g_autoptr(GError) error = NULL;
  GMarkupParseContext *context = g_markup_parse_context_new(&accept, 0, NULL, NULL);
  if (!g_markup_parse_context_parse(context, svg, -1, &error) ||
      !g_markup_parse_context_end_parse(context, &error))
    fail_msg("%s", error->message);
  g_markup_parse_context_free(context);
  for (const char *c = svg; *c; c++)
    assert_true((unsigned char)*c >= ' ' || *c == '\n');
  assert_null(strstr(svg, "nan"));
  assert_null(strstr(svg, "inf"));
}

/* The middle of the range is the middle of the frame, twice as far is twice as far. */
static void points_land_in_proportion(void **state) {
  (void)state;
  g_autofree char *svg = draw(&(nd_plot_series){"s", four, squares, 4}, 1, false);
  double x[4], y[4];
  const char *at = svg;
  for (int i = 0; i < 4; i++) {
    assert_non_null(at = strstr(at, "<circle"));
    assert_int_equal(sscanf(at, "<circle cx=\"%lf\" cy=\"%lf\"", &x[i], &y[i]), 2);
    at++;
  }
  assert_sound_xml(svg);
  assert_true(fabs((x[1] - x[0]) - (x[3] - x[2])) < 0.21 && x[1] > x[0] + 100);
  assert_true(fabs((y[0] - y[2]) / (y[0] - y[1]) - 4) < 0.05 && y[3] < y[0] - 200);
}

static void a_logarithmic_axis_makes_powers_even(void **state) {
  (void)state;
  const double powers[] = {1e-4, 1e-3, 1e-2, 1e-1};
  g_autofree char *svg = draw(&(nd_plot_series){"s", four, powers, 4}, 1, true);
  double y[4];
  const char *at = svg;
  for (int i = 0; i < 4; i++) {
    assert_non_null(at = strstr(at, "cy=\""));
    y[i] = g_ascii_strtod(at + 4, NULL);
    at++;
  }
  assert_true(fabs((y[0] - y[1]) - (y[2] - y[3])) < 0.21 && y[0] > y[1] + 50);
}

static void the_legend_names_two_and_more(void **state) {
  (void)state;
  const nd_plot_series series[] = {{"rising", four, squares, 4}, {"falling", four, falling, 4}};
  g_autofree char *one = draw(series, 1, false), *two = draw(series, 2, false);
  assert_null(strstr(one, "rising"));
  assert_non_null(strstr(two, ">rising<"));
  assert_non_null(strstr(two, ">falling<"));
  assert_int_equal(count_of(two, "<path"), 2);
}

static void any_text_is_sound(void **state) {
  (void)state;
  const nd_plot_series series[] = {{"a < b & \"c\"", four, squares, 4},
                                   {"\xff\xfe\x01\x1b[0m", four, falling, 4},
                                   {NULL, four, falling, 4}};
  nd_plot plot = {.series = series, .series_count = 3, .x_label = "]]> </text>"};
  g_autofree char *svg = nd_plot_svg(&plot);
  assert_non_null(svg);
  assert_sound_xml(svg);
  assert_non_null(strstr(svg, "a &lt; b &amp;"));
}

static void gaps_break_the_line(void **state) {
  (void)state;
  const double x[] = {0, 1, 2, 3, 4, 5}, y[] = {1, 2, NAN, 3, INFINITY, 2}, z[] = {1, 2, 0, 3, -1, 2};
  g_autofree char *linear = draw(&(nd_plot_series){"s", x, y, 6}, 1, false);
  g_autofree char *log = draw(&(nd_plot_series){"s", x, z, 6}, 1, true);
  assert_sound_xml(linear);
  assert_sound_xml(log);
  assert_int_equal(count_of(linear, "h0"), 3); /* three pieces */
  assert_int_equal(count_of(linear, "<circle"), 4);
  assert_int_equal(count_of(log, "h0"), 3);
  assert_int_equal(count_of(log, "<circle"), 4);
}

static void flat_and_extreme_series_are_drawn(void **state) {
  (void)state;
  const double flat[] = {5, 5, 5, 5}, nothing[] = {0, 0, 0, 0}, extreme[] = {-1e299, 1e299, 1e-310, 4},
               near[] = {1e17, 1e17 + 16, 1e17 + 32, 1e17};
  const double *const all[] = {flat, nothing, extreme, near};
  for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
    g_autofree char *svg = draw(&(nd_plot_series){"s", all[i], all[i], 4}, 1, false);
    assert_sound_xml(svg);
  }
  g_autofree char *log = draw(&(nd_plot_series){"s", four, flat, 4}, 1, true);
  assert_sound_xml(log);
}

static void nothing_to_draw_is_an_error(void **state) {
  (void)state;
  const double bad[] = {NAN, INFINITY}, negative[] = {-1, 0};
  nd_plot_series series = {"s", bad, bad, 2};
  nd_plot plot = {.title = "empty one", .series = &series, .series_count = 1};
  assert_null(nd_plot_svg(&plot));
  assert_non_null(strstr(nd_error(), "empty one"));
  series = (nd_plot_series){"s", four, negative, 2};
  plot.log_y = true;
  assert_null(nd_plot_svg(&plot));
  plot.series_count = 0;
  assert_null(nd_plot_svg(&plot));
}

/* A million points take no more room than paper has, and a lone peak among them stays. */
static void long_series_are_thinned_but_keep_their_peaks(void **state) {
  (void)state;
  enum { N = 1000000 };
  g_autofree double *x = g_new(double, N), *y = g_new(double, N);
  for (int i = 0; i < N; i++)
    x[i] = i, y[i] = sin(i * 1e-5);
  y[612345] = 9;
  g_autofree char *svg = draw(&(nd_plot_series){"s", x, y, N}, 1, false);
  assert_true(strlen(svg) < 120000);
  double highest = 440;
  const char *path = strstr(svg, " d=\"");
  for (const char *at = path + 4; *at != '"'; at++)
    if (*at == 'L' || *at == 'M')
      highest = fmin(highest, g_ascii_strtod(strchr(at, ' '), NULL));
  assert_true(highest < 70);
}

/* SVG has decimal points everywhere. */
static void the_locale_does_not_matter(void **state) {
  (void)state;
  g_autofree char *before = draw(&(nd_plot_series){"s", four, squares, 4}, 1, false);
  if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
    skip();
  g_autofree char *after = draw(&(nd_plot_series){"s", four, squares, 4}, 1, false);
  setlocale(LC_NUMERIC, "C");
  assert_string_equal(before, after);
}

/* As of a folder in another encoding; the byte at the end promises three more. */
static void names_in_pages_are_sound(void **state) {
  (void)state;
  GString *page = g_string_new(NULL);
  nd_page_text(page, "<a&b> \xf0");
  assert_string_equal(page->str, "&lt;a&amp;b&gt; \xef\xbf\xbd");
  g_string_free(page, TRUE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(linear_ticks_are_round),
      cmocka_unit_test(logarithmic_ticks_are_round),
      cmocka_unit_test(any_range_has_ticks),
      cmocka_unit_test(points_land_in_proportion),
      cmocka_unit_test(a_logarithmic_axis_makes_powers_even),
      cmocka_unit_test(the_legend_names_two_and_more),
      cmocka_unit_test(any_text_is_sound),
      cmocka_unit_test(gaps_break_the_line),
      cmocka_unit_test(flat_and_extreme_series_are_drawn),
      cmocka_unit_test(nothing_to_draw_is_an_error),
      cmocka_unit_test(long_series_are_thinned_but_keep_their_peaks),
      cmocka_unit_test(names_in_pages_are_sound),
      cmocka_unit_test(the_locale_does_not_matter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
