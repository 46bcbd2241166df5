/* Two views of a picture: six channels go through the network, one picture comes out. */
#include "setup.h"

#include <glib/gstdio.h>

#define NETWORK "restormer", "width=4;blocks=1,1;refinement=1;heads=1,2;dual_pixel=1"
enum { HEIGHT = 13, WIDTH = 11, PIXELS = HEIGHT * WIDTH };

static nd_restorer_settings picture_itself(void) {
  nd_restorer_settings s = nd_restorer_defaults();
  s.residual = false;
  return s;
}

static void views_equal_pytorch(void **state) {
  (void)state;
  setup u;
  open_setup(&u, NETWORK);
  golden *g = golden_open("restormer_dual");
  const nd_st_tensor *t = golden_tensor(g, "x");
  float *x = g_new(float, t->count);
  golden_copy(g, "x", x);
  float *y = restored(&u, picture_itself(), x, (int)t->shape[1], (int)t->shape[2]);
  golden_expect(golden_tensor(g, "output"), y, 1e-4);
  g_free(x);
  g_free(y);
  nd_safetensors_close(g);
  close_setup(&u);
}

/* The network applied to six channels that are put together and padded here: HEIGHT x WIDTH x 3, clamped. */
static float *directly(const setup *u, const float *left, const float *right) {
  enum { H = HEIGHT + 1, W = WIDTH + 1 };
  float *y = g_new(float, PIXELS * 3);
  nd_graph *g = nd_graph_new(u->params);
  nd_tensor x = nd_input(g, "x", 1, H, W, 6), out = nd_net_restore(g, u->net, x);
  nd_plan *plan;
  nd_output(g, "y", out);
  assert_int_equal(nd_compile(g, &plan), 0);
  nd_plan_bind(plan, u->values);
  float *in = nd_plan_tensor(plan, x);
  for (int i = 0; i < H * W * 6; i++) {
    int row = MIN(i / (W * 6), HEIGHT - 1), column = MIN(i / 6 % W, WIDTH - 1), c = i % 6;
    in[i] = (c < 3 ? left : right)[(row * WIDTH + column) * 3 + c % 3];
  }
  nd_run(plan, 0, 0, 0);
  for (int i = 0; i < PIXELS * 3; i++)
    y[i] = CLAMP(nd_plan_tensor(plan, out)[(i / (WIDTH * 3) * W) * 3 + i % (WIDTH * 3)], 0, 1);
  nd_plan_free(plan);
  nd_graph_free(g);
  return y;
}

static void make_image(nd_image *image, int channels, uint64_t seed) {
  nd_rng r = nd_rng_make(seed, 0, 0, ND_RANDOM_TEST);
  assert_int_equal(nd_image_new(WIDTH, HEIGHT, channels, image), 0);
  for (int i = 0; i < PIXELS * channels; i++)
    image->data[i] = (float)nd_rng_below(&r, 65536) / 65535;
}

static nd_restorer *restorer_of(const setup *u, nd_restorer_settings s) {
  nd_restorer *r;
  assert_int_equal(nd_restorer_new(u->net, u->params, "", u->values, s, &r), 0);
  return r;
}

static void images_and_rasters_equal_six_channels(void **state) {
  (void)state;
  setup u;
  nd_image left, right;
  nd_raster *in[2], *out;
  open_setup(&u, NETWORK);
  make_image(&left, 3, 1);
  make_image(&right, 3, 2);
  left.bits = right.bits = 16;
  float *wanted = directly(&u, left.data, right.data), got[PIXELS * 3];
  nd_restorer *r = restorer_of(&u, picture_itself());
  assert_int_equal(nd_raster_of(&left, &in[0]), 0);
  assert_int_equal(nd_raster_of(&right, &in[1]), 0);
  assert_int_equal(nd_raster_new_for(in[0], "x.png", &(nd_save_options){0}, &out), 0);
  assert_int_equal(nd_restorer_run_raster(r, in[0], in[1], out, NULL, NULL), 0);
  for (int y = 0; y < HEIGHT; y++)
    assert_int_equal(nd_raster_get(out, y, 0, WIDTH, got + y * WIDTH * 3, NULL), 0);
  assert_true(largest_difference(got, wanted, PIXELS * 3) < 1e-5 + 0.51 / 65535);
  assert_int_equal(nd_restorer_run_image(r, &left, &right, NULL, NULL), 0);
  assert_true(largest_difference(left.data, wanted, PIXELS * 3) < 1e-5);
  nd_raster_free(in[0]);
  nd_raster_free(in[1]);
  nd_raster_free(out);
  nd_restorer_free(r);
  nd_image_free(&left);
  nd_image_free(&right);
  g_free(wanted);
  close_setup(&u);
}

