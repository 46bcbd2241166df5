/* Photos through the server: what comes back, the queue, and what is left at the end. */
#include "http.h"
#include "site.h"

#include "image/image.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <utime.h>
#include <vips/vips.h>
#include <cmocka.h>

static reply result_of(const site *s, const char *id, const char *which) {
  g_autofree char *target = g_strdup_printf("/api/picture?id=%s&which=%s", id, which);
  reply r = http_get(s->port, target);
  assert_int_equal(r.status, 200);
  return r;
}

static nd_image decoded(const reply *r) {
  nd_image image;
  if (nd_image_decode(r->body, r->size, "result", &image))
    fail_msg("%s", nd_error());
  return image;
}

/* The same in this process. */
static nd_image restored_here(const site *s, const void *bytes, size_t n, double strength) {
  g_autofree char *path = g_build_filename(s->models, "tiny.safetensors", NULL);
  nd_restorer_settings settings = nd_restorer_defaults();
  nd_image image;
  nd_model *model;
  nd_restorer *r;
  settings.strength = strength;
  assert_int_equal(nd_image_decode(bytes, n, "here", &image), 0);
  assert_int_equal(nd_model_load(path, &model), 0);
  assert_int_equal(nd_restorer_new(model->net, model->params, "", model->values, settings, &r), 0);
  assert_int_equal(nd_restorer_run_image(r, &image, NULL, NULL, NULL), 0);
  nd_restorer_free(r);
  nd_model_free(model);
  return image;
}

static double largest_difference(const nd_image *a, const nd_image *b) {
  double d = 0;
  assert_int_equal(a->width, b->width);
  assert_int_equal(a->height, b->height);
  assert_int_equal(a->channels, b->channels);
  for (int i = 0; i < a->width * a->height * a->channels; i++)
    d = fmax(d, fabs((double)a->data[i] - (double)b->data[i]));
  return d;
}

static void a_photo_is_restored_with_all_its_bits(void **state) {
  site *s = *state;
  size_t n;
  g_autofree char *png = photo(61, 47, 16, ".png", &n),
                  *id = site_send(s, "model=tiny.safetensors&strength=0.5&name=a%2Fb%5Cm%C3%B6we%22.png", png,
                                  n);
  site_wait(s, id, "done");
  reply r = result_of(s, id, "result");
  assert_non_null(strstr(r.head, "filename*=UTF-8''m%C3%B6we%22_restored.png"));
  nd_image there = decoded(&r), here = restored_here(s, png, n, 0.5), photo_itself;
  assert_int_equal(nd_image_decode(png, n, "photo", &photo_itself), 0);
  assert_int_equal(there.bits, 16);
  assert_true(largest_difference(&there, &here) <= 0.51 / 65535);
  assert_true(largest_difference(&there, &photo_itself) > 0.01); /* it did something */
  reply_clear(&r);
  r = result_of(s, id, "before");
  nd_image before = decoded(&r);
  assert_int_equal(before.bits, 8);
  assert_true(largest_difference(&before, &photo_itself) <= 0.51 / 255);
  reply_clear(&r);
  r = result_of(s, id, "after");
  nd_image after = decoded(&r);
  assert_true(largest_difference(&after, &here) <= 0.51 / 255);
  reply_clear(&r);
  nd_image *all[] = {&there, &here, &photo_itself, &before, &after};
  for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
    nd_image_free(all[i]);
}

static size_t profile_size(VipsImage *image) {
  const void *profile;
  size_t n = 0;
  return vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &n) ? 0 : n;
}

