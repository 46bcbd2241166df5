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
  expect_failure("small.png", "at least two blocks", "eval", "--input", "photos", NULL);
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
      cmocka_unit_test_setup_teardown(json_is_json_whatever_the_figures_and_names, folder_setup,
                                      folder_teardown),
      cmocka_unit_test_setup_teardown(the_example_makes_a_file_for_lpips, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(a_model_of_ones_own_is_used, folder_setup, folder_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
