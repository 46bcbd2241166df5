/* The engine itself: memory reuse, no damage by in-place work, errors, determinism, what is not computed. */
#include "tensor/graph-private.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static nd_tensor conv(nd_graph *g, const char *name, nd_tensor x, int out) {
  int in = nd_dims(g, x)[3];
  nd_scope_push(g, "%s", name);
  nd_tensor w = nd_parameter(g, "weight", ND_INIT_KAIMING, 4, (int[]){out, in, 3, 3});
  nd_tensor b = nd_parameter(g, "bias", ND_INIT_ZERO, 1, &out);
  nd_scope_pop(g);
  return nd_conv2d(g, x, w, b,
                   (nd_conv2d_settings){.pad = 1, .activation = ND_ACT_LEAKY_RELU, .slope = 0.2f});
}

typedef struct chain {
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_tensor x, y, loss;
  float *values, *gradients;
} chain;

static void chain_open(chain *c, int depth, bool training) {
  c->params = nd_params_new();
  c->g = nd_graph_new(c->params);
  nd_tensor h = c->x = nd_input(c->g, "x", 1, 32, 32, 8);
  for (int i = 0; i < depth; i++) {
    char name[8];
    snprintf(name, sizeof name, "c%d", i);
    h = nd_dropout(c->g, conv(c->g, name, h, 8), 0.1f);
  }
  c->y = h;
  nd_output(c->g, "y", h);
  c->loss = nd_mse(c->g, h, c->x);
  nd_output(c->g, "loss", c->loss);
  if (training)
    assert_int_equal(nd_backward(c->g, c->loss), 0);
  assert_int_equal(nd_compile(c->g, &c->plan), 0);
  c->values = nd_mem_alloc(nd_params_size(c->params) * sizeof(float), "test");
  nd_params_init(c->params, 1, c->values);
  nd_plan_bind(c->plan, c->values);
  c->gradients = nd_plan_gradients(c->plan);
}

static void chain_run(chain *c, uint64_t step) {
  nd_rng r = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_rng_fill_normal(&r, nd_plan_tensor(c->plan, c->x), 32 * 32 * 8);
  nd_run(c->plan, 1, step, 0);
}

static void chain_close(chain *c) {
  nd_plan_free(c->plan);
  nd_graph_free(c->g);
  nd_params_free(c->params);
  nd_mem_free(c->values);
}

static void inference_memory_does_not_grow_with_depth(void **state) {
  (void)state;
  chain shallow, deep;
  chain_open(&shallow, 4, false);
  chain_open(&deep, 16, false);
  assert_int_equal(nd_plan_bytes(shallow.plan), nd_plan_bytes(deep.plan));
  chain_close(&shallow);
  chain_close(&deep);
}

static void runs_are_bit_identical_and_differ_by_step(void **state) {
  (void)state;
  chain c;
  chain_open(&c, 5, true);
  chain_run(&c, 7);
  size_t bytes = nd_params_size(c.params) * sizeof(float);
  float *first = g_memdup2(c.gradients, bytes);
  chain_run(&c, 8);
  assert_memory_not_equal(first, c.gradients, bytes);
  chain_run(&c, 7);
  assert_memory_equal(first, c.gradients, bytes);
  g_free(first);
  chain_close(&c);
}

static void running_allocates_nothing(void **state) {
  (void)state;
  chain c;
  chain_open(&c, 5, true);
  chain_run(&c, 0);
  size_t before = nd_mem_used();
  chain_run(&c, 1);
  assert_int_equal(nd_mem_used(), before);
  chain_close(&c);
}

/* Buffers that live at the same time must not overlap, whatever the plan did: poison the arena between runs.
 */
static void results_do_not_depend_on_old_contents(void **state) {
  (void)state;
  chain c;
  chain_open(&c, 6, true);
  chain_run(&c, 3);
  float y = nd_plan_tensor(c.plan, c.y)[5], loss = nd_plan_tensor(c.plan, c.loss)[0],
        gradient = c.gradients[3];
  for (guint t = 0; t < c.g->values->len; t++) {
    const nd_value *v = nd_value_of(c.g, (int)t);
    float *data = nd_plan_tensor(c.plan, (int)t);
    for (size_t i = 0; v->place == ND_IN_ARENA && data && i < v->count; i++)
      data[i] = NAN;
  }
  chain_run(&c, 3);
  assert_true(y == nd_plan_tensor(c.plan, c.y)[5]);
  assert_true(loss == nd_plan_tensor(c.plan, c.loss)[0]);
  assert_true(gradient == c.gradients[3]);
  chain_close(&c);
}

/* Where the buffer of gradients held activations before, and between its parameters, nothing is left of them.
 */
