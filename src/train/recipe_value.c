/* From text to the member of a recipe and what to say when the text will not do. */
#include "train/recipe-private.h"

#include <math.h>
#include <string.h>

static bool parse_real(const char *text, double *out) {
  char *end;
  if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
    return false;
  *out = g_ascii_strtod(text, &end);
  return !*end && isfinite(*out);
}

static int set_number(const nd_recipe_key *key, void *member, const char *text) {
  double x;
  if (!parse_real(text, &x) || x < key->min || x > key->max || (key->type != ND_RECIPE_REAL && x != floor(x)))
    return -1;
  if (key->type == ND_RECIPE_REAL)
    *(double *)member = x;
  else if (key->type == ND_RECIPE_INT)
    *(int *)member = (int)x;
  else
    *(int64_t *)member = (int64_t)x;
  return 0;
}

static int set_bool(bool *member, const char *text) {
  bool is_true = !strcmp(text, "true");
  if (!is_true && strcmp(text, "false"))
    return -1;
  *member = is_true;
  return 0;
}

static int set_word(const nd_recipe_key *key, int *member, const char *text) {
  for (int i = 0; key->words()[i]; i++)
    if (!strcmp(key->words()[i], text)) {
      *member = i;
      return 0;
    }
  return -1;
}

static int set_string(char **member, const char *text) {
  char *copy = g_strdup(text); /* first: text may be the old value */
  g_free(*member);
  *member = copy;
  return 0;
}

char *nd_recipe_range(bool whole, double min, double max) {
  if (whole && min == 0 && max == 1)
    return g_strdup("0 (false) or 1 (true)");
  g_autoptr(GString) text = g_string_new(whole ? "a whole number between " : "a number between ");
  nd_recipe_append_number(text, min);
  g_string_append(text, " and ");
  nd_recipe_append_number(text, max);
  return g_strdup(text->str);
}

char *nd_recipe_allowed(const nd_recipe_key *key) {
  switch (key->type) {
  case ND_RECIPE_BOOL:
    return g_strdup("true or false");
  case ND_RECIPE_ENUM: {
    g_autofree char *words = g_strjoinv(", ", (char **)key->words());
    return key->words()[1] ? g_strdup_printf("one of %s", words) : g_strdup(words);
  }
  case ND_RECIPE_INT:
  case ND_RECIPE_INT64:
  case ND_RECIPE_REAL:
    return nd_recipe_range(key->type != ND_RECIPE_REAL, key->min, key->max);
  case ND_RECIPE_PATH:
    return g_strdup("a path");
  default:
    return g_strdup("a text");
  }
}

static int refuse(const nd_recipe_key *key, const char *name, nd_recipe_text value) {
  g_autofree char *allowed = nd_recipe_allowed(key);
  if (value.list)
    return nd_fail("%s is a list; it must be %s", name, allowed);
  if (!*value.text)
    return nd_fail("%s has no value; it must be %s", name, allowed);
  return nd_fail("%s is %s%.100s%s; it must be %s", name, value.quoted ? "the text \"" : "", value.text,
                 value.quoted ? "\"" : "", allowed);
}

/* Recipes go into the metadata of checkpoints, and that is UTF-8. */
static int check_text(const char *name, const char *text) {
  return g_utf8_validate(text, -1, NULL) ? 0 : nd_fail("%s is not valid UTF-8", name);
}

int nd_recipe_put_setting(nd_recipe_settings *settings, const char *name, nd_recipe_text value) {
  int i = 0;
  while (i < settings->count && strcmp(settings->at[i].name, name))
    i++;
  if (i == ND_RECIPE_MAX_SETTINGS)
    return nd_fail("more than %d settings", ND_RECIPE_MAX_SETTINGS);
  if (i == settings->count) {
    settings->at[settings->count++].name = g_strdup(name);
    settings->at[i].value = NULL;
  }
  settings->at[i].list = value.list;
  return set_string(&settings->at[i].value, value.text);
}

void nd_recipe_clear_settings(nd_recipe_settings *settings) {
  for (int i = 0; i < settings->count; i++) {
    g_free(settings->at[i].name);
    g_free(settings->at[i].value);
  }
  settings->count = 0;
}

int nd_recipe_assign(nd_recipe *recipe, const nd_recipe_key *key, const char *name, nd_recipe_text value) {
  void *member = nd_recipe_member(recipe, key);
  bool is_text = key->type == ND_RECIPE_STRING || key->type == ND_RECIPE_PATH;
  if (check_text(name, value.text))
    return -1;
  if (key->type == ND_RECIPE_SETTINGS)
    return nd_recipe_put_setting(member, nd_recipe_leaf(name), value);
  if (value.list || (value.quoted && !is_text && key->type != ND_RECIPE_ENUM))
    return refuse(key, name, value);
  int result = key->type == ND_RECIPE_BOOL   ? set_bool(member, value.text)
               : key->type == ND_RECIPE_ENUM ? set_word(key, member, value.text)
               : is_text                     ? set_string(member, value.text)
                                             : set_number(key, member, value.text);
  return result ? refuse(key, name, value) : 0;
}
