/* Pictures of any size: tiled equals whole, padding as in PyTorch, grey, strength, tiny sizes. */
#include "setup.h"

#include <stdio.h>

static void expect_tiled_equals_whole(const char *network, const char *settings, int height, int width,
                                      int tile) {
  setup u;
  open_setup(&u, network, settings);
  float *x = random_picture(&u, height, width);
  nd_restorer_settings whole = nd_restorer_defaults(), tiled = whole;
  whole.tile = 100000;
  tiled.tile = tile;
  float *a = restored(&u, whole, x, height, width), *b = restored(&u, tiled, x, height, width);
  size_t n = (size_t)height * (size_t)width * 3;
  double scale = 0;
  for (size_t i = 0; i < n; i++)
    scale = fmax(scale, fabs((double)a[i]));
  double d = largest_difference(a, b, n);
  if (!(d <= 2e-5 * scale))
    fail_msg("%s %s, %d x %d, tiles of %d: off by %g of %g", network, settings, width, height, tile, d,
             scale);
  g_free(x);
  g_free(a);
  g_free(b);
  close_setup(&u);
}

static void tiled_equals_whole(void **state) {
  (void)state;
  expect_tiled_equals_whole("unet", "width=4;depth=2", 97, 64, 48);
  expect_tiled_equals_whole("unet", "width=4;depth=3", 203, 157, 96);
  expect_tiled_equals_whole("unet", "width=4;depth=4", 331, 260, 208);
  expect_tiled_equals_whole("unet", "width=4;depth=4", 64, 500, 224);
  expect_tiled_equals_whole("dncnn", "width=6;depth=7", 75, 121, 37);
  expect_tiled_equals_whole("dncnn", "width=6;depth=7;norm=0;grey=1", 75, 121, 37);
  expect_tiled_equals_whole("swinir", "width=4;depths=2,3;heads=2,1;window=4", 75, 121, 52);
  expect_tiled_equals_whole("swinir", "width=6;depths=2;heads=2;window=8", 130, 40, 64);
  expect_tiled_equals_whole("nafnet", "width=4;middle_blocks=1;encoder_blocks=1;decoder_blocks=1", 70, 61,
                            32);
  expect_tiled_equals_whole("nafnet", "width=4;middle_blocks=2;encoder_blocks=1,2,1;decoder_blocks=1,1,2",
                            203, 157, 64);
  expect_tiled_equals_whole("nafnet", "width=8;middle_blocks=1;encoder_blocks=1,0;decoder_blocks=0,1", 16,
                            500, 48);
  expect_tiled_equals_whole(
      "nafnet", "width=4;middle_blocks=2;encoder_blocks=1,2;decoder_blocks=1,1;local=24", 203, 157, 64);
  expect_tiled_equals_whole(
      "nafnet", "width=4;middle_blocks=1;encoder_blocks=0,1;decoder_blocks=1,1;local=21", 16, 300, 60);
  expect_tiled_equals_whole("restormer", "width=4;blocks=1,1;heads=1,2;refinement=1", 75, 121, 32);
  expect_tiled_equals_whole("restormer", "width=8;blocks=1,2,1;heads=1,2,4;refinement=2;bias=1;norm_bias=1",
                            150, 203, 64);
  expect_tiled_equals_whole("restormer", "width=4;blocks=1,1;heads=2,1;refinement=0", 9, 300, 24);
  expect_tiled_equals_whole("restormer", "width=8;blocks=1,1;heads=1,2;refinement=1;dual_pixel=1", 75, 121,
                            32);
  expect_tiled_equals_whole("uformer", "width=4;depths=1,2,1;heads=1,2,2;window=4", 150, 70, 96);
  expect_tiled_equals_whole(
      "uformer", "width=4;depths=2,1,2;heads=1,2,2;window=4;modulators=1;transposed_up=1", 150, 160, 112);
}

