/* Intervals against printed tables and closed forms; what a study's file may say. */
#include "study/study-private.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void expect_near(double found, double wanted, double tolerance) {
  if (!(fabs(found - wanted) <= tolerance))
    fail_msg("%.10g, not %.10g", found, wanted);
}

/* Two-sided 95 % and 99 %, from any table of Student's distribution. */
static void quantiles_equal_the_printed_table(void **state) {
  (void)state;
  static const struct {
    int df;
    double p95, p99;
  } table[] = {{1, 12.7062047, 63.6567412}, {2, 4.30265273, 9.92484320}, {3, 3.18244631, 5.84090931},
               {4, 2.77644511, 4.60409487}, {9, 2.26215716, 3.24983554}, {30, 2.04227246, 2.74999565}};
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
    expect_near(nd_student_quantile(0.95, table[i].df), table[i].p95, 1e-6 * table[i].p95);
    expect_near(nd_student_quantile(0.99, table[i].df), table[i].p99, 1e-6 * table[i].p99);
  }
}

/* 1, 2, 3: mean 2, deviation 1, so 2 -+ t / sqrt 3. */
static void a_student_interval_has_its_closed_form(void **state) {
  (void)state;
  const double x[] = {1, 2, 3};
  nd_interval i = nd_student_interval(x, 3, 0.95);
  expect_near(i.low, 2 - 4.30265273 / sqrt(3), 1e-6);
  expect_near(i.high, 2 + 4.30265273 / sqrt(3), 1e-6);
  assert_true(isnan(nd_student_interval(x, 1, 0.95).low));
}

static double mean_of(const int *drawn, int n, const void *context) {
  const double *x = context;
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += x[drawn[i]];
  return sum / n;
}

/* Of n things that are 0 or 1, k of them 1, a resample's sum is binomial (n, k / n): its percentiles are
 * known exactly. n = 10, k = 5: P(sum <= 1) = 11/1024 < 2.5 % < P(sum <= 2) = 56/1024. */
static void a_bootstrap_of_coins_is_binomial(void **state) {
  (void)state;
  const double coins[] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
  nd_interval i = nd_bootstrap_interval(mean_of, coins, 10, 20000, 1, 0.95);
  expect_near(i.low, 0.2, 1e-12);
  expect_near(i.high, 0.8, 1e-12);
  nd_interval again = nd_bootstrap_interval(mean_of, coins, 10, 20000, 1, 0.95);
  assert_true(again.low == i.low && again.high == i.high);
}

/* ---- Summaries of made-up scores ---- */
static const char STUDY[] = "base: base.yaml\n"
                            "seeds: [1, 2]\n"
                            "source: plain\n"
                            "oracle: best\n"
                            "resamples: 2000\n"
                            "tasks:\n"
                            "  t:\n"
                            "    set: {data: {clean: c, degradation.kind: gaussian}}\n"
                            "    variants:\n"
                            "      best: {set: {data.input: i, data.target: o}}\n"
                            "    tests: {real: {input: i, target: o}}\n"
                            "variants:\n"
                            "  plain: {set: {mode: source}}\n"
                            "  adapted: {set: {mode: paired, data.real: r}}\n"
                            "  best: {set: {mode: source}}\n";

static int load_text(const char *text, const char *const *overrides, nd_study *s) {
  assert_true(g_file_set_contents("study.yaml", text, -1, NULL));
  assert_true(g_file_set_contents("base.yaml", "training: {steps: 5}\n", -1, NULL));
  return nd_study_load("study.yaml", overrides, s);
}

static void open_study(nd_study *s) {
  if (load_text(STUDY, NULL, s))
    fail_msg("%s", nd_error());
}

static void the_matrix_is_laid_out_and_merged(void **state) {
  (void)state;
  nd_study s;
  open_study(&s);
  assert_int_equal(s.run_count, 6);
  assert_string_equal(s.runs[1].name, "t-adapted-1");
  assert_string_equal(s.runs[5].name, "t-best-2");
  nd_recipe r;
  assert_int_equal(nd_study_recipe(&s, &s.runs[4], &r), 0);
  assert_string_equal(r.data.clean, "c");
  assert_string_equal(r.data.real, "r");
  assert_true(r.seed == 2 && r.training.steps == 5 && r.mode == ND_MODE_PAIRED);
  nd_recipe_clear(&r);
  assert_int_equal(nd_study_recipe(&s, &s.runs[5], &r), 0);
  assert_string_equal(r.data.clean, ""); /* the oracle's data stand in place of the task's */
  assert_string_equal(r.data.input, "i");
  nd_recipe_clear(&r);
  nd_study_clear(&s);
}

