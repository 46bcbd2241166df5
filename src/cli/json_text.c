#include "cli/json_text.h"

void nd_cli_put_text(JsonBuilder *b, const char *name, const char *value) {
  if (!value)
    return;
  json_builder_set_member_name(b, name);
  if (g_utf8_validate(value, -1, NULL))
    json_builder_add_string_value(b, value);
  else {
    g_autofree char *shown = g_filename_display_name(value);
    json_builder_add_string_value(b, shown);
  }
}
