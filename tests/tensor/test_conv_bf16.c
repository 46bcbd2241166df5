/* Convolutions of pictures in bf16: rounded to nearest, and the same as of fp32 that holds the same numbers.
 */
#include "conv_reference.h"

/* x rounded to bf16 in place, and its halves. */
static uint16_t *rounded(float *x, size_t count) {
  uint16_t *half = calloc(count + 1, sizeof *half);
  for (size_t i = 0; i < count; i++) {
    half[i] = nd_to_bf16(x[i]);
    x[i] = nd_from_bf16(half[i]);
  }
  return half;
}

/* got: of the type; want: what fp32 pictures gave. */
static void check_rounded(const void *got, nd_dtype type, const float *want, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (type == ND_BF16 ? ((const uint16_t *)got)[i] != nd_to_bf16(want[i])
                        : ((const float *)got)[i] != want[i])
      fail_msg("number %zu of %zu differs", i, count);
  assert_true(type == ND_F32 || ((const uint16_t *)got)[count] == 0xabcd);
}

static void *typed_output(nd_dtype type, size_t count) {
  uint16_t *p = calloc((count + 1) * nd_dtype_size(type), 1);
  if (type == ND_BF16)
    p[count] = 0xabcd;
  return p;
}

typedef struct halves {
  uint16_t *x, *dy;
} halves;

/* The same where products may be of numbers rounded to bf16 (winograd_private.h). */
static void check_near(const void *got, nd_dtype type, const float *want, size_t count, bool rounds) {
  if (!rounds) {
    check_rounded(got, type, want, count);
    return;
  }
  double squares = 0, most = 0, errors = 0;
  for (size_t i = 0; i < count; i++) {
    double value = type == ND_BF16 ? nd_from_bf16(((const uint16_t *)got)[i]) : ((const float *)got)[i];
    squares += (double)want[i] * want[i];
    errors += (value - want[i]) * (value - want[i]);
    most = fmax(most, fabs(value - want[i]));
  }
  if (!(errors <= 0.015 * 0.015 * squares && most <= 0.15 * sqrt(squares / (double)count)))
    fail_msg("off by %.3g of the numbers' size, at most by %.3g", sqrt(errors / squares),
             most / sqrt(squares / (double)count));
}

/* Pictures of the shape's types, made of numbers that bf16 can hold: sums are those of fp32 pictures. */
static void passes_of_types(const reference *r, const halves *half, nd_dtype x_type, nd_dtype y_type) {
  nd_conv_shape s = r->s;
  s.x_type = x_type, s.y_type = y_type;
  const void *x = x_type == ND_BF16 ? (void *)half->x : r->x,
             *dy = y_type == ND_BF16 ? (void *)half->dy : r->dy;
  size_t bytes = nd_conv_forward_scratch(&s) + nd_conv_backward_data_scratch(&s) +
                 nd_conv_backward_weights_scratch(&s) + nd_conv_forward_scratch(&r->s) +
                 nd_conv_backward_data_scratch(&r->s) + nd_conv_backward_weights_scratch(&r->s),
         count;
  float *scratch = make_scratch(bytes, &count), *want = calloc(r->nx + r->ny + r->nw, sizeof *want);
  float *dw = calloc(r->nw, sizeof *dw), *db = calloc((size_t)s.co, sizeof *db),
        *want_db = calloc((size_t)s.co, sizeof *db);
  bool rounds = nd_micro_best()->panel_pairs && nd_conv_choose(&s, ND_CONV_BACKWARD_DATA) == ND_CONV_WINOGRAD;
  void *y = typed_output(y_type, r->ny), *dx = typed_output(x_type, r->nx);
  const nd_epilogue e = {r->b, ND_LEAKY_RELU, 0.2f};
  nd_conv_forward(&r->s, r->x, r->w, &e, want, scratch);
  nd_conv_forward(&s, x, r->w, &e, y, scratch);
  check_rounded(y, y_type, want, r->ny);
  nd_conv_backward_data(&r->s, r->dy, r->w, want, scratch);
  nd_conv_backward_data(&s, dy, r->w, dx, scratch);
  check_near(dx, x_type, want, r->nx, rounds);
  nd_conv_backward_weights(&r->s, r->x, r->dy, want, want_db, scratch);
  nd_conv_backward_weights(&s, x, dy, dw, db, scratch);
  check_near(dw, ND_F32, want, r->nw, rounds);
  check_rounded(db, ND_F32, want_db, (size_t)s.co);
  release(scratch);
  free(want), free(dw), free(db), free(want_db), free(y), free(dx);
}

static void bf16_pictures_are_read_and_rounded(void **state) {
  (void)state;
  nd_conv_shape shapes[] = {shape(2, 9, 7, 16, 32, 3, 1, 1, 1),    shape(1, 6, 5, 40, 33, 3, 1, 1, 1),
                            shape(1, 20, 21, 17, 3, 3, 1, 1, 1),   shape(2, 9, 13, 20, 18, 3, 2, 1, 1),
                            shape(1, 12, 8, 16, 24, 1, 1, 0, 1),   shape(2, 7, 9, 5, 19, 5, 1, 2, 1),
                            shape(1, 8, 8, 256, 70, 3, 1, 1, 1),   shape(1, 6, 6, 16, 16, 2, 2, 0, 1),
                            shape(1, 10, 110, 300, 20, 1, 1, 0, 1)};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    reference r = make_reference(&shapes[i]);
    halves half = {rounded(r.x, r.nx), rounded(r.dy, r.ny)};
    for (int types = 1; types < 4; types++)
      for (int method = ND_CONV_DIRECT; method <= ND_CONV_WINOGRAD; method++)
        for (int m = 0; m < ND_TESTED_MICROS; m++) {
          nd_micro_force(nd_tested_micro(m));
          nd_conv_force((nd_conv_method)method);
          nd_set_threads(1 + m);
          passes_of_types(&r, &half, types & 1 ? ND_BF16 : ND_F32, types & 2 ? ND_BF16 : ND_F32);
        }
    free(half.x), free(half.dy);
    free_reference(&r);
  }
  nd_micro_as_started();
  nd_conv_force(ND_CONV_AUTO);
  nd_set_threads(0);
}

/* Ties go to the even neighbour; infinities, the largest numbers and NaN; the functions on rows agree. */
static void bf16_is_rounded_to_nearest(void **state) {
  (void)state;
  static const struct {
    uint32_t from;
    uint16_t to;
  } cases[] = {{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81}, {0x3f818000, 0x3f82},
               {0x3f817fff, 0x3f81}, {0xbf818000, 0xbf82}, {0x7f7fffff, 0x7f80}, {0xff800000, 0xff80},
               {0x7f800001, 0x7fc0}, {0xffc12345, 0xffc1}, {0x00000001, 0x0000}, {0x80018000, 0x8002}};
  enum { N = sizeof cases / sizeof *cases };
  float wide[N];
  uint16_t half[N];
  for (int i = 0; i < N; i++)
    memcpy(&wide[i], &cases[i].from, sizeof wide[i]);
  nd_narrow(wide, half, N);
  for (int i = 0; i < N; i++) {
    assert_int_equal(nd_to_bf16(wide[i]), cases[i].to);
    assert_int_equal(half[i], cases[i].to);
  }
  nd_widen(half, wide, N);
  for (int i = 0; i < N; i++) {
    uint32_t bits;
    memcpy(&bits, &wide[i], sizeof bits);
    assert_int_equal(bits, (uint32_t)cases[i].to << 16);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bf16_is_rounded_to_nearest),
      cmocka_unit_test(bf16_pictures_are_read_and_rounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
