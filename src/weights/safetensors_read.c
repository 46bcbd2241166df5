#include "weights/json-private.h"
#include "weights/safetensors-private.h"

#include <string.h>

nd_safetensors *nd_safetensors_new(void) {
  nd_safetensors *file = g_new0(nd_safetensors, 1);
  file->strings = g_string_chunk_new(4096);
  file->tensors = g_array_new(FALSE, TRUE, sizeof(nd_st_tensor));
  file->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  file->keys = g_ptr_array_new();
  file->metadata = g_hash_table_new(g_str_hash, g_str_equal);
  file->blocks = g_ptr_array_new_with_free_func(nd_mem_free);
  return file;
}

void nd_safetensors_close(nd_safetensors *file) {
  if (!file)
    return;
  g_ptr_array_unref(file->blocks);
  g_hash_table_unref(file->metadata);
  g_ptr_array_unref(file->keys);
  g_hash_table_unref(file->by_name);
  g_array_unref(file->tensors);
  g_string_chunk_free(file->strings);
  g_clear_pointer(&file->map, g_mapped_file_unref);
  g_free(file);
}

int nd_safetensors_index(nd_safetensors *file) {
  for (guint i = 0; i < file->tensors->len; i++) {
    nd_st_tensor *t = &g_array_index(file->tensors, nd_st_tensor, i);
    if (!g_hash_table_insert(file->by_name, (gpointer)t->name, t))
      return nd_fail("the name '%s' occurs twice", t->name);
  }
  return 0;
}

void nd_safetensors_tell(nd_safetensors *file, const char *key, const char *value) {
  GPtrArray *keys = file->keys;
  if (keys->len)
    g_ptr_array_set_size(keys, (gint)keys->len - 1);
  g_ptr_array_add(keys, g_string_chunk_insert(file->strings, key));
  g_hash_table_insert(file->metadata, keys->pdata[keys->len - 1],
                      g_string_chunk_insert(file->strings, value));
  g_ptr_array_add(keys, NULL);
}

static int read_metadata(nd_safetensors *file, nd_json *j) {
  if (nd_json_enter(j, '{'))
    return -1;
  int more;
  while ((more = nd_json_next(j, '}')) > 0) {
    const char *key, *value;
    if (nd_json_key(j, file->strings, &key) || nd_json_string(j, file->strings, &value))
      return -1;
    if (!g_hash_table_insert(file->metadata, (gpointer)key, (gpointer)value))
      return nd_fail("the key '%s' occurs twice", key);
    g_ptr_array_add(file->keys, (gpointer)key);
  }
  return more;
}

static int read_type(nd_safetensors *file, nd_json *j, nd_st_tensor *t) {
  const char *name;
  return nd_json_string(j, file->strings, &name) ? -1 : nd_st_type_find(name, &t->type);
}

static int read_shape(nd_json *j, nd_st_tensor *t) {
  if (nd_json_enter(j, '['))
    return -1;
  int more;
  while ((more = nd_json_next(j, ']')) > 0) {
    if (t->rank == ND_ST_MAX_RANK)
      return nd_fail("more than %d dimensions", ND_ST_MAX_RANK);
    if (nd_json_count(j, &t->shape[t->rank++]))
      return -1;
  }
  return more;
}

static int read_offsets(nd_json *j, int64_t offsets[2]) {
  if (nd_json_enter(j, '['))
    return -1;
  for (int i = 0; i < 2; i++) {
    int more = nd_json_next(j, ']');
    if (more <= 0)
      return more < 0 ? -1 : nd_fail("data_offsets needs two numbers");
    if (nd_json_count(j, &offsets[i]))
      return -1;
  }
  int more = nd_json_next(j, ']');
  return more > 0 ? nd_fail("data_offsets has more than two numbers") : more;
}

/* The members of a tensor's entry that must be there, each once. */
enum { TYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };

static int read_field(nd_safetensors *file, nd_json *j, nd_st_tensor *t, int64_t offsets[2], unsigned *seen) {
  static const char *const names[] = {"dtype", "shape", "data_offsets"};
  const char *key;
  if (nd_json_key(j, file->strings, &key))
    return -1;
  unsigned field = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
    if (!strcmp(key, names[i]))
      field = 1u << i;
  if (*seen & field)
    return nd_fail("'%s' occurs twice", key);
  *seen |= field;
  switch (field) {
  case TYPE:
    return read_type(file, j, t);
  case SHAPE:
    return read_shape(j, t);
  case OFFSETS:
    return read_offsets(j, offsets);
  default:
    return nd_json_skip(j);
  }
}

static int place(const nd_safetensors *file, nd_st_tensor *t, const int64_t offsets[2]) {
  size_t bytes;
  if (nd_st_check_shape(t, &t->count, &bytes))
    return -1;
  int64_t begin = offsets[0], end = offsets[1];
  if (begin > end || (uint64_t)end > file->data_size)
    return nd_fail("its data would stand at bytes %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                   " of %zu; is the file cut short?",
                   begin, end, file->data_size);
  if ((uint64_t)(end - begin) != bytes)
    return nd_fail("its shape and type make %zu bytes, its data has %" G_GINT64_FORMAT, bytes, end - begin);
  t->data = file->data + begin;
  return 0;
}

