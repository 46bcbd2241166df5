/* Checkpoints that PyTorch wrote (make_checkpoints.py): every weight is the oracle's. */
#include "golden.h"
#include "weights/model.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static nd_model *load(const char *file, nd_role role, const char *const *settings) {
  g_autofree char *path = g_build_filename("checkpoints", file, NULL);
  nd_model *m;
  if (nd_model_load_as(path, role, settings, NULL, &m))
    fail_msg("%s", nd_error());
  return m;
}

/* tolerance: relative, the rounding of the type in the file. */
static void expect_weights(const nd_model *m, double tolerance) {
  float *expected = g_new0(float, nd_params_size(m->params));
  golden_weights(m->params, expected);
  for (int i = 0; i < nd_params_length(m->params); i++) {
    const nd_param *p = nd_params_at(m->params, i);
    for (size_t k = p->offset; k < p->offset + p->count; k++)
      if (!(fabs((double)m->values[k] - (double)expected[k]) <= tolerance * fabs((double)expected[k])))
        fail_msg("%s[%zu] is %g, not %g", p->name, k - p->offset, (double)m->values[k], (double)expected[k]);
  }
  g_free(expected);
}

static const struct {
  const char *file, *network, *settings, *type, *format;
  nd_role role;
  double tolerance;
} goldens[] = {
    {"noise_da.pth", "unet", "width=4;depth=2", "F32", "PyTorch checkpoint (zip), at the top level",
     ND_RESTORATION, 0},
    {"noise_da.pth", "guided",
     "width=4;multipliers=1,2;res_blocks=1;attention_levels=2;head_channels=32;dropout=0.2;norm_groups=32",
     "F32", "PyTorch checkpoint (zip), at the top level", ND_DIFFUSION, 0},
    {"uformer_old.pth", "uformer",
     "width=4;depths=1,2,1,1,1;heads=1,2,2,1,2;window=4;mlp_ratio=2;image_size=256;modulators=1;transposed_"
     "up=1;shift=1",
     "F32", "PyTorch checkpoint (format before 1.6), under 'state_dict'", ND_RESTORATION, 0},
    {"nafnet.pth", "nafnet", "width=4;middle_blocks=0;encoder_blocks=1,0;decoder_blocks=0,2;local=0", "F16",
     "PyTorch checkpoint (zip), under 'params_ema' ('params' is there too and passed over)", ND_RESTORATION,
     0x1p-11},
    {"restormer_old.pth", "restormer",
     "width=4;blocks=1,2,1;refinement=1;heads=1,2,4;expansion=1.5;bias=0;norm_bias=1;grey=0;dual_pixel=0",
     "BF16", "PyTorch checkpoint (format before 1.6), under 'params'", ND_RESTORATION, 0x1p-8},
    {"swinir.pth", "swinir", "width=8;depths=2,1;heads=2,4;window=4;mlp_ratio=1.5;range=1;grey=0", "F32",
     "PyTorch checkpoint (zip), under 'params'", ND_RESTORATION, 0},
    {"swinir_old.pth", "swinir", "width=8;depths=2,1;heads=2,4;window=4;mlp_ratio=1.5;range=1;grey=0", "F32",
     "PyTorch checkpoint (format before 1.6), under 'params'", ND_RESTORATION, 0},
    {"dncnn_old.pth", "dncnn", "width=4;depth=4;norm=1;bias=0;subtract=0;grey=0", "F64",
     "PyTorch checkpoint (format before 1.6), at the top level", ND_RESTORATION, 0},
    {"sr3.pth", "sr3",
     "width=4;multipliers=1,2;res_blocks=1;attention_levels=1;dropout=0.2;norm_groups=32;affine=1", "F32",
     "PyTorch checkpoint (zip), under 'model'", ND_DIFFUSION, 0},
    {"unet.pth", "unet", "width=2;depth=2", "F32", "PyTorch checkpoint (zip), at the top level",
     ND_RESTORATION, 0},
    {"unet_old.pth", "unet", "width=2;depth=2", "F32",
     "PyTorch checkpoint (format before 1.6), at the top level", ND_RESTORATION, 0},
    {"lightning.pth", "unet", "width=2;depth=2", "F32", "PyTorch checkpoint (zip), under 'state_dict'",
     ND_RESTORATION, 0},
    {"averaged.pth", "unet", "width=2;depth=2", "F32",
     "PyTorch checkpoint (zip), under 'state_dict_ema' ('state_dict' is there too and passed over)",
     ND_RESTORATION, 0},
    {"unet_big.pth", "unet", "width=2;depth=2", "F32", "PyTorch checkpoint (zip), at the top level",
     ND_RESTORATION, 0},
    {"unet_deflated.pth", "unet", "width=2;depth=2", "F32", "PyTorch checkpoint (zip), at the top level",
     ND_RESTORATION, 0},
};

static void every_weight_arrives(void **state) {
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(goldens); i++) {
    nd_model *m = load(goldens[i].file, goldens[i].role, NULL);
    g_autofree char *settings = nd_net_settings_text(m->net);
    assert_string_equal(nd_net_name(m->net), goldens[i].network);
    assert_string_equal(settings, goldens[i].settings);
    assert_string_equal(m->stored_as, goldens[i].type);
    assert_string_equal(m->source_format, goldens[i].format);
    assert_non_null(m->recognised);
    expect_weights(m, goldens[i].tolerance);
    nd_model_free(m);
  }
}

