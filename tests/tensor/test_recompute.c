/* What the backward pass computes again: the same bits as if it had been kept, in less memory. */
#include "tensor/graph-private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { SIZE = 16, CHANNELS = 8 };

typedef struct chain {
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_tensor x;
  float *values, *gradients;
} chain;

/* conv(gelu(depthwise(up(pool(concat(norm(x), x)))))): all between the convolutions is cheap, with dropout
 * among it. */
static nd_tensor block(nd_graph *g, nd_tensor x, bool keep) {
  static const nd_group_norm_settings norm = {2, 1e-5f, ND_ACT_SILU, 0.2f};
  const int c = CHANNELS;
  nd_tensor gamma = nd_parameter(g, "gamma", ND_INIT_ONE, 1, &c),
            beta = nd_parameter(g, "beta", ND_INIT_ZERO, 1, &c);
  nd_tensor cheap[6] = {nd_group_norm(g, x, gamma, beta, ND_NONE, norm)};
  cheap[1] = nd_concat(g, cheap[0], x, 3);
  cheap[2] = nd_average_pool(g, cheap[1], 2);
  cheap[3] = nd_upsample_nearest(g, cheap[2], 2);
  nd_tensor each = nd_parameter(g, "each", ND_INIT_KAIMING, 4, (int[]){2 * c, 1, 3, 3});
  cheap[4] = nd_conv2d(g, cheap[3], each, ND_NONE, (nd_conv2d_settings){.pad = 1, .groups = 2 * c});
  cheap[5] = nd_activate(g, cheap[4], ND_ACT_GELU, 0);
  for (int i = 0; i < 6 && keep; i++)
    nd_output(g, "kept", cheap[i]);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, (int[]){c, 2 * c, 3, 3});
  return nd_conv2d(g, cheap[5], w, ND_NONE, (nd_conv2d_settings){.pad = 1});
}

static void chain_open(chain *ch, int blocks, bool keep) {
  *ch = (chain){.params = nd_params_new()};
  ch->g = nd_graph_new(ch->params);
  nd_tensor h = ch->x = nd_input(ch->g, "x", 2, SIZE, SIZE, CHANNELS);
  for (int i = 0; i < blocks; i++) {
    nd_scope_push(ch->g, "%d", i);
    h = block(ch->g, h, keep);
    nd_scope_pop(ch->g);
  }
  if (nd_backward(ch->g, nd_mse(ch->g, h, ch->x)) || nd_compile(ch->g, &ch->plan))
    fail_msg("%s", nd_error());
  size_t bytes = nd_params_size(ch->params) * sizeof(float);
  ch->values = nd_mem_alloc(bytes, "test");
  nd_params_init(ch->params, 1, ch->values);
  nd_plan_bind(ch->plan, ch->values);
  ch->gradients = nd_plan_gradients(ch->plan);
}

static void chain_close(chain *ch) {
  nd_plan_free(ch->plan);
  nd_graph_free(ch->g);
  nd_params_free(ch->params);
  nd_mem_free(ch->values);
}

static void chain_run(chain *ch) {
  nd_rng r = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_rng_fill_normal(&r, nd_plan_tensor(ch->plan, ch->x), 2 * SIZE * SIZE * CHANNELS);
  nd_run(ch->plan, 1, 7, 0);
}

static void gradients_have_the_bits_of_kept_values(void **state) {
  (void)state;
  chain again, kept;
  chain_open(&again, 3, false);
  chain_open(&kept, 3, true);
  chain_run(&again);
  chain_run(&kept);
  size_t n = nd_params_size(again.params);
  assert_int_equal(n, nd_params_size(kept.params));
  assert_memory_equal(again.gradients, kept.gradients, n * sizeof(float));
  float largest = 0;
  for (size_t i = 0; i < n; i++)
    largest = again.gradients[i] > largest ? again.gradients[i] : largest;
  assert_true(largest > 0);
  chain_close(&again);
  chain_close(&kept);
}

static size_t arena(int blocks) {
  chain ch;
  chain_open(&ch, blocks, false);
  size_t bytes = nd_plan_bytes(ch.plan);
  chain_close(&ch);
  return bytes;
}

/* Of a block, only what goes into it has to last until the gradient comes back; kept were also the norm, the
 * concatenation (2), the pooled (1/2), the upsampled, the depth-wise and the activated (2 each). */
static void a_block_keeps_its_input_alone(void **state) {
  (void)state;
  size_t input = 2 * SIZE * SIZE * CHANNELS * sizeof(float), small = arena(4), large = arena(12);
  assert_in_range(large - small, 8 * input * 9 / 10, 8 * input * 11 / 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_have_the_bits_of_kept_values),
                                     cmocka_unit_test(a_block_keeps_its_input_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
