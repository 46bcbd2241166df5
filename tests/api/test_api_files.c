/* Files, and the two views of a dual-pixel sensor, through the public interface. */
#include "scene.h"

static void a_file_becomes_a_file(void **state) {
  scene *s = *state;
  nd_image image;
  float out[COUNT];
  g_autofree char *in = g_build_filename(s->folder, "in.png", NULL),
                  *to = g_build_filename(s->folder, "out.png", NULL);
  assert_int_equal(nd_image_start(), 0);
  assert_int_equal(nd_image_new(WIDTH, HEIGHT, 3, &image), 0);
  memcpy(image.data, s->x, sizeof s->x);
  assert_int_equal(nd_image_save(in, &image, &(nd_save_options){.bits = 16}), 0);
  nd_image_free(&image);
  assert_int_equal(noiseda_restore_file(s->model, in, to, NULL), 0);
  assert_int_equal(nd_image_load(to, &image), 0);
  assert_int_equal(image.bits, 16);
  for (int i = 0; i < COUNT; i++)
    s->x[i] = CLAMP(s->x[i], 0, 1);
  noiseda_picture from = floats(s->x), result = floats(out);
  assert_int_equal(noiseda_restore(s->model, &from, &result, NULL), 0);
  expect_near(image.data, out, 2e-4);
  nd_image_free(&image);
  assert_int_equal(noiseda_restore_file(s->model, "/nowhere/in.png", to, NULL), -1);
  assert_non_null(strstr(noiseda_error(), "/nowhere/in.png"));
  watch w = {0}; /* what can be known is, before the work */
  noiseda_options o = NOISEDA_OPTIONS;
  o.progress = count;
  o.context = &w;
  assert_int_equal(noiseda_restore_file(s->model, in, "out.gif", &o), -1);
  assert_non_null(strstr(noiseda_error(), "cannot write 'out.gif'"));
  assert_int_equal(w.calls, 0);
  g_unlink(in);
  g_unlink(to);
}

enum { VIEW_HEIGHT = 6, VIEW_WIDTH = 10, VIEW = VIEW_HEIGHT * VIEW_WIDTH * 3 };

static noiseda_picture view_of(float *data) {
  return (noiseda_picture){data, VIEW_WIDTH, VIEW_HEIGHT, 3, NOISEDA_FLOAT, 0};
}

/* views: what PyTorch was given; restored: what it made of that, clamped. */
static void open_views(const scene *s, noiseda_model **model, float views[2][VIEW], float *restored) {
  float x[2 * VIEW];
  golden *gold = golden_open("restormer_dual");
  golden_copy(gold, "x", x);
  golden_copy(gold, "output", restored);
  nd_safetensors_close(gold);
  for (int i = 0; i < VIEW; i++) {
    views[0][i] = x[i / 3 * 6 + i % 3];
    views[1][i] = x[i / 3 * 6 + 3 + i % 3];
    restored[i] = CLAMP(restored[i], 0, 1);
  }
  write_model(s->path, "restormer", "width=4;blocks=1,1;refinement=1;heads=1,2;dual_pixel=1");
  *model = noiseda_model_open(s->path);
  assert_non_null(*model);
  assert_int_equal(noiseda_model_views(*model), 2);
}

static void two_views_restore_as_pytorch_does(void **state) {
  scene *s = *state;
  noiseda_model *model;
  float views[2][VIEW], restored[VIEW], out[VIEW];
  open_views(s, &model, views, restored);
  noiseda_picture left = view_of(views[0]), right = view_of(views[1]), to = view_of(out);
  noiseda_options o = NOISEDA_OPTIONS;
  o.right = &right;
  assert_int_equal(noiseda_restore(model, &left, &to, &o), 0);
  for (int i = 0; i < VIEW; i++)
    assert_true(fabs((double)out[i] - (double)restored[i]) < 1e-4);
  o.right = NULL;
  assert_int_equal(noiseda_restore(model, &left, &to, &o), -1);
  assert_non_null(strstr(noiseda_error(), "options.right"));
  assert_int_equal(noiseda_restore(model, &left, &to, NULL), -1);
  o.right = &right;
  right.width--;
  assert_int_equal(noiseda_restore(model, &left, &to, &o), -1);
  assert_non_null(strstr(noiseda_error(), "9 x 6"));
  right.channels = 9;
  assert_int_equal(noiseda_restore(model, &left, &to, &o), -1);
  assert_non_null(strstr(noiseda_error(), "options.right"));
  right = view_of(views[1]);
  assert_int_equal(noiseda_restore(s->model, &left, &to, &o), -1);
  assert_non_null(strstr(noiseda_error(), "takes one view"));
  noiseda_model_close(model);
}

static void save_view(const char *path, const float *data) {
  nd_image image;
  assert_int_equal(nd_image_new(VIEW_WIDTH, VIEW_HEIGHT, 3, &image), 0);
  memcpy(image.data, data, VIEW * sizeof *data);
  assert_int_equal(nd_image_save(path, &image, &(nd_save_options){.bits = 16}), 0);
  nd_image_free(&image);
}

static void files_of_two_views_become_a_file(void **state) {
  scene *s = *state;
  noiseda_model *model;
  nd_image image;
  float views[2][VIEW], out[VIEW];
  g_autofree char *left_file = g_build_filename(s->folder, "left.png", NULL),
                  *right_file = g_build_filename(s->folder, "right.png", NULL),
                  *to_file = g_build_filename(s->folder, "to.png", NULL);
  open_views(s, &model, views, out);
  for (int i = 0; i < 2 * VIEW; i++)
    views[i / VIEW][i % VIEW] = roundf(CLAMP(views[i / VIEW][i % VIEW], 0, 1) * 65535) / 65535;
  assert_int_equal(nd_image_start(), 0);
  save_view(left_file, views[0]);
  save_view(right_file, views[1]);
  noiseda_picture left = view_of(views[0]), right = view_of(views[1]), to = view_of(out);
  noiseda_options o = NOISEDA_OPTIONS;
  o.right = &right;
  o.right_file = right_file;
  assert_int_equal(noiseda_restore(model, &left, &to, &o), 0);
  assert_int_equal(noiseda_restore_file(model, left_file, to_file, &o), 0);
  assert_int_equal(nd_image_load(to_file, &image), 0);
  for (int i = 0; i < VIEW; i++)
    assert_true(fabs((double)image.data[i] - (double)out[i]) < 1e-4);
  nd_image_free(&image);
  g_unlink(to_file);
  o.right_file = NULL;
  assert_int_equal(noiseda_restore_file(model, left_file, to_file, &o), -1);
  assert_non_null(strstr(noiseda_error(), left_file));
  assert_non_null(strstr(noiseda_error(), "options.right_file"));
  o.right_file = "/nowhere/right.png";
  assert_int_equal(noiseda_restore_file(model, left_file, to_file, &o), -1);
  assert_non_null(strstr(noiseda_error(), "/nowhere/right.png"));
  assert_false(g_file_test(to_file, G_FILE_TEST_EXISTS));
  noiseda_model_close(model);
  g_unlink(left_file);
  g_unlink(right_file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_file_becomes_a_file),
      TEST(two_views_restore_as_pytorch_does),
      TEST(files_of_two_views_become_a_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
