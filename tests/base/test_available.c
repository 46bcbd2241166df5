/* How much memory is left, told by made-up systems. */
#include "base/base.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void put(const char *root, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(root, name, NULL), *folder = g_path_get_dirname(path);
  assert_int_equal(g_mkdir_with_parents(folder, 0777), 0);
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_tree(const char *path) {
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *inner = g_build_filename(path, name, NULL);
    remove_tree(inner);
  }
  g_remove(path);
}

static int setup(void **state) {
  *state = g_dir_make_tmp("noiseda-XXXXXX", NULL);
  return *state ? 0 : -1;
}

static int teardown(void **state) {
  remove_tree(*state);
  g_free(*state);
  return 0;
}

#define MEMINFO "MemTotal:       16000000 kB\nMemFree:         100 kB\nMemAvailable:    4000 kB\n"

static void nothing_is_known_without_proc(void **state) {
  assert_int_equal(nd_mem_available(*state), 0);
}

static void the_system_says_what_is_left(void **state) {
  put(*state, "proc/meminfo", MEMINFO);
  assert_int_equal(nd_mem_available(*state), 4000 << 10);
  put(*state, "proc/self/cgroup", "0::/job\n");
  put(*state, "sys/fs/cgroup/job/memory.max", "max\n");
  put(*state, "sys/fs/cgroup/job/memory.current", "5\n");
  assert_int_equal(nd_mem_available(*state), 4000 << 10);
}

static void groups_and_those_around_them_limit(void **state) {
  put(*state, "proc/meminfo", MEMINFO);
  put(*state, "proc/self/cgroup", "0::/user/job\n");
  put(*state, "sys/fs/cgroup/user/job/memory.max", "3000000\n");
  put(*state, "sys/fs/cgroup/user/job/memory.current", "1500000\n");
  put(*state, "sys/fs/cgroup/user/job/memory.stat", "anon 1000000\ninactive_file 400000\n");
  assert_int_equal(nd_mem_available(*state), 1900000);
  put(*state, "sys/fs/cgroup/user/memory.max", "2000000\n");
  put(*state, "sys/fs/cgroup/user/memory.current", "1990000\n");
  assert_int_equal(nd_mem_available(*state), 10000);
}

/* A container sees its own group at the top, and a path from outside. */
static void containers_are_understood(void **state) {
  put(*state, "proc/meminfo", MEMINFO);
  put(*state, "proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/0123\n");
  put(*state, "sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n");
  put(*state, "sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n");
  put(*state, "sys/fs/cgroup/memory/memory.stat", "total_inactive_file 100000\n");
  assert_int_equal(nd_mem_available(*state), 1600000);
  put(*state, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  assert_int_equal(nd_mem_available(*state), 4000 << 10);
}

static void this_machine_has_some(void **state) {
  (void)state;
  assert_in_range(nd_mem_available("/"), 1 << 20, (size_t)1 << 50);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(nothing_is_known_without_proc), TEST(the_system_says_what_is_left),
                                     TEST(groups_and_those_around_them_limit),
                                     TEST(containers_are_understood), TEST(this_machine_has_some)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