/* With so little memory that the picture goes in many steps, some of them in several strips. */
static void expect_sliding_equals_whole(const char *network, const char *settings, int height, int width,
                                        size_t memory) {
  setup u;
  open_setup(&u, network, settings);
  float *x = random_picture(&u, height, width);
  nd_restorer_settings whole = nd_restorer_defaults(), little = whole;
  little.memory = memory;
  nd_restorer *r;
  int steps;
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, little, &r), 0);
  assert_int_equal(nd_restorer_count_tiles(r, height, width, &steps), 0);
  if (steps <= 10)
    fail_msg("%s %s, %d x %d, %zu bytes: %d steps", network, settings, width, height, memory, steps);
  nd_restorer_free(r);
  float *a = restored(&u, whole, x, height, width), *b = restored(&u, little, x, height, width);
  size_t n = (size_t)height * (size_t)width * 3;
  double scale = largest_difference(a, x, n), d = largest_difference(a, b, n);
  if (!(d <= 2e-5 * scale))
    fail_msg("%s %s, %d x %d, %zu bytes: off by %g of %g", network, settings, width, height, memory, d,
             scale);
  g_free(x);
  g_free(a);
  g_free(b);
  close_setup(&u);
}

static void sliding_equals_whole(void **state) {
  (void)state;
  expect_sliding_equals_whole("unet", "width=4;depth=3", 403, 61, 450 << 10);
  expect_sliding_equals_whole("unet", "width=4;depth=4", 331, 260, 3 << 20);
  expect_sliding_equals_whole("unet", "width=4;depth=2", 200, 400, 600 << 10);
  expect_sliding_equals_whole("dncnn", "width=6;depth=7", 175, 121, 600 << 10);
}

/* A pixel farther away than the reach changes nothing; one near it does. */
static void expect_reach(const char *network, const char *settings, int least) {
  setup u;
  open_setup(&u, network, settings);
  int reach = nd_net_reach(u.net), farthest = 0, middle = (reach + 16) / 8 * 8, size = 2 * middle;
  float *x = random_picture(&u, size, size);
  nd_restorer_settings s = nd_restorer_defaults();
  float *before = restored(&u, s, x, size, size);
  for (int at = middle; at < middle + 8; at++) {
    float *changed = g_memdup2(x, (size_t)(size * size * 3) * sizeof *x);
    for (int c = 0; c < 3; c++)
      changed[(at * size + at) * 3 + c] += 100;
    float *after = restored(&u, s, changed, size, size);
    for (int i = 0; i < size * size; i++)
      if (fabs((double)before[3 * i] - (double)after[3 * i]) > 1e-4)
        farthest = MAX(farthest, MAX(abs(i / size - at), abs(i % size - at)));
    g_free(changed);
    g_free(after);
  }
  if (farthest > reach || farthest < least)
    fail_msg("%s %s: a pixel reaches %d pixels, not %d to %d", network, settings, farthest, least, reach);
  g_free(x);
  g_free(before);
  close_setup(&u);
}

static void the_reach_is_enough_and_not_absurd(void **state) {
  (void)state;
  expect_reach("unet", "width=4;depth=3", 15);
  expect_reach("dncnn", "width=6;depth=7", 6);
  expect_reach("swinir", "width=6;depths=1,1;heads=2,1;window=8", 19);
  expect_reach("swinir", "width=6;depths=2;heads=2;window=4", 9);
  expect_reach("uformer", "width=4;depths=1,1,2;heads=1,1,1;window=4;transposed_up=1", 20);
  expect_reach("uformer", "width=4;depths=1,1,2;heads=1,1,1;window=4", 20);
}

static void expect_odd_size(const char *golden_name, const char *network, const char *settings) {
  setup u;
  open_setup(&u, network, settings);
  golden *g = golden_open(golden_name);
  const nd_st_tensor *t = golden_tensor(g, "x");
  float *x = g_new(float, t->count);
  golden_copy(g, "x", x);
  float *y = restored(&u, nd_restorer_defaults(), x, (int)t->shape[1], (int)t->shape[2]);
  golden_expect(golden_tensor(g, "restored"), y, 1e-4);
  g_free(x);
  g_free(y);
  nd_safetensors_close(g);
  close_setup(&u);
}

static void odd_sizes_equal_pytorch(void **state) {
  (void)state;
  expect_odd_size("unet_restore", "unet", "width=8;depth=4");
  expect_odd_size("dncnn_restore", "dncnn", "width=8;depth=6");
  expect_odd_size("nafnet_restore", "nafnet",
                  "width=6;middle_blocks=1;encoder_blocks=1,2;decoder_blocks=1,1");
  expect_odd_size("swinir_restore", "swinir", "width=12;depths=2,3;heads=3,2;window=4;mlp_ratio=1.5");
  expect_odd_size("uformer_restore", "uformer",
                  "width=8;depths=2,1,2;heads=2,4,1;window=4;mlp_ratio=1.5;image_size=64;"
                  "modulators=1;transposed_up=1");
  expect_odd_size("restormer_restore", "restormer",
                  "width=4;blocks=1,1,1;refinement=0;heads=2,2,4;expansion=1.5;bias=1;norm_bias=1");
}

