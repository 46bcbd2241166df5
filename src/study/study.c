/* What a study comes to: the names in it checked, its runs, the recipe of each. */
#include "study/study-private.h"

#include <glib.h>
#include <string.h>

enum { MOST_RUNS = 10000 };

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

bool nd_study_has_truth(const nd_study_test *test) {
  return test->target || nd_set_holds_pairs(test->input);
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

int nd_study_load(const char *path, const char *const *overrides, nd_study *out) {
  *out = (nd_study){.path = g_strdup(path), .title = g_strdup(path), .resamples = 10000, .crops = 2};
  return nd_study_read(path, overrides, out) || check_names(out) || lay_out(out) || check_recipes(out) ? -1
                                                                                                       : 0;
}

/* ---- Recipes ---- */
static int apply(const nd_study_set *set, nd_recipe *recipe) {
  for (int i = 0; i < set->count; i++)
    if (nd_recipe_set_key(recipe, set->at[i].name, set->at[i].text, set->at[i].where))
      return -1;
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
  if (nd_recipe_load(out, s->base) || apply(&s->set, out) || apply(task_part(s, run), out) ||
      apply(&s->variants[run->variant].set, out) || apply(&s->override, out))
    return -1;
  out->seed = run->seed;
  return nd_recipe_check(out) ? nd_fail_in("%s: run %s", s->path, run->name) : 0;
}

char *nd_study_folder(const nd_study_run *run, const char *dir) {
  return g_build_filename(dir, "runs", run->name, NULL);
}

/* ---- The end ---- */
static void clear_set(nd_study_set *set) {
  for (int i = 0; i < set->count; i++) {
    g_free(set->at[i].name);
    g_free(set->at[i].text);
    g_free(set->at[i].where);
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
    g_free(t->tests[i].pictures);
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
