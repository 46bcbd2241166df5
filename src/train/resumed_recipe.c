/* The recipe of a run that goes on: what may be changed in it, and what it keeps. */
#include "train/recipe-private.h"
#include "train/trainer-private.h"

#include <string.h>

/* Read before the first step alone, or what the weights were learned by. A name that ends in a dot stands for
 * all that begin with it; shapes tell of the diffusion network's other settings. */
static const char *const kept[] = {"restoration.", "diffusion.network", "data.fit", "training.init_from"};

static bool is_kept(const char *name) {
  for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
    if (g_str_has_suffix(kept[i], ".") ? g_str_has_prefix(name, kept[i]) : !strcmp(name, kept[i]))
      return true;
  return false;
}

/* The value of a key or a setting as text without blanks; NULL: there is none. The caller's. */
static char *value_of(const nd_recipe *recipe, const char *name) {
  const nd_recipe_key *key = nd_recipe_find(name);
  if (!key)
    return NULL;
  g_autoptr(GString) text = g_string_new(NULL);
  nd_recipe_append_value(text, recipe, key);
  const nd_recipe_settings *s = key->type == ND_RECIPE_SETTINGS ? nd_recipe_member(recipe, key) : NULL;
  for (int i = 0; s && i < s->count; i++)
    if (!strcmp(s->at[i].name, nd_recipe_leaf(name)))
      g_string_append(text, s->at[i].value);
  g_auto(GStrv) words = g_strsplit(text->str, " ", -1);
  return g_strjoinv("", words);
}

static int set(nd_recipe *recipe, const nd_recipe_override *override) {
  const char *assignment = override->assignment;
  g_autofree char *name = g_strndup(assignment, strcspn(assignment, "=")), *before = value_of(recipe, name);
  if (nd_recipe_set(recipe, override))
    return -1;
  g_autofree char *after = value_of(recipe, name);
  if (!is_kept(name) || !g_strcmp0(before, after))
    return 0;
  return nd_fail("%s: %s is %s in this run, which keeps what it began with; start another run for '%s' "
                 "(training.init_from takes weights along)",
                 override->where, name, before && strcmp(before, "\"\"") ? before : "not given", assignment);
}

static int set_all(nd_recipe *recipe, const nd_recipe_override *overrides) {
  for (const nd_recipe_override *o = overrides; o && o->assignment; o++)
    if (set(recipe, o))
      return -1;
  return 0;
}

int nd_train_recipe_of(const char *folder, const nd_recipe_override *overrides, nd_recipe *out) {
  nd_recipe_init(out);
  g_autofree char *path = g_build_filename(folder, "recipe.yaml", NULL);
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR) || !g_file_test(path, G_FILE_TEST_EXISTS))
    return nd_fail("'%s' holds no run: it has no recipe.yaml", folder);
  return nd_recipe_load(out, path) || set_all(out, overrides) ? -1 : 0;
}
