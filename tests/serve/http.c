#include "http.h"

#include <gio/gio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static GSocketConnection *call(int port) {
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_autoptr(GError) error = NULL;
  GSocketConnection *c = g_socket_client_connect_to_host(client, "127.0.0.1", (guint16)port, NULL, &error);
  if (!c)
    fail_msg("%s", error->message);
  return c;
}

static GByteArray *read_all(GSocketConnection *c) {
  GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(c));
  GByteArray *bytes = g_byte_array_new();
  guint8 piece[65536];
  for (gssize n; (n = g_input_stream_read(in, piece, sizeof piece, NULL, NULL)) > 0;)
    g_byte_array_append(bytes, piece, (guint)n);
  g_byte_array_append(bytes, (const guint8 *)"", 1);
  return bytes;
}

static reply parse(GByteArray *bytes) {
  reply r = {0};
  char *text = (char *)bytes->data, *end = strstr(text, "\r\n\r\n");
  if (end && sscanf(text, "HTTP/1.1 %d", &r.status) == 1) {
    r.head = g_strndup(text, (gsize)(end - text));
    r.size = bytes->len - 1 - (size_t)(end + 4 - text);
    r.body = g_memdup2(end + 4, r.size + 1);
  }
  g_byte_array_unref(bytes);
  return r;
}

gpointer http_begin(int port, const char *bytes, size_t n) {
  GSocketConnection *c = call(port);
  g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(c)), bytes, n, NULL, NULL, NULL);
  return c;
}

void http_hang_up(gpointer connection) {
  g_io_stream_close(G_IO_STREAM(connection), NULL, NULL);
  g_object_unref(connection);
}

bool http_ended_by_other(gpointer connection, unsigned seconds) {
  char byte;
  g_socket_set_timeout(g_socket_connection_get_socket(connection), seconds);
  return g_input_stream_read(g_io_stream_get_input_stream(G_IO_STREAM(connection)), &byte, 1, NULL, NULL) ==
         0;
}

reply http_raw(int port, const char *bytes, size_t n) {
  gpointer c = http_begin(port, bytes, n);
  reply r = parse(read_all(c));
  http_hang_up(c);
  return r;
}

reply http(int port, const char *method, const char *target, const char *headers, const void *body,
           size_t n) {
  g_autoptr(GString) s = g_string_new(NULL);
  g_string_printf(s, "%s %s HTTP/1.1\r\n%sConnection: close\r\n", method, target,
                  headers ? headers : "Host: localhost\r\n");
  if (body)
    g_string_append_printf(s, "Content-Length: %zu\r\n", n);
  g_string_append(s, "\r\n");
  if (body)
    g_string_append_len(s, body, (gssize)n);
  return http_raw(port, s->str, s->len);
}

reply http_get(int port, const char *target) {
  return http(port, "GET", target, NULL, NULL, 0);
}

void reply_clear(reply *r) {
  g_free(r->head);
  g_free(r->body);
  *r = (reply){0};
}

void expect_reply(reply *r, int status, const char *words) {
  if (r->status != status || !strstr(r->body ? r->body : "", words))
    fail_msg("%d '%.300s' came, not %d with '%s'", r->status, r->body ? r->body : "", status, words);
  reply_clear(r);
}
