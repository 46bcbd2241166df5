#ifndef ND_CLI_JSON_TEXT_H
#define ND_CLI_JSON_TEXT_H

#include <json-glib/json-glib.h>

/* A member with a text, which may be the name of a file and no UTF-8; nothing where value is NULL. */
void nd_cli_put_text(JsonBuilder *b, const char *name, const char *value);

#endif
