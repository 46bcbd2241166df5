/* The profile as text. */
#include "tensor/kernels/micro.h"
#include "tensor/profile-private.h"

#include <string.h>

enum { SHAPES = 12 }; /* how many of the most expensive shapes are listed */

/* Several entries taken together. */
typedef struct row {
  const nd_profile_entry *first;
  double calls, seconds, flops, bytes; /* of all units */
} row;

typedef bool (*same_fn)(const nd_profile_entry *a, const nd_profile_entry *b);

static bool same_operator(const nd_profile_entry *a, const nd_profile_entry *b) {
  return !strcmp(a->name, b->name);
}

static bool same_shape(const nd_profile_entry *a, const nd_profile_entry *b) {
  return same_operator(a, b) && !memcmp(a->dims, b->dims, sizeof a->dims) && a->flops == b->flops;
}

static row *row_of(GArray *rows, const nd_profile_entry *e, same_fn same) {
  for (guint i = 0; i < rows->len; i++)
    if (same(g_array_index(rows, row, i).first, e))
      return &g_array_index(rows, row, i);
  row fresh = {.first = e};
  g_array_append_val(rows, fresh);
  return &g_array_index(rows, row, rows->len - 1);
}

static int slower_first(gconstpointer a, gconstpointer b) {
  const row *p = a, *q = b;
  return p->seconds < q->seconds ? 1 : p->seconds > q->seconds ? -1 : strcmp(p->first->name, q->first->name);
}

static GArray *group(GArray *entries, same_fn same, bool per_call) {
  GArray *rows = g_array_new(FALSE, TRUE, sizeof(row));
  for (guint i = 0; i < entries->len; i++) {
    const nd_profile_entry *e = nd_profile_entry_at(entries, i);
    if (!e->calls)
      continue;
    row *r = row_of(rows, e, same);
    double calls = (double)e->calls, times = per_call ? calls : 1;
    r->calls += calls;
    r->seconds += 1e-9 * (double)e->total;
    r->flops += times * e->flops;
    r->bytes += times * e->bytes;
  }
  g_array_sort(rows, slower_first);
  return rows;
}

static double sum_seconds(const GArray *rows) {
  double sum = 0;
  for (guint i = 0; i < rows->len; i++)
    sum += g_array_index(rows, row, i).seconds;
  return sum;
}

/* "   152.3   83 %", or blanks where there is nothing to tell. */
static void add_rate(GString *text, double amount, double seconds, double peak) {
  if (amount > 0 && seconds > 0)
    g_string_append_printf(text, " %9.1f", amount / seconds * 1e-9);
  else
    g_string_append_printf(text, " %9s", "");
  if (amount > 0 && seconds > 0 && peak > 0)
    g_string_append_printf(text, " %5.0f %%", 100 * amount / seconds / peak);
  else
    g_string_append_printf(text, " %7s", "");
}

static const char *bound(const nd_profile *p, const row *r) {
  if (p->peak_flops <= 0 || p->peak_bandwidth <= 0 || (r->flops <= 0 && r->bytes <= 0))
    return "";
  return r->flops / p->peak_flops > r->bytes / p->peak_bandwidth ? "  arithmetic" : "  memory";
}

static void add_time(GString *text, const nd_profile *p, double seconds) {
  g_string_append_printf(text, " %10.3f %6.1f %%", 1e3 * seconds / (double)p->units,
                         100 * seconds / (1e-9 * (double)p->total));
}

static void add_rates(GString *text, const nd_profile *p, const row *r) {
  if (r->flops > 0 || r->bytes > 0)
    add_rate(text, r->flops, r->seconds, p->peak_flops);
  if (r->bytes > 0)
    add_rate(text, r->bytes, r->seconds, p->peak_bandwidth);
  g_string_append_printf(text, "%s\n", bound(p, r));
}

static void add_rows(GString *text, const nd_profile *p, const GArray *rows) {
  for (guint i = 0; i < rows->len; i++) {
    const row *r = &g_array_index(rows, row, i);
    g_string_append_printf(text, "%-28s %7.4g", r->first->name, r->calls / (double)p->units);
    add_time(text, p, r->seconds);
    add_rates(text, p, r);
  }
}

static void add_sum(GString *text, const nd_profile *p, const char *name, double seconds) {
  g_string_append_printf(text, "%-28s %7s", name, "");
  add_time(text, p, seconds);
  g_string_append_c(text, '\n');
}

static void add_shapes(GString *text, const nd_profile *p) {
  g_autoptr(GArray) rows = group(p->nodes, same_shape, true);
  g_string_append(text, "\nmost expensive shapes   NxHxWxC   MFLOP a call\n");
  for (guint i = 0; i < MIN(rows->len, SHAPES); i++) {
    const row *r = &g_array_index(rows, row, i);
    g_autofree char *shape = g_strdup_printf("%dx%dx%dx%d", ND_DIMS(r->first));
    g_string_append_printf(text, "%-26s %-16s %8.1f %7.4g", r->first->name, shape, r->first->flops * 1e-6,
                           r->calls / (double)p->units);
    add_time(text, p, r->seconds);
    add_rates(text, p, r);
  }
}

static void add_head(GString *text, const nd_profile *p, const char *unit) {
  g_string_append_printf(text, "profile of %s, %.2f ms each; %s, %s", nd_count(p->units, unit).text,
                         1e-6 * (double)p->total / (double)p->units, nd_micro_best()->name,
                         nd_count((size_t)nd_threads(), "thread").text);
  if (p->peak_flops > 0)
    g_string_append_printf(text, "; the machine's peak: %.0f GFLOP/s, %.1f GB/s", p->peak_flops * 1e-9,
                           p->peak_bandwidth * 1e-9);
  g_string_append_printf(text, "\n\n%-28s %7s %10s %8s %9s %7s %9s %7s  %s\n", "operator", "calls", "ms",
                         "share", "GFLOP/s", "of peak", "GB/s", "of peak", "bound by");
}

char *nd_profile_table(const nd_profile *p, const char *unit) {
  if (!p->units)
    return g_strdup_printf("profile: no %s was recorded\n", unit);
  g_autoptr(GArray) operators = group(p->nodes, same_operator, true);
  g_autoptr(GArray) stages = group(p->stages, same_operator, false);
  double inside = sum_seconds(operators), outside = sum_seconds(stages), whole = 1e-9 * (double)p->total;
  GString *text = g_string_new(NULL);
  add_head(text, p, unit);
  add_rows(text, p, operators);
  add_sum(text, p, "network", inside);
  g_string_append_c(text, '\n');
  add_rows(text, p, stages);
  add_sum(text, p, "between them", whole - inside - outside);
  add_sum(text, p, unit, whole);
  add_shapes(text, p);
  return g_string_free(text, FALSE);
}
