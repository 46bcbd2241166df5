/* Requests as bytes on a socket: nothing tidies up paths or headers on the way. */
#ifndef HTTP_H
#define HTTP_H

#include <glib.h>
#include <stdbool.h>

typedef struct reply {
  int status; /* 0: the connection ended without an answer */
  char *head; /* status line and headers */
  char *body; /* 0 behind it */
  size_t size;
} reply;

/* target: path and query, as written. headers: lines ending in \r\n, or NULL for a Host header alone. body:
 * NULL for none. reply_clear. */
reply http(int port, const char *method, const char *target, const char *headers, const void *body, size_t n);
reply http_get(int port, const char *target);
/* The bytes as they are. */
reply http_raw(int port, const char *bytes, size_t n);
/* Sends them and leaves the connection open; to be hung up on. */
gpointer http_begin(int port, const char *bytes, size_t n);
void http_hang_up(gpointer connection);
/* True once the server has closed it; false: not within that many seconds. */
bool http_ended_by_other(gpointer connection, unsigned seconds);
void reply_clear(reply *r);
/* Fails unless the answer has this status and, in its body, these words. */
void expect_reply(reply *r, int status, const char *words);

#endif