/* Strength 0 leaves what the sensor gives without views; equal views are that picture. */
static void strength_starts_at_the_mean_of_both(void **state) {
  (void)state;
  setup u;
  open_setup(&u, NETWORK);
  nd_restorer_settings s = picture_itself();
  float *x = random_picture(&u, HEIGHT, WIDTH), *full = restored(&u, s, x, HEIGHT, WIDTH);
  s.strength = 0.25;
  float *part = restored(&u, s, x, HEIGHT, WIDTH);
  s.strength = 0;
  float *none = restored(&u, s, x, HEIGHT, WIDTH);
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < 3; c++) {
      double mean = ((double)x[6 * i + c] + (double)x[6 * i + 3 + c]) / 2;
      assert_true(fabs((double)none[3 * i + c] - mean) < 1e-6);
      assert_true(fabs((double)part[3 * i + c] - (0.75 * mean + 0.25 * (double)full[3 * i + c])) < 1e-5);
    }
  for (int i = 0; i < PIXELS; i++)
    memcpy(x + 6 * i + 3, x + 6 * i, 3 * sizeof *x);
  float *equal = restored(&u, s, x, HEIGHT, WIDTH);
  for (int i = 0; i < PIXELS * 3; i++)
    assert_true(fabs((double)equal[i] - (double)x[i / 3 * 6 + i % 3]) < 1e-6);
  g_free(x);
  g_free(full);
  g_free(part);
  g_free(none);
  g_free(equal);
  close_setup(&u);
}

static void grey_views_are_three_equal_channels(void **state) {
  (void)state;
  setup u;
  nd_image left, right;
  float colours[2][PIXELS * 3];
  open_setup(&u, NETWORK);
  make_image(&left, 1, 1);
  make_image(&right, 1, 2);
  for (int i = 0; i < PIXELS * 3; i++)
    colours[0][i] = left.data[i / 3], colours[1][i] = right.data[i / 3];
  float *wanted = directly(&u, colours[0], colours[1]);
  nd_restorer *r = restorer_of(&u, picture_itself());
  assert_int_equal(nd_restorer_run_image(r, &left, &right, NULL, NULL), 0);
  assert_int_equal(left.channels, 1);
  for (int i = 0; i < PIXELS; i++)
    if (wanted[3 * i] > 0 && wanted[3 * i + 1] > 0 && wanted[3 * i + 2] > 0 && wanted[3 * i] < 1 &&
        wanted[3 * i + 1] < 1 && wanted[3 * i + 2] < 1) /* the mean is clamped, not what it is of */
      assert_true(fabs((double)left.data[i] -
                       ((double)wanted[3 * i] + (double)wanted[3 * i + 1] + (double)wanted[3 * i + 2]) / 3) <
                  1e-5);
  nd_restorer_free(r);
  nd_image_free(&left);
  nd_image_free(&right);
  g_free(wanted);
  close_setup(&u);
}

static void expect_failed(int result, const char *text) {
  assert_int_equal(result, -1);
  if (!strstr(nd_error(), text))
    fail_msg("the error lacks '%s': %s", text, nd_error());
}

static void missing_and_odd_views_are_told(void **state) {
  (void)state;
  setup dual, plain;
  nd_image left, right, small;
  open_setup(&dual, NETWORK);
  open_setup(&plain, "unet", "width=4;depth=2");
  make_image(&left, 3, 1);
  make_image(&right, 3, 2);
  assert_int_equal(nd_image_new(WIDTH, HEIGHT - 1, 3, &small), 0);
  nd_restorer *two = restorer_of(&dual, picture_itself()), *one = restorer_of(&plain, nd_restorer_defaults());
  expect_failed(nd_restorer_run_image(two, &left, NULL, NULL, NULL), "takes two views");
  expect_failed(nd_restorer_run_image(one, &left, &right, NULL, NULL), "takes one view");
  expect_failed(nd_restorer_run_image(two, &left, &small, NULL, NULL), "11 x 12");
  nd_restorer_free(two);
  nd_restorer_free(one);
  nd_image_free(&left);
  nd_image_free(&right);
  nd_image_free(&small);
  close_setup(&dual);
  close_setup(&plain);
}

int main(void) {
  nd_image_start();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(views_equal_pytorch),
      cmocka_unit_test(images_and_rasters_equal_six_channels),
      cmocka_unit_test(strength_starts_at_the_mean_of_both),
      cmocka_unit_test(grey_views_are_three_equal_channels),
      cmocka_unit_test(missing_and_odd_views_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
