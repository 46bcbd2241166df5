#include "study/yaml-private.h"

#include "base/base.h"

#include <string.h>

/* ---- The document ---- */
int nd_yaml_open(const char *path, const char *text, size_t n, nd_yaml *out) {
  yaml_parser_t parser;
  *out = (nd_yaml){.path = path};
  if (!yaml_parser_initialize(&parser))
    return nd_fail("%s: out of memory", path);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
  int failed = !yaml_parser_load(&parser, &out->document);
  if (failed)
    nd_fail("%s:%d: not valid YAML: %s", path, (int)parser.problem_mark.line + 1,
            parser.problem ? parser.problem : "out of memory");
  yaml_parser_delete(&parser);
  return failed ? -1 : 0;
}

void nd_yaml_close(nd_yaml *y) {
  yaml_document_delete(&y->document);
}

nd_yaml_value *nd_yaml_root(nd_yaml *y) {
  return yaml_document_get_root_node(&y->document);
}

/* ---- Errors ---- */
int nd_yaml_line(const nd_yaml_value *v) {
  return (int)v->start_mark.line + 1;
}

int nd_yaml_wrong_at(const nd_yaml *y, const nd_yaml_value *v) {
  return nd_fail_in("%s:%d", y->path, nd_yaml_line(v));
}

int nd_yaml_wrong(const nd_yaml *y, const nd_yaml_value *v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  nd_fail("%s", message);
  return nd_yaml_wrong_at(y, v);
}

/* ---- Scalars ---- */
const char *nd_yaml_text(const nd_yaml_value *v) {
  return v->type == YAML_SCALAR_NODE ? (const char *)v->data.scalar.value : NULL;
}

int nd_yaml_take_text(const nd_yaml *y, const nd_yaml_value *v, char **out) {
  const char *text = nd_yaml_text(v);
  if (!text || !*text || strlen(text) != v->data.scalar.length || !g_utf8_validate(text, -1, NULL))
    return nd_yaml_wrong(y, v, "a text is expected here");
  g_free(*out);
  *out = g_strdup(text);
  return 0;
}

int nd_yaml_take_whole(const nd_yaml *y, const nd_yaml_value *v, int64_t low, int64_t high, int64_t *out) {
  const char *text = nd_yaml_text(v);
  gint64 x;
  if (!text || !g_ascii_string_to_signed(text, 10, low, high, &x, NULL))
    return nd_yaml_wrong(
        y, v, "a whole number between %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT " is expected", low, high);
  *out = x;
  return 0;
}

/* ---- Mappings and sequences ---- */
static nd_yaml_value *at(nd_yaml *y, int index) {
  return yaml_document_get_node(&y->document, index);
}

int nd_yaml_each_pair(nd_yaml *y, const nd_yaml_value *v, const char *what, nd_yaml_read read,
                      void *context) {
  if (v->type != YAML_MAPPING_NODE)
    return nd_yaml_wrong(y, v, "%s consists of lines 'key: value'", what);
  const yaml_node_pair_t *pairs = v->data.mapping.pairs.start;
  for (const yaml_node_pair_t *p = pairs; p < v->data.mapping.pairs.top; p++) {
    const nd_yaml_value *key = at(y, p->key);
    if (!nd_yaml_text(key))
      return nd_yaml_wrong(y, key, "a key must be a word");
    for (const yaml_node_pair_t *q = pairs; q < p; q++)
      if (!strcmp(nd_yaml_text(at(y, q->key)), nd_yaml_text(key)))
        return nd_yaml_wrong(y, key, "'%s' was given before, in line %d", nd_yaml_text(key),
                             nd_yaml_line(at(y, q->key)));
    if (read(y, key, at(y, p->value), context))
      return -1;
  }
  return 0;
}

int nd_yaml_each_item(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, const char *what,
                      nd_yaml_read read, void *context) {
  if (value->type != YAML_SEQUENCE_NODE)
    return nd_yaml_wrong(y, key, "%s", what);
  const yaml_node_item_t *end = value->data.sequence.items.top;
  for (const yaml_node_item_t *i = value->data.sequence.items.start; i < end; i++)
    if (read(y, key, at(y, *i), context))
      return -1;
  return 0;
}

/* ---- Tables of keys ---- */
typedef struct fields {
  const nd_yaml_field *table;
  const char *what;
  void *object;
} fields;

static int read_field(nd_yaml *y, const nd_yaml_value *key, const nd_yaml_value *value, void *context) {
  const fields *f = context;
  g_autoptr(GString) known = g_string_new(NULL);
  for (const nd_yaml_field *each = f->table; each->name; each++) {
    if (!strcmp(each->name, nd_yaml_text(key)))
      return each->read(y, key, value, (char *)f->object + each->offset);
    g_string_append_printf(known, "%s%s", known->len ? ", " : "", each->name);
  }
  return nd_yaml_wrong(y, key, "unknown key '%.100s' of %s; there are %s", nd_yaml_text(key), f->what,
                       known->str);
}

int nd_yaml_read_fields(nd_yaml *y, const nd_yaml_value *v, const char *what, const nd_yaml_field *table,
                        void *object) {
  return nd_yaml_each_pair(y, v, what, read_field, &(fields){table, what, object});
}
