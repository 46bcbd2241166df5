/* Models by name: which file is meant where several folders have one, what is no name, and those that ship.
 */
#include "program.h"
#include "weights/model.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define USER "user/noiseda/models"

/* Only names matter to most tests: the files need not be models. */
static void put(const char *path) {
  write_text(path, "x");
}

static void take_away(const char *path) {
  assert_int_equal(g_remove(path), 0);
}

static void expect_found(const char *name, const char *wanted) {
  g_autofree char *path = NULL;
  if (nd_model_find(name, &path))
    fail_msg("%s", nd_error());
  if (!g_str_has_suffix(path, wanted))
    fail_msg("'%s' was found, not '%s'", path, wanted);
}

static void the_first_folder_that_has_it_counts(void **state) {
  (void)state;
  put("own/grain.safetensors");
  put("other/grain.safetensors");
  put(USER "/grain.safetensors");
  expect_found("grain", "own/grain.safetensors");
  take_away("own/grain.safetensors");
  expect_found("grain", "other/grain.safetensors");
  take_away("other/grain.safetensors");
  expect_found("grain", USER "/grain.safetensors");
  take_away(USER "/grain.safetensors");
  g_autofree char *path = NULL;
  assert_int_equal(nd_model_find("grain", &path), -1);
}

/* The order of all of them: this program runs out of a build folder. */
static void folders_stand_in_order(void **state) {
  (void)state;
  g_auto(GStrv) folders = nd_model_folders();
  g_autofree char *here = g_get_current_dir(), *user = g_build_filename(here, USER, NULL);
  const char *const wanted[] = {"own", "other", user, ND_MODELS, ND_BUILD_MODELS};
  assert_int_equal(g_strv_length(folders), G_N_ELEMENTS(wanted));
  for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
    assert_string_equal(folders[i], wanted[i]);
}

static void paths_are_left_alone(void **state) {
  (void)state;
  static const char *const paths[] = {"./grain", "grain.safetensors", "/nowhere/grain", "a/b", "gr ain", ""};
  put("own/grain.safetensors");
  for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_autofree char *path = NULL;
    assert_int_equal(nd_model_find(paths[i], &path), 0);
    assert_string_equal(path, paths[i]);
  }
  take_away("own/grain.safetensors");
}

/* A word that is no model's name may still be a file's or a run's. */
static void a_word_may_be_a_file(void **state) {
  (void)state;
  g_autofree char *path = NULL;
  put("run");
  assert_int_equal(nd_model_find("run", &path), 0);
  assert_string_equal(path, "run");
  put("own/run.safetensors");
  expect_found("run", "own/run.safetensors");
  take_away("run");
  take_away("own/run.safetensors");
}

/* Not so a folder, unless it is a run's: a model was meant. */
static void a_word_may_be_a_runs_folder(void **state) {
  (void)state;
  g_autofree char *path = NULL;
  put("own/apple.safetensors");
  assert_int_equal(g_mkdir("dehaze", 0777), 0);
  expect_failure("there is no model 'dehaze', and the folder of that name here is no run's", "apple", "info",
                 "dehaze", NULL);
  expect_failure("there is no model 'dehaze', and the folder of that name here is no run's", "apple",
                 "restore", "-m", "dehaze", "x.png", NULL);
  put("dehaze/recipe.yaml");
  assert_int_equal(nd_model_find("dehaze", &path), 0);
  assert_string_equal(path, "dehaze");
  take_away("dehaze/recipe.yaml");
  take_away("dehaze");
  take_away("own/apple.safetensors");
}

static int place_of(char **names, const char *name) {
  for (int i = 0; names[i]; i++)
    if (!strcmp(names[i], name))
      return i;
  return -1;
}

static void names_are_listed_once_and_in_order(void **state) {
  (void)state;
  put("own/zebra.safetensors");
  put("other/zebra.safetensors");
  put("other/apple.safetensors");
  put("other/not a name.safetensors");
  put("other/card.md");
  g_auto(GStrv) names = nd_model_names();
  int apple = place_of(names, "apple"), zebra = place_of(names, "zebra");
  assert_true(apple >= 0 && zebra > apple);
  assert_int_equal(place_of(names + zebra + 1, "zebra"), -1);
  assert_int_equal(place_of(names, "not a name"), -1);
  assert_int_equal(place_of(names, "card"), -1);
  take_away("own/zebra.safetensors");
  take_away("other/zebra.safetensors");
  take_away("other/apple.safetensors");
  take_away("other/not a name.safetensors");
}

