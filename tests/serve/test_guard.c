/* Who may ask, which names lead where, what a growing table holds. */
#include "serve/serve-private.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void hosts(void **state) {
  (void)state;
  const char *own[] = {"localhost", "LOCALHOST:8080", "127.0.0.1:1",    "[::1]:8080",
                       "[::1]",     "192.168.0.7:80", "photos.lan:8080"};
  const char *others[] = {"evil.example",
                          "evil.example:8080",
                          "localhost.evil.example",
                          "127.0.0.1.evil.example",
                          "",
                          "[evil.example]",
                          "photos.lan.evil",
                          ":8080",
                          "[::1"};
  for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
    if (!nd_guard_host(own[i], "photos.lan"))
      fail_msg("'%s' is refused", own[i]);
  for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
    if (nd_guard_host(others[i], "photos.lan"))
      fail_msg("'%s' is let in", others[i]);
  assert_false(nd_guard_host(NULL, NULL));
  assert_false(nd_guard_host("photos.lan", NULL));
}

static void origins(void **state) {
  (void)state;
  assert_true(nd_guard_origin(NULL, NULL, "localhost:8080"));
  assert_true(nd_guard_origin("http://localhost:8080", "same-origin", "localhost:8080"));
  assert_true(nd_guard_origin("https://photos.lan", NULL, "photos.lan"));
  assert_true(nd_guard_origin(NULL, "none", "localhost:8080"));
  assert_false(nd_guard_origin("http://localhost:9090", NULL, "localhost:8080"));
  assert_false(nd_guard_origin("http://evil.example", NULL, "localhost:8080"));
  assert_false(nd_guard_origin("null", NULL, "localhost:8080"));
  assert_false(nd_guard_origin("", NULL, "localhost:8080"));
  assert_false(nd_guard_origin("file://localhost:8080", NULL, "localhost:8080"));
  assert_false(nd_guard_origin(NULL, "cross-site", "localhost:8080"));
  assert_false(nd_guard_origin("http://localhost:8080", "same-site", "localhost:8080"));
}

static char *make(const char *folder, const char *name, const char *text) {
  char *path = g_build_filename(folder, name, NULL);
  assert_true(text ? g_file_set_contents(path, text, -1, NULL) : !g_mkdir(path, 0777));
  return path;
}

static void names_stay_inside(void **state) {
  (void)state;
  g_autofree char *base = g_dir_make_tmp("nd-XXXXXX", NULL), *root = make(base, "ab", NULL),
                  *twin = make(base, "abc", NULL), *below = make(root, "sub", NULL),

                  *secret = make(twin, "secret", "x"), *out = g_build_filename(root, "out", NULL),
                  *in = g_build_filename(root, "in", NULL), *up = g_build_filename(root, "up", NULL);
  g_free(make(below, "file", "x"));
  g_free(make(root, ".hidden", "x"));
  assert_int_equal(symlink("../abc", out) | symlink("sub/file", in) | symlink("..", up), 0);
  const char *inside[] = {".", "sub", "sub/file", "in"};
  const char *outside[] = {"",
                           "..",
                           "../abc",
                           "sub/../../abc/secret",
                           "sub/..",
                           "./sub",
                           "sub//file",
                           "/",
                           secret,
                           "out",
                           "out/secret",
                           "up",
                           "up/abc",
                           "sub/",
                           ".hidden",
                           "no",
                           "sub/file/..",
                           "..\\abc"};
  for (size_t i = 0; i < G_N_ELEMENTS(inside); i++) {
    g_autofree char *path = nd_inside(root, inside[i]);
    if (!path)
      fail_msg("'%s': %s", inside[i], nd_error());
  }
  for (size_t i = 0; i < G_N_ELEMENTS(outside); i++)
    if (nd_inside(root, outside[i]))
      fail_msg("'%s' leads somewhere", outside[i]);
  assert_null(nd_inside(root, NULL));
  assert_null(nd_inside(NULL, "sub"));
  nd_remove_all(root);
  assert_true(g_file_test(secret, G_FILE_TEST_EXISTS)); /* links are not followed */
  nd_remove_all(base);
  assert_false(g_file_test(base, G_FILE_TEST_EXISTS));
}

static void tables_are_thinned_and_end_with_their_last_whole_line(void **state) {
  (void)state;
  g_autofree char *path = g_build_filename(g_get_tmp_dir(), "nd-table.csv", NULL), *head = NULL, *last = NULL;
  g_autoptr(GString) text = g_string_new("step,loss\n");
  for (int i = 1; i <= 1000; i++)
    g_string_append_printf(text, "%d,%g\n", i, 1.0 / i);
  g_string_append(text, "1001,0.0");
  assert_true(g_file_set_contents(path, text->str, -1, NULL));
  g_autofree char *thin = nd_csv_thinned(path, 10), *whole = nd_csv_thinned(path, 5000);
  assert_string_equal(thin, "step,loss\n100,0.01\n200,0.005\n300,0.00333333\n400,0.0025\n500,0.002\n"
                            "600,0.00166667\n700,0.00142857\n800,0.00125\n900,0.00111111\n1000,0.001\n");
  assert_int_equal(strlen(whole), text->len - strlen("1001,0.0"));
  assert_memory_equal(whole, text->str, strlen(whole));
  assert_true(nd_csv_ends(path, &head, &last));
  assert_string_equal(last, "1000,0.001");
  assert_true(fabs(nd_csv_value(head, last, "loss") - 0.001) < 1e-12);
  assert_true(isnan(nd_csv_value(head, last, "psnr")));
  const char *short_ones[] = {"", "step,loss", "step,loss\n", "step,loss\n1,"};
  for (size_t i = 0; i < G_N_ELEMENTS(short_ones); i++) {
    char *a, *b;
    assert_true(g_file_set_contents(path, short_ones[i], -1, NULL));
    assert_false(nd_csv_ends(path, &a, &b));
    g_free(nd_csv_thinned(path, 10));
  }
  g_unlink(path);
  assert_null(nd_csv_thinned(path, 10));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(hosts), cmocka_unit_test(origins),
                                     cmocka_unit_test(names_stay_inside),
                                     cmocka_unit_test(tables_are_thinned_and_end_with_their_last_whole_line)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
