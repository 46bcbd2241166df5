/* Chromium without a window, driven over its debugging pipe (Chrome DevTools Protocol). */
#ifndef BROWSER_H
#define BROWSER_H

#include <glib.h>

typedef struct browser browser;

/* Opens the address in a view of 1280 x 800. NULL: there is no Chromium here. */
browser *browser_open(const char *address);
void browser_close(browser *b);
/* A command to the page, with its parameters as JSON; its answer, g_free. */
char *browser_call(browser *b, const char *method, const char *params);
/* What an expression of JavaScript comes to, as text; g_free. */
char *browser_value(browser *b, const char *script);
/* Waits until it is true; fails after some time. */
void browser_until(browser *b, const char *script);
/* Fails unless the expression comes to the text. */
void browser_expect(browser *b, const char *script, const char *text);
void browser_goto(browser *b, const char *address);
void browser_choose_file(browser *b, const char *selector, const char *path);
/* Several at once; NULL at the end. */
void browser_choose_files(browser *b, const char *selector, const char *const *paths);
/* "ArrowLeft", "Tab", "+": pressed and released. */
void browser_key(browser *b, const char *key);
void browser_drag(browser *b, int x0, int y0, int x1, int y1);
void browser_size(browser *b, int width, int height);
void browser_dark(browser *b, gboolean dark);
void browser_picture(browser *b, const char *path);
/* Exceptions and refused resources so far, one a line. */
const char *browser_complaints(browser *b);

#endif
