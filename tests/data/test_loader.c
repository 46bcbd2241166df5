/* The patch loader: what a batch depends on, and on what it must not depend. */
#include "data/loader-private.h"
#include "pictures.h"

#include <math.h>

enum { PATCH = 16, PICTURES = 5 };

/* A folder with input, target, real and clean pictures whose pixels tell their place; see write_places. */
static const int widths[PICTURES] = {40, 90, 16, 60, 33}, heights[PICTURES] = {30, 20, 70, 16, 33};

static void write_set(const char *root, const char *folder, int blue) {
  g_autofree char *path = g_build_filename(root, folder, NULL);
  for (int i = 0; i < PICTURES; i++) {
    g_autofree char *name = g_strdup_printf("%d.png", i);
    write_places(path, name, widths[i], heights[i], blue + i);
  }
}

static int make(void **state) {
  char *root = new_folder();
  write_set(root, "input", 10);
  write_set(root, "target", 20);
  write_set(root, "real", 30);
  write_set(root, "clean", 40);
  *state = root;
  return 0;
}

static int clean_up(void **state) {
  remove_folder(*state);
  g_free(*state);
  return 0;
}

/* Settings whose strings live until the next call. */
static nd_loader_settings settings_for(const char *root) {
  static char *paths[4];
  static const char *const names[] = {"input", "target", "real", "clean"};
  nd_loader_settings s = nd_loader_defaults();
  for (int i = 0; i < 4; i++) {
    g_free(paths[i]);
    paths[i] = root ? g_build_filename(root, names[i], NULL) : NULL;
  }
  s.pairs.input_dir = paths[0], s.pairs.target_dir = paths[1];
  s.real_dir = paths[2], s.clean_dir = paths[3];
  s.patch_size = PATCH;
  s.batch_size = 4;
  s.seed = 11;
  return s;
}

static nd_loader_settings degrading(const char *root, const char *degradation) {
  nd_loader_settings s = settings_for(root);
  s.pairs.clean_dir = s.pairs.target_dir;
  s.pairs.input_dir = s.pairs.target_dir = NULL;
  assert_int_equal(nd_degrade_find(degradation, &s.pairs.degradation), 0);
  return s;
}

static nd_loader *open_at(const nd_loader_settings *s, uint64_t first) {
  nd_loader *loader;
  if (nd_loader_open(s, first, &loader))
    fail_msg("%s", nd_error());
  return loader;
}

static const nd_batch *next(nd_loader *loader) {
  const nd_batch *batch;
  double seconds = -1;
  if (nd_loader_next(loader, &batch, &seconds))
    fail_msg("%s", nd_error());
  assert_true(seconds >= 0);
  return batch;
}

/* ---- What a batch holds ---- */

typedef struct pixel {
  int x, y, blue;
} pixel;

static pixel at(const float *patches, int sample, int row, int column) {
  const float *p = patches + (((size_t)sample * PATCH + (size_t)row) * PATCH + (size_t)column) * 3;
  return (pixel){byte_of(p[0]), byte_of(p[1]), byte_of(p[2])};
}

/* Which of the eight orientations a patch has, told from where its first row and column lead. */
static int orientation(const float *patches, int sample) {
  pixel origin = at(patches, sample, 0, 0), right = at(patches, sample, 0, 1),
        down = at(patches, sample, 1, 0);
  bool transposed = right.x == origin.x;
  int dx = transposed ? down.x - origin.x : right.x - origin.x;
  int dy = transposed ? right.y - origin.y : down.y - origin.y;
  assert_true(abs(dx) == 1 && abs(dy) == 1);
  return (dx < 0) + 2 * (dy < 0) + 4 * transposed;
}

static void check_name(const char *name, int blue, int base) {
  g_autofree char *expected = g_strdup_printf("%d.png", blue - base);
  assert_string_equal(name, expected);
}

static void pairs_stay_aligned(void **state) {
  nd_loader_settings s = settings_for(*state);
  nd_loader *loader = open_at(&s, 0);
  assert_int_equal(nd_loader_pictures(loader), PICTURES);
  for (int step = 0; step < 40; step++) {
    const nd_batch *b = next(loader);
    assert_int_equal(b->step, step);
    assert_true(b->samples == 4 && b->patch_size == PATCH);
    assert_true((uintptr_t)b->synthetic % 64 == 0 && (uintptr_t)b->reference % 64 == 0);
    for (int k = 0; k < 4; k++) {
      int picture = at(b->clean, k, 0, 0).blue - 20;
      check_name(b->pair_names[k], picture, 0);
      check_name(b->real_names[k], at(b->real, k, 0, 0).blue, 30);
      check_name(b->reference_names[k], at(b->reference, k, 0, 0).blue, 40);
      for (int i = 0; i < PATCH * PATCH; i++) {
        pixel in = at(b->synthetic, k, i / PATCH, i % PATCH), out = at(b->clean, k, i / PATCH, i % PATCH);
        assert_true(in.x == out.x && in.y == out.y && in.blue == 10 + picture && out.blue == 20 + picture);
        assert_true(in.x < widths[picture] && in.y < heights[picture]);
      }
    }
  }
  nd_loader_close(loader);
}

