/* The file of a study: YAML to tasks, variants, seeds, and the runs they make. */
#include "study/study-private.h"

#include <glib.h>
#include <stddef.h>
#include <string.h>
#include <yaml.h>

enum { LARGEST_FILE = 1 << 20, MOST_RUNS = 10000 };

typedef struct reader {
  yaml_document_t document;
  const char *path;
} reader;

typedef yaml_node_t node;

/* ---- Nodes ---- */
static int line_of(const node *n) {
  return (int)n->start_mark.line + 1;
}

/* Puts file and line in front of the message. */
static int at_line(const reader *r, int line) {
  return nd_fail_in("%s:%d", r->path, line);
}

static int wrong(const reader *r, const node *n, const char *format, ...) G_GNUC_PRINTF(3, 4);
static int wrong(const reader *r, const node *n, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  nd_fail("%s", message);
  return at_line(r, line_of(n));
}

static node *node_at(reader *r, int index) {
  return yaml_document_get_node(&r->document, index);
}

static const char *text_of(const node *n) {
  return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static int take_text(reader *r, node *n, char **out) {
  const char *text = text_of(n);
  if (!text || !*text || strlen(text) != n->data.scalar.length || !g_utf8_validate(text, -1, NULL))
    return wrong(r, n, "a text is expected here");
  g_free(*out);
  *out = g_strdup(text);
  return 0;
}

/* A name becomes part of a folder's name. */
static int take_name(reader *r, node *n, char **out) {
  if (take_text(r, n, out))
    return -1;
  if (strspn(*out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+") != strlen(*out) ||
      **out == '.' || strlen(*out) > 80)
    return wrong(r, n, "'%.80s' is no name; letters, digits and _ - . + make one", *out);
  return 0;
}

static int take_whole(reader *r, node *n, int64_t low, int64_t high, int64_t *out) {
  const char *text = text_of(n);
  gint64 x;
  if (!text || !g_ascii_string_to_signed(text, 10, low, high, &x, NULL))
    return wrong(r, n, "a whole number between %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT " is expected",
                 low, high);
  *out = x;
  return 0;
}

/* Calls fn for each key of a mapping. */
typedef int (*pair_fn)(reader *r, node *key, node *value, void *context);
static int each_pair(reader *r, node *n, const char *what, pair_fn fn, void *context) {
  if (n->type != YAML_MAPPING_NODE)
    return wrong(r, n, "%s consists of lines 'key: value'", what);
  for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
    node *key = node_at(r, p->key), *value = node_at(r, p->value);
    if (!text_of(key))
      return wrong(r, key, "a key must be a word");
    for (yaml_node_pair_t *q = n->data.mapping.pairs.start; q < p; q++)
      if (!g_strcmp0(text_of(node_at(r, q->key)), text_of(key)))
        return wrong(r, key, "'%s' was given before, in line %d", text_of(key), line_of(node_at(r, q->key)));
    if (fn(r, key, value, context))
      return -1;
  }
  return 0;
}

/* One of the table's keys, or an error that lists them. read gets the place at `offset` of the object. */
typedef struct field {
  const char *name;
  pair_fn read;
  size_t offset;
} field;
typedef struct fields {
  const field *table; /* a NULL name ends it */
  const char *what;
  void *object;
} fields;

static int read_field(reader *r, node *key, node *value, void *context) {
  const fields *f = context;
  g_autoptr(GString) known = g_string_new(NULL);
  for (const field *each = f->table; each->name; each++) {
    if (!strcmp(each->name, text_of(key)))
      return each->read(r, key, value, (char *)f->object + each->offset);
    g_string_append_printf(known, "%s%s", known->len ? ", " : "", each->name);
  }
  return wrong(r, key, "unknown key '%.100s' of %s; there are %s", text_of(key), f->what, known->str);
}

static int read_fields(reader *r, node *n, const char *what, const field *table, void *object) {
  return each_pair(r, n, what, read_field, &(fields){table, what, object});
}

static int read_text(reader *r, node *key, node *value, void *member) {
  (void)key;
  return take_text(r, value, member);
}

static int read_name(reader *r, node *key, node *value, void *member) {
  (void)key;
  return take_name(r, value, member);
}

/* ---- Keys of recipes ---- */
static void add_value(nd_study_set *set, const char *name, const char *text, int line) {
  set->at = g_renew(struct nd_study_value, set->at, set->count + 1);
  set->at[set->count++] = (struct nd_study_value){g_strdup(name), g_strdup(text), line};
}

static char *list_text(reader *r, node *n) {
  GString *text = g_string_new("[");
  for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
    const char *item = text_of(node_at(r, *i));
    if (!item) {
      g_string_free(text, TRUE);
      return NULL;
    }
    g_string_append_printf(text, "%s%s", text->len > 1 ? "," : "", item);
  }
  return g_string_free(g_string_append_c(text, ']'), FALSE);
}

