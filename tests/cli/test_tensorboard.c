/* What TensorBoard's own reader finds in the folder of a run that was resumed. */
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* Ten scalars are logged every 10 steps, two and three pictures every 20 and at the end of a session. */
static void tensorboard_reads_what_the_logs_hold(void **state) {
  (void)state;
  make_pairs();
  write_recipe("r.yaml", "paired", 30);
  expect_status(0, "train", "r.yaml", "-o", "run", NULL);
  expect_status(0, "train", "--resume", "run", "--set", "training.steps=60", NULL);
  g_autofree char *program = NULL;
  assert_true(g_file_get_contents(ND_TESTS_DIR "/cli/read_events.py", &program, NULL, NULL));
  g_autofree char *out = run_python("tensorboard", program, (char *[]){(char *)"run", NULL});
  if (!out) {
    print_message("skipped: no Python with tensorboard (ND_PYTHON may name one)\n");
    skip();
  }
  int scalars, pictures, last;
  assert_int_equal(sscanf(out, "%d %d %d", &scalars, &pictures, &last), 3);
  assert_int_equal(last, 60);
  assert_int_equal(scalars, 6 * 10 + 4 * 2);
  assert_int_equal(pictures, 4 * 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(tensorboard_reads_what_the_logs_hold, folder_setup, folder_teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
