/* Mappings of YAML read by tables of their keys. Every error has the file and the line. */
#ifndef ND_STUDY_YAML_PRIVATE_H
#define ND_STUDY_YAML_PRIVATE_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

typedef struct nd_yaml {
  yaml_document_t document;
  const char *path; /* the caller's, for messages */
} nd_yaml;

/* A scalar, a sequence or a mapping; the document's. */
typedef yaml_node_t nd_yaml_value;

/* Reads n bytes of text. What is opened is to be closed; on error nothing is. */
int nd_yaml_open(const char *path, const char *text, size_t n, nd_yaml *out);
void nd_yaml_close(nd_yaml *y);
/* NULL: the document is empty. */
nd_yaml_value *nd_yaml_root(nd_yaml *y);

/* From 1. */
int nd_yaml_line(const nd_yaml_value *v);
/* -1, with this message. */
int nd_yaml_wrong(const nd_yaml *y, const nd_yaml_value *v, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* -1: the error that there is gets the file and v's line. */
int nd_yaml_wrong_at(const nd_yaml *y, const nd_yaml_value *v);

/* A scalar's text, the document's; NULL: it is no scalar. */
const char *nd_yaml_text(const nd_yaml_value *v);
/* A text of one character or more in place of *out, which is freed; the caller's. */
int nd_yaml_take_text(const nd_yaml *y, const nd_yaml_value *v, char **out);
/* Error: below low or above high, which are told. */
int nd_yaml_take_whole(const nd_yaml *y, const nd_yaml_value *v, int64_t low, int64_t high, int64_t *out);

/* Reads a value into context; 0, or -1 and an error. Of a sequence's items the key is the sequence's. */
typedef int (*nd_yaml_read)(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context);
/* Of each key of a mapping, which are words and differ; what: "a study". */
int nd_yaml_each_pair(nd_yaml *y, const nd_yaml_value *v, const char *what, nd_yaml_read read, void *context);
/* Of each item of a sequence; what: the message where it is none. */
int nd_yaml_each_item(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, const char *what,
                      nd_yaml_read read, void *context);

/* A key of a table that a NULL name ends: its value is read to `offset` of the object. */
typedef struct nd_yaml_field {
  const char *name;
  nd_yaml_read read;
  size_t offset;
} nd_yaml_field;
/* Reads a mapping into object. Error: a key that the table does not have; those that it has are told. */
int nd_yaml_read_fields(nd_yaml *y, const nd_yaml_value *v, const char *what, const nd_yaml_field *table,
                        void *object);

#endif
