/* Training through the program: every mode from pictures to a model. */
#include "program.h"
#include "weights/model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void every_mode_gives_a_model(void **state) {
  (void)state;
  static const char *const modes[] = {"source", "paired",    "unpaired", "noise2void",
                                      "graft",  "translate", "dann",     "teacher"};
  make_pairs();
  for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
    write_recipe("r.yaml", modes[i], 20);
    outcome trained = run_program("train", "r.yaml", "-o", modes[i], NULL);
    if (trained.status || strstr(trained.out, "nan")) /* of a loss that the mode does not have */
      fail_msg("%s: status %d, said '%s%s'", modes[i], trained.status, trained.out, trained.err);
    outcome_clear(&trained);
    expect_run(modes[i]);
    g_autofree char *model = g_build_filename(modes[i], "model.safetensors", NULL);
    g_autofree char *out = g_strdup_printf("%s.png", modes[i]);
    expect_status(0, "restore", "--model", model, "noisy/0.png", "-o", out, NULL);
    expect_status(0, "eval", "--model", model, "--input", "noisy", "--target", "clean", "--json", NULL);
    expect_status(0, "info", model, "--plan", NULL);
    expect_status(0, "info", modes[i], NULL);
  }
  expect_status(0, "train", "r.yaml", "-o", "flat", "--set", "mode=graft", "--set", "adapt.graft_of=flat",
                NULL);
  expect_run("flat");
  expect_status(0, "train", "r.yaml", "-o", "pile", "--set", "mode=paired", "--set", "adapt.graft_of=pile",
                "--set", "adapt.graft=2", "--set", "adapt.graft_layers=3", NULL);
  expect_run("pile");
  expect_status(0, "probe", "--run", "pile", "--real", "noisy", "--truth", "clean", "--draws", "2",
                NULL); /* the option's name before */
  expect_status(0, "probe", "--run", "paired", "--clean", "clean", "--patch-size", "16", "--pictures", "2",
                "--draws", "2", "-o", "probe.svg", NULL);
  expect_status(2, "sample", "--run", "paired", "--condition", "noisy/0.png", "-o", "./noisy/0.png", NULL);
  expect_status(2, "sample", "--run", "paired", "--condition", "noisy/0.png", "-o", "s.gif", NULL);
  expect_status(0, "sample", "--run", "paired", "--condition", "noisy/0.png", "-o", "s.png", "--steps", "3",
                NULL);
  expect_failure("no diffusion network", "source", "probe", "--run", "source", "--clean", "clean", "--patch",
                 "16", NULL);
  expect_failure("mode dann", "no diffusion network", "sample", "--run", "dann", "--condition", "noisy/0.png",
                 "-o", "t.png", NULL);
}

static void a_teacher_too_slow_for_the_run_is_told(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "teacher", 4);
  for (int slow = 0; slow < 2; slow++) {
    outcome o = run_program("train", "r.yaml", "-o", slow ? "slow" : "quick", "--set",
                            slow ? "training.ema=0.999" : "training.ema=0.5", NULL);
    const char *said =
        strstr(o.err, "an average over some 1000 steps (training.ema 0.999) and hardly learns in 4");
    assert_int_equal(o.status, 0);
    assert_int_equal(said != NULL, slow);
    outcome_clear(&o);
  }
}

/* Each line but the first: levels, cosine and its interval, the real condition's share (below 0: some), its
 * slope, error. */
static void expect_directions(const char *run, double share) {
  outcome o =
      run_program("probe", "--run", run, "--real", "noisy", "--target", "clean", "--draws", "2", NULL);
  assert_int_equal(o.status, 0);
  g_auto(GStrv) lines = g_strsplit(g_strstrip(o.out), "\n", -1);
  assert_int_equal(g_strv_length(lines), 7);
  for (int i = 1; i < 7; i++) {
    int from, to;
    double cosine, error, found, slope, loss;
    assert_int_equal(
        sscanf(lines[i], "%d-%d %lf +- %lf %lf %lf %lf", &from, &to, &cosine, &error, &found, &slope, &loss),
        7);
    assert_true(share == 0 ? slope == 0 : slope > 0);
    assert_true(fabs(cosine) <= 1 && error >= 0 && loss > 0 && from <= to);
    assert_true(share < 0 ? found > 0.05 && found < 0.95 : fabs(found - share) < 1e-9);
  }
  outcome_clear(&o);
}

