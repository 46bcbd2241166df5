/* Folders as sets, pairing by name, and whole pictures for evaluation. */
#include "data/data.h"
#include "pictures.h"

#include <math.h>
#include <unistd.h>

static int make(void **state) {
  *state = new_folder();
  return 0;
}

static int clean_up(void **state) {
  remove_folder(*state);
  g_free(*state);
  return 0;
}

static void folders_are_listed_bytewise_and_below(void **state) {
  static const char *const made[] = {"b.png",     "a/z.PNG",     "B.jpg",     "a-1.png",
                                     "a/c/x.tif", ".hidden.png", ".git/y.png"};
  static const char *const expected[] = {"B.jpg", "a-1.png", "a/c/x.tif", "a/z.PNG", "b.png"};
  for (size_t i = 0; i < G_N_ELEMENTS(made); i++)
    write_places(*state, made[i], 4, 3, 0);
  write_text(*state, "notes.txt", "no picture");
  nd_set folder;
  assert_int_equal(nd_set_open(*state, &folder), 0);
  assert_int_equal(folder.count, G_N_ELEMENTS(expected));
  for (size_t i = 0; i < folder.count; i++) {
    g_autofree char *file = g_build_filename(*state, expected[i], NULL);
    assert_string_equal(folder.at[i].name, expected[i]);
    assert_string_equal(folder.at[i].file, file);
  }
  nd_set_free(&folder);
}

/* Of ten, a third are three, spread over the folder; the least is one. */
static void a_folder_is_thinned_evenly(void **state) {
  for (int i = 0; i < 10; i++) {
    g_autofree char *name = g_strdup_printf("%d.png", i);
    write_places(*state, name, 4, 3, 0);
  }
  static const struct {
    double fraction;
    const char *kept;
  } cases[] = {{1, "0123456789"}, {0.33, "036"}, {0.5, "02468"}, {0.9, "012345678"}, {0.001, "0"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    nd_set folder;
    assert_int_equal(nd_set_open(*state, &folder), 0);
    nd_set_thin(&folder, cases[i].fraction);
    assert_int_equal(folder.count, strlen(cases[i].kept));
    for (size_t k = 0; k < folder.count; k++) {
      assert_int_equal(folder.at[k].name[0], cases[i].kept[k]);
      assert_true(g_str_has_suffix(folder.at[k].file, folder.at[k].name));
    }
    nd_set_free(&folder);
  }
}

static void in_folder(const char *folder, const char *target, const char *name) {
  g_autofree char *link = g_build_filename(folder, name, NULL);
  assert_int_equal(symlink(target, link), 0);
}

static void links_are_followed_but_not_for_ever(void **state) {
  nd_set folder;
  write_places(*state, "a/b/1.png", 4, 3, 0);
  in_folder(*state, "a/b", "c");
  in_folder(*state, "..", "a/up");
  in_folder(*state, "../..", "a/b/further");
  assert_int_equal(nd_set_open(*state, &folder), 0);
  assert_int_equal(folder.count, 2);
  assert_string_equal(folder.at[0].name, "a/b/1.png");
  assert_string_equal(folder.at[1].name, "c/1.png");
  nd_set_free(&folder);
}

static void note(const char *path, void *context) {
  g_string_append_printf(context, "%s: %s\n", path, nd_error());
}

static void what_cannot_be_looked_at_is_told_and_passed(void **state) {
  nd_set folder;
  GString *told = g_string_new(NULL);
  write_places(*state, "1.png", 4, 3, 0);
  in_folder(*state, "nowhere", "2.png");
  assert_int_equal(nd_set_open(*state, &folder), -1);
  assert_error_has("2.png");
  assert_int_equal(nd_set_open_past(*state, note, told, &folder), 0);
  assert_int_equal(folder.count, 1);
  assert_non_null(strstr(told->str, "2.png: cannot read"));
  nd_set_free(&folder);
  g_string_free(told, TRUE);
}

static void empty_and_missing_folders_are_errors(void **state) {
  nd_set folder;
  write_text(*state, "notes.txt", "no picture");
  assert_int_equal(nd_set_open(*state, &folder), -1);
  assert_error_has((const char *)*state);
  assert_error_has(".webp");
  assert_int_equal(nd_set_open("/nowhere/at/all", &folder), -1);
  assert_error_has("/nowhere/at/all");
  g_autofree char *dangling = g_build_filename(*state, "gone.png", NULL);
  assert_int_equal(symlink("/nowhere/gone.png", dangling), 0);
  assert_int_equal(nd_set_open(*state, &folder), -1);
  assert_error_has("gone.png");
}

/* Two folders below *state, and what matching them says. */
typedef struct two {
  char *input_dir, *target_dir;
  nd_set input, target;
} two;

static int match(const char *root, two *t) {
  t->input_dir = g_build_filename(root, "input", NULL);
  t->target_dir = g_build_filename(root, "target", NULL);
  assert_int_equal(nd_set_open(t->input_dir, &t->input), 0);
  assert_int_equal(nd_set_open(t->target_dir, &t->target), 0);
  return nd_set_match(&t->input, &t->target);
}

static void close_two(two *t) {
  nd_set_free(&t->input);
  nd_set_free(&t->target);
  g_free(t->input_dir);
  g_free(t->target_dir);
}

static void partners_are_found_whatever_the_extension(void **state) {
  /* "a.b" sorts before or after "a" depending on the extension. */
  write_places(*state, "input/a.webp", 4, 3, 0);
  write_places(*state, "input/a.tz.png", 4, 3, 0);
  write_places(*state, "input/sub/c.png", 4, 3, 0);
  write_places(*state, "target/a.png", 4, 3, 0);
  write_places(*state, "target/a.tz.jpg", 4, 3, 0);
  write_places(*state, "target/sub/c.tif", 4, 3, 0);
  two t;
  assert_int_equal(match(*state, &t), 0);
  static const char *const expected[][2] = {
      {"a.tz.png", "a.tz.jpg"}, {"a.webp", "a.png"}, {"sub/c.png", "sub/c.tif"}};
  for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
    assert_string_equal(t.input.at[i].name, expected[i][0]);
    assert_string_equal(t.target.at[i].name, expected[i][1]);
    assert_true(g_str_has_suffix(t.target.at[i].file, expected[i][1]));
  }
  close_two(&t);
}

