/* Published sets in tar archives, and arrays in either kind. */
#include "preparing.h"

/* ---- tar, which the program of that name packs ---- */
static void run(const char *command) {
  g_autoptr(GError) error = NULL;
  int status = 0;
  if (!g_spawn_command_line_sync(command, NULL, NULL, &status, &error) || status)
    fail_msg("%s: %s", command, error ? error->message : "failed");
}

/* What an archive becomes is what its folder becomes. */
static void expect_same_results(const char *archive, const char *folder) {
  char *from[] = {(char *)archive, NULL};
  nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
  nd_prepared p;
  s.out = "again";
  prepare(&s, &p);
  if (p.findings[0])
    fail_msg("%s: %s", archive, p.findings[0]);
  nd_prepared_free(&p);
  run("diff -r -x manifest.tsv out again");
  g_autofree char *command =
      g_strdup_printf("sh -c 'sed s,%s/,,g out/manifest.tsv | sort > a; sort again/manifest.tsv > "
                      "b; cmp a b'",
                      folder);
  run(command);
  remove_folder("again");
}

static void tar_archives_are_read(void **state) {
  (void)state;
  static const char *const formats[] = {"v7", "ustar", "gnu", "pax"};
  nd_prepare_settings s = sidd_settings();
  nd_prepared p;
  prepare(&s, &p);
  nd_prepared_free(&p);
  for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
    g_autofree char *plain = g_strdup_printf("tar -C from --format=%s -cf x.tar .", formats[i]),
                    *packed =
                        g_strdup_printf("tar -C from --format=%s -czf x.tar.gz SIDD_Medium_Srgb", formats[i]);
    run(plain);
    run(packed);
    expect_same_results("x.tar", "from");
    expect_same_results("x.tar.gz", "from");
  }
  assert_int_equal(rename("x.tar.gz", "x.gz"), 0); /* as Rain100L is published */
  expect_same_results("x.gz", "from");
}

/* Beyond the 100 letters that the oldest format has for a path. */
static void long_paths_of_tar_are_read(void **state) {
  (void)state;
  static const char *const formats[] = {"ustar", "gnu", "pax"};
  g_autofree char *deep = g_strnfill(80, 'd'),
                  *folder = g_build_filename("long", deep, "a", "DIV2K_train_HR", NULL);
  write_places(folder, "1.png", 20, 10, 1);
  for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
    g_autofree char *command = g_strdup_printf("tar -C long --format=%s -cf x.tar %s", formats[i], deep),
                    *source = g_strdup_printf("%s/a/DIV2K_train_HR/1.png", deep);
    char *from[] = {"x.tar", NULL};
    nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
    nd_prepared p;
    run(command);
    prepare(&s, &p);
    assert_true(group(&p, "div2k/train", "clean")->made == 1 && !p.findings[0]);
    nd_prepared_free(&p);
    g_autofree char *manifest = read_text("out/manifest.tsv");
    assert_non_null(strstr(manifest, source));
    remove_folder("out");
  }
}

static void expect_no_archive(const char *said) {
  char *from[] = {"bad.tar", NULL};
  nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
  nd_prepared p;
  assert_int_equal(nd_prepare(&s, &p), -1);
  assert_error_has("bad.tar");
  assert_error_has(said);
}

static void broken_tar_archives_are_refused(void **state) {
  (void)state;
  g_autofree char *plain = NULL, *packed = NULL;
  gsize n = 0, m = 0;
  write_sidd("from");
  run("tar -C from -cf x.tar SIDD_Medium_Srgb");
  run("sh -c 'head -c 9000000 /dev/urandom > from/noise'"); /* as long as what is read by pieces */
  run("tar -C from -czf x.tar.gz SIDD_Medium_Srgb noise");
  assert_true(g_file_get_contents("x.tar", &plain, &n, NULL) &&
              g_file_get_contents("x.tar.gz", &packed, &m, NULL));
  assert_true(g_file_set_contents("bad.tar", plain, 512 * 5 + 100, NULL)); /* folders, then a picture */
  expect_no_archive("cut short");
  assert_true(g_file_set_contents("bad.tar", packed, (gssize)m / 2, NULL));
  expect_no_archive("cut short");
  packed[m - 6] ^= 1;
  assert_true(g_file_set_contents("bad.tar", packed, (gssize)m, NULL));
  expect_no_archive("incorrect data check");
  plain[512 + 124] ^= 1;
  assert_true(g_file_set_contents("bad.tar", plain, (gssize)n, NULL));
  expect_no_archive("damaged");
  assert_true(g_file_set_contents("bad.tar", "words", -1, NULL));
  expect_no_archive("no tar archive");
  assert_true(g_file_set_contents("bad.tar", "", 0, NULL));
  expect_no_archive("no tar archive");
}

static void tar_paths_that_lead_out_are_refused(void **state) {
  (void)state;
  write_places("from/in", "1.png", 20, 10, 1);
  run("tar -P -C from/in --transform=s,^,../Rain13K/input/, -cf bad.tar 1.png");
  expect_no_archive("leads out of it");
}

/* ---- Arrays ---- */
static void arrays_are_read_from_archives(void **state) {
  (void)state;
  g_mkdir("from", 0777);
  write_array("from/ValidationNoisyBlocksSrgb.mat", "a", (mat_shape){2, 3, 8, 9}, 1, true);
  write_array("from/ValidationGtBlocksSrgb.mat", "b", (mat_shape){2, 3, 8, 9}, 2, false);
  char *from[] = {"from", NULL};
  nd_prepare_settings s = settings(ND_TASK_DENOISE, from);
  nd_prepared p;
  prepare(&s, &p);
  assert_int_equal(group(&p, "sidd/val", "pairs")->files, 12);
  nd_prepared_free(&p);
  static const char *const files[][2] = {
      {"from/ValidationNoisyBlocksSrgb.mat", "ValidationNoisyBlocksSrgb.mat"},
      {"from/ValidationGtBlocksSrgb.mat", "ValidationGtBlocksSrgb.mat"}};
  write_zip("x.zip", files, 2);
  run("tar -C from -czf x.tgz .");
  expect_same_results("x.zip", "from");
  expect_same_results("x.tgz", "from");
  assert_true(g_file_set_contents("from/ValidationGtBlocksSrgb.mat", "MATLAB", -1, NULL));
  write_zip("x.zip", files, 2);
  s.from = (char *[]){"x.zip", NULL};
  s.out = "bad";
  prepare(&s, &p);
  assert_true(group(&p, "sidd/val", "pairs")->failed == 1);
  assert_non_null(strstr(p.findings[0], "'ValidationGtBlocksSrgb.mat'"));
  nd_prepared_free(&p);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
  const struct CMUnitTest tests[] = {
      TEST(tar_archives_are_read),           TEST(long_paths_of_tar_are_read),
      TEST(broken_tar_archives_are_refused), TEST(tar_paths_that_lead_out_are_refused),
      TEST(arrays_are_read_from_archives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
