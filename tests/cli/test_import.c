/* Published checkpoints through the program: into a model file, used as they are, and back to Python. */
#include "program.h"
#include "weights/model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define CHECKPOINT(name) ND_TESTS_DIR "/weights/checkpoints/" name

static void expect_said(const char *said, const char *text) {
  if (!strstr(said, text))
    fail_msg("'%s' does not say '%s'", said, text);
}

static void a_checkpoint_becomes_a_model(void **state) {
  (void)state;
  outcome o = run_program("import", CHECKPOINT("noise_da.pth"), "-o", "m.safetensors", NULL);
  assert_int_equal(o.status, 0);
  expect_said(o.out, "PyTorch checkpoint (zip), at the top level\n");
  expect_said(o.out, "restoration network: unet (width=4;depth=2)\nrecognised by names and shapes\n");
  expect_said(o.out, "weights: 1983 in 16 tensors, from F32 to F32\n");
  expect_said(o.out, "(146 tensors outside RestorationNet.*)\nwritten: m.safetensors\n");
  outcome_clear(&o);
  nd_safetensors *file;
  assert_int_equal(nd_safetensors_open("m.safetensors", &file), 0);
  assert_string_equal(nd_safetensors_metadata(file, "noiseda.source"), "noise_da.pth");
  assert_string_equal(nd_safetensors_metadata(file, "noiseda.network"), "unet");
  nd_safetensors_close(file);
  o = run_program("info", "m.safetensors", NULL);
  assert_int_equal(o.status, 0);
  expect_said(o.out, "noiseda.source: noise_da.pth\n");
  outcome_clear(&o);
}

/* Halves round to the nearest: half a unit of 11 significant bits, or 8. What a model said of itself stays.
 */
static void a_model_is_kept_at_half_the_size(void **state) {
  (void)state;
  static const struct {
    const char *type, *name;
    double error;
  } kinds[] = {{"f32", "F32", 0}, {"f16", "F16", 1.0 / 2048}, {"bf16", "BF16", 1.0 / 256}};
  expect_status(0, "import", CHECKPOINT("unet.pth"), "-o", "m.safetensors", "--note", "licence=none",
                "--note", "task=denoise", "--overwrite", NULL);
  nd_model *whole, *half;
  assert_int_equal(nd_model_load("m.safetensors", &whole), 0);
  for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
    expect_status(0, "import", "m.safetensors", "-o", "h.safetensors", "--type", kinds[k].type, "--note",
                  "licence=CC0-1.0", "--note", "task=", "--overwrite", NULL);
    assert_int_equal(nd_model_load("h.safetensors", &half), 0);
    assert_string_equal(half->stored_as, kinds[k].name);
    for (size_t i = 0; i < nd_params_size(whole->params); i++) {
      double x = (double)whole->values[i], error = fabs(x - (double)half->values[i]);
      assert_true(error <= fabs(x) * kinds[k].error + 1e-7 * (kinds[k].error > 0));
    }
    nd_model_free(half);
    outcome o = run_program("info", "h.safetensors", NULL);
    expect_said(o.out, "noiseda.source: unet.pth\n");
    expect_said(o.out, "noiseda.licence: CC0-1.0\n");
    assert_null(strstr(o.out, "noiseda.task"));
    outcome_clear(&o);
  }
  nd_model_free(whole);
  expect_status(2, "import", "m.safetensors", "-o", "n.safetensors", "--type", "f8", NULL);
  expect_failure("licence", "KEY=VALUE", "import", "m.safetensors", "-o", "n.safetensors", "--note",
                 "licence", NULL);
}

static void what_the_weights_do_not_show_can_be_given(void **state) {
  (void)state;
  outcome o = run_program("import", CHECKPOINT("uformer_old.pth"), "-o", "m.safetensors", "--set",
                          "image_size=16", NULL);
  assert_int_equal(o.status, 0);
  expect_said(
      o.out,
      "recognised by names and shapes; not shown there: image_size=16 (given), shift=1 (the default)\n");
  outcome_clear(&o);
  expect_failure("colour", "no setting", "import", CHECKPOINT("unet.pth"), "-o", "n.safetensors", "--set",
                 "colour=1", NULL);
  expect_status(0, "import", CHECKPOINT("sr3.pth"), "--diffusion", "-o", "d.safetensors", NULL);
  expect_failure("20000 x 20000", "--size", "info", "--size", "20000x20000", "d.safetensors", NULL);
  o = run_program("info", "--size", "1024x1024", "d.safetensors", NULL); /* attention to every pixel */
  assert_int_equal(o.status, 0);
  expect_said(o.out, "diffusion: sr3 (width=4;");
  outcome_clear(&o);
}