static void what_is_not_there_is_said(void **state) {
  (void)state;
  put("own/apple.safetensors");
  put("own/zebra.safetensors");
  nd_model *m;
  assert_int_equal(nd_model_load("aple", &m), -1);
  const char *const parts[] = {"'aple'", "apple", "zebra", USER, "by its path"};
  for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
    if (!strstr(nd_error(), parts[i]))
      fail_msg("'%s' does not say '%s'", nd_error(), parts[i]);
  take_away("own/apple.safetensors");
  take_away("own/zebra.safetensors");
}

/* ---- Those that ship ---- */

static double squares(const char *a, const char *b) {
  nd_image x, y;
  assert_int_equal(nd_image_load(a, &x), 0);
  assert_int_equal(nd_image_load(b, &y), 0);
  double sum = 0;
  int n = x.width * x.height * 3;
  for (int i = 0; i < n; i++)
    sum += pow((double)(x.data[i] - y.data[i]), 2) / n;
  nd_image_free(&x);
  nd_image_free(&y);
  return sum;
}

/* Decibels by which restored.png is nearer to the truth than the degraded picture. */
static double gained(const char *degraded, const char *clean) {
  return 10 * log10(squares(degraded, clean) / squares("restored.png", clean));
}

/* But for some texture that a model takes for damage: its card. */
static void expect_clean_stays(const char *model, const char *clean) {
  expect_status(0, "restore", "--model", model, clean, "-o", "still.png", "--overwrite", NULL);
  double changed = squares("still.png", clean);
  if (changed > 1e-3)
    fail_msg("%s: a clean picture comes out at %.1f dB", model, -10 * log10(changed));
}

/* That of the default model. */
static double gain(double deviation) {
  make_picture("clean.png", 160, 120, 1, 0);
  make_picture("noisy.png", 160, 120, 1, deviation);
  expect_status(0, "restore", "noisy.png", "-o", "restored.png", "--overwrite", NULL);
  return gained("noisy.png", "clean.png");
}

static void a_photo_is_denoised_without_more_ado(void **state) {
  (void)state;
  double strong = gain(0.1), mild = gain(0.03);
  if (strong < 5 || mild < 4)
    fail_msg("%.2f and %.2f dB are gained", strong, mild);
  expect_status(0, "restore", "clean.png", "-o", "still.png", NULL);
  assert_true(squares("still.png", "clean.png") < 1e-4); /* 40 dB: what has no noise stays */
}

/* Rain by other settings than the model learned from (recipes/models/derain.yaml), thinner and thicker. */
static void rain_is_taken_off(void **state) {
  (void)state;
  static const char *const densities[] = {"density=15", "density=90"};
  make_picture("dry.png", 240, 160, 1, 0);
  for (size_t i = 0; i < G_N_ELEMENTS(densities); i++) {
    expect_status(0, "degrade", "rain", "dry.png", "-o", "rainy", "--overwrite", "--set", "mist=0", "--set",
                  "layers=1", "--set", densities[i], NULL);
    expect_status(0, "restore", "--model", "derain", "rainy/dry.png", "-o", "restored.png", "--overwrite",
                  NULL);
    double dry = gained("rainy/dry.png", "dry.png");
    if (dry < 5)
      fail_msg("%s: %.2f dB are gained", densities[i], dry);
  }
  expect_clean_stays("derain", "dry.png");
}

/* A shake by another kind of path than the model learned from (recipes/models/deblur.yaml): a straight line.
 */
static void blur_is_taken_off(void **state) {
  (void)state;
  make_picture("sharp.png", 240, 160, 1, 0);
  expect_status(0, "degrade", "blur", "sharp.png", "-o", "shaken", "--overwrite", "--set", "shape=line",
                "--set", "length=12", "--set", "angle=20", NULL);
  expect_status(0, "restore", "--model", "deblur", "shaken/sharp.png", "-o", "restored.png", "--overwrite",
                NULL);
  double steady = gained("shaken/sharp.png", "sharp.png");
  if (steady < 1)
    fail_msg("%.2f dB are gained", steady);
  expect_clean_stays("deblur", "sharp.png");
}

