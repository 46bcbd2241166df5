/* Tensors of a file into a buffer of parameters, all or nothing. */
#include "weights/model.h"

#include <glib.h>
#include <string.h>

enum { LISTED = 5 }; /* names in a message */

typedef struct complaint {
  GString *text;
  int count;
} complaint;

static void complain(complaint *c, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void complain(complaint *c, const char *format, ...) {
  if (c->count++ >= LISTED)
    return;
  va_list args;
  va_start(args, format);
  g_string_append(c->text, c->count > 1 ? "; " : "");
  g_string_append_vprintf(c->text, format, args);
  va_end(args);
}

static char *shape_text(int rank, const int64_t *shape) {
  GString *s = g_string_new(rank ? NULL : "one number");
  for (int i = 0; i < rank; i++)
    g_string_append_printf(s, "%s%" G_GINT64_FORMAT, i ? "x" : "", shape[i]);
  return g_string_free(s, FALSE);
}

static bool same_shape(const nd_param *p, const nd_st_tensor *t) {
  bool same = p->rank == t->rank;
  for (int i = 0; same && i < p->rank; i++)
    same = p->dims[i] == t->shape[i];
  return same;
}

static void load_one(const nd_safetensors *file, const char *name, const nd_param *p, float *values,
                     complaint *c) {
  const nd_st_tensor *t = nd_safetensors_find(file, name);
  if (!t) {
    complain(c, "'%s' is missing", name);
    return;
  }
  if (!same_shape(p, t)) {
    int64_t wanted[4];
    for (int i = 0; i < p->rank; i++)
      wanted[i] = p->dims[i];
    g_autofree char *found = shape_text(t->rank, t->shape), *expected = shape_text(p->rank, wanted);
    complain(c, "'%s' is %s, the network has %s", name, found, expected);
    return;
  }
  if (!nd_st_is_real(t->type))
    complain(c, "'%s' holds %s, not floating-point numbers", name, nd_st_type_name(t->type));
  else if (values && nd_st_to_f32(t, values + p->offset))
    complain(c, "'%s': %s", name, nd_error());
}

static void find_extra(const nd_safetensors *file, const char *file_prefix, const nd_params *params,
                       const char *prefix, complaint *c) {
  for (size_t i = 0; i < nd_safetensors_count(file); i++) {
    const char *name = nd_safetensors_at(file, i)->name;
    if (!g_str_has_prefix(name, file_prefix))
      continue;
    g_autofree char *own = g_strconcat(prefix, name + strlen(file_prefix), NULL);
    if (!nd_params_find(params, own) && !nd_net_is_buffer(name))
      complain(c, "'%s' is not in the network", name);
  }
}

int nd_weights_load(const nd_safetensors *file, const char *file_prefix, const nd_params *params,
                    const char *prefix, bool exact, float *values) {
  complaint c = {g_string_new(NULL), 0};
  for (int i = 0; i < nd_params_length(params); i++) {
    const nd_param *p = nd_params_at(params, i);
    if (!g_str_has_prefix(p->name, prefix))
      continue;
    g_autofree char *name = g_strconcat(file_prefix, p->name + strlen(prefix), NULL);
    load_one(file, name, p, values, &c);
  }
  if (exact)
    find_extra(file, file_prefix, params, prefix, &c);
  if (c.count > LISTED)
    g_string_append_printf(c.text, "; and %d more", c.count - LISTED);
  int failed = c.count ? nd_fail("the weights do not fit the network: %s", c.text->str) : 0;
  g_string_free(c.text, TRUE);
  return failed;
}

/* The largest magnitude's bits: those of infinity and of every NaN are above all finite numbers'. */
static uint32_t largest_bits(const float *values, size_t count) {
  uint32_t largest = 0;
  for (size_t k = 0; k < count; k++) {
    uint32_t bits;
    memcpy(&bits, values + k, sizeof bits);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

int nd_weights_check_finite(const nd_params *params, const char *prefix, const float *values) {
  for (int i = 0; i < nd_params_length(params); i++) {
    const nd_param *p = nd_params_at(params, i);
    if (g_str_has_prefix(p->name, prefix) && largest_bits(values + p->offset, p->count) >= 0x7f800000)
      return nd_fail("'%s' holds numbers that are NaN or infinite; did its training diverge?",
                     p->name + strlen(prefix));
  }
  return 0;
}
