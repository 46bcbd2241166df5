#include "golden.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

golden *golden_open(const char *name) {
  g_autofree char *path = g_strdup_printf("%s/%s.safetensors", ND_GOLDEN_DIR, name);
  golden *g;
  if (nd_safetensors_open(path, &g))
    fail_msg("%s", nd_error());
  return g;
}

static double hashed(uint32_t i, uint32_t p) {
  uint32_t h = (i + 1) * 0x9E3779B1u ^ (p + 1) * 0x85EBCA77u;
  h ^= h >> 16;
  h *= 0x7FEB352Du;
  h ^= h >> 15;
  h *= 0x846CA68Bu;
  h ^= h >> 16;
  return (h >> 8) / 8388608.0 - 1;
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(const nd_param *const *)a)->name, (*(const nd_param *const *)b)->name);
}

static void fill(const nd_param *q, uint32_t place, float *values) {
  double fan_in = 1;
  for (int d = 1; d < q->rank; d++)
    fan_in *= q->dims[d];
  bool about_one = g_str_has_suffix(q->name, "weight") || g_str_has_suffix(q->name, "running_var");
  for (size_t i = 0; i < q->count; i++) {
    double v = hashed((uint32_t)i, place);
    values[q->offset + i] = (float)(q->rank > 1 ? sqrt(6 / fan_in) * v : about_one ? 1 + 0.1 * v : 0.1 * v);
  }
}

void golden_weights(const nd_params *params, float *values) {
  int n = nd_params_length(params);
  const nd_param **sorted = g_new(const nd_param *, n);
  for (int i = 0; i < n; i++)
    sorted[i] = nd_params_at(params, i);
  qsort(sorted, (size_t)n, sizeof *sorted, by_name);
  for (int i = 0; i < n; i++)
    fill(sorted[i], (uint32_t)i, values);
  g_free(sorted);
}

const nd_st_tensor *golden_tensor(const golden *g, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *name = g_strdup_vprintf(format, args);
  va_end(args);
  const nd_st_tensor *t = nd_safetensors_find(g, name);
  if (!t)
    fail_msg("the golden file has no '%s'", name);
  return t;
}

void golden_copy(const golden *g, const char *name, float *out) {
  assert_int_equal(nd_st_to_f32(golden_tensor(g, "%s", name), out), 0);
}

double golden_distance(const nd_st_tensor *t, const float *found, double floor) {
  float *expected = g_new(float, t->count);
  assert_int_equal(nd_st_to_f32(t, expected), 0);
  double worst = 0, scale = floor;
  for (size_t i = 0; i < t->count; i++) {
    scale = fmax(scale, fabs((double)expected[i]));
    double d = fabs((double)expected[i] - (double)found[i]);
    worst = d <= worst ? worst : d; /* also takes a NaN */
  }
  g_free(expected);
  return worst / scale;
}

void golden_expect(const nd_st_tensor *t, const float *found, double tolerance) {
  double d = golden_distance(t, found, 1e-6);
  if (!(d <= tolerance))
    fail_msg("'%s' is off by %.3g of its largest value; %.3g is allowed", t->name, d, tolerance);
}

int golden_expect_params(const golden *g, const char *prefix, const nd_params *params, const float *values,
                         const char *skipped_ending, double tolerance) {
  int compared = 0;
  for (int i = 0; i < nd_params_length(params); i++) {
    const nd_param *p = nd_params_at(params, i);
    if (p->state || (skipped_ending && g_str_has_suffix(p->name, skipped_ending)))
      continue;
    golden_expect(golden_tensor(g, "%s%s", prefix, p->name), values + p->offset, tolerance);
    compared++;
  }
  return compared;
}
