/* Model files: which network, which settings, its weights. */
#include "weights/model.h"
#include "weights/safetensors-private.h"

#include <glib.h>
#include <string.h>

enum { LISTED = 3 }; /* names of tensors that are left aside */

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

/* ---- Which tensors of a file ---- */

/* A checkpoint of Noise-DA holds both networks and the buffers of the noise schedule. */
static const char *const SCOPES[] = {
    [ND_RESTORATION] = ND_PREFIX_RESTORATION, [ND_DIFFUSION] = ND_PREFIX_DIFFUSION};

static const char *scope_in(const nd_safetensors *file, nd_role role) {
  for (size_t i = 0; i < nd_safetensors_count(file); i++)
    if (g_str_has_prefix(nd_safetensors_at(file, i)->name, SCOPES[role]))
      return SCOPES[role];
  return "";
}

/* Its first tensors, so that a prefix or another network shows. */
static char *first_names(const nd_safetensors *file, const char *scope) {
  GString *s = g_string_new(NULL);
  int n = 0;
  for (size_t i = 0; i < nd_safetensors_count(file); i++) {
    const char *name = nd_safetensors_at(file, i)->name;
    if (g_str_has_prefix(name, scope) && n++ < LISTED)
      g_string_append_printf(s, "%s'%s'", n > 1 ? ", " : "", name);
  }
  g_string_append(s, n > LISTED ? ", ..." : n ? "" : "nothing");
  return g_string_free(s, FALSE);
}

/* *scope: where the tensors stand that are asked for; the caller's. What begins all names may be gone. */
static int find_scope(nd_safetensors *file, nd_role role, const char *prefix, char **scope) {
  if (!prefix || !*prefix) {
    *scope = g_strdup(scope_in(file, role));
    return 0;
  }
  g_autofree char *dotted = g_strconcat(prefix, g_str_has_suffix(prefix, ".") ? "" : ".", NULL),
                  *names = first_names(file, "");
  nd_safetensors_unwrap_in(file, dotted);
  if (file->module && !strcmp(file->module, dotted))
    *dotted = 0;
  for (size_t i = 0; i < nd_safetensors_count(file); i++)
    if (g_str_has_prefix(nd_safetensors_at(file, i)->name, dotted)) {
      *scope = g_steal_pointer(&dotted);
      return 0;
    }
  return nd_fail("no tensor's name begins with '%s'; it holds %s", dotted, names);
}

/* Whether it is the other kind of network that the file holds: then the message says so. */
static int not_recognised(const nd_st_part *p, nd_role role) {
  g_autofree char *cause = g_strdup(nd_error());
  nd_role other = role == ND_RESTORATION ? ND_DIFFUSION : ND_RESTORATION;
  nd_st_part rest = {p->file, scope_in(p->file, other)};
  nd_shapes shapes = {nd_st_part_shape, &rest};
  nd_net *net;
  if (nd_net_recognise(other, &shapes, &net)) {
    g_autofree char *names = first_names(p->file, p->scope);
    const char *network;
    g_autofree char *module = nd_safetensors_find_module(p->file, &network);
    if (module)
      return nd_fail(
          "its tensors under '%s' are those of %s, but there are others too; 'noiseda import --prefix %s' "
          "takes those alone",
          module, network, module);
    return nd_fail("it names no network (metadata 'noiseda.network'), and %s; it holds %s", cause, names);
  }
  nd_fail(
      "it holds a %s network, %s, and no %s network ('noiseda import --diffusion' takes diffusion networks)",
      other == ND_DIFFUSION ? "diffusion" : "restoration", nd_net_name(net),
      role == ND_DIFFUSION ? "diffusion" : "restoration");
  nd_net_free(net);
  return -1;
}

static int recognise(const nd_st_part *p, nd_role role, nd_net **net) {
  nd_shapes shapes = {nd_st_part_shape, p};
  return nd_net_recognise(role, &shapes, net) ? not_recognised(p, role) : 0;
}

