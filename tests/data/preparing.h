/* Published sets in small, as folders and archives, and what is made of them. */
#ifndef ND_TEST_PREPARING_H
#define ND_TEST_PREPARING_H

#include "data/data.h"
#include "data/prepare.h"
#include "matlab.h"

#include <unistd.h>
#include <zip.h>

static inline nd_prepare_settings settings(nd_task task, char *const *from) {
  return (nd_prepare_settings){.task = task, .from = from, .out = "out", .patch_size = 32, .stride = 24};
}

static inline const nd_prepared_group *group(const nd_prepared *p, const char *folder, const char *role) {
  for (size_t i = 0; i < p->count; i++)
    if (!strcmp(p->groups[i].folder, folder) && !strcmp(p->groups[i].role, role))
      return &p->groups[i];
  fail_msg("no group %s %s", folder, role);
  return NULL;
}

static inline void prepare(const nd_prepare_settings *s, nd_prepared *out) {
  if (nd_prepare(s, out))
    fail_msg("%s", nd_error());
}

static inline bool is_file(const char *path) {
  return g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static inline char *read_text(const char *path) {
  char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    fail_msg("no file %s", path);
  return text;
}

static inline void write_sidd(const char *root) {
  g_autofree char *folder =
      g_build_filename(root, "SIDD_Medium_Srgb/Data/0001_001_S6_00100_00060_3200_L", NULL);
  write_places(folder, "0001_NOISY_SRGB_010.PNG", 80, 50, 1);
  write_places(folder, "0001_GT_SRGB_010.PNG", 80, 50, 2);
  write_places(folder, "0001_NOISY_SRGB_011.PNG", 30, 20, 3);
  write_places(folder, "0001_GT_SRGB_011.PNG", 30, 20, 4);
  g_autofree char *readme = g_build_filename(root, "ReadMe_sRGB.txt", NULL);
  assert_true(g_file_set_contents(readme, "words", -1, NULL));
}

/* Files and their paths in the archive, as pairs of strings. */
static inline void write_zip(const char *path, const char *const (*files)[2], size_t count) {
  zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
  assert_non_null(zip);
  for (size_t i = 0; i < count; i++) {
    zip_source_t *source = zip_source_file(zip, files[i][0], 0, 0);
    assert_true(zip_file_add(zip, files[i][1], source, 0) >= 0);
  }
  assert_int_equal(zip_close(zip), 0);
}

static inline nd_prepare_settings sidd_settings(void) {
  static char *from[] = {"from", NULL};
  write_sidd("from");
  return settings(ND_TASK_DENOISE, from);
}

#endif
