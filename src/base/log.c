#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>

static nd_log_sink current_sink;
static void *sink_context;

void nd_log_set_sink(nd_log_sink sink, void *context) {
  current_sink = sink;
  sink_context = context;
}

void nd_log(nd_log_level level, const char *format, ...) {
  if (!current_sink)
    return;
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  nd_make_printable(text, "");
  current_sink(level, text, sink_context);
}
