/* Networks that take two views of a dual-pixel sensor: from pictures to a model, and back to pictures. */
#include "program.h"
#include "restore/restore.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PICTURES = 3, WIDTH = 51, HEIGHT = 41, SPREAD = 4, VALUES = WIDTH * HEIGHT * 3 };
#define MODEL "run/model.safetensors"
#define VIEWS "inputL", "--right", "inputR"
#define ONE "inputL/1P0A91_L.png"

/* A pattern, and what each half of the lens sees of it out of focus: the mean of what lies to one side. */
static double pattern(double x, int y, int c, int which) {
  return 0.5 + 0.3 * sin(0.9 * x + which) * cos(0.3 * y + c) + 0.1 * sin(0.31 * x * (which + 1));
}

static void make_view(const char *path, int which, int side) {
  nd_image image;
  assert_int_equal(nd_image_new(WIDTH, HEIGHT, 3, &image), 0);
  image.bits = 16;
  for (int i = 0; i < VALUES; i++) {
    double sum = 0;
    for (int k = 0; k < SPREAD; k++)
      sum += pattern(i / 3 % WIDTH + side * k, i / 3 / WIDTH, i % 3, which) / SPREAD;
    image.data[i] = (float)sum;
  }
  assert_int_equal(nd_image_save(path, &image, NULL), 0);
  nd_image_free(&image);
}

/* Named as published: no two folders share a name, and the order of numbers is not that of bytes. */
static void make_views(void) {
  for (int i = 0; i < PICTURES; i++) {
    g_autofree char *left = g_strdup_printf("inputL/1P0A%d1_L.png", i + 9),
                    *right = g_strdup_printf("inputR/1P0A%d1_R.png", i + 9),
                    *target = g_strdup_printf("target/1P0A%d0.png", i + 9);
    for (int k = 0; k < 3; k++)
      g_mkdir(k == 0 ? "inputL" : k == 1 ? "inputR" : "target", 0777);
    make_view(left, i, -1);
    make_view(right, i, 1);
    make_view(target, i, 0);
  }
}

static void write_views_recipe(int steps) {
  g_autofree char *text =
      g_strdup_printf("mode: source\n"
                      "restoration: {network: restormer, width: 8, blocks: [1, 1], heads: [1, 2], "
                      "refinement: 1, dual_pixel: 1}\n"
                      "diffusion: {network: guided, width: 4, multipliers: [1, 2], res_blocks: 1, "
                      "attention_levels: [], head_channels: 4, norm_groups: 2}\n"
                      "data:\n"
                      "  input: inputL\n"
                      "  right: inputR\n"
                      "  target: target\n"
                      "  patch_size: 16\n"
                      "  batch_size: 4\n"
                      "training: {steps: %d, learning_rate: 2e-3, ema: 0.9}\n"
                      "validation: {input: inputL, right: inputR, target: target, every: 100}\n"
                      "output: {log_every: 10}\n",
                      steps);
  write_text("r.yaml", text);
}

static void train_a_model(int steps) {
  make_views();
  write_views_recipe(steps);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
}

/* The second column of log.csv in its first line, or its last one. */
static double logged_loss(const char *folder, bool last) {
  g_autofree char *path = g_build_filename(folder, "log.csv", NULL), *text = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
  g_auto(GStrv) cells = g_strsplit(lines[last ? g_strv_length(lines) - 1 : 1], ",", -1);
  return g_ascii_strtod(cells[1], NULL);
}

static void training_learns_in_every_mode_that_restores(void **state) {
  (void)state;
  static const char *const modes[] = {"paired", "unpaired", "dann"};
  train_a_model(200);
  double first = logged_loss("run", false), last = logged_loss("run", true);
  if (!(last < first / 3))
    fail_msg("the loss goes from %g to %g", first, last);
  for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
    g_autofree char *mode = g_strconcat("mode=", modes[i], NULL);
    expect_status(0, "train", "r.yaml", "-o", modes[i], "--set", mode, "--set", "data.real=inputL", "--set",
                  "data.real_right=inputR", "--set", "training.steps=30", "--set", "validation.every=0",
                  NULL);
    assert_true(logged_loss(modes[i], true) < logged_loss(modes[i], false));
  }
  expect_status(0, "probe", "--run", "paired", "--real", VIEWS, "--target", "target", "--draws", "1", NULL);
  expect_status(0, "train", "--resume", "paired", "--set", "training.steps=40", NULL);
}