/* PSNR of run (seed, variant) on picture p: source 20 + p, oracle 24 + p; adapted closes 1/4 with seed 1 and
 * 3/4 with seed 2, the same on every picture. */
static void make_scores(const nd_study *s, nd_study_results *r) {
  *r = (nd_study_results){s->run_count, 1, g_new0(nd_scores, s->run_count)};
  for (int i = 0; i < s->run_count; i++) {
    double gain = s->runs[i].variant == 0 ? 0 : s->runs[i].variant == 2 ? 4 : s->runs[i].seed == 1 ? 1 : 3;
    r->at[i] = (nd_scores){.count = 3, .at = g_new0(nd_score, 3)};
    for (int p = 0; p < 3; p++)
      r->at[i].at[p] = (nd_score){.name = g_strdup("p"),
                                  .result[ND_PSNR] = 20 + p + gain,
                                  .result[ND_SSIM] = 0.5,
                                  .input[ND_PSNR] = 10,
                                  .input[ND_SSIM] = 0.2,
                                  .result[ND_NIQE] = 5 - gain,
                                  .input[ND_NIQE] = 8};
  }
}

static void shares_and_intervals_are_those_of_the_closed_form(void **state) {
  (void)state;
  nd_study s;
  nd_study_results r;
  nd_study_summary x;
  open_study(&s);
  make_scores(&s, &r);
  nd_study_summarise(&s, &r, 0, 1, 0, ND_PSNR, &x);
  assert_true(x.seeds == 2 && x.pictures == 3);
  expect_near(x.mean, 23, 1e-12); /* 21 + (1 + 3) / 2 */
  expect_near(x.input, 10, 1e-12);
  expect_near(x.share, 0.5, 1e-12);
  /* Two seeds a, b: (a + b) / 2 -+ t |a - b| / 2 with t = 12.706. */
  expect_near(x.seeds_interval.low, 23 - 12.7062047, 1e-5);
  expect_near(x.share_seeds.high, 0.5 + 12.7062047 * 0.25, 1e-6);
  /* Every resample gives the same share; the means of pictures 0, 1, 2 reach from 0 to 2. */
  expect_near(x.share_pictures.low, 0.5, 1e-12);
  expect_near(x.share_pictures.high, 0.5, 1e-12);
  expect_near(x.pictures_interval.low, 22, 1e-12); /* all three the first: 1 of 27 resamples, above 2.5 % */
  expect_near(x.pictures_interval.high, 24, 1e-12);
  nd_study_summarise(&s, &r, 0, 0, 0, ND_PSNR, &x);
  assert_true(isnan(x.share));
  nd_study_summarise(&s, &r, 0, 1, 0, ND_NIQE, &x);
  assert_int_equal(x.seeds, 0); /* there is truth */
  nd_study_results_clear(&r);
  nd_study_clear(&s);
}

/* An oracle that is worse than the source leaves no distance of which a share could be closed, and a variant
 * that is worse, too, has not closed any; of one seed is enough. */
static void what_an_oracle_does_not_gain_has_no_share(void **state) {
  (void)state;
  nd_study s;
  nd_study_results r;
  nd_study_summary x;
  open_study(&s);
  make_scores(&s, &r);
  for (int i = 0; i < s.run_count; i++)
    for (int p = 0; p < 3 && s.runs[i].variant == 2 && s.runs[i].seed == 2; p++)
      r.at[i].at[p].result[ND_PSNR] = 19 + p;
  nd_study_summarise(&s, &r, 0, 1, 0, ND_PSNR, &x);
  expect_near(x.mean, 23, 1e-12);
  assert_true(isnan(x.share) && isnan(x.share_seeds.low) && isnan(x.share_pictures.high));
  nd_study_results_clear(&r);
  nd_study_clear(&s);
}

static char *with(const char *old, const char *new) {
  g_auto(GStrv) parts = g_strsplit(STUDY, old, 2);
  assert_int_equal(g_strv_length(parts), 2);
  return g_strjoinv(new, parts);
}

