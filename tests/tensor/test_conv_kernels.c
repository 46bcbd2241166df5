/* The convolution kernels against plain loops in double precision: every pass, both methods, every
 * instruction set this processor has, several thread counts; twice, bit for bit; and nothing written outside
 * the buffers. */
#include "conv_reference.h"

static double worst; /* over all comparisons so far */

static void check_close(const float *got, const double *want, size_t count, double tolerance) {
  double most = 1, error = 0; /* one product of normal numbers is about 1: less is cancellation */
  for (size_t i = 0; i < count; i++) {
    most = fmax(most, fabs(want[i]));
    assert_true(isfinite(got[i]));
    error = fmax(error, fabs(got[i] - want[i]));
  }
  worst = fmax(worst, error / most);
  if (error > tolerance * most)
    fail_msg("error %.3g of the largest value %.3g", error, most);
}

static double activated(double v, nd_activation activation, double slope) {
  return v > 0 || activation == ND_LINEAR ? v : activation == ND_RELU ? 0 : v * slope;
}

static const double tolerance = 1e-5;

/* Runs a pass twice into guarded buffers of its own and checks that both runs agree. */
typedef struct outputs {
  float *first, *second;
  size_t count;
} outputs;

static outputs make_outputs(size_t count) {
  return (outputs){guarded(count), guarded(count), count};
}

static void check_outputs(outputs *o, const double *want) {
  check_guards(o->first, o->count);
  check_guards(o->second, o->count);
  assert_memory_equal(o->first, o->second, o->count * sizeof(float));
  check_close(o->first, want, o->count, tolerance);
  release(o->first);
  release(o->second);
}

static void forward_with(const reference *r, nd_activation activation, bool bias) {
  const float slope = 0.2f;
  const nd_epilogue e = {bias ? r->b : NULL, activation, slope};
  size_t count;
  float *scratch = make_scratch(nd_conv_forward_scratch(&r->s), &count);
  outputs y = make_outputs(r->ny);
  nd_conv_forward(&r->s, r->x, r->w, &e, y.first, scratch);
  nd_conv_forward(&r->s, r->x, r->w, &e, y.second, scratch);
  double *want = malloc(r->ny * sizeof *want);
  for (size_t i = 0; i < r->ny; i++)
    want[i] = activated(r->y[i] + (bias ? r->b[i % (size_t)r->s.co] : 0), activation, slope);
  check_outputs(&y, want);
  check_guards(scratch, count);
  release(scratch);
  free(want);
}

static void backward_data(const reference *r) {
  size_t count;
  float *scratch = make_scratch(nd_conv_backward_data_scratch(&r->s), &count);
  outputs dx = make_outputs(r->nx);
  nd_conv_backward_data(&r->s, r->dy, r->w, dx.first, scratch);
  nd_conv_backward_data(&r->s, r->dy, r->w, dx.second, scratch);
  check_outputs(&dx, r->dx);
  check_guards(scratch, count);
  release(scratch);
}

static void backward_weights(const reference *r) {
  size_t count;
  float *scratch = make_scratch(nd_conv_backward_weights_scratch(&r->s), &count);
  outputs dw = make_outputs(r->nw), db = make_outputs((size_t)r->s.co);
  nd_conv_backward_weights(&r->s, r->x, r->dy, dw.first, db.first, scratch);
  nd_conv_backward_weights(&r->s, r->x, r->dy, dw.second, db.second, scratch);
  check_outputs(&dw, r->dw);
  check_outputs(&db, r->db);
  check_guards(scratch, count);
  release(scratch);
}

/* dy and the activation: of the gate behind the convolution, where the shape has one. */
static void backward_both(const reference *r, const nd_conv_shape *s, const float *dy,
                          nd_activation activation) {
  const nd_epilogue e = {r->b, activation, 0};
  size_t count;
  float *scratch = make_scratch(nd_conv_backward_both_scratch(s), &count);
  outputs dx = make_outputs(r->nx), dw = make_outputs(r->nw), db = make_outputs((size_t)r->s.co);
  nd_conv_backward_both(s, r->x, dy, r->w, &e, dx.first, dw.first, db.first, scratch);
  nd_conv_backward_both(s, r->x, dy, r->w, &e, dx.second, dw.second, NULL, scratch);
  memcpy(db.second, db.first, db.count * sizeof(float));
  check_outputs(&dx, r->dx);
  check_outputs(&dw, r->dw);
  check_outputs(&db, r->db);
  check_guards(scratch, count);
  release(scratch);
}

