/* The baselines: their gradients against finite differences, where they hide pixels, and that they train. */
#include "adapt/adapt-private.h"
#include "train/train-private.h"
#include "weights/model.h"

#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { N = 2, SIZE = 16, PIXELS = SIZE * SIZE };

typedef struct trial {
  nd_net *net;
  nd_params *params;
  nd_graph *g;
  nd_plan *plan;
  nd_objective o;
  nd_train_state state;
  float strength[N]; /* of a graft, as drawn: a run may use its place again */
} trial;

static void fill(float *x, size_t n, uint32_t seed) {
  nd_rng r = nd_rng_make(seed, 0, 0, ND_RANDOM_TEST);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)nd_rng_uniform(&r);
}

static nd_objective_settings of_mode(nd_mode mode) {
  nd_objective_settings s = nd_objective_defaults();
  s.mode = mode;
  return s;
}

static int build(trial *t, nd_objective_settings s, const char *network, const char *settings) {
  *t = (trial){.params = nd_params_new()};
  assert_int_equal(nd_net_from_text(network, ND_RESTORATION, settings, &t->net), 0);
  t->g = nd_graph_new(t->params);
  nd_objective_build(t->g, &s, t->net, NULL, N, SIZE, &t->o);
  return nd_backward(t->g, t->o.loss) || nd_compile(t->g, &t->plan);
}

static void open_network(trial *t, nd_objective_settings s, const char *network, const char *settings) {
  if (build(t, s, network, settings))
    fail_msg("%s: %s", network, nd_error());
  assert_int_equal(nd_train_state_new(t->params, &t->state), 0);
  nd_params_init(t->params, 3, t->state.values);
  nd_plan_bind(t->plan, t->state.values);
  t->state.gradients = nd_plan_gradients(t->plan);
}

static void open_with(trial *t, nd_objective_settings s) {
  open_network(t, s, "unet", "width=4;depth=2");
}

static void open_trial(trial *t, nd_mode mode) {
  open_with(t, of_mode(mode));
}

static void close_trial(trial *t) {
  nd_plan_free(t->plan);
  nd_graph_free(t->g);
  nd_params_free(t->params);
  nd_net_free(t->net);
  nd_train_state_free(&t->state);
}

static void run(trial *t, double alpha, uint64_t step) {
  fill(nd_plan_tensor(t->plan, t->o.synthetic), N * PIXELS * 3, 1);
  fill(nd_plan_tensor(t->plan, t->o.clean), N * PIXELS * 3, 2);
  if (t->o.real >= 0)
    fill(nd_plan_tensor(t->plan, t->o.real), N * PIXELS * 3, 4);
  if (t->o.damage >= 0)
    fill(nd_plan_tensor(t->plan, t->o.damage), N * PIXELS * 3, 5);
  if (t->o.taught >= 0)
    fill(nd_plan_tensor(t->plan, t->o.taught), N * PIXELS * 3, 6);
  nd_plan_tensor(t->plan, t->o.alpha)[0] = (float)alpha;
  nd_objective_draw(&t->o, t->plan, NULL, (nd_levels){1, 999, 1}, 7, step, 0);
  if (t->o.strength >= 0)
    memcpy(t->strength, nd_plan_tensor(t->plan, t->o.strength), sizeof t->strength);
  nd_run(t->plan, 0, 0, 0);
}

static double value(const trial *t, nd_tensor x) {
  return (double)nd_plan_tensor(t->plan, x)[0];
}

/* What a scope's parameters should go down: these multiples of the losses. */
typedef struct share {
  double restoration, diffusion, total;
} share;

