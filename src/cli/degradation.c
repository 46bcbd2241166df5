/* A degradation from the words of a command line. */
#include "cli/degradation.h"

int nd_cli_degradation(const char *name, char **settings, char **then, nd_degrade_settings *out) {
  if (nd_degrade_parse(name, out))
    return -1;
  for (int i = 0; settings && settings[i]; i++) {
    g_auto(GStrv) pair = g_strsplit(settings[i], "=", 2);
    if (!pair[0] || !pair[1])
      return nd_fail("--set takes KEY=VALUE, not '%s'", settings[i]);
    if (nd_degrade_set(out, pair[0], pair[1]))
      return -1;
  }
  for (int i = 0; then && then[i]; i++)
    if (nd_degrade_then(out, then[i]))
      return -1;
  return nd_degrade_check(out);
}

/* The default, or the range that is drawn from; of words, the default and then the others. */
static void append_default(GString *s, const nd_degrade_key *key) {
  int standard = (int)key->standard[0];
  if (key->count == 2 && key->standard[0] < key->standard[1])
    g_string_append_printf(s, " [%g to %g]", key->standard[0], key->standard[1]);
  else if (!key->choice)
    g_string_append_printf(s, " [%g]", key->standard[0]);
  else {
    g_string_append_printf(s, " [%s; ", key->choice(standard));
    const char *word;
    for (int i = 0, others = 0; (word = key->choice(i)); i++)
      if (i != standard)
        g_string_append_printf(s, "%s%s", others++ ? ", " : "", word);
    g_string_append_c(s, ']');
  }
}

static void append_key(GString *s, const nd_degrade_key *key) {
  g_string_append_printf(s, "    %-16s %s", key->name, key->help);
  append_default(s, key);
  g_string_append_c(s, '\n');
}

char *nd_cli_degradations(void) {
  GString *s = g_string_new("Degradations and their settings (--set KEY=VALUE, or \"jpeg quality=70\"), in "
                            "brackets the default, and what else there is:\n");
  const nd_degradation *d;
  for (int i = 0; (d = nd_degradation_at(i)); i++) {
    g_string_append_printf(s, "  %s: %s\n", d->name, d->help);
    for (int k = 0; k < d->key_count; k++)
      append_key(s, &d->keys[k]);
  }
  g_string_append(s, "  any of them:\n");
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_common_key(k)); k++)
    append_key(s, key);
  return g_string_free(s, FALSE);
}
