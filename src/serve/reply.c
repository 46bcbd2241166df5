/* Answers: JSON, texts, files, and errors in words. */
#include "serve/serve-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nothing from elsewhere is loaded, nothing here is shown elsewhere. */
static void add_headers(struct MHD_Response *r, const char *type) {
  MHD_add_response_header(r, "Content-Type", type);
  MHD_add_response_header(r, "Cache-Control", "no-cache");
  MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
  MHD_add_response_header(r, "Cross-Origin-Resource-Policy", "same-origin");
  MHD_add_response_header(r, "Content-Security-Policy",
                          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
                          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

static nd_answer send_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *r,
                               const char *type) {
  if (!r)
    return MHD_NO;
  add_headers(r, type);
  nd_answer answer = MHD_queue_response(c, status, r);
  MHD_destroy_response(r);
  return answer;
}

/* Takes text. */
static struct MHD_Response *of_text(char *text) {
  return MHD_create_response_from_buffer_with_free_callback(strlen(text), text, g_free);
}

nd_answer nd_reply_text(struct MHD_Connection *c, const char *type, char *text) {
  return send_response(c, MHD_HTTP_OK, of_text(text), type);
}

nd_answer nd_reply_static(struct MHD_Connection *c, const char *type, const void *bytes, size_t n) {
  return send_response(c, MHD_HTTP_OK,
                       MHD_create_response_from_buffer(n, (void *)bytes, MHD_RESPMEM_PERSISTENT), type);
}

/* ---- JSON ---- */
static const char json_type[] = "application/json; charset=utf-8";

/* Takes the builder. */
static struct MHD_Response *of_json(JsonBuilder *body) {
  json_builder_end_object(body);
  return of_text(nd_json_written(body, false));
}

nd_answer nd_reply_json(struct MHD_Connection *c, unsigned status, JsonBuilder *body) {
  return send_response(c, status, of_json(body), json_type);
}

static struct MHD_Response *of_error(const char *sentence) {
  JsonBuilder *b = nd_json_begin();
  nd_json_text(b, "error", sentence);
  return of_json(b);
}

nd_answer nd_reply_error(struct MHD_Connection *c, unsigned status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  return send_response(c, status, of_error(text), json_type);
}

nd_answer nd_reply_wrong_method(struct MHD_Connection *c, const char *method, const char *allowed) {
  g_autofree char *text = g_strdup_printf("This cannot be asked for with %s.", method);
  struct MHD_Response *r = of_error(text);
  if (r)
    MHD_add_response_header(r, "Allow", allowed);
  return send_response(c, MHD_HTTP_METHOD_NOT_ALLOWED, r, json_type);
}

/* ---- Pictures ---- */
static const char *type_of(const char *path) {
  static const struct {
    const char *ending, *type;
  } types[] = {{".png", "image/png"},  {".jpg", "image/jpeg"},  {".jpeg", "image/jpeg"},
               {".tif", "image/tiff"}, {".tiff", "image/tiff"}, {".webp", "image/webp"}};
  g_autofree char *low = g_ascii_strdown(path, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
    if (g_str_has_suffix(low, types[i].ending))
      return types[i].type;
  return NULL;
}

/* Two names: one in ASCII for whoever does not read the other (RFC 6266). */
static void add_name(struct MHD_Response *r, const char *name) {
  g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE), *plain = g_str_to_ascii(name, "C");
  for (char *p = plain; *p; p++)
    if (!g_ascii_isprint(*p) || strchr("\"\\%", *p))
      *p = '_';
  g_autofree char *value =
      g_strdup_printf("attachment; filename=\"%s\"; filename*=UTF-8''%s", plain, escaped);
  MHD_add_response_header(r, "Content-Disposition", value);
}

nd_answer nd_reply_file(struct MHD_Connection *c, const char *path, const char *download) {
  struct stat s;
  const char *type = type_of(path);
  int fd = type ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
  if (fd < 0 || fstat(fd, &s) || !S_ISREG(s.st_mode)) {
    if (fd >= 0)
      close(fd);
    return nd_reply_error(c, MHD_HTTP_NOT_FOUND, "There is no such picture.");
  }
  struct MHD_Response *r = MHD_create_response_from_fd64((uint64_t)s.st_size, fd); /* closes it */
  if (!r)
    close(fd);
  else if (download)
    add_name(r, download);
  return send_response(c, MHD_HTTP_OK, r, type);
}
