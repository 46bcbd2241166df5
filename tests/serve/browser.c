#include "browser.h"

#include "serve/serve-private.h"

#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <json-glib/json-glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { WAIT_MILLISECONDS = 60000 };

struct browser {
  GSubprocess *process;
  GDataInputStream *in;
  int out, next_id;
  char *session, *profile;
  GString *complaints;
};

/* ---- Messages: JSON, a 0 behind each ---- */
static void send_message(browser *b, const char *text) {
  size_t n = strlen(text) + 1;
  while (n) {
    ssize_t done = write(b->out, text, n);
    if (done <= 0)
      fail_msg("the browser does not listen");
    text += done;
    n -= (size_t)done;
  }
}

static char *text_at(JsonNode *node, const char *path) {
  g_autoptr(JsonNode) found = json_path_query(path, node, NULL);
  JsonArray *list = found ? json_node_get_array(found) : NULL;
  if (!list || !json_array_get_length(list))
    return NULL;
  JsonNode *first = json_array_get_element(list, 0);
  if (JSON_NODE_HOLDS_VALUE(first) && json_node_get_value_type(first) == G_TYPE_STRING)
    return g_strdup(json_node_get_string(first));
  return json_to_string(first, FALSE);
}

static JsonNode *read_message(browser *b) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_data_input_stream_read_upto(b->in, "", 1, NULL, NULL, &error);
  if (!text)
    fail_msg("the browser says nothing more: %s", error ? error->message : "it ended");
  g_data_input_stream_read_byte(b->in, NULL, NULL);
  return json_from_string(text, NULL);
}

static void keep_complaint(browser *b, JsonNode *message) {
  const char *paths[] = {"$.params.exceptionDetails.exception.description", "$.params.entry.text"};
  for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_autofree char *text = text_at(message, paths[i]);
    if (text)
      g_string_append_printf(b->complaints, "%s\n", text);
  }
}

/* Waits for the answer to message `id`; keeps what is complained of meanwhile. */
static JsonNode *answer_to(browser *b, int id) {
  for (;;) {
    JsonNode *message = read_message(b);
    JsonObject *o = json_node_get_object(message);
    if (json_object_has_member(o, "id") && json_object_get_int_member(o, "id") == id)
      return message;
    keep_complaint(b, message);
    json_node_unref(message);
  }
}

static JsonNode *command(browser *b, const char *method, const char *params) {
  int id = ++b->next_id;
  g_autofree char *session = b->session ? g_strdup_printf(",\"sessionId\":\"%s\"", b->session) : g_strdup(""),
                  *text = g_strdup_printf("{\"id\":%d,\"method\":\"%s\",\"params\":%s%s}", id, method, params,
                                          session);
  send_message(b, text);
  JsonNode *answer = answer_to(b, id);
  g_autofree char *error = text_at(answer, "$.error.message");
  if (error)
    fail_msg("%s %s: %s", method, params, error);
  return answer;
}

char *browser_call(browser *b, const char *method, const char *params) {
  g_autoptr(JsonNode) answer = command(b, method, params);
  return json_to_string(answer, FALSE);
}

static char *quoted(const char *text) {
  g_autoptr(JsonNode) node = json_node_new(JSON_NODE_VALUE);
  json_node_set_string(node, text);
  return json_to_string(node, FALSE);
}

/* ---- Opening ---- */
static bool start(browser *b) {
  int to[2], from[2];
  g_autofree char *program = g_find_program_in_path("chromium"),
                  *profile = g_strconcat("--user-data-dir=", b->profile, NULL);
  if (!program || pipe(to) || pipe(from))
    return false;
  g_autoptr(GSubprocessLauncher) launcher =
      g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDERR_SILENCE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_subprocess_launcher_take_fd(launcher, to[0], 3);
  g_subprocess_launcher_take_fd(launcher, from[1], 4);
  const char *argv[] = {program,
                        "--headless",
                        "--no-sandbox",
                        "--disable-gpu",
                        profile,
                        "--no-first-run",
                        "--disable-sync",
                        "--disable-background-networking",
                        "--mute-audio",
                        "--disable-dev-shm-usage",
                        "--remote-debugging-pipe",
                        "about:blank",
                        NULL};
  b->process = g_subprocess_launcher_spawnv(launcher, argv, NULL);
  b->out = to[1];
  g_autoptr(GInputStream) raw = g_unix_input_stream_new(from[0], TRUE);
  b->in = g_data_input_stream_new(raw);
  return b->process != NULL;
}

