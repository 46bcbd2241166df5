/* noiseda fit: the settings of a degradation with which clean pictures look like given photos. */
#include "cli/degradation.h"
#include "fit/fit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void show_progress(int tried, double distance, void *context) {
  (void)context;
  if (tried % 10 == 0)
    fprintf(stderr, "\r%4d tried, distance %.3f ", tried, distance);
}

static void append_value(GString *line, const nd_degrade_key *key, int v, double value) {
  if (value == key->standard[v])
    return;
  g_autofree char *text = nd_degrade_value_text(key, value);
  g_string_append_printf(line, ", %s: %s", nd_degrade_value_name(key, v), text);
}

/* As it stands in a recipe, without what has its default. */
static char *recipe_line(const nd_degrade_settings *s) {
  GString *line = g_string_new("degradation: {kind: ");
  g_string_append(line, s->kind->name);
  const nd_degrade_key *key;
  for (int k = 0; (key = nd_degrade_key_at(s->kind, k)); k++)
    for (int v = 0; v < key->count; v++)
      append_value(line, key, v, s->values[key->first + v]);
  g_autofree char *then = nd_degrade_then_text(s);
  if (*then)
    g_string_append_printf(line, ", then: [%s]", then);
  g_string_append_c(line, '}');
  return g_string_free(line, FALSE);
}

static void print_result(const nd_fit_result *r, const nd_degrade_settings *s) {
  g_autofree char *line = recipe_line(s);
  printf(
      "# Distance of clean pictures to the photos: %.3f as they are, %.3f degraded with the settings given,\n"
      "# %.3f with these (the best of %d); %.3f between halves of the photos.\n%s\n",
      r->clean, r->standard, r->found, r->tried, r->halves, line);
  if (r->found > 0.9 * r->clean)
    fprintf(
        stderr,
        "noiseda: the pictures are hardly more like the photos than they were: '%s' may be the wrong kind\n",
        s->kind->name);
}

static char **names_of(char **settings) {
  GPtrArray *names = g_ptr_array_new();
  for (int i = 0; settings && settings[i]; i++)
    g_ptr_array_add(names, g_strndup(settings[i], strcspn(settings[i], "=")));
  g_ptr_array_add(names, NULL);
  return (char **)g_ptr_array_free(names, FALSE);
}

static int run(int argc, char **argv) {
  nd_fit_settings s = nd_fit_defaults();
  g_autofree char *clean = NULL, *real = NULL;
  g_auto(GStrv) settings = NULL, then = NULL;
  gint64 seed = (gint64)s.seed;
  gboolean colour = FALSE, all = FALSE;
  const GOptionEntry entries[] = {
      {"clean", 'c', 0, G_OPTION_ARG_FILENAME, &clean, "clean pictures", "SET"},
      {"real", 0, 0, G_OPTION_ARG_FILENAME, &real, "photos that they are to look like once degraded", "SET"},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &settings, "a setting that stays so; may be repeated",
       "KEY=VALUE"},
      {"then", 0, 0, G_OPTION_ARG_STRING_ARRAY, &then, "what follows in a chain, as it is; may be repeated",
       "\"NAME KEY=VALUE ...\""},
      {"colour", 0, 0, G_OPTION_ARG_NONE, &colour, "compare fine detail of colour too; camera does anyway",
       NULL},
      {"all", 0, 0, G_OPTION_ARG_NONE, &all,
       "take over all that is found, also what photos of others hardly tell: how strong a blur is, and its "
       "direction",
       NULL},
      {"patches", 0, 0, G_OPTION_ARG_INT, &s.patches, "to compare, of each set (default 200)", "N"},
      {"patch-size", 0, 0, G_OPTION_ARG_INT, &s.patch_size, "their side in pixels (default 48)", "N"},
      {"tries", 0, 0, G_OPTION_ARG_INT, &s.tries,
       "settings drawn at random before the best are refined (default 100)", "N"},
      {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "of all draws (default 1)", "N"},
      {0}};
  g_autofree char *list = nd_cli_degradations();
  g_autofree char *about =
      g_strconcat("Finds settings with which degraded clean pictures look like photos without targets, and "
                  "prints them as a\nrecipe's line. Neither set needs partners.\n\n",
                  list, NULL);
  nd_degrade_settings degradation;
  nd_fit_result result;
  if (!nd_cli_parse(&argc, &argv, entries, "DEGRADATION --clean SET --real SET", about))
    return ND_EXIT_USAGE;
  if (argc != 2 || !clean || !real)
    return nd_cli_wrong("a degradation, --clean SET and --real SET are needed");
  if (nd_cli_degradation(argv[1], settings, then, &degradation))
    return nd_cli_wrong("%s", nd_error());
  g_auto(GStrv) fixed = names_of(settings);
  s.clean = clean, s.real = real, s.fixed = (const char *const *)fixed;
  s.colour = colour, s.all = all, s.seed = (uint64_t)seed;
  s.progress = isatty(STDERR_FILENO) ? show_progress : NULL;
  int failed = nd_fit(&s, &degradation, &result);
  if (s.progress)
    fputs("\r\033[K", stderr);
  if (failed)
    return nd_cli_failed();
  print_result(&result, &degradation);
  nd_fit_warn_of_few(&result);
  return ND_EXIT_DONE;
}

const nd_command nd_cmd_fit = {"fit", "find a degradation's settings from photos without targets", run};