static void run_passes(const reference *r, int threads) {
  forward_with(r, threads == 1 ? ND_LINEAR : threads == 2 ? ND_LEAKY_RELU : ND_RELU, threads != 3);
  backward_data(r);
  backward_weights(r);
  if (nd_conv_takes_both(&r->s))
    backward_both(r, &r->s, r->dy, ND_LINEAR);
}

/* Every way of computing one shape. */
static void run_all(const nd_conv_shape *s) {
  assert_true(nd_conv_supported(s));
  reference r = make_reference(s);
  for (int m = 0; m < ND_TESTED_MICROS; m++)
    for (int method = ND_CONV_AUTO; method <= ND_CONV_WINOGRAD; method++)
      for (int threads = 1; threads <= 3; threads++) {
        nd_micro_force(nd_tested_micro(m));
        nd_conv_force((nd_conv_method)method);
        nd_set_threads(threads);
        run_passes(&r, threads);
      }
  nd_micro_as_started();
  nd_conv_force(ND_CONV_AUTO);
  nd_set_threads(0);
  free_reference(&r);
}

static void odd_sizes_and_channels(void **state) {
  (void)state;
  const int sizes[][2] = {{7, 9}, {1, 1}, {5, 3}, {8, 8}};
  const int channels[][2] = {{1, 3}, {3, 9}, {9, 17}, {17, 33}, {33, 1}, {16, 32}};
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 6; j++) {
      nd_conv_shape s = shape(2, sizes[i][0], sizes[i][1], channels[j][0], channels[j][1], 3, 1, 1, 1);
      run_all(&s);
    }
}

