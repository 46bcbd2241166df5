/* Films become pairs: which frames, their mean in linear light, what is said of films that are too short. */
#include "data/data.h"
#include "data/frames.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <glib/gstdio.h>

enum { WIDTH = 5, HEIGHT = 4, VALUES = WIDTH * HEIGHT * 3 };

typedef struct fixture {
  char *folder, *films, *out;
} fixture;

static void write_frame(const fixture *f, const char *name, int width, int level) {
  g_autofree char *path = g_build_filename(f->films, name, NULL), *folder = g_path_get_dirname(path);
  float pixels[2 * VALUES];
  assert_int_equal(g_mkdir_with_parents(folder, 0777), 0);
  for (int i = 0; i < 2 * VALUES; i++)
    pixels[i] = (float)level / 255;
  nd_image image = {.width = width, .height = HEIGHT, .channels = 3, .data = pixels};
  assert_int_equal(nd_image_save(path, &image, &(nd_save_options){.bits = 8}), 0);
}

static int level_of(const fixture *f, const char *part, const char *name) {
  g_autofree char *path = g_build_filename(f->out, part, name, NULL);
  nd_image image;
  if (nd_image_load_rgb(path, &image))
    fail_msg("%s", nd_error());
  int level = (int)lroundf(image.data[0] * 255);
  nd_image_free(&image);
  return level;
}

static void open_fixture(fixture *f) {
  f->folder = g_dir_make_tmp("noiseda-frames-XXXXXX", NULL);
  f->films = g_build_filename(f->folder, "films", NULL);
  f->out = g_build_filename(f->folder, "pairs", NULL);
}

static void remove_tree(const char *path) {
  GDir *dir = g_dir_open(path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    remove_tree(below);
  }
  if (dir)
    g_dir_close(dir);
  g_remove(path);
}

static void close_fixture(fixture *f) {
  remove_tree(f->folder);
  g_free(f->folder);
  g_free(f->films);
  g_free(f->out);
}

static nd_frames_settings settings(const fixture *f, int least, int most, nd_response response) {
  return (nd_frames_settings){.from = f->films,
                              .out = f->out,
                              .least = least,
                              .most = most,
                              .response = response,
                              .gamma = 2.2,
                              .seed = 1};
}

/* Frames 9 to 11 are in the order of their numbers, not of their letters; each film by itself. */
static void frames_are_averaged_in_linear_light(void **state) {
  (void)state;
  static const char *const names[] = {"a/f8.png", "a/f9.png", "a/f10.png", "a/f11.png",
                                      "b/x1.png", "b/x2.png", "b/x3.png"};
  static const int levels[] = {0, 30, 255, 7, 100, 200, 60};
  fixture f;
  open_fixture(&f);
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    write_frame(&f, names[i], WIDTH, levels[i]);
  for (int r = 0; nd_response_name(r); r++) {
    nd_frames_settings s = settings(&f, 3, 3, (nd_response)r);
    s.overwrite = true;
    nd_frames_made made;
    if (nd_frames_average(&s, &made))
      fail_msg("%s", nd_error());
    assert_int_equal(made.films, 2);
    assert_int_equal(made.pairs, 2);
    assert_int_equal(made.unused, 1);
    assert_int_equal(level_of(&f, "target", "a/f9.png"), 30);
    assert_int_equal(level_of(&f, "target", "b/x2.png"), 200);
    if (r != ND_RESPONSE_SRGB) {
      double power = r == ND_RESPONSE_POWER ? 2.2 : 1, sum = 0;
      for (int i = 0; i < 3; i++)
        sum += pow(levels[i] / 255.0, power);
      assert_true(abs(level_of(&f, "input", "a/f9.png") - (int)lround(255 * pow(sum / 3, 1 / power))) <= 1);
    }
  }
  close_fixture(&f);
}

/* A film whose levels rise evenly. */
static void write_film(const fixture *f, const char *names, int frames) {
  for (int i = 0; i < frames; i++) {
    g_autofree char *name = g_strdup_printf(names, i);
    write_frame(f, name, WIDTH, 2 * i);
  }
}

