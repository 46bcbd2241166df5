/* What the server answers, and what it refuses. */
#include "http.h"
#include "serve/serve-private.h"
#include "site.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>

#define TINY "/api/restore?model=tiny.safetensors&name=photo.png"

static void get(const site *s, const char *target, int status, const char *words) {
  reply r = http_get(s->port, target);
  if (r.status != status || !strstr(r.body, words))
    fail_msg("%s: %d '%.200s', not %d with '%s'", target, r.status, r.body, status, words);
  reply_clear(&r);
}

static void send_to(const site *s, const char *target, const char *headers, const void *bytes, size_t n,
                    int status, const char *words) {
  reply r = http(s->port, "POST", target, headers, bytes, n);
  if (r.status != status || !strstr(r.body, words))
    fail_msg("%s: %d '%.200s', not %d with '%s'", target, r.status, r.body ? r.body : "", status, words);
  reply_clear(&r);
}

static void the_page_is_whole_and_its_own(void **state) {
  site *s = *state;
  reply r = http_get(s->port, "/");
  assert_int_equal(r.status, 200);
  assert_non_null(strstr(r.head, "Content-Security-Policy: default-src 'none'"));
  assert_non_null(strstr(r.head, "X-Content-Type-Options: nosniff"));
  assert_null(strstr(r.body, "http://"));
  assert_null(strstr(r.body, "https://"));
  assert_null(strstr(r.body, "style=\""));
  reply_clear(&r);
  const char *files[] = {"/style.css",  "/page.js",  "/common.js", "/photo.js", "/restore.js",
                         "/compare.js", "/chart.js", "/runs.js",   "/icon.svg"};
  for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_strconcat(ND_PAGE, files[i], NULL), *text = NULL;
    gsize n;
    assert_true(g_file_get_contents(path, &text, &n, NULL));
    r = http_get(s->port, files[i]);
    assert_int_equal(r.size, n);
    assert_memory_equal(r.body, text, n);
    reply_clear(&r);
  }
}

static void what_is_not_there_is_said(void **state) {
  site *s = *state;
  get(s, "/nothing", 404, "nothing at this address");
  get(s, "/api/restore", 405, "GET");
  get(s, "/api/cancel?id=1", 405, "GET");
  send_to(s, "/api/about", NULL, "", 0, 405, "POST");
  send_to(s, "/", NULL, "", 0, 405, "POST");
  get(s, "/api/job?id=1", 404, "no longer known");
  get(s, "/api/job", 404, "no longer known");
  get(s, "/api/picture?id=1&which=result", 404, "no longer known");
  get(s, "/api/run?name=no", 404, "there is no 'no'");
}

static void what_may_be_asked_is_said(void **state) {
  site *s = *state;
  const char *cases[][3] = {{"GET", "/api/restore?model=tiny.safetensors", "\r\nAllow: POST\r\n"},
                            {"GET", "/api/cancel?id=1", "\r\nAllow: POST\r\n"},
                            {"POST", "/api/about", "\r\nAllow: GET, HEAD\r\n"},
                            {"PUT", "/style.css", "\r\nAllow: GET, HEAD\r\n"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    reply r = http(s->port, cases[i][0], cases[i][1], NULL, "", 0);
    if (r.status != 405 || !strstr(r.head, cases[i][2]))
      fail_msg("%s %s: %d %s", cases[i][0], cases[i][1], r.status, r.head);
    reply_clear(&r);
  }
}

static void who_asks_nothing_keeps_nobody_out(void **state) {
  enum { IDLE = 255, SECONDS = 10 };
  site *s = *state;
  gpointer idle[IDLE];
  for (int i = 0; i < IDLE; i++)
    idle[i] = http_begin(s->port, "G", i % 2);
  gint64 begun = g_get_monotonic_time();
  get(s, "/api/about", 200, "tiny");
  assert_true(g_get_monotonic_time() - begun < SECONDS / 2 * G_USEC_PER_SEC);
  assert_true(http_ended_by_other(idle[0], 2 * SECONDS)); /* and makes room for the next */
  for (int i = 0; i < IDLE; i++)
    http_hang_up(idle[i]);
}

static void messages_call_a_photo_by_its_name(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"cannot read '/tmp/n+1/upload': it is empty\n", "cannot read 'mid.png': it is empty"},
      {"cannot write '/tmp/n+1/result.png': no room", "cannot write 'mid.png': no room"},
      {"cannot write '/tmp/n+1/before.jpg': no room", "cannot write 'mid.png': no room"},
      {"there is no room in /tmp/n+1.", "there is no room in mid.png."}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *words = nd_jobs_wording(cases[i][0], "/tmp/n+1", "mid.png");
    assert_string_equal(words, cases[i][1]);
  }
}

