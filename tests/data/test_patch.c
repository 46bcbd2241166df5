/* Patches, shuffled epochs and the cache of pictures. */
#include "data/loader-private.h"
#include "pictures.h"

#include <math.h>

static int make(void **state) {
  *state = new_folder();
  return 0;
}

static int clean_up(void **state) {
  remove_folder(*state);
  g_free(*state);
  return 0;
}

/* ---- Patches ---- */

enum { SIDE = 3, CELLS = SIDE * SIDE };

static void cut_bytes(const uint8_t *cells, int transform, uint8_t *out) {
  uint8_t rgb[CELLS * 3];
  float cut[CELLS * 3];
  for (int i = 0; i < CELLS * 3; i++)
    rgb[i] = cells[i / 3];
  nd_cached picture = {SIDE, SIDE, 8, rgb};
  nd_patch_cut(&picture, (nd_patch){0, 0, SIDE, transform}, cut);
  for (int i = 0; i < CELLS; i++) {
    out[i] = (uint8_t)byte_of(cut[3 * i]);
    assert_true(cut[3 * i] == cut[3 * i + 1] && cut[3 * i] == cut[3 * i + 2]);
  }
}

static int which(const uint8_t *cells, uint8_t all[ND_TRANSFORMS][CELLS]) {
  for (int t = 0; t < ND_TRANSFORMS; t++)
    if (!memcmp(cells, all[t], CELLS))
      return t;
  return -1;
}

static void transforms_are_the_symmetries_of_the_square(void **state) {
  (void)state;
  static const uint8_t cells[CELLS] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  static const uint8_t turned[CELLS] = {7, 4, 1, 8, 5, 2, 9, 6, 3}; /* by a quarter, clockwise */
  static const uint8_t mirrored[CELLS] = {3, 2, 1, 6, 5, 4, 9, 8, 7};
  uint8_t all[ND_TRANSFORMS][CELLS], twice[CELLS];
  for (int t = 0; t < ND_TRANSFORMS; t++)
    cut_bytes(cells, t, all[t]);
  assert_memory_equal(all[0], cells, CELLS);
  assert_true(which(turned, all) > 0 && which(mirrored, all) > 0);
  for (int a = 0; a < ND_TRANSFORMS; a++) {
    bool inverse = false;
    assert_int_equal(which(all[a], all), a); /* all differ */
    for (int b = 0; b < ND_TRANSFORMS; b++) {
      cut_bytes(all[a], b, twice);
      assert_true(which(twice, all) >= 0); /* closed */
      inverse |= which(twice, all) == 0;
    }
    assert_true(inverse);
  }
}

static void small_pictures_are_reflected(void **state) {
  (void)state;
  static const uint8_t cells[2 * 3] = {10, 20, 30, 40, 50, 60}; /* 3 wide, 2 high */
  static const uint8_t expected[5][5] = {{50, 40, 50, 60, 50},
                                         {20, 10, 20, 30, 20},
                                         {50, 40, 50, 60, 50},
                                         {20, 10, 20, 30, 20},
                                         {50, 40, 50, 60, 50}};
  uint8_t rgb[18];
  float out[75];
  for (int i = 0; i < 18; i++)
    rgb[i] = cells[i / 3];
  nd_cached picture = {3, 2, 8, rgb};
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_patch patch = nd_patch_draw(3, 2, 5, 1, &rng);
  nd_patch_cut(&picture, patch, out);
  for (int i = 0; i < 25; i++)
    assert_int_equal(byte_of(out[3 * i]), expected[i / 5][i % 5]);
  nd_cached dot = {1, 1, 8, rgb};
  nd_patch_cut(&dot, nd_patch_draw(1, 1, 5, ND_TRANSFORMS, &rng), out);
  for (int i = 0; i < 75; i++)
    assert_int_equal(byte_of(out[i]), 10);
}

