/* The server: which request goes where. */
#include "serve/serve-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who asks nothing makes room soon; a photo may come by a line that falters. */
enum { CONNECTIONS_MAX = 256, IDLE_SECONDS = 10, UPLOAD_IDLE_SECONDS = 60, CURVE_ROWS = 2000 };

struct nd_server {
  nd_serve_settings settings;
  nd_jobs *jobs;
  struct MHD_Daemon *daemon;
  int port;
};

nd_serve_settings nd_serve_defaults(void) {
  return (nd_serve_settings){.listen = "127.0.0.1",
                             .port = 8080,
                             .max_upload = (size_t)256 << 20,
                             .max_megapixels = 50,
                             .memory = (size_t)1 << 30};
}

static const char *argument(struct MHD_Connection *c, const char *name) {
  return MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);
}

static const char *header(struct MHD_Connection *c, const char *name) {
  return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* ---- What can be asked for ---- */
typedef nd_answer (*handler)(nd_server *s, struct MHD_Connection *c);

static nd_answer about(nd_server *s, struct MHD_Connection *c) {
  JsonBuilder *b = nd_json_begin();
  nd_json_text(b, "version", ND_VERSION);
  nd_json_whole(b, "max_upload", (double)s->settings.max_upload);
  nd_json_whole(b, "max_photos", ND_JOBS_KEPT);
  nd_json_number(b, "max_megapixels", s->settings.max_megapixels);
  nd_json_flag(b, "restores", nd_models_any(s->settings.models));
  nd_json_flag(b, "watches", s->settings.runs != NULL);
  nd_json_list(b, "models");
  nd_models_describe(s->settings.models, b);
  json_builder_end_array(b);
  return nd_reply_json(c, MHD_HTTP_OK, b);
}

static nd_answer no_such_job(struct MHD_Connection *c) {
  return nd_reply_error(c, MHD_HTTP_NOT_FOUND,
                        "This photo is no longer known: results are kept until the server ends, the last %d "
                        "of them.",
                        ND_JOBS_KEPT);
}

static nd_answer job(nd_server *s, struct MHD_Connection *c) {
  JsonBuilder *b = nd_json_begin();
  if (nd_jobs_describe(s->jobs, argument(c, "id"), b))
    return nd_reply_json(c, MHD_HTTP_OK, b);
  g_object_unref(b);
  return no_such_job(c);
}

static nd_answer cancel(nd_server *s, struct MHD_Connection *c) {
  return nd_jobs_cancel(s->jobs, argument(c, "id")) ? job(s, c) : no_such_job(c);
}

static nd_answer picture(nd_server *s, struct MHD_Connection *c) {
  g_autofree char *download = NULL,
                  *path = nd_jobs_picture(s->jobs, argument(c, "id"), argument(c, "which"), &download);
  return path ? nd_reply_file(c, path, download) : no_such_job(c);
}

static nd_answer runs(nd_server *s, struct MHD_Connection *c) {
  JsonBuilder *b = nd_json_begin();
  nd_json_list(b, "runs");
  nd_runs_describe(s->settings.runs, b);
  json_builder_end_array(b);
  return nd_reply_json(c, MHD_HTTP_OK, b);
}

static nd_answer no_such_run(struct MHD_Connection *c) {
  return nd_reply_error(c, MHD_HTTP_NOT_FOUND, "The run cannot be shown: %s%s", nd_error(),
                        nd_full_stop(nd_error()));
}

static nd_answer run(nd_server *s, struct MHD_Connection *c) {
  JsonBuilder *b = nd_json_begin();
  if (!nd_run_describe(s->settings.runs, argument(c, "name"), b))
    return nd_reply_json(c, MHD_HTTP_OK, b);
  g_object_unref(b);
  return no_such_run(c);
}

/* An empty one where it is not written yet. */
static nd_answer table(nd_server *s, struct MHD_Connection *c, const char *file) {
  g_autofree char *folder = nd_inside(s->settings.runs, argument(c, "name")),
                  *path = folder ? nd_inside(folder, file) : NULL,
                  *there = folder ? g_build_filename(folder, file, NULL) : NULL;
  char *text = path ? nd_csv_thinned(path, CURVE_ROWS) : NULL;
  if (there && !text && !g_file_test(there, G_FILE_TEST_EXISTS) &&
      !g_file_test(there, G_FILE_TEST_IS_SYMLINK))
    text = g_strdup("");
  return text ? nd_reply_text(c, "text/csv; charset=utf-8", text) : no_such_run(c);
}

static nd_answer run_log(nd_server *s, struct MHD_Connection *c) {
  return table(s, c, "log.csv");
}

static nd_answer run_validation(nd_server *s, struct MHD_Connection *c) {
  return table(s, c, "validation.csv");
}

static nd_answer run_picture(nd_server *s, struct MHD_Connection *c) {
  g_autofree char *folder = nd_inside(s->settings.runs, argument(c, "name")),
                  *path = folder ? nd_inside(folder, argument(c, "file")) : NULL;
  return path ? nd_reply_file(c, path, NULL) : no_such_run(c);
}

#define READING "GET, HEAD"

typedef struct route {
  const char *method, *path; /* method: what Allow says */
  handler answer;
} route;

static const route routes[] = {{READING, "/api/about", about},
                               {READING, "/api/job", job},
                               {"POST", "/api/cancel", cancel},
                               {READING, "/api/picture", picture},
                               {READING, "/api/runs", runs},
                               {READING, "/api/run", run},
                               {READING, "/api/run/log", run_log},
                               {READING, "/api/run/validation", run_validation},
                               {READING, "/api/run/picture", run_picture},
                               {"POST", "/api/restore", NULL}}; /* upload.c */

/* ---- The page ---- */
static const char *page_type(const char *name) {
  return g_str_has_suffix(name, ".js")    ? "text/javascript; charset=utf-8"
         : g_str_has_suffix(name, ".css") ? "text/css; charset=utf-8"
         : g_str_has_suffix(name, ".svg") ? "image/svg+xml"
                                          : "text/html; charset=utf-8";
}

static const nd_page_file *page_file(const char *url) {
  const char *name = strcmp(url, "/") ? url : "/index.html";
  for (const nd_page_file *f = nd_page_files; f->name; f++)
    if (!strcmp(f->name, name))
      return f;
  return NULL;
}

/* ---- Requests ---- */
static bool is_allowed(const char *method, const char *allowed) {
  return !strcmp(method, allowed) ||
         (!strcmp(allowed, READING) && (!strcmp(method, "GET") || !strcmp(method, "HEAD")));
}

static nd_answer answer(nd_server *s, struct MHD_Connection *c, const char *method, const char *url) {
  const nd_page_file *file = page_file(url);
  const char *allowed = file ? READING : NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(routes); i++)
    if (!strcmp(url, routes[i].path)) {
      allowed = routes[i].method;
      if (routes[i].answer && is_allowed(method, allowed))
        return routes[i].answer(s, c);
    }
  if (!allowed)
    return nd_reply_error(c, MHD_HTTP_NOT_FOUND, "There is nothing at this address.");
  if (!file || !is_allowed(method, allowed))
    return nd_reply_wrong_method(c, method, allowed);
  return nd_reply_static(c, page_type(file->name), file->bytes, file->size);
}

