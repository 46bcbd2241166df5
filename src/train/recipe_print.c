/* A recipe as YAML that reads back as the same recipe. */
#include "train/recipe-private.h"

#include <string.h>

void nd_recipe_append_number(GString *out, double x) {
  char text[G_ASCII_DTOSTR_BUF_SIZE], format[8];
  for (int digits = 15; digits <= 17; digits++) {
    g_snprintf(format, sizeof format, "%%.%dg", digits);
    g_ascii_formatd(text, sizeof text, format, x);
    if (g_ascii_strtod(text, NULL) == x)
      break;
  }
  g_string_append(out, text);
}

/* Words that some reader of YAML takes for something else than a text. */
static bool is_plain(const char *text) {
  static const char *const special[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", NULL};
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.+-";
  bool negative = *text == '-' && g_ascii_isdigit(text[1]);
  if (!g_ascii_isalnum(*text) && *text != '/' && *text != '.' && !negative)
    return false;
  g_autofree char *lower = g_ascii_strdown(text, -1);
  return strspn(text, safe) == strlen(text) && !g_strv_contains(special, lower);
}

/* Line separators count as line breaks in YAML; what does not print is written as its number, as short as can
 * be: YAML's keys end after 1024 characters. */
static void append_character(GString *out, gunichar c) {
  bool separator = c == 0x85 || c == 0x2028 || c == 0x2029 || c == 0xfeff;
  if (c == '"' || c == '\\')
    g_string_append_printf(out, "\\%c", (char)c);
  else if (c == '\n')
    g_string_append(out, "\\n");
  else if ((separator || !g_unichar_isprint(c)) && c <= 0xff)
    g_string_append_printf(out, "\\x%02x", (unsigned)c);
  else if (separator || !g_unichar_isprint(c))
    g_string_append_printf(out, c <= 0xffff ? "\\u%04x" : "\\U%08x", (unsigned)c);
  else
    g_string_append_unichar(out, c);
}

void nd_recipe_append_text(GString *out, const char *text) {
  if (is_plain(text)) {
    g_string_append(out, text);
    return;
  }
  g_string_append_c(out, '"');
  for (; *text; text = g_utf8_next_char(text))
    append_character(out, g_utf8_get_char(text));
  g_string_append_c(out, '"');
}

void nd_recipe_append_list(GString *out, const char *items) {
  g_auto(GStrv) parts = g_strsplit(items, ",", -1);
  g_string_append_c(out, '[');
  for (int i = 0; parts[i]; i++) {
    g_string_append(out, i ? ", " : "");
    nd_recipe_append_text(out, g_strstrip(parts[i]));
  }
  g_string_append_c(out, ']');
}

void nd_recipe_append_value(GString *out, const nd_recipe *recipe, const nd_recipe_key *key) {
  const void *member = nd_recipe_member(recipe, key);
  switch (key->type) {
  case ND_RECIPE_INT:
    g_string_append_printf(out, "%d", *(const int *)member);
    break;
  case ND_RECIPE_INT64:
    g_string_append_printf(out, "%" G_GINT64_FORMAT, *(const int64_t *)member);
    break;
  case ND_RECIPE_REAL:
    nd_recipe_append_number(out, *(const double *)member);
    break;
  case ND_RECIPE_BOOL:
    g_string_append(out, *(const bool *)member ? "true" : "false");
    break;
  case ND_RECIPE_ENUM:
    g_string_append(out, key->words()[*(const int *)member]);
    break;
  case ND_RECIPE_STRING:
  case ND_RECIPE_PATH:
    nd_recipe_append_text(out, *(char *const *)member);
    break;
  case ND_RECIPE_SETTINGS:
    break;
  }
}

void nd_recipe_append_standard(GString *out, const nd_recipe_key *key) {
  if (key->type == ND_RECIPE_STRING || key->type == ND_RECIPE_PATH)
    nd_recipe_append_text(out, key->standard);
  else
    g_string_append(out, key->standard);
}

static void append_settings(GString *out, const nd_recipe_settings *settings, int indent) {
  for (int i = 0; i < settings->count; i++) {
    g_string_append_printf(out, "%*s", indent, "");
    nd_recipe_append_text(out, settings->at[i].name);
    g_string_append(out, ": ");
    if (settings->at[i].list)
      nd_recipe_append_list(out, settings->at[i].value);
    else
      nd_recipe_append_text(out, settings->at[i].value);
    g_string_append_c(out, '\n');
  }
}

int nd_recipe_append_sections(GString *out, const char *before, const char *name) {
  int indent = 0;
  const char *part = name;
  for (const char *dot; (dot = strchr(part, '.')); part = dot + 1, indent += 2)
    if (strncmp(before, name, (size_t)(dot + 1 - name)))
      g_string_append_printf(out, "%*s%.*s:\n", indent, "", (int)(dot - part), part);
  return indent;
}

char *nd_recipe_print(const nd_recipe *recipe) {
  GString *out = g_string_new(NULL);
  const char *before = "";
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    int indent = nd_recipe_append_sections(out, before, key->name);
    before = key->name;
    if (key->type == ND_RECIPE_SETTINGS) {
      append_settings(out, nd_recipe_member(recipe, key), indent);
      continue;
    }
    g_string_append_printf(out, "%*s%s: ", indent, "", nd_recipe_leaf(key->name));
    nd_recipe_append_value(out, recipe, key);
    g_string_append_c(out, '\n');
  }
  return g_string_free(out, FALSE);
}
