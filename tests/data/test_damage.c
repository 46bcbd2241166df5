/* What is put on clean patches: noise like that of flat places, against noise that is known; piled damage,
 * against its sum. */
#include "data/loader-private.h"
#include "pictures.h"

#include <math.h>

enum { SIDE = ND_FLAT_SIDE, PIXELS = SIDE * SIDE, WIDE = 320 };

/* ---- Squares and textures ---- */

static void a_plane_is_taken_off_and_nothing_else(void **state) {
  (void)state;
  static uint16_t photo[PIXELS * 3];
  float left[PIXELS * 3];
  bool cut_off;
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < 3; c++) {
      int y = i / SIDE, x = i % SIDE, board = (x + y) % 2 ? 300 : -300; /* orthogonal to planes */
      photo[3 * i + c] = (uint16_t)(20000 + 3000 * c + 100 * x + 70 * y + (c == 1 ? board : 0));
    }
  nd_cached picture = {SIDE, SIDE, 16, photo};
  double tone = nd_flat_residual(&picture, 0, 0, left, &cut_off);
  assert_true(fabs(tone - (23000 + 170 * (SIDE - 1) / 2.0) / 65535) < 1e-6 && !cut_off);
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < 3; c++) {
      float board = c != 1 ? 0 : (i / SIDE + i % SIDE) % 2 ? 300.0f / 65535 : -300.0f / 65535;
      assert_true(fabsf(left[3 * i + c] - board) < 1e-6f);
    }
}

/* Of pixels (0, right) apart, between two channels, over a texture or (closed form) a square. */
static double covariance(const float *values, int size, int right, int c, int d) {
  double sum = 0;
  for (int y = 0; y < size; y++)
    for (int x = 0; x + right < size; x++) {
      size_t at = ((size_t)y * (size_t)size + (size_t)x) * 3;
      sum += (double)values[at + (size_t)c] * (double)values[at + (size_t)right * 3 + (size_t)d];
    }
  return sum / (double)(size * size);
}

static void textures_have_the_covariance_of_their_square(void **state) {
  (void)state;
  static float square[PIXELS * 3], texture[WIDE * WIDE * 3];
  nd_rng rng = nd_rng_make(5, 0, 0, ND_RANDOM_TEST);
  float before = 0;
  for (int i = 0; i < PIXELS; i++) { /* alike along rows; blue follows red, green goes against it */
    float v = (float)nd_rng_normal(&rng), red = v + before;
    square[3 * i] = red, square[3 * i + 1] = -0.5f * red,
               square[3 * i + 2] = red + (float)nd_rng_normal(&rng);
    before = v;
  }
  nd_flat_texture(square, WIDE, &rng, texture);
  double power = covariance(square, SIDE, 0, 0, 0);
  for (int right = 0; right < 4; right++)
    for (int c = 0; c < 3; c++)
      for (int d = 0; d < 3; d++) {
        double expected = covariance(square, SIDE, right, c, d), is = covariance(texture, WIDE, right, c, d);
        assert_true(fabs(is - expected) < 0.05 * power);
      }
}

/* ---- Photos ---- */

enum { PHOTO = 256 };
static const double dark = 0.02, bright = 0.05, busy = 0.1;

/* Left dark, right bright, each with noise of its own strength that is alike in neighbours of a row; the
 * lower third shows something. */
static void make_photo(uint16_t *out) {
  nd_rng rng = nd_rng_make(6, 0, 0, ND_RANDOM_TEST);
  for (int y = 0; y < PHOTO; y++) {
    double before[3] = {0};
    for (int x = 0; x < PHOTO; x++)
      for (int c = 0; c < 3; c++) {
        double now = nd_rng_normal(&rng), noise = (now + before[c]) / sqrt(2);
        double value = x < PHOTO / 2 ? 0.25 + dark * noise : 0.75 + bright * noise;
        if (y > PHOTO * 2 / 3)
          value += (x / 5 + y / 5) % 2 ? busy : -busy;
        before[c] = now;
        out[(y * PHOTO + x) * 3 + c] = (uint16_t)(CLAMP(value, 0, 1) * 65535 + 0.5);
      }
  }
}