/* ---- Pixels ---- */
/* The model's network applied to six channels that are put together and padded here, clamped. */
static float *directly(const char *left_path, const char *right_path) {
  enum { H = HEIGHT + 1, W = WIDTH + 1 };
  nd_model *m;
  nd_image views[2];
  nd_plan *plan;
  assert_int_equal(nd_model_load(MODEL, &m), 0);
  assert_int_equal(nd_image_load(left_path, &views[0]), 0);
  assert_int_equal(nd_image_load(right_path, &views[1]), 0);
  nd_graph *g = nd_graph_new(m->params);
  nd_tensor x = nd_input(g, "x", 1, H, W, 6), y = nd_net_restore(g, m->net, x);
  nd_output(g, "y", y);
  assert_int_equal(nd_compile(g, &plan), 0);
  nd_plan_bind(plan, m->values);
  for (int i = 0; i < H * W * 6; i++) {
    int row = MIN(i / (W * 6), HEIGHT - 1), column = MIN(i / 6 % W, WIDTH - 1), c = i % 6;
    nd_plan_tensor(plan, x)[i] = views[c / 3].data[(row * WIDTH + column) * 3 + c % 3];
  }
  nd_run(plan, 0, 0, 0);
  float *out = g_new(float, VALUES);
  for (int i = 0; i < VALUES; i++)
    out[i] = CLAMP(nd_plan_tensor(plan, y)[i / (WIDTH * 3) * W * 3 + i % (WIDTH * 3)], 0, 1);
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_image_free(&views[0]);
  nd_image_free(&views[1]);
  nd_model_free(m);
  return out;
}

static void expect_file(const char *path, const float *wanted, double tolerance) {
  nd_image got;
  double most = 0;
  if (nd_image_load(path, &got))
    fail_msg("%s", nd_error());
  assert_true(got.width == WIDTH && got.height == HEIGHT && got.channels == 3 && got.bits == 16);
  for (int i = 0; i < VALUES; i++)
    most = fmax(most, fabs((double)got.data[i] - (double)wanted[i]));
  nd_image_free(&got);
  if (most > tolerance)
    fail_msg("'%s' is off by %g", path, most);
}

static void results_are_the_network_on_six_channels(void **state) {
  (void)state;
  train_a_model(60);
  for (int i = 0; i < PICTURES; i++) {
    g_autofree char *left = g_strdup_printf("inputL/1P0A%d1_L.png", i + 9),
                    *right = g_strdup_printf("inputR/1P0A%d1_R.png", i + 9),
                    *in_folder = g_strdup_printf("out/1P0A%d1_L.png", i + 9),
                    *tiled = g_strdup_printf("tiled/1P0A%d1_L.png", i + 9);
    g_autofree float *wanted = directly(left, right);
    if (!i) {
      expect_status(0, "restore", "-m", MODEL, VIEWS, "-o", "out", NULL);
      expect_status(0, "restore", "-m", MODEL, VIEWS, "-o", "tiled", "--tile", "32", NULL);
    }
    expect_file(in_folder, wanted, 1e-5);
    expect_file(tiled, wanted, 1e-3);
    expect_status(0, "restore", "-m", MODEL, left, "--right", right, "-o", "one.png", "--overwrite", NULL);
    expect_file("one.png", wanted, 1e-5);
  }
  expect_status(0, "restore", "-m", MODEL, VIEWS, "--dry-run", NULL);
}

/* Beside the left views; a second time they are no views themselves. */
static void results_stand_beside_the_left_views(void **state) {
  (void)state;
  train_a_model(5);
  expect_status(0, "restore", "-m", MODEL, VIEWS, NULL);
  assert_true(g_file_test("inputL/1P0A91_L_restored.png", G_FILE_TEST_EXISTS));
  outcome o = run_program("restore", "-m", MODEL, VIEWS, "--skip-existing", "--json", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.out, "\"skipped\":3"));
  outcome_clear(&o);
}

/* Beside what the program says of the same pictures: the mean of both views, and the result. */
static void figures_are_of_the_result_and_of_the_mean(void **state) {
  (void)state;
  train_a_model(60);
  nd_image left, right, target;
  assert_int_equal(nd_image_load(ONE, &left), 0);
  assert_int_equal(nd_image_load("inputR/1P0A91_R.png", &right), 0);
  assert_int_equal(nd_image_load("target/1P0A90.png", &target), 0);
  g_autofree float *restored = directly(ONE, "inputR/1P0A91_R.png");
  for (int i = 0; i < VALUES; i++)
    left.data[i] = (left.data[i] + right.data[i]) / 2;
  nd_metric_options rounded = {.round_to_8_bits = true};
  double before = nd_psnr(left.data, target.data, HEIGHT, WIDTH, 3, rounded),
         after = nd_psnr(restored, target.data, HEIGHT, WIDTH, 3, rounded);
  outcome o = run_program("eval", "-m", MODEL, "-i", VIEWS, "-g", "target", NULL);
  assert_int_equal(o.status, 0);
  char *line = strstr(o.out, "1P0A91_L.png");
  assert_non_null(line);
  g_auto(GStrv) words = g_strsplit_set(line, " \n", -1);
  double said[3] = {0};
  for (int i = 1, k = 0; words[i] && k < 3; i++)
    if (*words[i])
      said[k++] = g_ascii_strtod(words[i], NULL);
  assert_true(fabs(said[0] - after) < 0.01);
  assert_true(fabs(said[2] - before) < 0.01);
  outcome_clear(&o);
  nd_image_free(&left);
  nd_image_free(&right);
  nd_image_free(&target);
}

