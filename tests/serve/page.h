/* The page in a browser, by hand. Tests of it leave pictures in the build folder, and are skipped where there
 * is no Chromium. */
#ifndef PAGE_H
#define PAGE_H

#include "browser.h"
#include "site.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STATUS "(document.getElementById('status') || {textContent: ''}).textContent"
#define TROUBLE "document.getElementById('trouble').textContent"
#define READY "!document.getElementById('start').disabled"
#define SHOWN(id) "document.getElementById('" id "')?.hidden === false"
#define TWO_FRAMES "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
#define TEXT(id) "document.getElementById('" id "').textContent"

static inline browser *open_page(const site *s, const char *where) {
  char *address = g_strdup_printf("http://127.0.0.1:%d/%s", s->port, where);
  browser *b = browser_open(address);
  g_free(address); /* before skip, which does not return */
  if (!b) {
    skip();
    g_assert_not_reached();
  }
  return b;
}

static inline void close_page(browser *b) {
  if (*browser_complaints(b))
    fail_msg("the browser complains: %s", browser_complaints(b));
  browser_close(b);
}

static inline void picture(browser *b, const char *name) {
  g_mkdir_with_parents(ND_SCREENSHOTS, 0777);
  g_autofree char *path = g_strconcat(ND_SCREENSHOTS "/", name, ".png", NULL);
  browser_picture(b, path);
}

static inline char *photo_file(const site *s, const char *name, int width, int height) {
  size_t n;
  g_autofree char *bytes = photo(width, height, 8, strrchr(name, '.'), &n);
  char *path = site_path(s, name);
  assert_true(g_file_set_contents(path, bytes, (gssize)n, NULL));
  return path;
}

static inline double number(browser *b, const char *script) {
  g_autofree char *text = browser_value(b, script);
  return g_ascii_strtod(text, NULL);
}

static inline void run(browser *b, const char *script) {
  g_free(browser_value(b, script));
}

static inline void click(browser *b, const char *id) {
  g_autofree char *script = g_strdup_printf("document.getElementById('%s').click()", id);
  run(b, script);
}

static inline void focus(browser *b, const char *id) {
  g_autofree char *script = g_strdup_printf("document.getElementById('%s').focus()", id);
  run(b, script);
}

static inline void choose_model(browser *b, const char *name) {
  browser_until(b, "document.getElementById('model').options.length > 0");
  g_autofree char *script =
      g_strdup_printf("document.getElementById('model').value = '%s';"
                      "document.getElementById('model').dispatchEvent(new Event('change'))",
                      name);
  run(b, script);
}

/* The page with a photo of that size given, for that model, and not started yet. */
static inline browser *open_with_photo(const site *s, const char *model, const char *name, int width,
                                       int height) {
  browser *b = open_page(s, "#restore");
  g_autofree char *file = photo_file(s, name, width, height);
  choose_model(b, model);
  browser_choose_file(b, "#file", file);
  browser_until(b, READY);
  return b;
}

/* The same, with the model at work on it for some seconds. */
static inline browser *open_at_work(const site *s, const char *name) {
  browser *b = open_with_photo(s, "slow.safetensors", name, 1000, 1000);
  click(b, "start");
  browser_until(b, STATUS ".startsWith('Restoring')");
  return b;
}

#endif
