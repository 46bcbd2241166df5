/* Pairing of two folders by name. */
#include "data/data.h"

#include "image/image.h"

#include <glib.h>
#include <string.h>

/* The relative path without extension: what the two pictures of a pair share. */
static char *stem(const char *name) {
  return g_strndup(name, (size_t)(strrchr(name, '.') - name));
}

/* Stem to index + 1. NULL and an error when two files of the folder share a stem. */
static GHashTable *index_stems(const nd_folder *folder) {
  GHashTable *stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (size_t i = 0; i < folder->count; i++) {
    char *key = stem(folder->names[i]);
    size_t other = GPOINTER_TO_SIZE(g_hash_table_lookup(stems, key));
    g_hash_table_insert(stems, key, GSIZE_TO_POINTER(i + 1));
    if (!other)
      continue;
    nd_fail("'%s' and '%s' have the same name: which of them belongs to the pair? Remove one",
            folder->files[other - 1], folder->files[i]);
    g_hash_table_destroy(stems);
    return NULL;
  }
  return stems;
}

/* place[i] becomes the index in `other` of the partner of folder's picture i. */
static int find_partners(const nd_folder *folder, const nd_folder *other, size_t *place) {
  g_autoptr(GHashTable) stems = index_stems(other);
  if (!stems)
    return -1;
  for (size_t i = 0; i < folder->count; i++) {
    g_autofree char *key = stem(folder->names[i]);
    size_t found = GPOINTER_TO_SIZE(g_hash_table_lookup(stems, key));
    if (!found)
      return nd_fail("'%s' has no partner: expected '%s%c%s' with any picture extension", folder->files[i],
                     other->path, G_DIR_SEPARATOR, key);
    place[i] = found - 1;
  }
  return 0;
}

static void reorder(char **items, size_t n, const size_t *place) {
  g_autofree char **old = g_memdup2(items, n * sizeof *items);
  for (size_t i = 0; i < n; i++)
    items[i] = old[place[i]];
}

static int compare_sizes(const char *input, const char *target) {
  int width[2], height[2];
  if (nd_image_size(input, &width[0], &height[0]) || nd_image_size(target, &width[1], &height[1]))
    return -1;
  if (width[0] == width[1] && height[0] == height[1])
    return 0;
  return nd_fail("pair of different sizes: '%s' is %d x %d, '%s' is %d x %d", input, width[0], height[0],
                 target, width[1], height[1]);
}

int nd_folder_match(const nd_folder *input, nd_folder *target) {
  g_autofree size_t *place = g_new(size_t, MAX(input->count, target->count));
  /* From both sides, so that a picture left over in either folder is noticed. */
  if (find_partners(target, input, place) || find_partners(input, target, place))
    return -1;
  reorder(target->names, target->count, place);
  reorder(target->files, target->count, place);
  for (size_t i = 0; i < input->count; i++)
    if (compare_sizes(input->files[i], target->files[i]))
      return -1;
  return 0;
}