static void gradients_share_the_memory_of_activations(void **state) {
  (void)state;
  chain c;
  chain_open(&c, 12, true);
  size_t bytes = nd_params_size(c.params) * sizeof(float), overlapping = 0;
  for (guint t = 0; t < c.g->values->len; t++) {
    const float *data = nd_plan_tensor(c.plan, (int)t);
    overlapping += nd_value_of(c.g, (int)t)->place == ND_IN_ARENA && data && data < c.gradients + bytes / 4;
  }
  assert_true(overlapping > 0);
  memset(c.gradients, 0xff, nd_plan_bytes(c.plan));
  chain_run(&c, 3);
  for (int i = 0; i < nd_params_length(c.params); i++) {
    const nd_param *p = nd_params_at(c.params, i);
    bool moved = false;
    for (size_t k = p->offset; k < nd_params_end(c.params, i); k++) {
      assert_true(isfinite(c.gradients[k]) && (k < p->offset + p->count || c.gradients[k] == 0));
      moved |= c.gradients[k] != 0;
    }
    assert_true(moved);
  }
  chain_close(&c);
}

/* A convolution's weights are larger than a 4 x 4 picture of its channels: their gradient can wait. */
static size_t gradients_before_the_last_activation(bool early) {
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_graph_set_early_gradients(g, early);
  nd_tensor x = nd_input(g, "x", 1, 4, 4, 32), h = x;
  for (int i = 0; i < 4; i++) {
    char name[8];
    snprintf(name, sizeof name, "c%d", i);
    h = conv(g, name, h, 32);
  }
  assert_int_equal(nd_backward(g, nd_mse(g, h, x)), 0);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), 0);
  g_autofree char *text = nd_plan_describe(plan);
  size_t count = 0;
  const char *last = g_strrstr(text, "  arena ");
  for (const char *at = text; (at = strstr(at, "gradient of")) && at < last; at++)
    count++;
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
  return count;
}

static void large_gradients_wait_unless_asked_for(void **state) {
  (void)state;
  assert_int_equal(gradients_before_the_last_activation(false), 0);
  assert_true(gradients_before_the_last_activation(true) >= 3);
}

static void a_parameter_without_use_has_a_zero_gradient(void **state) {
  (void)state;
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_tensor x = nd_input(g, "x", 1, 64, 64, 8);
  nd_output(g, "idle", conv(g, "idle", x, 8));
  nd_tensor loss = nd_mse(g, conv(g, "a", conv(g, "b", x, 8), 8), x);
  assert_int_equal(nd_backward(g, loss), 0);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), 0);
  g_autofree float *values = g_new(float, nd_params_size(params));
  nd_params_init(params, 1, values);
  nd_plan_bind(plan, values);
  for (int i = 0; i < 64 * 64 * 8; i++)
    nd_plan_tensor(plan, x)[i] = 1;
  nd_run(plan, 0, 0, 0);
  const nd_param *idle = nd_params_find(params, "idle.weight"), *used = nd_params_find(params, "b.weight");
  double sums[2] = {0};
  for (size_t i = 0; i < idle->count; i++) {
    sums[0] += fabs((double)nd_plan_gradients(plan)[idle->offset + i]);
    sums[1] += fabs((double)nd_plan_gradients(plan)[used->offset + i]);
  }
  assert_true(sums[0] == 0 && sums[1] > 0);
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
}

static void a_parameter_used_twice_gets_both_gradients(void **state) {
  (void)state;
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_tensor w = nd_parameter(g, "w", ND_INIT_ONE, 1, (int[]){1});
  nd_tensor y = nd_add(g, nd_affine(g, w, 3, 0), nd_mul(g, w, w)); /* 3 w + w^2 */
  assert_int_equal(nd_backward(g, y), 0);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), 0);
  float values[16] = {2};
  nd_plan_bind(plan, values);
  nd_run(plan, 0, 0, 0);
  assert_true(nd_plan_gradients(plan)[0] == 7);
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
}

static void a_detached_branch_is_not_differentiated(void **state) {
  (void)state;
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_tensor x = nd_input(g, "x", 1, 8, 8, 4);
  nd_tensor y = nd_detach(g, conv(g, "frozen", x, 4));
  nd_tensor loss = nd_mse(g, conv(g, "live", y, 4), x);
  assert_int_equal(nd_backward(g, loss), 0);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), 0);
  g_autofree char *text = nd_plan_describe(plan);
  assert_null(strstr(text, "gradient of frozen"));
  assert_non_null(strstr(text, "gradient of live.weight"));
  assert_null(strstr(text, "conv2d_backward_data")); /* nobody asked for the gradient of a picture */
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
}

static void the_first_mistake_is_reported_with_its_place(void **state) {
  (void)state;
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_scope_push(g, "block");
  nd_tensor bad = nd_add(g, nd_input(g, "a", 1, 4, 4, 3), nd_input(g, "b", 1, 4, 4, 5));
  assert_int_equal(bad, ND_NONE);
  assert_int_equal(conv(g, "later", bad, 4), ND_NONE);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), -1);
  assert_non_null(strstr(nd_error(), "block"));
  assert_non_null(strstr(nd_error(), "1 x 4 x 4 x 5"));
  nd_graph_free(g);
  nd_params_free(params);
}