static void orientations_are_drawn_independently(void **state) {
  enum { STEPS = 800, N = STEPS * 4 };
  nd_loader_settings s = settings_for(*state);
  nd_loader *loader = open_at(&s, 0);
  int counts[8] = {0}, equal[3] = {0};
  for (int step = 0; step < STEPS; step++) {
    const nd_batch *b = next(loader);
    for (int k = 0; k < 4; k++) {
      int pair = orientation(b->clean, k), real = orientation(b->real, k),
          reference = orientation(b->reference, k);
      counts[pair]++;
      equal[0] += pair == real, equal[1] += pair == reference, equal[2] += real == reference;
    }
  }
  for (int i = 0; i < 8; i++)
    assert_in_range(counts[i], N / 8 - 80, N / 8 + 80); /* 4.3 standard deviations */
  for (int i = 0; i < 3; i++)
    assert_in_range(equal[i], N / 8 - 80, N / 8 + 80);
  nd_loader_close(loader);
}

static void without_augmentation_nothing_turns(void **state) {
  nd_loader_settings s = settings_for(*state);
  s.augment = false;
  nd_loader *loader = open_at(&s, 0);
  for (int step = 0; step < 10; step++) {
    const nd_batch *b = next(loader);
    for (int k = 0; k < 4; k++)
      assert_true(!orientation(b->clean, k) && !orientation(b->real, k) && !orientation(b->reference, k));
  }
  nd_loader_close(loader);
}

static void an_epoch_sees_each_picture_once(void **state) {
  nd_loader_settings s = settings_for(*state);
  nd_loader *loader = open_at(&s, 0);
  int pair[PICTURES] = {0}, real[PICTURES] = {0}, epochs = 0;
  for (int sample = 0; sample < 4 * PICTURES; sample += 4) {
    const nd_batch *b = next(loader);
    for (int k = 0; k < 4; k++) {
      pair[b->pair_names[k][0] - '0']++, real[b->real_names[k][0] - '0']++;
      if ((sample + k + 1) % PICTURES)
        continue;
      epochs++;
      for (int i = 0; i < PICTURES; i++)
        assert_true(pair[i] == epochs && real[i] == epochs);
    }
  }
  assert_int_equal(epochs, 4);
  nd_loader_close(loader);
}

static void what_is_not_asked_for_is_absent(void **state) {
  nd_loader_settings s = settings_for(*state);
  s.real_dir = s.clean_dir = NULL;
  nd_loader *loader = open_at(&s, 0);
  const nd_batch *b = next(loader);
  assert_true(b->synthetic && b->clean && !b->real && !b->reference && !b->real_names && !b->reference_names);
  nd_loader_close(loader);
}

static void small_pictures_fill_large_patches(void **state) {
  nd_loader_settings s = settings_for(*state);
  s.patch_size = 64;
  nd_loader *loader = open_at(&s, 0);
  for (int step = 0; step < 5; step++) {
    const nd_batch *b = next(loader);
    for (int i = 0; i < 4 * 64 * 64; i++)
      assert_true(byte_of(b->clean[3 * i + 2]) / 10 == 2); /* no pixel but the picture's own */
  }
  nd_loader_close(loader);
}

static void degraded_patches_are_clean_ones_and_noise(void **state) {
  nd_loader_settings s = degrading(*state, "gaussian");
  assert_int_equal(nd_degrade_set(&s.pairs.degradation, "sigma", "10"), 0);
  nd_loader *loader = open_at(&s, 0);
  double squares = 0, products = 0;
  const nd_batch *b = next(loader);
  size_t patch = PATCH * PATCH * 3;
  for (size_t i = 0; i < 4 * patch; i++)
    squares += pow((b->synthetic[i] - b->clean[i]) * 255, 2) / (double)(4 * patch);
  for (size_t i = 0; i < patch; i++) /* the noise of one sample is not another's */
    products +=
        (b->synthetic[i] - b->clean[i]) * (b->synthetic[i + patch] - b->clean[i + patch]) * 255 * 255 / patch;
  assert_true(fabs(sqrt(squares) - 10) < 0.7);
  assert_true(fabs(products) < 100 * 0.15);
  check_name(b->pair_names[0], at(b->clean, 0, 0, 0).blue, 20);
  nd_loader_close(loader);
}

