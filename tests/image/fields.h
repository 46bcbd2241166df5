/* What libvips itself finds in a file. */
#ifndef ND_TEST_FIELDS_H
#define ND_TEST_FIELDS_H

#include "scratch.h"

#include <vips/vips.h>

static inline VipsImage *look_into(const char *path) {
  VipsImage *image = vips_image_new_from_file(path, NULL);
  assert_non_null(image);
  return image;
}

static inline void check_text(VipsImage *image, const char *field, const char *begins) {
  char *text = NULL;
  if (vips_image_get_as_string(image, field, &text) || !g_str_has_prefix(text, begins))
    fail_msg("%s is '%s', not '%s'", field, text ? text : "missing", begins);
  g_free(text);
}

#endif