static void places_and_transforms_are_uniform(void **state) {
  (void)state;
  enum { DRAWS = 8000 };
  int columns[4] = {0}, rows[2] = {0}, transforms[ND_TRANSFORMS] = {0};
  for (int i = 0; i < DRAWS; i++) {
    nd_rng rng = nd_rng_make(1, (uint64_t)i, 0, ND_RANDOM_PICK);
    nd_patch patch = nd_patch_draw(11, 9, 8, ND_TRANSFORMS, &rng);
    assert_in_range(patch.x, 0, 3);
    assert_in_range(patch.y, 0, 1);
    columns[patch.x]++, rows[patch.y]++, transforms[patch.transform]++;
  }
  for (int i = 0; i < 4; i++)
    assert_in_range(columns[i], DRAWS / 4 - 160, DRAWS / 4 + 160); /* 4 standard deviations */
  for (int i = 0; i < 2; i++)
    assert_in_range(rows[i], DRAWS / 2 - 180, DRAWS / 2 + 180);
  for (int i = 0; i < ND_TRANSFORMS; i++)
    assert_in_range(transforms[i], DRAWS / 8 - 120, DRAWS / 8 + 120);
}

/* ---- Order ---- */

static void each_epoch_is_a_permutation(void **state) {
  (void)state;
  static const size_t counts[] = {1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000};
  for (size_t c = 0; c < G_N_ELEMENTS(counts); c++)
    for (uint64_t epoch = 0; epoch < 5; epoch++) {
      g_autofree int *seen = g_new0(int, counts[c]);
      for (size_t i = 0; i < counts[c]; i++) {
        size_t index = nd_order_pick(7, ND_RANDOM_PICK, epoch * counts[c] + i, counts[c]);
        assert_true(index < counts[c]);
        assert_int_equal(seen[index]++, 0);
      }
    }
}

static void orders_differ_by_seed_epoch_and_purpose(void **state) {
  (void)state;
  enum { N = 500 };
  int same[3] = {0};
  for (uint64_t i = 0; i < N; i++) {
    size_t index = nd_order_pick(7, ND_RANDOM_PICK, i, N);
    same[0] += index == nd_order_pick(8, ND_RANDOM_PICK, i, N);
    same[1] += index == nd_order_pick(7, ND_RANDOM_PICK, i + N, N);
    same[2] += index == nd_order_pick(7, ND_RANDOM_PICK_REAL, i, N);
  }
  for (int i = 0; i < 3; i++)
    assert_in_range(same[i], 0, 8); /* 1 is expected of independent permutations */
}

static void no_picture_has_a_favourite_place(void **state) {
  (void)state;
  enum { N = 5, EPOCHS = 5000 };
  int counts[N][N] = {{0}};
  for (uint64_t position = 0; position < N * EPOCHS; position++)
    counts[position % N][nd_order_pick(1, ND_RANDOM_PICK, position, N)]++;
  for (int i = 0; i < N * N; i++)
    assert_in_range(counts[i / N][i % N], EPOCHS / N - 120, EPOCHS / N + 120); /* 4.2 standard deviations */
}

/* ---- Cache ---- */

static char *named(const char *folder, int i) {
  g_autofree char *name = g_strdup_printf("%d.png", i);
  return g_build_filename(folder, name, NULL);
}

static const nd_cached *get(nd_cache *cache, const char *file) {
  nd_set one;
  assert_int_equal(nd_set_open(file, &one), 0);
  const nd_cached *picture = nd_cache_get(cache, &one, 0);
  nd_set_free(&one);
  return picture;
}

static void take(nd_cache *cache, const char *folder, int i) {
  g_autofree char *file = named(folder, i);
  const nd_cached *picture = get(cache, file);
  if (!picture)
    fail_msg("%s", nd_error());
  assert_true(picture->width == 10 && picture->height == 6 && picture->bits == 8);
  const uint8_t *last = (const uint8_t *)picture->pixels + 177;
  assert_true(last[0] == 9 && last[1] == 5 && last[2] == i);
  nd_cached_release(picture);
}

static void make_ten(const char *folder) {
  for (int i = 0; i < 10; i++) {
    g_autofree char *name = g_strdup_printf("%d.png", i);
    write_places(folder, name, 10, 6, i);
  }
}

enum { PICTURE_BYTES = 10 * 6 * 3 };

static void the_least_recently_used_picture_leaves(void **state) {
  make_ten(*state);
  size_t before = nd_mem_used();
  nd_cache *cache = nd_cache_new(3 * PICTURE_BYTES + 5);
  static const int order[] = {0, 1, 2, 0, 3, 0, 2, 1}; /* 3 sends 1 away, the last sends 3 away */
  static const size_t misses[] = {1, 2, 3, 3, 4, 4, 4, 5};
  for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
    take(cache, *state, order[i]);
    assert_int_equal(nd_cache_misses(cache), misses[i]);
    assert_true(nd_cache_bytes(cache) <= 3 * PICTURE_BYTES);
    assert_int_equal(nd_mem_used() - before, nd_cache_bytes(cache));
  }
  nd_cache_free(cache);
  assert_int_equal(nd_mem_used(), before);
}

