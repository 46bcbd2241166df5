/* libvips: started once, quiet, single-threaded, without a cache of files that may change. */
#include "image/meta-private.h"

#include <string.h>

static void quiet(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {
  (void)domain, (void)level, (void)message, (void)data;
}

int nd_image_start(void) {
  static gsize once;
  static int failed;
  if (g_once_init_enter(&once)) {
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO | G_LOG_LEVEL_MESSAGE, quiet, NULL);
    failed = VIPS_INIT("noiseda");
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    g_once_init_leave(&once, 1);
  }
  return failed ? nd_fail("libvips could not be started: %s", vips_error_buffer()) : 0;
}

int nd_vips_fail(const char *what, const char *path) {
  g_autofree char *text = g_strdup(vips_error_buffer());
  vips_error_clear();
  g_strdelimit(text, "\n", ';');
  size_t n = strlen(text);
  while (n && (text[n - 1] == ';' || text[n - 1] == ' '))
    text[--n] = 0;
  return nd_fail("cannot %s '%s': %s", what, path, *text ? text : "no reason given");
}