static void missing_partners_are_named(void **state) {
  write_places(*state, "input/a.png", 4, 3, 0);
  write_places(*state, "input/b.png", 4, 3, 0);
  write_places(*state, "target/a.png", 4, 3, 0);
  two t;
  assert_int_equal(match(*state, &t), -1);
  assert_error_has("input/b.png");
  assert_error_has("target/b");
  close_two(&t);
  write_places(*state, "target/b.png", 4, 3, 0);
  write_places(*state, "target/c.png", 4, 3, 0);
  assert_int_equal(match(*state, &t), -1);
  assert_error_has("target/c.png");
  assert_error_has("input/c");
  close_two(&t);
}

static void twins_are_named(void **state) {
  write_places(*state, "input/a.png", 4, 3, 0);
  write_places(*state, "target/a.png", 4, 3, 0);
  write_places(*state, "target/a.jpg", 4, 3, 0);
  two t;
  assert_int_equal(match(*state, &t), -1);
  assert_error_has("target/a.png");
  assert_error_has("target/a.jpg");
  close_two(&t);
}

static void sizes_that_differ_are_named(void **state) {
  write_places(*state, "input/a.png", 4, 3, 0);
  write_places(*state, "target/a.png", 4, 5, 0);
  two t;
  assert_int_equal(match(*state, &t), -1);
  assert_error_has("input/a.png' is 4 x 3");
  assert_error_has("target/a.png' is 4 x 5");
  close_two(&t);
}

static void broken_pictures_of_a_pair_are_named(void **state) {
  write_places(*state, "input/a.png", 4, 3, 0);
  write_places(*state, "target/b.png", 4, 3, 0);
  write_text(*state, "target/a.png", "this is no picture");
  g_autofree char *extra = g_build_filename(*state, "target", "b.png", NULL);
  g_unlink(extra);
  two t;
  assert_int_equal(match(*state, &t), -1);
  assert_error_has("target/a.png");
  close_two(&t);
}

/* ---- Whole pictures ---- */