/* The slope along the gradient itself, for the parameters under a scope. Closes the trial. */
static void check_slope_of(trial t, const char *scope, double alpha, share of, double within) {
  run(&t, alpha, 0);
  g_autofree float *gradient = g_memdup2(t.state.gradients, t.state.size * sizeof *gradient),
                   *values = g_memdup2(t.state.values, t.state.size * sizeof *values);
  double squares = 0, at[2];
  for (int i = 0; i < nd_params_length(t.params); i++) {
    const nd_param *p = nd_params_at(t.params, i);
    for (size_t j = p->offset; j < p->offset + p->count; j++) {
      gradient[j] = g_str_has_prefix(p->name, scope) ? gradient[j] : 0;
      squares += (double)gradient[j] * (double)gradient[j];
    }
  }
  assert_true(squares > 1e-8);
  double h = 2e-3 / sqrt(squares);
  for (int side = 0; side < 2; side++) {
    for (size_t j = 0; j < t.state.size; j++)
      t.state.values[j] = values[j] + (float)((side ? h : -h) * (double)gradient[j]);
    run(&t, alpha, 0);
    at[side] = of.restoration * value(&t, t.o.loss_restoration) +
               of.diffusion * value(&t, t.o.loss_diffusion) + of.total * value(&t, t.o.loss);
  }
  double slope = (at[1] - at[0]) / (2 * h);
  if (!(fabs(slope - squares) <= within * squares))
    fail_msg("%s of %s: slope %.6g, gradient %.6g", scope, nd_net_name(t.net), slope, squares);
  close_trial(&t);
}

static void check_slope(nd_mode mode, const char *scope, double alpha, share of) {
  trial t;
  open_trial(&t, mode);
  check_slope_of(t, scope, alpha, of, 0.02);
}

static void noise2void_gradients_are_the_slopes(void **state) {
  (void)state;
  check_slope(ND_MODE_NOISE2VOID, ND_SCOPE_RESTORATION, 0.5, (share){1, 0.5, 0});
  check_slope(ND_MODE_NOISE2VOID, ND_SCOPE_RESTORATION, 3, (share){1, 3, 0});
}

/* The classifier goes down its loss, R up it. */
static void dann_gradients_are_reversed_for_the_network_alone(void **state) {
  (void)state;
  check_slope(ND_MODE_DANN, ND_SCOPE_DOMAIN, 0.5, (share){0, 1, 0});
  check_slope(ND_MODE_DANN, ND_SCOPE_RESTORATION, 0, (share){1, 0, 0});
  check_slope(ND_MODE_DANN, ND_SCOPE_RESTORATION, 5, (share){1, -5, 0});
}

/* The discriminator goes down its loss, the translator up it and down the likeness, which is what is left of
 * the total without the two other losses; R learns from both kinds of pairs, and nobody else does. */
static void translator_deceives_and_the_network_learns(void **state) {
  (void)state;
  check_slope(ND_MODE_TRANSLATE, ND_SCOPE_DOMAIN, 0.5, (share){0, 1, 0});
  check_slope(ND_MODE_TRANSLATE, ND_SCOPE_TRANSLATOR, 0, (share){-1, -2, 1});
  check_slope(ND_MODE_TRANSLATE, ND_SCOPE_RESTORATION, 0.7, (share){0, 0, 1});
}

/* A trial of source training on one picture's worth of `x`; the gradient is the caller's. */
static float *source_gradient(const float *values, const float *x, const float *clean, float *restored,
                              double *loss) {
  trial t;
  open_trial(&t, ND_MODE_SOURCE);
  memcpy(t.state.values, values, t.state.size * sizeof *values);
  nd_output(t.g, "restored", t.o.restored_synthetic);
  nd_plan_free(t.plan);
  assert_int_equal(nd_compile(t.g, &t.plan), 0);
  nd_plan_bind(t.plan, t.state.values);
  t.state.gradients = nd_plan_gradients(t.plan);
  memcpy(nd_plan_tensor(t.plan, t.o.synthetic), x, sizeof(float[N * PIXELS * 3]));
  memcpy(nd_plan_tensor(t.plan, t.o.clean), clean, sizeof(float[N * PIXELS * 3]));
  nd_run(t.plan, 0, 0, 0);
  memcpy(restored, nd_plan_tensor(t.plan, t.o.restored_synthetic), sizeof(float[N * PIXELS * 3]));
  *loss = value(&t, t.o.loss_restoration);
  float *gradient = g_memdup2(t.state.gradients, t.state.size * sizeof *gradient);
  close_trial(&t);
  return gradient;
}

enum { COUNT = N * PIXELS * 3, HALF = SIZE / 2 };