static void what_is_not_seen_or_not_taken_is_said(void **state) {
  (void)state;
  nd_model *m = load("uformer_old.pth", ND_RESTORATION, NULL);
  assert_string_equal(m->recognised, "by names and shapes; not shown there: image_size=256 (the default), "
                                     "shift=1 (the default)");
  assert_null(m->left_aside);
  nd_model_free(m);
  m = load("uformer_old.pth", ND_RESTORATION, (const char *const[]){"image_size=16", NULL});
  assert_int_equal(nd_net_int(m->net, "image_size"), 16);
  assert_string_equal(m->recognised, "by names and shapes; not shown there: image_size=16 (given), "
                                     "shift=1 (the default)");
  nd_model_free(m);
  m = load("lightning.pth", ND_RESTORATION, NULL);
  assert_string_equal(m->recognised, "by names and shapes without the 'model.' that all begin with");
  nd_model_free(m);
  m = load("noise_da.pth", ND_RESTORATION, NULL);
  assert_non_null(strstr(m->left_aside, "gammas, sqrt_recip_gammas, denoise_fn."));
  assert_non_null(strstr(m->left_aside, "(146 tensors outside RestorationNet.*)"));
  nd_model_free(m);
}

static void expect_failure(const char *path, nd_role role, const char *const *settings, const char *text) {
  nd_model *m;
  assert_int_equal(nd_model_load_as(path, role, settings, NULL, &m), -1);
  assert_null(m);
  if (!strstr(nd_error(), text) || !strstr(nd_error(), path))
    fail_msg("'%s' says nothing of '%s'", nd_error(), text);
}

static void the_wrong_kind_of_network_is_named(void **state) {
  (void)state;
  expect_failure("checkpoints/sr3.pth", ND_RESTORATION, NULL, "holds a diffusion network, sr3");
  expect_failure("checkpoints/unet.pth", ND_DIFFUSION, NULL, "holds a restoration network, unet");
  expect_failure("checkpoints/unet.pth", ND_RESTORATION, (const char *const[]){"colour=3", NULL},
                 "no setting 'colour'");
  /* settings that contradict the shapes */
  expect_failure("checkpoints/unet.pth", ND_RESTORATION, (const char *const[]){"width=4", NULL},
                 "'down_path.0.block.0.weight' is 2x3x3x3, the network has 4x3x3x3");
}

/* A part of a file is not taken for the whole: another network may hold one that is known here. */
static void a_network_among_other_tensors_is_named(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("noiseda-XXXXXX", NULL),
                  *path = g_build_filename(folder, "m.safetensors", NULL);
  const float x[8 * 27] = {0};
  const nd_st_tensor tensors[] = {
      {.name = "loss.0.weight", .type = ND_ST_F32, .rank = 1, .shape = {4}, .count = 4, .data = x},
      {.name = "a.model.down_path.0.block.0.weight",
       .type = ND_ST_F32,
       .rank = 4,
       .shape = {8, 3, 3, 3},
       .count = 8 * 27,
       .data = x}};
  assert_int_equal(nd_safetensors_save(path, tensors, 2, NULL, 0), 0);
  expect_failure(path, ND_RESTORATION, NULL, "'noiseda import --prefix a.model.' takes those alone");
  g_remove(path);
  g_rmdir(folder);
}

static void negatives_are_not_taken_for_their_numbers(void **state) {
  (void)state;
  expect_failure("checkpoints/negated.pth", ND_RESTORATION, NULL, "torch.is_neg");
}

static void what_does_not_fit_is_listed(void **state) {
  (void)state;
  const char *const deeper[] = {"depth=3", NULL};
  expect_failure("checkpoints/unet.pth", ND_RESTORATION, deeper, "'down_path.2.block.0.weight' is missing; ");
  assert_non_null(strstr(nd_error(), "; and 11 more"));
  const char *const shallower[] = {"depth=1", NULL};
  expect_failure("checkpoints/unet.pth", ND_RESTORATION, shallower,
                 "'down_path.1.block.0.weight' is not in the network");
}

/* A model file made of a checkpoint is the checkpoint's network. */
static void a_written_model_is_the_same(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("noiseda-XXXXXX", NULL),
                  *path = g_build_filename(folder, "m.safetensors", NULL);
  nd_model *m = load("swinir.pth", ND_RESTORATION, NULL), *again;
  assert_int_equal(nd_model_save(path, m->net, m->residual, m->params, "", m->values, NULL, 0), 0);
  if (nd_model_load(path, &again))
    fail_msg("%s", nd_error());
  assert_null(again->recognised);
  assert_string_equal(again->source_format, "safetensors");
  expect_weights(again, 0);
  nd_model_free(m);
  nd_model_free(again);
  g_unlink(path);
  g_rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_weight_arrives),
                                     cmocka_unit_test(what_is_not_seen_or_not_taken_is_said),
                                     cmocka_unit_test(the_wrong_kind_of_network_is_named),
                                     cmocka_unit_test(a_network_among_other_tensors_is_named),
                                     cmocka_unit_test(negatives_are_not_taken_for_their_numbers),
                                     cmocka_unit_test(what_does_not_fit_is_listed),
                                     cmocka_unit_test(a_written_model_is_the_same)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