static void noise_of_a_photo_comes_out_by_brightness(void **state) {
  (void)state;
  enum { ROUNDS = 60, SIZE = 48 };
  static uint16_t photo[PHOTO * PHOTO * 3];
  static float noise[SIZE * SIZE * 3];
  make_photo(photo);
  nd_cached picture = {PHOTO, PHOTO, 16, photo};
  nd_flat *flat = nd_flat_new(1, 3);
  nd_rng rng = nd_rng_make(7, 0, 0, ND_RANDOM_TEST);
  for (int side = 0; side < 2; side++) {
    double power = 0, beside = 0, across = 0, strength = side ? bright : dark;
    for (int k = 0; k < ROUNDS; k++) {
      nd_flat_noise(flat, 0, &picture, side ? 0.75 : 0.25, SIZE, &rng, noise);
      power += covariance(noise, SIZE, 0, 0, 0) / ROUNDS;
      beside += covariance(noise, SIZE, 1, 0, 0) / ROUNDS;
      across += covariance(noise, SIZE, 0, 0, 1) / ROUNDS;
    }
    /* The flattest of many squares have a little less than the mean; what the photo shows would have more. */
    assert_true(power > 0.75 * strength * strength && power < 1.1 * strength * strength);
    assert_true(beside > 0.4 * power && beside < 0.6 * power && fabs(across) < 0.1 * power);
  }
  nd_flat_free(flat);
}

static void black_photos_have_no_noise(void **state) {
  (void)state;
  static uint8_t photo[40 * 20 * 3];
  float noise[8 * 8 * 3];
  nd_cached picture = {40, 20, 8, photo}; /* smaller than a square, too */
  nd_flat *flat = nd_flat_new(1, 3);
  nd_rng rng = nd_rng_make(7, 0, 0, ND_RANDOM_TEST);
  nd_flat_noise(flat, 0, &picture, 0.5, 8, &rng, noise);
  for (int i = 0; i < 8 * 8 * 3; i++)
    assert_true(fabsf(noise[i]) < 1e-9f);
  nd_flat_free(flat);
}

/* ---- Batches ---- */

enum { PATCH = 16, VALUES = PATCH * PATCH * 3, BATCH = 6 };

static void write_grain(const char *folder, const char *name, uint64_t seed) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  nd_image image;
  nd_rng rng = nd_rng_make(seed, 0, 0, ND_RANDOM_TEST);
  assert_int_equal(g_mkdir_with_parents(folder, 0777), 0);
  assert_int_equal(nd_image_new(70, 90, 3, &image), 0);
  for (int i = 0; i < 70 * 90 * 3; i++)
    image.data[i] = 0.5f + 0.05f * (float)nd_rng_normal(&rng);
  assert_int_equal(nd_image_save(path, &image, NULL), 0);
  nd_image_free(&image);
}

static int make(void **state) {
  char *root = new_folder();
  for (int i = 0; i < 3; i++) {
    g_autofree char *clean = g_build_filename(root, "clean", NULL),
                    *real = g_build_filename(root, "real", NULL), *name = g_strdup_printf("%d.png", i);
    write_places(clean, name, 60 + 8 * i, 50, 40 + 9 * i);
    write_grain(real, name, (uint64_t)i);
  }
  *state = root;
  return 0;
}

static int clean_up(void **state) {
  remove_folder(*state);
  g_free(*state);
  return 0;
}

static nd_sampler open_for(const char *root, nd_damage_settings damage, int begin, int count) {
  g_autofree char *clean = g_build_filename(root, "clean", NULL),
                  *real = g_build_filename(root, "real", NULL);
  nd_loader_settings s = nd_loader_defaults();
  nd_sampler sampler;
  s.pairs.clean_dir = clean, s.real_dir = real;
  assert_int_equal(nd_degrade_find("gaussian", &s.pairs.degradation), 0);
  assert_int_equal(nd_degrade_set(&s.pairs.degradation, "sigma_min", "20"), 0);
  s.patch_size = PATCH, s.batch_size = BATCH, s.sample_begin = begin, s.sample_count = count;
  s.damage = damage, s.seed = 4;
  if (nd_sampler_open(&s, &sampler))
    fail_msg("%s", nd_error());
  return sampler;
}

