/* Pairing of two sets, by name or by order. */
#include "data/set-private.h"

#include <stdlib.h>
#include <string.h>

/* The relative path without extension: what the two pictures of a pair share. */
static char *stem(const char *name) {
  return g_strndup(name, (size_t)(strrchr(name, '.') - name));
}

/* Whom to tell what does not match; problem NULL: the first such thing is an error. */
typedef struct listener {
  nd_set_problem problem;
  void *context;
} listener;

/* With nd_fail's message set: 0 goes on without it. */
static int bad(const listener *l, const nd_set_item *item) {
  if (!l->problem)
    return -1;
  l->problem(item->label, l->context);
  return 0;
}

/* Stem to index + 1; of two pictures of one stem the first. NULL: an error. */
static GHashTable *index_stems(const nd_set *set, const listener *l) {
  g_autoptr(GHashTable) stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (size_t i = 0; i < set->count; i++) {
    g_autofree char *key = stem(set->at[i].name);
    size_t other = GPOINTER_TO_SIZE(g_hash_table_lookup(stems, key));
    if (!other) {
      g_hash_table_insert(stems, g_steal_pointer(&key), GSIZE_TO_POINTER(i + 1));
      continue;
    }
    nd_fail("'%s' and '%s' have the same name: which of them belongs to the pair? Remove one",
            set->at[other - 1].label, set->at[i].label);
    if (bad(l, &set->at[i]))
      return NULL;
  }
  return g_steal_pointer(&stems);
}

static int no_partner(const nd_set_item *item, const nd_set *other, const char *key) {
  if (!nd_set_named(other->path))
    return nd_fail("'%s' has no partner: '%s' is one picture", item->label, other->path);
  return nd_fail("'%s' has no partner: expected '%s%c%s' with any picture extension", item->label,
                 other->path, G_DIR_SEPARATOR, key);
}

/* place[i] becomes the index in `other` of the partner of set's picture i; NOBODY: it has none. */
static const size_t NOBODY = SIZE_MAX;

static int find_partners(const nd_set *set, const nd_set *other, const listener *l, size_t *place) {
  g_autoptr(GHashTable) stems = index_stems(other, l);
  if (!stems)
    return -1;
  for (size_t i = 0; i < set->count; i++) {
    g_autofree char *key = stem(set->at[i].name);
    size_t found = GPOINTER_TO_SIZE(g_hash_table_lookup(stems, key));
    place[i] = found ? found - 1 : NOBODY;
    if (!found && (no_partner(&set->at[i], other, key), bad(l, &set->at[i])))
      return -1;
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
  const listener nobody = {0};
  /* From both sides, so that a picture left over in either set is noticed. */
  if (find_partners(target, input, &nobody, place) || find_partners(input, target, &nobody, place))
    return -1;
  reorder(target->at, target->count, place);
  return 0;
}

static int match_order(const nd_set *input, const nd_set *target) {
  if (input->count == target->count)
    return 0;
  return nd_fail("'%s' holds %s and '%s' %zu: they are pairs in the order in which they stand, so "
                 "both need as many",
                 input->path, nd_count(input->count, "picture").text, target->path, target->count);
}

/* ---- By order where no name is common ---- */
typedef struct place_key {
  size_t index;
  char *key; /* sorts numbers in names by their value */
} place_key;

static int by_key(const void *a, const void *b) {
  return strcmp(((const place_key *)a)->key, ((const place_key *)b)->key);
}

size_t *nd_names_in_order(const GPtrArray *names) {
  g_autofree place_key *keys = g_new(place_key, names->len);
  size_t *order = g_new(size_t, names->len);
  for (guint i = 0; i < names->len; i++)
    keys[i] = (place_key){i, g_utf8_collate_key_for_filename(names->pdata[i], -1)};
  if (names->len)
    qsort(keys, names->len, sizeof *keys, by_key);
  for (guint i = 0; i < names->len; i++) {
    order[i] = keys[i].index;
    g_free(keys[i].key);
  }
  return order;
}

static size_t *in_order(const nd_set *set) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (size_t i = 0; i < set->count; i++)
    g_ptr_array_add(names, set->at[i].name);
  return nd_names_in_order(names);
}

static bool share_a_name(const nd_set *input, const nd_set *target) {
  g_autoptr(GHashTable) stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  bool found = false;
  for (size_t i = 0; i < target->count; i++)
    g_hash_table_add(stems, stem(target->at[i].name));
  for (size_t i = 0; i < input->count && !found; i++) {
    g_autofree char *key = stem(input->at[i].name);
    found = g_hash_table_contains(stems, key);
  }
  return found;
}

static int match_sorted(const nd_set *input, nd_set *target) {
  if (match_order(input, target))
    return -1;
  g_autofree size_t *a = in_order(input), *b = in_order(target), *place = g_new(size_t, input->count);
  for (size_t i = 0; i < input->count; i++)
    place[a[i]] = b[i];
  reorder(target->at, target->count, place);
  return 0;
}