static void models_are_listed(void **state) {
  site *s = *state;
  reply r = http_get(s->port, "/api/about");
  assert_non_null(strstr(r.body, "\"max_upload\":4194304,"));
  assert_non_null(strstr(r.body, "\"name\":\"tiny.safetensors\",\"network\":\"unet\""));
  assert_non_null(strstr(r.body, "\"task\":\"denoise\""));
  assert_non_null(strstr(r.body, "\"name\":\"broken.safetensors\",\"problem\""));
  assert_null(strstr(r.body, "out.safetensors"));
  reply_clear(&r);
}

static char *named_models(void) {
  g_autoptr(JsonBuilder) b = json_builder_new();
  json_builder_begin_array(b);
  nd_models_describe(NULL, b);
  json_builder_end_array(b);
  g_autoptr(JsonNode) root = json_builder_get_root(b);
  return json_to_string(root, FALSE);
}

/* The page takes the first: it is to do what `noiseda restore` does, not what the alphabet says. */
static void the_default_model_is_offered_first(void **state) {
  site *s = *state;
  g_autofree char *tiny = g_build_filename(s->models, "tiny.safetensors", NULL),
                  *folder = g_build_filename(s->folder, "named", NULL);
  static const char *const names[] = {"deblur", ND_DEFAULT_MODEL, "derain"};
  assert_int_equal(g_mkdir(folder, 0777), 0);
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *file = g_strconcat(names[i], ".safetensors", NULL),
                    *path = g_build_filename(folder, file, NULL);
    assert_int_equal(symlink(tiny, path), 0);
  }
  g_setenv("NOISEDA_MODELS", folder, TRUE);
  g_autofree char *list = named_models();
  g_unsetenv("NOISEDA_MODELS");
  const char *first = strstr(list, "\"name\":\"" ND_DEFAULT_MODEL "\""), *other = strstr(list, "\"deblur\"");
  assert_non_null(first);
  assert_non_null(other);
  assert_true(first < other);
  assert_null(strstr(first + 1, "\"name\":\"" ND_DEFAULT_MODEL "\""));
}

/* Without a folder models have names, and a name leads nowhere else. */
static void models_with_names_are_offered(void **state) {
  site *s = *state;
  static const char *const none[] = {"../models/tiny", "tiny.safetensors", "", "small"};
  g_setenv("NOISEDA_MODELS", s->models, TRUE);
  g_autofree char *path = nd_models_find(NULL, "tiny"),
                  *wanted = g_build_filename(s->models, "tiny.safetensors", NULL);
  assert_string_equal(path, wanted);
  for (size_t i = 0; i < G_N_ELEMENTS(none); i++)
    assert_null(nd_models_find(NULL, none[i]));
  assert_null(nd_models_find(NULL, NULL));
  assert_true(nd_models_any(NULL));
  g_autofree char *list = named_models();
  assert_non_null(strstr(list, "{\"name\":\"tiny\",\"network\":\"unet\""));
  g_unsetenv("NOISEDA_MODELS");
}

