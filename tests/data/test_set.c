/* The kinds of sets: halves, lists and arrays, as sets, as pairs, and broken. */
#include "data/check.h"
#include "data/data.h"
#include "matlab.h"

#include <errno.h>

static const mat_shape small = {2, 3, 4, 5};

/* A picture whose left half is write_places(.., blue), its right half the same with blue + 100. */
static void write_two(const char *name, int width, int height, int blue) {
  nd_image image;
  assert_int_equal(nd_image_new(2 * width, height, 3, &image), 0);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < 2 * width; x++) {
      float *p = image.data + ((size_t)y * 2 * (size_t)width + (size_t)x) * 3;
      p[0] = (float)(x % width) / 255, p[1] = (float)y / 255, p[2] = (float)(blue + x / width * 100) / 255;
    }
  assert_int_equal(nd_image_save(name, &image, NULL), 0);
  nd_image_free(&image);
}

static void expect_refused(const char *path, const char *a, const char *b) {
  nd_set set;
  if (!nd_set_open(path, &set))
    fail_msg("'%s' was opened", path);
  assert_error_has(a);
  assert_error_has(b);
  assert_null(set.at);
}

/* Pairs of one source: names, and the blue of the first pixel on both sides. */
static void expect_pairs(const char *input, const char *target, size_t count, const char *first_name,
                         int input_blue, int target_blue) {
  nd_pairs *pairs;
  nd_pair pair;
  nd_pair_source source = {.input_dir = input, .target_dir = target};
  if (nd_pairs_open(&source, 1, &pairs) || nd_pairs_load(pairs, 0, &pair))
    fail_msg("%s", nd_error());
  assert_int_equal(nd_pairs_count(pairs), count);
  assert_string_equal(pair.name, first_name);
  assert_int_equal(byte_of(pair.input[2]), input_blue);
  assert_int_equal(byte_of(pair.target[2]), target_blue);
  nd_pair_free(&pair);
  nd_pairs_close(pairs);
}

/* ---- Halves ---- */
static void halves_are_pictures_of_their_own(void **state) {
  (void)state;
  g_mkdir("two", 0777);
  write_two("two/a.png", 7, 4, 10);
  nd_set set;
  nd_image image;
  assert_int_equal(nd_set_open("two#right", &set), 0);
  assert_int_equal(set.count, 1);
  assert_string_equal(set.at[0].name, "a.png");
  assert_string_equal(set.at[0].label, "two/a.png#right");
  int width, height;
  assert_int_equal(nd_set_size(&set, 0, &width, &height), 0);
  assert_true(width == 7 && height == 4);
  assert_int_equal(nd_set_load(&set, 0, &image), 0);
  assert_true(image.width == 7 && image.height == 4);
  for (int i = 0; i < 7 * 4; i++) {
    assert_int_equal(byte_of(image.data[3 * i]), i % 7);
    assert_int_equal(byte_of(image.data[3 * i + 1]), i / 7);
    assert_int_equal(byte_of(image.data[3 * i + 2]), 110);
  }
  nd_image_free(&image);
  nd_set_free(&set);
  expect_pairs("two#halves", NULL, 1, "a.png", 10, 110);
  expect_pairs("two#right", "two#left", 1, "a.png", 110, 10);
  expect_refused("two#halves", "two", "#left or #right");
}

static void odd_widths_have_no_halves(void **state) {
  (void)state;
  write_places("odd", "a.png", 7, 4, 1);
  nd_pairs *pairs;
  nd_pair_source source = {.input_dir = "odd#halves"};
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), -1);
  assert_error_has("odd/a.png");
  assert_error_has("7 pixels wide");
}

static void a_folder_named_with_a_mark_is_a_folder(void **state) {
  (void)state;
  write_places("x#left", "a.png", 8, 4, 1);
  nd_set set;
  assert_int_equal(nd_set_open("x#left", &set), 0);
  assert_string_equal(set.at[0].file, "x#left/a.png");
  nd_set_free(&set);
}

static void a_folder_of_input_and_target_holds_pairs(void **state) {
  (void)state;
  write_places("d/input", "a.png", 8, 4, 1);
  write_places("d/target", "a.tif", 8, 4, 1);
  assert_true(nd_set_holds_pairs("d"));
  assert_false(nd_set_holds_pairs("d/input"));
  expect_pairs("d", NULL, 1, "a.png", 1, 1);
  nd_pairs *pairs;
  nd_pair_source source = {.input_dir = "d/input"};
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), -1);
  assert_error_has("'d/input' holds no pairs");
}