int nd_compare_sizes(const nd_sized *a, const nd_sized *b) {
  if (a->width == b->width && a->height == b->height)
    return 0;
  return nd_fail("pair of different sizes: '%s' is %d x %d, '%s' is %d x %d", a->label, a->width, a->height,
                 b->label, b->width, b->height);
}

static int compare_sizes(const nd_set *input, const nd_set *target, size_t i) {
  nd_sized a = {.label = input->at[i].label}, b = {.label = target->at[i].label};
  return nd_set_size(input, i, &a.width, &a.height) || nd_set_size(target, i, &b.width, &b.height)
             ? -1
             : nd_compare_sizes(&a, &b);
}

/* A picture given as such is meant, whatever its name. */
static bool is_picture(const nd_set *set) {
  return set->kind == &nd_set_pictures;
}

static int check_kinds(const nd_set *input, const nd_set *target) {
  if (input->kind->ordered == target->kind->ordered)
    return 0;
  return nd_fail("'%s' and '%s' cannot be paired: folders are by name, lists and arrays by order",
                 input->path, target->path);
}

static bool by_place(const nd_set *input, const nd_set *target) {
  return input->kind->ordered || (is_picture(input) && is_picture(target));
}

static int find_pairs(const nd_set *input, nd_set *target, bool names_may_differ) {
  if (check_kinds(input, target))
    return -1;
  return by_place(input, target)                            ? match_order(input, target)
         : names_may_differ && !share_a_name(input, target) ? match_sorted(input, target)
                                                            : match_names(input, target);
}

static int match(const nd_set *input, nd_set *target, bool names_may_differ) {
  int failed = find_pairs(input, target, names_may_differ);
  for (size_t i = 0; i < input->count && !failed; i++)
    failed = compare_sizes(input, target, i);
  return failed;
}

int nd_set_match(const nd_set *input, nd_set *target) {
  return match(input, target, false);
}

int nd_set_match_names(const nd_set *input, nd_set *target) {
  return find_pairs(input, target, false);
}

/* ---- All that does not match ---- */
/* Where each input's partner is. */
static int find_places(const nd_set *input, const nd_set *target, const listener *l, size_t *place) {
  if (check_kinds(input, target))
    return -1;
  if (!by_place(input, target))
    return find_partners(target, input, l, place) || find_partners(input, target, l, place) ? -1 : 0;
  for (size_t i = 0; i < input->count; i++)
    place[i] = i;
  return match_order(input, target);
}

/* False and no complaint where a side cannot be measured: that is a matter of reading it. */
static bool is_pair(const nd_set *input, const nd_set *target, size_t i, size_t at, const listener *l) {
  nd_sized a = {.label = input->at[i].label}, b = {.label = target->at[at].label};
  if (nd_set_size(input, i, &a.width, &a.height) || nd_set_size(target, at, &b.width, &b.height))
    return false;
  bool same = !nd_compare_sizes(&a, &b);
  if (!same)
    (void)bad(l, &input->at[i]);
  return same;
}

size_t nd_set_count_pairs(const nd_set *input, const nd_set *target, nd_set_problem problem, void *context) {
  g_autofree size_t *place = g_new(size_t, MAX(input->count, target->count));
  const listener l = {problem, context};
  size_t pairs = 0;
  if (find_places(input, target, &l, place)) {
    problem(input->path, context);
    return 0;
  }
  for (size_t i = 0; i < input->count; i++)
    pairs += place[i] != NOBODY && is_pair(input, target, i, place[i], &l);
  return pairs;
}

int nd_set_match_views(const nd_set *left, nd_set *other) {
  return match(left, other, true);
}

/* Turned, the views no longer lie to the left and right as the halves of the lens saw them. */
static bool warn_of_turned(const nd_set *views) {
  const char *first = NULL;
  size_t turned = 0;
  for (size_t i = 0; i < views->count; i++)
    if (nd_image_named(views->at[i].file) && nd_image_turned(views->at[i].file) && !turned++)
      first = views->at[i].label;
  if (turned)
    nd_log(
        ND_LOG_WARNING,
        "'%s'%s turned by the orientation in the file; networks know two views only as the sensor saw them: "
        "take the orientation away (exiftool -Orientation= FILES) and turn the result",
        first, turned > 1 ? " and other views are" : " is");
  return turned;
}

int nd_set_open_right(const char *path, const nd_set *left, nd_set *out) {
  if (!nd_set_open(path, out) && !nd_set_match_views(left, out)) {
    (void)(warn_of_turned(left) || warn_of_turned(out));
    return 0;
  }
  nd_set_free(out);
  return nd_fail_in("right views");
}