/* A condition without a gradient has no share of it. */
static void probe_tells_where_the_loss_pushes(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "paired", 2);
  expect_status(0, "train", "r.yaml", "-o", "both", NULL);
  expect_directions("both", -1);
  expect_status(0, "train", "r.yaml", "-o", "no-real", "--set", "adapt.detach_real=true", NULL);
  expect_directions("no-real", 0);
  expect_status(0, "train", "r.yaml", "-o", "no-synthetic", "--set", "adapt.detach_synthetic=true", NULL);
  expect_directions("no-synthetic", 1);
  expect_status(2, "probe", "--run", "both", "--real", "noisy", NULL);
  expect_status(2, "probe", "--run", "both", "--real", "noisy", "--target", "clean", "-o", "p.svg", NULL);
  expect_failure("SVG", "'p.png'", "probe", "--run", "both", "--clean", "clean", "-o", "p.png", NULL);
}

/* Column of line i of a log, the head being line 0. */
static double log_cell(char **lines, int i, int column) {
  g_auto(GStrv) cells = g_strsplit(lines[i], ",", -1);
  return g_ascii_strtod(cells[column], NULL);
}

/* Both runs' last PSNR, and that their losses are not the same numbers. */
static void expect_close_runs(const char *a, const char *b, double tolerance) {
  double psnr[2];
  char *log[2];
  for (int i = 0; i < 2; i++) {
    g_autofree char *csv = NULL, *validation = g_build_filename(i ? b : a, "validation.csv", NULL),
                    *path = g_build_filename(i ? b : a, "log.csv", NULL);
    assert_true(g_file_get_contents(validation, &csv, NULL, NULL));
    assert_true(g_file_get_contents(path, &log[i], NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(g_strchomp(csv), "\n", -1);
    psnr[i] = log_cell(lines, (int)g_strv_length(lines) - 1, 1);
  }
  assert_true(fabs(psnr[0] - psnr[1]) <= tolerance);
  assert_string_not_equal(log[0], log[1]);
  g_free(log[0]);
  g_free(log[1]);
}

/* Nearly the same validation as in fp32; on a processor without bf16 the same, and a word about it. */
static void bf16_trains_or_falls_back_to_fp32(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of("r.yaml", "paired", 40, "network: unet, width: 16, depth: 2",
                  "network: guided, width: 16, multipliers: [1, 2], res_blocks: 1, attention_levels: [], "
                  "head_channels: 16, norm_groups: 4, dropout: 0.2");
  outcome o = run_program("train", "r.yaml", "-o", "bf16", "--set", "training.precision=bf16", NULL);
  assert_int_equal(o.status, 0);
  bool has_bf16 = nd_precision(true) == ND_BF16;
  assert_int_equal(has_bf16, strstr(o.err, "fp32 is used instead") == NULL);
  outcome_clear(&o);
  o = run_program("train", "r.yaml", "-o", "fp32", NULL);
  assert_int_equal(o.status, 0);
  assert_null(strstr(o.err, "bf16"));
  outcome_clear(&o);
  if (!has_bf16)
    expect_same_files("bf16/validation.csv", "fp32/validation.csv");
  else
    expect_close_runs("bf16", "fp32", 0.1);
}

/* The mean of a column's first lines over that of its last. */
static double first_over_last(const char *folder, int column, int count) {
  g_autofree char *path = g_build_filename(folder, "log.csv", NULL), *text = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
  int end = (int)g_strv_length(lines);
  double first = 0, last = 0;
  for (int i = 1; i <= count; i++) {
    first += log_cell(lines, i, column);
    last += log_cell(lines, end - i, column);
  }
  return first / last;
}

static double number_behind(const char *text, const char *words) {
  const char *at = strstr(text, words);
  assert_non_null(at);
  return g_ascii_strtod(at + strlen(words), NULL);
}

static void settings_are_found_before_the_first_step(void **state) {
  (void)state;
  g_mkdir("sharp", 0777);
  g_mkdir("grainy", 0777);
  for (int i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf("%d.png", i), *other = g_strdup_printf("%d.png", i + 3);
    g_autofree char *sharp = g_build_filename("sharp", name, NULL),
                    *grainy = g_build_filename("grainy", other, NULL);
    make_picture(sharp, 64, 64, i, 0);
    make_picture(grainy, 64, 64, i + 3, 20.0 / 255);
  }
  write_text("fit.yaml", "mode: source\nrestoration: {network: dncnn, width: 4, depth: 3}\n"
                         "data: {clean: sharp, degradation: {kind: gaussian}, real: grainy, fit: true, "
                         "patch_size: 16, batch_size: 2}\ntraining: {steps: 4}\nvalidation: {every: 0}\n");
  outcome o = run_program("train", "fit.yaml", "-o", "fitted", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.err, "looks like 'grainy'"));
  assert_non_null(strstr(o.err, "what is found in 3 photos hardly tells of others"));
  outcome_clear(&o);
  g_autofree char *recipe = NULL;
  assert_true(g_file_get_contents("fitted/recipe.yaml", &recipe, NULL, NULL));
  double least = number_behind(recipe, "sigma_min: "), most = number_behind(recipe, "sigma_max: ");
  if (fabs((least + most) / 2 - 20) > 5)
    fail_msg("noise of 20 is found to be of %g to %g", least, most);
  o = run_program("train", "--resume", "fitted", "--set", "training.steps=6",
                  NULL); /* nothing is looked for */
  assert_int_equal(o.status, 0);
  assert_null(strstr(o.err, "looks like"));
  outcome_clear(&o);
  expect_failure("holds a run already", "fitted", "train", "fit.yaml", "-o", "fitted",
                 NULL); /* before it looks */
  expect_failure("data.fit", "data.real is missing", "train", "fit.yaml", "-o", "other", "--set",
                 "data.real=", NULL);
}

/* Those too small for a patch are no photos. */
static void few_photos_are_warned_of(void **state) {
  (void)state;
  g_mkdir("sharp", 0777);
  g_mkdir("grainy", 0777);
  make_picture("sharp/0.png", 64, 64, 0, 0);
  make_picture("grainy/small.png", 40, 40, 0, 0.1);
  for (int n = 1; n <= 8; n++) {
    g_autofree char *name = g_strdup_printf("grainy/%d.png", n);
    make_picture(name, 64, 64, n, 0.1);
    if (n > 1 && n < 7)
      continue;
    outcome o = run_program("fit", "gaussian", "--clean", "sharp", "--real", "grainy", "--tries", "1",
                            "--patches", "16", NULL);
    assert_int_equal(o.status, 0);
    const char *said =
        strstr(o.err, n == 1 ? "found in 1 photo hardly tells" : "found in 7 photos hardly tells");
    if (!said != (n == 8))
      fail_msg("%d photos: %s", n, o.err);
    outcome_clear(&o);
  }
}

static void the_loss_falls(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 600);
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.every=0", "--set",
                "training.learning_rate=3e-3", "--set", "data.degradation.sigma_min=40", NULL);
  double fall = first_over_last("run", 1, 1);
  if (!(fall > 1.5))
    fail_msg("the loss fell by %.2f only", fall);
}