static void other_web_sites_are_refused(void **state) {
  site *s = *state;
  size_t n;
  g_autofree char *png = photo(20, 20, 8, ".png", &n);
  const char *rebound = "Host: evil.example\r\n";
  const char *targets[] = {"/", "/api/about", "/api/runs", "/style.css"};
  for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
    reply r = http(s->port, "GET", targets[i], rebound, NULL, 0);
    expect_reply(&r, 403, "not called by that name");
  }
  send_to(s, TINY, rebound, png, n, 403, "not called by that name");
  send_to(s, TINY, "Host: localhost\r\nOrigin: http://evil.example\r\n", png, n, 403, "another web site");
  send_to(s, TINY, "Host: localhost\r\nOrigin: null\r\n", png, n, 403, "another web site");
  send_to(s, TINY, "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", png, n, 403, "another web site");
  send_to(s, "/api/cancel?id=1", "Host: localhost\r\nOrigin: http://evil.example\r\n", "", 0, 403,
          "another web site");
  reply r = http(s->port, "GET", "/api/runs", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", NULL, 0);
  expect_reply(&r, 403, "another web site");
  assert_int_equal(site_kept(s), 0);
}

static void no_path_leads_out(void **state) {
  site *s = *state;
  g_autofree char *secret = site_path(s, "secret"), *escaped = g_uri_escape_string(secret, NULL, FALSE),
                  *absolute = g_strdup_printf("/api/run/log?name=%s", escaped),
                  *absolute_model =
                      g_strdup_printf("/api/restore?model=%s%%2Fout.safetensors&name=a.png", escaped);
  const char *gets[] = {"/../../etc/passwd",
                        "/%2e%2e/%2e%2e/etc/passwd",
                        "/..%2f..%2fetc%2fpasswd",
                        "/api/../../etc/passwd",
                        "//etc/passwd",
                        "/api/run?name=..%2Fsecret",
                        "/api/run?name=../secret",
                        "/api/run/log?name=..%2Fsecret",
                        "/api/run/log?name=%2e%2e%2fsecret",
                        "/api/run/log?name=%252e%252e%252fsecret",
                        "/api/run/log?name=group/../../secret",
                        "/api/run/log?name=elsewhere",
                        "/api/run/log?name=linked",
                        "/api/run/log?name=/",
                        "/api/run/picture?name=elsewhere&file=secret.png",
                        "/api/run/picture?name=group/one&file=link.png",
                        "/api/run/picture?name=group/one&file=..%2F..%2F..%2Fsecret%2Fsecret.png",
                        "/api/run/picture?name=group/one&file=%2Fetc%2Fpasswd",
                        "/api/run/picture?name=group/one&file=recipe.yaml",
                        "/api/run/picture?name=group/one",
                        "/api/run/picture?name=../secret&file=secret.png",
                        "/api/picture?id=..&which=secret",
                        "/api/picture?id=../secret&which=result",
                        absolute};
  for (size_t i = 0; i < G_N_ELEMENTS(gets); i++) {
    reply r = http_get(s->port, gets[i]);
    if (r.status != 404 || strstr(r.body, "step,secret") || strstr(r.body, "root:"))
      fail_msg("%s: %d %s", gets[i], r.status, r.body);
    reply_clear(&r);
  }
  const char *posts[] = {"/api/restore?model=..%2Fsecret%2Fout.safetensors&name=a.png",
                         "/api/restore?model=../models/tiny.safetensors&name=a.png",
                         "/api/restore?model=out.safetensors&name=a.png",
                         "/api/restore?model=&name=a.png",
                         "/api/restore?name=a.png",
                         absolute_model};
  for (size_t i = 0; i < G_N_ELEMENTS(posts); i++)
    send_to(s, posts[i], NULL, "x", 1, 404, "The model cannot be used");
  assert_int_equal(site_kept(s), 0);
}

static char *chunked(size_t total, size_t *n) {
  GString *s = g_string_new("POST " TINY " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n");
  char piece[0x8000];
  memset(piece, 'x', sizeof piece);
  for (size_t sent = 0; sent < total; sent += sizeof piece) {
    g_string_append(s, "8000\r\n");
    g_string_append_len(s, piece, sizeof piece);
    g_string_append(s, "\r\n");
  }
  g_string_append(s, "0\r\n\r\n");
  *n = s->len;
  return g_string_free(s, FALSE);
}