/* ---- Lists ---- */
static void two_pictures_are_a_pair_whatever_their_names(void **state) {
  (void)state;
  write_two("noisy.png", 20, 10, 1);
  write_two("clean.png", 20, 10, 2);
  write_two("other.png", 22, 10, 3);
  expect_pairs("noisy.png", "clean.png", 1, "noisy.png", 1, 2);
  nd_pairs *pairs;
  assert_int_equal(
      nd_pairs_open(&(nd_pair_source){.input_dir = "noisy.png", .target_dir = "other.png"}, 1, &pairs), -1);
  assert_error_has("'noisy.png' is 40 x 10, 'other.png' is 44 x 10");
  write_places("many", "a.png", 8, 4, 1);
  assert_int_equal(
      nd_pairs_open(&(nd_pair_source){.input_dir = "noisy.png", .target_dir = "many"}, 1, &pairs), -1);
  assert_error_has("'many/a.png' has no partner: 'noisy.png' is one picture");
}

static void lists_are_read_from_where_they_stand(void **state) {
  (void)state;
  write_places("l/sub", "a b.png", 8, 4, 1);
  write_places("l", "c.png", 8, 4, 2);
  write_places("up", "d.png", 8, 4, 3);
  g_autofree char *here = g_get_current_dir(), *absolute = g_build_filename(here, "up", "d.png", NULL),
                  *text = g_strdup_printf(
                      "\xef\xbb\xbf# a comment\r\n./sub/a b.png  \r\n\r\n  c.png\n../up/d.png\n"
                      "%s\n/sub/a b.png",
                      absolute);
  write_text("l", "x.flist", text);
  nd_set set;
  if (nd_set_open("l/x.flist", &set))
    fail_msg("%s", nd_error());
  static const char *const names[] = {"sub/a b.png", "c.png", "up/d.png", NULL, "sub/a b.png"};
  static const int blues[] = {1, 2, 3, 3, 1};
  assert_int_equal(set.count, 5);
  for (size_t i = 0; i < 5; i++) {
    nd_image image;
    if (names[i])
      assert_string_equal(set.at[i].name, names[i]);
    assert_true(set.at[i].name[0] != '/' && !strstr(set.at[i].name, ".."));
    assert_int_equal(nd_set_load(&set, i, &image), 0);
    assert_int_equal(byte_of(image.data[2]), blues[i]);
    nd_image_free(&image);
  }
  nd_set_free(&set);
}

static void lines_of_two_paths_are_pairs(void **state) {
  (void)state;
  write_places("", "in 1.png", 8, 4, 1);
  write_places("", "t 1.png", 8, 4, 2);
  write_places("", "in2.png", 9, 4, 3);
  write_places("", "t2.png", 9, 4, 4);
  write_text(".", "p.txt", "in 1.png t 1.png\nin2.png\tt2.png\n");
  write_text(".", "q.flist", "t 1.png\nt2.png\n");
  expect_pairs("p.txt", NULL, 2, "in 1.png", 1, 2);
  expect_pairs("p.txt#2", "p.txt#1", 2, "t 1.png", 2, 1);
  expect_pairs("p.txt#1", "q.flist", 2, "in 1.png", 1, 2);
  expect_refused("p.txt", "p.txt", "#1 or #2");
  expect_refused("q.flist#2", "q.flist", "one path a line");
  nd_check c;
  assert_int_equal(nd_data_check("p.txt", NULL, NULL, NULL, &c), 0);
  assert_true(c.pairs == 2 && c.pictures == 4 && !c.unreadable);
  nd_check_free(&c);
}

static void broken_lists_name_the_line(void **state) {
  (void)state;
  write_places("", "a.png", 8, 4, 1);
  write_places("b", "a.png", 8, 4, 1);
  static const struct {
    const char *text, *said;
  } cases[] = {
      {"a.png\n\nmissing.png\n", "line 3: there is no file '/"},
      {"a.png\nnotes.doc\n", "line 2: 'notes.doc' is no picture"},
      {"a.png a.png\na.png\n", "line 2: it has 1 path, others have 2"},
      {"a.png a.png a.png\n", "line 1: it has 3 paths"},
      {"# nothing\n\n", "names no picture"},
      {"b/a.png\n./b/../b/a.png\n../nothing.png\n", "line 3"},
      {"a.png\nb/../a.png\nb/a.png\n../b/a.png", "line 4"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    write_text(".", "x.flist", cases[i].text);
    expect_refused(strchr(cases[i].text, ' ') && cases[i].text[0] != '#' ? "x.flist#1" : "x.flist", "x.flist",
                   cases[i].said);
  }
  assert_true(g_file_set_contents("x.flist", "a.png\n\0b", 8, NULL));
  expect_refused("x.flist", "x.flist", "is no list");
  expect_refused("gone.flist", "gone.flist", "no such folder, list");
}

static void lists_of_other_lengths_are_no_pairs(void **state) {
  (void)state;
  write_places("", "a.png", 8, 4, 1);
  write_text(".", "one.flist", "a.png\n");
  write_text(".", "two.flist", "a.png\na.png\n");
  nd_pairs *pairs;
  nd_pair_source source = {.input_dir = "one.flist", .target_dir = "two.flist"};
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), -1);
  assert_error_has("'one.flist' holds 1 picture and 'two.flist' 2");
  source.target_dir = ".";
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), -1);
  assert_error_has("folders are by name");
}