static void kernels_strides_pads_dilations(void **state) {
  (void)state;
  const int cases[][4] = {/* kernel, stride, pad, dilation */
                          {1, 1, 0, 1}, {1, 2, 0, 1}, {1, 1, 2, 1}, {2, 2, 0, 1}, {3, 1, 0, 1}, {3, 1, 2, 1},
                          {3, 1, 3, 1}, {3, 2, 1, 1}, {3, 2, 0, 1}, {3, 1, 2, 2}, {3, 2, 2, 2}, {3, 3, 1, 1},
                          {4, 2, 1, 1}, {5, 1, 2, 1}, {7, 2, 3, 1}, {2, 3, 0, 1}, {3, 2, 3, 3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const int *c = cases[i];
    nd_conv_shape odd = shape(2, 9, 13, 5, 18, c[0], c[1], c[2], c[3]);
    nd_conv_shape even = shape(1, 12, 8, 16, 7, c[0], c[1], c[2], c[3]);
    run_all(&odd);
    run_all(&even);
  }
}

/* One and several blocks of pixels, of inputs and of outputs; few pixels for the weights' gradient and many;
 * rows a page apart, which are copied. */
static void linear_layers(void **state) {
  (void)state;
  const int cases[][4] = {/* height, width, in, out */
                          {1, 1, 3, 5},     {1, 3, 700, 300},   {10, 11, 64, 600},   {9, 17, 600, 70},
                          {30, 40, 40, 33}, {10, 110, 300, 20}, {10, 11, 1024, 270}, {7, 5, 130, 1024}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nd_conv_shape s = shape(1 + (int)i % 2, cases[i][0], cases[i][1], cases[i][2], cases[i][3], 1, 1, 0, 1);
    run_all(&s);
  }
}

/* Channels that fill vectors and slices or do not, several blocks of rows, any padding. */
static void depthwise(void **state) {
  (void)state;
  const int channels[] = {2, 5, 64, 70, 128, 131, 131}, pads[] = {1, 0, 2, 3, 1, 0, 1};
  for (int i = 0; i < 7; i++) {
    nd_conv_shape s = shape(2, 9, 7, channels[i], channels[i], 3, 1, pads[i], 1),
                  large = shape(2, 40, 61, 6, 6, 3, 1, pads[i], 1);
    s.groups = channels[i], large.groups = 6;
    assert_int_equal(nd_conv_choose(&s, ND_CONV_FORWARD), ND_CONV_DEPTHWISE);
    run_all(&s);
    run_all(&large);
  }
}

/* Pixels so far apart that rows are copied: several bands and strips of them. */
static void depthwise_of_many_channels(void **state) {
  (void)state;
  const int cases[][4] = {/* height, width, channels, padding */
                          {18, 70, 512, 1},
                          {5, 6, 1024, 1},
                          {3, 37, 512, 0},
                          {4, 3, 512, 3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nd_conv_shape s =
        shape(1 + (int)i % 2, cases[i][0], cases[i][1], cases[i][2], cases[i][2], 3, 1, cases[i][3], 1);
    s.groups = cases[i][2];
    run_all(&s);
  }
}

/* r->y is before the bias and the gate. */
static void gated_forward(const reference *r, const nd_conv_shape *s, nd_activation activation) {
  size_t count, c = (size_t)s->co, half = c / 2;
  float *scratch = make_scratch(nd_conv_forward_scratch(s), &count);
  outputs y = make_outputs(r->ny / 2);
  const nd_epilogue e = {r->b, activation, 0};
  nd_conv_forward(s, r->x, r->w, &e, y.first, scratch);
  nd_conv_forward(s, r->x, r->w, &e, y.second, scratch);
  double *want = malloc(r->ny / 2 * sizeof *want);
  for (size_t i = 0; i < r->ny / 2; i++) {
    size_t k = i % half, first = i / half * c + k;
    double a = r->y[first] + r->b[k], b = r->y[first + half] + r->b[half + k];
    want[i] = (activation == ND_GELU ? a * erfc(-a / sqrt(2)) / 2 : a) * b;
  }
  check_outputs(&y, want);
  check_guards(scratch, count);
  release(scratch);
  free(want);
}

/* Makes r that of dy behind a gate: its own dy the gradient of what the gate reads. */
static void pass_gate(reference *r, const float *dy, bool gelu) {
  size_t c = (size_t)r->s.co, half = c / 2;
  for (size_t i = 0; i < r->ny / 2; i++) {
    size_t first = i / half * c + i % half, second = first + half;
    double a = r->y[first] + r->b[i % half], b = r->y[second] + r->b[half + i % half];
    double below = gelu ? erfc(-a / sqrt(2)) / 2 : 1, density = gelu ? exp(-a * a / 2) / sqrt(2 * M_PI) : 0;
    r->dy[first] = (float)(dy[i] * b * (below + a * density));
    r->dy[second] = (float)(dy[i] * a * below);
  }
  memset(r->dx, 0, r->nx * sizeof *r->dx);
  memset(r->dw, 0, r->nw * sizeof *r->dw);
  memset(r->db, 0, c * sizeof *r->db);
  visit_all(&r->s, add_product, r);
  for (size_t i = 0; i < r->ny; i++)
    r->db[i % c] += r->dy[i];
}

/* Halves that fill slices, make half of one or overlap, or are copied; one band of rows and several; all ways
 * through the gate. */
static void gated_depthwise(void **state) {
  (void)state;
  const int sides[][3] = {{9, 7, 2},   {9, 7, 10},  {5, 6, 64},   {6, 5, 128},   {7, 5, 140},
                          {70, 61, 6}, {1, 1, 130}, {40, 90, 66}, {19, 20, 1024}};
  for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
    for (int threads = 1; threads <= 3; threads++) {
      nd_conv_shape s = shape(1 + (int)i % 2, sides[i][0], sides[i][1], sides[i][2], sides[i][2], 3, 1, 1, 1);
      s.groups = sides[i][2];
      reference r = make_reference(&s);
      float *dy = normal(r.ny / 2, 5);
      bool gelu = threads != 2;
      nd_set_threads(threads);
      s.gated = true;
      gated_forward(&r, &s, gelu ? ND_GELU : ND_LINEAR);
      pass_gate(&r, dy, gelu);
      backward_both(&r, &s, dy, gelu ? ND_GELU : ND_LINEAR);
      release(dy);
      free_reference(&r);
    }
  nd_set_threads(0);
}

/* More channels than one group of the sum, more pixels than one block, both orders of Winograd's loops. */
static void large_shapes(void **state) {
  (void)state;
  nd_conv_shape shapes[] = {shape(1, 6, 6, 410, 40, 3, 1, 1, 1),  shape(1, 20, 270, 3, 10, 3, 1, 1, 1),
                            shape(3, 17, 19, 20, 40, 1, 1, 0, 1), shape(1, 8, 8, 256, 70, 3, 1, 1, 1),
                            shape(2, 40, 44, 17, 9, 3, 1, 1, 1),  shape(1, 6, 5, 40, 410, 3, 2, 1, 1)};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    run_all(&shapes[i]);
}

/* Winograd's rounding with many channels, next to direct summation's. */
static void winograd_error_is_small(void **state) {
  (void)state;
  nd_conv_shape s = shape(1, 16, 16, 512, 24, 3, 1, 1, 1);
  reference r = make_reference(&s);
  for (int method = ND_CONV_DIRECT; method <= ND_CONV_WINOGRAD; method++) {
    nd_conv_force((nd_conv_method)method);
    worst = 0;
    forward_with(&r, ND_LINEAR, false);
    double forward = worst;
    worst = 0;
    backward_data(&r);
    double data = worst;
    worst = 0;
    backward_weights(&r);
    print_message("%s: error / largest value: forward %.2g, data %.2g, weights %.2g\n",
                  method == ND_CONV_DIRECT ? "direct" : "Winograd", forward, data, worst);
  }
  nd_conv_force(ND_CONV_AUTO);
  free_reference(&r);
}

static void special_values(void **state) {
  (void)state;
  nd_conv_shape s = shape(1, 1, 3, 1, 1, 1, 1, 0, 1);
  size_t count;
  float x[3] = {NAN, -INFINITY, -2}, w = 1, y[3],
        *scratch = make_scratch(nd_conv_forward_scratch(&s), &count);
  nd_conv_forward(&s, x, &w, &(nd_epilogue){NULL, ND_RELU, 0}, y, scratch);
  assert_true(isnan(y[0]) && y[1] == 0 && y[2] == 0);
  nd_conv_forward(&s, x, &w, &(nd_epilogue){NULL, ND_LEAKY_RELU, 0.5f}, y, scratch);
  assert_true(isnan(y[0]) && y[1] == -INFINITY && y[2] == -1);
  release(scratch);
}

static void unsupported_shapes(void **state) {
  (void)state;
  nd_conv_shape s = shape(1, 8, 8, 4, 4, 3, 1, 1, 1), t;
  t = s, t.groups = 2;
  assert_false(nd_conv_supported(&t));
  t = s, t.groups = 4, t.stride = 2, t.oh = t.ow = 4;
  assert_false(nd_conv_supported(&t));
  t = s, t.oh = 7;
  assert_false(nd_conv_supported(&t));
  t = s, t.kh = 12;
  assert_false(nd_conv_supported(&t));
  t = s, t.n = 0;
  assert_false(nd_conv_supported(&t));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(odd_sizes_and_channels),
      cmocka_unit_test(kernels_strides_pads_dilations),
      cmocka_unit_test(linear_layers),
      cmocka_unit_test(depthwise),
      cmocka_unit_test(depthwise_of_many_channels),
      cmocka_unit_test(gated_depthwise),
      cmocka_unit_test(large_shapes),
      cmocka_unit_test(winograd_error_is_small),
      cmocka_unit_test(special_values),
      cmocka_unit_test(unsupported_shapes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
