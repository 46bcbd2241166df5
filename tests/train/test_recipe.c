/* Recipes: the table, reading, every message, overrides, and printing that reads back. */
#include "train/recipe-private.h"

#include "diffusion/diffusion.h"

#include <glib/gstdio.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* The message that reading text gives; "" when it is fine. */
static const char *message_of(const char *text) {
  nd_recipe recipe;
  nd_recipe_init(&recipe);
  nd_error_clear();
  int result = nd_recipe_parse(&recipe, text, "r.yaml");
  nd_recipe_clear(&recipe);
  assert_true((result == -1) == (*nd_error() != 0));
  return nd_error();
}

static void defaults_are_the_release(void **state) {
  (void)state;
  nd_recipe r;
  nd_recipe_init(&r);
  assert_int_equal(r.task, ND_TASK_DENOISE);
  assert_int_equal(r.mode, ND_MODE_PAIRED);
  assert_int_equal(r.seed, 1);
  assert_string_equal(r.restoration.network, "unet");
  assert_string_equal(r.diffusion.network, "guided");
  assert_true(r.restoration.residual && r.adapt.shuffle && r.adapt.contrast && r.data.augment);
  assert_string_equal(nd_recipe_word(&r, "schedule.kind"), "linear");
  assert_int_equal(r.schedule.steps, 1000);
  assert_true(r.schedule.beta_start == 1e-6 && r.schedule.beta_end == 0.01);
  assert_true(r.adapt.lambda == 0.2 && r.adapt.margin == 0.1);
  assert_int_equal(r.adapt.t_min, 1);
  assert_int_equal(r.adapt.t_max, 999);
  assert_int_equal(r.data.patch_size, 128);
  assert_int_equal(r.data.batch_size, 3);
  assert_int_equal(r.training.steps, 100000);
  assert_true(r.training.learning_rate == 1e-4 && r.training.beta1 == 0.9 && r.training.beta2 == 0.999);
  assert_true(r.training.eps == 1e-8 && r.training.weight_decay == 0 && r.training.ema == 0.9999);
  assert_string_equal(r.data.clean, "");
  assert_null(nd_recipe_word(&r, "seed"));
  assert_null(nd_recipe_word(&r, "none"));
  nd_recipe_clear(&r);
}

/* What no compiler checks about the table. */
static void the_table_is_sound(void **state) {
  (void)state;
  nd_recipe r;
  nd_recipe_init(&r);
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    for (size_t k = 0; k < i; k++)
      assert_true(strcmp(key->name, nd_recipe_keys[k].name) && key->offset != nd_recipe_keys[k].offset);
    assert_true(*key->help && !strchr(key->help, '\n'));
    if (key->type == ND_RECIPE_SETTINGS) {
      assert_true(i > 0 && g_str_has_suffix(key->name, ".*"));
      continue;
    }
    assert_ptr_equal(nd_recipe_find(key->name), key);
    assert_int_equal(nd_recipe_assign(&r, key, key->name, (nd_recipe_text){.text = key->standard}), 0);
    if (key->type == ND_RECIPE_INT)
      assert_true(key->min >= INT_MIN && key->max <= INT_MAX);
    if (key->type <= ND_RECIPE_REAL)
      assert_true(key->min < key->max);
  }
  nd_recipe_clear(&r);
}

/* The table's words stand in the order of enums of other rooms. */
static void words_are_those_of_other_rooms(void **state) {
  (void)state;
  static const struct {
    const char *key, *word;
    int value;
  } all[] = {{"task", "denoise", ND_TASK_DENOISE},
             {"task", "derain", ND_TASK_DERAIN},
             {"task", "deblur", ND_TASK_DEBLUR},
             {"mode", "source", ND_MODE_SOURCE},
             {"mode", "paired", ND_MODE_PAIRED},
             {"mode", "unpaired", ND_MODE_UNPAIRED},
             {"mode", "noise2void", ND_MODE_NOISE2VOID},
             {"mode", "graft", ND_MODE_GRAFT},
             {"mode", "translate", ND_MODE_TRANSLATE},
             {"mode", "dann", ND_MODE_DANN},
             {"training.restoration_loss", "charbonnier", ND_LOSS_CHARBONNIER},
             {"training.restoration_loss", "l1", ND_LOSS_L1},
             {"training.restoration_loss", "mse", ND_LOSS_MSE}};
  nd_recipe r;
  nd_recipe_init(&r);
  for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
    const nd_recipe_key *key = nd_recipe_find(all[i].key);
    assert_int_equal(nd_recipe_assign(&r, key, key->name, (nd_recipe_text){.text = all[i].word}), 0);
    assert_int_equal(*(const int *)((const char *)&r + key->offset), all[i].value);
  }
  nd_recipe_clear(&r);
}

