/* Recipes against what the networks and degradations say of themselves, and what no single key shows. */
#include "train/recipe-private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define PICTURES "mode: source\ndata:\n  clean: c\n  degradation:\n    kind: gaussian\n"

static const struct {
  const char *text, *message; /* NULL: fine */
} cases[] = {
    {PICTURES, NULL},
    {"mode: source\ndata: {input: a, target: b}\n", NULL},
    {"mode: source\n", "r.yaml: no training pictures; give data.input and data.target, or data.clean"},
    {"mode: source\ndata:\n  input: a\n",
     "r.yaml:3: data.input and data.target belong together; data.target is missing"},
    {"mode: source\ndata:\n  target: a\n",
     "r.yaml:3: data.input and data.target belong together; data.input is missing"},
    {"mode: source\ndata:\n  input: a\n  target: b\n  clean: c\n", "r.yaml:5: data.clean stands instead of"},
    {"mode: source\ndata:\n  clean: c\n", "r.yaml: data.clean needs a data.degradation.kind other than none"},
    {"mode: source\ndata:\n  input: a\n  target: b\n  degradation:\n    kind: camera\n",
     "r.yaml:6: data.degradation is for data.clean"},
    {"mode: paired\ndata: {input: a, target: b}\n", "r.yaml:1: mode paired needs data.real"},
    {"mode: paired\ndata: {input: a, target: b, real: c}\n", NULL},
    {PICTURES "validation: {input: a}\n", "r.yaml:6: validation.input and validation.target belong together"},
    {PICTURES "schedule: {beta_start: 0.5}\n",
     "r.yaml:6: schedule.beta_start is 0.5; it must not be above beta_end"},
    {PICTURES "schedule: {steps: 100}\n", "r.yaml: adapt.t_max is 999; it must be below schedule.steps, 100"},
    {PICTURES "adapt: {t_min: 100, t_max: 99}\n",
     "r.yaml:6: adapt.t_min is 100; it must not be above adapt.t_max, 99"},
    {PICTURES "adapt: {graft_min: 3, graft_max: 1.5}\n",
     "r.yaml:6: adapt.graft_min is 3; it must not be above graft_max, 1.5"},
    {"mode: graft\ndata: {input: a, target: b}\nadapt: {graft_of: flat}\n",
     "r.yaml:1: mode graft needs data.real"},
    {"mode: graft\ndata: {input: a, target: b}\nadapt: {graft_of: pile}\n", NULL},
    {PICTURES "restoration: {network: unett}\n", "r.yaml:6: there is no restoration network 'unett'"},
    {PICTURES "diffusion: {network: unet}\n", "r.yaml:6: there is no diffusion network 'unet'"},
    {PICTURES "restoration:\n  widht: 8\n",
     "r.yaml:7: network unet: unknown key 'restoration.widht'; did you mean 'restoration.width'?"},
    {PICTURES "restoration:\n  netwrok: unet\n",
     "r.yaml:7: network unet: unknown key 'restoration.netwrok'; did you mean 'restoration.network'?"},
    {PICTURES "restoration:\n  width: 0\n", "r.yaml:7: "},
    {PICTURES "restoration:\n  width: ''\n", "r.yaml:7: "},
    {PICTURES "diffusion:\n  multipliers: [1, x]\n", "r.yaml:7: "},
    {PICTURES "    sigma: 999\n", "r.yaml:6: "},
    {PICTURES "    sigmoid: 9\n", "r.yaml:6: degradation 'gaussian' has no setting 'sigmoid'"},
    {PICTURES "    sigma_min: 50\n    sigma_max: 40\n", "r.yaml:5: "},
    {"mode: source\ndata: {input: a, target: b, degradation: {sigma: 5}}\n", "r.yaml:2: setting 'sigma'"},
    {"mode: source\ndata: {clean: b, degradation: {kind: rain, then: [jpeg quality=0]}}\n",
     "r.yaml:2: then 'jpeg quality=0': degradation 'jpeg', setting 'quality'"},
    {"mode: source\ndata: {clean: b, degradation: {kind: fog}}\n", "r.yaml:2: there is no degradation 'fog'"},
};

static void recipes_are_checked(void **state) {
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    nd_recipe r;
    nd_recipe_init(&r);
    if (nd_recipe_parse(&r, cases[i].text, "r.yaml"))
      fail_msg("%s: %s", cases[i].text, nd_error());
    int result = nd_recipe_check(&r);
    if (cases[i].message ? !result || !g_str_has_prefix(nd_error(), cases[i].message) : result)
      fail_msg("%s gave %d: %s", cases[i].text, result, nd_error());
    nd_recipe_clear(&r);
  }
}

