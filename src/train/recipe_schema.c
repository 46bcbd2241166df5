/* The table of keys for machines, and as a page of documentation. */
#include "train/recipe-private.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* ---- JSON schema (draft 2020-12) ---- */
static JsonObject *new_section(const char *about) {
  JsonObject *section = json_object_new();
  json_object_set_string_member(section, "type", "object");
  if (about)
    json_object_set_string_member(section, "description", about);
  json_object_set_boolean_member(section, "additionalProperties", FALSE);
  json_object_set_object_member(section, "properties", json_object_new());
  return section;
}

/* The properties of the section that name stands in; sections are made as they are met. */
static JsonObject *properties_for(JsonObject *root, const char *name) {
  JsonObject *properties = json_object_get_object_member(root, "properties");
  const char *part = name;
  for (const char *dot; (dot = strchr(part, '.')); part = dot + 1) {
    g_autofree char *section = g_strndup(part, (gsize)(dot - part));
    if (!json_object_has_member(properties, section))
      json_object_set_object_member(properties, section, new_section(NULL));
    properties =
        json_object_get_object_member(json_object_get_object_member(properties, section), "properties");
  }
  return properties;
}

static void set_range(JsonObject *out, const nd_recipe_key *key) {
  bool whole = key->type != ND_RECIPE_REAL;
  json_object_set_string_member(out, "type", whole ? "integer" : "number");
  if (whole) {
    json_object_set_int_member(out, "minimum", (gint64)key->min);
    json_object_set_int_member(out, "maximum", (gint64)key->max);
    json_object_set_int_member(out, "default", g_ascii_strtoll(key->standard, NULL, 10));
    return;
  }
  json_object_set_double_member(out, "minimum", key->min);
  json_object_set_double_member(out, "maximum", key->max);
  json_object_set_double_member(out, "default", g_ascii_strtod(key->standard, NULL));
}

static void set_words(JsonObject *out, const nd_recipe_key *key) {
  JsonArray *words = json_array_new();
  for (const char *const *w = key->words(); *w; w++)
    json_array_add_string_element(words, *w);
  json_object_set_array_member(out, "enum", words);
  json_object_set_string_member(out, "default", key->standard);
}

static JsonObject *key_schema(const nd_recipe_key *key) {
  JsonObject *out = json_object_new();
  json_object_set_string_member(out, "description", key->help);
  if (key->type == ND_RECIPE_BOOL) {
    json_object_set_string_member(out, "type", "boolean");
    json_object_set_boolean_member(out, "default", !strcmp(key->standard, "true"));
  } else if (key->type == ND_RECIPE_ENUM) {
    set_words(out, key);
  } else if (key->type == ND_RECIPE_STRING || key->type == ND_RECIPE_PATH) {
    json_object_set_string_member(out, "type", "string");
    json_object_set_string_member(out, "default", key->standard);
  } else {
    set_range(out, key);
  }
  return out;
}

static const char *known_type(const nd_recipe_known *known) {
  char *end;
  if (known->list)
    return "array";
  g_ascii_strtod(known->standard, &end);
  return *known->standard && !*end ? "number" : "string";
}

static void add_type(JsonObject *out, const char *type) {
  if (!json_object_has_member(out, "type"))
    json_object_set_array_member(out, "type", json_array_new());
  JsonArray *types = json_object_get_array_member(out, "type");
  for (guint i = 0; i < json_array_get_length(types); i++)
    if (!strcmp(json_array_get_string_element(types, i), type))
      return;
  json_array_add_string_element(types, type);
}

/* Several networks may have a setting of that name: what each of them says, and any of their types. */
static void add_known(JsonObject *properties, const nd_recipe_known *known) {
  if (!json_object_has_member(properties, known->name))
    json_object_set_object_member(properties, known->name, json_object_new());
  JsonObject *out = json_object_get_object_member(properties, known->name);
  const char *before = json_object_get_string_member_with_default(out, "description", "");
  g_autofree char *text = g_strdup_printf("%s%s%s: %s (%s; default %s)", before, *before ? "\n" : "",
                                          known->owner, known->help, known->allowed, known->standard);
  json_object_set_string_member(out, "description", text);
  add_type(out, known_type(known));
}

static void add_settings(JsonObject *root, const nd_recipe_key *key) {
  JsonObject *properties = properties_for(root, key->name);
  g_autoptr(GArray) all = nd_recipe_known_settings(key);
  for (guint i = 0; i < all->len; i++)
    add_known(properties, &g_array_index(all, nd_recipe_known, i));
}

