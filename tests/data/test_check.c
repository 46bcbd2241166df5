/* Checking sets of pictures: what is wrong is found, and scenes are known again. */
#include "data/check.h"
#include "data/data.h"
#include "pictures.h"

#include <math.h>
#include <unistd.h>

enum { SIDE = 96, VALUES = SIDE * SIDE * 3 };

/* Scene k: a few waves of its own. */
static void paint(float *rgb, int side, int k) {
  for (int i = 0; i < side * side; i++) {
    double x = i % side / (double)side, y = i / side / (double)side, v = 0;
    for (int w = 1; w <= 4; w++)
      v += sin(w * 7.3 * k + 2 * M_PI * ((1 + k * w % 3) * x + ((k + w) % 4 - 1.5) * y)) / w;
    for (int c = 0; c < 3; c++)
      rgb[3 * i + c] = (float)(0.5 + 0.15 * v + 0.05 * c);
  }
}

static void save(const char *folder, const char *name, int side, int k, const char *degradation) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *parent = g_path_get_dirname(path);
  nd_image image;
  nd_degrade_settings s;
  assert_int_equal(g_mkdir_with_parents(parent, 0777), 0);
  assert_int_equal(nd_image_new(side, side, 3, &image), 0);
  paint(image.data, side, k);
  if (degradation) {
    nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
    assert_int_equal(nd_degrade_find(degradation, &s), 0);
    assert_int_equal(nd_degrade_apply(&s, image.data, side, side, &rng), 0);
  }
  assert_int_equal(nd_image_save(path, &image, NULL), 0);
  nd_image_free(&image);
}

static void scenes_are_known_again_and_told_apart(void **state) {
  (void)state;
  g_autofree float *rgb = g_new(float, VALUES), *half = g_new(float, VALUES / 4);
  nd_fingerprint all[12][ND_FINGERPRINT_TURNS], smaller[ND_FINGERPRINT_TURNS];
  for (int k = 0; k < 12; k++) {
    paint(rgb, SIDE, k + 1);
    nd_fingerprint_of(rgb, SIDE, SIDE, all[k]);
    paint(half, SIDE / 2, k + 1);
    nd_fingerprint_of(half, SIDE / 2, SIDE / 2, smaller);
    assert_true(nd_fingerprint_distance(*all[k], *smaller) <= ND_FINGERPRINT_SAME);
    for (int i = 0; i < k; i++)
      for (int turn = 0; turn < ND_FINGERPRINT_TURNS; turn++)
        assert_true(nd_fingerprint_distance(*all[k], all[i][turn]) > ND_FINGERPRINT_SAME);
  }
  for (int i = 0; i < VALUES; i++)
    rgb[i] = 0.4f;
  nd_fingerprint_of(rgb, SIDE, SIDE, smaller);
  assert_true(smaller->flat && !all[0]->flat);
}

/* As augmentation by flips and quarter turns makes them; pictures that are not square become upright. */
static void mirrored_and_rotated_copies_are_found(void **state) {
  (void)state;
  enum { WIDE = 96, HIGH = 60 };
  g_autofree float *rgb = g_new(float, VALUES), *copy = g_new(float, VALUES);
  paint(rgb, WIDE, 5); /* its upper part */
  nd_fingerprint of_copy[ND_FINGERPRINT_TURNS], all[ND_FINGERPRINT_TURNS];
  nd_fingerprint_of(rgb, HIGH, WIDE, all);
  for (int turn = 0; turn < ND_FINGERPRINT_TURNS; turn++) {
    int high = turn & 4 ? WIDE : HIGH, wide = turn & 4 ? HIGH : WIDE, found = 0;
    for (int y = 0; y < high; y++)
      for (int x = 0; x < wide; x++) {
        int v = turn & 4 ? x : y, u = turn & 4 ? y : x;
        v = turn & 2 ? HIGH - 1 - v : v;
        u = turn & 1 ? WIDE - 1 - u : u;
        memcpy(copy + 3 * (y * wide + x), rgb + 3 * (v * WIDE + u), 3 * sizeof *rgb);
      }
    nd_fingerprint_of(copy, high, wide, of_copy);
    for (int k = 0; k < ND_FINGERPRINT_TURNS; k++)
      found += nd_fingerprint_distance(*of_copy, all[k]) <= ND_FINGERPRINT_SAME;
    assert_int_equal(found, 1);
  }
}

