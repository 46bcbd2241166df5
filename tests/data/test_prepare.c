/* Published sets are made ready: cut, noted, taken up again, and what is broken in them. */
#include "preparing.h"

/* A patch of the input and one of the target: what the picture holds there. */
static void large_pictures_are_cut_into_overlapping_patches(void **state) {
  (void)state;
  nd_prepare_settings s = sidd_settings();
  nd_prepared p;
  prepare(&s, &p);
  const nd_prepared_group *g = group(&p, "sidd/train", "pairs");
  assert_true(g->found == 2 && g->made == 2 && g->failed == 0 && g->files == 2 * (3 * 2 + 1));
  assert_null(p.findings[0]);
  nd_prepared_free(&p);
  /* 80 wide: at 0, 24, 48; 50 high: at 0 and 18. */
  nd_pairs *pairs;
  nd_pair_source source = {.input_dir = "out/sidd/train"};
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), 0);
  assert_int_equal(nd_pairs_count(pairs), 7);
  nd_pair pair;
  assert_int_equal(nd_pairs_load(pairs, 4, &pair), 0);
  assert_string_equal(pair.name, "0001_001_S6_00100_00060_3200_L_010-00018-00024.png");
  assert_true(pair.width == 32 && pair.height == 32);
  for (int i = 0; i < 32 * 32; i++) {
    assert_int_equal(byte_of(pair.input[3 * i]), 24 + i % 32);
    assert_int_equal(byte_of(pair.target[3 * i + 1]), 18 + i / 32);
    assert_true(byte_of(pair.input[3 * i + 2]) == 1 && byte_of(pair.target[3 * i + 2]) == 2);
  }
  nd_pair_free(&pair);
  nd_pairs_close(pairs);
  g_autofree char *a = read_text("out/sidd/train/target/0001_001_S6_00100_00060_3200_L_011.png"),
                  *b = read_text(
                      "from/SIDD_Medium_Srgb/Data/0001_001_S6_00100_00060_3200_L/0001_GT_SRGB_011.PNG");
  assert_memory_equal(a, b, 60); /* a small one is the file as it was */
}

static void the_manifest_tells_where_each_file_is_from(void **state) {
  (void)state;
  nd_prepare_settings s = sidd_settings();
  nd_prepared p;
  prepare(&s, &p);
  nd_prepared_free(&p);
  g_autofree char *text = read_text("out/manifest.tsv");
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  assert_int_equal(g_strv_length(lines), 1 + 14 + 1);
  for (int i = 1; i <= 14; i++) {
    g_auto(GStrv) fields = g_strsplit(lines[i], "\t", -1);
    assert_int_equal(g_strv_length(fields), 9);
    g_autofree char *path = g_build_filename("out", fields[0], NULL), *bytes = NULL;
    gsize n;
    assert_true(g_file_get_contents(path, &bytes, &n, NULL));
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)bytes, n);
    assert_string_equal(fields[8], sum);
    assert_int_equal(g_ascii_strtoull(fields[7], NULL, 10), n);
    assert_true(g_str_has_prefix(fields[1], "from/SIDD_Medium_Srgb/Data/0001_001_"));
  }
}

/* Nothing is made twice; what is gone, cut short or was never noted is made again. */
static void a_second_run_goes_on(void **state) {
  (void)state;
  nd_prepare_settings s = sidd_settings();
  nd_prepared p;
  prepare(&s, &p);
  nd_prepared_free(&p);
  g_autofree char *before = read_text("out/manifest.tsv");
  prepare(&s, &p);
  assert_true(group(&p, "sidd/train", "pairs")->skipped == 2 && group(&p, "sidd/train", "pairs")->files == 0);
  nd_prepared_free(&p);
  g_autofree char *after = read_text("out/manifest.tsv");
  assert_string_equal(before, after);
  assert_int_equal(g_unlink("out/sidd/train/input/0001_001_S6_00100_00060_3200_L_010-00000-00048.png"), 0);
  assert_true(
      g_file_set_contents("out/sidd/train/target/0001_001_S6_00100_00060_3200_L_011.png", "", 0, NULL));
  prepare(&s, &p);
  assert_true(group(&p, "sidd/train", "pairs")->made == 2);
  nd_prepared_free(&p);
  g_autofree char *repaired = read_text("out/manifest.tsv");
  assert_int_equal(strlen(repaired), strlen(before));
  assert_true(g_file_set_contents("out/manifest.tsv", before, (gssize)strlen(before) - 70, NULL));
  prepare(&s, &p);
  assert_true(group(&p, "sidd/train", "pairs")->made == 1 && group(&p, "sidd/train", "pairs")->skipped == 1);
  nd_prepared_free(&p);
  s.patch_size = 40;
  assert_int_equal(nd_prepare(&s, &p), -1);
  assert_error_has("patch_size=32");
}