/* The tensors of unet.pth under a prefix, wrapped, beside those of another network. */
static void write_two_networks(const char *path) {
  nd_safetensors *file;
  assert_int_equal(nd_weights_open(CHECKPOINT("unet.pth"), &file), 0);
  size_t n = nd_safetensors_count(file);
  g_autofree nd_st_tensor *all = g_new(nd_st_tensor, n + 1);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (size_t i = 0; i < n; i++) {
    all[i + 1] = *nd_safetensors_at(file, i);
    g_ptr_array_add(names, g_strconcat("netG.module.", all[i + 1].name, NULL));
    all[i + 1].name = names->pdata[i];
  }
  all[0] = all[1];
  all[0].name = "netD.weight";
  assert_int_equal(nd_safetensors_save(path, all, n + 1, NULL, 0), 0);
  nd_safetensors_close(file);
}

static void one_network_of_several_can_be_named(void **state) {
  (void)state;
  static const char *const prefixes[] = {"netG.", "netG"};
  nd_model *whole, *part;
  write_two_networks("gan.safetensors");
  expect_failure("gan.safetensors", "noiseda import --prefix netG.module.", "import", "gan.safetensors", "-o",
                 "n.safetensors", NULL);
  expect_failure("no tensor's name begins with 'netF.'", "'netD.weight'", "import", "gan.safetensors",
                 "--prefix", "netF", "-o", "n.safetensors", NULL);
  expect_failure("gan.safetensors", "its tensors under 'netG.module.' are those of unet", "import",
                 "gan.safetensors", "--prefix", "netD", "-o", "n.safetensors", NULL);
  assert_false(g_file_test("n.safetensors", G_FILE_TEST_EXISTS));
  assert_int_equal(nd_model_load(CHECKPOINT("unet.pth"), &whole), 0);
  for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
    outcome o = run_program("import", "gan.safetensors", "--prefix", prefixes[i], "-o", "g.safetensors",
                            "--overwrite", NULL);
    assert_int_equal(o.status, 0);
    expect_said(o.out, "left aside: netD.weight (1 tensor outside netG.*)\n");
    outcome_clear(&o);
    assert_int_equal(nd_model_load("g.safetensors", &part), 0);
    assert_int_equal(nd_params_size(part->params), nd_params_size(whole->params));
    assert_memory_equal(part->values, whole->values, nd_params_size(whole->params) * sizeof(float));
    nd_model_free(part);
  }
  nd_model_free(whole);
  /* where all names have it, it is gone by itself, and naming it does no harm */
  expect_status(0, "import", CHECKPOINT("lightning.pth"), "--prefix", "model.", "-o", "l.safetensors", NULL);
}

static void bad_checkpoints_leave_nothing(void **state) {
  (void)state;
  write_text("m.safetensors", "precious");
  expect_failure("m.safetensors", "--overwrite", "import", CHECKPOINT("unet.pth"), "-o", "m.safetensors",
                 NULL);
  expect_failure("bomb.pth", "far more than the file suggests", "import", CHECKPOINT("bomb.pth"), "-o",
                 "m.safetensors", "--overwrite", NULL);
  expect_failure("unet_longer.pth", "storage '0'", "import", CHECKPOINT("unet_longer.pth"), "-o",
                 "m.safetensors", "--overwrite", NULL);
  expect_failure("sr3.pth", "--diffusion", "import", CHECKPOINT("sr3.pth"), "-o", "n.safetensors", NULL);
  expect_failure("gone.pth", "", "import", "gone.pth", "-o", "n.safetensors", NULL);
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents("m.safetensors", &text, NULL, NULL));
  assert_string_equal(text, "precious");
  assert_false(g_file_test("n.safetensors", G_FILE_TEST_EXISTS));
  expect_status(0, "import", CHECKPOINT("unet.pth"), "-o", "m.safetensors", "--overwrite", NULL);
  expect_status(2, "import", CHECKPOINT("unet.pth"), NULL);
}

static void expect_same_bytes(const char *a, const char *b) {
  g_autofree char *x = NULL, *y = NULL;
  gsize n = 0, m = 1;
  assert_true(g_file_get_contents(a, &x, &n, NULL) && g_file_get_contents(b, &y, &m, NULL));
  assert_int_equal(n, m);
  assert_memory_equal(x, y, n);
}

