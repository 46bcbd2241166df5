/* POSIX lets the value of a short option follow it at once: "-t2" is "-t 2". GLib knows the latter alone. */
#include "cli/cli.h"

#include <string.h>

static bool takes_value(const GOptionEntry *e) {
  return e->arg != G_OPTION_ARG_NONE;
}

/* The option that an argument begins with, "-t", "-t2" or "--threads"; NULL: none. */
static const GOptionEntry *option_of(const GOptionEntry *entries, const char *argument) {
  if (argument[0] != '-' || !argument[1])
    return NULL;
  bool long_name = argument[1] == '-';
  for (const GOptionEntry *e = entries; e->long_name; e++)
    if (long_name ? !strcmp(argument + 2, e->long_name) : argument[1] == e->short_name)
      return e;
  return NULL;
}

char **nd_cli_detach_values(int *argc, char *const *argv, const GOptionEntry *entries) {
  static GPtrArray *kept; /* what is left of the arguments stays in use to the end */
  kept = g_ptr_array_new();
  int i = 0;
  for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
    const GOptionEntry *e = i ? option_of(entries, argv[i]) : NULL;
    bool value = e && takes_value(e), attached = value && argv[i][1] != '-' && argv[i][2];
    g_ptr_array_add(kept, attached ? g_strndup(argv[i], 2) : argv[i]);
    if (attached)
      g_ptr_array_add(kept, argv[i] + 2);
    else if (value && i + 1 < *argc) /* whatever it looks like */
      g_ptr_array_add(kept, argv[++i]);
  }
  for (; i < *argc; i++)
    g_ptr_array_add(kept, argv[i]);
  *argc = (int)kept->len;
  g_ptr_array_add(kept, NULL);
  return (char **)kept->pdata;
}