/* Restores the pictures of every second pixel from (row, column) on. */
static void restore_every_second(const float *values, const float *real, int row, int column,
                                 float *restored) {
  nd_params *params = nd_params_new();
  nd_net *net;
  assert_int_equal(nd_net_from_text("unet", ND_RESTORATION, "width=4;depth=2", &net), 0);
  nd_graph *g = nd_graph_new(params);
  nd_tensor x = nd_input(g, "x", N, HALF, HALF, 3), y;
  nd_scope_push(g, ND_SCOPE_RESTORATION);
  y = nd_net_restore(g, net, x);
  nd_output(g, "y", y);
  nd_scope_pop(g);
  nd_plan *plan;
  assert_int_equal(nd_compile(g, &plan), 0);
  g_autofree float *mine = g_memdup2(values, nd_params_size(params) * sizeof(float));
  nd_plan_bind(plan, mine);
  for (int i = 0; i < N * HALF * HALF * 3; i++) {
    int c = i % 3, at_x = i / 3 % HALF, at_y = i / 3 / HALF % HALF, n = i / 3 / HALF / HALF;
    nd_plan_tensor(plan, x)[i] = real[((n * SIZE + 2 * at_y + row) * SIZE + 2 * at_x + column) * 3 + c];
  }
  nd_run(plan, 0, 0, 0);
  for (int i = 0; i < N * HALF * HALF * 3; i++) {
    int c = i % 3, at_x = i / 3 % HALF, at_y = i / 3 / HALF % HALF, n = i / 3 / HALF / HALF;
    int to = ((n * SIZE + 2 * at_y + row) * SIZE + 2 * at_x + column) * 3 + c;
    restored[to] = real[to] + nd_plan_tensor(plan, y)[i];
  }
  nd_plan_free(plan);
  nd_graph_free(g);
  nd_params_free(params);
  nd_net_free(net);
}

/* What the settings make of the real photos, by hand. */
static void restore_real(const nd_objective_settings *s, const float *values, const float *real,
                         float *restored) {
  double ignored;
  g_autofree float *clean = g_new0(float, COUNT);
  if (s->graft_stride < 2)
    g_free(source_gradient(values, real, clean, restored, &ignored));
  else
    for (int k = 0; k < 4; k++)
      restore_every_second(values, real, k / 2, k % 2, restored);
}

/* Clean pictures with the damage: what was taken off, or what the loader gave, cut off at black and white. */
static void put_on(const trial *t, const float *real, const float *restored, const float *clean, float *out) {
  float given[COUNT];
  fill(given, COUNT, 5);
  for (int i = 0; i < COUNT; i++)
    if (t->o.damage >= 0)
      out[i] = fminf(fmaxf(clean[i] + given[i], 0), 1);
    else
      out[i] = clean[i] + t->strength[i / (PIXELS * 3)] * (real[i] - restored[i]);
}

/* Is it source training on two kinds of pairs, the second ones these and weighed by alpha? */
static void expect_source_training(const trial *t, double alpha, const float *degraded, const float *target) {
  float clean[COUNT], synthetic[COUNT], restored[COUNT];
  fill(synthetic, COUNT, 1);
  fill(clean, COUNT, 2);
  double of_synthetic, of_second;
  g_autofree float *a = source_gradient(t->state.values, synthetic, clean, restored, &of_synthetic),
                   *b = source_gradient(t->state.values, degraded, target, restored, &of_second);
  assert_true(fabs(value(t, t->o.loss_diffusion) - of_second) < 1e-5 * of_second);
  assert_true(fabs(value(t, t->o.loss_restoration) - of_synthetic) < 1e-5 * of_synthetic);
  double error = 0, size = 0;
  for (size_t i = 0; i < t->state.size; i++) {
    double expected = (double)a[i] + alpha * (double)b[i], d = (double)t->state.gradients[i] - expected;
    error += d * d;
    size += expected * expected;
  }
  assert_true(size > 1e-8 && error < 1e-8 * size);
}

/* The second pairs are made from what source weights take off. */
static void check_graft(nd_objective_settings s) {
  static const double alpha = 0.7;
  trial t;
  open_with(&t, s);
  run(&t, alpha, 3);
  float real[COUNT], clean[COUNT], restored[COUNT], grafted[COUNT];
  fill(clean, COUNT, 2);
  fill(real, COUNT, 4);
  restore_real(&s, t.state.values, real, restored);
  put_on(&t, real, restored, clean, grafted);
  expect_source_training(&t, alpha, grafted, clean);
  close_trial(&t);
}