static void every_kind_of_value_is_read(void **state) {
  (void)state;
  static const char text[] = "\xef\xbb\xbf# a comment\n"
                             "task: deblur\n"
                             "mode: 'unpaired'\n"
                             "seed: 9007199254740991\n"
                             "restoration: {network: nafnet, width: 32, residual: false}\n"
                             "diffusion:\n"
                             "  multipliers: [1, 2,\n    4]\n"
                             "  attention_levels: []\n"
                             "schedule: {kind: cosine, beta_end: 2.5E-2}\n"
                             "adapt:\n"
                             "data:\n"
                             "  clean: \"a \\\"b\\\" \\u00fc\"\n"
                             "  real: 2024\n"
                             "  reference: ~\n"
                             "  degradation:\n"
                             "    kind: gaussian\n"
                             "    sigma_max: 50\n"
                             "training.steps: 1e5\n";
  nd_recipe r;
  nd_recipe_init(&r);
  if (nd_recipe_parse(&r, text, "r.yaml"))
    fail_msg("%s", nd_error());
  assert_int_equal(r.task, ND_TASK_DEBLUR);
  assert_int_equal(r.mode, ND_MODE_UNPAIRED);
  assert_true(r.seed == INT64_C(9007199254740991));
  assert_string_equal(r.restoration.network, "nafnet");
  assert_false(r.restoration.residual);
  assert_int_equal(r.restoration.settings.count, 1);
  assert_string_equal(r.restoration.settings.at[0].name, "width");
  assert_string_equal(r.restoration.settings.at[0].value, "32");
  assert_string_equal(r.diffusion.settings.at[0].value, "1,2,4");
  assert_true(r.diffusion.settings.at[1].list && !*r.diffusion.settings.at[1].value);
  assert_string_equal(nd_recipe_word(&r, "schedule.kind"), "cosine");
  assert_true(r.schedule.beta_end == 0.025 && r.schedule.beta_start == 1e-6);
  assert_string_equal(r.data.clean, "a \"b\" \xc3\xbc");
  assert_string_equal(r.data.real, "2024");
  assert_string_equal(r.data.reference, "");
  assert_string_equal(r.data.degradation.kind, "gaussian");
  assert_string_equal(r.data.degradation.settings.at[0].name, "sigma_max");
  assert_int_equal(r.training.steps, 100000);
  assert_string_equal(r.text, text);
  assert_string_equal(r.path, "r.yaml");
  nd_recipe_fail(&r, "training.steps", "too %s", "few");
  assert_string_equal(nd_error(), "r.yaml:19: too few");
  nd_recipe_clear(&r);
}