typedef struct set_reader {
  nd_study_set *set;
  const char *section;
  int depth;
} set_reader;

/* A value, or a section of values: "data.real: x" and "data: {real: x}" are the same. The value is tried at
 * once, so that a mistake is found in its line. */
static int read_value(reader *r, node *key, node *value, void *context) {
  const set_reader *s = context;
  g_autofree char *name = g_strconcat(s->section, *s->section ? "." : "", text_of(key), NULL);
  if (value->type == YAML_MAPPING_NODE && s->depth < 4)
    return each_pair(r, value, name, read_value, &(set_reader){s->set, name, s->depth + 1});
  g_autofree char *list = value->type == YAML_SEQUENCE_NODE ? list_text(r, value) : NULL;
  const char *text = list ? list : text_of(value);
  if (!text)
    return wrong(r, value, "%s: a value or a list of values is expected", name);
  nd_recipe trial;
  nd_recipe_init(&trial);
  int failed = nd_recipe_set_key(&trial, name, text);
  nd_recipe_clear(&trial);
  if (failed)
    return at_line(r, line_of(key));
  add_value(s->set, name, text, line_of(key));
  return 0;
}

static int read_set(reader *r, node *key, node *value, void *member) {
  (void)key;
  return each_pair(r, value, "a set", read_value, &(set_reader){member, "", 0});
}

/* ---- Variants, tests, tasks ---- */
static int add_variant(reader *r, node *key, node *value, const char *what, nd_study_variant **all,
                       int *count) {
  static const field table[] = {{"set", read_set, offsetof(nd_study_variant, set)}, {0}};
  *all = g_renew(nd_study_variant, *all, *count + 1);
  nd_study_variant *v = &(*all)[(*count)++];
  *v = (nd_study_variant){0};
  return take_name(r, key, &v->name) || read_fields(r, value, what, table, v) ? -1 : 0;
}

static int read_variant(reader *r, node *key, node *value, void *context) {
  nd_study *s = context;
  return add_variant(r, key, value, "a variant", &s->variants, &s->variant_count);
}

static int read_special(reader *r, node *key, node *value, void *context) {
  nd_study_task *t = context;
  return add_variant(r, key, value, "a task's variant", &t->special, &t->special_count);
}

static int read_test(reader *r, node *key, node *value, void *context) {
  static const field table[] = {{"input", read_text, offsetof(nd_study_test, input)},
                                {"right", read_text, offsetof(nd_study_test, right)},
                                {"target", read_text, offsetof(nd_study_test, target)},
                                {0}};
  nd_study_task *t = context;
  t->tests = g_renew(nd_study_test, t->tests, t->test_count + 1);
  nd_study_test *test = &t->tests[t->test_count++];
  *test = (nd_study_test){0};
  if (take_name(r, key, &test->name) || read_fields(r, value, "a test", table, test))
    return -1;
  return test->input ? 0
                     : wrong(r, key,
                             "test %s needs an input, and a target where the input does not hold pairs and "
                             "there is truth",
                             test->name);
}

bool nd_study_has_truth(const nd_study_test *test) {
  return test->target || nd_set_holds_pairs(test->input);
}

static int task_variants(reader *r, node *key, node *value, void *object) {
  (void)key;
  return each_pair(r, value, "variants", read_special, object);
}

static int task_tests(reader *r, node *key, node *value, void *object) {
  (void)key;
  return each_pair(r, value, "tests", read_test, object);
}