/* Without truth it is NIQE that is told, and nothing else; lower is better, and the share as well. */
static void photos_without_truth_have_a_niqe(void **state) {
  (void)state;
  g_autofree char *text = with("{input: i, target: o}}\nvariants", "{input: i}}\nvariants");
  nd_study s;
  nd_study_results r;
  nd_study_summary x;
  if (load_text(text, NULL, &s))
    fail_msg("%s", nd_error());
  make_scores(&s, &r);
  nd_study_summarise(&s, &r, 0, 1, 0, ND_NIQE, &x);
  assert_int_equal(x.seeds, 2);
  expect_near(x.mean, 3, 1e-12); /* 5 - (1 + 3) / 2 */
  expect_near(x.input, 8, 1e-12);
  expect_near(x.share, 0.5, 1e-12);
  nd_study_summarise(&s, &r, 0, 1, 0, ND_PSNR, &x);
  assert_int_equal(x.seeds, 0);
  nd_study_results_clear(&r);
  nd_study_clear(&s);
}

static void write_picture(const char *folder) {
  nd_image image;
  g_autofree char *path = g_build_filename(folder, "p.png", NULL);
  assert_int_equal(g_mkdir(folder, 0777), 0);
  assert_int_equal(nd_image_new(8, 8, 3, &image), 0);
  assert_int_equal(nd_image_save(path, &image, NULL), 0);
  nd_image_free(&image);
}

static void remove_picture(const char *folder) {
  g_autofree char *path = g_build_filename(folder, "p.png", NULL);
  assert_true(!g_unlink(path) && !g_rmdir(folder));
}

/* A variant that closes -0.1 % is told to close none of it. */
static void nothing_closed_has_no_sign(void **state) {
  (void)state;
  nd_study s;
  nd_study_results r;
  open_study(&s);
  make_scores(&s, &r);
  for (int i = 0; i < s.run_count; i++)
    for (int p = 0; p < 3 && s.runs[i].variant == 1; p++)
      r.at[i].at[p].result[ND_PSNR] = 20 + p - 0.004;
  write_picture("i");
  write_picture("o");
  s.crops = 0;
  if (nd_study_write_report(&s, &r, "."))
    fail_msg("%s", nd_error());
  remove_picture("i");
  remove_picture("o");
  g_autofree char *page = NULL;
  assert_true(g_file_get_contents("report.html", &page, NULL, NULL));
  assert_non_null(strstr(page, "<td>0</td><td>0 to 0</td><td>0 to 0</td>"));
  assert_null(strstr(page, "-0<"));
  g_unlink("report.html");
  nd_study_results_clear(&r);
  nd_study_clear(&s);
}

/* ---- The page ---- */
/* Cells between two tags, of the first table behind `from`; g_strfreev. */
static char **headings(const char *from) {
  const char *row = strstr(from, "<tr>");
  g_autofree char *cells = g_strndup(row, (gsize)(strstr(row, "</tr>") - row));
  return g_strsplit(cells, "<th>", -1);
}

/* No two columns are called the same. */
static void expect_different_headings(const char *table) {
  g_auto(GStrv) names = headings(table);
  assert_true(g_strv_length(names) > 3);
  for (int i = 1; names[i]; i++)
    for (int j = 1; j < i; j++)
      if (!strcmp(names[i], names[j]))
        fail_msg("two columns '%s'", names[i]);
}

static int count_of(const char *text, const char *what) {
  int n = 0;
  for (; (text = strstr(text, what)); text++)
    n++;
  return n;
}

