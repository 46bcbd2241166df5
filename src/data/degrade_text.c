/* Settings of a degradation as text. */
#include "data/data.h"

#include <glib.h>

const char *nd_degrade_value_name(const nd_degrade_key *key, int value) {
  if (key->count == 1)
    return key->name;
  g_autofree char *name = g_strconcat(key->name, value ? "_max" : "_min", NULL);
  return g_intern_string(name);
}

char *nd_degrade_value_text(const nd_degrade_key *key, double value) {
  return key->choice ? g_strdup(key->choice((int)value)) : g_strdup_printf("%.15g", value);
}

/* NAME, IS, value, for each value of the kind, with BETWEEN before all but the first; what all kinds have
 * only where it is not the default. */
static void append_values(GString *text, const nd_degradation *kind, const double *values,
                          const char *between, const char *is) {
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(kind, k)); k++)
    for (int v = 0; v < key->count; v++) {
      if (k >= kind->key_count && values[key->first + v] == key->standard[v])
        continue;
      g_autofree char *value = nd_degrade_value_text(key, values[key->first + v]);
      g_string_append_printf(text, "%s%s%s%s", k || v ? between : "", nd_degrade_value_name(key, v), is,
                             value);
    }
}

static void append_stage(GString *text, const nd_degradation *kind, const double *values) {
  g_string_append_printf(text, "%s: {", kind->name);
  append_values(text, kind, values, ", ", ": ");
  g_string_append_c(text, '}');
}

char *nd_degrade_describe(const nd_degrade_settings *settings) {
  if (!settings->kind)
    return g_strdup("none");
  GString *text = g_string_new(NULL);
  append_stage(text, settings->kind, settings->values);
  for (int i = 0; i < settings->then_count; i++) {
    g_string_append(text, ", then ");
    append_stage(text, settings->then[i].kind, settings->then[i].values);
  }
  return g_string_free(text, FALSE);
}

char *nd_degrade_then_text(const nd_degrade_settings *settings) {
  GString *text = g_string_new(NULL);
  for (int i = 0; i < settings->then_count; i++) {
    const nd_degradation *kind = settings->then[i].kind;
    g_string_append_printf(text, "%s%s ", i ? "," : "", kind->name);
    append_values(text, kind, settings->then[i].values, " ", "=");
  }
  return g_string_free(text, FALSE);
}