static void limits_are_kept_and_said(void **state) {
  site *s = *state;
  size_t n, big = (4 << 20) + 1;
  g_autofree char *much = g_malloc0(big), *stream = chunked(6 << 20, &n);
  send_to(s, TINY, NULL, much, big, 413, "larger than the 4 MB");
  reply r = http_raw(s->port, stream, n);
  expect_reply(&r, 413, "larger than the 4 MB");
  const char *asks = "POST " TINY " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n"
                     "Connection: close\r\nExpect: 100-continue\r\n\r\n";
  r = http_raw(s->port, asks, strlen(asks));
  expect_reply(&r, 413, "larger than the 4 MB"); /* before anything was sent */
  g_autofree char *wide = photo(1001, 1000, 8, ".jpg", &n);
  send_to(s, TINY, NULL, wide, n, 413, "1001 x 1000 pixels; this server takes up to 1 million");
  assert_int_equal(site_kept(s), 0);
}

static void what_is_no_photo_is_refused(void **state) {
  site *s = *state;
  size_t n;
  g_autofree char *png = photo(20, 20, 8, ".png", &n);
  send_to(s, TINY, NULL, "", 0, 400, "empty");
  send_to(s, TINY, NULL, "this is a text", 14, 415, "'photo.png'");
  send_to(s, TINY, NULL, "II*\0nothing that a TIFF has", 27, 415, ". Others than PNG, JPEG, TIFF and WebP");
  send_to(s, TINY "&strength=2", NULL, png, n, 400, "strength goes from 0 to 1");
  send_to(s, TINY "&strength=nan", NULL, png, n, 400, "strength goes from 0 to 1");
  send_to(s, TINY "&strength=half", NULL, png, n, 400, "strength goes from 0 to 1");
  send_to(s, TINY "&format=.exe", NULL, png, n, 400, "written as");
  size_t jpeg_size;
  g_autofree char *jpeg = photo(20, 20, 8, ".jpg", &jpeg_size);
  send_to(s, TINY, NULL, jpeg, jpeg_size - 2, 415,
          "cannot read 'photo.png': the JPEG ends before its picture");
  g_autofree char *id = site_send(s, "model=tiny.safetensors&name=half.png", png, n / 2);
  site_wait(s, id, "failed");
  g_autofree char *target = g_strdup_printf("/api/job?id=%s", id);
  reply r = http_get(s->port, target);
  assert_null(strstr(r.body, s->folder)); /* in the user's words */
  expect_reply(&r, 200, "cannot read 'half.png'");
  assert_int_equal(site_kept(s), 0);
}

static void wait_until_kept(const site *s, int n) {
  for (int i = 0; i < 500 && site_kept(s) != n; i++)
    g_usleep(20000);
  assert_int_equal(site_kept(s), n);
}

static void a_connection_that_breaks_leaves_nothing(void **state) {
  site *s = *state;
  const char *begins = "POST " TINY " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nfew";
  gpointer connection = http_begin(s->port, begins, strlen(begins));
  wait_until_kept(s, 2); /* a folder and a file */
  http_hang_up(connection);
  wait_until_kept(s, 0);
  get(s, "/api/about", 200, "tiny");
}

static void runs_are_told_and_grow(void **state) {
  site *s = *state;
  get(s, "/api/runs", 200, "\"name\":\"group/one\"");
  get(s, "/api/run?name=group/one", 200, "\"state\":\"running\",\"step\":20,\"steps\":40,");
  get(s, "/api/run?name=group/one", 200, "\"pictures\":[\"validation/step-20.png\"]");
  get(s, "/api/run?name=group/one", 200, "\"wait_share\":0.125");
  get(s, "/api/run/validation?name=group/one", 200,
      "step,psnr,ssim,pictures\n10,24.5,0.7,4\n20,26.25,0.8,4\n");
  get(s, "/api/run/picture?name=group/one&file=validation/step-20.png", 200, "PNG");
  get(s, "/api/run/validation?name=group", 200, ""); /* not written yet */
  reply r = http_get(s->port, "/api/runs");
  assert_null(strstr(r.body, "elsewhere"));
  assert_null(strstr(r.body, "linked"));
  reply_clear(&r);
  g_autofree char *log = site_path(s, "runs/group/one/log.csv"), *text = NULL;
  assert_true(g_file_get_contents(log, &text, NULL, NULL));
  g_autofree char *longer = g_strconcat(text, "40,0.3,0.15,0.1,0.6,0.9,1,0.3,12.5,0.5\n", NULL);
  assert_true(g_file_set_contents(log, longer, -1, NULL));
  get(s, "/api/run/log?name=group/one", 200, "\n40,0.3,");
  get(s, "/api/run?name=group/one", 200, "\"state\":\"finished\"");
  assert_true(g_file_set_contents(log, text, -1, NULL));
}