/* Counts are odd, within the range, and all of it; no frame is in two pairs. */
static void counts_fill_the_range(void **state) {
  (void)state;
  fixture f;
  open_fixture(&f);
  write_film(&f, "%04d.png", 60);
  nd_frames_settings s = settings(&f, 2, 6, ND_RESPONSE_NONE);
  nd_frames_made made;
  assert_int_equal(nd_frames_average(&s, &made), 0);
  assert_true(made.films == 1 && made.pairs >= 11 && made.pairs <= 20 && made.unused < 3);
  int seen[7] = {0}, end = 0;
  for (int i = 0; i < 60; i++) {
    g_autofree char *name = g_strdup_printf("%04d.png", i),
                    *path = g_build_filename(f.out, "input", name, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
      continue;
    int half = i - end; /* the first frame of the pair is the one after the last of the pair before */
    assert_true(half == 1 || half == 2);
    assert_int_equal(level_of(&f, "input", name), 2 * i); /* the mean of levels that rise evenly */
    seen[2 * half + 1]++;
    end = i + half + 1;
  }
  assert_true(seen[3] && seen[5]);
  close_fixture(&f);
}

/* Whatever is drawn, a film of the least number of frames makes a pair, and ends are used. */
static void short_films_are_used(void **state) {
  (void)state;
  fixture f;
  open_fixture(&f);
  write_film(&f, "%d.png", 8);
  nd_frames_settings s = settings(&f, 7, 61, ND_RESPONSE_NONE);
  nd_frames_made made;
  assert_int_equal(nd_frames_average(&s, &made), 0);
  assert_true(made.films == 1 && made.pairs == 1 && made.unused == 1);
  assert_int_equal(level_of(&f, "input", "3.png"), 6);
  close_fixture(&f);
}

static void expect_error(const nd_frames_settings *s, const char *text) {
  nd_frames_made made;
  assert_int_not_equal(nd_frames_average(s, &made), 0);
  if (!strstr(nd_error(), text))
    fail_msg("'%s' is not in '%s'", text, nd_error());
}

static void what_cannot_be_is_named(void **state) {
  (void)state;
  fixture f;
  open_fixture(&f);
  write_frame(&f, "1.png", WIDTH, 1);
  write_frame(&f, "2.png", WIDTH + 1, 1);
  write_frame(&f, "3.png", WIDTH, 1);
  nd_frames_settings s = settings(&f, 3, 3, ND_RESPONSE_NONE);
  expect_error(&s, "is 5 x 4");
  assert_false(g_file_test(f.out, G_FILE_TEST_EXISTS)); /* not half a pair */
  s.least = 7, s.most = 13;
  expect_error(&s, "no film of 7 frames");
  s.least = s.most = 4;
  expect_error(&s, "odd number");
  s.from = "/nowhere/at/all";
  s.most = 5;
  expect_error(&s, "/nowhere/at/all");
  close_fixture(&f);
}

static char *result(const fixture *f, const char *part, const char *name) {
  return g_build_filename(f->out, part, name, NULL);
}

/* What a run that was killed has left: a pair, and half of the next. */
static void pairs_that_are_there_stay_and_halves_are_completed(void **state) {
  (void)state;
  fixture f;
  open_fixture(&f);
  write_film(&f, "%d.png", 9);
  nd_frames_settings s = settings(&f, 3, 3, ND_RESPONSE_NONE);
  nd_frames_made made;
  assert_int_equal(nd_frames_average(&s, &made), 0);
  g_autofree char *kept = result(&f, "input", "1.png"), *half = result(&f, "input", "4.png"),
                  *other_half = result(&f, "target", "4.png"), *gone = result(&f, "target", "7.png"),
                  *gone_too = result(&f, "input", "7.png"), *text = NULL;
  assert_true(g_file_set_contents(kept, "kept", -1, NULL) &&
              g_file_set_contents(other_half, "half", -1, NULL));
  assert_true(!g_remove(half) && !g_remove(gone) && !g_remove(gone_too));
  s.skip_existing = true;
  assert_int_equal(nd_frames_average(&s, &made), 0);
  assert_true(made.pairs == 2 && made.skipped == 1 && made.unused == 0);
  assert_int_equal(level_of(&f, "input", "4.png"), 8);
  assert_int_equal(level_of(&f, "target", "7.png"), 14);
  assert_true(g_file_get_contents(kept, &text, NULL, NULL));
  assert_string_equal(text, "kept");
  g_clear_pointer(&text, g_free);
  assert_true(g_file_get_contents(other_half, &text, NULL, NULL));
  assert_string_equal(text, "half");
  close_fixture(&f);
}

/* Wherever the pairs are put: a second run makes the same of the same films. */
static void pairs_are_no_films(void **state) {
  (void)state;
  static const char *const outs[] = {"", "out", "a"};
  for (size_t k = 0; k < G_N_ELEMENTS(outs); k++) {
    fixture f;
    open_fixture(&f);
    write_frame(&f, "a/1.png", WIDTH, 10);
    write_frame(&f, "a/2.png", WIDTH, 20);
    write_frame(&f, "a/3.png", WIDTH, 30);
    g_free(f.out);
    f.out = g_build_filename(f.films, outs[k], NULL);
    nd_frames_settings s = settings(&f, 1, 1, ND_RESPONSE_NONE);
    nd_frames_made made;
    for (int again = 0; again < 2; again++) {
      if (nd_frames_average(&s, &made))
        fail_msg("%s", nd_error());
      assert_true(made.films == 1 && made.pairs == 3);
      s.overwrite = false;
      expect_error(&s, "exists already");
      s.overwrite = true;
    }
    g_autofree char *input = g_build_filename(f.out, "input", NULL);
    s.from = input;
    expect_error(&s, "where the pairs would go");
    close_fixture(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_are_averaged_in_linear_light),
      cmocka_unit_test(counts_fill_the_range),
      cmocka_unit_test(short_films_are_used),
      cmocka_unit_test(what_cannot_be_is_named),
      cmocka_unit_test(pairs_that_are_there_stay_and_halves_are_completed),
      cmocka_unit_test(pairs_are_no_films),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
