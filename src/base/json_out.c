#include "base/json_out.h"

#include <math.h>

JsonBuilder *nd_json_begin(void) {
  JsonBuilder *b = json_builder_new();
  json_builder_begin_object(b);
  return b;
}

void nd_json_text(JsonBuilder *b, const char *key, const char *value) {
  if (!value)
    return;
  g_autofree char *shown = g_utf8_validate(value, -1, NULL) ? NULL : g_filename_display_name(value);
  json_builder_set_member_name(b, key);
  json_builder_add_string_value(b, shown ? shown : value);
}

void nd_json_number(JsonBuilder *b, const char *key, double value) {
  if (!isfinite(value))
    return;
  json_builder_set_member_name(b, key);
  json_builder_add_double_value(b, value);
}

void nd_json_whole(JsonBuilder *b, const char *key, double value) {
  if (!(fabs(value) < 0x1p63))
    return;
  json_builder_set_member_name(b, key);
  json_builder_add_int_value(b, (gint64)value);
}

void nd_json_flag(JsonBuilder *b, const char *key, bool value) {
  json_builder_set_member_name(b, key);
  json_builder_add_boolean_value(b, value);
}

void nd_json_null(JsonBuilder *b, const char *key) {
  json_builder_set_member_name(b, key);
  json_builder_add_null_value(b);
}

void nd_json_list(JsonBuilder *b, const char *key) {
  json_builder_set_member_name(b, key);
  json_builder_begin_array(b);
}

void nd_json_object(JsonBuilder *b, const char *key) {
  json_builder_set_member_name(b, key);
  json_builder_begin_object(b);
}

char *nd_json_written(JsonBuilder *b, bool lines) {
  g_autoptr(JsonNode) root = json_builder_get_root(b);
  g_object_unref(b);
  return json_to_string(root, lines);
}