static const struct {
  const char *text, *message;
} broken[] = {
    {"training:\n  lerning_rate: 1\n",
     "r.yaml:2: unknown key 'training.lerning_rate'; did you mean 'training.learning_rate'?"},
    {"trainig:\n  steps: 1\n", "r.yaml:1: unknown key 'trainig'; did you mean 'training'?"},
    {"\n\nbatch_size: 1\n", "r.yaml:3: unknown key 'batch_size'; did you mean 'data.batch_size'?"},
    {"training:\n  patch_size: 1\n",
     "r.yaml:2: unknown key 'training.patch_size'; did you mean 'data.patch_size'?"},
    {"foo: 1\n", "r.yaml:1: unknown key 'foo'"},
    {"data: {foo: {a: 1}}\n", "r.yaml:1: unknown key 'data.foo'"},
    {"data:\n  batch_size: -3\n",
     "r.yaml:2: data.batch_size is -3; it must be a whole number between 1 and 4096"},
    {"data:\n  batch_size: 4097\n",
     "r.yaml:2: data.batch_size is 4097; it must be a whole number between 1 and 4096"},
    {"seed: 1.5\n", "r.yaml:1: seed is 1.5; it must be a whole number between 0 and 9007199254740991"},
    {"seed: 9007199254740992\n",
     "r.yaml:1: seed is 9007199254740992; it must be a whole number between 0 and 9007199254740991"},
    {"seed: 0x10\n", "r.yaml:1: seed is 0x10; it must be a whole number between 0 and 9007199254740991"},
    {"seed: 99999999999999999999999999\n", "r.yaml:1: seed is 99999999999999999999999999; it must be"},
    {"adapt: {lambda: .nan}\n", "r.yaml:1: adapt.lambda is .nan; it must be a number between 0 and 1000"},
    {"adapt: {lambda: nan}\n", "r.yaml:1: adapt.lambda is nan; it must be a number between 0 and 1000"},
    {"adapt: {lambda: 1e999}\n", "r.yaml:1: adapt.lambda is 1e999; it must be a number between 0 and 1000"},
    {"adapt: {lambda: 1 2}\n", "r.yaml:1: adapt.lambda is 1 2; it must be a number between 0 and 1000"},
    {"adapt: {lambda: '1'}\n",
     "r.yaml:1: adapt.lambda is the text \"1\"; it must be a number between 0 and 1000"},
    {"adapt: {lambda: }\n", "r.yaml:1: adapt.lambda has no value; it must be a number between 0 and 1000"},
    {"adapt: {lambda: true}\n", "r.yaml:1: adapt.lambda is true; it must be a number between 0 and 1000"},
    {"adapt: {lambda: [1]}\n", "r.yaml:1: adapt.lambda is a list; it must be a number between 0 and 1000"},
    {"adapt: {lambda: {a: 1}}\n",
     "r.yaml:1: adapt.lambda has keys below it; it must be a number between 0 and 1000"},
    {"adapt: {shuffle: yes}\n", "r.yaml:1: adapt.shuffle is yes; it must be true or false"},
    {"adapt: {shuffle: 1}\n", "r.yaml:1: adapt.shuffle is 1; it must be true or false"},
    {"mode: pared\n", "r.yaml:1: mode is pared; it must be one of source, paired, unpaired"},
    {"training: {precision: fp8}\n", "r.yaml:1: training.precision is fp8; it must be one of fp32, bf16"},
    {"training: 5\n", "r.yaml:1: training is a section; its keys belong below it, indented"},
    {"training: [1, 2]\n", "r.yaml:1: training is a section; its keys belong below it, indented"},
    {"training:\n  - steps: 5\n", "r.yaml:1: training is a section; its keys belong below it, indented"},
    {"training: [steps]\n", "r.yaml:1: training is a section"},
    {"seed: 1\nmode: source\nseed: 2\n", "r.yaml:3: 'seed' was given before, at r.yaml:1"},
    {"data:\n  workers: 1\nmode: source\ndata:\n  augment: true\n",
     "r.yaml:4: 'data' was given before, at r.yaml:1"},
    {"data:\n  workers: 1\ndata.workers: 2\n", "r.yaml:3: 'data.workers' was given before, at r.yaml:2"},
    {"data:\n  degradation:\n    x: 1\n    x: 2\n",
     "r.yaml:4: 'data.degradation.x' was given before, at r.yaml:3"},
    {"data:\n  degradation:\n    x: {y: 2}\n",
     "r.yaml:3: data.degradation.x has keys below it; it must be a text"},
    {"diffusion: {multipliers: [[1]]}\n",
     "r.yaml:1: diffusion.multipliers is a list of lists; it must be a list of values"},
    {"seed: &a 1\n", "r.yaml:1: anchors (&), aliases (*) and tags (!)"},
    {"seed: 1\ntask: *a\n", "r.yaml:2: anchors (&), aliases (*) and tags (!)"},
    {"seed: !!int 1\n", "r.yaml:1: anchors (&), aliases (*) and tags (!)"},
    {"data: &d\n  workers: 1\n", "r.yaml:1: anchors (&), aliases (*) and tags (!)"},
    {"a: &a [x, *a]\n", "r.yaml:1: anchors (&), aliases (*) and tags (!)"},
    {"? [a, b]\n: 1\n", "r.yaml:1: a key must be a word"},
    {"data:\n  clean: \"a\\0b\"\n", "r.yaml:2: a text holds a NUL character"},
    {"\"a\\0b\": 1\n", "r.yaml:1: a text holds a NUL character"},
    {"seed: 1\n  mode: 2\n", "r.yaml:1: seed is 1 mode; it must be a whole number"},
    {"training:\n  steps: 1\n mode: 2\n", "r.yaml:3: not valid YAML: did not find expected key"},
    {"seed: [1\n\n", "r.yaml:3: not valid YAML: did not find expected ',' or ']'"},
    {"seed: 1\n\tmode: source\n",
     "r.yaml:2: not valid YAML: found a tab character that violates indentation"},
    {"seed: 1\nmode: \"a\n", "not valid YAML: found unexpected end of stream"},
    {"seed: 1\ntask: \xff\n", "r.yaml:2: not valid YAML: invalid leading UTF-8 octet"},
    {"seed: 1\n\n\ntask: \x01\n", "r.yaml:4: not valid YAML: control characters are not allowed"},
    {"", "r.yaml: the recipe is empty"},
    {"# nothing but this\n\n", "r.yaml: the recipe is empty"},
    {"---\n", "r.yaml: the recipe is empty"},
    {"a b c\n", "r.yaml:1: a recipe consists of lines 'key: value'"},
    {"- seed\n", "r.yaml:1: a recipe consists of lines 'key: value'"},
    {"seed: 1\n---\nseed: 2\n", "r.yaml:2: a second document begins; a recipe is one"},
};