static int read_task(reader *r, node *key, node *value, void *context) {
  static const field table[] = {{"set", read_set, offsetof(nd_study_task, set)},
                                {"variants", task_variants, 0},
                                {"tests", task_tests, 0},
                                {0}};
  nd_study *s = context;
  s->tasks = g_renew(nd_study_task, s->tasks, s->task_count + 1);
  nd_study_task *t = &s->tasks[s->task_count++];
  *t = (nd_study_task){0};
  if (take_name(r, key, &t->name) || read_fields(r, value, "a task", table, t))
    return -1;
  return t->test_count ? 0 : wrong(r, key, "task %s has no tests", t->name);
}

/* ---- Exclusions ---- */
static int excluded_seed(reader *r, node *key, node *value, void *member) {
  (void)key;
  return take_whole(r, value, 0, G_MAXINT32, member);
}

static int read_exclusions(reader *r, node *key, node *value, void *context) {
  static const field table[] = {{"task", read_name, offsetof(nd_study_exclusion, task)},
                                {"variant", read_name, offsetof(nd_study_exclusion, variant)},
                                {"seed", excluded_seed, offsetof(nd_study_exclusion, seed)},
                                {0}};
  nd_study *s = context;
  if (value->type != YAML_SEQUENCE_NODE)
    return wrong(r, key, "exclude is a list of {task, variant, seed}");
  for (yaml_node_item_t *i = value->data.sequence.items.start; i < value->data.sequence.items.top; i++) {
    s->exclusions = g_renew(nd_study_exclusion, s->exclusions, s->exclusion_count + 1);
    nd_study_exclusion *e = &s->exclusions[s->exclusion_count++];
    *e = (nd_study_exclusion){.seed = -1};
    if (read_fields(r, node_at(r, *i), "an exclusion", table, e))
      return -1;
  }
  return 0;
}

/* ---- The top ---- */
/* Beside the study, as its recipe is. */
static int read_base(reader *r, node *key, node *value, void *context) {
  (void)key;
  nd_study *s = context;
  g_autofree char *given = NULL;
  if (take_text(r, value, &given))
    return -1;
  g_autofree char *folder = g_path_get_dirname(r->path);
  s->base = g_path_is_absolute(given) ? g_strdup(given) : g_build_filename(folder, given, NULL);
  return 0;
}

static int read_seeds(reader *r, node *key, node *value, void *context) {
  nd_study *s = context;
  if (value->type != YAML_SEQUENCE_NODE)
    return wrong(r, key, "seeds is a list of whole numbers");
  for (yaml_node_item_t *i = value->data.sequence.items.start; i < value->data.sequence.items.top; i++) {
    s->seeds = g_renew(int64_t, s->seeds, s->seed_count + 1);
    if (take_whole(r, node_at(r, *i), 0, G_MAXINT32, &s->seeds[s->seed_count]))
      return -1;
    for (int k = 0; k < s->seed_count; k++)
      if (s->seeds[k] == s->seeds[s->seed_count])
        return wrong(r, node_at(r, *i), "seed %" G_GINT64_FORMAT " is there twice", s->seeds[k]);
    s->seed_count++;
  }
  return 0;
}

static int read_tasks(reader *r, node *key, node *value, void *s) {
  (void)key;
  return each_pair(r, value, "tasks", read_task, s);
}

static int read_variants(reader *r, node *key, node *value, void *s) {
  (void)key;
  return each_pair(r, value, "variants", read_variant, s);
}

static int take_count(reader *r, node *value, int low, int high, int *out) {
  int64_t x = 0;
  if (take_whole(r, value, low, high, &x))
    return -1;
  *out = (int)x;
  return 0;
}

static int read_resamples(reader *r, node *key, node *value, void *member) {
  (void)key;
  return take_count(r, value, 1, 1000000, member);
}

static int read_crops(reader *r, node *key, node *value, void *member) {
  (void)key;
  return take_count(r, value, 0, 100, member);
}

