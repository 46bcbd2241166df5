/* The values and storages that a pickle makes, and who owns them. */
#include "weights/pickle-private.h"

#include <string.h>

static void value_free(gpointer p) {
  nd_pickle_value *v = p;
  if (v->kind == ND_KIND_LIST || v->kind == ND_KIND_DICT)
    g_ptr_array_unref(v->items);
  else if (v->kind == ND_KIND_VIEW)
    g_free(v->view);
  g_free(v);
}

nd_pickle *nd_pickle_new(void) {
  nd_pickle *p = g_new0(nd_pickle, 1);
  p->values = g_ptr_array_new_with_free_func(value_free);
  p->strings = g_string_chunk_new(4096);
  p->storages = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  p->stack = g_ptr_array_new();
  p->memo = g_ptr_array_new();
  p->marks = g_array_new(FALSE, FALSE, sizeof(guint));
  return p;
}

void nd_pickle_free(nd_pickle *p) {
  if (!p)
    return;
  g_array_unref(p->marks);
  g_ptr_array_unref(p->memo);
  g_ptr_array_unref(p->stack);
  g_hash_table_unref(p->storages);
  g_ptr_array_unref(p->values);
  g_string_chunk_free(p->strings);
  g_free(p);
}

nd_pickle_value *nd_pickle_new_value(nd_pickle *p, nd_kind kind) {
  if (p->values->len >= ND_PICKLE_MAX_VALUES) {
    nd_fail("it makes more than %d values", ND_PICKLE_MAX_VALUES);
    return NULL;
  }
  nd_pickle_value *v = g_new0(nd_pickle_value, 1);
  v->kind = kind;
  if (kind == ND_KIND_LIST || kind == ND_KIND_DICT)
    v->items = g_ptr_array_new();
  else if (kind == ND_KIND_VIEW)
    v->view = g_new0(nd_view, 1);
  g_ptr_array_add(p->values, v);
  return v;
}

static nd_pickle_value *named(nd_pickle *p, nd_kind kind, const char *text) {
  nd_pickle_value *v = nd_pickle_new_value(p, kind);
  if (v)
    v->text = text;
  return v;
}

nd_pickle_value *nd_pickle_opaque(nd_pickle *p, const char *what) {
  return named(p, ND_KIND_OPAQUE, what);
}

nd_pickle_value *nd_pickle_unread(nd_pickle *p, const char *type) {
  return named(p, ND_KIND_UNREAD, type);
}

size_t nd_storage_element(const nd_storage *s) {
  return s->foreign ? s->foreign->size : nd_st_type_size(s->type);
}

nd_storage *nd_pickle_find_storage(nd_pickle *p, const char *key) {
  return g_hash_table_lookup(p->storages, key);
}

nd_storage *nd_pickle_add_storage(nd_pickle *p, const char *key) {
  if (g_hash_table_size(p->storages) >= ND_PICKLE_MAX_STORAGES) {
    nd_fail("it has more than %d storages", ND_PICKLE_MAX_STORAGES);
    return NULL;
  }
  nd_storage *s = g_new0(nd_storage, 1);
  s->key = key;
  g_hash_table_insert(p->storages, (gpointer)key, s);
  return s;
}

const nd_pickle_value *nd_pickle_value_at(const nd_pickle_value *list, guint i, nd_kind kind) {
  if (list->kind != ND_KIND_LIST || i >= list->items->len)
    return NULL;
  const nd_pickle_value *v = g_ptr_array_index(list->items, i);
  return v->kind == kind ? v : NULL;
}

const nd_pickle_value *nd_dict_find(const nd_pickle_value *dict, const char *key) {
  for (guint i = dict->items->len; i >= 2; i -= 2) {
    const nd_pickle_value *k = g_ptr_array_index(dict->items, i - 2);
    if (k->kind == ND_KIND_TEXT && !strcmp(k->text, key))
      return g_ptr_array_index(dict->items, i - 1);
  }
  return NULL;
}