static void attach(browser *b) {
  g_autoptr(JsonNode) made = command(b, "Target.createTarget", "{\"url\":\"about:blank\"}");
  g_autofree char *target = text_at(made, "$.result.targetId"),
                  *params = g_strdup_printf("{\"targetId\":\"%s\",\"flatten\":true}", target);
  g_autoptr(JsonNode) attached = command(b, "Target.attachToTarget", params);
  b->session = text_at(attached, "$.result.sessionId");
  const char *domains[] = {"Page.enable", "Runtime.enable", "Log.enable", "DOM.enable"};
  for (size_t i = 0; i < G_N_ELEMENTS(domains); i++)
    g_free(browser_call(b, domains[i], "{}"));
}

browser *browser_open(const char *address) {
  browser *b = g_new0(browser, 1);
  b->complaints = g_string_new(NULL);
  b->profile = g_dir_make_tmp("chromium-XXXXXX", NULL);
  if (!start(b)) {
    browser_close(b);
    return NULL;
  }
  attach(b);
  browser_size(b, 1280, 800);
  browser_goto(b, address);
  return b;
}

/* Its helpers still write for a moment after it has ended. */
static void remove_profile(const char *folder) {
  for (int i = 0; i < 50 && g_file_test(folder, G_FILE_TEST_EXISTS); i++) {
    nd_remove_all(folder);
    g_usleep(100000);
  }
}

void browser_close(browser *b) {
  if (b->process) {
    g_free(b->session);
    b->session = NULL;
    send_message(b, "{\"id\":0,\"method\":\"Browser.close\"}");
    g_subprocess_wait(b->process, NULL, NULL);
    close(b->out);
  }
  g_clear_object(&b->process);
  g_clear_object(&b->in);
  g_string_free(b->complaints, TRUE);
  remove_profile(b->profile);
  g_free(b->profile);
  g_free(b);
}

/* ---- Use ---- */
char *browser_value(browser *b, const char *script) {
  g_autofree char *text = quoted(script),
                  *params = g_strdup_printf(
                      "{\"expression\":%s,\"returnByValue\":true,\"awaitPromise\":true}", text);
  g_autoptr(JsonNode) answer = command(b, "Runtime.evaluate", params);
  g_autofree char *wrong = text_at(answer, "$.result.exceptionDetails.exception.description");
  if (wrong)
    fail_msg("%s: %s", script, wrong);
  char *value = text_at(answer, "$.result.result.value");
  return value ? value : g_strdup("undefined");
}

void browser_until(browser *b, const char *script) {
  for (int waited = 0; waited < WAIT_MILLISECONDS; waited += 50) {
    g_autofree char *value = browser_value(b, script);
    if (!strcmp(value, "true"))
      return;
    g_usleep(50000);
  }
  g_autofree char *text = browser_value(b, "document.body.innerText");
  fail_msg("waited in vain for %s; the page says: %s; %s", script, text, b->complaints->str);
}

void browser_expect(browser *b, const char *script, const char *text) {
  g_autofree char *value = browser_value(b, script);
  if (strcmp(value, text))
    fail_msg("%s is '%s', not '%s'", script, value, text);
}

void browser_goto(browser *b, const char *address) {
  g_autofree char *text = quoted(address), *params = g_strdup_printf("{\"url\":%s}", text),
                  *there = g_strdup_printf(
                      "location.href.startsWith(%s) && document.readyState === 'complete'", text);
  g_free(browser_call(b, "Page.navigate", params));
  browser_until(b, there);
}