static void sr3_learns(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of("r.yaml", "paired", 150, "network: unet, width: 4, depth: 2",
                  "network: sr3, width: 8, multipliers: [1, 2], res_blocks: 1, attention_levels: [2], "
                  "norm_groups: 4");
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "validation.every=0", "--set",
                "training.learning_rate=3e-3", "--set", "training.threads=1", NULL);
  double fall = first_over_last("run", 4, 3);
  if (!(fall > 1.5))
    fail_msg("the loss of the positives fell by %.2f only", fall);
}

static void expect_task(const char *path, const char *task) {
  nd_safetensors *file;
  assert_int_equal(nd_safetensors_open(path, &file), 0);
  assert_string_equal(nd_safetensors_metadata(file, "noiseda.task"), task);
  nd_safetensors_close(file);
}

/* The recipe's, unless it is told to be another. */
static void a_model_says_its_task(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 2);
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "task=deblur", NULL);
  expect_task("run/model.safetensors", "deblur");
  expect_status(0, "import", "run/model.safetensors", "-o", "same.safetensors", NULL);
  expect_task("same.safetensors", "deblur");
  expect_status(0, "import", "run/model.safetensors", "-o", "other.safetensors", "--note", "task=derain",
                NULL);
  expect_task("other.safetensors", "derain");
}

