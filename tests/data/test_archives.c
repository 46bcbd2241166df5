/* Published sets in archives. */
#include "preparing.h"

static void archives_are_read_where_they_stand(void **state) {
  (void)state;
  write_sidd("made");
  static const char *const files[][2] = {
      {"made/SIDD_Medium_Srgb/Data/0001_001_S6_00100_00060_3200_L/0001_NOISY_SRGB_010.PNG",
       "SIDD_Medium_Srgb/Data/0001_001_S6_00100_00060_3200_L/0001_NOISY_SRGB_010.PNG"},
      {"made/SIDD_Medium_Srgb/Data/0001_001_S6_00100_00060_3200_L/0001_GT_SRGB_010.PNG",
       "SIDD_Medium_Srgb/Data/0001_001_S6_00100_00060_3200_L/0001_GT_SRGB_010.PNG"}};
  g_mkdir("from", 0777);
  write_zip("from/SIDD.zip", files, 2);
  for (int direct = 0; direct < 2; direct++) {
    char *from[] = {direct ? "from/SIDD.zip" : "from", NULL};
    nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
    nd_prepared p;
    s.out = direct ? "out1" : "out0";
    prepare(&s, &p);
    assert_true(group(&p, "sidd/train", "pairs")->files == 12 && !p.findings[0]);
    nd_prepared_free(&p);
  }
  g_autofree char *bytes = NULL;
  gsize n;
  assert_true(g_file_get_contents("from/SIDD.zip", &bytes, &n, NULL));
  char *from[] = {"bad.zip", NULL};
  nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
  nd_prepared p;
  assert_true(g_file_set_contents("bad.zip", bytes, (gssize)n / 2, NULL));
  assert_int_equal(nd_prepare(&s, &p), -1);
  assert_error_has("bad.zip");
  assert_error_has("cut short");
  bytes[n / 4] ^= 0x55; /* within a picture: the checksum of its entry */
  assert_true(g_file_set_contents("bad.zip", bytes, (gssize)n, NULL));
  prepare(&s, &p);
  assert_true(group(&p, "sidd/train", "pairs")->failed == 1);
  assert_non_null(strstr(p.findings[0], "bad.zip"));
  assert_false(is_file("out/sidd/train/input/0001_001_S6_00100_00060_3200_L_010-00000-00000.png"));
  nd_prepared_free(&p);
}

/* ---- One set, or two of one name ---- */
/* Pairs 1 to count of Rain100H in a folder and, of the same paths, in an archive. */
static void write_rain(const char *where, const char *archive, int count, int which) {
  g_autofree char *folder = g_build_filename(where, "RainTrainH", NULL);
  const char *names[16][2];
  g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
  for (int i = 0; i < 2 * count; i++) {
    char *name = g_strdup_printf("%srain-%d.png", i % 2 ? "no" : "", i / 2 + 1),
         *path = g_build_filename(folder, name, NULL), *inside = g_build_filename("RainTrainH", name, NULL);
    write_places(folder, name, 20, 10, which + i);
    names[i][0] = path, names[i][1] = inside;
    g_ptr_array_add(kept, name), g_ptr_array_add(kept, path), g_ptr_array_add(kept, inside);
  }
  write_zip(archive, names, (size_t)(2 * count));
}

static void expect_same_file(const char *a, const char *b) {
  g_autofree char *x = NULL, *y = NULL;
  gsize m = 0, n = 0;
  assert_true(g_file_get_contents(a, &x, &m, NULL) && g_file_get_contents(b, &y, &n, NULL));
  assert_true(m == n && !memcmp(x, y, n));
}

/* What is made is the first one, and a finding says which pictures were left. */
static void expect_one_version(const char *first, const char *second, const char *said) {
  char *from[] = {(char *)first, (char *)second, NULL};
  nd_prepare_settings s = settings(ND_TASK_DERAIN, from);
  nd_prepared p;
  s.out = "mixed";
  prepare(&s, &p);
  if (group(&p, "rain100h/train", "pairs")->made != 2)
    fail_msg("of %s and %s: %zu pairs; %s", first, second, group(&p, "rain100h/train", "pairs")->made,
             p.findings[0]);
  if (g_strv_length(p.findings) != 1 || !strstr(p.findings[0], said))
    fail_msg("of %s and %s: %s", first, second, p.findings[0]);
  nd_prepared_free(&p);
  expect_same_file("mixed/rain100h/train/input/rain-1.png", "a/RainTrainH/rain-1.png");
  expect_same_file("mixed/rain100h/train/target/rain-2.png", "a/RainTrainH/norain-2.png");
  assert_false(is_file("mixed/rain100h/train/input/rain-3.png"));
  remove_folder("mixed");
}

