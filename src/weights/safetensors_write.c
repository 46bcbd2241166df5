#include "weights/json-private.h"
#include "weights/safetensors-private.h"

#include <string.h>

static int check_tensor(const nd_st_tensor *t, GHashTable *names, size_t *bytes) {
  size_t count;
  if (!t->name || !g_utf8_validate(t->name, -1, NULL) || !strcmp(t->name, ND_ST_METADATA_KEY))
    return nd_fail("a tensor's name is missing, reserved, or not valid UTF-8");
  if (!g_hash_table_add(names, (gpointer)t->name))
    return nd_fail("two tensors are named '%s'", t->name);
  if ((unsigned)t->type >= ND_ST_TYPES || t->rank < 0 || t->rank > ND_ST_MAX_RANK)
    return nd_fail("tensor '%s' has an unknown type or an impossible rank", t->name);
  if (nd_st_check_shape(t, &count, bytes))
    return nd_fail_in("tensor '%s'", t->name);
  if (count != t->count || (count && !t->data))
    return nd_fail("tensor '%s' has %zu elements, its shape makes %zu", t->name, t->data ? t->count : 0,
                   count);
  return 0;
}

static int append_tensor(GString *header, const nd_st_tensor *t, GHashTable *names, size_t *offset) {
  size_t bytes, begin = *offset;
  if (check_tensor(t, names, &bytes))
    return -1;
  if (__builtin_add_overflow(begin, bytes, offset) || *offset > INT64_MAX)
    return nd_fail("too much data");
  nd_json_append_string(header, t->name);
  g_string_append_printf(header, ":{\"dtype\":\"%s\",\"shape\":[", nd_st_type_name(t->type));
  for (int i = 0; i < t->rank; i++)
    g_string_append_printf(header, "%s%" G_GINT64_FORMAT, i ? "," : "", t->shape[i]);
  g_string_append_printf(header, "],\"data_offsets\":[%zu,%zu]},", begin, *offset);
  return 0;
}

const char *nd_st_value(const nd_st_metadata *all, size_t n, const char *key) {
  for (size_t i = 0; i < n; i++)
    if (!strcmp(all[i].key, key))
      return all[i].value;
  return NULL;
}

static int append_metadata(GString *header, const nd_st_metadata *metadata, size_t n) {
  g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
  g_string_append(header, "\"" ND_ST_METADATA_KEY "\":{");
  for (size_t i = 0; i < n; i++) {
    const nd_st_metadata *m = &metadata[i];
    if (!m->key || !m->value || !g_utf8_validate(m->key, -1, NULL) || !g_utf8_validate(m->value, -1, NULL))
      return nd_fail("a metadata key or value is missing or not valid UTF-8");
    if (!g_hash_table_add(keys, (gpointer)m->key))
      return nd_fail("two metadata keys are named '%s'", m->key);
    g_string_append(header, i ? "," : "");
    nd_json_append_string(header, m->key);
    g_string_append_c(header, ':');
    nd_json_append_string(header, m->value);
  }
  g_string_append(header, "},");
  return 0;
}

/* The JSON, filled up with spaces so that the data begin at a multiple of 8. */
static int make_header(GString *header, const nd_st_tensor *tensors, size_t n, const nd_st_metadata *metadata,
                       size_t n_metadata) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t offset = 0;
  g_string_append_c(header, '{');
  if (n_metadata && append_metadata(header, metadata, n_metadata))
    return -1;
  for (size_t i = 0; i < n; i++)
    if (append_tensor(header, &tensors[i], names, &offset))
      return -1;
  if (header->str[header->len - 1] == ',')
    g_string_truncate(header, header->len - 1);
  g_string_append_c(header, '}');
  while (header->len % 8)
    g_string_append_c(header, ' ');
  if (header->len > ND_ST_MAX_HEADER)
    return nd_fail("the header would have %zu bytes, more than the format allows (%d)", (size_t)header->len,
                   ND_ST_MAX_HEADER);
  return 0;
}

int nd_safetensors_save(const char *path, const nd_st_tensor *tensors, size_t n,
                        const nd_st_metadata *metadata, size_t n_metadata) {
  g_autoptr(GString) header = g_string_new(NULL);
  if (make_header(header, tensors, n, metadata, n_metadata))
    return nd_fail_in("cannot write weights '%s'", path);
  nd_file_out *file = nd_file_begin(path);
  if (!file)
    return -1;
  uint64_t length = header->len;
  nd_file_put(file, &length, sizeof length);
  nd_file_put(file, header->str, header->len);
  for (size_t i = 0; i < n; i++)
    nd_file_put(file, tensors[i].data, tensors[i].count * nd_st_type_size(tensors[i].type));
  return nd_file_commit(file);
}
