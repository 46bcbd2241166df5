#include "weights/json-private.h"

#include <string.h>

void nd_json_append_string(GString *out, const char *text) {
  static const char characters[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
  g_string_append_c(out, '"');
  for (; *text; text++) {
    const char *special = strchr(characters, *text);
    if (special)
      g_string_append_printf(out, "\\%c", letters[special - characters]);
    else if ((unsigned char)*text < ' ')
      g_string_append_printf(out, "\\u%04x", (unsigned)(unsigned char)*text);
    else
      g_string_append_c(out, *text);
  }
  g_string_append_c(out, '"');
}
