/* JSON for other programs and for the page, by json-glib: a key with its value at a time. */
#ifndef ND_JSON_OUT_H
#define ND_JSON_OUT_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

JsonBuilder *nd_json_begin(void); /* an open object */
/* The name of a file, which may be no UTF-8, is written as it is shown. NULL: left out. */
void nd_json_text(JsonBuilder *b, const char *key, const char *value);
void nd_json_number(JsonBuilder *b, const char *key, double value); /* not finite: left out */
/* A whole number, which a table or a recipe may have given as a real one. Not finite: left out. */
void nd_json_whole(JsonBuilder *b, const char *key, double value);
void nd_json_flag(JsonBuilder *b, const char *key, bool value);
void nd_json_null(JsonBuilder *b, const char *key);
/* An open list, or object. */
void nd_json_list(JsonBuilder *b, const char *key);
void nd_json_object(JsonBuilder *b, const char *key);
/* The text, g_free, of what has been closed; on several lines: for people, too. Takes the builder. */
char *nd_json_written(JsonBuilder *b, bool lines);

#endif