static int read_entry(nd_safetensors *file, nd_json *j, nd_st_tensor *t) {
  int64_t offsets[2] = {0};
  unsigned seen = 0;
  if (nd_json_enter(j, '{'))
    return -1;
  int more;
  while ((more = nd_json_next(j, '}')) > 0)
    if (read_field(file, j, t, offsets, &seen))
      return -1;
  if (more < 0)
    return -1;
  if (seen != ALL)
    return nd_fail("it needs dtype, shape and data_offsets");
  return place(file, t, offsets);
}

static int read_tensor(nd_safetensors *file, nd_json *j, const char *name) {
  nd_st_tensor t = {.name = name};
  if (file->tensors->len >= ND_ST_MAX_TENSORS)
    return nd_fail("it has more than %d tensors", ND_ST_MAX_TENSORS);
  if (!g_hash_table_add(file->by_name, (gpointer)name))
    return nd_fail("the name '%s' occurs twice", name);
  if (read_entry(file, j, &t))
    return nd_fail_in("tensor '%s'", name);
  g_array_append_val(file->tensors, t);
  return 0;
}

static int read_header(nd_safetensors *file, const char *text, size_t size) {
  if (!g_utf8_validate_len(text, size, NULL))
    return nd_fail("it is no safetensors file: what should be its header is not valid UTF-8");
  nd_json j = {.text = text, .size = size};
  bool metadata_seen = false;
  if (nd_json_enter(&j, '{'))
    return nd_fail_in("in its header");
  int more;
  while ((more = nd_json_next(&j, '}')) > 0) {
    const char *name;
    if (nd_json_key(&j, file->strings, &name))
      return nd_fail_in("in its header");
    bool metadata = !strcmp(name, ND_ST_METADATA_KEY);
    if (metadata && metadata_seen)
      return nd_fail("the header has two '%s'", name);
    if (metadata ? read_metadata(file, &j) : read_tensor(file, &j, name))
      return nd_fail_in(metadata ? "in its metadata" : "in its header");
    metadata_seen |= metadata;
  }
  if (more < 0 || nd_json_end(&j))
    return nd_fail_in("in its header");
  return 0;
}

static size_t byte_size(const nd_st_tensor *t) {
  return t->count * nd_st_type_size(t->type);
}

/* By position; of two at the same place the empty one comes first. */
static int compare_place(const void *a, const void *b) {
  const nd_st_tensor *s = a, *t = b;
  if (s->data != t->data)
    return (const char *)s->data < (const char *)t->data ? -1 : 1;
  return (byte_size(s) > byte_size(t)) - (byte_size(s) < byte_size(t));
}

/* The format wants the data covered without holes, so that nothing can hide in a file. */
static int check_cover(nd_safetensors *file) {
  const char *at = file->data, *before = NULL;
  g_array_sort(file->tensors, compare_place);
  for (guint i = 0; i < file->tensors->len; i++) {
    nd_st_tensor *t = &g_array_index(file->tensors, nd_st_tensor, i);
    const char *data = t->data;
    if (data < at)
      return nd_fail("the data of tensors '%s' and '%s' overlap", before, t->name);
    if (data > at)
      return nd_fail("%td bytes before the data of tensor '%s' belong to no tensor", data - at, t->name);
    at = data + byte_size(t);
    before = t->name;
    g_hash_table_insert(file->by_name, (gpointer)t->name, t);
  }
  if (at != file->data + file->data_size)
    return nd_fail("the last %td bytes belong to no tensor", file->data + file->data_size - at);
  return 0;
}

bool nd_safetensors_begins(const void *bytes, size_t n) {
  uint64_t header = 0;
  if (n >= sizeof header)
    memcpy(&header, bytes, sizeof header);
  return header <= ND_ST_MAX_HEADER;
}

static int parse(nd_safetensors *file, const char *bytes, size_t n) {
  uint64_t header;
  if (!nd_safetensors_begins(bytes, n))
    return nd_fail("it is no safetensors file");
  if (n < sizeof header)
    return nd_fail("it is no safetensors file, or was cut short: it has %s", nd_count(n, "byte").text);
  memcpy(&header, bytes, sizeof header);
  if (header > n - sizeof header)
    return nd_fail("its header should have %" G_GUINT64_FORMAT " bytes, the file has %zu; was it cut short?",
                   header, n);
  file->data = bytes + sizeof header + header;
  file->data_size = n - sizeof header - header;
  if (read_header(file, bytes + sizeof header, header) || check_cover(file))
    return -1;
  g_ptr_array_add(file->keys, NULL);
  return 0;
}

int nd_safetensors_parse(const void *bytes, size_t n, nd_safetensors **out) {
  *out = nd_safetensors_new();
  if (!parse(*out, bytes, n))
    return 0;
  nd_safetensors_close(*out);
  *out = NULL;
  return -1;
}

size_t nd_safetensors_count(const nd_safetensors *file) {
  return file->tensors->len;
}

const nd_st_tensor *nd_safetensors_at(const nd_safetensors *file, size_t i) {
  return &g_array_index(file->tensors, nd_st_tensor, i);
}

const nd_st_tensor *nd_safetensors_find(const nd_safetensors *file, const char *name) {
  return g_hash_table_lookup(file->by_name, name);
}

const char *nd_safetensors_metadata(const nd_safetensors *file, const char *key) {
  return g_hash_table_lookup(file->metadata, key);
}

const char *const *nd_safetensors_metadata_keys(const nd_safetensors *file) {
  return (const char *const *)file->keys->pdata;
}
