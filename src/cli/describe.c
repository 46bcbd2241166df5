/* Commands describe themselves by starting as usual: nd_cli_parse hands over the tables and ends them. */
#include "cli/describe-private.h"
#include "data/data.h"

#include <string.h>

static struct listener {
  const nd_command *command;
  nd_describe_fn fn;
  void *context;
} listener;

bool nd_cli_described(const GOptionEntry *entries, const char *usage, const char *about) {
  if (!listener.fn)
    return false;
  nd_description d = {listener.command, entries, usage, about};
  listener.fn(&d, listener.context);
  return true;
}

void nd_describe(const nd_command *command, nd_describe_fn fn, void *context) {
  char name[32];
  g_strlcpy(name, command->name, sizeof name);
  char *argv[] = {name, NULL};
  listener = (struct listener){command, fn, context};
  command->run(1, argv);
  listener.fn = NULL;
}

nd_wants nd_option_wants(const GOptionEntry *e) {
  bool folder = e->arg_description && !strcmp(e->arg_description, "DIR");
  switch (e->arg) {
  case G_OPTION_ARG_NONE:
    return ND_WANTS_NOTHING;
  case G_OPTION_ARG_FILENAME:
  case G_OPTION_ARG_FILENAME_ARRAY:
    return folder ? ND_WANTS_FOLDER : ND_WANTS_FILE;
  default:
    return e->arg_description && strchr(e->arg_description, '|') ? ND_WANTS_WORD : ND_WANTS_TEXT;
  }
}

char *nd_option_words(const GOptionEntry *e) {
  return g_strdelimit(g_strdup(e->arg_description), "|", ' ');
}

bool nd_option_shown(const GOptionEntry *e) {
  return !(e->flags & G_OPTION_FLAG_HIDDEN);
}

static bool lower_case(const char *word) {
  return *word && strspn(word, "abcdefghijklmnopqrstuvwxyz") == strlen(word);
}

char **nd_usage_words(const nd_description *d) {
  GPtrArray *words = g_ptr_array_new();
  g_auto(GStrv) usage = g_strsplit(d->usage, " ", -1);
  for (int i = 0; usage[i]; i++)
    if (lower_case(usage[i]))
      g_ptr_array_add(words, g_strdup(usage[i]));
  const nd_degradation *degradation;
  for (int i = 0; g_str_has_prefix(d->usage, "DEGRADATION") && (degradation = nd_degradation_at(i)); i++)
    g_ptr_array_add(words, g_strdup(degradation->name));
  g_ptr_array_add(words, NULL);
  return (char **)g_ptr_array_free(words, FALSE);
}