static void what_is_wrong_is_found(void **state) {
  (void)state;
  g_autofree char *train = new_folder(), *test = new_folder();
  save(train, "input/a.png", SIDE, 1, "gaussian");
  save(train, "target/a.png", SIDE, 1, NULL);
  save(train, "input/b.png", SIDE, 2, "gaussian");
  save(train, "target/b.png", SIDE, 2, NULL);
  save(test, "x.jpg", 120, 2, NULL);
  save(test, "y.png", 50, 3, NULL);
  nd_check c;
  assert_int_equal(nd_data_check(train, test, NULL, NULL, &c), 0);
  assert_int_equal(c.pictures, 4);
  assert_int_equal(c.pairs, 2);
  assert_int_equal(c.leaked, 1);
  assert_int_equal(c.unreadable + c.unpaired + c.repeated + c.small + c.grey, 0);
  assert_non_null(strstr(c.findings[0], "b.png and"));
  nd_check_free(&c);
  write_text(test, "z.png", "no picture");
  save(test, "w.png", 80, 3, NULL);
  g_autofree char *dead = g_build_filename(test, "dead.png", NULL);
  assert_int_equal(symlink("nowhere.png", dead), 0);
  assert_int_equal(nd_data_check(test, NULL, NULL, NULL, &c), 0);
  assert_int_equal(c.unreadable, 2);
  assert_int_equal(c.small, 1);
  assert_int_equal(c.repeated, 1);
  assert_int_equal(c.least_width, 50);
  assert_int_equal(c.most_width, 120);
  nd_check_free(&c);
  assert_int_equal(nd_data_check(train, test, NULL, NULL, &c), 0); /* "none in common" would mean little */
  assert_int_equal(c.unreadable, 0);
  assert_int_equal(c.unreadable_there, 2);
  nd_check_free(&c);
  save(train, "target/c.png", SIDE, 5, NULL);
  assert_int_equal(nd_data_check(train, NULL, NULL, NULL, &c), 0);
  assert_int_equal(c.unpaired, 1);
  nd_check_free(&c);
  assert_int_equal(nd_data_check("/nowhere", NULL, NULL, NULL, &c), -1);
  assert_error_has("/nowhere");
  remove_folder(train);
  remove_folder(test);
}

/* Who mends one at a time, and checks again each time, does not get far. */
static void all_that_does_not_match_is_told(void **state) {
  (void)state;
  g_autofree char *train = new_folder();
  static const char *const fine[] = {"1.png", "2.png", "3.png"};
  for (int i = 0; i < 3; i++) {
    g_autofree char *input = g_build_filename("input", fine[i], NULL),
                    *target = g_build_filename("target", fine[i], NULL);
    save(train, input, SIDE, i + 1, NULL);
    save(train, target, i == 2 ? SIDE - 8 : SIDE, i + 1, NULL);
  }
  save(train, "input/alone.png", SIDE, 5, NULL);
  save(train, "target/lonely.png", SIDE, 6, NULL);
  save(train, "target/1.jpg", SIDE, 1, NULL);
  write_text(train, "input/no.png", "no picture");
  save(train, "target/no.png", SIDE, 7, NULL);
  nd_check c;
  assert_int_equal(nd_data_check(train, NULL, NULL, NULL, &c), 0);
  assert_int_equal(c.pairs, 2);
  assert_int_equal(c.unpaired, 4);
  assert_int_equal(c.unreadable, 1); /* and not called a broken pair as well */
  g_autofree char *said = g_strjoinv("\n", c.findings);
  assert_non_null(strstr(said, "input/alone.png' has no partner"));
  assert_non_null(strstr(said, "target/lonely.png' has no partner"));
  assert_non_null(strstr(said, "target/1.png' have the same name"));
  assert_non_null(strstr(said, "target/3.png' is 88 x 88"));
  nd_check_free(&c);
  remove_folder(train);
}