static void pairs_of_files_are_read_whole(void **state) {
  write_places(*state, "input/a.png", 20, 10, 100);
  write_places(*state, "input/b.png", 7, 30, 101);
  write_places(*state, "target/a.png", 20, 10, 200);
  write_places(*state, "target/b.png", 7, 30, 201);
  g_autofree char *input = g_build_filename(*state, "input", NULL),
                  *target = g_build_filename(*state, "target", NULL);
  nd_pairs *pairs;
  nd_pair_source source = {.input_dir = input, .target_dir = target};
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), 0);
  assert_int_equal(nd_pairs_count(pairs), 2);
  for (size_t i = 0; i < 2; i++) {
    nd_pair pair;
    assert_int_equal(nd_pairs_load(pairs, i, &pair), 0);
    assert_string_equal(pair.name, i ? "b.png" : "a.png");
    assert_true(pair.width == (i ? 7 : 20) && pair.height == (i ? 30 : 10));
    for (int p = 0; p < pair.width * pair.height; p++) {
      assert_int_equal(byte_of(pair.input[3 * p]), p % pair.width);
      assert_int_equal(byte_of(pair.target[3 * p + 1]), p / pair.width);
      assert_int_equal(byte_of(pair.input[3 * p + 2]), 100 + (int)i);
      assert_int_equal(byte_of(pair.target[3 * p + 2]), 200 + (int)i);
    }
    nd_pair_free(&pair);
  }
  nd_pair none;
  assert_int_equal(nd_pairs_load(pairs, 2, &none), -1);
  nd_pairs_close(pairs);
}

static void degraded_pairs_depend_on_seed_and_index(void **state) {
  write_places(*state, "a.png", 40, 30, 100);
  write_places(*state, "b.png", 40, 30, 100);
  nd_pair_source source = {.clean_dir = *state};
  assert_int_equal(nd_degrade_find("gaussian", &source.degradation), 0);
  assert_int_equal(nd_degrade_set(&source.degradation, "sigma", "20"), 0);
  nd_pairs *pairs[3];
  nd_pair a[3], b;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(nd_pairs_open(&source, i < 2 ? 5 : 6, &pairs[i]), 0);
    assert_int_equal(nd_pairs_load(pairs[i], 0, &a[i]), 0);
  }
  assert_int_equal(nd_pairs_load(pairs[0], 1, &b), 0);
  size_t n = 40 * 30 * 3;
  double noise = 0;
  for (size_t i = 0; i < n; i++)
    noise += pow((a[0].input[i] - a[0].target[i]) * 255, 2) / (double)n;
  assert_true(fabs(sqrt(noise) - 20) < 1.5);
  assert_memory_equal(a[0].target, b.target, n * sizeof(float));
  assert_memory_equal(a[0].input, a[1].input, n * sizeof(float));
  assert_memory_not_equal(a[0].input, a[2].input, n * sizeof(float));
  assert_memory_not_equal(a[0].input, b.input, n * sizeof(float));
  nd_pair_free(&b);
  for (int i = 0; i < 3; i++) {
    nd_pair_free(&a[i]);
    nd_pairs_close(pairs[i]);
  }
}

static void unclear_sources_are_refused(void **state) {
  nd_pairs *pairs;
  write_places(*state, "a.png", 4, 3, 0);
  const char *folder = *state;
  nd_pair_source wrong[] = {{0},
                            {.input_dir = folder},
                            {.target_dir = folder},
                            {.clean_dir = folder},
                            {.input_dir = folder, .target_dir = folder, .clean_dir = folder}};
  for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
    assert_int_equal(nd_pairs_open(&wrong[i], 1, &pairs), -1);
    assert_null(pairs);
    assert_error_has(i == 3 ? "degradation" : i == 1 ? "holds no pairs" : "an input and a target");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(folders_are_listed_bytewise_and_below, make, clean_up),
      cmocka_unit_test_setup_teardown(a_folder_is_thinned_evenly, make, clean_up),
      cmocka_unit_test_setup_teardown(links_are_followed_but_not_for_ever, make, clean_up),
      cmocka_unit_test_setup_teardown(what_cannot_be_looked_at_is_told_and_passed, make, clean_up),
      cmocka_unit_test_setup_teardown(empty_and_missing_folders_are_errors, make, clean_up),
      cmocka_unit_test_setup_teardown(partners_are_found_whatever_the_extension, make, clean_up),
      cmocka_unit_test_setup_teardown(missing_partners_are_named, make, clean_up),
      cmocka_unit_test_setup_teardown(twins_are_named, make, clean_up),
      cmocka_unit_test_setup_teardown(sizes_that_differ_are_named, make, clean_up),
      cmocka_unit_test_setup_teardown(broken_pictures_of_a_pair_are_named, make, clean_up),
      cmocka_unit_test_setup_teardown(pairs_of_files_are_read_whole, make, clean_up),
      cmocka_unit_test_setup_teardown(degraded_pairs_depend_on_seed_and_index, make, clean_up),
      cmocka_unit_test_setup_teardown(unclear_sources_are_refused, make, clean_up),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
