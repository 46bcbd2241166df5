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

char *nd_cli_degradations(void) {
  GString *s = g_string_new("Degradations and their settings (--set KEY=VALUE, or \"jpeg quality=70\"):\n");
  const nd_degradation *d;
  for (int i = 0; (d = nd_degradation_at(i)); i++) {
    g_string_append_printf(s, "  %s: %s\n", d->name, d->help);
    for (int k = 0; k < d->key_count; k++)
      g_string_append_printf(s, "    %-16s %s\n", d->keys[k].name, d->keys[k].help);
  }
  return g_string_free(s, FALSE);
}