/* What 16 bits tell apart survives a degradation that changes nothing. */
static void degrading_keeps_16_bits(void **state) {
  (void)state;
  nd_image image;
  assert_int_equal(nd_image_new(256, 4, 3, &image), 0);
  for (int i = 0; i < 256 * 4 * 3; i++)
    image.data[i] = (float)(20000 + i / 3) / 65535;
  assert_int_equal(nd_image_save("deep.png", &image, &(nd_save_options){.bits = 16}), 0);
  nd_image_free(&image);
  expect_status(0, "degrade", "gaussian", "deep.png", "-o", "deeper", "--set", "sigma=0", NULL);
  assert_int_equal(nd_image_load("deeper/deep.png", &image), 0);
  assert_int_equal(image.bits, 16);
  nd_image_free(&image);
  assert_true(squares("deep.png", "deeper/deep.png") < 1e-12);
}

static void names_are_taken_wherever_models_are(void **state) {
  (void)state;
  make_pairs();
  expect_status(0, "eval", "--model", "denoise", "--input", "noisy", "--target", "clean", NULL);
  expect_status(0, "info", "denoise", NULL);
  expect_status(0, "export", "denoise", "-o", "m.onnx", NULL);
  expect_failure("'denoize'", "denoise", "restore", "--model", "denoize", "noisy/0.png", "-o", "x.png", NULL);
  assert_false(g_file_test("x.png", G_FILE_TEST_EXISTS));
  put("own/denoise.safetensors");
  expect_failure("own/denoise.safetensors", "", "restore", "noisy/0.png", "-o", "x.png", NULL);
  take_away("own/denoise.safetensors");
}

static void each_has_a_card(void **state) {
  (void)state;
  static const char *const said[] = {"task", "network", "licence", "data", "figures"};
  put("own/broken.safetensors");
  outcome o = run_program("models", "--json", NULL);
  assert_int_equal(o.status, 0);
  g_autoptr(JsonParser) parser = json_parser_new();
  assert_true(json_parser_load_from_data(parser, o.out, -1, NULL));
  JsonArray *list = json_node_get_array(json_parser_get_root(parser));
  int shipped = 0;
  for (guint i = 0; i < json_array_get_length(list); i++) {
    JsonObject *m = json_array_get_object_element(list, i);
    const char *path = json_object_get_string_member(m, "path");
    if (json_object_has_member(m, "problem"))
      assert_string_equal(json_object_get_string_member(m, "name"), "broken");
    if (!g_str_has_prefix(path, ND_BUILD_MODELS))
      continue;
    shipped++;
    for (size_t k = 0; k < G_N_ELEMENTS(said); k++)
      assert_true(json_object_has_member(m, said[k]));
    g_autofree char *card =
        g_strconcat(ND_BUILD_MODELS "/", json_object_get_string_member(m, "name"), ".md", NULL);
    assert_true(g_file_test(card, G_FILE_TEST_EXISTS));
  }
  assert_true(shipped > 0);
  outcome_clear(&o);
  take_away("own/broken.safetensors");
}

static int make_folders(void **state) {
  if (folder_setup(state))
    return -1;
  g_autofree char *here = g_get_current_dir(), *user = g_build_filename(here, "user", NULL);
  g_setenv("NOISEDA_MODELS", "own::other", TRUE);
  g_setenv("XDG_DATA_HOME", user, TRUE);
  return g_mkdir("own", 0777) || g_mkdir("other", 0777) || g_mkdir_with_parents(USER, 0777);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_folder_that_has_it_counts),
      cmocka_unit_test(folders_stand_in_order),
      cmocka_unit_test(paths_are_left_alone),
      cmocka_unit_test(a_word_may_be_a_file),
      cmocka_unit_test(a_word_may_be_a_runs_folder),
      cmocka_unit_test(names_are_listed_once_and_in_order),
      cmocka_unit_test(what_is_not_there_is_said),
      cmocka_unit_test(a_photo_is_denoised_without_more_ado),
      cmocka_unit_test(rain_is_taken_off),
      cmocka_unit_test(blur_is_taken_off),
      cmocka_unit_test(degrading_keeps_16_bits),
      cmocka_unit_test(names_are_taken_wherever_models_are),
      cmocka_unit_test(each_has_a_card),
  };
  return cmocka_run_group_tests(tests, make_folders, folder_teardown);
}
