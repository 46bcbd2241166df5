/* The register of parameters: names, shapes, places, initial values. */
#include "tensor/params-private.h"

#include <math.h>
#include <string.h>

enum { ALIGN_FLOATS = 16 }; /* one cache line */

nd_params *nd_params_new(void) {
  nd_params *p = g_new0(nd_params, 1);
  p->list = g_array_new(FALSE, TRUE, sizeof(nd_param));
  p->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return p;
}

void nd_params_free(nd_params *p) {
  if (!p)
    return;
  g_array_free(p->list, TRUE);
  g_hash_table_destroy(p->by_name);
  g_free(p);
}

size_t nd_params_size(const nd_params *p) {
  return p->size;
}

size_t nd_params_count(const nd_params *p) {
  size_t count = 0;
  for (int i = 0; i < nd_params_length(p); i++)
    count += nd_params_at(p, i)->state ? 0 : nd_params_at(p, i)->count;
  return count;
}

int nd_params_length(const nd_params *p) {
  return (int)p->list->len;
}

const nd_param *nd_params_at(const nd_params *p, int i) {
  return &g_array_index(p->list, nd_param, i);
}

size_t nd_params_end(const nd_params *p, int i) {
  return i + 1 < nd_params_length(p) ? nd_params_at(p, i + 1)->offset : p->size;
}

static int find(const nd_params *p, const char *name) {
  return GPOINTER_TO_INT(g_hash_table_lookup(p->by_name, name)) - 1;
}

const nd_param *nd_params_find(const nd_params *p, const char *name) {
  int i = find(p, name);
  return i < 0 ? NULL : nd_params_at(p, i);
}

static int declare(nd_params *p, const char *name, nd_param added) {
  char *owned = g_strdup(name);
  added.name = owned;
  added.offset = p->size;
  added.count = 1;
  for (int i = 0; i < added.rank; i++)
    added.count *= (size_t)added.dims[i];
  p->size += (added.count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
  g_array_append_val(p->list, added);
  g_hash_table_insert(p->by_name, owned, GINT_TO_POINTER((int)p->list->len));
  return (int)p->list->len - 1;
}

int nd_params_declare(nd_params *p, const char *name, nd_param wanted) {
  int i = find(p, name);
  if (i < 0)
    return declare(p, name, wanted);
  const nd_param *known = nd_params_at(p, i);
  if (known->rank != wanted.rank || memcmp(known->dims, wanted.dims, sizeof known->dims))
    return nd_fail("parameter '%s' is used with two different shapes", name);
  if (known->state != wanted.state)
    return nd_fail("parameter '%s' is used as a weight and as state", name);
  return i;
}

static float deviation_of(const nd_param *q) {
  double fan_in = 1;
  for (int i = 1; i < q->rank; i++)
    fan_in *= q->dims[i];
  return q->init == ND_INIT_SMALL ? 0.02f : q->init == ND_INIT_NORMAL ? 1 : (float)sqrt(2 / fan_in);
}

static void init_normal(const nd_param *q, uint64_t seed, float *values) {
  float deviation = deviation_of(q);
  nd_rng r = nd_rng_make(seed, 0, g_str_hash(q->name), ND_RANDOM_WEIGHTS);
  nd_rng_fill_normal(&r, values, q->count);
  for (size_t i = 0; i < q->count; i++)
    values[i] *= deviation;
}

void nd_params_init(const nd_params *p, uint64_t seed, float *values) {
  memset(values, 0, p->size * sizeof *values);
  for (int k = 0; k < nd_params_length(p); k++) {
    const nd_param *q = nd_params_at(p, k);
    if (q->init == ND_INIT_KAIMING || q->init == ND_INIT_SMALL || q->init == ND_INIT_NORMAL)
      init_normal(q, seed, values + q->offset);
    else if (q->init == ND_INIT_ONE)
      for (size_t i = 0; i < q->count; i++)
        values[q->offset + i] = 1;
  }
}
