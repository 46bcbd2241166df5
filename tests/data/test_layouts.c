/* Which files of a published set belong to one another, and what they are called. */
#include "preparing.h"

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
      {ND_TASK_DEBLUR, "train/train_blur/003/00000042.png", "train/train_sharp/003/00000042.png", NULL, NULL,
       "reds/train/target/003_00000042.png"},
      {ND_TASK_DEBLUR, "train_blur/train/train_blur/005/00000042.png", "x/train/train_sharp/005/00000042.png",
       NULL, NULL, "reds/train/target/005_00000042.png"},
      {ND_TASK_DEBLUR, "REDS/val/val_blur_jpeg/000/00000001.jpg", "REDS/val/val_sharp/000/00000001.png", NULL,
       NULL, "reds_jpeg/val/input/000_00000001.jpg"},
      {ND_TASK_DEBLUR, "test/test_blur/007/00000099.png", NULL, NULL, NULL,
       "reds/test/real/007_00000099.png"},
      {ND_TASK_DEBLUR, "DPDD/val/inputL_crops/7-1.png", "DPDD/val/target_crops/7-1.png", NULL, NULL,
       "dpdd/val/target/7-1.png"},
      {ND_TASK_DEBLUR, "dd_dp_dataset_canon/val_l/source/1P0A0894_L.png",
       "dd_dp_dataset_canon/val_c/target/1P0A0895.png", NULL, NULL, "dpdd/val/target/1P0A0894.png"},
      {ND_TASK_DEBLUR, "dd_dp_dataset_canon/test_r/source/1P0A0917_R.png", NULL, NULL, NULL,
       "dpdd/test/right/1P0A0917.png"},
      {ND_TASK_DEBLUR, "dd_dp_dataset_png/test_c/source/1P0A0917.png",
       "dd_dp_dataset_png/test_c/target/1P0A0916.png", NULL, NULL, "dpdd_combined/test/input/1P0A0917.png"},
      {ND_TASK_DEBLUR, "dd_dp_dataset_pixel/test_l/source/IMG_7_L.png", NULL, NULL, NULL,
       "dpdd_pixel/test/real/IMG_7.png"},
      {ND_TASK_DEBLUR, "dd_dp_dataset_pixel/test_r/source/IMG_7_R.png", NULL, NULL, NULL,
       "dpdd_pixel/test/right/IMG_7.png"},
      {ND_TASK_DEBLUR, "DPDD/dd_dp_dataset_pixel/test_c/source/7.png", NULL, NULL, NULL,
       "dpdd_pixel_combined/test/real/7.png"},
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
      {ND_TASK_DENOISE, "BSD500/val/3096.jpg", NULL, NULL, NULL, "bsds500/val/clean/3096.jpg"},
      {ND_TASK_DENOISE, "trainsets/BSD500/8023.jpg", NULL, NULL, NULL, "bsd500/train/clean/8023.jpg"},
      {ND_TASK_DENOISE, "BSD500/images/8049.jpg", NULL, NULL, NULL, "bsd500/train/clean/8049.jpg"},
      {ND_TASK_DENOISE, "CBSD432/8068.jpg", NULL, NULL, NULL, "bsd432/train/clean/8068.jpg"},
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

/* Of truths that were unpacked elsewhere only one may be meant, and other pictures of its name are none. */
static void truth_elsewhere_is_taken_if_it_is_the_only_one(void **state) {
  (void)state;
  write_places("from/blur/train_blur/000", "00000001.png", 20, 10, 1);
  write_places("from/blur/train_blur/000", "00000002.png", 20, 10, 2);
  write_places("from/blur/train_blur/001", "00000001.png", 20, 10, 3);
  write_places("from/a/train_sharp/000", "00000001.png", 20, 10, 11);
  write_places("from/b/train_sharp/000", "00000001.png", 20, 10, 12);
  write_places("from/a/train_sharp/000", "00000002.png", 20, 10, 13);
  write_places("from/b/val_sharp/001", "00000001.png", 20, 10, 14);
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DEBLUR, from);
  nd_prepared p;
  prepare(&s, &p);
  assert_int_equal(group(&p, "reds/train", "pairs")->made, 1);
  assert_int_equal(g_strv_length(p.findings), 2);
  assert_non_null(strstr(p.findings[0], "train_blur/000/00000001.png' has no partner"));
  assert_non_null(strstr(p.findings[1], "train_blur/001/00000001.png' has no partner"));
  nd_prepared_free(&p);
  nd_image image;
  assert_int_equal(nd_image_load_rgb("out/reds/train/target/000_00000002.png", &image), 0);
  assert_int_equal(byte_of(image.data[2]), 13);
  nd_image_free(&image);
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

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
  const struct CMUnitTest tests[] = {
      TEST(layouts_are_known),
      TEST(truth_elsewhere_is_taken_if_it_is_the_only_one),
      TEST(views_stay_together),
      TEST(names_of_one_exposure_each_are_paired_by_order),
      TEST(sets_found_by_order_keep_their_place),
      TEST(a_set_that_is_not_there_is_named),
      TEST(what_is_missing_is_noticed_where_order_pairs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