/* Why a request is not heard at all; NULL: it is. */
static const char *objection(const nd_server *s, struct MHD_Connection *c, const char *url) {
  const char *host = header(c, "Host");
  if (!nd_guard_host(host, s->settings.host))
    return "This server is not called by that name. Open it as http://localhost, by its address, or start it "
           "with --host NAME.";
  if (g_str_has_prefix(url, "/api/") &&
      !nd_guard_origin(header(c, "Origin"), header(c, "Sec-Fetch-Site"), host))
    return "Only this server's own page may ask for this, not another web site.";
  return NULL;
}

static char no_body; /* its address stands for a request whose body is not wanted */

static void allow_idle(struct MHD_Connection *c, int seconds) {
  MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)seconds);
}

/* Called once when the headers are there, then for each piece of the body, then once more. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *body, size_t *n,
                                  void **state) {
  nd_server *s = context;
  (void)version;
  if (!*state) {
    const char *objects = objection(s, c, url), *expects = header(c, "Expect");
    if (objects)
      return nd_reply_error(c, MHD_HTTP_FORBIDDEN, "%s", objects);
    bool upload = !strcmp(method, "POST") && !strcmp(url, "/api/restore");
    *state = upload ? (void *)nd_upload_new(&s->settings, s->jobs, c) : &no_body;
    if (upload)
      allow_idle(c, UPLOAD_IDLE_SECONDS);
    /* One that asks first is told before it sends. */
    return upload && expects && nd_upload_refused(*state) ? nd_upload_answer(*state, c) : MHD_YES;
  }
  nd_upload *upload = *state == &no_body ? NULL : *state;
  if (*n) {
    int failed = upload ? nd_upload_put(upload, body, *n) : 0;
    *n = 0;
    return failed ? MHD_NO : MHD_YES;
  }
  return upload ? nd_upload_answer(upload, c) : answer(s, c, method, url);
}