static int read_top(reader *r, nd_study *s) {
  static const field table[] = {{"title", read_text, offsetof(nd_study, title)},
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
  node *root = yaml_document_get_root_node(&r->document);
  return root ? read_fields(r, root, "a study", table, s) : nd_fail("%s: the study is empty", r->path);
}

/* ---- Names that stand for something ---- */
int nd_study_variant_of(const nd_study *s, const char *name) {
  for (int i = 0; name && i < s->variant_count; i++)
    if (!strcmp(s->variants[i].name, name))
      return i;
  return -1;
}

static bool has_task(const nd_study *s, const char *name) {
  for (int i = 0; i < s->task_count; i++)
    if (!strcmp(s->tasks[i].name, name))
      return true;
  return false;
}

static int check_variant(const nd_study *s, const char *name, const char *where) {
  return !name || nd_study_variant_of(s, name) >= 0
             ? 0
             : nd_fail("%s: %s names the variant '%s', which there is not", s->path, where, name);
}

static int check_names(const nd_study *s) {
  if (!s->base || !s->task_count || !s->variant_count || !s->seed_count)
    return nd_fail("%s: a study needs base, seeds, tasks and variants", s->path);
  if (check_variant(s, s->source, "source") || check_variant(s, s->oracle, "oracle"))
    return -1;
  if (!s->source != !s->oracle)
    return nd_fail("%s: source and oracle belong together", s->path);
  for (int t = 0; t < s->task_count; t++)
    for (int v = 0; v < s->tasks[t].special_count; v++)
      if (check_variant(s, s->tasks[t].special[v].name, s->tasks[t].name))
        return -1;
  for (int e = 0; e < s->exclusion_count; e++)
    if (check_variant(s, s->exclusions[e].variant, "exclude") ||
        (s->exclusions[e].task && !has_task(s, s->exclusions[e].task)))
      return nd_fail("%s: exclude names a task or variant that there is not", s->path);
  return 0;
}

/* ---- Runs ---- */
static bool is_excluded(const nd_study *s, int task, int variant, int64_t seed) {
  for (int i = 0; i < s->exclusion_count; i++) {
    const nd_study_exclusion *e = &s->exclusions[i];
    if ((!e->task || !strcmp(e->task, s->tasks[task].name)) &&
        (!e->variant || !strcmp(e->variant, s->variants[variant].name)) && (e->seed < 0 || e->seed == seed))
      return true;
  }
  return false;
}

static int lay_out(nd_study *s) {
  if ((int64_t)s->task_count * s->variant_count * s->seed_count > MOST_RUNS)
    return nd_fail("%s: more than %d runs", s->path, MOST_RUNS);
  s->runs = g_new0(nd_study_run, s->task_count * s->variant_count * s->seed_count);
  for (int t = 0; t < s->task_count; t++)
    for (int k = 0; k < s->seed_count; k++)
      for (int v = 0; v < s->variant_count; v++)
        if (!is_excluded(s, t, v, s->seeds[k]))
          s->runs[s->run_count++] = (nd_study_run){
              t, v, s->seeds[k],
              g_strdup_printf("%s-%s-%" G_GINT64_FORMAT, s->tasks[t].name, s->variants[v].name, s->seeds[k])};
  return s->run_count ? 0 : nd_fail("%s: every run is excluded", s->path);
}

/* Every recipe is checked before the first of them runs for hours. */
static int check_recipes(const nd_study *s) {
  for (int i = 0; i < s->run_count; i++) {
    nd_recipe recipe;
    int failed = nd_study_recipe(s, &s->runs[i], &recipe);
    nd_recipe_clear(&recipe);
    if (failed)
      return -1;
  }
  return 0;
}

static int parse(reader *r, const char *text, size_t n, nd_study *out) {
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser))
    return nd_fail("%s: out of memory", r->path);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
  int failed = !yaml_parser_load(&parser, &r->document);
  if (failed)
    nd_fail("%s:%d: not valid YAML: %s", r->path, (int)parser.problem_mark.line + 1,
            parser.problem ? parser.problem : "out of memory");
  yaml_parser_delete(&parser);
  if (failed)
    return -1;
  failed = read_top(r, out);
  yaml_document_delete(&r->document);
  return failed;
}

/* "seed=N" stands in place of the study's seeds; other keys are set in every run. */
static int read_overrides(nd_study *s, const char *const *overrides) {
  for (int i = 0; overrides && overrides[i]; i++) {
    const char *equals = strchr(overrides[i], '=');
    gint64 seed;
    if (!equals)
      return nd_fail("--set: '%s' is not of the form key=value", overrides[i]);
    g_autofree char *name = g_strndup(overrides[i], (gsize)(equals - overrides[i]));
    if (strcmp(name, "seed")) {
      add_value(&s->override, name, equals + 1, 0);
      continue;
    }
    if (!g_ascii_string_to_signed(equals + 1, 10, 0, G_MAXINT32, &seed, NULL))
      return nd_fail("--set: seed is %s; it must be a whole number", equals + 1);
    s->seeds = g_renew(int64_t, s->seeds, 1);
    s->seeds[0] = seed;
    s->seed_count = 1;
  }
  return 0;
}

