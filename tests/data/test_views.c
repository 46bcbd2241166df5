/* Left and right views: which belong together, whole pairs of them, and what a batch makes of them. */
#include "data/loader-private.h"
#include "pictures.h"

enum { LEFT = 50, RIGHT = 100, TARGET = 150, PATCH = 12 };

/* Three pictures, of which blue tells the view and its number; see write_places. */
static void write_views(const char *const left[3], const char *const right[3], const char *const target[3]) {
  for (int i = 0; i < 3; i++) {
    write_places("inputL", left[i], 40, 30, LEFT + i);
    write_places("inputR", right[i], 40, 30, RIGHT + i);
    write_places("target", target[i], 40, 30, TARGET + i);
  }
}

static const nd_pair_source source_of_all = {
    .input_dir = "inputL", .right_dir = "inputR", .target_dir = "target"};

/* Each pair: both views and the target of one number, and every pixel in its place. */
static void expect_pairs(void) {
  nd_pairs *pairs;
  nd_pair_source source = source_of_all;
  if (nd_pairs_open(&source, 1, &pairs))
    fail_msg("%s", nd_error());
  assert_true(nd_pairs_have_truth(pairs));
  assert_int_equal(nd_pairs_count(pairs), 3);
  int seen = 0;
  for (size_t i = 0; i < 3; i++) {
    nd_pair pair;
    assert_int_equal(nd_pairs_load(pairs, i, &pair), 0);
    assert_int_equal(pair.channels, 6);
    int number = byte_of(pair.input[2]) - LEFT;
    seen |= 1 << number;
    for (int p = 0; p < 40 * 30; p++) {
      const int expected[] = {p % 40, p / 40, LEFT + number, p % 40, p / 40, RIGHT + number};
      for (int c = 0; c < 6; c++)
        assert_int_equal(byte_of(pair.input[6 * p + c]), expected[c]);
      assert_int_equal(byte_of(pair.target[3 * p + 2]), TARGET + number);
    }
    nd_pair_free(&pair);
  }
  assert_int_equal(seen, 7);
  nd_pairs_close(pairs);
}

static void views_of_one_name_belong_together(void **state) {
  (void)state;
  static const char *const names[] = {"b.png", "a.png", "c/a.png"}, *const other[] = {"b.tif", "a.png",
                                                                                      "c/a.png"};
  write_views(names, other, names);
  expect_pairs();
}

/* As the set of dual-pixel pictures is published: bytewise 10_R.png comes before 1_R.png, but 1.png before
 * 10.png. */
static void views_that_share_no_name_are_in_order(void **state) {
  (void)state;
  static const char *const left[] = {"1.png", "2.png", "10.png"},
                           *const right[] = {"1_R.png", "2_R.png", "10_R.png"},
                           *const target[] = {"1P0A3.png", "1P0A20.png", "1P0A100.png"};
  write_views(left, right, target);
  expect_pairs();
}

static void views_without_partner_are_named(void **state) {
  (void)state;
  static const char *const left[] = {"1.png", "2.png", "3.png"}, *const right[] = {"1.png", "2.png", "4.png"};
  nd_pairs *pairs;
  write_views(left, right, left);
  nd_pair_source source = source_of_all;
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), -1);
  assert_error_has("right views");
  assert_error_has("'");
  assert_error_has("no partner");
  g_unlink("inputR/4.png");
  write_places("inputR", "3.png", 40, 31, RIGHT);
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), -1);
  assert_error_has("inputL/3.png");
  assert_error_has("inputR/3.png");
  assert_error_has("40 x 31");
  g_unlink("inputR/1.png");
  g_unlink("inputR/2.png");
  g_rename("inputR/3.png", "inputR/3_R.png");
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), -1);
  assert_error_has("3 pictures");
  source.clean_dir = source.target_dir;
  source.input_dir = source.target_dir = NULL;
  assert_int_equal(nd_degrade_find("gaussian", &source.degradation), 0);
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), -1);
  assert_error_has("an input and a target");
}

static void photos_have_views_but_no_truth(void **state) {
  (void)state;
  static const char *const names[] = {"1.png", "2.png", "3.png"};
  nd_pairs *pairs;
  nd_pair pair;
  write_views(names, names, names);
  nd_pair_source source = source_of_all;
  assert_int_equal(nd_pairs_open_photos(source.input_dir, source.right_dir, &pairs), 0);
  assert_false(nd_pairs_have_truth(pairs));
  assert_int_equal(nd_pairs_count(pairs), 3);
  assert_int_equal(nd_pairs_load(pairs, 1, &pair), 0);
  assert_null(pair.target);
  assert_string_equal(pair.name, "2.png");
  assert_int_equal(byte_of(pair.input[2]), LEFT + 1);
  assert_int_equal(byte_of(pair.input[5]), RIGHT + 1);
  nd_pair_free(&pair);
  nd_pairs_close(pairs);
}

/* ---- Batches ---- */
/* One patch of two views: both at the same place, in rows and columns that were not transposed; mirrored
 * columns have swapped the views. Returns the number of the pictures. */
static int expect_patch(const float *views, const float *truth, int first, int *mirrored) {
  int step = byte_of(views[6]) - byte_of(views[0]), down = byte_of(views[6 * PATCH + 1]) - byte_of(views[1]),
      swapped = step < 0, number = byte_of(views[2]) - (swapped ? first + RIGHT - LEFT : first);
  assert_true(abs(step) == 1 && abs(down) == 1);
  *mirrored |= 1 << (swapped + 2 * (down < 0));
  for (int p = 0; p < PATCH * PATCH; p++) {
    int column = byte_of(views[0]) + step * (p % PATCH), row = byte_of(views[1]) + down * (p / PATCH);
    const int expected[] = {column, row, first + number, column, row, first + RIGHT - LEFT + number};
    for (int c = 0; c < 6; c++)
      assert_int_equal(byte_of(views[6 * p + c]), expected[swapped ? (c + 3) % 6 : c]);
    for (int c = 0; c < 2 && truth; c++)
      assert_int_equal(byte_of(truth[3 * p + c]), expected[c]);
    if (truth)
      assert_int_equal(byte_of(truth[3 * p + 2]), TARGET + number);
  }
  return number;
}

