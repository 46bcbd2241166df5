/* A folder of pictures that each hold two of one size side by side, as pix2pix's sets do. */
#include "data/set-private.h"

#include <string.h>

static const char *const words[] = {"left", "right", "halves"};

static bool is_halves(const char *path, const char *part) {
  bool known = false;
  for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
    known = known || !g_strcmp0(part, words[i]);
  return known && g_file_test(path, G_FILE_TEST_IS_DIR);
}

static int open_halves(nd_set *set, const char *path, const char *part) {
  if (!strcmp(part, "halves"))
    return nd_fail("'%s' holds pairs; where pictures of one kind are needed, add #left or #right", path);
  if (nd_set_folders.open(set, path, NULL))
    return -1;
  for (size_t i = 0; i < set->count; i++) {
    g_free(set->at[i].label);
    set->at[i].label = g_strconcat(set->at[i].file, "#", part, NULL);
    set->at[i].part = !strcmp(part, "right");
  }
  return 0;
}

static int check_width(const nd_set_item *item, int width) {
  return width % 2 ? nd_fail("'%s' is %s wide; two pictures side by side make an even number", item->file,
                             nd_count((size_t)width, "pixel").text)
                   : 0;
}

static int cut(const nd_set_item *item, const nd_image *whole, nd_image *out) {
  size_t row = (size_t)whole->width / 2 * 3;
  if (check_width(item, whole->width) || nd_image_new(whole->width / 2, whole->height, 3, out))
    return -1;
  out->bits = whole->bits;
  for (size_t y = 0; y < (size_t)whole->height; y++)
    memcpy(out->data + y * row, whole->data + (2 * y + item->part) * row, row * sizeof *out->data);
  return 0;
}

static int load(const nd_set *set, const nd_set_item *item, nd_image *out) {
  (void)set;
  nd_image whole;
  *out = (nd_image){0};
  if (nd_image_load_rgb(item->file, &whole))
    return -1;
  int failed = cut(item, &whole, out);
  nd_image_free(&whole);
  return failed;
}

static int size(const nd_set *set, const nd_set_item *item, int *width, int *height) {
  (void)set;
  if (nd_image_size(item->file, width, height) || check_width(item, *width))
    return -1;
  *width /= 2;
  return 0;
}

static bool pairs(const char *path, const char *part, char **input, char **target) {
  if (strcmp(part, "halves"))
    return false;
  *input = g_strconcat(path, "#left", NULL);
  *target = g_strconcat(path, "#right", NULL);
  return true;
}

const nd_set_kind nd_set_halves = {
    .knows = is_halves, .open = open_halves, .load = load, .size = size, .pairs = pairs};
