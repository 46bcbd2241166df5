/* The inner loops of each instruction set at hand against the plain functions that they speed up. */
#include "../wide/micro_wide.h"
#include "tensor/kernels/attention.h"

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

/* Query t of a head against all keys, in double. */
static void attend(const nd_attention_shape *s, const float *first, int t, double *out) {
  int step = 3 * s->heads * s->width, d = s->width;
  double total = 0;
  memset(out, 0, (size_t)d * sizeof *out);
  for (int k = 0; k < s->tokens; k++) {
    double score = 0;
    for (int c = 0; c < d; c++)
      score += (double)first[t * step + c] * (double)first[k * step + d + c];
    double weight = exp(score / sqrt(d));
    total += weight;
    for (int c = 0; c < d; c++)
      out[c] += weight * (double)first[k * step + 2 * d + c];
  }
  for (int c = 0; c < d; c++)
    out[c] /= total;
}

static void check_attention(const nd_attention_shape *s) {
  int channels = s->heads * s->width;
  g_autofree float *qkv = noise((size_t)(s->n * s->tokens * 3 * channels), 1),
                   *y = g_new(float, s->n * s->tokens * channels);
  g_autofree double *expect = g_new(double, s->width);
  char *scratch = g_malloc(nd_attention_forward(s, NULL, NULL, (nd_arena){0}) + 64);
  nd_attention_forward(s, qkv, y, (nd_arena){.base = scratch + (64 - (uintptr_t)scratch % 64)});
  for (int i = 0; i < s->n * s->tokens * s->heads; i++) {
    int head = i % s->heads, t = i / s->heads % s->tokens, n = i / s->heads / s->tokens;
    attend(s, qkv + n * s->tokens * 3 * channels + 3 * head * s->width, t, expect);
    for (int c = 0; c < s->width; c++)
      if (fabs((double)y[i * s->width + c] - expect[c]) > 1e-5)
        fail_msg("%d tokens, %d heads of %d: token %d, head %d, channel %d is %g, not %g", s->tokens,
                 s->heads, s->width, t, head, c, (double)y[i * s->width + c], expect[c]);
  }
  g_free(scratch);
}

/* Sizes below, at and above the blocks of queries and the panels; few heads, whose queries threads share. */
static void attention_agrees_with_plain_sums(void **state) {
  (void)state;
  static const nd_attention_shape sizes[] = {{1, 1, 1, 1},   {2, 63, 3, 5},   {1, 64, 2, 16}, {1, 65, 1, 33},
                                             {3, 130, 5, 8}, {1, 300, 1, 64}, {1, 257, 2, 7}};
  for (int v = 0; v < ND_TESTED_MICROS; v++) {
    nd_micro_force(nd_tested_micro(v));
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
      check_attention(&sizes[i]);
    nd_micro_as_started();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(philox_gives_the_numbers_of_base),
                                     cmocka_unit_test(attention_agrees_with_plain_sums)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