static void broken_recipes_are_refused(void **state) {
  (void)state;
  int wrong = 0;
  for (size_t i = 0; i < G_N_ELEMENTS(broken); i++)
    if (!strstr(message_of(broken[i].text), broken[i].message)) {
      print_error("%s\n  gave: %s\n  not:  %s\n", broken[i].text, nd_error(), broken[i].message);
      wrong++;
    }
  assert_int_equal(wrong, 0);
}

static void what_is_too_much(void **state) {
  (void)state;
  g_autoptr(GString) text = g_string_new(NULL);
  for (int i = 0; i < 500000; i++)
    g_string_append(text, "[");
  assert_non_null(strstr(message_of(text->str), "lines 'key: value'"));
  g_string_assign(text, "diffusion: ");
  for (int i = 0; i < 200000; i++)
    g_string_append(text, "{a: ");
  assert_non_null(strstr(message_of(text->str), "diffusion.a has keys below it"));
  g_string_assign(text, "diffusion: {x: ");
  for (int i = 0; i < 500000; i++)
    g_string_append(text, "[");
  assert_non_null(strstr(message_of(text->str), "list of lists"));
  g_string_assign(text, "# ");
  for (int i = 0; i < ND_RECIPE_MAX_BYTES; i++)
    g_string_append_c(text, 'x');
  assert_non_null(strstr(message_of(text->str), "more than 1048576 bytes"));
  g_string_assign(text, "diffusion:\n");
  for (int i = 0; i <= ND_RECIPE_MAX_SETTINGS; i++)
    g_string_append_printf(text, "  a%d: 1\n", i);
  assert_string_equal(message_of(text->str), "r.yaml:66: more than 64 settings");
  g_string_assign(text, "'");
  for (int i = 0; i < 1000; i++)
    g_string_append_c(text, 'k');
  g_string_append(text, "': 1\n");
  assert_non_null(strstr(message_of(text->str), "is too long"));
}

static void files_are_read_or_named(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("nd-XXXXXX", NULL),
                  *path = g_build_filename(folder, "r.yaml", NULL);
  nd_recipe r;
  nd_recipe_init(&r);
  assert_true(g_file_set_contents(path, "seed: 7\n", -1, NULL));
  assert_int_equal(nd_recipe_load(&r, path), 0);
  assert_int_equal(r.seed, 7);
  assert_string_equal(r.text, "seed: 7\n");
  assert_string_equal(r.path, path);
  assert_true(g_file_set_contents(path, "seed: \0007\n", 9, NULL));
  assert_int_equal(nd_recipe_load(&r, path), -1);
  assert_non_null(strstr(nd_error(), "NUL"));
  assert_true(g_file_set_contents(path, "", 0, NULL));
  assert_int_equal(nd_recipe_load(&r, path), -1);
  assert_non_null(strstr(nd_error(), "is empty"));
  assert_int_equal(g_unlink(path), 0);
  assert_int_equal(nd_recipe_load(&r, path), -1);
  assert_non_null(strstr(nd_error(), "r.yaml': No such file"));
  assert_int_equal(nd_recipe_load(&r, folder), -1);
  assert_non_null(strstr(nd_error(), "Is a directory"));
  assert_int_equal(nd_recipe_load(&r, "/dev/zero"), -1);
  g_rmdir(folder);
  nd_recipe_clear(&r);
}

