/* A network with its settings. */
#include "net/net-private.h"

#include "base/base.h"

#include <glib.h>
#include <math.h>
#include <string.h>

struct nd_net {
  const nd_network *kind;
  char *value[ND_MAX_SETTINGS];
};

static int unknown(const char *name, nd_role role) {
  g_autofree char *known = g_strjoinv(", ", (char **)nd_net_names(role));
  return nd_fail("there is no %s network '%s'; there are: %s",
                 role == ND_RESTORATION ? "restoration" : "diffusion", name, known);
}

const char *const *nd_net_names(nd_role role) {
  static const char *names[2][32];
  static gsize once[2];
  int n = 0;
  if (g_once_init_enter(&once[role])) {
    for (int i = 0; nd_networks[i]; i++)
      if (nd_networks[i]->role == role)
        names[role][n++] = nd_networks[i]->name;
    g_once_init_leave(&once[role], 1);
  }
  return names[role];
}

int nd_net_new(const char *name, nd_role role, nd_net **out) {
  *out = NULL;
  for (int i = 0; nd_networks[i]; i++)
    if (nd_networks[i]->role == role && !strcmp(nd_networks[i]->name, name)) {
      nd_net *net = g_new0(nd_net, 1);
      net->kind = nd_networks[i];
      for (int k = 0; net->kind->settings[k].name; k++)
        net->value[k] = g_strdup(net->kind->settings[k].fallback);
      *out = net;
      return 0;
    }
  return unknown(name, role);
}

void nd_net_free(nd_net *net) {
  if (!net)
    return;
  for (int i = 0; i < ND_MAX_SETTINGS; i++)
    g_free(net->value[i]);
  g_free(net);
}

static int find(const nd_net *net, const char *setting) {
  for (int i = 0; net->kind->settings[i].name; i++)
    if (!strcmp(net->kind->settings[i].name, setting))
      return i;
  return -1;
}

/* One that is off or on; recipes may say false and true. */
static bool is_switch(const nd_setting *s) {
  return s->type == ND_SETTING_INT && s->min == 0 && s->max == 1;
}

static const char *without_words(const nd_setting *s, const char *value) {
  if (is_switch(s) && !strcmp(value, "true"))
    return "1";
  return is_switch(s) && !strcmp(value, "false") ? "0" : value;
}

static int check_number(const nd_setting *s, const char *network, const char *text, double *out) {
  char *end;
  double x = g_ascii_strtod(text, &end);
  while (*end == ' ')
    end++;
  bool whole = s->type == ND_SETTING_REAL || x == floor(x);
  if (end == text || *end || !whole || !(x >= s->min && x <= s->max)) {
    if (is_switch(s))
      return nd_fail("%s: %s is '%s'; it must be 0 (false) or 1 (true)", network, s->name, text);
    return nd_fail("%s: %s is '%s'; it must be %s from %g to %g", network, s->name, text,
                   s->type == ND_SETTING_REAL ? "a number" : "a whole number", s->min, s->max);
  }
  *out = x;
  return 0;
}

static int check_value(const nd_setting *s, const char *network, const char *value) {
  double x;
  if (s->type != ND_SETTING_LIST)
    return check_number(s, network, value, &x);
  g_auto(GStrv) parts = g_strsplit(value, ",", -1);
  if (g_strv_length(parts) > ND_MAX_LIST)
    return nd_fail("%s: %s has more than %d numbers", network, s->name, ND_MAX_LIST);
  for (int i = 0; parts[i] && *value; i++)
    if (check_number(s, network, g_strstrip(parts[i]), &x))
      return -1;
  return 0;
}

int nd_net_set(nd_net *net, const char *setting, const char *value) {
  int i = find(net, setting);
  if (i < 0)
    return nd_fail("network %s has no setting '%s'", net->kind->name, setting);
  value = without_words(&net->kind->settings[i], value);
  if (check_value(&net->kind->settings[i], net->kind->name, value))
    return -1;
  g_free(net->value[i]);
  net->value[i] = g_strdup(value);
  return 0;
}

const char *nd_net_name(const nd_net *net) {
  return net->kind->name;
}

nd_role nd_net_role(const nd_net *net) {
  return net->kind->role;
}

