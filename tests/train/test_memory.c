/* What a run is said to need is what it takes, and what is advised fits. */
#include "train/trainer-private.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MEGABYTE = 1 << 20, PROGRAM = 96 * MEGABYTE };

static nd_recipe make(const char *more) {
  g_autofree char *text =
      g_strdup_printf("mode: source\nrestoration: {network: unet, width: 16, depth: 3}\n"
                      "data: {clean: /, degradation: {kind: gaussian}, patch_size: 128, batch_size: 8, "
                      "cache_mb: 100}\n%s",
                      more);
  nd_recipe r;
  nd_recipe_init(&r);
  if (nd_recipe_parse(&r, text, "r.yaml") || nd_recipe_check(&r))
    fail_msg("%s", nd_error());
  return r;
}

/* Counted where it is taken; the batches ahead are not open yet. */
static size_t taken_by(const nd_recipe *r) {
  nd_trainer *t;
  size_t before = nd_mem_used();
  if (nd_trainer_new(r, NULL, &t))
    fail_msg("%s", nd_error());
  size_t taken = nd_mem_used() - before, batches = (size_t)8 * 8 * 2 * 128 * 128 * 3 * sizeof(float);
  nd_trainer_free(t);
  return taken + batches + PROGRAM;
}

static void the_estimate_is_what_is_taken(void **state) {
  (void)state;
  static const char *const runs[] = {"", "training: {accumulation_steps: 4}\n"};
  for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
    nd_recipe r = make(runs[i]);
    size_t taken = taken_by(&r), cache;
    assert_int_equal(nd_memory_fit_in(&r, 1, taken + MEGABYTE, &cache), 0);
    assert_int_equal(nd_memory_fit_in(&r, 1, taken - MEGABYTE, &cache), -1);
    nd_recipe_clear(&r);
  }
}

static void the_advice_fits(void **state) {
  (void)state;
  nd_recipe r = make("");
  size_t limit = taken_by(&r) - 8 * MEGABYTE, cache;
  assert_int_equal(nd_memory_fit_in(&r, 1, limit, &cache), -1);
  assert_int_equal(r.training.accumulation_steps, 1);
  assert_non_null(strstr(nd_error(), "r.yaml:"));
  const char *advice = strstr(nd_error(), "accumulation_steps=");
  assert_non_null(advice);
  r.training.accumulation_steps = atoi(strchr(advice, '=') + 1);
  assert_int_equal(nd_memory_fit_in(&r, 1, limit, &cache), 0);
  assert_true(taken_by(&r) <= limit);
  nd_recipe_clear(&r);
}

static void smaller_patches_are_advised_where_passes_do_not_do(void **state) {
  (void)state;
  nd_recipe r = make("training: {accumulation_steps: 8}\n");
  size_t limit = taken_by(&r) - 3 * MEGABYTE, cache;
  assert_int_equal(nd_memory_fit_in(&r, 1, limit, &cache), -1);
  const char *advice = strstr(nd_error(), "patch_size=");
  assert_non_null(advice);
  r.data.patch_size = atoi(strchr(advice, '=') + 1);
  assert_int_equal(nd_memory_fit_in(&r, 1, limit, &cache), 0);
  nd_recipe_clear(&r);
}

/* The program itself takes more than that. */
static void smaller_networks_are_advised_where_they_do(void **state) {
  (void)state;
  nd_recipe r = make("");
  size_t cache;
  assert_int_equal(nd_memory_fit_in(&r, 1, PROGRAM / 2, &cache), -1);
  assert_non_null(strstr(nd_error(), "no network trains in less than"));
  nd_recipe_clear(&r);
  r = make("");
  assert_int_equal(nd_memory_fit_in(&r, 1, PROGRAM + 2 * MEGABYTE, &cache), -1);
  assert_non_null(strstr(nd_error(), "smaller networks are needed"));
  nd_recipe_clear(&r);
}