static void metadata_comes_back(void **state) {
  site *s = *state;
  gsize n;
  g_autofree char *file = g_build_filename(ND_IMAGE_GOLDEN, "full.jpg", NULL), *jpeg = NULL;
  assert_true(g_file_get_contents(file, &jpeg, &n, NULL));
  g_autofree char *id = site_send(s, "model=tiny.safetensors&name=full.jpg", jpeg, n);
  site_wait(s, id, "done");
  reply r = result_of(s, id, "result");
  assert_non_null(strstr(r.head, "Content-Type: image/jpeg"));
  VipsImage *was = vips_image_new_from_buffer(jpeg, n, "", NULL),
            *is = vips_image_new_from_buffer(r.body, r.size, "", NULL);
  char *make = NULL;
  assert_int_equal(vips_image_get_as_string(is, "exif-ifd0-Make", &make), 0);
  assert_true(g_str_has_prefix(make, "Sonne & Co"));
  assert_int_equal(vips_image_get_orientation(is), 1); /* was 6: the pixels were turned */
  assert_int_equal(vips_image_get_width(is), vips_image_get_height(was));
  assert_true(profile_size(was) > 0);
  assert_int_equal(profile_size(is), profile_size(was));
  g_free(make);
  g_object_unref(was);
  g_object_unref(is);
  reply_clear(&r);
}

static void formats_are_as_named_or_as_asked(void **state) {
  site *s = *state;
  size_t n;
  g_autofree char *tiff = photo(30, 20, 16, ".tif", &n);
  const char *cases[][2] = {{"name=a.TIF", "image/tiff"},
                            {"name=a.tif&format=.webp", "image/webp"},
                            {"name=no-ending", "image/tiff"},
                            {"strength=0", "photo_restored.tif"}}; /* no name */
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *query = g_strdup_printf("model=tiny.safetensors&%s", cases[i][0]),
                    *id = site_send(s, query, tiff, n);
    site_wait(s, id, "done");
    reply r = result_of(s, id, "result");
    assert_non_null(strstr(r.head, cases[i][1]));
    reply_clear(&r);
  }
}

static void cancel(const site *s, const char *id) {
  g_autofree char *target = g_strdup_printf("/api/cancel?id=%s", id);
  reply r = http(s->port, "POST", target, NULL, "", 0);
  expect_reply(&r, 200, "\"state\":\"cancelled\"");
}

static void photos_wait_their_turn_and_can_be_cancelled(void **state) {
  site *s = *state;
  size_t n, m;
  g_autofree char *large = photo(1000, 1000, 8, ".jpg", &n), *small = photo(20, 20, 8, ".png", &m),
                  *first = site_send(s, "model=slow.safetensors&name=1.jpg", large, n),
                  *second = site_send(s, "model=slow.safetensors&name=2.jpg", large, n),
                  *third = site_send(s, "model=tiny.safetensors&name=3.png", small, m),
                  *target = g_strdup_printf("/api/job?id=%s", third);
  site_wait(s, first, "working");
  reply r = http_get(s->port, target);
  assert_non_null(strstr(r.body, "\"state\":\"waiting\""));
  assert_non_null(strstr(r.body, "\"width\":20,\"height\":20,"));
  assert_non_null(strstr(r.body, "\"tiles\":0,\"tiles_done\":0,"));
  expect_reply(&r, 200, "\"ahead\":2,");
  cancel(s, second);
  r = http_get(s->port, target);
  expect_reply(&r, 200, "\"ahead\":1");
  g_usleep(300000); /* the first is in the midst of it */
  cancel(s, first);
  site_wait(s, third, "done");
  site_wait(s, first, "cancelled");
  g_autofree char *picture = g_strdup_printf("/api/picture?id=%s&which=before", first);
  r = http_get(s->port, picture);
  expect_reply(&r, 404, "no longer known");
  cancel(s, third); /* forgets a result */
}