/* Stages overlap by a little, however far the network as a whole sees. */
static void stages_that_do_not_fit_say_so(void **state) {
  (void)state;
  setup u;
  open_setup(&u, "nafnet", "width=4;middle_blocks=1;encoder_blocks=1;decoder_blocks=1");
  float *x = random_picture(&u, 64, 48), *y = g_new(float, 64 * 48 * 3);
  nd_restorer_settings s = nd_restorer_defaults();
  nd_restorer *r;
  int tiles;
  s.tile = 2;
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, s, &r), 0);
  assert_int_equal(nd_restorer_run(r, x, 64, 48, y, NULL, NULL), -1);
  assert_non_null(strstr(nd_error(), "--tile"));
  assert_int_equal(nd_restorer_count_tiles(r, 64, 48, &tiles), -1);
  nd_restorer_free(r);
  s.tile = 0;
  s.memory = 1000;
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, s, &r), 0);
  assert_int_equal(nd_restorer_run(r, x, 64, 48, y, NULL, NULL), -1);
  size_t lacking = nd_restorer_lacking(r);
  assert_true(lacking > 1000);
  g_autofree char *said = g_strdup_printf("allow %s more", nd_bytes((double)lacking).text);
  assert_non_null(strstr(nd_error(), said));
  nd_restorer_free(r);
  s.memory += lacking; /* for all stages, at once */
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, s, &r), 0);
  if (nd_restorer_run(r, x, 64, 48, y, NULL, NULL))
    fail_msg("%s", nd_error());
  assert_true(nd_restorer_lacking(r) == 0);
  nd_restorer_free(r);
  g_free(x);
  g_free(y);
  close_setup(&u);
}

static void strength_scales_the_correction(void **state) {
  (void)state;
  setup u;
  open_setup(&u, "unet", "width=4;depth=2");
  float *x = random_picture(&u, 9, 7);
  nd_restorer_settings s = nd_restorer_defaults();
  float *full = restored(&u, s, x, 9, 7);
  s.strength = 0.25;
  float *part = restored(&u, s, x, 9, 7);
  for (int i = 0; i < 9 * 7 * 3; i++)
    assert_true(fabs((double)(part[i] - x[i]) - 0.25 * (double)(full[i] - x[i])) < 1e-4);
  g_free(x);
  g_free(full);
  g_free(part);
  close_setup(&u);
}

static void tiny_and_grey_pictures_work(void **state) {
  (void)state;
  setup u;
  open_setup(&u, "unet", "width=4;depth=4");
  nd_restorer *r;
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, nd_restorer_defaults(), &r), 0);
  for (int size = 1; size <= 5; size += 2) {
    nd_image grey;
    assert_int_equal(nd_image_new(size, size + 1, 1, &grey), 0);
    assert_int_equal(nd_restorer_run_image(r, &grey, NULL, NULL, NULL), 0);
    assert_int_equal(grey.channels, 1);
    for (int i = 0; i < size * (size + 1); i++)
      assert_true(grey.data[i] >= 0 && grey.data[i] <= 1);
    nd_image_free(&grey);
  }
  nd_restorer_free(r);
  close_setup(&u);
}

static void the_result_may_take_the_inputs_place(void **state) {
  (void)state;
  setup u;
  open_setup(&u, "unet", "width=4;depth=2");
  float *x = random_picture(&u, 100, 90);
  nd_restorer_settings s = nd_restorer_defaults();
  s.tile = 48;
  float *y = restored(&u, s, x, 100, 90);
  nd_restorer *r;
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, s, &r), 0);
  assert_int_equal(nd_restorer_run(r, x, 100, 90, x, NULL, NULL), 0);
  assert_memory_equal(x, y, 100 * 90 * 3 * sizeof *x);
  nd_restorer_free(r);
  g_free(x);
  g_free(y);
  close_setup(&u);
}

