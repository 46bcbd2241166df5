/* A recipe as a whole: defaults, overrides, and what no single key shows. */
#include "train/recipe-private.h"

#include <stdarg.h>
#include <string.h>

void nd_recipe_init(nd_recipe *recipe) {
  *recipe = (nd_recipe){.origins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    if (key->type != ND_RECIPE_SETTINGS)
      nd_recipe_assign(recipe, key, key->name, (nd_recipe_text){.text = key->standard});
  }
}

static void clear_member(void *member, nd_recipe_type type) {
  if (type == ND_RECIPE_STRING || type == ND_RECIPE_PATH)
    g_free(*(char **)member);
  else if (type == ND_RECIPE_SETTINGS)
    nd_recipe_clear_settings(member);
}

void nd_recipe_clear(nd_recipe *recipe) {
  for (size_t i = 0; i < nd_recipe_key_count; i++)
    clear_member(nd_recipe_member(recipe, &nd_recipe_keys[i]), nd_recipe_keys[i].type);
  g_free(recipe->path);
  g_free(recipe->text);
  g_clear_pointer(&recipe->origins, g_hash_table_unref);
  *recipe = (nd_recipe){0};
}

void nd_recipe_set_origin(nd_recipe *recipe, const char *name, const char *where) {
  g_hash_table_insert(recipe->origins, g_strdup(name), g_strdup(where));
}

const char *nd_recipe_origin(const nd_recipe *recipe, const char *name) {
  return g_hash_table_lookup(recipe->origins, name);
}

int nd_recipe_fail(const nd_recipe *recipe, const char *key, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args); /* a copy: nd_error() may be among args */
  va_end(args);
  const char *where = nd_recipe_origin(recipe, key);
  return nd_fail("%s: %s", where ? where : recipe->path ? recipe->path : "recipe", message);
}

const char *nd_recipe_word(const nd_recipe *recipe, const char *name) {
  const nd_recipe_key *key = nd_recipe_find(name);
  return key && key->type == ND_RECIPE_ENUM ? key->words()[*(int *)nd_recipe_member(recipe, key)] : NULL;
}

int nd_recipe_set_key(nd_recipe *recipe, const char *name, const char *value, const char *where) {
  const nd_recipe_key *key = nd_recipe_find(name);
  size_t n = strlen(value);
  bool list = key && key->type == ND_RECIPE_SETTINGS && n >= 2 && value[0] == '[' && value[n - 1] == ']';
  g_autofree char *text = list ? g_strndup(value + 1, n - 2) : g_strdup(value);
  if (!key)
    nd_recipe_unknown(name, NULL);
  if (!key || nd_recipe_assign(recipe, key, name, (nd_recipe_text){.text = text, .list = list}))
    return nd_fail_in("%s", where);
  nd_recipe_set_origin(recipe, name, where);
  return 0;
}

const char *nd_recipe_split(const char *assignment, char **name) {
  const char *equals = strchr(assignment, '=');
  *name = NULL;
  if (!equals || !g_utf8_validate(assignment, -1, NULL)) {
    nd_fail("'%s' is not of the form key=value", assignment);
    return NULL;
  }
  *name = g_strndup(assignment, (gsize)(equals - assignment));
  return equals + 1;
}

int nd_recipe_set(nd_recipe *recipe, const nd_recipe_override *override) {
  g_autofree char *name = NULL;
  const char *value = nd_recipe_split(override->assignment, &name);
  return value ? nd_recipe_set_key(recipe, name, value, override->where) : nd_fail_in("%s", override->where);
}