static void write_journal(const char *name, const char *text) {
  g_autofree char *path = g_build_filename("runs/t-adapted-1", name, NULL);
  assert_int_equal(g_mkdir_with_parents("runs/t-adapted-1", 0777), 0);
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *report_of(const nd_study *s, const nd_study_results *r) {
  char *page = NULL;
  if (nd_study_write_report(s, r, "."))
    fail_msg("%s", nd_error());
  assert_true(g_file_get_contents("report.html", &page, NULL, NULL));
  return page;
}

/* The cells behind a run's name. */
static char *cost_of(const char *page, const char *run) {
  g_autofree char *row = g_strdup_printf("<tr><td>%s</td>", run);
  g_auto(GStrv) around = g_strsplit(page, row, 2);
  assert_non_null(around[1]);
  g_auto(GStrv) cells = g_strsplit(around[1], "</tr>", 2);
  return g_strdup(cells[0]);
}

/* A study whose pages have no crops, with scores and a folder of one run. */
static void begin_reports(nd_study *s, nd_study_results *r) {
  open_study(s);
  make_scores(s, r);
  write_picture("i");
  write_picture("o");
  s->crops = 0;
}

static void end_reports(nd_study *s, nd_study_results *r) {
  remove_picture("i");
  remove_picture("o");
  g_unlink("report.html");
  g_unlink("runs/t-adapted-1/" ND_LOG_CSV);
  g_unlink("runs/t-adapted-1/" ND_VALIDATION_CSV);
  assert_true(!g_rmdir("runs/t-adapted-1") && !g_rmdir("runs"));
  nd_study_results_clear(r);
  nd_study_clear(s);
}

/* A log of twelve steps that took so long each. */
static void write_log(const nd_study *s, double seconds) {
  nd_recipe recipe;
  assert_int_equal(nd_study_recipe(s, &s->runs[1], &recipe), 0);
  g_autofree char *text = g_strdup_printf("step,...\n12,0.3,0.2,0,0,0,0,1,%.17g,0,0,1e-4\n",
                                          (double)recipe.data.batch_size / seconds);
  write_journal(ND_LOG_CSV, text);
  nd_recipe_clear(&recipe);
}

/* Columns are told apart, tables wider than the screen do not widen the page, and a short run took some time.
 */
static void tables_are_readable_on_a_telephone(void **state) {
  (void)state;
  nd_study s;
  nd_study_results r;
  begin_reports(&s, &r);
  write_log(&s, 4);
  g_autofree char *page = report_of(&s, &r), *quick = cost_of(page, "t-adapted-1");
  assert_non_null(strstr(quick, "<td>48.0 s</td>"));
  assert_non_null(strstr(page, "name=\"viewport\""));
  int tables = count_of(page, "<table>");
  assert_true(tables > 1);
  assert_int_equal(count_of(page, "<div class=\"table\"><table>"), tables);
  assert_int_equal(count_of(page, "</table></div>"), tables);
  for (const char *at = page; (at = strstr(at, "<table>")); at++)
    expect_different_headings(at);
  write_log(&s, 10);
  g_autofree char *slow = report_of(&s, &r), *cost = cost_of(slow, "t-adapted-1");
  assert_non_null(strstr(cost, "<td>2.0 min</td>"));
  end_reports(&s, &r);
}

/* Studies without validation have a curve, too. */
static void runs_without_validation_show_their_loss(void **state) {
  (void)state;
  nd_study s;
  nd_study_results r;
  begin_reports(&s, &r);
  g_autofree char *bare = report_of(&s, &r);
  assert_null(strstr(bare, "During training"));
  write_journal(ND_LOG_CSV, "step,...\n5,0.3,0.2,0,0,0,0,1,1,0,0,1e-4\n10,0.2,0.1,0,0,0,0,1,1,0,0,1e-4\n");
  g_autofree char *loss = report_of(&s, &r);
  assert_non_null(strstr(loss, "During training"));
  assert_non_null(strstr(loss, "restoration loss"));
  write_journal(ND_VALIDATION_CSV, "step,...\n5,20.5,0.8,3\n10,21.5,0.9,3\n");
  g_autofree char *validated = report_of(&s, &r);
  assert_non_null(strstr(validated, "validation PSNR (dB)"));
  assert_null(strstr(validated, "restoration loss"));
  end_reports(&s, &r);
}

/* ---- Mistakes ---- */
static void expect_refusal(const char *text, const char *const *overrides, const char *wanted) {
  nd_study s;
  int failed = load_text(text, overrides, &s);
  nd_study_clear(&s);
  if (!failed || !strstr(nd_error(), wanted))
    fail_msg("'%s' was expected, not '%s'", wanted, failed ? nd_error() : "success");
}

static void mistakes_are_named_with_their_line(void **state) {
  (void)state;
  static const struct {
    const char *old, *new, *wanted;
  } mistakes[] = {
      {"seeds: [1, 2]", "sedes: [1]", "study.yaml:2: unknown key 'sedes' of a study; there are title,"},
      {"seeds: [1, 2]", "seeds: [1, 1]", "study.yaml:2: seed 1 is there twice"},
      {"{mode: source}}\n  adapted", "{modde: source}}\n  adapted",
       "study.yaml:13: unknown key 'modde'; did you mean 'mode'?"},
      {"mode: paired", "mode: pared", "study.yaml:14: mode is pared; it must be one of source, paired"},
      {"source: plain", "source: plane", "source names the variant 'plane', which there is not"},
      {"oracle: best\n", "", "source and oracle belong together"},
      {"data.real: r", "data.patch_size: 32",
       "study.yaml: run t-adapted-1: study.yaml:14: mode paired needs data.real"},
      {"{input: i, target: o}}\nvariants", "{target: o}}\nvariants",
       "study.yaml:11: test real needs an input"},
      {"  plain:", "  pl/ain:", "study.yaml:13: 'pl/ain' is no name"},
      {"base: base.yaml", "base: [", "not valid YAML"},
      {"base: base.yaml", "base: other.yaml", "other.yaml"},
      {"seeds: [1, 2]", "seeds: [1, 2]\nexclude: [{task: u}]", "exclude names a task"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
    g_autofree char *text = with(mistakes[i].old, mistakes[i].new);
    expect_refusal(text, NULL, mistakes[i].wanted);
  }
  expect_refusal(STUDY, (const char *const[]){"training.stepps=1", NULL}, "--set: unknown key");
  expect_refusal("", NULL, "the study is empty");
}

static void exclusions_leave_runs_out(void **state) {
  (void)state;
  nd_study s;
  g_autofree char *text = with("seeds: [1, 2]", "seeds: [1, 2]\nexclude: [{variant: adapted, seed: 2}]");
  assert_int_equal(load_text(text, NULL, &s), 0);
  assert_int_equal(s.run_count, 5);
  nd_study_clear(&s);
}

static void scores_are_read_as_they_were_written(void **state) {
  (void)state;
  static const char *const names[] = {"plain.png", "a, b.png", "\"q\".png", "two\nlines.png",
                                      "\"\",\"\n.png"};
  nd_score all[G_N_ELEMENTS(names)];
  nd_scores found, scores = {.protocol = nd_protocol_at(0), .count = G_N_ELEMENTS(names), .at = all};
  for (int i = 0; i < scores.count; i++)
    all[i] = (nd_score){.name = (char *)names[i],
                        .result[ND_PSNR] = i + 0.5,
                        .result[ND_SSIM] = 0.5,
                        .input[ND_PSNR] = i ? i : INFINITY,
                        .input[ND_SSIM] = NAN};
  assert_int_equal(nd_study_scores_save("scores.csv", &scores), 0);
  if (nd_study_scores_load("scores.csv", &found))
    fail_msg("%s", nd_error());
  assert_int_equal(found.count, scores.count);
  for (int i = 0; i < found.count; i++) {
    assert_string_equal(found.at[i].name, names[i]);
    assert_true(found.at[i].result[ND_PSNR] == all[i].result[ND_PSNR] &&
                found.at[i].input[ND_PSNR] == all[i].input[ND_PSNR]);
    assert_true(isnan(found.at[i].input[ND_SSIM]));
  }
  nd_scores_free(&found);
  static const char *const wrong[] = {"a.png,1,1,1", "a.png,1,1,1,1,1", "\"a.png,1,1,1,1", "a.png,1,x,1,1",
                                      ",1,1,1,1"};
  for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autofree char *text =
        g_strdup_printf("picture,psnr,ssim,psnr_input,ssim_input\nb.png,1,1,1,1\n%s\n", wrong[i]);
    assert_true(g_file_set_contents("scores.csv", text, -1, NULL));
    if (!nd_study_scores_load("scores.csv", &found) || !strstr(nd_error(), "behind 1 picture is"))
      fail_msg("%s: %s", wrong[i], nd_error());
  }
  g_unlink("scores.csv");
}

static int to_scratch(void **state) {
  *state = g_dir_make_tmp("nd-study-XXXXXX", NULL);
  return g_chdir(*state);
}

static int from_scratch(void **state) {
  g_unlink("study.yaml");
  g_unlink("base.yaml");
  int failed = g_chdir("/") || g_rmdir(*state);
  g_free(*state);
  return failed;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quantiles_equal_the_printed_table),
      cmocka_unit_test(a_student_interval_has_its_closed_form),
      cmocka_unit_test(a_bootstrap_of_coins_is_binomial),
      cmocka_unit_test(the_matrix_is_laid_out_and_merged),
      cmocka_unit_test(shares_and_intervals_are_those_of_the_closed_form),
      cmocka_unit_test(what_an_oracle_does_not_gain_has_no_share),
      cmocka_unit_test(photos_without_truth_have_a_niqe),
      cmocka_unit_test(nothing_closed_has_no_sign),
      cmocka_unit_test(tables_are_readable_on_a_telephone),
      cmocka_unit_test(runs_without_validation_show_their_loss),
      cmocka_unit_test(mistakes_are_named_with_their_line),
      cmocka_unit_test(exclusions_leave_runs_out),
      cmocka_unit_test(scores_are_read_as_they_were_written),
  };
  return cmocka_run_group_tests(tests, to_scratch, from_scratch);
}
