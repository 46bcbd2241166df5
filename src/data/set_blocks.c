/* Pictures in an array of a .mat file. */
#include "data/set-private.h"

static bool is_mat(const char *path, const char *part) {
  (void)part;
  return nd_mat_named(path) && g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static int open_blocks_as(nd_set *set, const char *file, const char *called, const char *part) {
  nd_mat *mat;
  if (nd_mat_open(file, called, part, &mat))
    return -1;
  set->state = mat;
  for (size_t i = 0; i < nd_mat_count(mat); i++) {
    g_autofree char *indices = nd_mat_name(mat, i);
    nd_set_add(set, g_strconcat(indices, ".png", NULL), g_strdup(file),
               g_strdup_printf("%s#%s, block %s", called, nd_mat_variable(mat), indices), i);
  }
  return 0;
}

static int open_blocks(nd_set *set, const char *path, const char *part) {
  return open_blocks_as(set, path, path, part);
}

int nd_set_open_array(const char *file, const char *called, nd_set *out) {
  *out = (nd_set){.kind = &nd_set_blocks, .path = g_strdup(called)};
  if (!open_blocks_as(out, file, called, NULL))
    return 0;
  nd_set_free(out);
  return -1;
}

static int load(const nd_set *set, const nd_set_item *item, nd_image *out) {
  return nd_mat_block(set->state, item->part, out);
}

static int size(const nd_set *set, const nd_set_item *item, int *width, int *height) {
  (void)item;
  nd_mat_size(set->state, width, height);
  return 0;
}

static void close_blocks(void *state) {
  nd_mat_close(state);
}

const nd_set_kind nd_set_blocks = {
    .ordered = true, .knows = is_mat, .open = open_blocks, .load = load, .size = size, .close = close_blocks};