/* The damage of a whole batch: BATCH x VALUES; pair: the damage of the pair itself. */
static void draw(const char *root, nd_damage_settings damage, int begin, int count, float *out, float *pair) {
  nd_sampler sampler = open_for(root, damage, begin, count);
  nd_batch batch;
  assert_int_equal(nd_batch_alloc(&sampler, &batch), 0);
  if (nd_sampler_fill(&sampler, 9, &batch))
    fail_msg("%s", nd_error());
  memcpy(out, batch.damage, (size_t)count * VALUES * sizeof *out);
  for (int i = 0; pair && i < count * VALUES; i++)
    pair[i] = batch.synthetic[i] - batch.clean[i];
  nd_batch_free(&batch);
  nd_sampler_close(&sampler);
}

static double power_of(const float *values) {
  double sum = 0;
  for (int i = 0; i < VALUES; i++)
    sum += (double)(values[i] * values[i]);
  return sum / VALUES;
}

static void one_layer_is_the_pairs_own(void **state) {
  float damage[BATCH * VALUES], pair[BATCH * VALUES];
  draw(*state, (nd_damage_settings){ND_DAMAGE_PILE, 0.25, 0.75, 1}, 0, BATCH, damage, pair);
  for (int k = 0; k < BATCH; k++) {
    float s = damage[k * VALUES] / pair[k * VALUES];
    assert_true(s >= 0.25f && s <= 0.75f);
    for (int i = 0; i < VALUES; i++)
      assert_true(fabsf(damage[k * VALUES + i] - s * pair[k * VALUES + i]) < 1e-6f);
  }
}

/* Independent layers: their powers add up. With strength 1 and n layers at most, they have (n + 1) / 2 times
 * the power of one on average, each at least that of sigma 20 and at most that of 75. */
static void layers_add_up(void **state) {
  enum { N = 9 };
  float damage[BATCH * VALUES], pair[BATCH * VALUES];
  draw(*state, (nd_damage_settings){ND_DAMAGE_PILE, 1, 1, N}, 0, BATCH, damage, pair);
  double most = 0;
  for (int k = 0; k < BATCH; k++) {
    double more = power_of(damage + k * VALUES) - power_of(pair + k * VALUES), layer = 400 / 255.0 / 255;
    assert_true(more > -0.1 * layer && more < (N - 1) * 14.1 * layer * 1.2);
    most = MAX(most, more / layer);
  }
  assert_true(most > 2); /* somewhere there are several */
}

static void damage_is_the_samples_own(void **state) {
  static const nd_damage_settings kinds[] = {
      {ND_DAMAGE_PILE, 0.5, 3, 4}, {ND_DAMAGE_FLAT, 1, 2, 0}, {.of = ND_DAMAGE_REAL}};
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
    float whole[BATCH * VALUES], parts[BATCH * VALUES];
    draw(*state, kinds[i], 0, BATCH, whole, NULL);
    draw(*state, kinds[i], 0, 2, parts, NULL);
    draw(*state, kinds[i], 2, 4, parts + 2 * VALUES, NULL);
    assert_memory_equal(whole, parts, sizeof whole);
    assert_true(memcmp(whole, whole + VALUES, VALUES * sizeof *whole) != 0);
  }
}

/* A lens out of focus, without chance. */
static nd_degrade_settings out_of_focus(void) {
  static const char *const keys[][2] = {{"shape", "disc"}, {"radius_min", "2"}, {"radius_max", "2"}};
  nd_degrade_settings d;
  assert_int_equal(nd_degrade_find("blur", &d), 0);
  for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
    assert_int_equal(nd_degrade_set(&d, keys[i][0], keys[i][1]), 0);
  return d;
}