/* In SPA-Data one truth belongs to several frames. */
static void write_shared_truth(void) {
  write_places("from", "real_world_gt/000/000_0_0.png", 40, 24, 1);
  write_places("from", "real_world/000/000-1/000-1_0_0.png", 40, 24, 2);
  write_places("from", "real_world/000/000-2/000-2_0_0.png", 40, 24, 3);
  write_text("from", "real_world.txt",
             "./real_world/000/000-1/000-1_0_0.png ./real_world_gt/000/000_0_0.png\n"
             "./real_world/000/000-2/000-2_0_0.png ./real_world_gt/000/000_0_0.png\n");
}

/* Keeps the manifest's lines, and the files, of all but the pair whose name begins so. */
static void forget_pair(const char *name) {
  g_autofree char *text = read_text("out/manifest.tsv");
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autoptr(GString) kept = g_string_new(NULL);
  for (char **line = lines; *line && **line; line++) {
    g_auto(GStrv) fields = g_strsplit(*line, "\t", 2);
    g_autofree char *file = g_build_filename("out", fields[0], NULL), *base = g_path_get_basename(file);
    if (g_str_has_prefix(base, name))
      assert_int_equal(g_unlink(file), 0);
    else
      g_string_append_printf(kept, "%s\n", *line);
  }
  assert_true(g_file_set_contents("out/manifest.tsv", kept->str, -1, NULL));
}

static void a_truth_of_several_pairs_is_made_for_each(void **state) {
  (void)state;
  char *from[] = {"from", NULL};
  write_shared_truth();
  for (int patches = 0; patches < 2; patches++) {
    nd_prepare_settings s = settings(ND_TASK_DERAIN, from);
    nd_prepared p;
    s.patch_size = patches ? 32 : 0;
    s.stride = patches ? 24 : 0;
    prepare(&s, &p);
    nd_prepared_free(&p);
    forget_pair("000-2_0_0");
    prepare(&s, &p); /* as after an interruption: the truth is there, for the first pair */
    assert_true(group(&p, "spa/train", "pairs")->made == 1 && group(&p, "spa/train", "pairs")->skipped == 1);
    nd_prepared_free(&p);
    assert_true(is_file(patches ? "out/spa/train/target/000-2_0_0-00000-00008.png"
                                : "out/spa/train/target/000-2_0_0.png"));
    prepare(&s, &p);
    assert_int_equal(group(&p, "spa/train", "pairs")->skipped, 2);
    nd_prepared_free(&p);
    remove_folder("out");
  }
}

static void blocks_become_files(void **state) {
  (void)state;
  g_mkdir("from", 0777);
  write_array("from/ValidationNoisyBlocksSrgb.mat", "ValidationNoisyBlocksSrgb", (mat_shape){2, 3, 8, 9}, 1,
              true);
  write_array("from/ValidationGtBlocksSrgb.mat", "ValidationGtBlocksSrgb", (mat_shape){2, 3, 8, 9}, 2, true);
  write_array("from/BenchmarkNoisyBlocksSrgb.mat", "BenchmarkNoisyBlocksSrgb", (mat_shape){2, 1, 8, 9}, 3,
              true);
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
  nd_prepared p;
  for (int again = 0; again < 2; again++) {
    prepare(&s, &p);
    assert_true(group(&p, "sidd/val", "pairs")->files == (again ? 0 : 12));
    assert_true(group(&p, "sidd/test", "real")->files == (again ? 0 : 2));
    nd_prepared_free(&p);
  }
  nd_image image;
  assert_int_equal(nd_image_load_rgb("out/sidd/val/target/2_3.png", &image), 0);
  assert_true(image.width == 9 && image.height == 8);
  for (size_t i = 0; i < 8 * 9 * 3; i++)
    assert_int_equal(byte_of(image.data[i]), (block_value(1, 2, i / 27, i / 3 % 9, i % 3) + 2) & 255);
  nd_image_free(&image);
  assert_true(is_file("out/sidd/test/real/2_1.png"));
}

