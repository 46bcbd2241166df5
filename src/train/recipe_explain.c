/* The table of keys as documentation. */
#include "train/recipe-private.h"

#include <string.h>

static void append_known(GString *out, const nd_recipe_key *key, const nd_recipe_known *known) {
  g_string_append_printf(out, "%.*s%s (%s): %s; default ", (int)strlen(key->name) - 1, key->name, known->name,
                         known->owner, known->allowed);
  if (known->list)
    nd_recipe_append_list(out, known->standard);
  else
    g_string_append(out, known->standard);
  g_string_append_printf(out, "\n    %s\n", known->help);
}

static void explain_settings(GString *out, const nd_recipe_key *key, const char *name) {
  g_autoptr(GArray) all = nd_recipe_known_settings(key);
  for (guint i = 0; i < all->len; i++) {
    const nd_recipe_known *known = &g_array_index(all, nd_recipe_known, i);
    if (!name || !strcmp(known->name, name))
      append_known(out, key, known);
  }
}

static void explain_key(GString *out, const nd_recipe_key *key) {
  g_autofree char *allowed = nd_recipe_allowed(key);
  g_string_append_printf(out, "%s: %s; default ", key->name, allowed);
  nd_recipe_append_standard(out, key);
  g_string_append_printf(out, "\n    %s\n", key->help);
}

static void explain_section(GString *out, const char *name) {
  size_t n = strlen(name);
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    if (strncmp(key->name, name, n) || key->name[n] != '.')
      continue;
    if (key->type == ND_RECIPE_SETTINGS)
      explain_settings(out, key, NULL);
    else
      explain_key(out, key);
  }
}

/* The settings of all networks and degradations, by the names of their keys. */
static GPtrArray *setting_names(void) {
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    if (key->type != ND_RECIPE_SETTINGS)
      continue;
    g_autoptr(GArray) all = nd_recipe_known_settings(key);
    for (guint k = 0; k < all->len; k++)
      g_ptr_array_add(names, g_strdup_printf("%.*s%s", (int)strlen(key->name) - 1, key->name,
                                             g_array_index(all, nd_recipe_known, k).name));
  }
  return names;
}

char *nd_recipe_explain(const char *name) {
  g_autoptr(GString) out = g_string_new(NULL);
  const nd_recipe_key *key = nd_recipe_find(name);
  if (nd_recipe_is_section(name))
    explain_section(out, name);
  else if (key && key->type == ND_RECIPE_SETTINGS)
    explain_settings(out, key, nd_recipe_leaf(name));
  else if (key)
    explain_key(out, key);
  if (out->len)
    return g_strdup(out->str);
  g_autoptr(GPtrArray) names = setting_names();
  nd_recipe_unknown(name, names);
  return NULL;
}

/* Settings of the network that is the default stand as they are, those of others as comments. */
static void default_settings(GString *out, const nd_recipe_key *key, int indent) {
  const char *chosen = key[-1].standard;
  g_autoptr(GArray) all = nd_recipe_known_settings(key);
  for (guint i = 0; i < all->len; i++) {
    const nd_recipe_known *known = &g_array_index(all, nd_recipe_known, i);
    g_string_append_printf(out, "%*s# %s: %s (%s)\n", indent, "", known->owner, known->help, known->allowed);
    g_string_append_printf(out, "%*s%s%s: ", indent, "", strcmp(known->owner, chosen) ? "# " : "",
                           known->name);
    if (known->list)
      nd_recipe_append_list(out, known->standard);
    else
      g_string_append(out, known->standard);
    g_string_append_c(out, '\n');
  }
}

char *nd_recipe_defaults(void) {
  GString *out = g_string_new(NULL);
  const char *before = "";
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    int indent = nd_recipe_append_sections(out, before, key->name);
    before = key->name;
    if (key->type == ND_RECIPE_SETTINGS) {
      default_settings(out, key, indent);
      continue;
    }
    g_autofree char *allowed = nd_recipe_allowed(key);
    g_string_append_printf(out, "%*s# %s (%s)\n%*s%s: ", indent, "", key->help, allowed, indent, "",
                           nd_recipe_leaf(key->name));
    nd_recipe_append_standard(out, key);
    g_string_append_c(out, '\n');
  }
  return g_string_free(out, FALSE);
}
