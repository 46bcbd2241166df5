/* noiseda info: its numbers against what follows from the networks' definitions. */
#include "program.h"
#include "weights/model.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define CHECKPOINT(name) ND_TESTS_DIR "/weights/checkpoints/" name

static JsonObject *ask(JsonParser *parser, const char *file, const char *size) {
  outcome o = run_program("info", "--json", "--size", size, file, NULL);
  if (o.status || !g_utf8_validate(o.out, -1, NULL) || !json_parser_load_from_data(parser, o.out, -1, NULL))
    fail_msg("info %s: status %d: %s%s", file, o.status, o.out, o.err);
  outcome_clear(&o);
  return json_node_get_object(json_parser_get_root(parser));
}

static JsonObject *network(JsonObject *info, guint i) {
  JsonArray *all = json_object_get_array_member(info, "networks");
  assert_true(json_array_get_length(all) > i);
  return json_array_get_object_element(all, i);
}

static int64_t number(JsonObject *o, const char *key) {
  assert_true(json_object_has_member(o, key));
  return json_object_get_int_member(o, key);
}

static void expect_text(JsonObject *o, const char *key, const char *text) {
  const char *found = json_object_get_string_member_with_default(o, key, NULL);
  if (!found || !strstr(found, text))
    fail_msg("%s is '%s' and does not say '%s'", key, found ? found : "nothing", text);
}

static void save_dncnn_that_says(int width, int depth, const nd_st_metadata *extra, size_t n_extra) {
  g_autofree char *settings = g_strdup_printf("width=%d;depth=%d", width, depth);
  nd_net *net;
  assert_int_equal(nd_net_from_text("dncnn", ND_RESTORATION, settings, &net), 0);
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_net_restore(g, net, nd_input(g, "x", 1, 4, 4, 3));
  nd_graph_free(g);
  float *values = g_new0(float, nd_params_size(params));
  nd_params_init(params, 1, values);
  assert_int_equal(nd_model_save("m.safetensors", net, true, params, "", values, extra, n_extra), 0);
  g_free(values);
  nd_params_free(params);
  nd_net_free(net);
}

static void save_dncnn(int width, int depth) {
  save_dncnn_that_says(width, depth, NULL, 0);
}

/* A convolution of 3 x 3 is 18 operations a pixel, input and output channel; normalisation 2 a number,
 * ReLU 1 where no convolution has it. */
static void costs_follow_from_the_definition(void **state) {
  (void)state;
  enum { WIDTH = 8, DEPTH = 5, BETWEEN = DEPTH - 2 };
  g_autoptr(JsonParser) parser = json_parser_new();
  save_dncnn(WIDTH, DEPTH);
  const int64_t weights = 9 * (2 * 3 * WIDTH + BETWEEN * WIDTH * WIDTH) + BETWEEN * 2 * WIDTH;
  const int64_t pixels = 100 * 50,
                a_pixel = 18 * (2 * 3 * WIDTH + BETWEEN * WIDTH * WIDTH) + 3 * BETWEEN * WIDTH;
  JsonObject *info = ask(parser, "m.safetensors", "100x50"), *n = network(info, 0);
  assert_int_equal(number(n, "weights"), weights);
  assert_int_equal(number(n, "weight_bytes"), 4 * weights);
  assert_int_equal(number(n, "flop"), pixels * a_pixel);
  assert_int_equal(number(n, "receptive_field"), 2 * DEPTH + 1);
  assert_int_equal(number(n, "multiple"), 1);
  assert_int_equal(number(n, "width"), 100);
  assert_int_equal(number(n, "height"), 50);
  int64_t buffers = number(n, "buffer_bytes");
  assert_int_equal(number(json_object_get_object_member(n, "settings"), "depth"), DEPTH);
  expect_text(n, "network", "dncnn");
  expect_text(n, "role", "restoration");
  expect_text(info, "from", "does not say");
  expect_text(json_object_get_object_member(info, "metadata"), "noiseda.settings", "width=8;depth=5");
  /* Twice the picture: at least a picture and one value of WIDTH channels more, and not one for each layer.
   */
  info = ask(parser, "m.safetensors", "100x100");
  int64_t more = number(network(info, 0), "buffer_bytes") - buffers;
  assert_true(more >= 4 * pixels * (3 + WIDTH) && more <= 4 * pixels * (6 + 3 * WIDTH));
}

static void imports_say_where_they_come_from(void **state) {
  (void)state;
  g_autoptr(JsonParser) parser = json_parser_new();
  expect_status(0, "import", CHECKPOINT("restormer_old.pth"), "-o", "m.safetensors", NULL);
  JsonObject *info = ask(parser, "m.safetensors", "33x64"), *n = network(info, 0);
  expect_text(info, "from", "'restormer_old.pth'");
  expect_text(info, "from", "under 'params'");
  expect_text(info, "from", "as BF16");
  assert_true(json_object_get_null_member(n, "receptive_field"));
  assert_int_equal(number(n, "width"), 36); /* a multiple of 4 */
  JsonArray *heads = json_object_get_array_member(json_object_get_object_member(n, "settings"), "heads");
  assert_int_equal(json_array_get_length(heads), 3);
  assert_int_equal(json_array_get_int_element(heads, 2), 4);
  info = ask(parser, CHECKPOINT("noise_da.pth"), "16x16");
  expect_text(info, "from", "PyTorch checkpoint (zip)");
  expect_text(info, "recognised", "by names and shapes");
  expect_text(info, "left_aside", "146 tensors");
  expect_text(network(info, 1), "network", "guided");
  info = ask(parser, CHECKPOINT("sr3.pth"), "16x16");
  expect_text(network(info, 0), "network", "sr3");
  outcome o = run_program("info", "m.safetensors", NULL);
  assert_int_equal(o.status, 0);
  assert_non_null(strstr(o.out, "receptive field: the whole picture; sizes are padded to multiples of 4\n"));
  assert_non_null(strstr(o.out, "\nat 256 x 256: "));
  assert_non_null(strstr(o.out, "\nfrom: import of 'restormer_old.pth', a PyTorch checkpoint"));
  outcome_clear(&o);
}