/* A budget that was given can be raised: smaller networks are not what is needed. */
static void a_budget_that_is_too_small_says_which_would_do(void **state) {
  (void)state;
  static const int budgets[] = {PROGRAM / 2, PROGRAM + 2 * MEGABYTE};
  for (size_t i = 0; i < G_N_ELEMENTS(budgets); i++) {
    nd_recipe r = make("");
    size_t cache;
    r.training.memory = budgets[i] / MEGABYTE;
    assert_int_equal(nd_memory_fit_in(&r, 1, (size_t)budgets[i], &cache), -1);
    if (strstr(nd_error(), "smaller networks") || strstr(nd_error(), "no network"))
      fail_msg("%s", nd_error());
    const char *advice = strstr(nd_error(), " allows ");
    assert_non_null(advice);
    advice = strstr(advice, "; --memory ");
    assert_non_null(advice);
    r.training.memory = atoi(advice + strlen("; --memory "));
    assert_int_equal(nd_memory_fit_in(&r, 1, (size_t)r.training.memory << 20, &cache), 0);
    nd_recipe_clear(&r);
  }
}

static void a_budget_chooses_the_fewest_passes(void **state) {
  (void)state;
  nd_recipe one = make(""), four = make("training: {accumulation_steps: 4}\n");
  size_t cache, limit = taken_by(&four) + MEGABYTE;
  one.training.memory = (int)(limit >> 20);
  assert_int_equal(nd_memory_fit_in(&one, 1, limit, &cache), 0);
  assert_int_equal(one.training.accumulation_steps, 4);
  assert_true(cache <= 16 * MEGABYTE);
  assert_int_equal(nd_memory_fit_in(&one, 1, 4 * limit, &cache), 0);
  assert_int_equal(one.training.accumulation_steps, 4);
  assert_int_equal(cache, 100 * MEGABYTE);
  nd_recipe_clear(&one);
  nd_recipe_clear(&four);
}

/* 512 x 512 x 512 x 16 numbers: no tensor can have so many. */
static void a_batch_that_no_tensor_can_hold_is_cut_too(void **state) {
  (void)state;
  nd_recipe r = make("");
  size_t cache;
  r.data.patch_size = 512;
  r.data.batch_size = 512;
  r.training.memory = 20480;
  assert_int_equal(nd_memory_fit_in(&r, 1, (size_t)20 << 30, &cache), 0);
  assert_true(r.training.accumulation_steps > 1);
  r.training.accumulation_steps = 1;
  r.training.memory = 0;
  assert_int_equal(nd_memory_fit_in(&r, 1, (size_t)20 << 30, &cache), -1);
  assert_non_null(strstr(nd_error(), "r.yaml:"));
  assert_non_null(strstr(nd_error(), "too many numbers"));
  assert_non_null(strstr(nd_error(), "training.accumulation_steps="));
  nd_recipe_clear(&r);
}

static void processes_share_the_batch(void **state) {
  (void)state;
  nd_recipe whole = make(""), half = make("");
  half.data.batch_size = 4;
  size_t cache, limit = taken_by(&half) + MEGABYTE;
  assert_int_equal(nd_memory_fit_in(&whole, 1, limit, &cache), -1);
  assert_int_equal(nd_memory_fit_in(&whole, 2, limit, &cache), 0);
  nd_recipe_clear(&whole);
  nd_recipe_clear(&half);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_estimate_is_what_is_taken),
                                     cmocka_unit_test(the_advice_fits),
                                     cmocka_unit_test(smaller_networks_are_advised_where_they_do),
                                     cmocka_unit_test(smaller_patches_are_advised_where_passes_do_not_do),
                                     cmocka_unit_test(a_budget_that_is_too_small_says_which_would_do),
                                     cmocka_unit_test(a_budget_chooses_the_fewest_passes),
                                     cmocka_unit_test(processes_share_the_batch),
                                     cmocka_unit_test(a_batch_that_no_tensor_can_hold_is_cut_too)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
