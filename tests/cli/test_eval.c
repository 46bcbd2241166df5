/* noiseda eval of photos without truth, and noiseda niqe. */
#include "program.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void make_photos(const char *folder, double deviation) {
  assert_int_equal(g_mkdir_with_parents(folder, 0777), 0);
  for (int i = 0; i < 3; i++) {
    g_autofree char *path = g_strdup_printf("%s/%d.png", folder, i);
    make_picture(path, 400, 300, i, deviation);
  }
}

/* The mean's figure of that name; NaN: it has none. */
static double mean_of(const outcome *o, const char *name) {
  g_autoptr(JsonParser) parser = json_parser_new();
  assert_true(json_parser_load_from_data(parser, o->out, -1, NULL));
  JsonObject *mean =
      json_object_get_object_member(json_node_get_object(json_parser_get_root(parser)), "mean");
  return json_object_has_member(mean, name) ? json_object_get_double_member(mean, name) : (double)NAN;
}

static void photos_without_truth_get_niqe_alone(void **state) {
  (void)state;
  make_photos("photos", 0.02);
  outcome o = run_program("eval", "--input", "photos", "--json", NULL);
  assert_int_equal(o.status, 0);
  assert_true(mean_of(&o, "niqe") > 0);
  assert_true(isnan(mean_of(&o, "psnr")) && isnan(mean_of(&o, "niqe_input")));
  outcome_clear(&o);
  o = run_program("eval", "--input", "photos", NULL);
  assert_non_null(strstr(o.out, "NIQE"));
  assert_null(strstr(o.out, "PSNR"));
  outcome_clear(&o);
  expect_status(2, "eval", "--input", "photos", "--protocol", "y", NULL);
}

static void beside_the_others_it_is_the_same(void **state) {
  (void)state;
  make_photos("photos", 0.02);
  make_photos("clean", 0);
  outcome o = run_program("eval", "--input", "photos", "--target", "clean", "--niqe", "--json", NULL),
          alone = run_program("eval", "--input", "photos", "--json", NULL);
  assert_int_equal(o.status, 0);
  assert_true(mean_of(&o, "psnr") > 20);
  assert_true(mean_of(&o, "niqe") == mean_of(&alone, "niqe"));
  outcome_clear(&o);
  outcome_clear(&alone);
}

static void a_model_of_ones_own_is_used(void **state) {
  (void)state;
  make_photos("photos", 0.02);
  expect_failure("too few", "more photos", "niqe", "photos", "-o", "model.txt", NULL);
  assert_false(g_file_test("model.txt", G_FILE_TEST_EXISTS));
  expect_failure("absent.txt", "cannot read", "eval", "--input", "photos", "--niqe-model", "absent.txt",
                 NULL);
  make_picture("photos/small.png", 100, 90, 1, 0.02);
  outcome o = run_program("eval", "--input", "photos", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "'small.png': "));
  assert_non_null(strstr(o.err, "at least two blocks"));
  outcome_clear(&o);
}

/* ---- Pictures that cannot be measured ---- */
static JsonObject *object_of(JsonParser *parser, const outcome *o) {
  assert_true(json_parser_load_from_data(parser, o->out, -1, NULL));
  return json_node_get_object(json_parser_get_root(parser));
}

/* true/ and out/ with six pictures, of which 1 is cut short, 3 of another size than its target, 5 a text. */
static void make_partly_broken(void) {
  for (int k = 0; k < 2; k++) {
    assert_int_equal(g_mkdir(k ? "out" : "true", 0777), 0);
    for (int i = 0; i < 6; i++) {
      g_autofree char *path = g_strdup_printf("%s/%d.png", k ? "out" : "true", i);
      make_picture(path, 40, k && i == 3 ? 30 : 36, i, 0.1 * k);
    }
  }
  truncate_file("out/1.png", 200);
  write_text("out/5.png", "no picture");
}

static void a_broken_picture_is_named_and_the_rest_measured(void **state) {
  (void)state;
  make_partly_broken();
  outcome o = run_program("eval", "--input", "out", "--target", "true", "--json", NULL);
  g_autoptr(JsonParser) parser = json_parser_new();
  JsonObject *all = object_of(parser, &o);
  JsonArray *pictures = json_object_get_array_member(all, "pictures"),
            *failures = json_object_get_array_member(all, "failures");
  assert_int_equal(o.status, 1);
  assert_int_equal(json_object_get_int_member(all, "measured"), 3);
  assert_int_equal(json_object_get_int_member(all, "failed"), 3);
  assert_int_equal(json_array_get_length(pictures), 3);
  assert_int_equal(json_array_get_length(failures), 3);
  double sum = 0;
  for (guint i = 0; i < 3; i++)
    sum += json_object_get_double_member(json_array_get_object_element(pictures, i), "psnr");
  if (fabs(mean_of(&o, "psnr") - sum / 3) > 1e-9)
    fail_msg("a mean of %g, and of the three %g", mean_of(&o, "psnr"), sum / 3);
  for (guint i = 0; i < 3; i++) {
    static const char *const expected[][2] = {
        {"1.png", "out/1.png"}, {"3.png", "40 x 30"}, {"5.png", "out/5.png"}};
    JsonObject *f = json_array_get_object_element(failures, i);
    assert_string_equal(json_object_get_string_member(f, "name"), expected[i][0]);
    assert_non_null(strstr(json_object_get_string_member(f, "error"), expected[i][1]));
    assert_non_null(strstr(o.err, json_object_get_string_member(f, "error")));
  }
  assert_non_null(strstr(o.err, "3 pictures measured, 3 failed"));
  outcome_clear(&o);
}