/* A ramp blurred evenly to both sides is the same ramp, also where the patch ends and the picture goes on. */
static void blurred_patches_know_what_is_around_them(void **state) {
  g_autofree char *folder = g_build_filename(*state, "ramp", NULL);
  enum { SIDE = 120, REACH = 6 };
  write_places(folder, "0.png", SIDE, SIDE, 20);
  nd_loader_settings s = degrading(*state, "blur");
  s.pairs.clean_dir = folder;
  s.augment = false;
  assert_int_equal(nd_degrade_set(&s.pairs.degradation, "shape", "line"), 0);
  assert_int_equal(nd_degrade_set(&s.pairs.degradation, "length", "10"), 0);
  assert_int_equal(nd_degrade_set(&s.pairs.degradation, "response", "none"), 0);
  assert_int_equal(nd_degrade_reach(&s.pairs.degradation), REACH);
  nd_loader *loader = open_at(&s, 0);
  int inside = 0;
  for (int step = 0; step < 8; step++) {
    const nd_batch *b = next(loader);
    for (size_t k = 0; k < 4; k++) {
      const float *clean = b->clean + k * PATCH * PATCH * 3, *blurred = b->synthetic + k * PATCH * PATCH * 3;
      pixel first = at(clean, 0, 0, 0);
      bool within = MIN(first.x, first.y) >= REACH && MAX(first.x, first.y) <= SIDE - PATCH - REACH;
      inside += within;
      for (int i = 0; within && i < PATCH * PATCH * 3; i++)
        assert_true(fabsf(blurred[i] - clean[i]) < 1e-5f);
    }
  }
  assert_true(inside > 10);
  nd_loader_close(loader);
}

/* ---- What it must not depend on ---- */

typedef struct copy {
  float *values[4];
} copy;

static copy copy_of(const nd_batch *b) {
  size_t bytes = (size_t)b->samples * PATCH * PATCH * 3 * sizeof(float);
  copy c = {{g_memdup2(b->synthetic, bytes), g_memdup2(b->clean, bytes), g_memdup2(b->real, bytes),
             g_memdup2(b->reference, bytes)}};
  return c;
}

/* The step-th batch, wherever the loader was opened. */
static copy batch_of(nd_loader_settings s, uint64_t first, uint64_t step) {
  nd_loader *loader = open_at(&s, first);
  const nd_batch *b = next(loader);
  while (b->step < step)
    b = next(loader);
  copy c = copy_of(b);
  nd_loader_close(loader);
  return c;
}

static void free_copy(copy *c) {
  for (int i = 0; i < 4; i++)
    g_free(c->values[i]);
}

static bool equal(const copy *a, const copy *b, size_t samples, size_t skip) {
  size_t patch = PATCH * PATCH * 3;
  for (int i = 0; i < 4; i++)
    if (memcmp(a->values[i] + skip * patch, b->values[i], samples * patch * sizeof(float)))
      return false;
  return true;
}

static void batches_depend_on_the_step_alone(void **state) {
  for (int camera = 0; camera < 2; camera++) {
    nd_loader_settings s = degrading(*state, camera ? "camera" : "gaussian");
    s.workers = 1;
    copy expected = batch_of(s, 0, 7), again = batch_of(s, 7, 7);
    assert_true(equal(&expected, &again, 4, 0));
    free_copy(&again);
    s.workers = 3;
    s.prefetch = 2;
    s.cache_bytes = 0;
    again = batch_of(s, 3, 7);
    assert_true(equal(&expected, &again, 4, 0));
    free_copy(&again);
    copy other_step = batch_of(s, 8, 8);
    assert_false(equal(&expected, &other_step, 4, 0));
    free_copy(&other_step);
    s.seed++;
    copy other_seed = batch_of(s, 7, 7);
    assert_false(equal(&expected, &other_seed, 4, 0));
    free_copy(&other_seed);
    free_copy(&expected);
  }
}

static void processes_share_a_batch(void **state) {
  nd_loader_settings s = degrading(*state, "gaussian");
  copy whole = batch_of(s, 7, 7);
  s.sample_count = 1;
  copy first = batch_of(s, 7, 7);
  s.sample_begin = 1;
  s.sample_count = 0;
  copy rest = batch_of(s, 7, 7);
  assert_true(equal(&whole, &first, 1, 0));
  assert_true(equal(&whole, &rest, 3, 1));
  free_copy(&whole);
  free_copy(&first);
  free_copy(&rest);
}

static void a_loader_may_be_closed_at_any_time(void **state) {
  size_t before = nd_mem_used();
  nd_loader_settings s = degrading(*state, "camera");
  s.workers = 3;
  for (int taken = 0; taken < 4; taken++) {
    nd_loader *loader = open_at(&s, 0);
    for (int i = 0; i < taken; i++)
      next(loader);
    nd_loader_close(loader);
  }
  nd_loader_close(NULL);
  assert_int_equal(nd_mem_used(), before);
}