/* ---- Arrays ---- */
static void expect_blocks(const char *path, int offset) {
  nd_set set;
  if (nd_set_open(path, &set))
    fail_msg("%s", nd_error());
  assert_int_equal(set.count, 6);
  for (size_t k = 0; k < 6; k++) {
    nd_image image;
    g_autofree char *name = g_strdup_printf("%zu_%zu.png", k / 3 + 1, k % 3 + 1);
    assert_string_equal(set.at[k].name, name);
    if (nd_set_load(&set, k, &image))
      fail_msg("%s", nd_error());
    assert_true(image.width == 5 && image.height == 4 && image.bits == 8);
    for (size_t i = 0; i < 60; i++)
      assert_int_equal(byte_of(image.data[i]),
                       (block_value(k / 3, k % 3, i / 15, i / 3 % 5, i % 3) + offset) & 255);
    nd_image_free(&image);
  }
  nd_set_free(&set);
}

static void blocks_are_read_as_scipy_wrote_them(void **state) {
  (void)state;
  expect_blocks(ND_GOLDEN_MAT, 0);
  expect_blocks(ND_GOLDEN_MAT "#ValidationNoisyBlocksSrgb", 0);
}

static void blocks_are_read_as_matio_wrote_them(void **state) {
  (void)state;
  for (int compress = 0; compress < 2; compress++) {
    write_array("a.mat", "A", small, 3, compress);
    expect_blocks("a.mat", 3);
  }
  write_array("b.mat", "B", small, 7, true);
  expect_pairs("a.mat", "b.mat", 6, "1_1.png", block_value(0, 0, 0, 0, 2) + 3,
               block_value(0, 0, 0, 0, 2) + 7);
}

/* They would be pictures of black and of next to black. */
static void logical_arrays_are_no_pictures(void **state) {
  (void)state;
  mat_t *file = Mat_CreateVer("mask.mat", NULL, MAT_FT_MAT5);
  uint8_t yes[2 * 4 * 3] = {1, 0, 1};
  size_t dims[3] = {2, 4, 3};
  matvar_t *v = Mat_VarCreate("M", MAT_C_UINT8, MAT_T_UINT8, 3, dims, yes, MAT_F_LOGICAL);
  assert_int_equal(Mat_VarWrite(file, v, MAT_COMPRESSION_NONE), 0);
  Mat_VarFree(v);
  Mat_Close(file);
  expect_refused("mask.mat", "no array of pictures", "M (2 x 4 x 3, logical)");
}

static void one_of_several_arrays_is_named(void **state) {
  (void)state;
  mat_t *file = Mat_CreateVer("two.mat", NULL, MAT_FT_MAT5);
  add_array(file, "A", small, 0, false);
  add_array(file, "B", small, 9, true);
  Mat_Close(file);
  expect_refused("two.mat", "more than one array", "B (2 x 3 x 4 x 5 x 3)");
  expect_refused("two.mat#C", "named C", "A (2 x 3 x 4 x 5 x 3)");
  expect_blocks("two.mat#B", 9);
}

/* height x width x 3 x pictures, single. */
static void the_number_of_pictures_may_stand_last(void **state) {
  (void)state;
  size_t dims[4] = {4, 5, 3, 2};
  float values[120];
  for (int i = 0; i < 120; i++)
    values[i] = (float)i / 128;
  for (int bad = 0; bad < 2; bad++) {
    values[7] = bad ? 7 : values[7];
    mat_t *file = Mat_CreateVer("s.mat", NULL, MAT_FT_MAT5);
    matvar_t *v = Mat_VarCreate("S", MAT_C_SINGLE, MAT_T_SINGLE, 4, dims, values, 0);
    Mat_VarWrite(file, v, MAT_COMPRESSION_NONE);
    Mat_VarFree(v);
    Mat_Close(file);
    nd_set set;
    nd_image image;
    assert_int_equal(nd_set_open("s.mat", &set), 0);
    assert_int_equal(set.count, 2);
    assert_int_equal(nd_set_load(&set, 1, &image), 0);
    for (size_t i = 0; i < 60; i++)
      assert_true(image.data[i] == values[60 + i % 3 * 20 + i / 3 % 5 * 4 + i / 15]);
    nd_image_free(&image);
    if (bad) {
      assert_int_equal(nd_set_load(&set, 0, &image), -1);
      assert_error_has("holds the value 7");
    }
    nd_set_free(&set);
  }
}

