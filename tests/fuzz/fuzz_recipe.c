/* Any text as a recipe: refused with a message, or printed as something that reads back as the same.
 *   fuzz_recipe -max_len=4096 -dict=recipe.dict NEW_CORPUS ../../recipes */
#include "require.h"

#include "train/recipe.h"

#include <glib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void print_and_read(const nd_recipe *recipe) {
  nd_recipe again;
  g_autofree char *first = nd_recipe_print(recipe);
  nd_recipe_init(&again);
  require(!nd_recipe_parse(&again, first, "printed"));
  g_autofree char *second = nd_recipe_print(&again);
  require(!strcmp(first, second));
  nd_recipe_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  g_autofree char *text = g_strndup((const char *)bytes, n);
  nd_recipe recipe;
  nd_recipe_init(&recipe);
  nd_error_clear();
  if (nd_recipe_parse(&recipe, text, "fuzz"))
    require(*nd_error() != 0);
  else
    print_and_read(&recipe);
  nd_recipe_set(&recipe, &(nd_recipe_override){text, "--set"});
  if (n < 40)
    g_free(nd_recipe_explain(text));
  nd_recipe_check(&recipe);
  nd_recipe_clear(&recipe);
  return 0;
}
