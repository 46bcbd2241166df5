#include "base/base.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };
static _Thread_local char message[MESSAGE_BYTES];
static _Thread_local bool no_room;

static void set_message(const char *format, va_list args) {
  vsnprintf(message, sizeof message, format, args);
  nd_make_printable(message, "");
  no_room = false;
}

int nd_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  set_message(format, args);
  va_end(args);
  return -1;
}

int nd_fail_of(int cause, const char *what, ...) {
  va_list args;
  va_start(args, what);
  set_message(what, args);
  va_end(args);
  size_t n = strlen(message);
  snprintf(message + n, sizeof message - n, ": %s", strerror(cause));
  no_room = cause == ENOSPC || cause == EDQUOT;
  return -1;
}

int nd_fail_in(const char *format, ...) {
  char cause[MESSAGE_BYTES], context[MESSAGE_BYTES / 2];
  memcpy(cause, message, sizeof cause);
  va_list args;
  va_start(args, format);
  vsnprintf(context, sizeof context, format, args);
  va_end(args);
  nd_make_printable(context, "");
  snprintf(message, sizeof message, "%s: %.*s", context, (int)(sizeof message - strlen(context) - 3), cause);
  return -1;
}

const char *nd_full_stop(const char *text) {
  size_t n = strlen(text);
  return n && strchr(".!?", text[n - 1]) ? "" : ".";
}

int nd_fail_and(const char *format, ...) {
  char more[MESSAGE_BYTES / 2];
  va_list args;
  va_start(args, format);
  vsnprintf(more, sizeof more, format, args);
  va_end(args);
  nd_make_printable(more, "");
  bool goes_on = *nd_full_stop(message);
  if (!goes_on)
    more[0] = (char)toupper((unsigned char)more[0]);
  size_t kept = strlen(message), most = sizeof message - strlen(more) - 3;
  kept = kept < most ? kept : most;
  snprintf(message + kept, sizeof message - kept, "%s%s", goes_on ? "; " : " ", more);
  return -1;
}

const char *nd_error(void) {
  return message;
}

bool nd_error_no_room(void) {
  return no_room;
}

void nd_error_clear(void) {
  message[0] = 0;
  no_room = false;
}
