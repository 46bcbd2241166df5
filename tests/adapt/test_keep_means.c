/* The demand that real photos keep their coarse brightness and colours: its value against means taken by
 * hand, and its place in the objective. */
#include "trial.h"
#include "adapt/adapt-private.h"

enum { BLOCK = 16 };

static double charbonnier(double d) {
  return sqrt(d * d + 1e-6);
}

/* Of pictures n x side x side x 3, over the whole blocks. */
static double by_hand(const float *before, const float *after, int n, int side) {
  int block = side < BLOCK ? side : BLOCK, along = side / block;
  double sum = 0;
  for (int i = 0; i < n * along * along * 3; i++) {
    int c = i % 3, column = i / 3 % along, row = i / 3 / along % along, k = i / 3 / along / along;
    double d = 0;
    for (int y = row * block; y < (row + 1) * block; y++)
      for (int x = column * block; x < (column + 1) * block; x++) {
        size_t at = (((size_t)k * (size_t)side + (size_t)y) * (size_t)side + (size_t)x) * 3 + (size_t)c;
        d += (double)after[at] - (double)before[at];
      }
    sum += charbonnier(d / (block * block));
  }
  return sum / (n * along * along * 3);
}

static void fill(float *x, size_t count, uint32_t which) {
  nd_rng r = nd_rng_make(3, 0, which, ND_RANDOM_TEST);
  for (size_t i = 0; i < count; i++)
    x[i] = (float)nd_rng_uniform(&r);
}

static void means_are_those_of_whole_blocks(void **state) {
  (void)state;
  static const int sides[] = {8, 16, 40};
  for (size_t i = 0; i < G_N_ELEMENTS(sides); i++) {
    int side = sides[i];
    size_t count = 2 * (size_t)side * (size_t)side * 3;
    g_autofree float *before = g_new(float, count), *after = g_new(float, count);
    fill(before, count, 0);
    fill(after, count, 1);
    nd_params *params = nd_params_new();
    nd_graph *g = nd_graph_new(params);
    nd_plan *plan;
    nd_branch b = {nd_input(g, "x", 2, side, side, 3), ND_NONE, nd_input(g, "restored", 2, side, side, 3),
                   ND_NONE};
    nd_tensor loss = nd_keep_means_loss(g, &(nd_objective){.patch_size = side}, &b);
    nd_output(g, "loss", loss);
    assert_int_equal(nd_compile(g, &plan), 0);
    memcpy(nd_plan_tensor(plan, b.x), before, count * sizeof(float));
    memcpy(nd_plan_tensor(plan, b.restored), after, count * sizeof(float));
    nd_run(plan, 0, 0, 0);
    assert_true(fabs((double)nd_plan_tensor(plan, loss)[0] / by_hand(before, after, 2, side) - 1) < 1e-5);
    nd_plan_free(plan);
    nd_graph_free(g);
    nd_params_free(params);
  }
}

/* The loss with this weight; kept: by how far means were missed. */
static double loss_with(float weight, double alpha, double *kept) {
  enum { COUNT = N * SIZE * SIZE * 3 };
  nd_objective_settings s = nd_objective_defaults();
  s.keep_means = weight;
  trial t;
  open_trial_with(&t, network("unet", ND_RESTORATION, "width=4;depth=2"), s);
  const nd_objective *o = &t.o;
  float real[COUNT], restored[COUNT];
  fill(real, COUNT, 2);
  memcpy(nd_plan_tensor(t.plan, o->real), real, sizeof real);
  fill(nd_plan_tensor(t.plan, o->synthetic), COUNT, 3);
  fill(nd_plan_tensor(t.plan, o->clean), COUNT, 4);
  fill(nd_plan_tensor(t.plan, o->noise), COUNT, 5);
  for (int i = 0; i < N; i++) {
    nd_plan_tensor(t.plan, o->level)[i] = nd_plan_tensor(t.plan, o->signal_scale)[i] = 0.6f;
    nd_plan_tensor(t.plan, o->noise_scale)[i] = 0.8f;
    nd_plan_tensor(t.plan, o->shuffle)[i] = nd_plan_tensor(t.plan, o->shuffle_negative)[i] = 0;
  }
  nd_plan_tensor(t.plan, o->alpha)[0] = (float)alpha;
  nd_run(t.plan, 0, 0, 0);
  double loss = (double)nd_plan_tensor(t.plan, o->loss)[0];
  restore(&t, real, restored);
  *kept = by_hand(real, restored, N, SIZE);
  close_trial(&t);
  return loss;
}

static void it_counts_beside_the_diffusion_loss(void **state) {
  (void)state;
  double kept, without = loss_with(0, 0.5, &kept), with = loss_with(3, 0.5, &kept);
  assert_true(kept > 1e-3);
  assert_true(fabs((with - without) / (0.5 * 3 * kept) - 1) < 1e-3);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(means_are_those_of_whole_blocks),
                                     cmocka_unit_test(it_counts_beside_the_diffusion_loss)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
