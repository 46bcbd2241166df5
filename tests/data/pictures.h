/* Folders of small pictures for the tests of this room. */
#ifndef ND_TEST_PICTURES_H
#define ND_TEST_PICTURES_H

#include "image/image.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static inline char *new_folder(void) {
  char *folder = g_dir_make_tmp("nd-data-XXXXXX", NULL);
  assert_non_null(folder);
  return folder;
}

static inline void remove_folder(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
      remove_folder(path);
    else
      g_unlink(path);
  }
  g_rmdir(folder);
}

/* For tests that write where they stand: setup and teardown. */
static inline int enter_folder(void **state) {
  nd_image_start();
  char *folder = new_folder();
  assert_int_equal(g_chdir(folder), 0);
  *state = folder;
  return 0;
}

static inline int leave_folder(void **state) {
  assert_int_equal(g_chdir("/"), 0);
  remove_folder(*state);
  g_free(*state);
  return 0;
}

/* The colour of a pixel tells where it is: red its column, green its row, blue the picture. */
static inline void write_places(const char *folder, const char *name, int width, int height, int blue) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *parent = g_path_get_dirname(path);
  nd_image image;
  assert_int_equal(g_mkdir_with_parents(parent, 0777), 0);
  assert_int_equal(nd_image_new(width, height, 3, &image), 0);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      float *p = image.data + ((size_t)y * (size_t)width + (size_t)x) * 3;
      p[0] = (float)x / 255, p[1] = (float)y / 255, p[2] = (float)blue / 255;
    }
  assert_int_equal(nd_image_save(path, &image, NULL), 0);
  nd_image_free(&image);
}

/* enter_folder, and clean/ with two pictures. */
static inline int enter_places(void **state) {
  enter_folder(state);
  write_places("clean", "a.png", 40, 30, 10);
  write_places("clean", "b.png", 30, 40, 200);
  return 0;
}

static inline void write_text(const char *folder, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

static inline int byte_of(float value) {
  return (int)(value * 255 + 0.5f);
}

#define assert_error_has(part)                                                                               \
  do {                                                                                                       \
    if (!strstr(nd_error(), (part)))                                                                         \
      fail_msg("the error lacks '%s': %s", (part), nd_error());                                              \
  } while (0)

#endif
