/* Model files: which network, which settings, its weights. */
#include "weights/model.h"

#include <glib.h>
#include <string.h>

char *nd_net_settings_text(const nd_net *net) {
  GString *s = g_string_new(NULL);
  for (int i = 0; i < nd_net_settings_count(net); i++)
    g_string_append_printf(s, "%s%s=%s", i ? ";" : "", nd_net_setting(net, i)->name, nd_net_value(net, i));
  return g_string_free(s, FALSE);
}

int nd_net_from_text(const char *name, nd_role role, const char *settings, nd_net **out) {
  if (nd_net_new(name, role, out))
    return -1;
  g_auto(GStrv) parts = g_strsplit(settings, ";", -1);
  for (int i = 0; parts[i]; i++) {
    char *value = strchr(parts[i], '=');
    if (value)
      *value++ = 0;
    if (!value || nd_net_set(*out, parts[i], value)) {
      nd_net_free(*out);
      *out = NULL;
      return value ? -1 : nd_fail("network settings '%s' cannot be read", settings);
    }
  }
  return 0;
}

/* The release's U-Net without metadata: width and depth show in the shapes. */
static int recognise(const nd_safetensors *file, nd_net **out) {
  const nd_st_tensor *first = nd_safetensors_find(file, "down_path.0.block.0.weight");
  int depth = 0;
  for (;; depth++) {
    char name[64];
    g_snprintf(name, sizeof name, "down_path.%d.block.0.weight", depth);
    if (!nd_safetensors_find(file, name))
      break;
  }
  if (!first || first->rank != 4)
    return nd_fail(
        "it names no network (metadata 'noiseda.network') and its tensors are not those of a U-Net");
  g_autofree char *settings = g_strdup_printf("width=%d;depth=%d", (int)first->shape[0], depth);
  return nd_net_from_text("unet", ND_RESTORATION, settings, out);
}

static int find_network(const nd_safetensors *file, nd_model *m) {
  const char *name = nd_safetensors_metadata(file, "noiseda.network");
  const char *settings = nd_safetensors_metadata(file, "noiseda.settings");
  const char *residual = nd_safetensors_metadata(file, "noiseda.residual");
  m->residual = !residual || strcmp(residual, "false");
  if (!name)
    return recognise(file, &m->net);
  return nd_net_from_text(name, ND_RESTORATION, settings ? settings : "", &m->net);
}

/* Declares the network's parameters by building it once at its smallest size. */
static int declare(nd_model *m) {
  m->params = nd_params_new();
  nd_graph *g = nd_graph_new(m->params);
  int size = nd_net_multiple(m->net);
  nd_net_restore(g, m->net, nd_input(g, "x", 1, size, size, 3));
  int failed = nd_graph_failed(g) ? -1 : 0;
  nd_graph_free(g);
  if (failed)
    return -1;
  m->values = nd_mem_alloc(nd_params_size(m->params) * sizeof(float), "weights");
  return m->values ? 0 : -1;
}

static char *describe(const nd_safetensors *file) {
  GString *s = g_string_new(NULL);
  const char *const *keys = nd_safetensors_metadata_keys(file);
  for (int i = 0; keys && keys[i]; i++)
    g_string_append_printf(s, "%s: %s\n", keys[i], nd_safetensors_metadata(file, keys[i]));
  return g_string_free(s, FALSE);
}

int nd_model_load(const char *path, nd_model **out) {
  *out = NULL;
  nd_safetensors *file;
  if (nd_safetensors_open(path, &file))
    return -1;
  nd_model *m = g_new0(nd_model, 1);
  int failed =
      find_network(file, m) || declare(m) || nd_weights_load(file, "", m->params, "", true, m->values);
  if (!failed)
    m->description = describe(file);
  nd_safetensors_close(file);
  if (failed) {
    nd_model_free(m);
    return nd_fail_in("model '%s'", path);
  }
  *out = m;
  return 0;
}

void nd_model_free(nd_model *m) {
  if (!m)
    return;
  nd_net_free(m->net);
  nd_params_free(m->params);
  nd_mem_free(m->values);
  g_free(m->description);
  g_free(m);
}

static nd_st_tensor tensor_of(const nd_param *p, const char *name, const float *values) {
  nd_st_tensor t = {
      .name = name, .type = ND_ST_F32, .rank = p->rank, .count = p->count, .data = values + p->offset};
  for (int i = 0; i < p->rank; i++)
    t.shape[i] = p->dims[i];
  return t;
}

int nd_model_save(const char *path, const nd_net *net, bool residual, const nd_params *params,
                  const char *prefix, const float *values, const nd_st_metadata *extra, size_t n_extra) {
  GArray *tensors = g_array_new(FALSE, FALSE, sizeof(nd_st_tensor));
  for (int i = 0; i < nd_params_length(params); i++) {
    const nd_param *p = nd_params_at(params, i);
    if (!g_str_has_prefix(p->name, prefix))
      continue;
    nd_st_tensor t = tensor_of(p, p->name + strlen(prefix), values);
    g_array_append_val(tensors, t);
  }
  g_autofree char *settings = nd_net_settings_text(net);
  GArray *metadata = g_array_new(FALSE, FALSE, sizeof(nd_st_metadata));
  nd_st_metadata own[] = {{"noiseda.network", nd_net_name(net)},
                          {"noiseda.settings", settings},
                          {"noiseda.residual", residual ? "true" : "false"},
                          {"noiseda.version", ND_VERSION}};
  g_array_append_vals(metadata, own, G_N_ELEMENTS(own));
  g_array_append_vals(metadata, extra, (guint)n_extra);
  int failed = nd_safetensors_save(path, (nd_st_tensor *)(void *)tensors->data, tensors->len,
                                   (nd_st_metadata *)(void *)metadata->data, metadata->len);
  g_array_free(tensors, TRUE);
  g_array_free(metadata, TRUE);
  return failed;
}
