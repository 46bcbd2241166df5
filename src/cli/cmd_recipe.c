/* noiseda recipe: what a recipe can say. */
#include "cli/cli.h"
#include "train/recipe.h"

#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv) {
  const GOptionEntry entries[] = {{0}};
  if (!nd_cli_parse(&argc, &argv, entries, "schema  |  explain KEY",
                    "schema prints every key with its default; explain says what one key, or a section, is."))
    return ND_EXIT_USAGE;
  bool schema = argc == 2 && !strcmp(argv[1], "schema"), explain = argc == 3 && !strcmp(argv[1], "explain");
  if (!schema && !explain)
    return nd_cli_wrong("say schema, or explain KEY");
  g_autofree char *text = schema ? nd_recipe_schema() : nd_recipe_explain(argv[2]);
  if (!text)
    return nd_cli_failed();
  printf("%s", text);
  return ND_EXIT_DONE;
}

const nd_command nd_cmd_recipe = {"recipe", "what a recipe can say", run};
