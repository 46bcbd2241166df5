/* Base room: the generator against its paper's known answers, moments, errors, accounting, threads, files. */
#include "base/base.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* kat_vectors of Random123: philox4x32 10. */
static void philox_known_answers(void **state) {
  (void)state;
  static const struct {
    uint32_t key[2], counter[4], expect[4];
  } cases[] = {
      {{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0xa4093822, 0x299f31d0},
       {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    uint32_t out[4];
    nd_philox(cases[i].key, cases[i].counter, out);
    assert_memory_equal(out, cases[i].expect, sizeof out);
  }
}

static void moments(double (*draw)(nd_rng *), double *mean, double *variance) {
  nd_rng r = nd_rng_make(7, 3, 1, ND_RANDOM_TEST);
  double sum = 0, squares = 0;
  enum { N = 200000 };
  for (int i = 0; i < N; i++) {
    double x = draw(&r);
    sum += x, squares += x * x;
  }
  *mean = sum / N, *variance = squares / N - *mean * *mean;
}

static double small_poisson(nd_rng *r) {
  return nd_rng_poisson(r, 4.5);
}

static double large_poisson(nd_rng *r) {
  return nd_rng_poisson(r, 120);
}

static double dice(nd_rng *r) {
  return nd_rng_below(r, 6);
}

static void distributions_have_their_moments(void **state) {
  (void)state;
  static const struct {
    double (*draw)(nd_rng *);
    double mean, variance;
  } cases[] = {{nd_rng_normal, 0, 1},
               {nd_rng_uniform, 0.5, 1.0 / 12},
               {small_poisson, 4.5, 4.5},
               {large_poisson, 120, 120},
               {dice, 2.5, 35.0 / 12}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    double mean, variance;
    moments(cases[i].draw, &mean, &variance);
    assert_true(fabs(mean - cases[i].mean) < 4 * sqrt(cases[i].variance / 200000));
    assert_true(fabs(variance / cases[i].variance - 1) < 0.03);
  }
}

static void filled_normals_have_their_moments(void **state) {
  (void)state;
  enum { N = 100001 };
  g_autofree float *x = g_new(float, N);
  nd_rng r = nd_rng_make(7, 3, 1, ND_RANDOM_TEST);
  nd_rng_fill_normal(&r, x, N);
  double sum = 0, squares = 0, fourth = 0;
  for (int i = 0; i < N; i++)
    sum += x[i], squares += (double)x[i] * x[i], fourth += pow(x[i], 4);
  assert_true(fabs(sum / N) < 0.015);
  assert_true(fabs(squares / N - 1) < 0.02);
  assert_true(fabs(fourth / N - 3) < 0.15);
}

static void numbers_depend_on_every_coordinate(void **state) {
  (void)state;
  nd_rng same = nd_rng_make(1, 2, 3, ND_RANDOM_NOISE), others[] = {
                                                           nd_rng_make(9, 2, 3, ND_RANDOM_NOISE),
                                                           nd_rng_make(1, 9, 3, ND_RANDOM_NOISE),
                                                           nd_rng_make(1, 2, 9, ND_RANDOM_NOISE),
                                                           nd_rng_make(1, 2, 3, ND_RANDOM_LEVEL),
                                                       };
  uint32_t first = nd_rng_u32(&same);
  nd_rng again = nd_rng_make(1, 2, 3, ND_RANDOM_NOISE);
  assert_int_equal(first, nd_rng_u32(&again));
  for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
    assert_int_not_equal(first, nd_rng_u32(&others[i]));
}

/* What may stand in a file's header; of UTF-8, a C1 control and a letter that shares its first byte. */
static void control_characters_are_marks(void **state) {
  (void)state;
  nd_fail("no '\x1b[31mred\nnet\x7f'");
  assert_string_equal(nd_error(), "no '?[31mred?net?'");
  nd_fail_in("\x1b]0;'\xc2\x9b\xc2\xb5m'");
  assert_string_equal(nd_error(), "?]0;'?\xc2\xb5m': no '?[31mred?net?'");
  nd_fail("it ends");
  nd_fail_and("with\ra bell\a");
  assert_string_equal(nd_error(), "it ends; with?a bell?");
  char text[] = "a: 1\nb: \t2";
  nd_make_printable(text, "\n");
  assert_string_equal(text, "a: 1\nb: ?2");
  nd_error_clear();
}

static void errors_stack_their_context(void **state) {
  (void)state;
  assert_int_equal(nd_fail("row %d", 3), -1);
  assert_int_equal(nd_fail_in("file '%s'", "a"), -1);
  assert_string_equal(nd_error(), "file 'a': row 3");
}

static void memory_is_counted_and_refused(void **state) {
  (void)state;
  size_t before = nd_mem_used();
  char *p = nd_mem_alloc(1000, "test");
  assert_int_equal((uintptr_t)p % 64, 0);
  assert_int_equal(p[999], 0);
  assert_int_equal(nd_mem_used(), before + 1000);
  assert_true(nd_mem_peak() >= before + 1000);
  nd_mem_free(p);
  assert_int_equal(nd_mem_used(), before);
  assert_null(nd_mem_alloc(SIZE_MAX, "everything"));
  assert_non_null(strstr(nd_error(), "everything"));
}

static void mark(size_t begin, size_t end, int thread, void *context) {
  if (thread < 0 || thread >= nd_threads())
    return; /* leaves the range unmarked */
  for (size_t i = begin; i < end; i++)
    ((unsigned char *)context)[i]++;
}

static void ranges_cover_all_once(void **state) {
  (void)state;
  unsigned char seen[1000] = {0};
  nd_set_threads(3);
  nd_parallel(1000, 1, mark, seen);
  nd_set_threads(0);
  for (int i = 0; i < 1000; i++)
    assert_int_equal(seen[i], 1);
}

/* Who is at work, and how many ranges there were; thread 0 is slow. */
typedef struct busy {
  _Atomic int at_work[3], clashes, ranges;
} busy;

static void be_busy(size_t begin, size_t end, int thread, void *context) {
  (void)begin, (void)end;
  busy *b = context;
  b->clashes += thread < 0 || thread >= 3 || b->at_work[thread]++;
  g_usleep(thread == 0 ? 2000 : 200);
  b->at_work[thread]--;
  b->ranges++;
}

/* What a thread writes to by its number is its own; more ranges than threads, so that a slow one is not
 * waited for. */
static void no_two_at_once_are_the_same_thread(void **state) {
  (void)state;
  busy b = {0};
  nd_set_threads(3);
  nd_parallel(1000, 1, be_busy, &b);
  assert_true(b.ranges >= 2 * 3);
  b.ranges = 0;
  nd_parallel(2, 1, be_busy, &b);
  assert_int_equal(b.ranges, 2);
  nd_set_threads(0);
  assert_int_equal(b.clashes, 0);
}

static void note_range(size_t begin, size_t end, int thread, void *context) {
  ((size_t *)context)[thread] += begin * 1000 + end;
}

static void fixed_ranges_are_told_which_they_are(void **state) {
  (void)state;
  size_t seen[4] = {0};
  nd_set_threads(3);
  nd_parallel_fixed(9, 1, note_range, seen);
  nd_set_threads(0);
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(seen[i], 3 * i * 1000 + 3 * (i + 1));
  assert_int_equal(seen[3], 0);
}

/* Many short jobs one after the other, so that late workers meet the next job half published; and two callers
 * at once, of which one finds the pool taken. */
static void *many_jobs(void *failures) {
  for (int job = 0; job < 20000; job++) {
    unsigned char seen[64] = {0};
    size_t n = 1 + (size_t)job % 64;
    nd_parallel(n, 1, mark, seen);
    for (size_t i = 0; i < 64; i++)
      if (seen[i] != (i < n))
        *(int *)failures += 1;
  }
  return NULL;
}

static void short_jobs_are_whole(void **state) {
  (void)state;
  int failures[2] = {0};
  nd_set_threads(4);
  GThread *other = g_thread_new("other", many_jobs, &failures[1]);
  many_jobs(&failures[0]);
  g_thread_join(other);
  nd_set_threads(0);
  assert_int_equal(failures[0] + failures[1], 0);
}

static void atomic_write_keeps_the_old_file_on_failure(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("nd-XXXXXX", NULL), *path = g_build_filename(folder, "f", NULL);
  assert_int_equal(nd_file_write_atomic(path, "old", 3), 0);
  assert_int_equal(nd_file_write_atomic(path, "newer", 5), 0);
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  assert_string_equal(text, "newer");
  assert_int_equal(nd_file_write_atomic("/proc/none/f", "x", 1), -1);
  assert_non_null(strstr(nd_error(), "/proc/none/f"));
  assert_int_equal(g_unlink(path), 0);
  assert_int_equal(g_rmdir(folder), 0); /* nothing else was left in it */
}

static guint count_entries(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  guint n = 0;
  while (g_dir_read_name(dir))
    n++;
  return n;
}

static void an_unfinished_file_has_no_name(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("nd-XXXXXX", NULL), *path = g_build_filename(folder, "f", NULL);
  int fd = open(folder, O_TMPFILE | O_RDWR, 0600);
  if (fd < 0) {
    g_rmdir(folder);
    skip();
  }
  close(fd);
  nd_file_out *file = nd_file_begin(path);
  assert_non_null(file);
  assert_int_equal(nd_file_put(file, "text", 4), 0);
  assert_int_equal(count_entries(folder), 0);
  assert_int_equal(nd_file_commit(file), 0);
  assert_int_equal(count_entries(folder), 1);
  struct stat s;
  mode_t mask = umask(0);
  umask(mask);
  assert_int_equal(stat(path, &s), 0);
  assert_int_equal(s.st_size, 4);
  assert_int_equal(s.st_mode & 0777, 0666 & ~mask);
  assert_int_equal(g_unlink(path), 0);
  assert_int_equal(g_rmdir(folder), 0);
}

static void names_may_be_as_long_as_the_system_takes(void **state) {
  (void)state;
  char name[NAME_MAX + 1] = {0};
  memset(name, 'n', NAME_MAX);
  g_autofree char *folder = g_dir_make_tmp("nd-XXXXXX", NULL), *path = g_build_filename(folder, name, NULL);
  assert_int_equal(nd_file_write_atomic(path, "x", 1), 0);
  assert_int_equal(g_unlink(path), 0);
  assert_int_equal(g_rmdir(folder), 0);
}

/* Root might rename a file to /dev/null. */
static void what_is_no_file_is_not_replaced(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("nd-XXXXXX", NULL), *pipe = g_build_filename(folder, "p", NULL);
  assert_int_equal(mkfifo(pipe, 0600), 0);
  assert_int_equal(nd_file_write_atomic(pipe, "x", 1), -1);
  assert_non_null(strstr(nd_error(), "no ordinary file"));
  assert_int_equal(nd_file_write_atomic(folder, "x", 1), -1);
  assert_non_null(strstr(nd_error(), "a folder"));
  assert_int_equal(g_unlink(pipe), 0);
  assert_int_equal(g_rmdir(folder), 0);
}

static void amounts_have_the_unit_that_fits(void **state) {
  (void)state;
  static const struct {
    double bytes;
    const char *text;
  } cases[] = {{0, "0 bytes"},   {1023, "1023 bytes"},          {1 << 20, "1.00 MiB"}, {96 << 20, "96.0 MiB"},
               {1e9, "954 MiB"}, {1.5 * (1 << 30), "1.50 GiB"}, {5e15, "4547 TiB"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_string_equal(nd_bytes(cases[i].bytes).text, cases[i].text);
}

static void nothing_has_no_sign(void **state) {
  (void)state;
  static const struct {
    double x;
    int decimals;
    const char *text;
  } cases[] = {{-0.4, 0, "0"},       {-0.6, 0, "-1"},        {-0.004, 2, "0.00"},
               {-0.006, 2, "-0.01"}, {-0.0, 1, "0.0"},       {0.25, 2, "0.25"},
               {-10, 0, "-10"},      {-INFINITY, 2, "-inf"}, {-1e-300, 4, "0.0000"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_string_equal(nd_fixed(cases[i].x, cases[i].decimals).text, cases[i].text);
  assert_int_equal(strlen(nd_fixed(-1.7e308, 32).text), 1 + 309 + 1 + 32);
}

static void what_is_added_follows_a_sentence_as_one(void **state) {
  (void)state;
  nd_fail("no file");
  assert_int_equal(nd_fail_and("without '%s' it goes on", "x"), -1);
  assert_string_equal(nd_error(), "no file; without 'x' it goes on");
  nd_fail("was it cut short?");
  nd_fail_and("without it all goes on");
  assert_string_equal(nd_error(), "was it cut short? Without it all goes on");
  nd_fail("no disk.");
  nd_fail_and("%d steps are saved", 3);
  assert_string_equal(nd_error(), "no disk. 3 steps are saved");
  g_autofree char *endless = g_strnfill(5000, 'x');
  nd_fail("%s", endless);
  nd_fail_and("the end");
  assert_true(g_str_has_suffix(nd_error(), "xxx; the end"));
  assert_string_equal(nd_full_stop("is it?"), "");
  assert_string_equal(nd_full_stop("no"), ".");
  nd_error_clear();
}

static void one_is_no_plural(void **state) {
  (void)state;
  static const struct {
    size_t n;
    const char *one, *text;
  } cases[] = {{0, "pair", "0 pairs"},  {1, "pair", "1 pair"},     {2, "pair", "2 pairs"},
               {1, "patch", "1 patch"}, {3, "patch", "3 patches"}, {2, "pass", "2 passes"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_string_equal(nd_count(cases[i].n, cases[i].one).text, cases[i].text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),
      cmocka_unit_test(distributions_have_their_moments),
      cmocka_unit_test(filled_normals_have_their_moments),
      cmocka_unit_test(numbers_depend_on_every_coordinate),
      cmocka_unit_test(control_characters_are_marks),
      cmocka_unit_test(errors_stack_their_context),
      cmocka_unit_test(memory_is_counted_and_refused),
      cmocka_unit_test(amounts_have_the_unit_that_fits),
      cmocka_unit_test(nothing_has_no_sign),
      cmocka_unit_test(what_is_added_follows_a_sentence_as_one),
      cmocka_unit_test(one_is_no_plural),
      cmocka_unit_test(ranges_cover_all_once),
      cmocka_unit_test(no_two_at_once_are_the_same_thread),
      cmocka_unit_test(fixed_ranges_are_told_which_they_are),
      cmocka_unit_test(short_jobs_are_whole),
      cmocka_unit_test(atomic_write_keeps_the_old_file_on_failure),
      cmocka_unit_test(an_unfinished_file_has_no_name),
      cmocka_unit_test(names_may_be_as_long_as_the_system_takes),
      cmocka_unit_test(what_is_no_file_is_not_replaced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
