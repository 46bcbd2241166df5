/* A folder for the files of a test, and the golden pictures. */
#ifndef ND_TEST_SCRATCH_H
#define ND_TEST_SCRATCH_H

#include "image/image.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Fixtures: *state is the folder's path. Leaving it requires that the test removed what it made: nothing else
 * may be left behind. */
static inline int scratch_enter(void **state) {
  return (*state = g_dir_make_tmp("nd-image-XXXXXX", NULL)) ? 0 : -1;
}

static inline int scratch_leave(void **state) {
  int failed = g_rmdir(*state);
  g_free(*state);
  return failed;
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_enter, scratch_leave)

static inline char *scratch_path(void **state, const char *name) {
  return g_build_filename(*state, name, NULL);
}

static inline char *golden_path(const char *name) {
  return g_build_filename(ND_IMAGE_GOLDEN, name, NULL);
}

static inline char *golden_bytes(const char *name, size_t *size) {
  g_autofree char *path = golden_path(name);
  char *bytes = NULL;
  if (!g_file_get_contents(path, &bytes, size, NULL))
    fail_msg("cannot read %s", path);
  return bytes;
}

static inline void must(int failed) {
  if (failed)
    fail_msg("%s", nd_error());
}

/* Fails, with a message of one line that names the file and holds `part`. */
static inline void assert_refused(int result, const char *name, const char *part) {
  assert_int_equal(result, -1);
  if (!strstr(nd_error(), name) || !strstr(nd_error(), part) || strchr(nd_error(), '\n'))
    fail_msg("the message does not name '%s' or does not hold '%s': %s", name, part, nd_error());
}

/* Every value its own, within (0, 1). */
static inline void fill_values(nd_image *image) {
  size_t n = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
  for (size_t i = 0; i < n; i++)
    image->data[i] = (float)((i * 40503) % 65521) / 65535.0f;
}

#endif