static void patches_keep_the_optics(void **state) {
  (void)state;
  static const char *const names[] = {"1.png", "2.png", "3.png"};
  int pairs_mirrored = 0, real_mirrored = 0, seen = 0;
  write_views(names, names, names);
  for (int i = 0; i < 3; i++) { /* real photos: other numbers */
    write_places("realL", names[i], 40, 30, LEFT + 100 + i);
    write_places("realR", names[i], 40, 30, RIGHT + 100 + i);
  }
  nd_loader_settings s = nd_loader_defaults();
  s.pairs = source_of_all;
  s.real_dir = "realL";
  s.real_right_dir = "realR";
  s.real_fraction = 0.7; /* two of three */
  s.patch_size = PATCH;
  s.batch_size = 4;
  nd_loader *loader;
  if (nd_loader_open(&s, 0, &loader))
    fail_msg("%s", nd_error());
  for (int step = 0; step < 20; step++) {
    const nd_batch *b;
    assert_int_equal(nd_loader_next(loader, &b, NULL), 0);
    assert_int_equal(b->channels, 6);
    for (int k = 0; k < b->samples; k++) {
      size_t at = (size_t)k * PATCH * PATCH;
      seen |= 1 << expect_patch(b->synthetic + 6 * at, b->clean + 3 * at, LEFT, &pairs_mirrored);
      assert_in_range(expect_patch(b->real + 6 * at, NULL, LEFT + 100, &real_mirrored), 0, 1);
    }
  }
  assert_int_equal(seen, 7);
  assert_int_equal(pairs_mirrored, 15); /* all four ways */
  assert_int_equal(real_mirrored, 15);
  nd_loader_close(loader);
}

static void views_are_for_all_or_none(void **state) {
  (void)state;
  static const char *const names[] = {"1.png", "2.png", "3.png"};
  nd_loader *loader;
  write_views(names, names, names);
  nd_loader_settings s = nd_loader_defaults();
  s.pairs = source_of_all;
  s.patch_size = PATCH;
  assert_int_equal(nd_loader_open(&s, 0, &loader), 0);
  uint64_t before = nd_loader_fingerprint(loader);
  nd_loader_close(loader);
  g_rename("inputR/3.png", "inputR/3.PNG");
  assert_int_equal(nd_loader_open(&s, 0, &loader), 0);
  assert_true(nd_loader_fingerprint(loader) != before);
  nd_loader_close(loader);
  s.real_dir = s.pairs.input_dir;
  assert_int_equal(nd_loader_open(&s, 0, &loader), -1);
  assert_error_has("right views");
  s.real_right_dir = s.pairs.right_dir;
  s.damage = (nd_damage_settings){ND_DAMAGE_PILE, 1, 1, 1};
  assert_int_equal(nd_loader_open(&s, 0, &loader), -1);
  assert_error_has("one view");
}

static int warnings;

static void count_warning(nd_log_level level, const char *message, void *context) {
  (void)context;
  warnings += level == ND_LOG_WARNING && strstr(message, "turned by the orientation");
}

/* A JPEG file of one grey, with EXIF that says so: tag 0x0112, type 3, one value. */
static void write_turned(const char *path, unsigned char orientation) {
  const unsigned char exif[] = {0xff, 0xd8, 0xff, 0xe1, 0,           34, 'E', 'x', 'i', 'f',  0, 0, 'I',
                                'I',  42,   0,    8,    0,           0,  0,   1,   0,   0x12, 1, 3, 0,
                                1,    0,    0,    0,    orientation, 0,  0,   0,   0,   0,    0, 0};
  g_autoptr(GByteArray) file = g_byte_array_new();
  g_autofree char *plain = NULL;
  size_t size;
  nd_image image;
  assert_int_equal(nd_image_new(12, 12, 3, &image), 0);
  assert_int_equal(nd_image_save(path, &image, NULL), 0);
  nd_image_free(&image);
  assert_true(g_file_get_contents(path, &plain, &size, NULL));
  g_byte_array_append(file, exif, sizeof exif);
  g_byte_array_append(file, (unsigned char *)plain + 2, (guint)size - 2);
  assert_true(g_file_set_contents(path, (char *)file->data, file->len, NULL));
}

static void views_turned_by_their_files_are_told_of(void **state) {
  (void)state;
  nd_set left, right;
  nd_log_set_sink(count_warning, NULL);
  for (int k = 0; k < 3; k++) {
    warnings = 0;
    write_turned("left.jpg", k == 1 ? 3 : 1);
    write_turned("right.jpg", k == 2 ? 6 : 1);
    assert_int_equal(nd_set_open("left.jpg", &left), 0);
    if (nd_set_open_right("right.jpg", &left, &right))
      fail_msg("%s", nd_error());
    assert_int_equal(warnings, k > 0);
    nd_set_free(&left);
    nd_set_free(&right);
  }
  nd_log_set_sink(NULL, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(views_of_one_name_belong_together, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(views_that_share_no_name_are_in_order, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(views_without_partner_are_named, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(photos_have_views_but_no_truth, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(patches_keep_the_optics, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(views_are_for_all_or_none, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(views_turned_by_their_files_are_told_of, enter_folder, leave_folder),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