static void the_means_say_of_how_many_they_are(void **state) {
  (void)state;
  make_partly_broken();
  outcome o = run_program("eval", "--input", "out", "--target", "true", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.out, "\nmean of 3 of 6 "));
  assert_non_null(strstr(o.out, "\n3 of 6 pictures, PSNR"));
  outcome_clear(&o);
  o = run_program("eval", "--input", "true", "--target", "true", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.out, "\nmean "));
  assert_null(strstr(o.out, "mean of"));
  assert_non_null(strstr(o.out, "\n6 pictures, PSNR"));
  assert_string_equal(o.err, "");
  outcome_clear(&o);
}

static void where_none_can_be_measured_there_are_no_figures(void **state) {
  (void)state;
  make_partly_broken();
  outcome o = run_program("eval", "--input", "out/1.png", "--target", "true/1.png", NULL);
  assert_int_equal(o.status, 1);
  assert_string_equal(o.out, "");
  assert_non_null(strstr(o.err, "0 pictures measured, 1 failed"));
  outcome_clear(&o);
  o = run_program("eval", "--input", "out/1.png", "--target", "true/1.png", "--json", NULL);
  g_autoptr(JsonParser) parser = json_parser_new();
  JsonObject *mean = json_object_get_object_member(object_of(parser, &o), "mean");
  assert_true(json_object_get_null_member(mean, "psnr"));
  outcome_clear(&o);
}

/* JSON knows neither infinity nor bytes that are no UTF-8. */
static void json_is_json_whatever_the_figures_and_names(void **state) {
  (void)state;
  for (int k = 0; k < 2; k++) {
    assert_int_equal(g_mkdir(k ? "out" : "true", 0777), 0);
    make_picture(k ? "out/a.png" : "true/a.png", 40, 30, 1, 0);
    make_picture(k ? "out/b\xff.png" : "true/b\xff.png", 40, 30, 2, 0.1 * k);
  }
  outcome o = run_program("eval", "--input", "out", "--target", "true", "--json", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.out, "\"psnr\" : null,"));
  assert_null(strstr(o.out, "inf"));
  assert_true(g_utf8_validate(o.out, -1, NULL));
  outcome_clear(&o);
}

/* The example in docs/metrics.md, without weights from the net, then the package's own figure. */
static void the_example_makes_a_file_for_lpips(void **state) {
  (void)state;
  make_pairs();
  g_autofree char *text = page_example("metrics.md", "python"), *program = NULL;
  g_auto(GStrv) parts = g_strsplit(text, "weights=\"DEFAULT\"", 2);
  assert_non_null(parts[1]);
  g_auto(GStrv) rest = g_strsplit(parts[1], "LPIPS(net=\"alex\")", 2);
  assert_non_null(rest[1]);
  program = g_strconcat(
      parts[0], "weights=None", rest[0], "LPIPS(net=\"alex\", pnet_rand=True, verbose=False)", rest[1],
      "import numpy, torch\n"
      "from PIL import Image\n"
      "m = lpips.LPIPS(net='alex', pnet_rand=True, verbose=False).eval()\n"
      "own = m.state_dict()\n"
      "for k in own:\n"
      "    if k.startswith('net.slice'): own[k] = weights['features.' + k.split('.', 2)[2]]\n"
      "m.load_state_dict(own)\n"
      "x, y = (torch.tensor(numpy.array(Image.open(f + '/0.png'))).permute(2, 0, 1)[None] / 127.5 - 1 for f "
      "in ('noisy', 'clean'))\n"
      "print('distance', float(m(x, y)))\n",
      NULL);
  g_autofree char *out = run_python("torch, torchvision, lpips, safetensors, PIL", program, NULL);
  if (!out)
    skip();
  char *line = strstr(out, "distance ");
  assert_non_null(line);
  double expected = g_ascii_strtod(line + strlen("distance "), NULL);
  outcome o = run_program("eval", "--input", "noisy/0.png", "--target", "clean/0.png", "--lpips",
                          "alex.safetensors", "--json", NULL);
  char *figure = g_strrstr(o.out, "\"lpips\" : "); /* of the mean; before it, how */
  if (!figure)
    fail_msg("%s%s", o.out, o.err);
  double found = g_ascii_strtod(figure + strlen("\"lpips\" : "), NULL);
  if (!(expected > 1e-4 && fabs(found - expected) <= 1e-4 * expected))
    fail_msg("%g, and %g by the package", found, expected);
  outcome_clear(&o);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(photos_without_truth_get_niqe_alone, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(beside_the_others_it_is_the_same, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(a_broken_picture_is_named_and_the_rest_measured, folder_setup,
                                      folder_teardown),
      cmocka_unit_test_setup_teardown(the_means_say_of_how_many_they_are, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(where_none_can_be_measured_there_are_no_figures, folder_setup,
                                      folder_teardown),
      cmocka_unit_test_setup_teardown(json_is_json_whatever_the_figures_and_names, folder_setup,
                                      folder_teardown),
      cmocka_unit_test_setup_teardown(the_example_makes_a_file_for_lpips, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(a_model_of_ones_own_is_used, folder_setup, folder_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
