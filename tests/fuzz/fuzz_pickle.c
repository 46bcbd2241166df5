/* Any bytes as a pickle: refused with a message, or every value in it can be looked at.
 *   fuzz_pickle -max_len=4096 -dict=pickle.dict NEW_CORPUS   (corpus/fuzz_pickle.tar.gz is a start) */
#include "fuzz.h"
#include "weights/pytorch-private.h"

/* The first and the last element lie in the storage, whatever was claimed. */
static void check_view(const nd_view *v) {
  int64_t last = v->offset;
  for (int i = 0; i < v->rank; i++)
    last += (v->shape[i] - 1) * v->stride[i];
  size_t size = nd_st_type_size(v->type), held = v->storage->count * nd_st_type_size(v->storage->type);
  require(!v->count || (last >= v->offset && v->offset >= 0 && ((size_t)last + 1) * size <= held));
}

static void look_at(const nd_pickle_value *v, int depth) {
  if (v->kind == ND_KIND_VIEW)
    check_view(v->view);
  if ((v->kind == ND_KIND_LIST || v->kind == ND_KIND_DICT) && depth < 3)
    for (guint i = 0; i < v->items->len && i < 100; i++)
      look_at(g_ptr_array_index(v->items, i), depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  nd_pickle *p = nd_pickle_new();
  const nd_pickle_value *top, *state;
  char *place = NULL;
  size_t used;
  nd_error_clear();
  if (nd_pickle_read(p, (const char *)bytes, n, &used, &top))
    require(*nd_error());
  else {
    require(used <= n);
    look_at(top, 0);
    if (!nd_pytorch_find_state(top, &state, &place))
      require(state->kind == ND_KIND_DICT && place);
  }
  g_free(place);
  nd_pickle_free(p);
  return 0;
}
