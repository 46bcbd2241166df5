/* PyTorch's storages and tensors as its pickles describe them. */
#include "weights/pickle-private.h"

#include <string.h>

/* ---- Types ---- */

static const struct {
  const char *storage, *element;
  nd_st_type type;
} types[] = {
    {"torch.FloatStorage", "torch.float32", ND_ST_F32},
    {"torch.HalfStorage", "torch.float16", ND_ST_F16},
    {"torch.BFloat16Storage", "torch.bfloat16", ND_ST_BF16},
    {"torch.DoubleStorage", "torch.float64", ND_ST_F64},
    {"torch.LongStorage", "torch.int64", ND_ST_I64},
    {"torch.IntStorage", "torch.int32", ND_ST_I32},
    {"torch.ShortStorage", "torch.int16", ND_ST_I16},
    {"torch.CharStorage", "torch.int8", ND_ST_I8},
    {"torch.ByteStorage", "torch.uint8", ND_ST_U8},
    {"torch.BoolStorage", "torch.bool", ND_ST_BOOL},
    {"", "torch.uint16", ND_ST_U16},
    {"", "torch.uint32", ND_ST_U32},
    {"", "torch.uint64", ND_ST_U64},
};

static const nd_foreign foreign_types[] = {
    {"torch.ComplexFloatStorage", "torch.complex64", 8},
    {"torch.ComplexDoubleStorage", "torch.complex128", 16},
    {"torch.QInt8Storage", "torch.qint8", 1},
    {"torch.QUInt8Storage", "torch.quint8", 1},
    {"torch.QInt32Storage", "torch.qint32", 4},
    {"torch.QUInt4x2Storage", "torch.quint4x2", 1}, /* what holds two of them */
    {"torch.QUInt2x4Storage", "torch.quint2x4", 1},
};

static bool is_untyped(const char *name) {
  return !strcmp(name, "torch.storage.UntypedStorage") || !strcmp(name, "torch.UntypedStorage");
}

/* What a storage of that kind holds. */
static int read_kind(const char *name, nd_storage *out) {
  *out = (nd_storage){.type = ND_ST_U8, .untyped = is_untyped(name)};
  for (size_t i = 0; i < G_N_ELEMENTS(foreign_types); i++)
    if (!strcmp(foreign_types[i].storage, name))
      out->foreign = &foreign_types[i];
  if (out->untyped || out->foreign)
    return 0;
  for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
    if (!strcmp(types[i].storage, name)) {
      out->type = types[i].type;
      return 0;
    }
  return nd_fail("a storage of the kind '%s', which is not read here", name);
}

/* false: a type that is not read. */
static bool type_of_element(const char *name, nd_st_type *out) {
  for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
    if (!strcmp(types[i].element, name)) {
      *out = types[i].type;
      return true;
    }
  return false;
}

/* ---- Storages ---- */

static const size_t MAX_COUNT = (size_t)1 << 40;

static nd_storage *known_or_new(nd_pickle *p, const char *key, const char *name, size_t count) {
  nd_storage kind, *s = nd_pickle_find_storage(p, key);
  if (read_kind(name, &kind))
    return NULL;
  if (s && (s->type != kind.type || s->untyped != kind.untyped || s->foreign != kind.foreign ||
            s->count != count)) {
    nd_fail("storage '%s' is described in two ways", key);
    return NULL;
  }
  if (s || !(s = nd_pickle_add_storage(p, key)))
    return s;
  s->type = kind.type;
  s->untyped = kind.untyped;
  s->foreign = kind.foreign;
  s->count = count;
  return s;
}

/* Old files may say: elements from an offset of another storage, under a key of their own. */
static nd_storage *part_of(nd_pickle *p, nd_storage *root, const nd_pickle_value *part) {
  const nd_pickle_value *key = nd_pickle_value_at(part, 0, ND_KIND_TEXT),
                        *offset = nd_pickle_value_at(part, 1, ND_KIND_INT),
                        *count = nd_pickle_value_at(part, 2, ND_KIND_INT);
  if (!key || !offset || !count || offset->integer < 0 || count->integer < 0 ||
      (size_t)offset->integer > root->count ||
      (size_t)count->integer > root->count - (size_t)offset->integer) {
    nd_fail("a part of storage '%s' lies outside it", root->key);
    return NULL;
  }
  nd_storage *s = nd_pickle_find_storage(p, key->text);
  if (s &&
      (s->root != root || s->root_offset != (size_t)offset->integer || s->count != (size_t)count->integer)) {
    nd_fail("storage '%s' is described in two ways", key->text);
    return NULL;
  }
  if (s || !(s = nd_pickle_add_storage(p, key->text)))
    return s;
  s->type = root->type;
  s->untyped = root->untyped;
  s->foreign = root->foreign;
  s->root = root;
  s->root_offset = (size_t)offset->integer;
  s->count = (size_t)count->integer;
  return s;
}