/* Numbers are their names, so what an earlier run made of another one would be replaced in part. */
static void arrays_are_not_mixed_by_a_later_run(void **state) {
  (void)state;
  g_mkdir("a", 0777);
  g_mkdir("b", 0777);
  write_array("a/BenchmarkNoisyBlocksSrgb.mat", "x", (mat_shape){2, 3, 8, 9}, 1, true);
  write_array("b/BenchmarkNoisyBlocksSrgb.mat", "x", (mat_shape){2, 2, 8, 9}, 90, true);
  static char *const runs[][2] = {{"a"}, {"b"}, {"a"}};
  for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
    nd_prepare_settings s = settings(ND_TASK_DENOISE, runs[i]);
    nd_prepared p;
    prepare(&s, &p);
    if ((i == 1) !=
        (p.findings[0] && strstr(p.findings[0], "earlier run made of 'a/BenchmarkNoisyBlocksSrgb.mat'")))
      fail_msg("%s: %s", runs[i][0], p.findings[0]);
    assert_int_equal(p.count, i != 1);
    if (i != 1)
      assert_int_equal(group(&p, "sidd/test", "real")->skipped, i == 2);
    nd_prepared_free(&p);
    nd_image image;
    assert_int_equal(nd_image_load_rgb("out/sidd/test/real/2_2.png", &image), 0);
    assert_int_equal(byte_of(image.data[0]), block_value(1, 1, 0, 0, 0) + 1);
    nd_image_free(&image);
  }
}

static void what_is_missing_or_broken_is_told(void **state) {
  (void)state;
  write_places("from/Rain13K/input", "1.png", 20, 10, 1);
  write_places("from/Rain13K/target", "1.png", 20, 10, 1);
  write_places("from/Rain13K/input", "2.png", 20, 10, 1);
  write_places("from/Rain13K/input", "3.png", 20, 10, 1);
  write_places("from/Rain13K/target", "3.png", 20, 11, 1);
  write_places("from/Rain13K/input", "4.png", 20, 10, 1);
  write_text("from", "Rain13K/target/4.png", "no picture");
  write_text("from", "real_world.txt", "./real_world/a.png ./real_world_gt/a.png\n");
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DERAIN, from);
  nd_prepared p;
  prepare(&s, &p);
  const nd_prepared_group *g = group(&p, "rain13k/train", "pairs");
  assert_true(g->found == 3 && g->made == 1 && g->failed == 2);
  g_autofree char *all = g_strjoinv("\n", p.findings);
  static const char *const said[] = {
      "'from/Rain13K/input/2.png' has no partner",
      "'from/Rain13K/input/3.png' is 20 x 10, 'from/Rain13K/target/3.png' is 20 x 11",
      "from/Rain13K/target/4.png", "'from/real_world.txt', line 1"};
  for (size_t i = 0; i < G_N_ELEMENTS(said); i++)
    if (!strstr(all, said[i]))
      fail_msg("'%s' is not in: %s", said[i], all);
  assert_false(is_file("out/rain13k/train/input/3.png") || is_file("out/rain13k/train/input/4.png"));
  nd_prepared_free(&p);
}

static void a_dry_run_writes_nothing(void **state) {
  (void)state;
  nd_prepare_settings s = sidd_settings();
  nd_prepared p;
  s.dry_run = true;
  prepare(&s, &p);
  assert_true(group(&p, "sidd/train", "pairs")->found == 2);
  nd_prepared_free(&p);
  assert_false(g_file_test("out", G_FILE_TEST_EXISTS));
}

static void what_is_not_known_is_explained(void **state) {
  (void)state;
  write_places("from/holiday", "photo.png", 20, 10, 1);
  write_text("from", "RealBlur.tar.gz", "an archive");
  char *from[] = {"from", NULL}, *gone[] = {"gone", NULL};
  nd_prepare_settings s = settings(ND_TASK_DEBLUR, from);
  nd_prepared p;
  assert_int_equal(nd_prepare(&s, &p), -1);
  static const char *const said[] = {"deblur", "holiday/photo.png", "RealBlur.tar.gz", "GOPR0372_07_00",
                                     "DIV2K"};
  for (size_t i = 0; i < G_N_ELEMENTS(said); i++)
    assert_error_has(said[i]);
  assert_false(g_file_test("out", G_FILE_TEST_EXISTS));
  s.from = gone;
  assert_int_equal(nd_prepare(&s, &p), -1);
  assert_error_has("'gone'");
  s.stride = 40;
  assert_int_equal(nd_prepare(&s, &p), -1);
  assert_error_has("stride of 40");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
  const struct CMUnitTest tests[] = {
      TEST(large_pictures_are_cut_into_overlapping_patches),
      TEST(the_manifest_tells_where_each_file_is_from),
      TEST(a_second_run_goes_on),
      TEST(a_truth_of_several_pairs_is_made_for_each),
      TEST(blocks_become_files),
      TEST(arrays_are_not_mixed_by_a_later_run),
      TEST(what_is_missing_or_broken_is_told),
      TEST(a_dry_run_writes_nothing),
      TEST(what_is_not_known_is_explained),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