static void a_network_without_levels_pads_nothing(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of("d.yaml", "source", 1, "network: dncnn, width: 4, depth: 3", "network: guided");
  expect_status(0, "train", "d.yaml", "-o", "plain", "--set", "validation.every=0", NULL);
  outcome o = run_program("info", "plain/model.safetensors", NULL);
  assert_int_equal(o.status, 0);
  if (!strstr(o.out, "receptive field: 7 x 7 pixels (reach: 3 pixels); any size is taken as it is\n"))
    fail_msg("%s", o.out);
  outcome_clear(&o);
}

static void training_says_its_step_and_recipe(void **state) {
  (void)state;
  g_autoptr(JsonParser) parser = json_parser_new();
  make_pairs();
  write_recipe("r.yaml", "paired", 2);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
  JsonObject *info = ask(parser, "run/model.safetensors", "16x16");
  expect_text(info, "kind", "model");
  expect_text(info, "from", "training with noiseda " ND_VERSION ", step 2");
  expect_text(json_object_get_object_member(info, "metadata"), "noiseda.recipe", "mode: paired");
  int64_t weights = number(network(info, 0), "weights");
  info = ask(parser, "run", "16x16");
  expect_text(info, "kind", "checkpoint");
  expect_text(info, "from", "step 2");
  assert_int_equal(number(network(info, 0), "weights"), weights);
  expect_text(network(info, 1), "role", "diffusion");
  expect_text(network(info, 1), "network", "guided");
}

static void wrong_questions_exit_2(void **state) {
  (void)state;
  save_dncnn(4, 3);
  expect_status(2, "info", NULL);
  expect_status(2, "info", "--plan", "--json", "m.safetensors", NULL);
  static const char *const sizes[] = {"100", "100x", "0x5", "100x50x3", "-4x4", "30000x4"};
  for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
    expect_status(2, "info", "--size", sizes[i], "m.safetensors", NULL);
  outcome o = run_program("info", "--size", "30000x4", "m.safetensors", NULL);
  assert_non_null(strstr(o.err, "1 to 20000 pixels a side"));
  outcome_clear(&o);
  expect_status(0, "info", "--plan", "m.safetensors", NULL);
}

/* JSON is. */
static void names_need_not_be_utf8(void **state) {
  (void)state;
  g_autoptr(JsonParser) parser = json_parser_new();
  save_dncnn(8, 5);
  assert_int_equal(g_rename("m.safetensors", "m\xff.safetensors"), 0);
  ask(parser, "m\xff.safetensors", "100x50");
}

static void a_file_does_not_steer_the_terminal(void **state) {
  (void)state;
  const nd_st_metadata says[] = {{"noiseda.source", "\x1b[2Ja\nb"}, {"noiseda.recipe", "a: 1\n\x1b[2Jb: 2"}};
  save_dncnn_that_says(4, 3, says, G_N_ELEMENTS(says));
  outcome o = run_program("info", "m.safetensors", NULL);
  assert_int_equal(o.status, 0);
  assert_null(strchr(o.out, '\x1b'));
  assert_non_null(strstr(o.out, "from: import of '?[2Ja?b', a file"));
  assert_non_null(strstr(o.out, "noiseda.recipe: a: 1\n?[2Jb: 2\n"));
  outcome_clear(&o);
  float zero = 0;
  const nd_st_tensor tensor = {
      .name = "a", .type = ND_ST_F32, .rank = 1, .shape = {1}, .count = 1, .data = &zero};
  const nd_st_metadata network = {"noiseda.network", "\x1b[31mun\nknown"};
  assert_int_equal(nd_safetensors_save("n.safetensors", &tensor, 1, &network, 1), 0);
  o = run_program("restore", "-m", "n.safetensors", "n.png", NULL);
  assert_int_equal(o.status, 1);
  assert_non_null(strstr(o.err, "there is no restoration network '?[31mun?known'"));
  assert_ptr_equal(strchr(o.err, '\n'), o.err + strlen(o.err) - 1);
  outcome_clear(&o);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
  const struct CMUnitTest tests[] = {
      TEST(costs_follow_from_the_definition),  TEST(names_need_not_be_utf8),
      TEST(imports_say_where_they_come_from),  TEST(a_network_without_levels_pads_nothing),
      TEST(training_says_its_step_and_recipe), TEST(wrong_questions_exit_2),
      TEST(a_file_does_not_steer_the_terminal)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
