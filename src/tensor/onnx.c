/* Nodes and constants in the words of ONNX, each once. */
#include "tensor/onnx-private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void node_free(gpointer data) {
  nd_onnx_node_record *n = data;
  g_free(n->inputs);
  g_free((void *)n->attributes);
  g_free(n);
}

nd_onnx *nd_onnx_new(void) {
  nd_onnx *o = g_new0(nd_onnx, 1);
  o->text = g_string_chunk_new(4096);
  o->nodes = g_ptr_array_new_with_free_func(node_free);
  o->constants = g_ptr_array_new_with_free_func(g_free);
  o->made = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  o->numbers = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  o->names = g_hash_table_new(g_str_hash, g_str_equal);
  return o;
}

void nd_onnx_free(nd_onnx *o) {
  if (!o)
    return;
  g_ptr_array_free(o->nodes, TRUE);
  g_ptr_array_free(o->constants, TRUE);
  g_hash_table_destroy(o->made);
  g_hash_table_destroy(o->numbers);
  g_hash_table_destroy(o->names);
  g_string_chunk_free(o->text);
  g_free(o->place);
  g_free(o->failure);
  g_free(o->values);
  g_free(o->layouts);
  g_free(o);
}

void nd_onnx_fail(nd_onnx *o, const char *format, ...) {
  if (o->failure)
    return;
  va_list args;
  va_start(args, format);
  o->failure = g_strdup_vprintf(format, args);
  va_end(args);
}

int nd_onnx_check(const nd_onnx *o) {
  return o->failure ? nd_fail("%s", o->failure) : 0;
}

size_t nd_onnx_nodes(const nd_onnx *o) {
  return o->nodes->len;
}

const nd_onnx_node_record *nd_onnx_node_at(const nd_onnx *o, size_t i) {
  return g_ptr_array_index(o->nodes, i);
}

size_t nd_onnx_constants(const nd_onnx *o) {
  return o->constants->len;
}

const nd_onnx_constant *nd_onnx_constant_at(const nd_onnx *o, size_t i) {
  return g_ptr_array_index(o->constants, i);
}

/* ---- Names ---- */

/* The name itself, or with a number behind it where that is taken. */
static const char *new_name(nd_onnx *o, const char *wanted) {
  g_autofree char *name = g_strdup(wanted);
  for (int i = 2; g_hash_table_contains(o->names, name); i++) {
    g_free(name);
    name = g_strdup_printf("%s_%d", wanted, i);
  }
  const char *kept = g_string_chunk_insert(o->text, name);
  g_hash_table_add(o->names, (gpointer)kept);
  return kept;
}

/* ---- Nodes ---- */

static char *words_of(const char *type, const char *const *inputs, const nd_onnx_attribute *attributes) {
  GString *s = g_string_new(type);
  for (int i = 0; inputs[i]; i++)
    g_string_append_printf(s, "\n%s", inputs[i]);
  for (int i = 0; attributes && attributes[i].name; i++) {
    const nd_onnx_attribute *a = &attributes[i];
    g_string_append_printf(s, "\n=%s %d %a %s", a->name, a->count, (double)a->real, a->text ? a->text : "");
    for (int k = 0; k < ND_ONNX_MAX_LIST; k++)
      g_string_append_printf(s, " %" G_GINT64_FORMAT, a->ints[k]);
  }
  return g_string_free(s, FALSE);
}

static const nd_onnx_attribute *copied(const nd_onnx_attribute *attributes) {
  int n = 0;
  while (attributes && attributes[n].name)
    n++;
  nd_onnx_attribute *copy = g_new0(nd_onnx_attribute, n + 1);
  for (int i = 0; i < n; i++)
    copy[i] = attributes[i];
  return copy;
}

static const char *append(nd_onnx *o, const char *name, const char *type, const char *const *inputs,
                          const nd_onnx_attribute *attributes) {
  guint n = g_strv_length((char **)inputs);
  nd_onnx_node_record *r = g_new0(nd_onnx_node_record, 1);
  r->type = g_string_chunk_insert_const(o->text, type);
  r->name = name;
  r->inputs = g_memdup2(inputs, (n + 1) * sizeof *inputs);
  r->attributes = copied(attributes);
  g_ptr_array_add(o->nodes, r);
  return name;
}

const char *nd_onnx_node(nd_onnx *o, const char *type, const char *const *inputs,
                         const nd_onnx_attribute *attributes) {
  if (o->failure)
    return "";
  char *words = words_of(type, inputs, attributes);
  const char *known = g_hash_table_lookup(o->made, words);
  if (known) {
    g_free(words);
    return known;
  }
  g_autofree char *wanted = o->place ? g_strdup_printf("%s/%s", o->place, type) : g_strdup(type);
  const char *name = append(o, new_name(o, wanted), type, inputs, attributes);
  g_hash_table_insert(o->made, words, (gpointer)name);
  return name;
}

const char *nd_onnx_node_named(nd_onnx *o, const char *name, const char *type, const char *const *inputs) {
  return o->failure ? "" : append(o, new_name(o, name), type, inputs, NULL);
}

