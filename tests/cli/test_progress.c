/* The line of progress: what it shows, and that it never fills the terminal's row. */
#include "cli/progress.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void expect_line(int columns, const char *name, const char *expected) {
  g_autofree char *line = nd_progress_line(columns, "[1/2] ", name, 0.5, "  50 %, 1m left");
  assert_string_equal(line, expected);
}

static void a_bar_fills_what_the_words_leave(void **state) {
  (void)state;
  expect_line(60, "a.png", "[1/2] a.png [###############...............]  50 %, 1m left");
  expect_line(44, "a.png", "[1/2] a.png [#######.......]  50 %, 1m left");
}

static void long_names_lose_their_beginning(void **state) {
  (void)state;
  expect_line(44, "holiday/pictures/012.png", "[1/2] ...res/012.png [###..]  50 %, 1m left");
  expect_line(32, "holiday/pictures/012.png", "[1/2] ...012.png  50 %, 1m left");
}

static void no_name_moves_the_cursor(void **state) {
  (void)state;
  expect_line(44, "a\n\033[Hb", "[1/2] a??[Hb [#######......]  50 %, 1m left");
}

static void a_row_is_never_full(void **state) {
  (void)state;
  for (int columns = 1; columns < 100; columns++) {
    g_autofree char *line = nd_progress_line(columns, "[1/2] ", "\xe5\x86\x99\xe7\x9c\x9f.png", 0.3, " 30 %");
    assert_true(g_utf8_validate(line, -1, NULL));
    assert_true(g_utf8_strlen(line, -1) < columns);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_bar_fills_what_the_words_leave), cmocka_unit_test(long_names_lose_their_beginning),
      cmocka_unit_test(no_name_moves_the_cursor), cmocka_unit_test(a_row_is_never_full)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