static bool is_given(const char *setting, const char *const *given) {
  size_t n = strlen(setting);
  for (int i = 0; given && given[i]; i++)
    if (!strncmp(given[i], setting, n) && given[i][n] == '=')
      return true;
  return false;
}

/* Settings that the weights do not show are said: a wrong one goes unnoticed otherwise. */
static char *say_recognised(const nd_st_part *p, const nd_net *net, const char *const *given) {
  GString *s = g_string_new("by names and shapes");
  if (p->file->module)
    g_string_append_printf(s, " without the '%s' that all begin with", p->file->module);
  const char *const *unseen = nd_net_unseen(net);
  for (int i = 0, n = 0; i < nd_net_settings_count(net); i++)
    if (g_strv_contains(unseen, nd_net_setting(net, i)->name)) {
      const nd_setting *setting = nd_net_setting(net, i);
      bool usual = !strcmp(nd_net_value(net, i), setting->fallback);
      g_string_append_printf(s, "%s%s=%s (%s)", n++ ? ", " : "; not shown there: ", setting->name,
                             nd_net_value(net, i),
                             is_given(setting->name, given) ? "given"
                             : usual                        ? "the default"
                                                            : "assumed");
    }
  return g_string_free(s, FALSE);
}

static int find_network(const nd_st_part *p, nd_role role, nd_model *m) {
  const char *name = nd_safetensors_metadata(p->file, "noiseda.network");
  const char *settings = nd_safetensors_metadata(p->file, "noiseda.settings");
  const char *residual = nd_safetensors_metadata(p->file, "noiseda.residual");
  if (name ? nd_net_from_text(name, role, settings ? settings : "", &m->net) : recognise(p, role, &m->net))
    return -1;
  m->residual = nd_net_channels(m->net) == 3 && (!residual || strcmp(residual, "false"));
  return 0;
}

/* ---- Its parameters ---- */

enum { MAX_MULTIPLE = 4096 };

/* Declares the network's parameters by building it once at its smallest size. */
static int declare(nd_model *m) {
  int size = nd_net_multiple(m->net);
  if (size > MAX_MULTIPLE)
    return nd_fail("pictures would have to be multiples of %d in size", size);
  m->params = nd_params_new();
  nd_graph *g = nd_graph_new(m->params);
  if (nd_net_role(m->net) == ND_RESTORATION)
    nd_net_restore(g, m->net, nd_input(g, "x", 1, size, size, nd_net_channels(m->net)));
  else
    nd_net_predict_noise(g, m->net, nd_input(g, "x", 1, size, size, 9), nd_input(g, "level", 1, 1, 1, 1));
  int failed = nd_graph_failed(g) ? -1 : 0;
  nd_graph_free(g);
  return failed;
}

/* No memory before everything fits: settings that a file claims may ask for any amount of it. */
static int fill(const nd_st_part *p, nd_model *m) {
  if (nd_weights_load(p->file, p->scope, m->params, "", true, NULL))
    return -1;
  m->values = nd_mem_alloc(nd_params_size(m->params) * sizeof(float), "weights");
  if (!m->values || nd_weights_load(p->file, p->scope, m->params, "", true, m->values))
    return -1;
  return nd_weights_check_finite(m->params, "", m->values);
}

/* ---- What there is to say about it ---- */

/* But for the kind of file: what is made of the model is no checkpoint, though it came from one. */
static void keep_metadata(nd_model *m, const nd_safetensors *file) {
  const char *const *keys = nd_safetensors_metadata_keys(file);
  m->metadata = g_new0(nd_st_metadata, keys ? g_strv_length((char **)keys) : 0);
  for (size_t i = 0; keys && keys[i]; i++)
    if (strcmp(keys[i], "noiseda.kind"))
      m->metadata[m->n_metadata++] =
          (nd_st_metadata){g_strdup(keys[i]), g_strdup(nd_safetensors_metadata(file, keys[i]))};
}

static void free_metadata(nd_model *m) {
  for (size_t i = 0; i < m->n_metadata; i++) {
    g_free((char *)m->metadata[i].key);
    g_free((char *)m->metadata[i].value);
  }
  g_free(m->metadata);
}

