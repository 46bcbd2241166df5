/* noiseda recipe: what a recipe can say. */
#include "cli/cli.h"
#include "train/recipe.h"

#include <stdio.h>
#include <string.h>

static char *print_topic(const char *topic) {
  static const struct {
    const char *topic;
    char *(*print)(void);
  } topics[] = {{"defaults", nd_recipe_defaults}, {"schema", nd_recipe_schema}, {"page", nd_recipe_page}};
  for (size_t i = 0; i < G_N_ELEMENTS(topics); i++)
    if (!strcmp(topic, topics[i].topic))
      return topics[i].print();
  return NULL;
}

static int run(int argc, char **argv) {
  const GOptionEntry entries[] = {{0}};
  if (!nd_cli_parse(&argc, &argv, entries, "defaults  |  schema  |  page  |  explain KEY",
                    "defaults prints every key with its default, as a recipe to start from; schema, a JSON "
                    "schema for editors and checkers; page, the documentation of all keys (docs/recipe.md); "
                    "explain says what one key, or a section, is."))
    return ND_EXIT_USAGE;
  bool explain = argc == 3 && !strcmp(argv[1], "explain");
  g_autofree char *text = explain ? nd_recipe_explain(argv[2]) : argc == 2 ? print_topic(argv[1]) : NULL;
  if (!text)
    return explain ? nd_cli_failed() : nd_cli_wrong("say defaults, schema, page, or explain KEY");
  printf("%s", text);
  return ND_EXIT_DONE;
}

const nd_command nd_cmd_recipe = {"recipe", "what a recipe can say", run};