/* By a process whose end is not seen at once: another one holds its output. */
static void what_is_worked_on_is_not_forgotten(void **state) {
  enum { KEPT = 32 };
  site other = *(site *)*state;
  size_t n;
  g_autofree char *small = photo(20, 20, 8, ".png", &n), *program = site_path(&other, "program");
  assert_true(g_file_set_contents(program, "#!/bin/sh\nsleep 2\nexit 1\n", -1, NULL));
  assert_int_equal(g_chmod(program, 0700), 0);
  nd_serve_settings settings = nd_serve_defaults();
  settings.models = other.models;
  settings.program = program;
  settings.port = 0;
  assert_int_equal(nd_server_start(&settings, &other.server), 0);
  other.port = nd_server_port(other.server);
  g_autofree char *first = site_send(&other, "model=tiny.safetensors&name=1.png", small, n),
                  *target = g_strdup_printf("/api/job?id=%s", first);
  site_wait(&other, first, "working");
  g_usleep(100000); /* the other one is there */
  cancel(&other, first);
  for (int i = 0; i <= KEPT; i++) {
    g_autofree char *next = site_send(&other, "model=tiny.safetensors&name=n.png", small, n);
    cancel(&other, next);
  }
  reply r = http_get(other.port, target);
  expect_reply(&r, 200, "cancelled");
  nd_server_stop(other.server);
  g_unlink(program);
}

static void a_full_queue_is_said(void **state) {
  site *s = *state;
  size_t n, m;
  g_autofree char *large = photo(1000, 1000, 8, ".jpg", &n), *small = photo(20, 20, 8, ".png", &m);
  g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(ids, site_send(s, "model=slow.safetensors&name=1.jpg", large, n));
  for (int i = 0; i < 16; i++)
    g_ptr_array_add(ids, site_send(s, "model=tiny.safetensors&name=n.png", small, m));
  reply r = http(s->port, "POST", "/api/restore?model=tiny.safetensors&name=n.png", NULL, small, m);
  expect_reply(&r, 503, "16 photos are waiting already");
  for (guint i = ids->len; i-- > 0;)
    cancel(s, ids->pdata[i]);
}

static void the_end_takes_all_with_it(void **state) {
  site *s = *state;
  size_t n;
  g_autofree char *large = photo(1000, 1000, 8, ".jpg", &n),
                  *working = site_send(s, "model=slow.safetensors&name=1.jpg", large, n);
  g_free(site_send(s, "model=slow.safetensors&name=2.jpg", large, n)); /* waits */
  site_wait(s, working, "working");
  assert_true(site_kept(s) >= 4);
  gint64 begun = g_get_monotonic_time();
  nd_server_stop(s->server);
  s->server = NULL;
  assert_true(g_get_monotonic_time() - begun < 20 * G_USEC_PER_SEC);
  g_autoptr(GDir) dir = g_dir_open(s->tmp, 0, NULL);
  const char *left = g_dir_read_name(dir);
  if (left)
    fail_msg("'%s' is left behind", left);
}

static void what_a_killed_server_left_is_removed(void **state) {
  site *s = *state;
  struct utimbuf long_ago = {1e9, 1e9};
  const char *names[] = {"noiseda-left", "noiseda-unlocked", "other"};
  for (int i = 0; i < 3; i++) {
    g_autofree char *folder = g_build_filename(s->tmp, names[i], NULL),
                    *below = g_build_filename(folder, "x", NULL),
                    *lock = g_build_filename(folder, "lock", NULL);
    assert_int_equal(g_mkdir_with_parents(below, 0700), 0);
    if (i != 1)
      assert_true(g_file_set_contents(lock, "", -1, NULL));
    assert_int_equal(g_utime(folder, &long_ago), 0);
  }
  nd_serve_settings settings = nd_serve_defaults();
  nd_server *first, *second;
  settings.port = 0;
  settings.models = s->models;
  settings.program = ND_PROGRAM;
  assert_int_equal(nd_server_start(&settings, &first), 0);
  g_autofree char *left = g_build_filename(s->tmp, "noiseda-left", NULL),
                  *unlocked = g_build_filename(s->tmp, "noiseda-unlocked", NULL),
                  *other = g_build_filename(s->tmp, "other", NULL);
  assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
  assert_true(g_file_test(unlocked, G_FILE_TEST_EXISTS)); /* not known to be a server's */
  assert_true(g_file_test(other, G_FILE_TEST_EXISTS));
  g_autoptr(GDir) dir = g_dir_open(s->tmp, 0, NULL);
  for (const char *name; (name = g_dir_read_name(dir));) {
    g_autofree char *folder = g_build_filename(s->tmp, name, NULL);
    g_utime(folder, &long_ago);
  }
  assert_int_equal(nd_server_start(&settings, &second), 0); /* the first lives: its folder stays */
  g_dir_rewind(dir);
  int folders = 0;
  while (g_dir_read_name(dir))
    folders++;
  assert_int_equal(folders, 4);
  nd_server_stop(first);
  nd_server_stop(second);
  const char *remains[] = {unlocked, other};
  for (int i = 0; i < 2; i++) {
    g_autofree char *command = g_strdup_printf("rm -r '%s'", remains[i]);
    assert_int_equal(system(command), 0);
  }
}