static void a_picture_in_use_outlives_its_place(void **state) {
  make_ten(*state);
  g_autofree char *file = named(*state, 4);
  nd_cache *caches[] = {nd_cache_new(PICTURE_BYTES), nd_cache_new(0)};
  for (int c = 0; c < 2; c++) {
    const nd_cached *picture = get(caches[c], file);
    assert_non_null(picture);
    take(caches[c], *state, 5);
    assert_int_equal(nd_cache_bytes(caches[c]), c ? 0 : PICTURE_BYTES);
    assert_int_equal(((const uint8_t *)picture->pixels)[2], 4);
    nd_cached_release(picture);
    nd_cache_free(caches[c]);
  }
}

static void pictures_of_16_bits_keep_them(void **state) {
  nd_image image;
  g_autofree char *file = named(*state, 0);
  assert_int_equal(nd_image_new(2, 1, 3, &image), 0);
  for (int i = 0; i < 6; i++)
    image.data[i] = (float)(1000 + 7 * i) / 65535;
  image.bits = 16;
  assert_int_equal(nd_image_save(file, &image, &(nd_save_options){.bits = 16}), 0);
  nd_image_free(&image);
  nd_cache *cache = nd_cache_new(1 << 20);
  const nd_cached *picture = get(cache, file);
  assert_non_null(picture);
  assert_int_equal(picture->bits, 16);
  float out[12];
  nd_patch_cut(picture, (nd_patch){0, 0, 2, 0}, out);
  for (int i = 0; i < 6; i++) {
    assert_int_equal(((const uint16_t *)picture->pixels)[i], 1000 + 7 * i);
    assert_true(fabsf(out[i] - (float)(1000 + 7 * i) / 65535) < 1e-7f);
  }
  nd_cached_release(picture);
  nd_cache_free(cache);
}

typedef struct hammer {
  nd_cache *cache;
  const char *folder;
  uint32_t sample;
} hammer;

static void *swing(void *data) {
  hammer *h = data;
  nd_rng rng = nd_rng_make(1, 0, h->sample, ND_RANDOM_TEST);
  for (int i = 0; i < 300; i++) {
    take(h->cache, h->folder, (int)nd_rng_below(&rng, 10));
    assert_true(nd_cache_bytes(h->cache) <= 4 * PICTURE_BYTES);
  }
  return NULL;
}

static void threads_share_the_cache(void **state) {
  make_ten(*state);
  size_t before = nd_mem_used();
  nd_cache *cache = nd_cache_new(4 * PICTURE_BYTES);
  hammer hammers[4];
  GThread *threads[4];
  for (uint32_t i = 0; i < 4; i++) {
    hammers[i] = (hammer){cache, *state, i};
    threads[i] = g_thread_new("hammer", swing, &hammers[i]);
  }
  for (int i = 0; i < 4; i++)
    g_thread_join(threads[i]);
  nd_cache_free(cache);
  assert_int_equal(nd_mem_used(), before);
}

static void unreadable_files_are_named(void **state) {
  write_text(*state, "bad.png", "no picture");
  g_autofree char *file = g_build_filename(*state, "bad.png", NULL);
  nd_cache *cache = nd_cache_new(1000);
  assert_null(get(cache, file));
  assert_error_has(file);
  nd_cache_free(cache);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(transforms_are_the_symmetries_of_the_square),
      cmocka_unit_test(small_pictures_are_reflected),
      cmocka_unit_test(places_and_transforms_are_uniform),
      cmocka_unit_test(each_epoch_is_a_permutation),
      cmocka_unit_test(orders_differ_by_seed_epoch_and_purpose),
      cmocka_unit_test(no_picture_has_a_favourite_place),
      cmocka_unit_test_setup_teardown(the_least_recently_used_picture_leaves, make, clean_up),
      cmocka_unit_test_setup_teardown(a_picture_in_use_outlives_its_place, make, clean_up),
      cmocka_unit_test_setup_teardown(pictures_of_16_bits_keep_them, make, clean_up),
      cmocka_unit_test_setup_teardown(threads_share_the_cache, make, clean_up),
      cmocka_unit_test_setup_teardown(unreadable_files_are_named, make, clean_up),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
