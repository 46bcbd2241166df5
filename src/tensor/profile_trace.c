/* The profile in the Trace Event Format, which chrome://tracing and Perfetto read: complete events ("X") with
 * times in microseconds, written from whole numbers so that no locale matters. */
#include "tensor/profile-private.h"

/* Opens the event; arguments and "}}" follow. */
static void begin_event(GString *text, const nd_profile *p, const char *name, const char *category,
                        int64_t begun, int64_t took) {
  if (text->str[text->len - 1] == '}')
    g_string_append(text, ",\n");
  int64_t at = begun - p->created;
  g_string_append_printf(text,
                         "{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":1,"
                         "\"ts\":%" G_GINT64_FORMAT ".%03d,\"dur\":%" G_GINT64_FORMAT ".%03d,\"args\":{",
                         name, category, at / 1000, (int)(at % 1000), took / 1000, (int)(took % 1000));
}

static void add_entries(GString *text, const nd_profile *p, GArray *entries, bool nodes) {
  for (guint i = 0; i < entries->len; i++) {
    const nd_profile_entry *e = nd_profile_entry_at(entries, i);
    if (!e->calls)
      continue;
    begin_event(text, p, e->name, nodes ? "node" : "stage", e->begun, e->took);
    if (nodes)
      g_string_append_printf(text, "\"node\":%u,\"shape\":\"%dx%dx%dx%d\",\"flops\":%.0f,\"bytes\":%.0f,", i,
                             ND_DIMS(e), e->flops, e->bytes);
    g_string_append_printf(text, "\"calls\":%" G_GUINT64_FORMAT ",\"mean_ns\":%" G_GUINT64_FORMAT "}}",
                           e->calls, (uint64_t)e->total / e->calls);
  }
}

char *nd_profile_trace(const nd_profile *p) {
  GString *text = g_string_new("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
  if (p->units) {
    begin_event(text, p, "unit", "unit", p->begun, p->took);
    g_string_append_printf(text, "\"units\":%" G_GUINT64_FORMAT "}}", p->units);
  }
  add_entries(text, p, p->stages, false);
  add_entries(text, p, p->nodes, true);
  g_string_append(text, "\n]}\n");
  return g_string_free(text, FALSE);
}
