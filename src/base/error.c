#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };
static _Thread_local char message[MESSAGE_BYTES];

int nd_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return -1;
}

int nd_fail_in(const char *format, ...) {
  char cause[MESSAGE_BYTES], context[MESSAGE_BYTES / 2];
  memcpy(cause, message, sizeof cause);
  va_list args;
  va_start(args, format);
  vsnprintf(context, sizeof context, format, args);
  va_end(args);
  snprintf(message, sizeof message, "%s: %.*s", context, (int)(sizeof message - strlen(context) - 3), cause);
  return -1;
}

const char *nd_error(void) {
  return message;
}

void nd_error_clear(void) {
  message[0] = 0;
}
