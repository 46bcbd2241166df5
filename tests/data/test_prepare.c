/* Published layouts, in small: found, paired, cut, noted, taken up again, and what is broken in them. */
#include "data/data.h"
#include "data/prepare.h"
#include "matlab.h"

#include <unistd.h>
#include <zip.h>

static nd_prepare_settings settings(nd_task task, char *const *from) {
  return (nd_prepare_settings){.task = task, .from = from, .out = "out", .patch_size = 32, .stride = 24};
}

static const nd_prepared_group *group(const nd_prepared *p, const char *folder, const char *role) {
  for (size_t i = 0; i < p->count; i++)
    if (!strcmp(p->groups[i].folder, folder) && !strcmp(p->groups[i].role, role))
      return &p->groups[i];
  fail_msg("no group %s %s", folder, role);
  return NULL;
}

static void prepare(const nd_prepare_settings *s, nd_prepared *out) {
  if (nd_prepare(s, out))
    fail_msg("%s", nd_error());
}

static bool is_file(const char *path) {
  return g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static char *read_text(const char *path) {
  char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    fail_msg("no file %s", path);
  return text;
}

static void write_sidd(const char *root) {
  g_autofree char *folder =
      g_build_filename(root, "SIDD_Medium_Srgb/Data/0001_001_S6_00100_00060_3200_L", NULL);
  write_places(folder, "0001_NOISY_SRGB_010.PNG", 80, 50, 1);
  write_places(folder, "0001_GT_SRGB_010.PNG", 80, 50, 2);
  write_places(folder, "0001_NOISY_SRGB_011.PNG", 30, 20, 3);
  write_places(folder, "0001_GT_SRGB_011.PNG", 30, 20, 4);
  g_autofree char *readme = g_build_filename(root, "ReadMe_sRGB.txt", NULL);
  assert_true(g_file_set_contents(readme, "words", -1, NULL));
}

/* Files and their paths in the archive, as pairs of strings. */
static void write_zip(const char *path, const char *const (*files)[2], size_t count) {
  zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
  assert_non_null(zip);
  for (size_t i = 0; i < count; i++) {
    zip_source_t *source = zip_source_file(zip, files[i][0], 0, 0);
    assert_true(zip_file_add(zip, files[i][1], source, 0) >= 0);
  }
  assert_int_equal(zip_close(zip), 0);
}

static nd_prepare_settings sidd_settings(void) {
  static char *from[] = {"from", NULL};
  write_sidd("from");
  return settings(ND_TASK_DENOISE, from);
}

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

/* Each layout: the files that make one pair or picture, and where it goes. */
static void layouts_are_known(void **state) {
  (void)state;
  static const struct {
    nd_task task;
    const char *input, *target, *list, *line, *made;
  } cases[] = {
      {ND_TASK_DERAIN, "Rain13K/input/1.jpg", "Rain13K/target/1.jpg", NULL, NULL,
       "rain13k/train/input/1.jpg"},
      {ND_TASK_DERAIN, "test/Rain100H/input/7.png", "test/Rain100H/target/7.png", NULL, NULL,
       "rain100h/test/input/7.png"},
      {ND_TASK_DERAIN, "Rain100L/rainy/rain-001.png", "Rain100L/norain-001.png", NULL, NULL,
       "rain100l/test/input/rain-001.png"},
      {ND_TASK_DERAIN, "Rain100L/train/rain/norain-5x2.png", "Rain100L/train/norain/norain-5.png", NULL, NULL,
       "rain100l/train/target/rain-5.png"},
      {ND_TASK_DERAIN, "RainTrainH/rain-9.png", "RainTrainH/norain-9.png", NULL, NULL,
       "rain100h/train/input/rain-9.png"},
      {ND_TASK_DERAIN, "rain_data_test_Light/rain/X2/norain-003x2.png",
       "rain_data_test_Light/norain/norain-003.png", NULL, NULL, "rain100l/test/input/rain-003.png"},
      {ND_TASK_DERAIN, "real_world/000/000-1/000-1_0_0.png", "real_world_gt/000/000_0_0.png",
       "real_world.txt", "./real_world/000/000-1/000-1_0_0.png ./real_world_gt/000/000_0_0.png\n",
       "spa/train/target/000-1_0_0.png"},
      {ND_TASK_DERAIN, "real_test_1000/rain/000.png", "real_test_1000/gt/000gt.png", "real_test_1000.txt",
       "/real_test_1000/rain/000.png /real_test_1000/gt/000gt.png\n", "spa/test/input/000.png"},
      {ND_TASK_DERAIN, "Real_Internet/001.jpg", NULL, NULL, NULL, "real_internet/test/real/001.jpg"},
      {ND_TASK_DEBLUR, "GOPRO_Large/train/GOPR0372_07_00/blur/000047.png",
       "GOPRO_Large/train/GOPR0372_07_00/sharp/000047.png", NULL, NULL,
       "gopro/train/input/GOPR0372_07_00_000047.png"},
      {ND_TASK_DEBLUR, "test/GOPR0384_11_00/blur_gamma/000001.png", "test/GOPR0384_11_00/sharp/000001.png",
       NULL, NULL, "gopro_gamma/test/target/GOPR0384_11_00_000001.png"},
      {ND_TASK_DEBLUR, "RealBlur/RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene230/blur/blur_7.png",
       "RealBlur/RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene230/gt/gt_7.png",
       "RealBlur/RealBlur_J_test_list.txt",
       "RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene230/gt/gt_7.png "
       "RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene230/blur/blur_7.png \n",
       "realblur_j/test/input/scene230_7.png"},
      {ND_TASK_DEBLUR, "DPDD/val/inputL_crops/7-1.png", "DPDD/val/target_crops/7-1.png", NULL, NULL,
       "dpdd/val/target/7-1.png"},
      {ND_TASK_DEBLUR, "dd_dp_dataset_canon/val_l/source/1P0A0894_L.png",
       "dd_dp_dataset_canon/val_c/target/1P0A0895.png", NULL, NULL, "dpdd/val/target/1P0A0894.png"},
      {ND_TASK_DEBLUR, "dd_dp_dataset_canon/test_r/source/1P0A0917_R.png", NULL, NULL, NULL,
       "dpdd/test/right/1P0A0917.png"},
      {ND_TASK_DEBLUR, "dd_dp_dataset_png/test_c/source/1P0A0917.png",
       "dd_dp_dataset_png/test_c/target/1P0A0916.png", NULL, NULL, "dpdd_combined/test/input/1P0A0917.png"},
      {ND_TASK_DEBLUR, "DPDD/test/inputL/1P0A0917_L.png", "DPDD/test/target/1P0A0916.png", NULL, NULL,
       "dpdd/test/target/1P0A0917.png"},
      {ND_TASK_DEBLUR, "DPDD/train/train/inputR/7.png", NULL, NULL, NULL, "dpdd/train/right/7.png"},
      {ND_TASK_DEBLUR, "test/DPDD/inputC/7.png", "test/DPDD/target/7.png", NULL, NULL,
       "dpdd_combined/test/input/7.png"},
      {ND_TASK_DENOISE, "SIDD_Small_sRGB_Only/Data/0001_001_S6_00100_00060_3200_L/NOISY_SRGB_010.PNG",
       "SIDD_Small_sRGB_Only/Data/0001_001_S6_00100_00060_3200_L/GT_SRGB_010.PNG", NULL, NULL,
       "sidd/train/input/0001_001_S6_00100_00060_3200_L_010.png"},
      {ND_TASK_DENOISE, "DIV2K_valid_HR/0801.png", NULL, NULL, NULL, "div2k/val/clean/0801.png"},
      {ND_TASK_DEBLUR, "Flickr2K/Flickr2K_HR/000001.png", NULL, NULL, NULL,
       "flickr2k/train/clean/000001.png"},
      {ND_TASK_DENOISE, "BSR/BSDS500/data/images/test/2018.jpg", NULL, NULL, NULL,
       "bsds500/test/clean/2018.jpg"},
      {ND_TASK_DENOISE, "CBSD68/3096.png", NULL, NULL, NULL, "cbsd68/test/clean/3096.png"},
      {ND_TASK_DENOISE, "WED/00001.png", NULL, NULL, NULL, "wed/train/clean/00001.png"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *from_dir = g_strdup_printf("%zu", i), *out = g_strdup_printf("o%zu", i),
                    *made = g_build_filename(out, cases[i].made, NULL);
    write_places(from_dir, cases[i].input, 20, 10, 1);
    if (cases[i].target)
      write_places(from_dir, cases[i].target, 20, 10, 2);
    if (cases[i].list)
      write_text(from_dir, cases[i].list, cases[i].line);
    char *from[] = {from_dir, NULL};
    nd_prepare_settings s = settings(cases[i].task, from);
    nd_prepared p;
    s.out = out;
    prepare(&s, &p);
    if (p.count != 1 || p.findings[0] || !is_file(made))
      fail_msg("%s: %zu groups, %s, first finding %s", cases[i].input, p.count, made, p.findings[0]);
    nd_image image;
    assert_int_equal(nd_image_load_rgb(made, &image), 0);
    int blue = byte_of(image.data[2]);
    if (g_str_has_suffix(made, ".png"))
      assert_int_equal(blue, strstr(made, "/target/") ? 2 : 1);
    nd_image_free(&image);
    nd_prepared_free(&p);
  }
}

/* What was prepared of DPDD, both views of each. */
static nd_pairs *open_views(size_t count) {
  nd_pairs *pairs;
  nd_pair_source source = {.input_dir = "out/dpdd/train", .right_dir = "out/dpdd/train/right"};
  assert_int_equal(nd_pairs_open(&source, 1, &pairs), 0);
  assert_int_equal(nd_pairs_count(pairs), count);
  return pairs;
}

/* Right views are cut as the left ones are, so that they stay partners. */
static void views_stay_together(void **state) {
  (void)state;
  write_places("from/train/inputL", "7.png", 80, 50, 1);
  write_places("from/train/inputR", "7.png", 80, 50, 2);
  write_places("from/train/target", "7.png", 80, 50, 3);
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DEBLUR, from);
  nd_prepared p;
  prepare(&s, &p);
  assert_true(group(&p, "dpdd/train", "pairs")->files == 12 && group(&p, "dpdd/train", "right")->files == 6);
  nd_prepared_free(&p);
  nd_pairs *pairs = open_views(6);
  nd_pair pair;
  assert_int_equal(nd_pairs_load(pairs, 4, &pair), 0);
  static const int expected[] = {24, 18, 1, 24, 18, 2};
  for (int c = 0; c < 6; c++)
    assert_int_equal(byte_of(pair.input[c]), expected[c]);
  assert_int_equal(byte_of(pair.target[2]), 3);
  nd_pair_free(&pair);
  nd_pairs_close(pairs);
}

/* DPDD as its authors have it: the truth is the exposure before or after, up to two away, and no name is
 * shared by two folders. Sorted as text, 1P0A999 would come after 1P0A1002. */
static void write_dpdd(void) {
  static const struct {
    const char *input, *target;
  } pairs[] = {{"1P0A999", "1P0A998"}, {"1P0A1002", "1P0A1004"}, {"1P0A1006", "1P0A1007"}};
  for (int i = 0; i < 3; i++) {
    g_autofree char *input = g_strconcat(pairs[i].input, ".png", NULL),
                    *left = g_strconcat(pairs[i].input, "_L.png", NULL),
                    *right = g_strconcat(pairs[i].input, "_R.png", NULL),
                    *target = g_strconcat(pairs[i].target, ".png", NULL);
    write_places("from/dd_dp_dataset_canon/train_c/source", input, 20, 10, i);
    write_places("from/dd_dp_dataset_canon/train_c/target", target, 20, 10, 10 + i);
    write_places("from/dd_dp_dataset_canon/train_l/source", left, 20, 10, 20 + i);
    write_places("from/dd_dp_dataset_canon/train_r/source", right, 20, 10, 30 + i);
  }
}

static void names_of_one_exposure_each_are_paired_by_order(void **state) {
  (void)state;
  write_dpdd();
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DEBLUR, from);
  nd_prepared p;
  prepare(&s, &p);
  assert_true(group(&p, "dpdd/train", "pairs")->made == 3 && group(&p, "dpdd/train", "right")->made == 3);
  assert_true(group(&p, "dpdd_combined/train", "pairs")->made == 3 && !p.findings[0]);
  nd_prepared_free(&p);
  nd_pairs *pairs = open_views(3);
  nd_pair pair;
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(nd_pairs_load(pairs, i, &pair), 0);
    int which = byte_of(pair.target[2]) - 10;
    assert_true(byte_of(pair.input[2]) == 20 + which && byte_of(pair.input[5]) == 30 + which);
    nd_pair_free(&pair);
  }
  nd_pairs_close(pairs);
}