static void dropout_keeps_the_mean_and_its_rate(void **state) {
  (void)state;
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_tensor x = nd_input(g, "x", 2, 100, 100, 4), y = nd_dropout(g, x, 0.2f);
  nd_output(g, "y", y);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), 0);
  double sum[2] = {0};
  int dropped = 0, same = 0, n = 40000;
  for (int i = 0; i < 2 * n; i++)
    nd_plan_tensor(plan, x)[i] = 1;
  nd_run(plan, 1, 1, 0);
  const float *out = nd_plan_tensor(plan, y);
  for (int i = 0; i < n; i++) {
    sum[0] += (double)out[i], sum[1] += (double)out[n + i];
    dropped += out[i] == 0;
    same += (out[i] == 0) == (out[n + i] == 0);
  }
  assert_true(fabs(dropped / (double)n - 0.2) < 0.01);
  assert_true(fabs(sum[0] / n - 1) < 0.01 && fabs(sum[1] / n - 1) < 0.01);
  assert_true(fabs(same / (double)n - 0.68) < 0.01); /* the samples' masks are independent */
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
}

/* Masks of a tensor with `parts` times `count` samples, of a batch of `total`, from sample `first` on. */
static float *masks(int parts, uint32_t count, uint32_t total, uint32_t first) {
  enum { EACH = 100 };
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  int n = parts * (int)count;
  nd_tensor x = nd_input(g, "x", n, 10, 10, 1), y = nd_dropout(g, x, 0.5f);
  nd_output(g, "y", y);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), 0);
  for (int i = 0; i < n * EACH; i++)
    nd_plan_tensor(plan, x)[i] = 1;
  nd_plan_set_share(plan, (nd_share){count, total});
  nd_run(plan, 1, 1, first);
  float *out = g_memdup2(nd_plan_tensor(plan, y), (gsize)n * EACH * sizeof(float));
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
  return out;
}

static void a_share_of_the_batch_has_the_masks_of_the_whole(void **state) {
  (void)state;
  g_autofree float *whole = masks(2, 4, 4, 0), *second = masks(2, 2, 4, 2);
  assert_memory_equal(second, whole + 2 * 100, 200 * sizeof(float));
  assert_memory_equal(second + 200, whole + 6 * 100, 200 * sizeof(float));
}

typedef struct listener {
  chain *c;
  int told[16], stop;
  float before;
} listener;

static bool replace_the_loss(void *context) {
  listener *l = context;
  l->before = nd_plan_tensor(l->c->plan, l->c->loss)[0];
  nd_plan_tensor(l->c->plan, l->c->loss)[0] = 5;
  return !l->stop;
}

static void note_gradient(int param, void *context) {
  ((listener *)context)->told[param]++;
}

static void a_watched_run_tells_and_stops(void **state) {
  (void)state;
  chain c;
  chain_open(&c, 3, true);
  listener l = {.c = &c};
  chain_run(&c, 1);
  float loss = nd_plan_tensor(c.plan, c.loss)[0], gradient = c.gradients[3];
  nd_plan_set_watch(c.plan, (nd_watch){c.loss, replace_the_loss, note_gradient, &l});
  chain_run(&c, 1);
  assert_true(l.before == loss && nd_plan_tensor(c.plan, c.loss)[0] == 5 && c.gradients[3] == gradient);
  for (int i = 0; i < nd_params_length(c.params); i++)
    assert_int_equal(l.told[i], 1);
  l.stop = 1;
  chain_run(&c, 1);
  assert_int_equal(l.told[0], 1);
  chain_close(&c);
}

/* The scores of all 4096 pixels against each other would take 64 MiB. */
static void attention_never_holds_all_scores(void **state) {
  (void)state;
  int threads = nd_threads();
  nd_set_threads(2);
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_plan *plan;
  nd_tensor x = nd_input(g, "x", 1, 64, 64, 3 * 8);
  nd_require_gradient(g, x);
  nd_tensor y = nd_attention(g, x, 1);
  assert_int_equal(nd_backward(g, nd_mse(g, y, nd_affine(g, y, 0, 0))), 0);
  nd_output(g, "dx", nd_gradient(g, x));
  assert_int_equal(nd_lay_out(g, &plan), 0);
  assert_true(nd_plan_bytes(plan) < 16 << 20);
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
  nd_set_threads(threads);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(inference_memory_does_not_grow_with_depth),
      cmocka_unit_test(runs_are_bit_identical_and_differ_by_step),
      cmocka_unit_test(running_allocates_nothing),
      cmocka_unit_test(results_do_not_depend_on_old_contents),
      cmocka_unit_test(gradients_share_the_memory_of_activations),
      cmocka_unit_test(large_gradients_wait_unless_asked_for),
      cmocka_unit_test(a_parameter_without_use_has_a_zero_gradient),
      cmocka_unit_test(a_parameter_used_twice_gets_both_gradients),
      cmocka_unit_test(a_detached_branch_is_not_differentiated),
      cmocka_unit_test(the_first_mistake_is_reported_with_its_place),
      cmocka_unit_test(dropout_keeps_the_mean_and_its_rate),
      cmocka_unit_test(a_share_of_the_batch_has_the_masks_of_the_whole),
      cmocka_unit_test(attention_never_holds_all_scores),
      cmocka_unit_test(a_watched_run_tells_and_stops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