static void expect_in(const char *text, const char *part) {
  if (!strstr(text, part))
    fail_msg("'%s' is missing", part);
}

/* The page has what the run's files have, and asks for no other. */
static void a_run_is_reported_as_one_page(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 20);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
  expect_status(0, "report", "run", NULL);
  g_autofree char *page = NULL, *csv = NULL;
  assert_true(g_file_get_contents("run/report.html", &page, NULL, NULL));
  assert_true(g_file_get_contents("run/validation.csv", &csv, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(g_strchomp(csv), "\n", -1), cells = NULL;
  cells = g_strsplit(lines[g_strv_length(lines) - 1], ",", -1);
  g_autofree char *last =
      g_strdup_printf("step %s</td><td>%.3f dB", cells[0], g_ascii_strtod(cells[1], NULL));
  expect_in(page, last);
  expect_in(page, "20 of 20");
  expect_in(page, "<svg");
  expect_in(page, "training:\n  steps: 20\n");
  expect_in(page, "<figure><img alt=\"\" src=\"data:image/png;base64,");
  g_auto(GStrv) sources = g_strsplit(page, "src=\"", -1), links = g_strsplit(page, "href=", -1);
  for (char **s = sources + 1; *s; s++)
    assert_true(g_str_has_prefix(*s, "data:"));
  assert_int_equal(g_strv_length(sources), 1 + 3);
  assert_int_equal(g_strv_length(links), 1);
  assert_true(g_str_has_suffix(page, "</html>\n"));
  expect_failure("'clean' holds no run", "recipe.yaml", "report", "clean", NULL);
}

static void a_recipe_may_say_where_the_run_goes(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 1);
  expect_failure("output.folder", "r.yaml", "train", "r.yaml", NULL);
  expect_status(0, "train", "r.yaml", "--set", "output.folder=here", NULL);
  expect_run("here");
  expect_status(0, "train", "r.yaml", "-o", "there", "--set", "output.folder=elsewhere", NULL);
  expect_run("there");
  assert_false(g_file_test("elsewhere", G_FILE_TEST_EXISTS));
  expect_failure("'here' holds a run already", "--resume", "train", "here/recipe.yaml", NULL);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {TEST(a_run_is_reported_as_one_page),
                                     TEST(every_mode_gives_a_model),
                                     TEST(a_teacher_too_slow_for_the_run_is_told),
                                     TEST(bf16_trains_or_falls_back_to_fp32),
                                     TEST(probe_tells_where_the_loss_pushes),
                                     TEST(settings_are_found_before_the_first_step),
                                     TEST(few_photos_are_warned_of),
                                     TEST(the_loss_falls),
                                     TEST(sr3_learns),
                                     TEST(a_model_says_its_task),
                                     TEST(a_recipe_may_say_where_the_run_goes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