int nd_study_load(const char *path, const char *const *overrides, nd_study *out) {
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  gsize n;
  *out = (nd_study){.path = g_strdup(path), .title = g_strdup(path), .resamples = 10000, .crops = 2};
  if (!g_file_get_contents(path, &text, &n, &error))
    return nd_fail("cannot read the study '%s': %s", path, error->message);
  if (n > LARGEST_FILE)
    return nd_fail("%s: a study of more than %d bytes is none", path, LARGEST_FILE);
  reader r = {.path = path};
  return parse(&r, text, n, out) || read_overrides(out, overrides) || check_names(out) || lay_out(out) ||
                 check_recipes(out)
             ? -1
             : 0;
}

/* ---- Recipes ---- */
static int apply(const nd_study *s, const nd_study_set *set, nd_recipe *recipe) {
  for (int i = 0; i < set->count; i++)
    if (nd_recipe_set_key(recipe, set->at[i].name, set->at[i].text))
      return set->at[i].line ? nd_fail_in("%s:%d", s->path, set->at[i].line) : nd_fail_in("--set");
  return 0;
}

static const nd_study_set *task_part(const nd_study *s, const nd_study_run *run) {
  const nd_study_task *t = &s->tasks[run->task];
  for (int i = 0; i < t->special_count; i++)
    if (!strcmp(t->special[i].name, s->variants[run->variant].name))
      return &t->special[i].set;
  return &t->set;
}

int nd_study_recipe(const nd_study *s, const nd_study_run *run, nd_recipe *out) {
  nd_recipe_init(out);
  if (nd_recipe_load(out, s->base) || apply(s, &s->set, out) || apply(s, task_part(s, run), out) ||
      apply(s, &s->variants[run->variant].set, out) || apply(s, &s->override, out))
    return -1;
  out->seed = run->seed;
  return nd_recipe_check(out) ? nd_fail_in("%s: run %s", s->path, run->name) : 0;
}

char *nd_study_folder(const nd_study *s, const nd_study_run *run, const char *dir) {
  (void)s;
  return g_build_filename(dir, "runs", run->name, NULL);
}

/* ---- The end ---- */
static void clear_set(nd_study_set *set) {
  for (int i = 0; i < set->count; i++) {
    g_free(set->at[i].name);
    g_free(set->at[i].text);
  }
  g_free(set->at);
}

static void clear_variants(nd_study_variant *v, int count) {
  for (int i = 0; i < count; i++) {
    g_free(v[i].name);
    clear_set(&v[i].set);
  }
  g_free(v);
}

static void clear_task(nd_study_task *t) {
  g_free(t->name);
  clear_set(&t->set);
  clear_variants(t->special, t->special_count);
  for (int i = 0; i < t->test_count; i++) {
    g_free(t->tests[i].name);
    g_free(t->tests[i].input);
    g_free(t->tests[i].right);
    g_free(t->tests[i].target);
  }
  g_free(t->tests);
}

void nd_study_clear(nd_study *s) {
  clear_set(&s->set);
  clear_set(&s->override);
  clear_variants(s->variants, s->variant_count);
  for (int i = 0; i < s->task_count; i++)
    clear_task(&s->tasks[i]);
  for (int i = 0; i < s->exclusion_count; i++) {
    g_free(s->exclusions[i].task);
    g_free(s->exclusions[i].variant);
  }
  for (int i = 0; i < s->run_count; i++)
    g_free(s->runs[i].name);
  for (int i = 0; i < s->failure_count; i++) {
    g_free(s->failures[i].run.name);
    g_free(s->failures[i].message);
  }
  g_free(s->tasks), g_free(s->exclusions), g_free(s->runs), g_free(s->failures), g_free(s->seeds);
  g_free(s->path), g_free(s->title), g_free(s->base), g_free(s->source), g_free(s->oracle);
  *s = (nd_study){0};
}