/* ---- Failures ---- */

static void unreadable_pictures_reach_the_caller(void **state) {
  g_autofree char *real = g_build_filename(*state, "real", NULL);
  write_text(real, "3.png", "no picture any more");
  nd_loader_settings s = settings_for(*state);
  nd_loader *loader = open_at(&s, 0);
  const nd_batch *batch;
  int steps = 0;
  while (!nd_loader_next(loader, &batch, NULL))
    steps++;
  assert_in_range(steps, 0, 1); /* five pictures an epoch, four a batch */
  for (int i = 0; i < 2; i++) {
    assert_null(batch);
    assert_error_has("real/3.png");
    g_autofree char *step = g_strdup_printf("step %d", steps);
    assert_error_has(step);
    assert_int_equal(nd_loader_next(loader, &batch, NULL), -1);
  }
  nd_loader_close(loader);
}

static void pairs_that_change_later_are_noticed(void **state) {
  nd_loader_settings s = settings_for(*state);
  nd_sampler sampler;
  nd_batch batch;
  assert_int_equal(nd_sampler_open(&s, &sampler), 0);
  assert_int_equal(nd_batch_alloc(&sampler, &batch), 0);
  g_autofree char *input = g_build_filename(*state, "input", NULL);
  for (int i = 0; i < PICTURES; i++) {
    g_autofree char *name = g_strdup_printf("%d.png", i);
    write_places(input, name, widths[i] + 1, heights[i], 10);
  }
  assert_int_equal(nd_sampler_fill(&sampler, 0, &batch), -1);
  assert_error_has("different sizes");
  assert_error_has("input/");
  assert_error_has("target/");
  nd_batch_free(&batch);
  nd_sampler_close(&sampler);
}

static void refuse(const nd_loader_settings *s, const char *part) {
  nd_loader *loader;
  assert_int_equal(nd_loader_open(s, 0, &loader), -1);
  assert_null(loader);
  assert_error_has(part);
}

static void wrong_settings_are_refused(void **state) {
  size_t before = nd_mem_used();
  nd_loader_settings good = settings_for(*state), s = good;
  s.patch_size = 0, refuse(&s, "patch_size 0"), s = good;
  s.batch_size = -1, refuse(&s, "batch_size -1"), s = good;
  s.sample_begin = 2, s.sample_count = 3, refuse(&s, "samples 2 to 5"), s = good;
  s.sample_begin = 4, refuse(&s, "samples 4 to 4"), s = good;
  s.workers = 0, refuse(&s, "0 workers"), s = good;
  s.prefetch = 1, refuse(&s, "prefetch 1"), s = good;
  s.real_dir = "/nowhere/real", refuse(&s, "/nowhere/real"), s = good;
  s.clean_dir = "/nowhere/clean", refuse(&s, "/nowhere/clean"), s = good;
  s.pairs.target_dir = NULL, refuse(&s, "holds no pairs"), s = good;
  s = degrading(*state, "gaussian");
  assert_int_equal(nd_degrade_set(&s.pairs.degradation, "sigma_min", "200"), 0);
  refuse(&s, "sigma_min 200 is above sigma_max 75");
  assert_int_equal(nd_mem_used(), before);
}

static int forget_paths(void **state) {
  (void)state;
  settings_for(NULL);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(pairs_stay_aligned, make, clean_up),
      cmocka_unit_test_setup_teardown(orientations_are_drawn_independently, make, clean_up),
      cmocka_unit_test_setup_teardown(without_augmentation_nothing_turns, make, clean_up),
      cmocka_unit_test_setup_teardown(an_epoch_sees_each_picture_once, make, clean_up),
      cmocka_unit_test_setup_teardown(what_is_not_asked_for_is_absent, make, clean_up),
      cmocka_unit_test_setup_teardown(small_pictures_fill_large_patches, make, clean_up),
      cmocka_unit_test_setup_teardown(degraded_patches_are_clean_ones_and_noise, make, clean_up),
      cmocka_unit_test_setup_teardown(blurred_patches_know_what_is_around_them, make, clean_up),
      cmocka_unit_test_setup_teardown(batches_depend_on_the_step_alone, make, clean_up),
      cmocka_unit_test_setup_teardown(processes_share_a_batch, make, clean_up),
      cmocka_unit_test_setup_teardown(a_loader_may_be_closed_at_any_time, make, clean_up),
      cmocka_unit_test_setup_teardown(unreadable_pictures_reach_the_caller, make, clean_up),
      cmocka_unit_test_setup_teardown(pairs_that_change_later_are_noticed, make, clean_up),
      cmocka_unit_test_setup_teardown(wrong_settings_are_refused, make, clean_up),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, forget_paths);
}