static void on_completed(void *context, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode how) {
  (void)context, (void)how;
  if (*state && *state != &no_body) {
    nd_upload_free(*state);
    allow_idle(c, IDLE_SECONDS);
  }
  *state = NULL;
}

/* ---- Start and end ---- */
static int check_folder(const char *folder, const char *what) {
  if (!folder || g_file_test(folder, G_FILE_TEST_IS_DIR))
    return 0;
  return nd_fail("there is no folder '%s' for %s", folder, what);
}

typedef struct address {
  struct sockaddr_storage at;
  socklen_t size;
} address;

static int parse_address(const char *text, int port, address *out) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)&out->at;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->at;
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    out->size = sizeof *v4;
  } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    out->size = sizeof *v6;
  } else {
    return nd_fail("'%s' is no address to listen on; 127.0.0.1, ::1 and 0.0.0.0 are", text);
  }
  return 0;
}

/* A socket of our own, so that the reason for a failure is known. */
static int open_socket(const nd_serve_settings *s, int *port) {
  address a;
  if (parse_address(s->listen, s->port, &a))
    return -1;
  int fd = socket(a.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  if (fd >= 0)
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a.at, a.size) || listen(fd, 32) ||
      getsockname(fd, (struct sockaddr *)&a.at, &a.size)) {
    nd_fail("cannot listen on %s, port %d: %s%s", s->listen, s->port, g_strerror(errno),
            errno == EADDRINUSE ? "; choose another with --port" : "");
    if (fd >= 0)
      close(fd);
    return -1;
  }
  *port = ntohs(a.at.ss_family == AF_INET ? ((struct sockaddr_in *)&a.at)->sin_port
                                          : ((struct sockaddr_in6 *)&a.at)->sin6_port);
  return fd;
}

static int start(nd_server *s) {
  int fd;
  if (check_folder(s->settings.models, "models") || check_folder(s->settings.runs, "runs") ||
      (fd = open_socket(&s->settings, &s->port)) < 0)
    return -1;
  s->jobs = nd_jobs_new(&s->settings);
  if (s->jobs)
    s->daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request, s,
                                 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
  if (s->daemon)
    return 0;
  close(fd);
  return s->jobs ? nd_fail("the web server could not be started") : -1;
}

static void copy_settings(nd_serve_settings *s) {
  const char **texts[] = {&s->listen, &s->host, &s->models, &s->runs, &s->program};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    *texts[i] = g_strdup(*texts[i]);
}

int nd_server_start(const nd_serve_settings *settings, nd_server **out) {
  nd_server *s = g_new0(nd_server, 1);
  s->settings = *settings;
  copy_settings(&s->settings);
  *out = s;
  if (!start(s))
    return 0;
  nd_server_stop(s);
  *out = NULL;
  return -1;
}

int nd_server_port(const nd_server *s) {
  return s->port;
}

void nd_server_stop(nd_server *s) {
  if (s->daemon)
    MHD_stop_daemon(s->daemon); /* closes the socket */
  nd_jobs_free(s->jobs);
  g_free((char *)s->settings.listen);
  g_free((char *)s->settings.host);
  g_free((char *)s->settings.models);
  g_free((char *)s->settings.runs);
  g_free((char *)s->settings.program);
  g_free(s);
}