/* And here they are the real photos with damage and what the teacher says of those without. */
static void a_teachers_pupil_is_trained_on_pairs_it_is_given(void **state) {
  (void)state;
  static const double alpha = 3;
  trial t;
  open_trial(&t, ND_MODE_TEACHER);
  run(&t, alpha, 0);
  float worse[COUNT], damage[COUNT], taught[COUNT];
  fill(worse, COUNT, 4);
  fill(damage, COUNT, 5);
  fill(taught, COUNT, 6);
  for (int i = 0; i < COUNT; i++)
    worse[i] += damage[i];
  expect_source_training(&t, alpha, worse, taught);
  close_trial(&t);
}

static void grafting_is_source_training_on_pairs_it_makes(void **state) {
  (void)state;
  nd_objective_settings s = of_mode(ND_MODE_GRAFT);
  s.graft_stride = 1;
  check_graft(s);
  s.graft_stride = 2;
  check_graft(s);
  s.graft_given = true;
  check_graft(s);
}

/* Strengths fill the range, and no more. */
static void strengths_are_of_the_range(void **state) {
  (void)state;
  trial t;
  float least = 9, most = 0;
  open_trial(&t, ND_MODE_GRAFT);
  for (uint64_t step = 0; step < 200; step++) {
    nd_objective_draw(&t.o, t.plan, NULL, (nd_levels){1, 999, 1}, 7, step, 0);
    for (int i = 0; i < N; i++) {
      least = MIN(least, nd_plan_tensor(t.plan, t.o.strength)[i]);
      most = MAX(most, nd_plan_tensor(t.plan, t.o.strength)[i]);
    }
  }
  assert_true(least >= 0.5f && least < 0.52f && most <= 2 && most > 1.97f);
  close_trial(&t);
}

/* The loss by hand, over the hidden pixels. */
static void noise2void_looks_at_hidden_pixels_alone(void **state) {
  (void)state;
  trial t;
  open_trial(&t, ND_MODE_NOISE2VOID);
  nd_output(t.g, "restored", t.o.restored_real);
  nd_plan_free(t.plan);
  assert_int_equal(nd_compile(t.g, &t.plan), 0);
  nd_plan_bind(t.plan, t.state.values);
  t.state.gradients = nd_plan_gradients(t.plan);
  run(&t, 1, 5);
  const float *restored = nd_plan_tensor(t.plan, t.o.restored_real);
  g_autofree float *real = g_new(float, N *PIXELS * 3), *blind = g_new(float, PIXELS * 3),
                   *mask = g_new(float, PIXELS);
  fill(real, N * PIXELS * 3, 4);
  double sum = 0;
  int hidden = 0;
  for (int i = 0; i < N; i++) {
    nd_rng r = nd_rng_make(7, 5, (uint32_t)i, ND_RANDOM_NOISE);
    nd_noise2void_hide(real + i * PIXELS * 3, SIZE, &r, blind, mask);
    for (int k = 0; k < PIXELS * 3; k++) {
      double d = (double)restored[i * PIXELS * 3 + k] - (double)real[i * PIXELS * 3 + k];
      sum += mask[k / 3] > 0 ? d * d : 0;
      hidden += mask[k / 3] > 0;
      if (!(mask[k / 3] > 0))
        assert_true(blind[k] == real[i * PIXELS * 3 + k]);
    }
  }
  assert_int_equal(hidden, N * 4 * 3); /* a pixel of each cell of 8 x 8 */
  double found = value(&t, t.o.loss_diffusion);
  assert_true(fabs(found - sum / hidden) < 1e-5 * found);
  close_trial(&t);
}

/* A hidden pixel holds the colour of another one, at most two pixels away. */
static void hidden_pixels_take_a_neighbours_value(void **state) {
  (void)state;
  float real[PIXELS * 3], blind[PIXELS * 3], mask[PIXELS];
  for (int i = 0; i < PIXELS * 3; i++)
    real[i] = (float)(i / 3);
  for (uint64_t step = 0; step < 200; step++) {
    nd_rng r = nd_rng_make(1, step, 0, ND_RANDOM_NOISE);
    nd_noise2void_hide(real, SIZE, &r, blind, mask);
    for (int i = 0; i < PIXELS; i++) {
      int from = (int)blind[3 * i];
      assert_true(mask[i] > 0
                      ? from != i && ABS(from / SIZE - i / SIZE) <= 2 && ABS(from % SIZE - i % SIZE) <= 2
                      : from == i);
    }
  }
}