/* The real patch and its damage are the same patch degraded, but for the border, which sees its neighbours.
 */
static void expect_blurred(const nd_degrade_settings *how, const float *real, const float *damage) {
  float blurred[VALUES];
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  int reach = nd_degrade_reach(how);
  memcpy(blurred, real, sizeof blurred);
  assert_int_equal(nd_degrade_apply(how, blurred, PATCH, PATCH, &rng), 0);
  assert_true(reach > 0 && reach < PATCH / 2 && power_of(damage) > 0);
  for (int y = reach; y < PATCH - reach; y++)
    for (int i = (y * PATCH + reach) * 3; i < (y * PATCH + PATCH - reach) * 3; i++)
      assert_true(fabsf(real[i] + damage[i] - blurred[i]) < 1e-5f);
}

static void real_photos_get_the_synthetic_damage(void **state) {
  g_autofree char *clean = g_build_filename(*state, "clean", NULL),
                  *real = g_build_filename(*state, "real", NULL);
  for (int given = 0; given < 2; given++) {
    nd_loader_settings s = nd_loader_defaults();
    nd_sampler sampler;
    nd_batch batch;
    s.real_dir = real, s.patch_size = PATCH, s.batch_size = BATCH, s.seed = 4;
    s.damage.of = ND_DAMAGE_REAL;
    s.pairs.clean_dir = given ? NULL : clean;
    s.pairs.input_dir = given ? real : NULL, s.pairs.target_dir = given ? real : NULL;
    s.pairs.degradation = out_of_focus();
    if (nd_sampler_open(&s, &sampler) || nd_batch_alloc(&sampler, &batch) ||
        nd_sampler_fill(&sampler, 9, &batch))
      fail_msg("%s", nd_error());
    for (int k = 0; k < BATCH; k++)
      if (given) /* pairs of a picture with itself: there is no damage */
        assert_true(power_of(batch.damage + k * VALUES) == 0);
      else
        expect_blurred(&s.pairs.degradation, batch.real + k * VALUES, batch.damage + k * VALUES);
    nd_batch_free(&batch);
    nd_sampler_close(&sampler);
  }
}

static void wrong_settings_are_refused(void **state) {
  g_autofree char *clean = g_build_filename(*state, "clean", NULL);
  nd_loader_settings s = nd_loader_defaults();
  nd_sampler sampler;
  s.pairs.clean_dir = clean;
  assert_int_equal(nd_degrade_find("gaussian", &s.pairs.degradation), 0);
  s.damage = (nd_damage_settings){ND_DAMAGE_PILE, 1, 1, 0};
  assert_int_equal(nd_sampler_open(&s, &sampler), -1);
  assert_non_null(strstr(nd_error(), "0 layers"));
  s.damage = (nd_damage_settings){ND_DAMAGE_FLAT, 1, 1, 1};
  assert_int_equal(nd_sampler_open(&s, &sampler), -1);
  assert_non_null(strstr(nd_error(), "noise of real photos"));
  s.damage = (nd_damage_settings){.of = ND_DAMAGE_REAL};
  assert_int_equal(nd_sampler_open(&s, &sampler), -1);
  assert_non_null(strstr(nd_error(), "damage to real photos"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plane_is_taken_off_and_nothing_else),
      cmocka_unit_test(textures_have_the_covariance_of_their_square),
      cmocka_unit_test(noise_of_a_photo_comes_out_by_brightness),
      cmocka_unit_test(black_photos_have_no_noise),
      cmocka_unit_test_setup_teardown(one_layer_is_the_pairs_own, make, clean_up),
      cmocka_unit_test_setup_teardown(layers_add_up, make, clean_up),
      cmocka_unit_test_setup_teardown(damage_is_the_samples_own, make, clean_up),
      cmocka_unit_test_setup_teardown(real_photos_get_the_synthetic_damage, make, clean_up),
      cmocka_unit_test_setup_teardown(wrong_settings_are_refused, make, clean_up),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