static void two_versions_of_a_set_are_not_mixed(void **state) {
  (void)state;
  write_rain("a", "a.zip", 2, 1);
  write_rain("b", "b.zip", 3, 50);
  expect_one_version("a.zip", "b.zip", "rain100h/train: 3 pairs of");
  expect_one_version("a.zip", "b.zip", "b.zip' left out");
  expect_one_version("a", "b", "left out");
  expect_one_version("a/RainTrainH", "b/RainTrainH", "left out");
  expect_one_version("a", "b.zip", "b.zip' left out");
}

/* The folder holds the first version: another one neither replaces it nor adds to it, whether its paths are
 * the same or not. The first itself goes on, also unpacked. */
static void a_later_run_does_not_mix_them_either(void **state) {
  (void)state;
  write_rain("a", "a.zip", 2, 1);
  write_rain("b", "b.zip", 3, 50);
  write_places("b/RainTrainH", "rain-1.png", 90, 70, 3); /* of other sizes, as pictures are */
  write_places("b/RainTrainH", "norain-1.png", 90, 70, 4);
  static char *const runs[][2] = {{"a.zip"}, {"b"}, {"b/RainTrainH"}, {"a"}, {"a.zip"}};
  for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
    nd_prepare_settings s = settings(ND_TASK_DERAIN, runs[i]);
    nd_prepared p;
    s.patch_size = 0;
    prepare(&s, &p);
    bool other = runs[i][0][0] == 'b';
    if (other != (p.findings[0] && strstr(p.findings[0], "what an earlier run made of")))
      fail_msg("%s: %s", runs[i][0], p.findings[0]);
    assert_int_equal(p.count, other ? 0 : 1);
    nd_prepared_free(&p);
    expect_same_file("out/rain100h/train/input/rain-1.png", "a/RainTrainH/rain-1.png");
    assert_false(is_file("out/rain100h/train/input/rain-3.png"));
  }
}

/* Of patches, which cannot be compared with what they were cut from, the path tells. */
static void patches_are_not_replaced_by_a_later_run(void **state) {
  (void)state;
  static char *const runs[][2] = {{"c"}, {"d"}};
  for (int i = 0; i < 2; i++) {
    g_autofree char *folder = g_build_filename(runs[i][0], "DIV2K_train_HR", NULL);
    write_places(folder, "1.png", 80, 50, 1 + i);
    nd_prepare_settings s = settings(ND_TASK_DERAIN, runs[i]);
    nd_prepared p;
    prepare(&s, &p);
    assert_true(i == 1
                    ? p.findings[0] && strstr(p.findings[0], "earlier run made of 'c/DIV2K_train_HR/1.png'")
                    : !p.findings[0]);
    nd_prepared_free(&p);
  }
  nd_image first;
  assert_int_equal(nd_image_load("out/div2k/train/clean/1-00000-00000.png", &first), 0);
  assert_int_equal(byte_of(first.data[2]), 1);
  nd_image_free(&first);
}

static void a_set_given_twice_is_taken_once(void **state) {
  (void)state;
  write_rain("a", "a.zip", 2, 1);
  static char *const from[][3] = {{"a.zip", "a.zip"}, {"a", "a.zip"}, {"a/RainTrainH", "a.zip"}};
  for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
    nd_prepare_settings s = settings(ND_TASK_DERAIN, from[i]);
    nd_prepared p;
    s.dry_run = true;
    prepare(&s, &p);
    assert_int_equal(group(&p, "rain100h/train", "pairs")->found, 2);
    assert_null(p.findings[0]);
    nd_prepared_free(&p);
  }
}