/* ---- Constants ---- */

static const char *add_constant(nd_onnx *o, const char *name, nd_onnx_constant c) {
  c.name = new_name(o, name);
  g_ptr_array_add(o->constants, g_memdup2(&c, sizeof c));
  return c.name;
}

/* The key holds a copy of the data, which the constant then uses. */
static const char *number(nd_onnx *o, const char *name, nd_onnx_constant c) {
  if (o->failure)
    return "";
  struct {
    int64_t type, rank, dims[4];
  } head = {c.type, c.rank, {c.dims[0], c.dims[1], c.dims[2], c.dims[3]}};
  char *bytes = g_malloc(sizeof head + c.bytes);
  memcpy(bytes, &head, sizeof head);
  memcpy(bytes + sizeof head, c.data, c.bytes);
  GBytes *key = g_bytes_new_take(bytes, sizeof head + c.bytes);
  const char *known = g_hash_table_lookup(o->numbers, key);
  if (known) {
    g_bytes_unref(key);
    return known;
  }
  c.data = bytes + sizeof head;
  known = add_constant(o, name, c);
  g_hash_table_insert(o->numbers, key, (gpointer)known);
  return known;
}

const char *nd_onnx_ints(nd_onnx *o, int count, const int64_t *values) {
  GString *name = g_string_new("ints");
  for (int i = 0; i < count && count <= ND_ONNX_MAX_LIST; i++)
    g_string_append_printf(name, "%c%" G_GINT64_FORMAT, i ? ',' : ':', values[i]);
  const char *made = number(o, name->str,
                            (nd_onnx_constant){.type = ND_ONNX_I64,
                                               .rank = 1,
                                               .dims = {count},
                                               .data = values,
                                               .bytes = (size_t)count * sizeof *values});
  g_string_free(name, TRUE);
  return made;
}

const char *nd_onnx_int(nd_onnx *o, int64_t value) {
  return nd_onnx_ints(o, 1, &value);
}

const char *nd_onnx_reals(nd_onnx *o, int rank, const int64_t *dims, const float *values) {
  nd_onnx_constant c = {.type = ND_ONNX_F32, .rank = rank, .data = values, .bytes = sizeof *values};
  for (int i = 0; i < rank; i++) {
    c.dims[i] = dims[i];
    c.bytes *= (size_t)dims[i];
  }
  return number(o, rank ? "reals" : "real", c);
}

const char *nd_onnx_real(nd_onnx *o, float value) {
  return nd_onnx_reals(o, 0, NULL, &value);
}

const char *nd_onnx_parameter(nd_onnx *o, const char *name, int rank, const int *dims, const float *data) {
  if (o->failure)
    return "";
  nd_onnx_constant c = {.type = ND_ONNX_F32, .rank = rank, .data = data, .bytes = sizeof *data};
  for (int i = 0; i < rank; i++) {
    c.dims[i] = dims[i];
    c.bytes *= (size_t)dims[i];
  }
  return add_constant(o, name, c);
}

/* ---- What is needed ---- */

void nd_onnx_keep(nd_onnx *o, const char *name) {
  g_autoptr(GHashTable) needed = g_hash_table_new(g_str_hash, g_str_equal);
  g_hash_table_add(needed, (gpointer)name);
  for (guint i = o->nodes->len; i-- > 0;) {
    const nd_onnx_node_record *n = nd_onnx_node_at(o, i);
    if (!g_hash_table_contains(needed, n->name))
      g_ptr_array_remove_index(o->nodes, i);
    else
      for (int k = 0; n->inputs[k]; k++)
        g_hash_table_add(needed, n->inputs[k]);
  }
  for (guint i = o->constants->len; i-- > 0;)
    if (!g_hash_table_contains(needed, nd_onnx_constant_at(o, i)->name))
      g_ptr_array_remove_index(o->constants, i);
}

/* ---- Nodes that many need ---- */

const char *nd_onnx_reshape(nd_onnx *o, const char *x, int count, const int64_t *dims) {
  return nd_onnx_node(o, "Reshape", ND_ONNX_IN(x, nd_onnx_ints(o, count, dims)), NULL);
}

const char *nd_onnx_transpose(nd_onnx *o, const char *x, int count, const int64_t *order) {
  nd_onnx_attribute a = ND_ONNX_LIST("perm", count, 0);
  memcpy(a.ints, order, (size_t)count * sizeof *order);
  return nd_onnx_node(o, "Transpose", ND_ONNX_IN(x), ND_ONNX_WITH(a));
}

const char *nd_onnx_slice(nd_onnx *o, const char *x, int axis, int64_t begin, int64_t end) {
  return nd_onnx_node(o, "Slice",
                      ND_ONNX_IN(x, nd_onnx_int(o, begin), nd_onnx_int(o, end), nd_onnx_int(o, axis)), NULL);
}

const char *nd_onnx_join(nd_onnx *o, const char *const *parts) {
  return nd_onnx_node(o, "Concat", parts, ND_ONNX_WITH(ND_ONNX_INT("axis", 0)));
}