/* What is found stands in the order of the tree, by order as by name. */
static void sets_found_by_order_keep_their_place(void **state) {
  (void)state;
  static const char *const parts[] = {"test", "train", "val"};
  for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *source = g_strdup_printf("from/%s_c/source", parts[i]),
                    *target = g_strdup_printf("from/%s_c/target", parts[i]);
    write_places(source, "1P0A0001.png", 20, 10, 1);
    write_places(target, "1P0A0002.png", 20, 10, 2);
  }
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DEBLUR, from);
  nd_prepared p;
  s.dry_run = true;
  prepare(&s, &p);
  assert_int_equal(p.count, 3);
  for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
    assert_true(g_str_has_suffix(p.groups[i].folder, parts[i]));
  nd_prepared_free(&p);
}

/* A misspelt name is told beside those that are there. */
static void a_set_that_is_not_there_is_named(void **state) {
  (void)state;
  write_places("from/Rain13K/input", "1.png", 20, 10, 1);
  write_places("from/Rain13K/target", "1.png", 20, 10, 2);
  char *from[] = {"from", NULL}, *only[] = {"rain13k", "rain13", NULL};
  nd_prepare_settings s = settings(ND_TASK_DERAIN, from);
  nd_prepared p;
  s.only = only;
  assert_int_equal(nd_prepare(&s, &p), -1);
  assert_string_equal(nd_error(), "there is no set 'rain13'; found are: rain13k");
  only[1] = NULL;
  prepare(&s, &p);
  assert_int_equal(p.count, 1);
  nd_prepared_free(&p);
}

