/* Where the tensors stand in what a training program saved. */
#include "weights/pytorch-private.h"

#include <string.h>

enum { MAX_DEPTH = 4, LISTED = 6 };

/* In the order in which they are preferred: the average before what it is an average of. */
static const char *const places[] = {"params_ema",
                                     "state_dict_ema",
                                     "ema_state_dict",
                                     "model_ema",
                                     "ema",
                                     "params",
                                     "state_dict",
                                     "model",
                                     "model_state_dict",
                                     "model_state",
                                     "net_g",
                                     "netG",
                                     "generator",
                                     "net",
                                     "weights",
                                     NULL};

static bool holds_tensors(const nd_pickle_value *v) {
  for (guint i = 0; i + 1 < v->items->len; i += 2) {
    const nd_pickle_value *value = g_ptr_array_index(v->items, i + 1);
    if (value->kind == ND_KIND_VIEW)
      return true;
  }
  return false;
}

static const nd_pickle_value *dictionary_at(const nd_pickle_value *v, const char *key) {
  const nd_pickle_value *inner = nd_dict_find(v, key);
  return inner && inner->kind == ND_KIND_DICT ? inner : NULL;
}

static const nd_pickle_value *find(const nd_pickle_value *v, int depth, GHashTable *seen, GString *way);

/* Through the first of the places below which there are tensors; says which others are passed over. */
static const nd_pickle_value *descend(const nd_pickle_value *v, int depth, GHashTable *seen, GString *way) {
  const nd_pickle_value *found = NULL;
  for (int i = 0; places[i]; i++) {
    g_autoptr(GString) below = g_string_new(NULL);
    const nd_pickle_value *inner = dictionary_at(v, places[i]),
                          *state = inner ? find(inner, depth + 1, seen, below) : NULL;
    if (state && found)
      g_string_append_printf(way, " ('%s' is there too and passed over)", places[i]);
    else if (state)
      g_string_append_printf(way, "'%s'%s%s", places[i], below->len ? ", " : "", below->str);
    found = found ? found : state;
  }
  return found;
}

/* Programs keep other things beside the weights: tensors, such as the state of a generator of random numbers,
 * and dictionaries, such as settings called params. seen: dictionaries that were looked through; in a file
 * from a stranger many ways may lead to one. */
static const nd_pickle_value *find(const nd_pickle_value *v, int depth, GHashTable *seen, GString *way) {
  if (v->kind != ND_KIND_DICT || depth == MAX_DEPTH || !g_hash_table_add(seen, (gpointer)v))
    return NULL;
  const nd_pickle_value *below = descend(v, depth, seen, way);
  return below ? below : holds_tensors(v) ? v : NULL;
}

/* Where there are no names to tell of. */
static const char *what_it_is(const nd_pickle_value *v) {
  switch (v->kind) {
  case ND_KIND_DICT:
    return v->items->len ? "the keys of its dictionary are no names" : "its dictionary is empty";
  case ND_KIND_LIST:
    return "it holds a list or tuple, no dictionary";
  case ND_KIND_VIEW:
    return "it holds a single tensor, no dictionary";
  default:
    return "it holds no dictionary";
  }
}

static int nothing_found(const nd_pickle_value *v) {
  if (v->kind == ND_KIND_OPAQUE)
    return nd_fail(
        "it holds an object of the class '%s', not a dictionary of tensors; save model.state_dict() "
        "instead",
        v->text);
  g_autoptr(GString) keys = g_string_new(NULL);
  g_autofree char *known = g_strjoinv(", ", (char **)places);
  int n = 0;
  for (guint i = 0; v->kind == ND_KIND_DICT && i < v->items->len; i += 2) {
    const nd_pickle_value *key = g_ptr_array_index(v->items, i), *value = g_ptr_array_index(v->items, i + 1);
    if (key->kind != ND_KIND_TEXT || n++ >= LISTED)
      continue;
    g_string_append_printf(keys, "%s'%.60s'", n > 1 ? ", " : "", key->text);
    if (value->kind == ND_KIND_UNREAD)
      g_string_append_printf(keys, " (%.60s, which is not read)", value->text);
  }
  return nd_fail("no dictionary of tensors at its top level or under %s; %s%s%s", known,
                 n ? "it has " : what_it_is(v), keys->str, n > LISTED ? ", ..." : "");
}

int nd_pytorch_find_state(const nd_pickle_value *top, const nd_pickle_value **state, char **place) {
  g_autoptr(GString) way = g_string_new(NULL);
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  *state = find(top, 0, seen, way);
  if (!*state)
    return nothing_found(top);
  *place = way->len ? g_strconcat("under ", way->str, NULL) : g_strdup("at the top level");
  return 0;
}