static int check_pairs(const nd_recipe *r) {
  bool input = *r->data.input, target = *r->data.target, clean = *r->data.clean;
  if (target && !input)
    return nd_recipe_fail(r, "data.target",
                          "data.input and data.target belong together; data.input is missing");
  if (input && !target && !nd_set_holds_pairs(r->data.input))
    return nd_recipe_fail(
        r, "data.input",
        "data.input and data.target belong together; data.target is missing, and '%s' is no set "
        "that holds pairs itself",
        r->data.input);
  if (input && clean)
    return nd_recipe_fail(r, "data.clean",
                          "data.clean stands instead of data.input and data.target, not beside them");
  if (!input && !clean)
    return nd_recipe_fail(
        r, "data.clean",
        "no training pictures; give data.input and data.target, or data.clean and data.degradation");
  bool degraded = strcmp(r->data.degradation.kind, "none") != 0;
  if (clean && !degraded)
    return nd_recipe_fail(r, "data.degradation.kind",
                          "data.clean needs a data.degradation.kind other than none");
  if (input && degraded)
    return nd_recipe_fail(
        r, "data.degradation.kind",
        "data.degradation is for data.clean; the pictures of data.input are degraded already");
  return 0;
}

static int check_validation(const nd_recipe *r) {
  bool input = *r->validation.input, target = *r->validation.target;
  if (target && !input)
    return nd_recipe_fail(
        r, "validation.target",
        "validation.input and validation.target belong together; validation.input is missing");
  if (input && !target && !nd_set_holds_pairs(r->validation.input))
    return nd_recipe_fail(
        r, "validation.input",
        "validation.input and validation.target belong together; validation.target is missing, and "
        "'%s' is no set that holds pairs itself",
        r->validation.input);
  return 0;
}

static int check_rates(const nd_recipe *r) {
  if (r->training.learning_rate_end > r->training.learning_rate)
    return nd_recipe_fail(r, "training.learning_rate_end",
                          "training.learning_rate_end is %g; it must not be above learning_rate, %g",
                          r->training.learning_rate_end, r->training.learning_rate);
  return 0;
}

static int check_levels(const nd_recipe *r) {
  if (r->schedule.beta_start > r->schedule.beta_end)
    return nd_recipe_fail(r, "schedule.beta_start",
                          "schedule.beta_start is %g; it must not be above beta_end, %g",
                          r->schedule.beta_start, r->schedule.beta_end);
  if (r->adapt.t_max >= r->schedule.steps)
    return nd_recipe_fail(r, "adapt.t_max", "adapt.t_max is %d; it must be below schedule.steps, %d",
                          r->adapt.t_max, r->schedule.steps);
  if (r->adapt.t_min > r->adapt.t_max)
    return nd_recipe_fail(r, "adapt.t_min", "adapt.t_min is %d; it must not be above adapt.t_max, %d",
                          r->adapt.t_min, r->adapt.t_max);
  if (r->adapt.graft_min > r->adapt.graft_max)
    return nd_recipe_fail(r, "adapt.graft_min", "adapt.graft_min is %g; it must not be above graft_max, %g",
                          r->adapt.graft_min, r->adapt.graft_max);
  return 0;
}

/* A pile is made of the synthetic pairs. */
static bool needs_real(const nd_recipe *r) {
  return r->mode != ND_MODE_SOURCE && !(r->mode == ND_MODE_GRAFT && r->adapt.graft_of == ND_RECIPE_PILE);
}

static int check_fit(const nd_recipe *r) {
  if (r->data.fit && (!*r->data.clean || !*r->data.real))
    return nd_recipe_fail(r, "data.fit", "data.fit makes data.clean look like data.real; %s is missing",
                          *r->data.clean ? "data.real" : "data.clean");
  return 0;
}

int nd_recipe_check(nd_recipe *recipe) {
  if (needs_real(recipe) && !*recipe->data.real)
    return nd_recipe_fail(recipe, "mode", "mode %s needs data.real, a folder of real photos",
                          nd_recipe_word(recipe, "mode"));
  if (check_pairs(recipe) || check_validation(recipe) || check_rates(recipe) || check_levels(recipe) ||
      check_fit(recipe) || nd_recipe_check_views(recipe))
    return -1;
  return nd_recipe_resolve(recipe);
}