/* Tensors outside the network's scope: how many, and the first of them. */
static char *left_aside(const nd_st_part *p) {
  GString *s = g_string_new(NULL);
  int n = 0;
  for (size_t i = 0; i < nd_safetensors_count(p->file); i++) {
    const char *name = nd_safetensors_at(p->file, i)->name;
    if (!g_str_has_prefix(name, p->scope) && n++ < LISTED)
      g_string_append_printf(s, "%s%s", n > 1 ? ", " : "", name);
  }
  if (n)
    g_string_append_printf(s, "%s (%s outside %s*)", n > LISTED ? ", ..." : "",
                           nd_count((size_t)n, "tensor").text, p->scope);
  return g_string_free(s, !n);
}

/* The type of the weights in the file. */
static const char *type_of(const nd_st_part *p, const nd_params *params) {
  const char *type = NULL;
  for (int i = 0; i < nd_params_length(params); i++) {
    g_autofree char *name = g_strconcat(p->scope, nd_params_at(params, i)->name, NULL);
    const char *this_one = nd_st_type_name(nd_safetensors_find(p->file, name)->type);
    if (type && strcmp(type, this_one))
      return "several types";
    type = this_one;
  }
  return type ? type : "nothing";
}

static int set_all(nd_net *net, const char *const *settings) {
  for (int i = 0; settings && settings[i]; i++) {
    g_auto(GStrv) pair = g_strsplit(settings[i], "=", 2);
    if (!pair[0] || !pair[1])
      return nd_fail("'%s' is no setting; write name=value", settings[i]);
    if (nd_net_set(net, pair[0], pair[1]))
      return -1;
  }
  return 0;
}

static int load(nd_model *m, const nd_st_part *p, nd_role role, const char *const *settings) {
  if (find_network(p, role, m) || set_all(m->net, settings) || declare(m) || fill(p, m))
    return -1;
  bool named = nd_safetensors_metadata(p->file, "noiseda.network");
  m->recognised = named ? NULL : say_recognised(p, m->net, settings);
  keep_metadata(m, p->file);
  m->left_aside = left_aside(p);
  const char *format = nd_safetensors_metadata(p->file, "noiseda.source_format");
  m->source_format = g_strdup(format ? format : "safetensors");
  m->stored_as = type_of(p, m->params);
  return 0;
}

/* Its recipe alone says all settings of the networks in it. */
static int check_kind(const nd_safetensors *file, const char *prefix) {
  const char *kind = nd_safetensors_metadata(file, "noiseda.kind");
  if (prefix || g_strcmp0(kind, "checkpoint"))
    return 0;
  return nd_fail(
      "it is a checkpoint, to resume a run by: best.safetensors and model.safetensors beside it are "
      "models; 'noiseda import --prefix ema." ND_PREFIX_RESTORATION "' makes one of it");
}

int nd_model_load_as(const char *name, nd_role role, const char *const *settings, const char *prefix,
                     nd_model **out) {
  *out = NULL;
  nd_safetensors *file;
  g_autofree char *path = NULL, *scope = NULL;
  if (nd_model_find(name, &path) || nd_weights_open(path, &file))
    return -1;
  nd_model *m = g_new0(nd_model, 1);
  int failed = check_kind(file, prefix) || find_scope(file, role, prefix, &scope) ||
               load(m, &(nd_st_part){file, scope}, role, settings);
  if (failed && file->unread)
    nd_fail_in("without %s, since such are not read", file->unread);
  nd_safetensors_close(file);
  if (failed) {
    nd_model_free(m);
    return nd_fail_in("model '%s'", path);
  }
  *out = m;
  return 0;
}

int nd_model_load(const char *name, nd_model **out) {
  return nd_model_load_as(name, ND_RESTORATION, NULL, NULL, out);
}

void nd_model_free(nd_model *m) {
  if (!m)
    return;
  nd_net_free(m->net);
  nd_params_free(m->params);
  nd_mem_free(m->values);
  free_metadata(m);
  g_free(m->recognised);
  g_free(m->left_aside);
  g_free(m->source_format);
  g_free(m);
}
