/* What tests of runs that are left alone look at in a run's folder. */
#ifndef SURVIVAL_H
#define SURVIVAL_H

#include "program.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define QUIET "--set", "validation.every=0"

static inline int count_files(const char *folder, const char *ending) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  int n = 0;
  for (const char *name; dir && (name = g_dir_read_name(dir));)
    n += g_str_has_suffix(name, ending);
  return n;
}

static inline void remove_run(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_unlink(path);
  }
  g_rmdir(folder);
}

/* The step of the last checkpoint. */
static inline int saved_step(void) {
  g_autofree char *manifest = NULL;
  assert_true(g_file_get_contents("run/manifest.json", &manifest, NULL, NULL));
  return atoi(strstr(manifest, "\"step\": ") + 8);
}

#endif
