/* Model files, written. */
#include "weights/model.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static nd_st_tensor tensor_of(const nd_param *p, const char *name, const float *values) {
  nd_st_tensor t = {
      .name = name, .type = ND_ST_F32, .rank = p->rank, .count = p->count, .data = values + p->offset};
  for (int i = 0; i < p->rank; i++)
    t.shape[i] = p->dims[i];
  return t;
}

/* The parameters whose names start with prefix, without it. */
static GArray *tensors_of(const nd_params *params, const char *prefix, const float *values) {
  GArray *tensors = g_array_new(FALSE, FALSE, sizeof(nd_st_tensor));
  for (int i = 0; i < nd_params_length(params); i++) {
    const nd_param *p = nd_params_at(params, i);
    if (!g_str_has_prefix(p->name, prefix))
      continue;
    nd_st_tensor t = tensor_of(p, p->name + strlen(prefix), values);
    g_array_append_val(tensors, t);
  }
  return tensors;
}

/* Metadata begin with what every model file says. settings is the caller's, as long as they are in use. */
static GArray *metadata_of(const nd_net *net, bool residual, const char *settings) {
  nd_st_metadata own[] = {{"noiseda.network", nd_net_name(net)},
                          {"noiseda.settings", settings},
                          {"noiseda.residual", residual ? "true" : "false"},
                          {"noiseda.version", ND_VERSION}};
  GArray *metadata = g_array_new(FALSE, FALSE, sizeof(nd_st_metadata));
  return g_array_append_vals(metadata, own, G_N_ELEMENTS(own));
}

static int save(const char *path, const GArray *tensors, const GArray *metadata) {
  return nd_safetensors_save(path, (nd_st_tensor *)(void *)tensors->data, tensors->len,
                             (nd_st_metadata *)(void *)metadata->data, metadata->len);
}

int nd_model_save(const char *path, const nd_net *net, bool residual, const nd_params *params,
                  const char *prefix, const float *values, const nd_st_metadata *extra, size_t n_extra) {
  g_autofree char *settings = nd_net_settings_text(net);
  g_autoptr(GArray) tensors = tensors_of(params, prefix, values),
                    metadata = metadata_of(net, residual, settings);
  g_array_append_vals(metadata, extra, (guint)n_extra);
  return save(path, tensors, metadata);
}

/* ---- As another type ---- */

static uint16_t to_bf16(float x) { /* to nearest even; not a number stays none */
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)(isnan(x) ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Each tensor's data become a part of halves. */
static int halve(GArray *tensors, nd_st_type type, uint16_t *halves) {
  for (guint i = 0; i < tensors->len; i++) {
    nd_st_tensor *t = &g_array_index(tensors, nd_st_tensor, i);
    const float *x = t->data;
    for (size_t k = 0; k < t->count; k++) {
      halves[k] = type == ND_ST_F16 ? nd_f32_to_f16(x[k]) : to_bf16(x[k]);
      if (type == ND_ST_F16 && isfinite(x[k]) && !isfinite(nd_f16_to_f32(halves[k])))
        return nd_fail("a weight of '%s' is %g, which F16 cannot hold; BF16 can", t->name, (double)x[k]);
    }
    t->data = halves;
    t->type = type;
    halves += t->count;
  }
  return 0;
}

static void drop_empty(GArray *metadata) {
  for (guint i = metadata->len; i-- > 0;)
    if (!*g_array_index(metadata, nd_st_metadata, i).value)
      g_array_remove_index(metadata, i);
}

int nd_model_save_as(const char *path, const nd_model *m, nd_st_type type, const nd_st_metadata *extra,
                     size_t n_extra) {
  g_autofree char *settings = nd_net_settings_text(m->net);
  g_autoptr(GArray) tensors = tensors_of(m->params, "", m->values),
                    metadata = metadata_of(m->net, m->residual, settings);
  g_array_append_vals(metadata, extra, (guint)n_extra);
  for (size_t i = 0; i < m->n_metadata; i++)
    if (!nd_st_value((const nd_st_metadata *)(void *)metadata->data, metadata->len, m->metadata[i].key))
      g_array_append_val(metadata, m->metadata[i]);
  drop_empty(metadata);
  g_autofree uint16_t *halves = NULL;
  if (type != ND_ST_F32) {
    halves = g_new(uint16_t, nd_params_size(m->params));
    if (halve(tensors, type, halves))
      return -1;
  }
  return save(path, tensors, metadata);
}