/* json-glib 1.6 writes 1e-08 as 1e-08.0, which is no JSON. */
static char *mend_exponents(const char *text) {
  g_autoptr(GRegex) wrong = g_regex_new("(: -?[0-9.]+e[-+]?[0-9]+)\\.0", 0, 0, NULL);
  return g_regex_replace(wrong, text, -1, 0, "\\1", 0, NULL);
}

char *nd_recipe_schema(void) {
  JsonObject *root = new_section("A recipe: everything a training run depends on");
  json_object_set_string_member(root, "$schema", "https://json-schema.org/draft/2020-12/schema");
  json_object_set_string_member(root, "title", "noiseda recipe");
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    if (key->type == ND_RECIPE_SETTINGS)
      add_settings(root, key);
    else
      json_object_set_object_member(properties_for(root, key->name), nd_recipe_leaf(key->name),
                                    key_schema(key));
  }
  JsonNode *node = json_node_init_object(json_node_alloc(), root);
  json_object_unref(root);
  g_autofree char *text = json_to_string(node, TRUE);
  json_node_unref(node);
  g_autofree char *mended = mend_exponents(text);
  return g_strconcat(mended, "\n", NULL);
}

/* ---- A page ---- */
static void append_cell(GString *out, const char *text) {
  g_string_append(out, " ");
  for (const char *c = text; *c; c++) {
    if (*c == '|')
      g_string_append_c(out, '\\');
    g_string_append_c(out, *c);
  }
  g_string_append(out, " |");
}

static void append_row(GString *out, const char *name, const char *standard, const char *allowed,
                       const char *help) {
  g_autofree char *key = g_strdup_printf("`%s`", name), *value = g_strdup_printf("`%s`", standard);
  g_string_append_c(out, '|');
  append_cell(out, key);
  append_cell(out, *standard && strcmp(standard, "\"\"") ? value : "");
  append_cell(out, allowed);
  append_cell(out, help);
  g_string_append_c(out, '\n');
}

static void append_settings_rows(GString *out, const nd_recipe_key *key) {
  g_autoptr(GArray) all = nd_recipe_known_settings(key);
  for (guint i = 0; i < all->len; i++) {
    const nd_recipe_known *known = &g_array_index(all, nd_recipe_known, i);
    g_autofree char *name = g_strdup_printf("%.*s%s", (int)strlen(key->name) - 1, key->name, known->name),
                    *help = g_strdup_printf("%s: %s", known->owner, known->help);
    g_autoptr(GString) standard = g_string_new(NULL);
    if (known->list)
      nd_recipe_append_list(standard, known->standard);
    else
      g_string_append(standard, known->standard);
    append_row(out, name, standard->str, known->allowed, help);
  }
}

static void append_key_row(GString *out, const nd_recipe_key *key) {
  g_autofree char *allowed = nd_recipe_allowed(key);
  g_autoptr(GString) standard = g_string_new(NULL);
  nd_recipe_append_standard(standard, key);
  append_row(out, key->name, standard->str, allowed, key->help);
}

char *nd_recipe_page(void) {
  GString *out = g_string_new(
      "# Recipes\n\n"
      "A recipe is a YAML file that says everything a training run depends on. This page is printed by\n"
      "`noiseda recipe page` from the table that reads recipes; `noiseda recipe explain KEY` says the same "
      "of "
      "one key or\nsection, `noiseda recipe defaults` prints a recipe to start from, and `noiseda recipe "
      "schema` "
      "a JSON schema for editors.\n`--set KEY=VALUE` overrides a recipe on the command line.\n");
  const char *section = NULL;
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    const char *dot = strchr(key->name, '.');
    size_t n = dot ? (size_t)(dot - key->name) : 0;
    if (!section || strncmp(section, key->name, n + (n > 0)) || !n != !strchr(section, '.')) {
      g_string_append_printf(
          out, "\n## %.*s\n\n| key | default | allowed | meaning |\n| --- | --- | --- | --- |\n",
          n ? (int)n : 7, n ? key->name : "General");
      section = key->name;
    }
    if (key->type == ND_RECIPE_SETTINGS)
      append_settings_rows(out, key);
    else
      append_key_row(out, key);
  }
  return g_string_free(out, FALSE);
}