static int set(nd_recipe *r, const char *assignment) {
  return nd_recipe_set(r, &(nd_recipe_override){assignment, "--set"});
}

static void overrides_win(void **state) {
  (void)state;
  nd_recipe r;
  nd_recipe_init(&r);
  assert_int_equal(nd_recipe_parse(&r, "seed: 7\ndiffusion: {width: 32}\n", "r.yaml"), 0);
  assert_int_equal(set(&r, "seed=8"), 0);
  assert_int_equal(set(&r, "seed=9"), 0);
  assert_int_equal(set(&r, "data.clean=a: #b=[1]"), 0);
  assert_int_equal(set(&r, "diffusion.multipliers=[1, 2]"), 0);
  assert_int_equal(set(&r, "diffusion.width=16"), 0);
  assert_int_equal(set(&r, "data.real="), 0);
  assert_int_equal(r.seed, 9);
  assert_string_equal(r.data.clean, "a: #b=[1]");
  assert_int_equal(r.diffusion.settings.count, 2);
  assert_string_equal(r.diffusion.settings.at[0].value, "16");
  assert_string_equal(r.diffusion.settings.at[1].value, "1, 2");
  nd_recipe_fail(&r, "seed", "no");
  assert_string_equal(nd_error(), "--set: no");
  assert_int_equal(nd_recipe_set(&r, &(nd_recipe_override){"training.memory=100", "--memory"}), 0);
  nd_recipe_fail(&r, "training.memory", "no");
  assert_string_equal(nd_error(), "--memory: no");
  assert_int_equal(set(&r, "training.memory=100"), 0);
  nd_recipe_fail(&r, "training.memory", "no");
  assert_string_equal(nd_error(), "--set: no");
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"seed", "--set: 'seed' is not of the form key=value"},
      {"=1", "--set: unknown key ''"},
      {"sed=1", "--set: unknown key 'sed'; did you mean 'seed'?"},
      {"training.stepps=1", "--set: unknown key 'training.stepps'; did you mean 'training.steps'?"},
      {"trainng.steps=1", "--set: unknown key 'trainng.steps'; did you mean 'training.steps'?"},
      {"training=1", "--set: 'training' is a section, not one of its keys"},
      {"seed=x", "--set: seed is x; it must be a whole number between 0 and 9007199254740991"},
      {"seed=[1]", "--set: seed is [1]; it must be a whole number"},
      {"seed=", "--set: seed has no value; it must be"},
      {"training.threads=-3", "--set: training.threads is -3; it must be"},
      {"data.clean=\xff", "is not of the form"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    assert_int_equal(set(&r, cases[i].text), -1);
    if (!strstr(nd_error(), cases[i].message))
      fail_msg("%s gave: %s", cases[i].text, nd_error());
  }
  assert_int_equal(r.seed, 9);
  nd_recipe_clear(&r);
}

/* Prints, reads that, prints again: the two must be equal, and the texts what they were. */
static char *printed_twice(nd_recipe *r) {
  char *first = nd_recipe_print(r);
  nd_recipe again;
  nd_recipe_init(&again);
  if (nd_recipe_parse(&again, first, "printed"))
    fail_msg("%s\n%s", nd_error(), first);
  g_autofree char *second = nd_recipe_print(&again);
  assert_string_equal(first, second);
  assert_string_equal(r->data.clean, again.data.clean);
  nd_recipe_clear(&again);
  return first;
}