static void settings_reach_their_rooms(void **state) {
  (void)state;
  nd_recipe r;
  nd_recipe_init(&r);
  assert_int_equal(
      nd_recipe_parse(&r, PICTURES "    sigma: 25\ndiffusion: {multipliers: [1, 3], dropout: 0}\n", "r.yaml"),
      0);
  assert_int_equal(nd_recipe_set(&r, &(nd_recipe_override){"restoration.width=8", "--set"}), 0);
  assert_int_equal(nd_recipe_set(&r, &(nd_recipe_override){"data.degradation.sigma_max=50", "--set"}), 0);
  assert_int_equal(nd_recipe_check(&r), 0);
  nd_net *net;
  int list[ND_MAX_LIST];
  assert_int_equal(nd_recipe_network(&r, ND_RESTORATION, &net), 0);
  assert_int_equal(nd_net_int(net, "width"), 8);
  nd_net_free(net);
  assert_int_equal(nd_recipe_network(&r, ND_DIFFUSION, &net), 0);
  assert_int_equal(nd_net_list(net, "multipliers", list), 2);
  assert_int_equal(list[1], 3);
  assert_true(nd_net_real(net, "dropout") == 0);
  assert_int_equal(nd_net_int(net, "res_blocks"), 2);
  nd_net_free(net);
  nd_degrade_settings d;
  assert_int_equal(nd_recipe_degradation(&r, &d), 0);
  assert_string_equal(d.kind->name, "gaussian");
  g_autofree char *described = nd_degrade_describe(&d);
  assert_non_null(strstr(described, "sigma_min: 25, sigma_max: 50"));
  nd_recipe_clear(&r);
}

/* What goes into a checkpoint has every value, those of networks and degradation included. */
static void a_checked_recipe_prints_all_settings(void **state) {
  (void)state;
  nd_recipe r, again;
  nd_recipe_init(&r);
  nd_recipe_init(&again);
  assert_int_equal(nd_recipe_parse(&r, PICTURES "restoration: {depth: 2}\n", "r.yaml"), 0);
  assert_int_equal(nd_recipe_check(&r), 0);
  g_autofree char *text = nd_recipe_print(&r);
  assert_non_null(strstr(text, "restoration:\n  network: unet\n  width: 64\n  depth: 2\n"));
  assert_non_null(strstr(text, "\n  multipliers: [1, 2, 4, 8]\n"));
  assert_non_null(strstr(text, "    kind: gaussian\n    sigma_min: 0\n    sigma_max: 75\n"));
  assert_int_equal(nd_recipe_parse(&again, text, "printed"), 0);
  assert_int_equal(nd_recipe_check(&again), 0);
  g_autofree char *second = nd_recipe_print(&again);
  assert_string_equal(text, second);
  nd_recipe_clear(&r);
  nd_recipe_clear(&again);
}

static void a_chain_of_degradations_survives_printing(void **state) {
  (void)state;
  nd_recipe r, again;
  nd_degrade_settings first, second;
  nd_recipe_init(&r);
  nd_recipe_init(&again);
  assert_int_equal(
      nd_recipe_parse(&r,
                      "mode: source\ndata:\n  clean: b\n  degradation:\n    kind: rain\n    angle: 5\n"
                      "    then: [blur length=4, jpeg quality_min=60]\n",
                      "r.yaml"),
      0);
  assert_int_equal(nd_recipe_check(&r), 0);
  g_autofree char *text = nd_recipe_print(&r);
  assert_int_equal(nd_recipe_parse(&again, text, "printed"), 0);
  assert_int_equal(nd_recipe_check(&again), 0);
  assert_int_equal(nd_recipe_degradation(&r, &first), 0);
  assert_int_equal(nd_recipe_degradation(&again, &second), 0);
  assert_int_equal(first.then_count, 2);
  assert_string_equal(first.then[1].kind->name, "jpeg");
  assert_memory_equal(&first, &second, sizeof first);
  nd_recipe_clear(&r);
  nd_recipe_clear(&again);
}

static void the_schema_is_the_default_recipe(void **state) {
  (void)state;
  nd_recipe schema, standard;
  nd_recipe_init(&schema);
  nd_recipe_init(&standard);
  g_autofree char *text = nd_recipe_defaults();
  if (nd_recipe_parse(&schema, text, "schema"))
    fail_msg("%s\n%s", nd_error(), text);
  assert_int_equal(nd_recipe_resolve(&standard), 0);
  g_autofree char *a = nd_recipe_print(&schema), *b = nd_recipe_print(&standard);
  assert_string_equal(a, b);
  assert_non_null(strstr(text, "\n  # unet: "));
  nd_recipe_clear(&schema);
  nd_recipe_clear(&standard);
}

static void settings_are_explained(void **state) {
  (void)state;
  g_autofree char *width = nd_recipe_explain("restoration.width"),
                  *sigma = nd_recipe_explain("data.degradation.sigma_max"),
                  *all = nd_recipe_explain("data.degradation");
  assert_true(
      g_str_has_prefix(width, "restoration.width (unet): a whole number between 1 and 512; default 64\n"));
  assert_true(g_str_has_prefix(
      sigma, "data.degradation.sigma_max (gaussian): a number between 0 and 255; default 75\n"));
  assert_non_null(strstr(all, sigma));
  assert_non_null(strstr(all, "(camera)"));
  assert_non_null(strstr(all, "data.degradation.kind: "));
  assert_null(nd_recipe_explain("restoration.widht"));
  assert_string_equal(nd_error(), "unknown key 'restoration.widht'; did you mean 'restoration.width'?");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(recipes_are_checked),
      cmocka_unit_test(settings_reach_their_rooms),
      cmocka_unit_test(a_checked_recipe_prints_all_settings),
      cmocka_unit_test(a_chain_of_degradations_survives_printing),
      cmocka_unit_test(the_schema_is_the_default_recipe),
      cmocka_unit_test(settings_are_explained),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
