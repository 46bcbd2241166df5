/* LPIPS against the lpips package (make_lpips.py), with weights from a formula. */
#include "golden.h"
#include "restore/lpips.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* The pictures of pair() in make_lpips.py. */
static void make_pair(int height, int width, float *a, float *b) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++) {
        int v = 30 + 5 * x + 3 * y + 40 * c + (x * y) % 97 * 4, w = v + (x * 31 + y * 17 + c * 11) % 83 - 37;
        *a++ = (float)((v % 1021 + 1021) % 1021) / 1000.0f;
        *b++ = (float)((w % 1021 + 1021) % 1021) / 1000.0f;
      }
}

static nd_lpips *with_formula(nd_features kind) {
  nd_lpips *l;
  const nd_params *params;
  assert_int_equal(nd_lpips_new(kind, &l), 0);
  float *values = nd_lpips_weights(l, &params);
  golden_weights(params, values);
  return l;
}

static void check_line(const char *line) {
  g_auto(GStrv) cell = g_strsplit(line, " ", 4);
  int height = atoi(cell[1]), width = atoi(cell[2]);
  size_t n = (size_t)height * (size_t)width * 3;
  g_autofree float *a = g_new(float, n), *b = g_new(float, n);
  double found, same, wanted = g_ascii_strtod(cell[3], NULL);
  nd_lpips *l = with_formula(strcmp(cell[0], "vgg") ? ND_FEATURES_ALEX : ND_FEATURES_VGG);
  make_pair(height, width, a, b);
  assert_int_equal(nd_lpips_measure(l, a, b, height, width, &found), 0);
  assert_int_equal(nd_lpips_measure(l, a, a, height, width, &same), 0);
  nd_lpips_free(l);
  if (fabs(found - wanted) > 1e-4 * wanted)
    fail_msg("%s: found %.9f", line, found);
  assert_true(fabs(same) < 1e-9);
}

static void distances_are_those_of_the_lpips_package(void **state) {
  (void)state;
  g_autofree char *text = NULL;
  assert_true(g_file_get_contents(ND_LPIPS_GOLDEN, &text, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(g_strstrip(text), "\n", -1);
  assert_int_equal(g_strv_length(lines), 4);
  for (int i = 0; lines[i]; i++)
    check_line(lines[i]);
}

static void save(const char *path, nd_lpips *l, int skipped) {
  const nd_params *params;
  const float *values = nd_lpips_weights(l, &params);
  int n = nd_params_length(params), kept = 0;
  g_autofree nd_st_tensor *all = g_new0(nd_st_tensor, n);
  for (int i = 0; i < n; i++) {
    const nd_param *p = nd_params_at(params, i);
    if (i == skipped)
      continue;
    nd_st_tensor *t = &all[kept++];
    *t = (nd_st_tensor){
        .name = p->name, .type = ND_ST_F32, .rank = p->rank, .count = p->count, .data = values + p->offset};
    for (int d = 0; d < p->rank; d++)
      t->shape[d] = p->dims[d];
  }
  assert_int_equal(nd_safetensors_save(path, all, (size_t)kept, NULL, 0), 0);
}

static void a_users_file_is_read_and_checked(void **state) {
  (void)state;
  g_autofree char *folder = g_dir_make_tmp("nd-lpips-XXXXXX", NULL),
                  *path = g_build_filename(folder, "alex.safetensors", NULL);
  nd_lpips *made = with_formula(ND_FEATURES_ALEX), *read;
  float a[40 * 40 * 3], b[40 * 40 * 3];
  double x, y;
  save(path, made, -1);
  assert_int_equal(nd_lpips_open(path, &read), 0);
  assert_int_equal(nd_lpips_kind(read), ND_FEATURES_ALEX);
  make_pair(40, 40, a, b);
  assert_int_equal(nd_lpips_measure(made, a, b, 40, 40, &x), 0);
  assert_int_equal(nd_lpips_measure(read, a, b, 40, 40, &y), 0);
  assert_true(x == y);
  assert_int_equal(nd_lpips_measure(read, a, b, 30, 40, &y), -1);
  assert_non_null(strstr(nd_error(), "40 x 30: alex needs at least 31 x 31"));
  nd_lpips_free(read);
  save(path, made, 3);
  assert_int_equal(nd_lpips_open(path, &read), -1);
  assert_null(read);
  assert_non_null(strstr(nd_error(), "features.3.bias"));
  save(path, made, 0);
  assert_int_equal(nd_lpips_open(path, &read), -1);
  assert_non_null(strstr(nd_error(), "no features.0.weight"));
  nd_lpips_free(made);
  g_unlink(path);
  g_rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(distances_are_those_of_the_lpips_package),
      cmocka_unit_test(a_users_file_is_read_and_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