static void what_is_printed_reads_back(void **state) {
  (void)state;
  static const char *const texts[] = {"",
                                      "plain/path.png",
                                      "with space",
                                      "null",
                                      "~",
                                      "true",
                                      "-",
                                      "12",
                                      "a: b",
                                      "#a",
                                      "\"q\" \\ 'q'",
                                      "[1]",
                                      "{a}",
                                      "a\nb",
                                      "\t",
                                      " a ",
                                      "&a",
                                      "\x01\x7f",
                                      "...",
                                      "---",
                                      "%",
                                      "@",
                                      "\xc3\xbc \xe2\x80\xa8 \xc2\x85 \xef\xbb\xbf \xf0\x9f\x98\x80"};
  nd_recipe r;
  nd_recipe_init(&r);
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autofree char *clean = g_strconcat("data.clean=", texts[i], NULL);
    g_autofree char *setting = g_strconcat("restoration.x", texts[i], "=", texts[i], NULL);
    assert_int_equal(set(&r, clean), 0);
    if (!strchr(texts[i], '.'))
      assert_int_equal(set(&r, setting), 0);
    g_free(printed_twice(&r));
  }
  static const double numbers[] = {0.1, 1.0 / 3, 1e-300, 123456789.123456789, 999.99999999999989, 5e-324, 0};
  for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
    r.adapt.lambda = numbers[i] > 1000 ? 1000 : numbers[i];
    g_autofree char *text = printed_twice(&r);
    nd_recipe again;
    nd_recipe_init(&again);
    assert_int_equal(nd_recipe_parse(&again, text, "printed"), 0);
    assert_true(again.adapt.lambda == r.adapt.lambda);
    nd_recipe_clear(&again);
  }
  nd_recipe_clear(&r);
}

/* As the fuzzer found: a name of tabs, written as ten characters each, was longer than a key may be. */
static void long_names_read_back(void **state) {
  (void)state;
  static const char *const characters[] = {"\t", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xf3\xa0\x80\x81"};
  for (size_t i = 0; i < G_N_ELEMENTS(characters); i++) {
    nd_recipe r;
    nd_recipe_init(&r);
    g_autoptr(GString) setting = g_string_new("diffusion.a");
    while (setting->len + strlen(characters[i]) < 195)
      g_string_append(setting, characters[i]);
    g_string_append(setting, "b=1");
    if (set(&r, setting->str))
      fail_msg("%s", nd_error());
    g_free(printed_twice(&r));
    nd_recipe_clear(&r);
  }
}

static void the_print_is_canonical(void **state) {
  (void)state;
  nd_recipe r;
  nd_recipe_init(&r);
  assert_int_equal(nd_recipe_parse(&r,
                                   "data: {degradation: {sigma_max: 50, kind: gaussian}, clean: x}\n"
                                   "diffusion: {multipliers: [1,2], attention_levels: []}\nmode: source\n",
                                   "r.yaml"),
                   0);
  g_autofree char *text = printed_twice(&r);
  assert_true(g_str_has_prefix(text,
                               "task: denoise\nmode: source\nseed: 1\nrestoration:\n  network: unet\n"
                               "  residual: true\ndiffusion:\n  network: guided\n"
                               "  multipliers: [1, 2]\n  attention_levels: []\nschedule:\n  kind: linear\n"
                               "  steps: 1000\n  beta_start: 1e-06\n  beta_end: 0.01\nadapt:\n"));
  assert_non_null(strstr(text,
                         "data:\n  input: \"\"\n  right: \"\"\n  target: \"\"\n  clean: x\n  degradation:\n"
                         "    kind: gaussian\n    sigma_max: 50\n  fit: false\n  real: \"\"\n"));
  nd_recipe_clear(&r);
}

static void keys_are_explained(void **state) {
  (void)state;
  g_autofree char *one = nd_recipe_explain("training.learning_rate"), *some = nd_recipe_explain("training");
  assert_string_equal(one, "training.learning_rate: a number between 0 and 10; default 1e-4\n"
                           "    of Adam\n");
  assert_non_null(strstr(some, one));
  assert_non_null(strstr(some, "training.steps: a whole number between 1 and 1000000000; default 100000\n"));
  assert_null(strstr(some, "beta_start"));
  assert_null(nd_recipe_explain("training.step"));
  assert_string_equal(nd_error(), "unknown key 'training.step'; did you mean 'training.steps'?");
  assert_null(nd_recipe_explain(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_the_release),       cmocka_unit_test(the_table_is_sound),
      cmocka_unit_test(words_are_those_of_other_rooms), cmocka_unit_test(every_kind_of_value_is_read),
      cmocka_unit_test(broken_recipes_are_refused),     cmocka_unit_test(what_is_too_much),
      cmocka_unit_test(files_are_read_or_named),        cmocka_unit_test(overrides_win),
      cmocka_unit_test(what_is_printed_reads_back),     cmocka_unit_test(long_names_read_back),
      cmocka_unit_test(the_print_is_canonical),         cmocka_unit_test(keys_are_explained),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
