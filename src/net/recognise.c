/* Which network, and with which settings, the tensors of a file belong to: by their names and shapes. */
#include "net/net-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static bool find(const nd_shapes *s, const char *name, nd_shape *out) {
  return s->find(s->file, name, out);
}

int nd_shapes_axis(const nd_shapes *s, int axis, const char *format, ...) {
  nd_shape shape;
  va_list args;
  va_start(args, format);
  g_autofree char *name = g_strdup_vprintf(format, args);
  va_end(args);
  bool there = find(s, name, &shape) && axis < shape.rank;
  return there && shape.dims[axis] > 0 && shape.dims[axis] <= INT32_MAX ? (int)shape.dims[axis] : 0;
}

bool nd_shapes_has(const nd_shapes *s, const char *format, ...) {
  nd_shape shape;
  va_list args;
  va_start(args, format);
  g_autofree char *name = g_strdup_vprintf(format, args);
  va_end(args);
  return find(s, name, &shape);
}

int nd_shapes_run(const nd_shapes *s, int first, const char *ending, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *beginning = g_strdup_vprintf(format, args);
  va_end(args);
  int n = 0;
  while (nd_shapes_has(s, "%s%d%s", beginning, first + n, ending))
    n++;
  return n;
}

int nd_shapes_window(const nd_shapes *s, const char *block) {
  int side = (int)lround(sqrt(nd_shapes_axis(s, 0, "%s.attn.relative_position_bias_table", block)));
  return (side + 1) / 2;
}

/* ---- Settings ---- */

int nd_net_set_int(nd_net *net, const char *setting, int value) {
  g_autofree char *text = g_strdup_printf("%d", value);
  return nd_net_set(net, setting, text);
}

int nd_net_set_list(nd_net *net, const char *setting, const int *values, int n) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (int i = 0; i < n; i++)
    g_string_append_printf(text, "%s%d", i ? "," : "", values[i]);
  return nd_net_set(net, setting, text->str);
}

nd_ratio nd_ratio_any(void) {
  return (nd_ratio){0, INFINITY};
}

void nd_ratio_narrow(nd_ratio *r, int of, int result) {
  if (of < 1)
    return;
  r->low = fmax(r->low, (double)result / of);
  r->high = fmin(r->high, (result + 1.0) / of);
}

/* The default where it fits, else the shortest decimal number that does. */
int nd_net_set_ratio(nd_net *net, const char *setting, nd_ratio r) {
  double x = nd_net_real(net, setting);
  if (x >= r.low && x < r.high)
    return 0;
  char text[32] = "";
  for (int digits = 0; digits <= 9; digits++) {
    double unit = pow(10, digits);
    g_snprintf(text, sizeof text, "%.*f", digits, ceil(r.low * unit - 1e-6) / unit);
    x = g_ascii_strtod(text, NULL);
    if (x >= r.low && x < r.high)
      return nd_net_set(net, setting, text);
  }
  return nd_fail("the hidden widths of its layers have no common %s", setting);
}

/* ---- Networks ---- */

static bool has_landmark(const nd_shapes *shapes, const nd_network *kind) {
  for (int i = 0; kind->landmarks[i]; i++)
    if (nd_shapes_has(shapes, "%s", kind->landmarks[i]))
      return true;
  return false;
}

int nd_net_recognise(nd_role role, const nd_shapes *shapes, nd_net **out) {
  *out = NULL;
  for (int i = 0; nd_networks[i]; i++) {
    const nd_network *kind = nd_networks[i];
    if (kind->role != role || !has_landmark(shapes, kind))
      continue;
    nd_net *net;
    if (nd_net_new(kind->name, role, &net))
      return -1;
    if (kind->recognise(shapes, net)) {
      nd_net_free(net);
      return nd_fail_in("its names are those of %s", kind->name);
    }
    *out = net;
    return 0;
  }
  g_autofree char *known = g_strjoinv(", ", (char **)nd_net_names(role));
  return nd_fail("its tensors are those of no %s network known here (%s)",
                 role == ND_RESTORATION ? "restoration" : "diffusion", known);
}
