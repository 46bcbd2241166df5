/* The settings of networks and degradations: what their rooms say of them, and what a recipe makes of that.
 */
#include "train/recipe-private.h"

#include <string.h>

static void known_clear(gpointer p) {
  nd_recipe_known *known = p;
  g_free(known->standard);
  g_free(known->allowed);
}

static char *setting_allowed(const nd_setting *s) {
  g_autofree char *range = nd_recipe_range(s->type != ND_SETTING_REAL, s->min, s->max);
  return s->type == ND_SETTING_LIST ? g_strdup_printf("a list, each %s", range) : g_strdup(range);
}

static void know_network(GArray *all, const char *name, nd_role role) {
  nd_net *net;
  if (nd_net_new(name, role, &net))
    return;
  for (int i = 0; i < nd_net_settings_count(net); i++) {
    const nd_setting *s = nd_net_setting(net, i);
    nd_recipe_known known = {
        name, s->name, s->doc, s->type == ND_SETTING_LIST, g_strdup(s->fallback), setting_allowed(s)};
    g_array_append_val(all, known);
  }
  nd_net_free(net);
}

static char *choice_allowed(const nd_degrade_key *key) {
  GString *text = g_string_new("one of ");
  for (int i = 0; key->choice(i); i++)
    g_string_append_printf(text, "%s%s", i ? ", " : "", key->choice(i));
  return g_string_free(text, FALSE);
}

static void know_key(GArray *all, const char *owner, const nd_degrade_key *key) {
  for (int v = 0; v < key->count; v++) {
    char *allowed = key->choice ? choice_allowed(key) : nd_recipe_range(key->whole, key->min, key->max);
    nd_recipe_known known = {
        owner,  nd_degrade_value_name(key, v), key->help, false, nd_degrade_value_text(key, key->standard[v]),
        allowed};
    g_array_append_val(all, known);
  }
}

static void know_degradations(GArray *all) {
  const nd_degradation *d;
  for (int i = 0; (d = nd_degradation_at(i)); i++)
    for (int k = 0; k < d->key_count; k++)
      know_key(all, d->name, &d->keys[k]);
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_common_key(k)); k++)
    know_key(all, "any", key);
}

GArray *nd_recipe_known_settings(const nd_recipe_key *key) {
  GArray *all = g_array_new(FALSE, FALSE, sizeof(nd_recipe_known));
  g_array_set_clear_func(all, known_clear);
  if (g_str_has_prefix(key->name, "data.")) {
    know_degradations(all);
    nd_recipe_known then = {
        "any", "then",       "what follows it, such as [jpeg quality=60, gaussian sigma_max=10]",
        true,  g_strdup(""), g_strdup("a list, each a degradation with its settings")};
    g_array_append_val(all, then);
    return all;
  }
  nd_role role = g_str_has_prefix(key->name, "restoration.") ? ND_RESTORATION : ND_DIFFUSION;
  for (const char *const *name = nd_net_names(role); *name; name++)
    know_network(all, *name, role);
  return all;
}

static bool has_setting(const nd_net *net, const char *name) {
  for (int i = 0; i < nd_net_settings_count(net); i++)
    if (!strcmp(nd_net_setting(net, i)->name, name))
      return true;
  return false;
}

static int unknown_setting(const nd_net *net, const char *section, const char *name) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (int i = 0; i < nd_net_settings_count(net); i++)
    g_ptr_array_add(names, g_strconcat(section, ".", nd_net_setting(net, i)->name, NULL));
  nd_recipe_unknown(name, names);
  return nd_fail_in("network %s", nd_net_name(net));
}

