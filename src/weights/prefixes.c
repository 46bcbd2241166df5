/* What other programs put in front of every name, taken off. */
#include "weights/safetensors-private.h"

#include <string.h>

static void put_names(nd_safetensors *file, const char *scope, size_t cut) {
  for (guint i = 0; i < file->tensors->len; i++) {
    nd_st_tensor *t = &g_array_index(file->tensors, nd_st_tensor, i);
    if (!g_str_has_prefix(t->name, scope))
      continue;
    g_autofree char *name = g_strconcat(scope, t->name + strlen(scope) + cut, NULL);
    t->name = g_string_chunk_insert(file->strings, name);
  }
  g_hash_table_remove_all(file->by_name);
  nd_safetensors_index(file); /* names that differed still do */
}

/* ---- Wrappers, known by name ---- */

/* What torch.nn.DataParallel and torch.compile put in front of every name, of a whole checkpoint or of one of
 * its networks, in any order. */
static const char *const wrappers[] = {"module.", "_orig_mod."};

static bool all_begin(const nd_safetensors *file, const char *scope, const char *with) {
  int under = 0;
  for (size_t i = 0; i < nd_safetensors_count(file); i++) {
    const char *name = nd_safetensors_at(file, i)->name;
    if (!g_str_has_prefix(name, scope))
      continue;
    if (!g_str_has_prefix(name + strlen(scope), with))
      return false;
    under++;
  }
  return under > 0;
}

static const char *wrapper_of(const nd_safetensors *file, const char *scope) {
  for (size_t i = 0; i < G_N_ELEMENTS(wrappers); i++)
    if (all_begin(file, scope, wrappers[i]))
      return wrappers[i];
  return NULL;
}

void nd_safetensors_unwrap_in(nd_safetensors *file, const char *scope) {
  for (const char *wrapper; (wrapper = wrapper_of(file, scope));)
    put_names(file, scope, strlen(wrapper));
}

/* ---- Modules that hold the network, of any name ---- */

bool nd_st_part_shape(const void *part, const char *name, nd_shape *out) {
  const nd_st_part *p = part;
  g_autofree char *full = g_strconcat(p->scope, name, NULL);
  const nd_st_tensor *t = nd_safetensors_find(p->file, full);
  if (!t)
    return false;
  out->rank = t->rank;
  memcpy(out->dims, t->shape, sizeof t->shape);
  return true;
}

enum { MAX_DEPTH = 8, MAX_TRIED = 10000 }; /* modules within modules; prefixes that are tried at all */

/* A network that the names under a prefix are those of; NULL: none. */
static const char *network_under(const nd_safetensors *file, const char *prefix) {
  nd_st_part part = {file, prefix};
  nd_shapes shapes = {nd_st_part_shape, &part};
  nd_net *net;
  if (nd_net_recognise(ND_RESTORATION, &shapes, &net) && nd_net_recognise(ND_DIFFUSION, &shapes, &net)) {
    nd_error_clear();
    return NULL;
  }
  const char *name = g_intern_string(nd_net_name(net));
  nd_net_free(net);
  return name;
}

/* The beginning of a name up to its n-th dot; NULL: it has fewer. */
static char *beginning(const char *name, int n) {
  const char *end = name;
  while (n-- && (end = strchr(end, '.')))
    end++;
  return end ? g_strndup(name, (gsize)(end - name)) : NULL;
}

/* A whole checkpoint of Lightning has "model." or "net." before every name: whatever the module was called.
 * It is taken off where every name has it and what is left is a network's. */
static void take_module_off(nd_safetensors *file) {
  for (int depth = 0; depth <= MAX_DEPTH && nd_safetensors_count(file); depth++) {
    g_autofree char *prefix = beginning(nd_safetensors_at(file, 0)->name, depth);
    if (!prefix || !all_begin(file, "", prefix))
      return;
    if (!network_under(file, prefix))
      continue;
    if (depth) {
      put_names(file, "", strlen(prefix));
      file->module = g_string_chunk_insert(file->strings, prefix);
    }
    return;
  }
}

void nd_safetensors_unwrap(nd_safetensors *file) {
  static const char *const scopes[] = {"", ND_PREFIX_RESTORATION, ND_PREFIX_DIFFUSION};
  for (size_t i = 0; i < G_N_ELEMENTS(scopes); i++)
    nd_safetensors_unwrap_in(file, scopes[i]);
  if (!nd_safetensors_metadata(file, "noiseda.network"))
    take_module_off(file);
}

char *nd_safetensors_find_module(const nd_safetensors *file, const char **network) {
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (size_t i = 0; i < nd_safetensors_count(file); i++)
    for (int depth = 1; depth <= MAX_DEPTH && g_hash_table_size(seen) < MAX_TRIED; depth++) {
      char *prefix = beginning(nd_safetensors_at(file, i)->name, depth);
      if (!prefix)
        break;
      if (g_hash_table_add(seen, prefix) && (*network = network_under(file, prefix)))
        return g_strdup(prefix);
    }
  return NULL;
}
