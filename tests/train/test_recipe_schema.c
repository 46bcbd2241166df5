/* The JSON schema and the page of keys follow from the table, and the page in docs/ is the one printed. */
#include "train/recipe-private.h"

#include <json-glib/json-glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* The schema of "a.b.c"; NULL: there is none. */
static JsonObject *schema_of(JsonObject *root, const char *name) {
  g_auto(GStrv) parts = g_strsplit(name, ".", -1);
  for (char **part = parts; root && *part; part++) {
    JsonObject *properties = json_object_get_object_member(root, "properties");
    if (!json_object_has_member(properties, *part))
      return NULL;
    root = json_object_get_object_member(properties, *part);
  }
  return root;
}

static void the_schema_describes_every_key(void **state) {
  (void)state;
  g_autofree char *text = nd_recipe_schema();
  g_autoptr(JsonParser) parser = json_parser_new();
  assert_true(json_parser_load_from_data(parser, text, -1, NULL));
  JsonObject *root = json_node_get_object(json_parser_get_root(parser));
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    JsonObject *schema = key->type == ND_RECIPE_SETTINGS ? NULL : schema_of(root, key->name);
    if (key->type != ND_RECIPE_SETTINGS && !schema)
      fail_msg("%s is missing", key->name);
    if (schema)
      assert_string_equal(json_object_get_string_member(schema, "description"), key->help);
  }
  JsonObject *steps = schema_of(root, "training.steps"), *mode = schema_of(root, "mode"),
             *widths = schema_of(root, "diffusion.multipliers");
  assert_string_equal(json_object_get_string_member(steps, "type"), "integer");
  assert_int_equal(json_object_get_int_member(steps, "minimum"), 1);
  assert_int_equal(json_object_get_int_member(steps, "default"), 100000);
  assert_int_equal(json_array_get_length(json_object_get_array_member(mode, "enum")), 8);
  assert_string_equal(json_array_get_string_element(json_object_get_array_member(widths, "type"), 0),
                      "array");
  assert_true(json_object_get_double_member(schema_of(root, "training.eps"), "default") == 1e-8);
  assert_null(schema_of(root, "training.stepz"));
  assert_false(json_object_get_boolean_member(schema_of(root, "training"), "additionalProperties"));
}

static void the_page_in_docs_is_up_to_date(void **state) {
  (void)state;
  g_autofree char *printed = nd_recipe_page(), *kept = NULL;
  assert_true(g_file_get_contents(ND_RECIPE_PAGE, &kept, NULL, NULL));
  for (size_t i = 0; i < nd_recipe_key_count; i++)
    if (nd_recipe_keys[i].type != ND_RECIPE_SETTINGS && !strstr(printed, nd_recipe_keys[i].name))
      fail_msg("%s is missing", nd_recipe_keys[i].name);
  if (strcmp(printed, kept))
    fail_msg("docs/recipe.md is out of date: noiseda recipe page > docs/recipe.md");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_schema_describes_every_key),
                                     cmocka_unit_test(the_page_in_docs_is_up_to_date)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
