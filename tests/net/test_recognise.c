/* Every published setting is read back from the names and shapes of its own parameters. */
#include "net/net.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct {
  const char *network, *settings; /* those that differ from the defaults */
} published[] = {
    {"unet", ""},
    {"unet", "width=32;depth=5"},
    {"dncnn", ""},
    {"dncnn", "depth=20;width=48"},
    {"dncnn", "depth=2"},
    {"dncnn", "subtract=1;grey=1"},
    {"dncnn", "depth=20;norm=0;subtract=1"},
    {"dncnn", "norm=0;subtract=1;grey=1"},
    {"dncnn", "norm=2;subtract=1;grey=1"},
    {"dncnn", "depth=20;norm=2;subtract=1"},
    {"dncnn", "bias=1;subtract=1"},
    {"nafnet", ""},
    {"nafnet", "width=64"},
    {"nafnet", "middle_blocks=1;encoder_blocks=1,1,1,28;decoder_blocks=1,1,1,1"},
    {"nafnet", "middle_blocks=0;encoder_blocks=0,2;decoder_blocks=0,0"},
    {"swinir", ""},
    {"swinir", "width=60;depths=6,6,6,6;heads=6,6,6,6"},
    {"swinir", "window=7;range=255"},
    {"swinir", "grey=1"},
    {"swinir", "width=30;depths=1,3;heads=5,3;mlp_ratio=1.24"},
    {"uformer", ""},
    {"uformer", "width=16;modulators=1;transposed_up=1"},
    {"uformer", "modulators=1;transposed_up=1"},
    {"uformer", "depths=1,2,8,8,2,8,8,2,1;modulators=1;transposed_up=1"},
    {"uformer", "image_size=64"}, /* the bottleneck's windows have 4 pixels */
    {"uformer", "depths=1,2,3;heads=1,2,4;mlp_ratio=1.5;window=4"},
    {"restormer", ""},
    {"restormer", "norm_bias=1"},
    {"restormer", "grey=1"},
    {"restormer", "bias=1;norm_bias=1"},
    {"restormer", "norm_bias=1;dual_pixel=1"},
    {"restormer", "width=24;blocks=1,2,3;heads=2,3,6;refinement=0;expansion=3"},
    {"guided", "attention_levels="},
    {"guided", "attention_levels=2,8;multipliers=1,1,2,4;res_blocks=3"},
    {"guided", "attention_levels=;multipliers=2"},
    {"sr3", ""},
    {"sr3", "attention_levels=1,4;res_blocks=1;affine=1;multipliers=1,3,2"},
    {"sr3", "attention_levels=;multipliers=1"},
};

static nd_role role_of(const char *network) {
  return g_strv_contains(nd_net_names(ND_DIFFUSION), network) ? ND_DIFFUSION : ND_RESTORATION;
}

static nd_net *make(const char *network, const char *settings) {
  nd_net *net;
  assert_int_equal(nd_net_new(network, role_of(network), &net), 0);
  g_auto(GStrv) parts = g_strsplit(settings, ";", -1);
  for (int i = 0; parts[i]; i++) {
    char *value = strchr(parts[i], '=');
    *value++ = 0;
    if (nd_net_set(net, parts[i], value))
      fail_msg("%s", nd_error());
  }
  return net;
}

static nd_params *declare(const nd_net *net) {
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  int size = nd_net_multiple(net);
  nd_tensor y = nd_net_role(net) == ND_RESTORATION
                    ? nd_net_restore(g, net, nd_input(g, "x", 1, size, size, nd_net_channels(net)))
                    : nd_net_predict_noise(g, net, nd_input(g, "x", 1, size, size, 9),
                                           nd_input(g, "level", 1, 1, 1, 1));
  if (y < 0)
    fail_msg("%s", nd_error());
  nd_graph_free(g);
  return params;
}

static bool find(const void *file, const char *name, nd_shape *out) {
  const nd_param *p = nd_params_find(file, name);
  if (!p)
    return false;
  out->rank = p->rank;
  for (int i = 0; i < p->rank; i++)
    out->dims[i] = p->dims[i];
  return true;
}

static void expect_equal(const nd_net *a, const nd_net *b) {
  assert_string_equal(nd_net_name(a), nd_net_name(b));
  for (int i = 0; i < nd_net_settings_count(a); i++)
    if (strcmp(nd_net_value(a, i), nd_net_value(b, i)))
      fail_msg("%s: %s is '%s', not '%s'", nd_net_name(a), nd_net_setting(a, i)->name, nd_net_value(b, i),
               nd_net_value(a, i));
}

static void published_settings_are_read_back(void **state) {
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(published); i++) {
    nd_net *net = make(published[i].network, published[i].settings), *found;
    nd_params *params = declare(net);
    if (nd_net_recognise(nd_net_role(net), &(nd_shapes){find, params}, &found))
      fail_msg("%s (%s): %s", published[i].network, published[i].settings, nd_error());
    expect_equal(net, found);
    nd_role other = nd_net_role(net) == ND_RESTORATION ? ND_DIFFUSION : ND_RESTORATION;
    nd_net *none;
    assert_int_equal(nd_net_recognise(other, &(nd_shapes){find, params}, &none), -1);
    assert_null(none);
    nd_net_free(found);
    nd_net_free(net);
    nd_params_free(params);
  }
}

/* One tensor of a network, with a shape that no network has. */
static bool find_lie(const void *name, const char *wanted, nd_shape *out) {
  *out = (nd_shape){4, {INT64_MAX, -1, 0, 3}};
  return !strcmp(name, wanted);
}

static void lies_are_refused(void **state) {
  (void)state;
  static const char *const names[] = {"down_path.0.block.0.weight",
                                      "dncnn.0.weight",
                                      "model.0.weight",
                                      "intro.weight",
                                      "layers.0.residual_group.blocks.0.norm1.weight",
                                      "encoderlayer_0.blocks.0.norm1.weight",
                                      "encoder_level1.0.attn.temperature",
                                      "cond_embed.0.weight",
                                      "noise_level_mlp.1.weight",
                                      "something.else"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    for (int role = ND_RESTORATION; role <= ND_DIFFUSION; role++) {
      nd_net *net;
      nd_error_clear();
      assert_int_equal(nd_net_recognise((nd_role)role, &(nd_shapes){find_lie, names[i]}, &net), -1);
      assert_null(net);
      assert_true(*nd_error());
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(published_settings_are_read_back),
                                     cmocka_unit_test(lies_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
