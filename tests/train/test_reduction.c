/* The pieces of a gradient: each parameter in exactly one, added once, in whatever order they come. */
#include "train/reduction-private.h"
#include "tensor/params-private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { PARAMS = 9 };

static nd_params *some_params(void) {
  nd_params *p = nd_params_new();
  for (int i = 0; i < PARAMS; i++) {
    char name[8];
    snprintf(name, sizeof name, "p%d", i);
    nd_params_declare(p, name, (nd_param){.init = ND_INIT_ZERO, .rank = 1, .dims = {1 + 13 * i}});
  }
  return p;
}

/* gradients = index, accumulated = 1000: after the end every float must be index + 1000. */
static void check(size_t piece, int told, bool backwards) {
  nd_params *params = some_params();
  nd_reduction *r = nd_reduction_new(params, NULL, piece);
  size_t size = nd_params_size(params);
  float gradients[2048], accumulated[2048];
  assert_true(size <= 2048);
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < size; i++)
      gradients[i] = -1, accumulated[i] = 1000;
    nd_reduction_start(r, gradients, accumulated);
    for (int k = 0; k < PARAMS; k++) {
      int i = backwards ? PARAMS - 1 - k : k;
      size_t end = i + 1 < PARAMS ? nd_params_at(params, i + 1)->offset : size;
      for (size_t x = nd_params_at(params, i)->offset; x < end; x++)
        gradients[x] = (float)x;
      if (k < told)
        nd_reduction_gradient(r, i);
    }
    assert_int_equal(nd_reduction_finish(r), 0);
    for (size_t i = 0; i < size; i++)
      assert_true(gradients[i] == (float)i + 1000);
  }
  nd_reduction_free(r);
  nd_params_free(params);
}

static void every_gradient_is_added_once(void **state) {
  (void)state;
  static const size_t pieces[] = {1, 40, 100, 0};
  for (int i = 0; i < 4; i++) {
    check(pieces[i], PARAMS, true);
    check(pieces[i], PARAMS, false);
    check(pieces[i], PARAMS - 3, true);
    check(pieces[i], 0, true);
  }
}

static void a_piece_goes_when_its_last_gradient_is_there(void **state) {
  (void)state;
  nd_params *params = some_params();
  nd_reduction *r = nd_reduction_new(params, NULL, 30); /* p0 16 floats, p1 16 | p2 32 | ... */
  float gradients[2048] = {0}, accumulated[2048];
  for (int i = 0; i < 2048; i++)
    accumulated[i] = 1;
  nd_reduction_start(r, gradients, accumulated);
  nd_reduction_gradient(r, 1);
  assert_true(gradients[16] == 0);
  nd_reduction_gradient(r, 0);
  assert_true(gradients[0] == 1 && gradients[16] == 1 && gradients[32] == 0);
  nd_reduction_gradient(r, 2);
  assert_true(gradients[32] == 1 && gradients[64] == 0);
  nd_reduction_free(r);
  nd_params_free(params);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_gradient_is_added_once),
                                     cmocka_unit_test(a_piece_goes_when_its_last_gradient_is_there)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
