/* data.fit: the degradation's settings are found from the real photos before a run begins. */
#include "fit/fit.h"
#include "train/trainer-private.h"

#include <glib.h>

/* Settings that differ from their default were chosen: they stay. */
static char **chosen(const nd_degrade_settings *d) {
  GPtrArray *names = g_ptr_array_new();
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(d->kind, k)); k++)
    for (int v = 0; v < key->count; v++) {
      if (d->values[key->first + v] != key->standard[v])
        g_ptr_array_add(names, g_strdup(nd_degrade_value_name(key, v)));
    }
  g_ptr_array_add(names, NULL);
  return (char **)g_ptr_array_free(names, FALSE);
}

static int fit(nd_recipe *recipe, nd_degrade_settings *d, nd_fit_result *result) {
  g_auto(GStrv) fixed = chosen(d);
  nd_fit_settings s = nd_fit_defaults();
  s.clean = recipe->data.clean;
  s.real = recipe->data.real;
  s.fixed = (const char *const *)fixed;
  s.seed = (uint64_t)recipe->seed;
  return nd_fit(&s, d, result);
}

int nd_train_fit(nd_recipe *recipe, bool says) {
  nd_degrade_settings d;
  nd_fit_result result;
  if (!recipe->data.fit)
    return 0;
  if (nd_recipe_check(recipe) || nd_recipe_degradation(recipe, &d))
    return -1;
  if (says)
    nd_log(ND_LOG_INFO, "looking for settings of %s with which '%s' looks like '%s'", d.kind->name,
           recipe->data.clean, recipe->data.real);
  if (fit(recipe, &d, &result))
    return nd_fail_in("data.fit");
  g_autofree char *text = nd_degrade_describe(&d);
  if (says) {
    nd_fit_warn_of_few(&result);
    nd_log(ND_LOG_INFO, "%s (distance %.3f; %.3f as given, %.3f not degraded)", text, result.found,
           result.standard, result.clean);
  }
  nd_recipe_put_degradation(recipe, &d);
  return 0;
}
