/* The inner loops of each instruction set at hand against the plain functions that they speed up. */
#include "../wide/micro_wide.h"
#include "tensor/kernels/matmul.h"

#include "base/base.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void philox_gives_the_numbers_of_base(void **state) {
  (void)state;
  const uint32_t keys[][2] = {{0, 0}, {0xffffffffu, 0xffffffffu}, {0xa4093822u, 0x299f31d0u}};
  const uint32_t firsts[][4] = {
      {0, 0, 0, 0}, {0xfffffff0u, 1, 2, 3}, {0x243f6a88u, 0x85a308d3u, ~0u, 0x03707344u}};
  for (int v = 0; v < ND_TESTED_MICROS; v++)
    for (int k = 0; k < 3; k++) {
      uint32_t out[4][ND_PHILOX_COUNTERS];
      nd_tested_micro(v)->philox(keys[k], firsts[k], out);
      for (uint32_t i = 0; i < ND_PHILOX_COUNTERS; i++) {
        uint32_t expect[4], counter[] = {firsts[k][0] + i, firsts[k][1], firsts[k][2], firsts[k][3]};
        nd_philox(keys[k], counter, expect);
        for (int j = 0; j < 4; j++)
          assert_int_equal(out[j][i], expect[j]);
      }
    }
}

static float *noise(size_t n, uint32_t which) {
  float *x = g_new(float, n);
  nd_rng r = nd_rng_make(3, 0, which, ND_RANDOM_TEST);
  nd_rng_fill_normal(&r, x, n);
  return x;
}

static double product(const nd_matmul_shape *s, const float *a, const float *b, int p, int i, int j) {
  double sum = 0;
  for (int k = 0; k < s->k; k++) {
    double x = (double)a[p * s->m * s->k + (s->transpose_a ? k * s->m + i : i * s->k + k)];
    sum += x * (double)b[p * s->k * s->n + (s->transpose_b ? j * s->k + k : k * s->n + j)];
  }
  return (double)s->scale * sum;
}

static void check_product(const nd_matmul_shape *s) {
  g_autofree float *a = noise((size_t)(s->batch * s->m * s->k), 1),
                   *b = noise((size_t)(s->batch * s->k * s->n), 2),
                   *out = g_new(float, s->batch * s->m * s->n);
  nd_matmul_multiply(s, a, b, out);
  for (int i = 0; i < s->batch * s->m * s->n; i++) {
    double expect = product(s, a, b, i / s->n / s->m, i / s->n % s->m, i % s->n);
    if (fabs((double)out[i] - expect) > 1e-5 * sqrt(s->k) * (double)s->scale)
      fail_msg("%d x %d x %d, %d %d: element %d is %g, not %g", s->m, s->n, s->k, s->transpose_a,
               s->transpose_b, i, (double)out[i], expect);
  }
}

/* Sizes below, at and above the blocks and panels. */
static void products_agree_with_plain_sums(void **state) {
  (void)state;
  static const int sizes[][3] = {{1, 1, 1},    {7, 16, 4},  {13, 17, 256},
                                 {256, 33, 9}, {257, 5, 3}, {6, 50, 515}};
  for (int v = 0; v < ND_TESTED_MICROS; v++) {
    nd_micro_force(nd_tested_micro(v));
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
      for (int t = 0; t < 4; t++)
        check_product(
            &(nd_matmul_shape){2, sizes[i][0], sizes[i][1], sizes[i][2], t & 1, t & 2, t ? 0.5f : 1});
    nd_micro_as_started();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(philox_gives_the_numbers_of_base),
                                     cmocka_unit_test(products_agree_with_plain_sums)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
