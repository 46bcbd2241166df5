/* The public interface from many threads and from children of the process. */
#include "scene.h"

#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 6, ROUNDS = 4 };

static gpointer restore_again_and_again(gpointer context) {
  scene *s = context;
  for (int round = 0; round < ROUNDS; round++) {
    float out[COUNT];
    noiseda_picture from = floats(s->x), to = floats(out);
    if (noiseda_restore(s->model, &from, &to, NULL))
      return (gpointer) "failed";
    for (int i = 0; i < COUNT; i++)
      if (fabs((double)out[i] - (double)s->restored[i]) > 1e-4)
        return (gpointer) "differs";
    noiseda_options o = NOISEDA_OPTIONS;
    o.strength = 2;
    if (!noiseda_restore(s->model, &from, &to, &o) || !strstr(noiseda_error(), "strength of 2"))
      return (gpointer) "another thread's message";
    o.strength = 0; /* a restorer with other options comes in between */
    if (noiseda_restore(s->model, &from, &to, &o))
      return (gpointer) "failed";
    if (fabs((double)out[0] - fmin(fmax((double)s->x[0], 0), 1)) > 1e-6)
      return (gpointer) "another call's strength";
  }
  return NULL;
}

static void one_model_serves_many_threads(void **state) {
  GThread *threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    threads[i] = g_thread_new("restore", restore_again_and_again, *state);
  for (int i = 0; i < THREADS; i++) {
    const char *wrong = g_thread_join(threads[i]);
    if (wrong)
      fail_msg("%s", wrong);
  }
}

/* A call between two others, and while they run: what they computed for another number of threads still
 * stands. */
static gpointer change_the_number_of_threads(gpointer context) {
  const gint *over = context;
  for (int n = 1; !g_atomic_int_get(over); n = n % 64 + 7)
    noiseda_set_threads(n);
  return NULL;
}

static void the_number_of_threads_may_change(void **state) {
  scene *s = *state;
  float out[COUNT];
  noiseda_picture from = floats(s->x), to = floats(out);
  static const int numbers[] = {1, 200, 2, 64, 0};
  for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
    noiseda_set_threads(numbers[i]);
    assert_int_equal(noiseda_restore(s->model, &from, &to, NULL), 0);
    expect_near(out, s->restored, 1e-4);
  }
  gint over = 0;
  GThread *other = g_thread_new("change", change_the_number_of_threads, &over);
  const char *wrong = restore_again_and_again(s);
  g_atomic_int_set(&over, 1);
  g_thread_join(other);
  noiseda_set_threads(0);
  if (wrong)
    fail_msg("%s", wrong);
}

/* What `works` says in a child; -1: it hung. */
static int in_a_child(bool (*works)(scene *), scene *s) {
  int status;
  pid_t child = fork();
  if (!child) {
    alarm(20);
    _exit(works(s) ? 1 : 0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool same_pixels(scene *s) {
  float out[COUNT];
  noiseda_picture from = floats(s->x), to = floats(out);
  if (noiseda_restore(s->model, &from, &to, NULL))
    return false;
  for (int i = 0; i < COUNT; i++)
    if (fabsf(out[i] - s->restored[i]) > 1e-4f)
      return false;
  return true;
}

static bool file_is_refused(scene *s) {
  return noiseda_restore_file(s->model, "in.png", "out.png", NULL) == -1 &&
         strstr(noiseda_error(), "it was forked from");
}

/* The helpers of the parent, asleep by then, are not there. */
static void a_child_restores_pixels(void **state) {
#ifdef __SANITIZE_THREAD__
  skip(); /* it does not know threads of forked processes */
#endif
  scene *s = *state;
  noiseda_set_threads(4);
  assert_true(same_pixels(s));
  g_usleep(100000);
  for (int i = 0; i < 2; i++)
    assert_int_equal(in_a_child(same_pixels, s), 1);
  noiseda_set_threads(0);
  assert_int_equal(noiseda_restore_file(s->model, "no.png", "out.png", NULL), -1); /* starts libvips */
  assert_int_equal(in_a_child(file_is_refused, s), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(one_model_serves_many_threads),
      TEST(the_number_of_threads_may_change),
      TEST(a_child_restores_pixels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
