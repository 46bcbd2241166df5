/* The file of a study: YAML to tasks, variants, seeds and exclusions. */
#include "study/study-private.h"
#include "study/yaml-private.h"

#include <glib.h>
#include <stddef.h>
#include <string.h>

enum { LARGEST_FILE = 1 << 20 };

/* ---- Texts and numbers ---- */
static int read_text(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *member) {
  (void)key;
  return nd_yaml_take_text(y, value, member);
}

/* A name becomes part of a folder's name. */
static int take_name(const nd_yaml *y, const nd_yaml_value *value, char **out) {
  if (nd_yaml_take_text(y, value, out))
    return -1;
  if (strspn(*out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+") != strlen(*out) ||
      **out == '.' || strlen(*out) > 80)
    return nd_yaml_wrong(y, value, "'%.80s' is no name; letters, digits and _ - . + make one", *out);
  return 0;
}

static int read_name(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *member) {
  (void)key;
  return take_name(y, value, member);
}

/* ---- Keys of recipes ---- */
static void add_value(nd_study_set *set, const char *name, const char *text, const char *where) {
  set->at = g_renew(struct nd_study_value, set->at, set->count + 1);
  set->at[set->count++] = (struct nd_study_value){g_strdup(name), g_strdup(text), g_strdup(where)};
}

/* The caller says what is wrong. */
static int append_item(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  (void)y, (void)key;
  GString *list = context;
  const char *item = nd_yaml_text(value);
  if (item)
    g_string_append_printf(list, "%s%s", list->len > 1 ? "," : "", item);
  return item ? 0 : -1;
}

/* A list as nd_recipe_set_key takes it; the caller's. NULL: there is more in it than scalars. */
static char *list_text(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value) {
  GString *list = g_string_new("[");
  bool failed = nd_yaml_each_item(y, key, value, "", append_item, list);
  return g_string_free(g_string_append_c(list, ']'), failed);
}

typedef struct set_reader {
  nd_study_set *set;
  const char *section;
  int depth;
} set_reader;

/* A value, or a section of values: "data.real: x" and "data: {real: x}" are the same. The value is tried at
 * once, so that a mistake is found in its line. */
static int read_value(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  const set_reader *s = context;
  g_autofree char *name = g_strconcat(s->section, *s->section ? "." : "", nd_yaml_text(key), NULL);
  if (value->type == YAML_MAPPING_NODE && s->depth < 4)
    return nd_yaml_each_pair(y, value, name, read_value, &(set_reader){s->set, name, s->depth + 1});
  g_autofree char *list = value->type == YAML_SEQUENCE_NODE ? list_text(y, key, value) : NULL;
  const char *text = list ? list : nd_yaml_text(value);
  if (!text)
    return nd_yaml_wrong(y, value, "%s: a value or a list of values is expected", name);
  g_autofree char *where = g_strdup_printf("%s:%d", y->path, nd_yaml_line(key));
  nd_recipe trial;
  nd_recipe_init(&trial);
  int failed = nd_recipe_set_key(&trial, name, text, where);
  nd_recipe_clear(&trial);
  if (!failed)
    add_value(s->set, name, text, where);
  return failed;
}

static int read_set(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *member) {
  (void)key;
  return nd_yaml_each_pair(y, value, "a set", read_value, &(set_reader){member, "", 0});
}

/* ---- Variants, tests, tasks ---- */
static int add_variant(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, const char *what,
                       nd_study_variant **all, int *count) {
  static const nd_yaml_field table[] = {{"set", read_set, offsetof(nd_study_variant, set)}, {0}};
  *all = g_renew(nd_study_variant, *all, *count + 1);
  nd_study_variant *v = &(*all)[(*count)++];
  *v = (nd_study_variant){0};
  return take_name(y, key, &v->name) || nd_yaml_read_fields(y, value, what, table, v) ? -1 : 0;
}

static int read_variant(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  nd_study *s = context;
  return add_variant(y, key, value, "a variant", &s->variants, &s->variant_count);
}

static int read_special(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  nd_study_task *t = context;
  return add_variant(y, key, value, "a task's variant", &t->special, &t->special_count);
}

static int read_test(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  static const nd_yaml_field table[] = {{"input", read_text, offsetof(nd_study_test, input)},
                                        {"right", read_text, offsetof(nd_study_test, right)},
                                        {"target", read_text, offsetof(nd_study_test, target)},
                                        {0}};
  nd_study_task *t = context;
  t->tests = g_renew(nd_study_test, t->tests, t->test_count + 1);
  nd_study_test *test = &t->tests[t->test_count++];
  *test = (nd_study_test){0};
  if (take_name(y, key, &test->name) || nd_yaml_read_fields(y, value, "a test", table, test))
    return -1;
  return test->input
             ? 0
             : nd_yaml_wrong(y, key,
                             "test %s needs an input, and a target where the input does not hold pairs and "
                             "there is truth",
                             test->name);
}

static int task_variants(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *object) {
  (void)key;
  return nd_yaml_each_pair(y, value, "variants", read_special, object);
}

static int task_tests(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *object) {
  (void)key;
  return nd_yaml_each_pair(y, value, "tests", read_test, object);
}

static int read_task(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  static const nd_yaml_field table[] = {{"set", read_set, offsetof(nd_study_task, set)},
                                        {"variants", task_variants, 0},
                                        {"tests", task_tests, 0},
                                        {0}};
  nd_study *s = context;
  s->tasks = g_renew(nd_study_task, s->tasks, s->task_count + 1);
  nd_study_task *t = &s->tasks[s->task_count++];
  *t = (nd_study_task){0};
  if (take_name(y, key, &t->name) || nd_yaml_read_fields(y, value, "a task", table, t))
    return -1;
  return t->test_count ? 0 : nd_yaml_wrong(y, key, "task %s has no tests", t->name);
}

/* ---- Exclusions ---- */
static int excluded_seed(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *member) {
  (void)key;
  return nd_yaml_take_whole(y, value, 0, G_MAXINT32, member);
}

static int read_exclusion(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  (void)key;
  static const nd_yaml_field table[] = {{"task", read_name, offsetof(nd_study_exclusion, task)},
                                        {"variant", read_name, offsetof(nd_study_exclusion, variant)},
                                        {"seed", excluded_seed, offsetof(nd_study_exclusion, seed)},
                                        {0}};
  nd_study *s = context;
  s->exclusions = g_renew(nd_study_exclusion, s->exclusions, s->exclusion_count + 1);
  nd_study_exclusion *e = &s->exclusions[s->exclusion_count++];
  *e = (nd_study_exclusion){.seed = -1};
  return nd_yaml_read_fields(y, value, "an exclusion", table, e);
}

static int read_exclusions(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *s) {
  return nd_yaml_each_item(y, key, value, "exclude is a list of {task, variant, seed}", read_exclusion, s);
}

/* ---- The top ---- */
/* Beside the study, as its recipe is. */
static int read_base(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  (void)key;
  nd_study *s = context;
  g_autofree char *given = NULL;
  if (nd_yaml_take_text(y, value, &given))
    return -1;
  g_autofree char *folder = g_path_get_dirname(y->path);
  s->base = g_path_is_absolute(given) ? g_strdup(given) : g_build_filename(folder, given, NULL);
  return 0;
}

static int read_seed(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  (void)key;
  nd_study *s = context;
  int64_t seed = 0;
  if (nd_yaml_take_whole(y, value, 0, G_MAXINT32, &seed))
    return -1;
  for (int k = 0; k < s->seed_count; k++)
    if (s->seeds[k] == seed)
      return nd_yaml_wrong(y, value, "seed %" G_GINT64_FORMAT " is there twice", seed);
  s->seeds = g_renew(int64_t, s->seeds, s->seed_count + 1);
  s->seeds[s->seed_count++] = seed;
  return 0;
}

static int read_seeds(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *s) {
  return nd_yaml_each_item(y, key, value, "seeds is a list of whole numbers", read_seed, s);
}

static int read_tasks(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *s) {
  (void)key;
  return nd_yaml_each_pair(y, value, "tasks", read_task, s);
}

static int read_variants(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *s) {
  (void)key;
  return nd_yaml_each_pair(y, value, "variants", read_variant, s);
}

static int take_count(nd_yaml *y, const nd_yaml_value *value, int low, int high, int *out) {
  int64_t x = 0;
  if (nd_yaml_take_whole(y, value, low, high, &x))
    return -1;
  *out = (int)x;
  return 0;
}

static int read_resamples(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *member) {
  (void)key;
  return take_count(y, value, 1, 1000000, member);
}

static int read_crops(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *member) {
  (void)key;
  return take_count(y, value, 0, 100, member);
}

static int read_top(nd_yaml *y, nd_study *s) {
  static const nd_yaml_field table[] = {{"title", read_text, offsetof(nd_study, title)},
                                        {"base", read_base, 0},
                                        {"set", read_set, offsetof(nd_study, set)},
                                        {"seeds", read_seeds, 0},
                                        {"tasks", read_tasks, 0},
                                        {"variants", read_variants, 0},
                                        {"exclude", read_exclusions, 0},
                                        {"source", read_name, offsetof(nd_study, source)},
                                        {"oracle", read_name, offsetof(nd_study, oracle)},
                                        {"resamples", read_resamples, offsetof(nd_study, resamples)},
                                        {"crops", read_crops, offsetof(nd_study, crops)},
                                        {0}};
  const nd_yaml_value *root = nd_yaml_root(y);
  return root ? nd_yaml_read_fields(y, root, "a study", table, s)
              : nd_fail("%s: the study is empty", y->path);
}

static int read_file(const char *path, nd_study *out) {
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  gsize n;
  if (!g_file_get_contents(path, &text, &n, &error))
    return nd_fail("cannot read the study '%s': %s", path, error->message);
  if (n > LARGEST_FILE)
    return nd_fail("%s: a study of more than %d bytes is none", path, LARGEST_FILE);
  nd_yaml y;
  if (nd_yaml_open(path, text, n, &y))
    return -1;
  int failed = read_top(&y, out);
  nd_yaml_close(&y);
  return failed;
}

/* "seed=N" stands in place of the study's seeds; other keys are set in every run. */
static int read_overrides(nd_study *s, const char *const *overrides) {
  for (int i = 0; overrides && overrides[i]; i++) {
    g_autofree char *name = NULL;
    const char *value = nd_recipe_split(overrides[i], &name);
    gint64 seed;
    if (!value)
      return nd_fail_in("--set");
    if (strcmp(name, "seed")) {
      add_value(&s->override, name, value, "--set");
      continue;
    }
    if (!g_ascii_string_to_signed(value, 10, 0, G_MAXINT32, &seed, NULL))
      return nd_fail("--set: seed is %s; it must be a whole number", value);
    s->seeds = g_renew(int64_t, s->seeds, 1);
    s->seeds[0] = seed;
    s->seed_count = 1;
  }
  return 0;
}

int nd_study_read(const char *path, const char *const *overrides, nd_study *out) {
  return read_file(path, out) || read_overrides(out, overrides) ? -1 : 0;
}