/* Both know of a README, each its own; the partners are in the other one. */
static void parts_of_a_set_stay_together(void **state) {
  (void)state;
  write_text(".", "one.txt", "inputs");
  write_text(".", "two.txt", "targets");
  write_places(".", "i.png", 20, 10, 1);
  write_places(".", "t.png", 20, 10, 2);
  write_zip("i.zip", (const char *const[][2]){{"i.png", "Rain13K/input/1.png"}, {"one.txt", "README.txt"}},
            2);
  write_zip("t.zip", (const char *const[][2]){{"t.png", "Rain13K/target/1.png"}, {"two.txt", "README.txt"}},
            2);
  char *from[] = {"i.zip", "t.zip", NULL};
  nd_prepare_settings s = settings(ND_TASK_DERAIN, from);
  nd_prepared p;
  prepare(&s, &p);
  assert_int_equal(group(&p, "rain13k/train", "pairs")->made, 1);
  assert_null(p.findings[0]);
  nd_prepared_free(&p);
}

static void paths_that_lead_out_are_refused(void **state) {
  (void)state;
  write_places(".", "a.png", 8, 4, 1);
  static const char *const entries[] = {"../a.png", "x/../../a.png", "/a.png", "x\\..\\a.png"};
  for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
    const char *const files[][2] = {{"a.png", entries[i]}};
    write_zip("evil.zip", files, 1);
    char *from[] = {"evil.zip", NULL};
    nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
    nd_prepared p;
    assert_int_equal(nd_prepare(&s, &p), -1);
    assert_error_has("leads out of it");
  }
}

/* One archive of several was cut short, one holds nothing that may be read, a list is none. */
static void what_cannot_be_opened_is_passed_over(void **state) {
  (void)state;
  write_places("from/Rain13K/input", "1.png", 20, 10, 1);
  write_places("from/Rain13K/target", "1.png", 20, 10, 2);
  static const char *const entry[][2] = {{"from/Rain13K/input/1.png", "Rain13K/input/2.png"}},
                           *const evil[][2] = {{"from/Rain13K/input/1.png", "../2.png"}},
                           *const nul[][2] = {{"zero", "real_world.txt"}};
  write_zip("from/cut.zip", entry, 1);
  assert_int_equal(truncate("from/cut.zip", 60), 0);
  write_zip("from/evil.zip", evil, 1);
  assert_true(g_file_set_contents("zero", "a\0b", 3, NULL));
  write_zip("from/list.zip", nul, 1);
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DERAIN, from);
  nd_prepared p;
  prepare(&s, &p);
  assert_true(p.count == 1 && group(&p, "rain13k/train", "pairs")->made == 1);
  assert_int_equal(g_strv_length(p.findings), 3);
  assert_non_null(strstr(p.findings[0], "from/cut.zip"));
  assert_non_null(strstr(p.findings[1], "from/evil.zip"));
  assert_non_null(strstr(p.findings[1], "leads out of it"));
  assert_non_null(strstr(p.findings[2], "real_world.txt"));
  nd_prepared_free(&p);
}

/* As of old archives in another encoding: partners find each other all the same. */
static void names_in_other_encodings_are_taken(void **state) {
  (void)state;
  write_places("from/Rain13K/input", "\xe9t\xe9.png", 20, 10, 1);
  write_places("from/Rain13K/target", "\xe9t\xe9.png", 20, 10, 2);
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DERAIN, from);
  nd_prepared p;
  prepare(&s, &p);
  assert_true(group(&p, "rain13k/train", "pairs")->made == 1 && !p.findings[0]);
  assert_true(is_file("out/rain13k/train/input/%E9t%E9.png"));
  assert_true(is_file("out/rain13k/train/target/%E9t%E9.png"));
  nd_prepared_free(&p);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
  const struct CMUnitTest tests[] = {
      TEST(archives_are_read_where_they_stand),   TEST(two_versions_of_a_set_are_not_mixed),
      TEST(a_later_run_does_not_mix_them_either), TEST(patches_are_not_replaced_by_a_later_run),
      TEST(a_set_given_twice_is_taken_once),      TEST(parts_of_a_set_stay_together),
      TEST(paths_that_lead_out_are_refused),      TEST(what_cannot_be_opened_is_passed_over),
      TEST(names_in_other_encodings_are_taken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