/* The classifier's first layer tells how many channels it reads; the gradient, where they are taken: its loss
 * reaches the weights `before`, which make the features, and not those `after`, which make the picture. */
typedef struct tapped {
  const char *network, *settings;
  int channels;
  const char *before, *after;
} tapped;

static double gradient_under(const trial *t, const char *scope) {
  double squares = 0;
  for (int i = 0; i < nd_params_length(t->params); i++) {
    const nd_param *p = nd_params_at(t->params, i);
    for (size_t j = p->offset; j < p->offset + p->count && g_str_has_prefix(p->name, scope); j++)
      squares += (double)t->state.gradients[j] * (double)t->state.gradients[j];
  }
  return sqrt(squares);
}

static void check_tap(const tapped *n) {
  trial t;
  open_network(&t, of_mode(ND_MODE_DANN), n->network, n->settings);
  const nd_param *first = nd_params_find(t.params, ND_SCOPE_DOMAIN ".0.weight");
  assert_non_null(first);
  if (first->dims[1] != n->channels)
    fail_msg("%s: %d channels, not %d", n->network, first->dims[1], n->channels);
  double of[2][2];
  for (int side = 0; side < 2; side++) {
    run(&t, side ? 1e4 : 0, 0);
    of[side][0] = gradient_under(&t, n->before);
    of[side][1] = gradient_under(&t, n->after);
  }
  assert_true(of[0][0] > 0 && of[0][1] > 0);
  if (!(of[1][0] > 10 * of[0][0]) || fabs(of[1][1] - of[0][1]) > 1e-5 * of[0][1])
    fail_msg("%s: gradients from %g to %g before, %g to %g after", n->network, of[0][0], of[1][0], of[0][1],
             of[1][1]);
  check_slope_of(t, ND_SCOPE_RESTORATION, 5, (share){1, -5, 0}, 0.05); /* ReLUs make corners */
}

/* Every network: one that is missing here fails as well. */
static void dann_looks_at_the_deepest_features_of_every_network(void **state) {
  (void)state;
#define OF(name) ND_SCOPE_RESTORATION "." name
  static const tapped all[] = {
      {"unet", "width=4;depth=2", 8, OF("down_path.1"), OF("last")},
      {"nafnet", "width=4;middle_blocks=1;encoder_blocks=1,1;decoder_blocks=1,1", 16, OF("downs.1"),
       OF("ending")},
      {"dncnn", "width=4;depth=4", 4, OF("dncnn.5"), OF("dncnn.8")},
      {"dncnn", "width=4;depth=4;norm=0", 4, OF("model.4"), OF("model.6")},
      {"dncnn", "width=4;depth=4;norm=2", 4, OF("model.5"), OF("model.8")},
      {"swinir", "width=6;depths=2;heads=2", 6, OF("conv_after_body"), OF("conv_last")},
      {"swinir", "width=6;depths=2;heads=2;grey=1", 6, OF("conv_after_body"), OF("conv_last")},
      {"uformer", "width=4;depths=1,1,1;heads=1,1,1;window=8;image_size=16", 8, OF("conv."),
       OF("output_proj")},
      {"restormer", "width=4;blocks=1,1;heads=1,1;refinement=1", 8, OF("latent"), OF("output")},
  };
  for (const char *const *name = nd_net_names(ND_RESTORATION); *name; name++) {
    int found = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
      if (!strcmp(*name, all[i].network))
        check_tap(&all[i]), found++;
    if (!found)
      fail_msg("%s is not looked at", *name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(noise2void_gradients_are_the_slopes),
      cmocka_unit_test(dann_gradients_are_reversed_for_the_network_alone),
      cmocka_unit_test(translator_deceives_and_the_network_learns),
      cmocka_unit_test(grafting_is_source_training_on_pairs_it_makes),
      cmocka_unit_test(a_teachers_pupil_is_trained_on_pairs_it_is_given),
      cmocka_unit_test(strengths_are_of_the_range),
      cmocka_unit_test(noise2void_looks_at_hidden_pixels_alone),
      cmocka_unit_test(hidden_pixels_take_a_neighbours_value),
      cmocka_unit_test(dann_looks_at_the_deepest_features_of_every_network),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