static int set_network(const nd_recipe *recipe, const char *section, const nd_recipe_settings *settings,
                       nd_net *net) {
  for (int i = 0; i < settings->count; i++) {
    g_autofree char *name = g_strconcat(section, ".", settings->at[i].name, NULL);
    if (!has_setting(net, settings->at[i].name)) {
      unknown_setting(net, section, name);
      return nd_recipe_fail(recipe, name, "%s", nd_error());
    }
    if (nd_net_set(net, settings->at[i].name, settings->at[i].value))
      return nd_recipe_fail(recipe, name, "%s", nd_error());
  }
  return 0;
}

int nd_recipe_network(const nd_recipe *recipe, nd_role role, nd_net **out) {
  bool restoration = role == ND_RESTORATION;
  const char *section = restoration ? "restoration" : "diffusion";
  const nd_recipe_settings *settings =
      restoration ? &recipe->restoration.settings : &recipe->diffusion.settings;
  if (nd_net_new(restoration ? recipe->restoration.network : recipe->diffusion.network, role, out))
    return nd_recipe_fail(recipe, restoration ? "restoration.network" : "diffusion.network", "%s",
                          nd_error());
  if (!set_network(recipe, section, settings, *out))
    return 0;
  nd_net_free(*out);
  *out = NULL;
  return -1;
}

int nd_recipe_degradation(const nd_recipe *recipe, nd_degrade_settings *out) {
  const nd_recipe_settings *settings = &recipe->data.degradation.settings;
  *out = (nd_degrade_settings){0};
  if (strcmp(recipe->data.degradation.kind, "none") && nd_degrade_find(recipe->data.degradation.kind, out))
    return nd_recipe_fail(recipe, "data.degradation.kind", "%s, none", nd_error());
  for (int i = 0; i < settings->count; i++) {
    g_autofree char *name = g_strconcat("data.degradation.", settings->at[i].name, NULL);
    if (nd_degrade_set(out, settings->at[i].name, settings->at[i].value))
      return nd_recipe_fail(recipe, name, "%s", nd_error());
  }
  if (out->kind && nd_degrade_check(out))
    return nd_recipe_fail(recipe, "data.degradation.kind", "%s", nd_error());
  return 0;
}

static int fill_network(nd_recipe *recipe, nd_role role, nd_recipe_settings *settings) {
  nd_net *net;
  if (nd_recipe_network(recipe, role, &net))
    return -1;
  nd_recipe_clear_settings(settings);
  for (int i = 0; i < nd_net_settings_count(net); i++) {
    const nd_setting *s = nd_net_setting(net, i);
    nd_recipe_put_setting(settings, s->name,
                          (nd_recipe_text){.text = nd_net_value(net, i), .list = s->type == ND_SETTING_LIST});
  }
  nd_net_free(net);
  return 0;
}

void nd_recipe_put_degradation(nd_recipe *recipe, const nd_degrade_settings *d) {
  nd_recipe_settings *settings = &recipe->data.degradation.settings;
  nd_recipe_clear_settings(settings);
  const nd_degrade_key *key;
  for (int k = 0; d->kind && (key = nd_degrade_key_at(d->kind, k)); k++)
    for (int v = 0; v < key->count; v++) {
      g_autofree char *text = nd_degrade_value_text(key, d->values[key->first + v]);
      nd_recipe_put_setting(settings, nd_degrade_value_name(key, v), (nd_recipe_text){.text = text});
    }
  g_autofree char *then = nd_degrade_then_text(d);
  if (*then)
    nd_recipe_put_setting(settings, "then", (nd_recipe_text){.text = then, .list = true});
}

static int fill_degradation(nd_recipe *recipe) {
  nd_degrade_settings d;
  if (nd_recipe_degradation(recipe, &d))
    return -1;
  nd_recipe_put_degradation(recipe, &d);
  return 0;
}

int nd_recipe_resolve(nd_recipe *recipe) {
  if (fill_network(recipe, ND_RESTORATION, &recipe->restoration.settings) ||
      fill_network(recipe, ND_DIFFUSION, &recipe->diffusion.settings))
    return -1;
  return fill_degradation(recipe);
}