int nd_net_settings_count(const nd_net *net) {
  int n = 0;
  while (net->kind->settings[n].name)
    n++;
  return n;
}

const nd_setting *nd_net_setting(const nd_net *net, int i) {
  return &net->kind->settings[i];
}

const char *nd_net_value(const nd_net *net, int i) {
  return net->value[i];
}

double nd_net_real(const nd_net *net, const char *setting) {
  int i = find(net, setting);
  return i < 0 ? 0 : g_ascii_strtod(net->value[i], NULL);
}

int nd_net_int(const nd_net *net, const char *setting) {
  return (int)nd_net_real(net, setting);
}

int nd_net_list(const nd_net *net, const char *setting, int out[ND_MAX_LIST]) {
  int i = find(net, setting), n = 0;
  if (i < 0 || !*net->value[i])
    return 0;
  g_auto(GStrv) parts = g_strsplit(net->value[i], ",", -1);
  for (; parts[n] && n < ND_MAX_LIST; n++)
    out[n] = (int)g_ascii_strtod(parts[n], NULL);
  return n;
}

static bool sound(nd_graph *g, const nd_net *net, nd_tensor x, int channels) {
  if (nd_graph_failed(g) || x < 0)
    return false;
  const int *d = nd_dims(g, x);
  int multiple = nd_net_multiple(net);
  if (d[3] == channels && d[1] % multiple == 0 && d[2] % multiple == 0)
    return !net->kind->check || !net->kind->check(net) || nd_graph_fail(g) >= 0;
  nd_fail("network %s takes %d channels and sizes that are multiples of %d, not %d x %d x %d",
          net->kind->name, channels, multiple, d[1], d[2], d[3]);
  return nd_graph_fail(g) >= 0;
}

int nd_net_channels(const nd_net *net) {
  return nd_net_int(net, "dual_pixel") ? 6 : 3;
}

int nd_net_check_views(const nd_net *net, bool right, const char *option) {
  if (right == (nd_net_channels(net) == 6))
    return 0;
  return right ? nd_fail("network %s takes one view of a picture: leave %s out", nd_net_name(net), option)
               : nd_fail("network %s takes two views of a picture (dual_pixel), the left and the right one: "
                         "give the right one by %s",
                         nd_net_name(net), option);
}

nd_tensor nd_net_restore(nd_graph *g, const nd_net *net, nd_tensor x) {
  if (!sound(g, net, x, nd_net_channels(net)))
    return ND_NONE;
  nd_restore_fn *restore = net->kind->restore;
  nd_keep_f32(g, net->kind->keeps_f32);
  x = nd_net_int(net, "grey") ? nd_restore_grey(g, net, x, restore) : restore(g, net, x);
  nd_keep_f32(g, false);
  return x;
}

nd_tensor nd_net_predict_noise(nd_graph *g, const nd_net *net, nd_tensor x, nd_tensor level) {
  return sound(g, net, x, 9) ? net->kind->predict_noise(g, net, x, level) : ND_NONE;
}

void nd_net_say_precision(const nd_net *net, bool bf16) {
  nd_say_precision(bf16);
  if (net->kind->keeps_f32 && nd_precision(bf16) == ND_BF16)
    nd_log(ND_LOG_INFO, "%s stays in fp32, but for its gradients: its roundings would add up",
           net->kind->name);
}

bool nd_net_normalises_batch(const nd_net *net) {
  return net->kind->normalises_batch && net->kind->normalises_batch(net);
}

bool nd_net_is_buffer(const char *name) {
  for (int i = 0; nd_networks[i]; i++)
    for (int k = 0; nd_networks[i]->buffers[k]; k++)
      if (g_str_has_suffix(name, nd_networks[i]->buffers[k]))
        return true;
  return false;
}

int nd_net_multiple(const nd_net *net) {
  return net->kind->multiple(net);
}

int nd_net_padded(const nd_net *net, int size) {
  int multiple = nd_net_multiple(net);
  return (size + multiple - 1) / multiple * multiple;
}

int nd_net_reach(const nd_net *net) {
  return net->kind->reach ? net->kind->reach(net) : 0;
}

const char *const *nd_net_unseen(const nd_net *net) {
  return net->kind->unseen;
}