static void memory_is_kept_to(void **state) {
  (void)state;
  setup u;
  open_setup(&u, "unet", "width=8;depth=3");
  float *x = random_picture(&u, 600, 500);
  nd_restorer_settings s = nd_restorer_defaults();
  s.memory = 8 << 20;
  size_t before = nd_mem_used();
  nd_restorer *r;
  float *y = g_new(float, 600 * 500 * 3);
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, s, &r), 0);
  assert_int_equal(nd_restorer_run(r, x, 600, 500, y, NULL, NULL), 0);
  assert_true(nd_mem_used() - before <= s.memory * 11 / 10);
  nd_restorer_free(r);
  s.tile = 16;
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, s, &r), 0);
  assert_int_equal(nd_restorer_run(r, x, 600, 500, y, NULL, NULL), -1);
  const char *least = strstr(nd_error(), "--tile ");
  assert_non_null(least);
  s.tile = atoi(least + 7);
  nd_restorer_free(r);
  for (int less = 1; less >= 0; less--) { /* no less will do */
    nd_restorer_settings t = s;
    t.tile -= less * nd_net_multiple(u.net);
    assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, t, &r), 0);
    assert_int_equal(nd_restorer_run(r, x, 600, 500, y, NULL, NULL), -less);
    nd_restorer_free(r);
  }
  g_free(x);
  g_free(y);
  close_setup(&u);
}

/* Of a picture restored in parts; its result, in its own place, which takes the same memory. */
static char *profile_of_parts(const char *network, const char *settings, size_t memory) {
  setup u;
  open_setup(&u, network, settings);
  float *x = random_picture(&u, 331, 260);
  nd_restorer_settings s = nd_restorer_defaults();
  s.memory = memory;
  float *y = restored(&u, s, x, 331, 260);
  s.profile = nd_profile_new();
  nd_restorer *r;
  assert_int_equal(nd_restorer_new(u.net, u.params, "", u.values, s, &r), 0);
  nd_profile_begin(s.profile);
  assert_int_equal(nd_restorer_run(r, x, 331, 260, x, NULL, NULL), 0);
  nd_profile_end(s.profile);
  nd_restorer_free(r);
  assert_memory_equal(x, y, 331 * 260 * 3 * sizeof *x);
  char *table = nd_profile_table(s.profile, "picture");
  nd_profile_free(s.profile);
  g_free(x);
  g_free(y);
  close_setup(&u);
  return table;
}

static void expect_laid_out_once(const char *network, const char *settings, size_t memory,
                                 const char *stage) {
  g_autofree char *table = profile_of_parts(network, settings, memory),
                  *line = g_strdup_printf("\n%s ", stage);
  const char *at = strstr(table, line);
  if (!at || strtol(at + strlen(line), NULL, 10) != 1)
    fail_msg("'%s' is to be there once:\n%s", stage, table);
}

static void a_large_picture_is_laid_out_once(void **state) {
  (void)state;
  expect_laid_out_once("unet", "width=4;depth=4", 3 << 20, "find strips");
  expect_laid_out_once("nafnet", "width=4;middle_blocks=1;encoder_blocks=1;decoder_blocks=1", 1 << 20,
                       "find stages");
}

/* Between one stage of a network and the next all of the picture is written and read again. */
static void stages_say_what_copying_takes(void **state) {
  (void)state;
  static const char *const words[] = {"\nplan ", "\ncopy tile in ", "\ncopy tile out "};
  g_autofree char *table =
      profile_of_parts("restormer", "width=4;blocks=1,1;heads=1,1;refinement=0", 1 << 20);
  for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
    if (!strstr(table, words[i]))
      fail_msg("'%s' is not in: %s", words[i] + 1, table);
}

int main(void) {
  nd_image_start();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tiled_equals_whole),
      cmocka_unit_test(sliding_equals_whole),
      cmocka_unit_test(the_reach_is_enough_and_not_absurd),
      cmocka_unit_test(odd_sizes_equal_pytorch),
      cmocka_unit_test(strength_scales_the_correction),
      cmocka_unit_test(tiny_and_grey_pictures_work),
      cmocka_unit_test(the_result_may_take_the_inputs_place),
      cmocka_unit_test(memory_is_kept_to),
      cmocka_unit_test(stages_that_do_not_fit_say_so),
      cmocka_unit_test(a_large_picture_is_laid_out_once),
      cmocka_unit_test(stages_say_what_copying_takes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