void browser_choose_files(browser *b, const char *selector, const char *const *paths) {
  g_autofree char *script = g_strdup_printf("document.querySelector('%s')", selector), *text = quoted(script),
                  *find = g_strdup_printf("{\"expression\":%s}", text);
  g_autoptr(JsonNode) answer = command(b, "Runtime.evaluate", find);
  g_autofree char *object = text_at(answer, "$.result.result.objectId");
  g_autoptr(GString) params = g_string_new(NULL);
  for (int i = 0; paths[i]; i++) {
    g_autofree char *file = quoted(paths[i]);
    g_string_append_printf(params, "%s%s", i ? "," : "{\"files\":[", file);
  }
  g_string_append_printf(params, "],\"objectId\":\"%s\"}", object);
  g_free(browser_call(b, "DOM.setFileInputFiles", params->str));
}

void browser_choose_file(browser *b, const char *selector, const char *path) {
  browser_choose_files(b, selector, (const char *const[]){path, NULL});
}

static int key_code(const char *key) {
  static const struct {
    const char *key;
    int code;
  } codes[] = {{"Tab", 9},        {"Enter", 13},   {"End", 35},       {"Home", 36},
               {"ArrowLeft", 37}, {"ArrowUp", 38}, {"ArrowRight", 39}};
  for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
    if (!strcmp(codes[i].key, key))
      return codes[i].code;
  return *key;
}

void browser_key(browser *b, const char *key) {
  const char *text = !key[1] ? key : !strcmp(key, "Enter") ? "\r" : "";
  g_autofree char *typed = quoted(text);
  const char *kinds[] = {*text ? "keyDown" : "rawKeyDown", "keyUp"};
  for (int i = 0; i < 2; i++) {
    g_autofree char *params =
        g_strdup_printf("{\"type\":\"%s\",\"key\":\"%s\",\"windowsVirtualKeyCode\":%d%s%s}", kinds[i], key,
                        key_code(key), *text && !i ? ",\"text\":" : "", *text && !i ? typed : "");
    g_free(browser_call(b, "Input.dispatchKeyEvent", params));
  }
}

void browser_drag(browser *b, int x0, int y0, int x1, int y1) {
  const char *kinds[] = {"mousePressed", "mouseMoved", "mouseMoved", "mouseReleased"};
  int xs[] = {x0, (x0 + x1) / 2, x1, x1}, ys[] = {y0, (y0 + y1) / 2, y1, y1};
  for (int i = 0; i < 4; i++) {
    g_autofree char *params = g_strdup_printf("{\"type\":\"%s\",\"x\":%d,\"y\":%d,\"button\":\"left\","
                                              "\"buttons\":1,\"clickCount\":1}",
                                              kinds[i], xs[i], ys[i]);
    g_free(browser_call(b, "Input.dispatchMouseEvent", params));
  }
}

void browser_size(browser *b, int width, int height) {
  g_autofree char *params =
      g_strdup_printf("{\"width\":%d,\"height\":%d,\"deviceScaleFactor\":1,\"mobile\":false}", width, height);
  g_free(browser_call(b, "Emulation.setDeviceMetricsOverride", params));
}

void browser_dark(browser *b, gboolean dark) {
  g_autofree char *params = g_strdup_printf(
      "{\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"%s\"}]}", dark ? "dark" : "light");
  g_free(browser_call(b, "Emulation.setEmulatedMedia", params));
}

void browser_picture(browser *b, const char *path) {
  g_autoptr(JsonNode) answer = command(b, "Page.captureScreenshot", "{}");
  g_autofree char *text = text_at(answer, "$.result.data");
  gsize n;
  g_autofree guchar *bytes = g_base64_decode(text, &n);
  assert_true(g_file_set_contents(path, (char *)bytes, (gssize)n, NULL));
}

const char *browser_complaints(browser *b) {
  g_free(browser_value(b, "0")); /* what was said before has arrived then */
  return b->complaints->str;
}