static void expect_unreadable(const char *path, const char *said) {
  nd_set set;
  nd_image image;
  if (!nd_set_open(path, &set)) {
    assert_int_equal(nd_set_load(&set, 0, &image), -1);
    assert_null(image.data);
    nd_set_free(&set);
  }
  assert_error_has(path);
  assert_error_has(said);
}

/* What the file says of itself is made to lie, or taken away. */
static void broken_arrays_are_found_out(void **state) {
  (void)state;
  static const char *const said[2][2] = {{"damaged", "cut short"}, {"", "cut short"}};
  for (int compress = 0; compress < 2; compress++) {
    g_autofree char *bytes = NULL;
    gsize n;
    write_array("a.mat", "A", (mat_shape){4, 3, 16, 20}, 0, compress);
    assert_true(g_file_get_contents("a.mat", &bytes, &n, NULL));
    assert_true(g_file_set_contents("cut.mat", bytes, (gssize)n - 100, NULL));
    expect_unreadable("cut.mat", said[compress][1]);
    for (gsize at = 200; at < n; at += 37) { /* the array's head, and its values */
      g_autofree char *flipped = g_memdup2(bytes, n);
      flipped[at] ^= 0x10;
      assert_true(g_file_set_contents("flip.mat", flipped, (gssize)n, NULL));
      if (compress)
        expect_unreadable("flip.mat", said[compress][0]);
    }
    assert_true(g_file_set_contents("empty.mat", bytes, 128, NULL));
    expect_refused("empty.mat", "empty.mat", "no array of pictures");
    if (compress)
      continue;
    const guint32 dims[] = {4, 3, 16, 20, 3}, more[] = {4, 3, 16, 40, 3},
                  huge[] = {60000, 60000, 60000, 20, 3};
    char *place = g_memdup2(bytes, n), *found = memmem(place, n, dims, sizeof dims);
    assert_non_null(found);
    memcpy(found, more, sizeof more);
    assert_true(g_file_set_contents("lie.mat", place, (gssize)n, NULL));
    expect_unreadable("lie.mat", "fewer values than its dimensions say");
    memcpy(found, huge, sizeof huge);
    assert_true(g_file_set_contents("huge.mat", place, (gssize)n, NULL));
    expect_refused("huge.mat", "huge.mat", "more than a file of");
    g_free(place);
  }
  write_text(".", "text.mat", "this is no array");
  expect_refused("text.mat", "text.mat", "no MATLAB file");
  write_text(".", "new.mat", "\x89HDF\r\n\x1a\n        ");
  expect_refused("new.mat", "new.mat", "-v7");
}

static void what_is_no_set_is_refused(void **state) {
  (void)state;
  write_text(".", "notes.doc", "text");
  expect_refused("notes.doc", "notes.doc", "is no set of pictures");
  g_mkdir("halved", 0777);
  expect_refused("halved#top", "halved#top", "DIR#left, DIR#right, DIR#halves");
  assert_false(nd_set_named("notes.doc"));
  assert_false(nd_set_named("photo.png"));
  assert_true(nd_set_named("."));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
  const struct CMUnitTest tests[] = {
      TEST(halves_are_pictures_of_their_own),
      TEST(odd_widths_have_no_halves),
      TEST(a_folder_named_with_a_mark_is_a_folder),
      TEST(a_folder_of_input_and_target_holds_pairs),
      TEST(two_pictures_are_a_pair_whatever_their_names),
      TEST(lists_are_read_from_where_they_stand),
      TEST(lines_of_two_paths_are_pairs),
      TEST(broken_lists_name_the_line),
      TEST(lists_of_other_lengths_are_no_pairs),
      TEST(blocks_are_read_as_scipy_wrote_them),
      TEST(blocks_are_read_as_matio_wrote_them),
      TEST(logical_arrays_are_no_pictures),
      TEST(one_of_several_arrays_is_named),
      TEST(the_number_of_pictures_may_stand_last),
      TEST(broken_arrays_are_found_out),
      TEST(what_is_no_set_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
