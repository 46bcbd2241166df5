/* A folder of pictures is a set; with input/ and target/ in it, it holds pairs. So is one picture. */
#include "data/set-private.h"

static bool is_folder(const char *path, const char *part) {
  return !part && g_file_test(path, G_FILE_TEST_IS_DIR);
}

static int open_folder(nd_set *set, const char *path, const char *part) {
  (void)part;
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free),
                       foreign = g_ptr_array_new_with_free_func(g_free);
  if (nd_walk_past(path, nd_image_named, nd_image_named_foreign, set->problem, set->context, names, foreign))
    return -1;
  if (names->len && foreign->len) /* who has both kinds in a folder would miss the others */
    nd_log(ND_LOG_WARNING,
           "passed over in '%s': %s in a format that is not read, such as '%s'; PNG, JPEG, TIFF and WebP are",
           path, nd_count(foreign->len, "picture").text, (const char *)foreign->pdata[0]);
  for (guint i = 0; i < names->len; i++)
    nd_set_add(set, g_strdup(names->pdata[i]), g_build_filename(path, names->pdata[i], NULL), NULL, 0);
  return set->count
             ? 0
             : nd_fail("folder '%s' holds no picture: files ending in .png, .jpg, .jpeg, .tif, .tiff or "
                       ".webp are read (BMP and others have to be converted: vips copy a.bmp a.png)",
                       path);
}

static int load(const nd_set *set, const nd_set_item *item, nd_image *out) {
  (void)set;
  return nd_image_load_rgb(item->file, out);
}

static int size(const nd_set *set, const nd_set_item *item, int *width, int *height) {
  (void)set;
  return nd_image_size(item->file, width, height);
}

static bool pairs(const char *path, const char *part, char **input, char **target) {
  (void)part;
  *input = g_build_filename(path, "input", NULL);
  *target = g_build_filename(path, "target", NULL);
  if (g_file_test(*input, G_FILE_TEST_IS_DIR) && g_file_test(*target, G_FILE_TEST_IS_DIR))
    return true;
  g_clear_pointer(input, g_free);
  g_clear_pointer(target, g_free);
  return false;
}

const nd_set_kind nd_set_folders = {
    .knows = is_folder, .open = open_folder, .load = load, .size = size, .pairs = pairs};

static bool is_picture(const char *path, const char *part) {
  return !part && nd_image_named(path);
}

static int open_picture(nd_set *set, const char *path, const char *part) {
  (void)part;
  nd_set_add(set, g_path_get_basename(path), g_strdup(path), NULL, 0);
  return 0;
}

const nd_set_kind nd_set_pictures = {.knows = is_picture, .open = open_picture, .load = load, .size = size};