static void what_a_list_names_in_vain_is_told(void **state) {
  (void)state;
  g_autofree char *folder = new_folder(), *list = g_build_filename(folder, "pairs.txt", NULL);
  for (int i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf("%d.png", i);
    save(folder, name, SIDE, i + 1, NULL);
  }
  write_text(folder, "pairs.txt", "0.png 1.png\ngone.png 2.png\nlost.png 1.png\n2.png 0.png\n");
  nd_check c;
  assert_int_equal(nd_data_check(list, NULL, NULL, NULL, &c), 0);
  assert_int_equal(c.unreadable, 2);
  assert_int_equal(c.pictures, 6);
  assert_int_equal(c.pairs, 2); /* those after a line that is broken keep their partners */
  assert_int_equal(c.unpaired, 0);
  g_autofree char *said = g_strjoinv("\n", c.findings);
  assert_non_null(strstr(said, "gone.png"));
  assert_non_null(strstr(said, "lost.png"));
  nd_check_free(&c);
  remove_folder(folder);
}

/* Pairs belong together by the order of the lines: one that is passed over is so on both sides. Most lines
 * say how many paths a line has, not the first. */
static void broken_lines_of_a_list_are_told_and_the_rest_checked(void **state) {
  (void)state;
  g_autofree char *folder = new_folder(), *list = g_build_filename(folder, "pairs.flist", NULL),
                  *one = g_build_filename(folder, "one.flist", NULL);
  save(folder, "0.png", SIDE, 1, NULL);
  save(folder, "1.png", SIDE, 2, NULL);
  save(folder, "wide.png", SIDE + 8, 3, NULL);
  write_text(folder, "pairs.flist",
             "a.doc 0.png\n0.png\t1.png\n0.png\tb.bmp\nwide.png wide.png\n0.png 0.png 0.png\n1.png 0.png\n");
  nd_check c;
  assert_int_equal(nd_data_check(list, NULL, NULL, NULL, &c), 0);
  g_autofree char *said = g_strjoinv("\n", c.findings);
  assert_int_equal(c.unreadable, 3);
  assert_int_equal(c.pairs, 3);
  assert_int_equal(c.unpaired, 0); /* wide.png would have another's partner */
  assert_non_null(strstr(said, "pairs.flist', line 1: it has 1 path, others have 2"));
  assert_non_null(strstr(said, "pairs.flist', line 3: 'b.bmp' is no picture"));
  assert_non_null(strstr(said, "pairs.flist', line 5: it has 3 paths"));
  nd_check_free(&c);
  write_text(folder, "one.flist", "0.png\nREADME\nsub/../0.png\n1.png\n");
  assert_int_equal(nd_data_check(one, NULL, NULL, NULL, &c), 0);
  assert_int_equal(c.unreadable, 1);
  assert_int_equal(c.pictures, 3);
  assert_non_null(strstr(c.findings[0], "one.flist', line 2: 'README' is no picture"));
  nd_check_free(&c);
  assert_int_equal(nd_data_check(folder, one, NULL, NULL, &c), 0);
  assert_int_equal(c.unreadable_there, 1);
  nd_check_free(&c);
  remove_folder(folder);
}

static void count(size_t done, size_t total, void *context) {
  size_t *calls = context;
  assert_true(done == ++*calls && done <= total);
}

/* Many pictures take long: their number is told meanwhile, and a mistyped name before. */
static void a_missing_test_set_is_told_before_all_is_read(void **state) {
  (void)state;
  g_autofree char *train = new_folder();
  for (int i = 0; i < 5; i++) {
    g_autofree char *name = g_strdup_printf("%d.png", i);
    save(train, name, SIDE, i + 1, NULL);
  }
  size_t calls = 0;
  nd_check c;
  assert_int_equal(nd_data_check(train, "/nowhere/test", count, &calls, &c), -1);
  assert_error_has("/nowhere/test");
  assert_int_equal(calls, 0);
  assert_int_equal(nd_data_check(train, NULL, count, &calls, &c), 0);
  assert_int_equal(calls, 5);
  nd_check_free(&c);
  remove_folder(train);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scenes_are_known_again_and_told_apart),
      cmocka_unit_test(mirrored_and_rotated_copies_are_found),
      cmocka_unit_test(what_is_wrong_is_found),
      cmocka_unit_test(all_that_does_not_match_is_told),
      cmocka_unit_test(what_a_list_names_in_vain_is_told),
      cmocka_unit_test(broken_lines_of_a_list_are_told_and_the_rest_checked),
      cmocka_unit_test(a_missing_test_set_is_told_before_all_is_read),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