/* ('storage', kind, key, device, count[, part]) */
nd_pickle_value *nd_pickle_resolve(nd_pickle *p, const nd_pickle_value *id) {
  const nd_pickle_value *what = nd_pickle_value_at(id, 0, ND_KIND_TEXT),
                        *kind = nd_pickle_value_at(id, 1, ND_KIND_GLOBAL),
                        *key = nd_pickle_value_at(id, 2, ND_KIND_TEXT),
                        *count = nd_pickle_value_at(id, 4, ND_KIND_INT),
                        *part = nd_pickle_value_at(id, 5, ND_KIND_LIST);
  if (what && kind && !strcmp(what->text, "module")) /* its class, with the source text, in old files */
    return g_ptr_array_index(id->items, 1);
  if (!what || strcmp(what->text, "storage") || !kind || !key || !count || count->integer < 0 ||
      (size_t)count->integer > MAX_COUNT) {
    nd_fail("a storage is not described as PyTorch does");
    return NULL;
  }
  nd_storage *s = known_or_new(p, key->text, kind->text, (size_t)count->integer);
  if (s && part)
    s = part_of(p, s, part);
  nd_pickle_value *v = s ? nd_pickle_new_value(p, ND_KIND_STORAGE) : NULL;
  if (v)
    v->storage = s;
  return v;
}

/* ---- Tensors ---- */

static int read_numbers(const nd_pickle_value *list, int64_t out[ND_ST_MAX_RANK]) {
  for (guint i = 0; i < list->items->len; i++) {
    const nd_pickle_value *x = nd_pickle_value_at(list, i, ND_KIND_INT);
    if (!x || x->integer < 0)
      return nd_fail("the shape of a tensor is not made of whole numbers");
    out[i] = x->integer;
  }
  return 0;
}

/* Its first and last element inside the storage. */
static int check_extent(nd_view *v) {
  const nd_storage *s = v->storage;
  size_t held = s->untyped ? s->count / nd_st_type_size(v->type) : s->count;
  int64_t last = v->offset, way;
  v->count = 1;
  bool sound = true, empty = false;
  for (int i = 0; i < v->rank; i++) {
    sound = sound && !__builtin_mul_overflow(v->count, (size_t)v->shape[i], &v->count);
    sound = sound && !__builtin_mul_overflow(v->shape[i] - 1, v->stride[i], &way) &&
            !__builtin_add_overflow(last, way, &last);
    empty = empty || !v->shape[i];
  }
  if (empty) {
    v->count = 0;
    return 0;
  }
  if (!sound || last < 0 || (size_t)last >= held || v->count > MAX_COUNT)
    return nd_fail("a tensor reaches beyond its storage '%s' of %zu elements", s->key, held);
  return 0;
}

static int fill_view(nd_view *v, const nd_pickle_value *arguments) {
  const nd_pickle_value *offset = nd_pickle_value_at(arguments, 1, ND_KIND_INT),
                        *shape = nd_pickle_value_at(arguments, 2, ND_KIND_LIST),
                        *stride = nd_pickle_value_at(arguments, 3, ND_KIND_LIST);
  if (!offset || offset->integer < 0 || !shape || !stride || shape->items->len != stride->items->len)
    return nd_fail("a tensor is not described as PyTorch does");
  if (shape->items->len > ND_ST_MAX_RANK)
    return nd_fail("a tensor has %u dimensions, more than %d", shape->items->len, ND_ST_MAX_RANK);
  v->rank = (int)shape->items->len;
  v->offset = offset->integer;
  return read_numbers(shape, v->shape) || read_numbers(stride, v->stride) ? -1 : check_extent(v);
}

static nd_pickle_value *make_view(nd_pickle *p, nd_storage *s, nd_st_type type,
                                  const nd_pickle_value *arguments) {
  if (!s->untyped && type != s->type) {
    nd_fail("a tensor and its storage '%s' have different types", s->key);
    return NULL;
  }
  nd_pickle_value *v = nd_pickle_new_value(p, ND_KIND_VIEW);
  if (!v)
    return NULL;
  v->view->storage = s;
  v->view->type = type;
  return fill_view(v->view, arguments) ? NULL : v;
}

nd_pickle_value *nd_pickle_tensor(nd_pickle *p, const nd_pickle_value *arguments,
                                  const nd_pickle_value *element) {
  const nd_pickle_value *storage = nd_pickle_value_at(arguments, 0, ND_KIND_STORAGE);
  if (!storage) {
    nd_fail("a tensor has no storage");
    return NULL;
  }
  nd_storage *s = storage->storage;
  nd_st_type type = s->type;
  if (s->foreign)
    return nd_pickle_unread(p, s->foreign->element);
  if (element && !type_of_element(element->text, &type))
    return nd_pickle_unread(p, element->text);
  return make_view(p, s, type, arguments);
}
