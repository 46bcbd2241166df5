/* Pairing of two sets, by name or by order. */
#include "data/set-private.h"

#include <string.h>

/* The relative path without extension: what the two pictures of a pair share. */
static char *stem(const char *name) {
  return g_strndup(name, (size_t)(strrchr(name, '.') - name));
}

/* Stem to index + 1. NULL and an error when two pictures of the set share a stem. */
static GHashTable *index_stems(const nd_set *set) {
  GHashTable *stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (size_t i = 0; i < set->count; i++) {
    char *key = stem(set->at[i].name);
    size_t other = GPOINTER_TO_SIZE(g_hash_table_lookup(stems, key));
    g_hash_table_insert(stems, key, GSIZE_TO_POINTER(i + 1));
    if (!other)
      continue;
    nd_fail("'%s' and '%s' have the same name: which of them belongs to the pair? Remove one",
            set->at[other - 1].label, set->at[i].label);
    g_hash_table_destroy(stems);
    return NULL;
  }
  return stems;
}

/* place[i] becomes the index in `other` of the partner of set's picture i. */
static int find_partners(const nd_set *set, const nd_set *other, size_t *place) {
  g_autoptr(GHashTable) stems = index_stems(other);
  if (!stems)
    return -1;
  for (size_t i = 0; i < set->count; i++) {
    g_autofree char *key = stem(set->at[i].name);
    size_t found = GPOINTER_TO_SIZE(g_hash_table_lookup(stems, key));
    if (!found)
      return nd_fail("'%s' has no partner: expected '%s%c%s' with any picture extension", set->at[i].label,
                     other->path, G_DIR_SEPARATOR, key);
    place[i] = found - 1;
  }
  return 0;
}

static void reorder(nd_set_item *items, size_t n, const size_t *place) {
  g_autofree nd_set_item *old = g_memdup2(items, n * sizeof *items);
  for (size_t i = 0; i < n; i++)
    items[i] = old[place[i]];
}

static int match_names(const nd_set *input, nd_set *target) {
  g_autofree size_t *place = g_new(size_t, MAX(input->count, target->count));
  /* From both sides, so that a picture left over in either set is noticed. */
  if (find_partners(target, input, place) || find_partners(input, target, place))
    return -1;
  reorder(target->at, target->count, place);
  return 0;
}

static int match_order(const nd_set *input, const nd_set *target) {
  if (input->count == target->count)
    return 0;
  return nd_fail("'%s' holds %zu pictures and '%s' %zu: they are pairs in the order in which they stand, so "
                 "both need as many",
                 input->path, input->count, target->path, target->count);
}

static int compare_sizes(const nd_set *input, const nd_set *target, size_t i) {
  int width[2], height[2];
  if (nd_set_size(input, i, &width[0], &height[0]) || nd_set_size(target, i, &width[1], &height[1]))
    return -1;
  if (width[0] == width[1] && height[0] == height[1])
    return 0;
  return nd_fail("pair of different sizes: '%s' is %d x %d, '%s' is %d x %d", input->at[i].label, width[0],
                 height[0], target->at[i].label, width[1], height[1]);
}

int nd_set_match(const nd_set *input, nd_set *target) {
  if (input->kind->ordered != target->kind->ordered)
    return nd_fail("'%s' and '%s' cannot be paired: folders are by name, lists and arrays by order",
                   input->path, target->path);
  if (input->kind->ordered ? match_order(input, target) : match_names(input, target))
    return -1;
  for (size_t i = 0; i < input->count; i++)
    if (compare_sizes(input, target, i))
      return -1;
  return 0;
}