/* ---- The program itself ---- */
static void the_program_ends_on_a_signal_and_tidies_up(void **state) {
  site *s = *state;
  const char *argv[] = {ND_PROGRAM, "serve", "--models", s->models, "--port", "0", NULL};
  GPid pid;
  int out, status, port = 0;
  char line[256] = "";
  assert_true(g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                                       G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                                       &pid, NULL, &out, NULL, NULL));
  FILE *said = fdopen(out, "r");
  assert_non_null(fgets(line, sizeof line, said));
  assert_int_equal(sscanf(line, "http://127.0.0.1:%d/", &port), 1);
  site other = {.port = port};
  size_t n;
  g_autofree char *large = photo(1000, 1000, 8, ".jpg", &n),
                  *id = site_send(&other, "model=slow.safetensors&name=1.jpg", large, n);
  site_wait(&other, id, "working");
  kill(pid, SIGTERM);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  fclose(said);
  g_autoptr(GDir) dir = g_dir_open(s->tmp, 0, NULL);
  assert_null(g_dir_read_name(dir));
}

/* What is said to be enough is. */
static void a_photo_that_does_not_fit_says_what_does(void **state) {
  const site *s = *state;
  size_t n;
  g_autofree char *png = photo(300, 200, 8, ".png", &n), *folder = site_path(s, "work"),
                  *upload = g_build_filename(folder, "upload", NULL),
                  *model = g_build_filename(s->models, "tiny.safetensors", NULL),
                  *result = g_build_filename(folder, "result.png", NULL);
  assert_int_equal(g_mkdir(folder, 0700), 0);
  assert_true(g_file_set_contents(upload, png, (gssize)n, NULL));
  nd_serve_work w = {.model = model, .folder = folder, .ending = ".png", .strength = 1, .memory = 1 << 10};
  assert_int_equal(nd_serve_work_on(&w, NULL, NULL), -1);
  const char *advice = strstr(nd_error(), " more; noiseda serve --memory ");
  if (!advice || !strstr(advice, "M is enough"))
    fail_msg("%s", nd_error());
  w.memory = (size_t)atoi(advice + strlen(" more; noiseda serve --memory ")) << 20;
  assert_int_equal(nd_serve_work_on(&w, NULL, NULL), 0);
  assert_true(g_file_test(result, G_FILE_TEST_EXISTS));
}

int main(void) {
  site_prepare();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_photo_is_restored_with_all_its_bits),
      cmocka_unit_test(metadata_comes_back),
      cmocka_unit_test(a_photo_that_does_not_fit_says_what_does),
      cmocka_unit_test(formats_are_as_named_or_as_asked),
      cmocka_unit_test(photos_wait_their_turn_and_can_be_cancelled),
      cmocka_unit_test(what_is_worked_on_is_not_forgotten),
      cmocka_unit_test(a_full_queue_is_said),
      cmocka_unit_test(the_end_takes_all_with_it),
      cmocka_unit_test(what_a_killed_server_left_is_removed),
      cmocka_unit_test(the_program_ends_on_a_signal_and_tidies_up),
  };
  return cmocka_run_group_tests(tests, site_enter, site_leave);
}