static void set_age(const char *path, int seconds) {
  const struct timespec then[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
  assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
}

/* What ended before its first line does not start for ever; what is started again does. */
static void a_run_that_never_logged_is_said(void **state) {
  site *s = *state;
  g_autofree char *folder = site_path(s, "runs/early"), *recipe = site_path(s, "runs/early/recipe.yaml"),
                  *lock = site_path(s, "runs/early/lock");
  g_mkdir(folder, 0777);
  assert_true(g_file_set_contents(recipe, "mode: source\n", -1, NULL));
  get(s, "/api/run?name=early", 200, "\"state\":\"starting\"");
  set_age(recipe, 400);
  get(s, "/api/run?name=early", 200, "\"state\":\"quiet\"");
  assert_true(g_file_set_contents(lock, "process 1\n", -1, NULL));
  get(s, "/api/run?name=early", 200, "\"state\":\"starting\"");
  set_age(lock, 300);
  get(s, "/api/run?name=early", 200, "\"state\":\"quiet\"");
  nd_remove_all(folder);
}

static void every_mode_has_its_word(void **state) {
  static const char *const modes[] = {"source", "paired",    "unpaired", "noise2void",
                                      "graft",  "translate", "dann",     "teacher"};
  site *s = *state;
  g_autofree char *file = site_path(s, "runs/group/one/recipe.yaml"), *text = NULL;
  assert_true(g_file_get_contents(file, &text, NULL, NULL));
  for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
    g_autofree char *line = g_strdup_printf("\nmode: %s\n", modes[i]),
                    *recipe = g_strconcat(strchr(text, '\n'), line, NULL),
                    *told = g_strdup_printf("\"mode\":\"%s\"", modes[i]);
    assert_true(g_file_set_contents(file, recipe, -1, NULL));
    get(s, "/api/runs", 200, told);
  }
  assert_true(g_file_set_contents(file, text, -1, NULL));
}

static void a_taken_port_is_said(void **state) {
  site *s = *state;
  nd_server *other;
  nd_serve_settings settings = nd_serve_defaults();
  settings.models = s->models;
  settings.program = ND_PROGRAM;
  settings.port = s->port;
  assert_int_equal(nd_server_start(&settings, &other), -1);
  assert_non_null(strstr(nd_error(), "--port"));
  settings.listen = "localhost.example";
  assert_int_equal(nd_server_start(&settings, &other), -1);
  assert_non_null(strstr(nd_error(), "127.0.0.1"));
  settings.models = "/nowhere/models";
  assert_int_equal(nd_server_start(&settings, &other), -1);
  assert_non_null(strstr(nd_error(), "/nowhere/models"));
}

int main(void) {
  site_prepare();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_page_is_whole_and_its_own),
      cmocka_unit_test(what_is_not_there_is_said),
      cmocka_unit_test(what_may_be_asked_is_said),
      cmocka_unit_test(who_asks_nothing_keeps_nobody_out),
      cmocka_unit_test(messages_call_a_photo_by_its_name),
      cmocka_unit_test(models_are_listed),
      cmocka_unit_test(models_with_names_are_offered),
      cmocka_unit_test(the_default_model_is_offered_first),
      cmocka_unit_test(other_web_sites_are_refused),
      cmocka_unit_test(no_path_leads_out),
      cmocka_unit_test(limits_are_kept_and_said),
      cmocka_unit_test(what_is_no_photo_is_refused),
      cmocka_unit_test(a_connection_that_breaks_leaves_nothing),
      cmocka_unit_test(runs_are_told_and_grow),
      cmocka_unit_test(a_run_that_never_logged_is_said),
      cmocka_unit_test(every_mode_has_its_word),
      cmocka_unit_test(a_taken_port_is_said),
  };
  return cmocka_run_group_tests(tests, site_enter, site_leave);
}