static void checkpoints_are_used_as_they_are(void **state) {
  (void)state;
  make_pairs();
  expect_status(0, "import", CHECKPOINT("swinir_old.pth"), "-o", "m.safetensors", NULL);
  expect_status(0, "restore", "--model", "m.safetensors", "noisy/0.png", "-o", "a.png", NULL);
  expect_status(0, "restore", "--model", CHECKPOINT("swinir_old.pth"), "noisy/0.png", "-o", "b.png", NULL);
  expect_same_bytes("a.png", "b.png");
  expect_status(0, "eval", "--model", CHECKPOINT("swinir.pth"), "--input", "noisy", "--target", "clean",
                NULL);
}

/* Both networks of a checkpoint of Noise-DA; steps so small that weights stay what they were. */
static void training_starts_from_a_checkpoint(void **state) {
  (void)state;
  make_pairs();
  write_recipe_of("r.yaml", "paired", 1, "network: unet, width: 4, depth: 2",
                  "network: guided, width: 4, multipliers: [1, 2], res_blocks: 1, attention_levels: [2], "
                  "head_channels: 4, norm_groups: 2");
  expect_status(0, "train", "r.yaml", "-o", "run", "--set", "training.init_from=" CHECKPOINT("noise_da.pth"),
                "--set", "training.learning_rate=1e-9", "--set", "training.weight_decay=0", NULL);
  nd_model *from, *to;
  assert_int_equal(nd_model_load(CHECKPOINT("noise_da.pth"), &from), 0);
  assert_int_equal(nd_model_load("run/model.safetensors", &to), 0);
  for (size_t i = 0; i < nd_params_size(from->params); i++)
    assert_true(fabsf(from->values[i] - to->values[i]) <= 1e-6f);
  nd_model_free(from);
  nd_model_free(to);
}

/* A checkpoint of a run is no model, and what is made of one no checkpoint. */
static void a_model_is_made_of_a_checkpoint(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "source", 3);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
  static const char checkpoint[] = "run/checkpoint-00000003.safetensors";
  expect_failure("best.safetensors and model.safetensors beside it", "import --prefix ema.RestorationNet.",
                 "restore", "-m", checkpoint, "noisy/0.png", "-o", "x.png", NULL);
  expect_status(0, "import", checkpoint, "--prefix", "ema.RestorationNet.", "-o", "m.safetensors", NULL);
  expect_status(0, "info", "m.safetensors", NULL);
  expect_status(0, "restore", "-m", "m.safetensors", "noisy/0.png", "-o", "a.png", NULL);
  expect_status(0, "restore", "-m", "run/model.safetensors", "noisy/0.png", "-o", "b.png", NULL);
  expect_same_files("a.png", "b.png");
}

/* ---- Back to Python ---- */

static void the_example_brings_weights_back(void **state) {
  (void)state;
  expect_status(0, "import", CHECKPOINT("noise_da.pth"), "-o", "model.safetensors", NULL);
  g_autofree char *text = page_example("weights.md", "python");
  g_autofree char *program = g_strconcat(text, "print(float(net.last.weight[2, 3, 1, 0]))\n", NULL);
  g_autofree char *out = run_python("torch, safetensors", program, NULL);
  if (!out)
    skip();
  nd_model *m;
  assert_int_equal(nd_model_load("model.safetensors", &m), 0);
  const nd_param *p = nd_params_find(m->params, "last.weight");
  double expected = (double)m->values[p->offset + ((2 * 4 + 3) * 3 + 1) * 3 + 0];
  g_auto(GStrv) lines = g_strsplit(out, "\n", 0);
  assert_string_equal(lines[0], "1983 weights");
  double found = g_ascii_strtod(lines[1], NULL);
  assert_true(expected != 0 && found >= expected && found <= expected);
  nd_model_free(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_model_is_kept_at_half_the_size, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(a_checkpoint_becomes_a_model, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(what_the_weights_do_not_show_can_be_given, folder_setup,
                                      folder_teardown),
      cmocka_unit_test_setup_teardown(one_network_of_several_can_be_named, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(a_model_is_made_of_a_checkpoint, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(bad_checkpoints_leave_nothing, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(checkpoints_are_used_as_they_are, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(training_starts_from_a_checkpoint, folder_setup, folder_teardown),
      cmocka_unit_test_setup_teardown(the_example_brings_weights_back, folder_setup, folder_teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
