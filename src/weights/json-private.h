/* A strict pull reader for JSON (RFC 8259) that strangers wrote: no tree, bounded depth, duplicates left for
 * the caller to see. json-glib 1.6 does not do here: it recurses until the stack ends, reads comments and
 * octal numbers, wraps integers that are too large, and drops the first of two equal keys without a word. */
#ifndef ND_JSON_PRIVATE_H
#define ND_JSON_PRIVATE_H

#include "base/base.h"

#include <glib.h>

typedef struct nd_json {
  const char *text; /* valid UTF-8 without NUL; the caller has checked */
  size_t size, at;
  bool fresh; /* nothing read yet since the last opening bracket */
} nd_json;

/* Steps into an object ('{') or array ('['). */
int nd_json_enter(nd_json *j, char bracket);
/* Within it: 1 when a member follows, 0 when it ended (and is left behind), -1. close: '}' or ']'. */
int nd_json_next(nd_json *j, char close);
/* Reads "key" and the colon after it; the text goes to strings, which owns it. */
int nd_json_key(nd_json *j, GStringChunk *strings, const char **key);
int nd_json_string(nd_json *j, GStringChunk *strings, const char **value);
/* A whole number from 0 to INT64_MAX. */
int nd_json_count(nd_json *j, int64_t *value);
/* Reads over a value of any kind. */
int nd_json_skip(nd_json *j);
/* Nothing but white space may follow. */
int nd_json_end(nd_json *j);

/* Appends text (valid UTF-8) as a JSON string, quotes included. */
void nd_json_append_string(GString *out, const char *text);

#endif
