/* A PyTorch checkpoint as named tensors: the container, its pickle, the dictionary in it, the numbers. */
#include "weights/pytorch-private.h"

#include <string.h>

enum { SPREAD_FREE = 256 << 20, SPREAD_RATIO = 4, LISTED = 3 };

typedef struct checkpoint {
  nd_safetensors *file; /* being filled */
  nd_pickle *pickle;
  nd_pytorch_zip *zip; /* NULL: old format */
  size_t spread;       /* bytes that tensors may still take that do not stand in one piece */
} checkpoint;

/* ---- Numbers ---- */

static int load_storage(checkpoint *c, nd_storage *s) {
  if (s->bytes || !s->count)
    return 0;
  if (s->root) {
    if (load_storage(c, s->root))
      return -1;
    s->bytes = s->root->bytes + s->root_offset * nd_st_type_size(s->type);
    return 0;
  }
  if (!c->zip)
    return nd_fail("storage '%s' is not in the file", s->key);
  char *bytes;
  if (nd_pytorch_zip_storage(c->zip, s, &bytes))
    return -1;
  g_ptr_array_add(c->file->blocks, bytes);
  s->bytes = bytes;
  return 0;
}

static bool in_one_piece(const nd_view *v) {
  int64_t expected = 1;
  for (int i = v->rank - 1; i >= 0; i--) {
    if (v->shape[i] != 1 && v->stride[i] != expected)
      return false;
    expected *= v->shape[i];
  }
  return true;
}

/* Element by element, the last index fastest. */
static void gather(const nd_view *v, const char *from, char *to) {
  size_t size = nd_st_type_size(v->type);
  int64_t index[ND_ST_MAX_RANK] = {0}, at = v->offset;
  for (size_t k = 0; k < v->count; k++) {
    memcpy(to + k * size, from + (size_t)at * size, size);
    for (int i = v->rank - 1; i >= 0; i--) {
      at += v->stride[i];
      if (++index[i] < v->shape[i])
        break;
      at -= v->stride[i] * v->shape[i];
      index[i] = 0;
    }
  }
}

/* Strides may make much of little: the total is limited. */
static int spread_out(checkpoint *c, const nd_view *v, nd_st_tensor *t) {
  size_t bytes = v->count * nd_st_type_size(v->type);
  if (bytes > c->spread)
    return nd_fail("its strides make far more numbers than the file holds");
  c->spread -= bytes;
  char *out = nd_mem_alloc(bytes, "a tensor of the checkpoint");
  if (!out)
    return -1;
  g_ptr_array_add(c->file->blocks, out);
  gather(v, v->storage->bytes, out);
  t->data = out;
  return 0;
}

static int add_tensor(checkpoint *c, const char *name, const nd_view *v) {
  nd_st_tensor t = {.name = g_string_chunk_insert(c->file->strings, name),
                    .type = v->type,
                    .rank = v->rank,
                    .count = v->count,
                    .data = ""};
  memcpy(t.shape, v->shape, sizeof t.shape);
  if (load_storage(c, v->storage))
    return nd_fail_in("tensor '%s'", name);
  if (v->count && in_one_piece(v))
    t.data = v->storage->bytes + (size_t)v->offset * nd_st_type_size(v->type);
  else if (v->count && spread_out(c, v, &t))
    return nd_fail_in("tensor '%s'", name);
  g_array_append_val(c->file->tensors, t);
  return 0;
}

/* Tensors of kinds that are not read, in words. */
static void note_unread(checkpoint *c, const nd_pickle_value *state) {
  g_autoptr(GString) names = g_string_new(NULL);
  int n = 0;
  for (guint i = 0; i + 1 < state->items->len; i += 2) {
    const nd_pickle_value *name = g_ptr_array_index(state->items, i),
                          *value = g_ptr_array_index(state->items, i + 1);
    if (value->kind == ND_KIND_UNREAD && n++ < LISTED)
      g_string_append_printf(names, "%s'%.60s' (%.60s)", n > 1 ? ", " : "",
                             name->kind == ND_KIND_TEXT ? name->text : "?", value->text);
  }
  if (n > LISTED)
    g_string_append_printf(names, " and %d more", n - LISTED);
  if (n)
    c->file->unread = g_string_chunk_insert(c->file->strings, names->str);
}

static int add_tensors(checkpoint *c, const nd_pickle_value *state) {
  note_unread(c, state);
  for (guint i = 0; i + 1 < state->items->len; i += 2) {
    const nd_pickle_value *name = g_ptr_array_index(state->items, i),
                          *value = g_ptr_array_index(state->items, i + 1);
    if (value->kind != ND_KIND_VIEW)
      continue;
    if (name->kind != ND_KIND_TEXT)
      return nd_fail("the name of a tensor is no text");
    if (c->file->tensors->len >= ND_ST_MAX_TENSORS)
      return nd_fail("it has more than %d tensors", ND_ST_MAX_TENSORS);
    if (add_tensor(c, name->text, value->view))
      return -1;
  }
  return nd_safetensors_index(c->file);
}

/* ---- The file ---- */

static int read_top(checkpoint *c, const char *bytes, size_t n, const nd_pickle_value **top) {
  if (!nd_pytorch_is_zip(bytes, n))
    return nd_pytorch_read_legacy(c->pickle, bytes, n, top);
  char *pickle;
  size_t size, used;
  if (nd_pytorch_zip_open(bytes, n, &c->zip) || nd_pytorch_zip_pickle(c->zip, &pickle, &size))
    return -1;
  g_ptr_array_add(c->file->blocks, pickle);
  return nd_pickle_read(c->pickle, pickle, size, &used, top);
}

static int fill(checkpoint *c, const char *bytes, size_t n) {
  const nd_pickle_value *top, *state;
  g_autofree char *place = NULL;
  if (read_top(c, bytes, n, &top) || nd_pytorch_find_state(top, &state, &place) || add_tensors(c, state))
    return -1;
  g_autofree char *format =
      g_strdup_printf("PyTorch checkpoint (%s), %s%s%s", c->zip ? "zip" : "format before 1.6", place,
                      c->file->unread ? "; passed over, since such are not read: " : "",
                      c->file->unread ? c->file->unread : "");
  nd_safetensors_tell(c->file, "noiseda.source_format", format);
  return 0;
}

int nd_pytorch_parse(const void *bytes, size_t n, nd_safetensors **out) {
  checkpoint c = {.file = nd_safetensors_new(), .pickle = nd_pickle_new()};
  c.spread = (n > SIZE_MAX / 2 / SPREAD_RATIO ? SIZE_MAX / 2 : n * SPREAD_RATIO) + SPREAD_FREE;
  int failed = fill(&c, bytes, n);
  nd_pickle_free(c.pickle);
  nd_pytorch_zip_close(c.zip);
  if (failed) {
    nd_safetensors_close(c.file);
    c.file = NULL;
  }
  *out = c.file;
  return failed;
}