/* Its report shows the mean of the views, each variant's result, and the truth. */
static void studies_compare_on_two_views(void **state) {
  (void)state;
  make_views();
  write_views_recipe(5);
  write_text("study.yaml", "title: views\nbase: r.yaml\nseeds: [1]\ncrops: 1\n"
                           "tasks:\n  defocus:\n    tests:\n"
                           "      held-out: {input: inputL, right: inputR, target: target}\n"
                           "variants:\n  source: {set: {mode: source}}\n");
  expect_status(0, "study", "study.yaml", "-o", "study", NULL);
  assert_true(g_file_test("study/report.html", G_FILE_TEST_EXISTS));
  write_text("study.yaml", "title: views\nbase: r.yaml\nseeds: [1]\n"
                           "tasks:\n  defocus:\n    tests:\n      held-out: {input: inputL, target: target}\n"
                           "variants:\n  source: {set: {mode: source}}\n");
  expect_status(1, "study", "study.yaml", "-o", "again", NULL);
}

/* ---- Mistakes ---- */
#define RECIPE(set) "train", "r.yaml", "-o", "new", "--set", set, NULL

static void mistakes_in_recipes_are_named(void **state) {
  (void)state;
  make_views();
  write_views_recipe(5);
  expect_failure("data.right", "inputL", RECIPE("data.right="));
  expect_failure("validation.right", "inputL", RECIPE("validation.right="));
  expect_failure("data.real_right", "inputR", "train", "r.yaml", "-o", "new", "--set", "mode=paired", "--set",
                 "data.real=inputR", NULL);
  expect_failure("data.right", "one view", RECIPE("restoration.dual_pixel=0"));
  expect_failure("data.real_right", "data.real", RECIPE("data.real_right=inputR"));
  expect_failure("restoration.residual", "itself", RECIPE("restoration.residual=true"));
  expect_failure("two views", "mode", "train", "r.yaml", "-o", "new", "--set", "mode=graft", "--set",
                 "data.real=inputL", "--set", "data.real_right=inputR", NULL);
  g_unlink("inputR/1P0A91_R.png");
  expect_failure("right views", "inputR", "train", "r.yaml", "-o", "new", NULL);
  assert_false(g_file_test("new", G_FILE_TEST_EXISTS));
}

static void mistakes_of_commands_are_named(void **state) {
  (void)state;
  train_a_model(5);
  make_pairs();
  write_recipe("one.yaml", "source", 2);
  expect_status(0, "train", "one.yaml", "-o", "one", "--set", "validation.every=0", NULL);
  g_mkdir("other", 0777);
  make_picture("other/1.png", WIDTH, HEIGHT - 1, 1, 0);
  make_picture("other/2.png", WIDTH, HEIGHT, 1, 0);
  expect_failure(ONE, "--right", "restore", "-m", MODEL, ONE, "-o", "o.png", NULL);
  expect_failure("inputL", "--right", "eval", "-m", MODEL, "-i", "inputL", "-g", "target", NULL);
  expect_failure(ONE, "one view", "restore", "-m", "one/model.safetensors", "other/2.png", "--right", ONE,
                 "-o", "o.png", NULL);
  expect_failure("inputL", "one view", "eval", "-m", "one/model.safetensors", "-i", VIEWS, "-g", "target",
                 NULL);
  expect_status(1, "restore", "-m", MODEL, "other/2.png", "--right", "other/1.png", "-o", "o.png", NULL);
  expect_status(1, "restore", "-m", MODEL, "inputL", "--right", "other", "-o", "o", NULL);
  expect_status(1, "restore", "-m", MODEL, ONE, "--right", "nowhere.png", "-o", "o.png", NULL);
  expect_status(2, "restore", "-m", MODEL, ONE, "other/2.png", "--right", ONE, "-o", "o", NULL);
  expect_status(2, "restore", "-m", MODEL, "-", "--right", ONE, NULL);
  expect_status(2, "eval", "-i", VIEWS, "-g", "target", NULL);
  assert_false(g_file_test("o.png", G_FILE_TEST_EXISTS) || g_file_test("o", G_FILE_TEST_EXISTS));
  outcome o = run_program("restore", "-m", MODEL, "other/2.png", "--right", "other/1.png", NULL);
  assert_non_null(strstr(o.err, "other/1.png"));
  assert_non_null(strstr(o.err, "51 x 40"));
  outcome_clear(&o);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(training_learns_in_every_mode_that_restores),
                                     TEST(results_are_the_network_on_six_channels),
                                     TEST(results_stand_beside_the_left_views),
                                     TEST(figures_are_of_the_result_and_of_the_mean),
                                     TEST(studies_compare_on_two_views),
                                     TEST(mistakes_in_recipes_are_named),
                                     TEST(mistakes_of_commands_are_named)};
  nd_image_start();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