/* Of an incomplete download no picture may get another one's truth. */
static void what_is_missing_is_noticed_where_order_pairs(void **state) {
  (void)state;
  write_dpdd();
  assert_int_equal(g_unlink("from/dd_dp_dataset_canon/train_l/source/1P0A999_L.png"), 0);
  char *from[] = {"from", NULL}, *only[] = {"dpdd", NULL};
  nd_prepare_settings s = settings(ND_TASK_DEBLUR, from);
  nd_prepared p;
  s.only = only;
  prepare(&s, &p);
  assert_string_equal(p.findings[0],
                      "'from/dd_dp_dataset_canon/train_l/source' holds 2 pictures and "
                      "'from/dd_dp_dataset_canon/train_c/target' 3: they are pairs in the order of their "
                      "numbers, so both need as many");
  assert_true(!p.findings[1] && p.count == 1 && group(&p, "dpdd/train", "right")->made == 3);
  nd_prepared_free(&p);
  assert_int_equal(g_unlink("from/dd_dp_dataset_canon/train_c/target/1P0A1007.png"), 0);
  prepare(&s, &p);
  assert_non_null(strstr(p.findings[0], "1P0A1002_L.png' and"));
  assert_non_null(strstr(p.findings[0], "target/1P0A998.png'"));
  assert_non_null(strstr(p.findings[0], "differ by 2 at most"));
  assert_int_equal(p.count, 1);
  nd_prepared_free(&p);
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
      TEST(archives_are_read_where_they_stand),
      TEST(paths_that_lead_out_are_refused),
      TEST(what_cannot_be_opened_is_passed_over),
      TEST(names_in_other_encodings_are_taken),
      TEST(blocks_become_files),
      TEST(layouts_are_known),
      TEST(views_stay_together),
      TEST(names_of_one_exposure_each_are_paired_by_order),
      TEST(sets_found_by_order_keep_their_place),
      TEST(a_set_that_is_not_there_is_named),
      TEST(what_is_missing_is_noticed_where_order_pairs),
      TEST(what_is_missing_or_broken_is_told),
      TEST(a_dry_run_writes_nothing),
      TEST(what_is_not_known_is_explained),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
