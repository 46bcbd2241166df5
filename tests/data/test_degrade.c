/* Degradations: settings by name, Gaussian noise, and the simulated camera stage by stage. */
#include "data/camera-private.h"
#include "degrading.h"

#include <math.h>

enum { SIDE = 128, PIXELS = SIDE * SIDE, VALUES = PIXELS * 3 };

static void set(nd_degrade_settings *s, const char *key, const char *value) {
  if (nd_degrade_set(s, key, value))
    fail_msg("%s", nd_error());
}

/* Smooth and colourful, no value near the ends. */
static float *smooth(void) {
  float *rgb = g_new(float, VALUES);
  for (int i = 0; i < PIXELS; i++) {
    double x = i % SIDE / (double)SIDE, y = i / SIDE / (double)SIDE;
    rgb[3 * i] = (float)(0.5 + 0.3 * sin(5 * x + 2 * y));
    rgb[3 * i + 1] = (float)(0.45 + 0.25 * cos(4 * y - 3 * x));
    rgb[3 * i + 2] = (float)(0.4 + 0.2 * sin(6 * x * y + 1));
  }
  return rgb;
}

static double psnr(const float *a, const float *b) {
  double sum = 0;
  for (int i = 0; i < VALUES; i++)
    sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
  return -10 * log10(sum / VALUES);
}

typedef struct stats {
  double mean, variance, neighbour; /* correlation with the value `apart` places on */
} stats;

static stats measure(const float *x, int n, int apart) {
  stats s = {0, 0, 0};
  for (int i = 0; i < n; i++)
    s.mean += (double)x[i] / n;
  for (int i = 0; i < n; i++)
    s.variance += (x[i] - s.mean) * (x[i] - s.mean) / n;
  for (int i = 0; i + apart < n; i++)
    s.neighbour += (x[i] - s.mean) * (x[i + apart] - s.mean) / (n - apart) / s.variance;
  return s;
}

/* ---- Settings ---- */

static void settings_are_found_set_and_described(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("gaussian", "");
  g_autofree char *standard = nd_degrade_describe(&s);
  assert_string_equal(standard, "gaussian: {sigma_min: 0, sigma_max: 75, clip: false}");
  set(&s, "sigma", "25");
  set(&s, "sigma_max", "30.5");
  set(&s, "clip", "true");
  g_autofree char *text = nd_degrade_describe(&s);
  assert_string_equal(text, "gaussian: {sigma_min: 25, sigma_max: 30.5, clip: true}");
  s = chosen("camera", "");
  set(&s, "iso", "3200");
  set(&s, "sensor", "nexus_6");
  g_autofree char *camera = nd_degrade_describe(&s);
  assert_non_null(strstr(camera, "sensor: nexus_6, iso_min: 3200, iso_max: 3200"));
}

static void every_degradation_is_documented_and_its_defaults_are_valid(void **state) {
  (void)state;
  g_autofree char *page = NULL;
  assert_true(g_file_get_contents(ND_DEGRADATIONS_PAGE, &page, NULL, NULL));
  for (int i = 0; nd_degradation_at(i); i++) {
    const nd_degradation *kind = nd_degradation_at(i);
    g_autofree char *line = g_strdup_printf("\n| `%s` |", kind->name);
    if (!strstr(page, line))
      fail_msg("docs/degradations.md has no line on %s", kind->name);
    nd_degrade_settings s = chosen(kind->name, "");
    if (nd_degrade_check(&s))
      fail_msg("%s", nd_error());
    for (int k = 0; k < kind->key_count; k++) {
      assert_true(kind->keys[k].first + kind->keys[k].count <= ND_DEGRADE_VALUES);
      assert_true(strlen(kind->keys[k].help) > 5);
    }
  }
}

static void wrong_settings_are_named(void **state) {
  (void)state;
  nd_degrade_settings s;
  assert_int_equal(nd_degrade_find("fog", &s), -1);
  assert_error_has("gaussian, camera");
  assert_int_equal(nd_degrade_check(&s), -1);
  s = chosen("camera", "");
  static const struct {
    const char *key, *value, *part;
  } cases[] = {{"isoo", "1", "iso, iso_min, iso_max"}, {"iso_mean", "1", "no setting 'iso_mean'"},
               {"iso", "10", "outside 25 to 409600"},  {"iso_max", "many", "'many' is not a number"},
               {"iso_max", "800x", "not a number"},    {"iso", "nan", "outside"},
               {"sensor", "eye", "pixel, galaxy_s6"},  {"sensor_min", "pixel", "no setting"},
               {"noise", "yes", "false, true"},        {"quality", "", "not a number"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    nd_degrade_settings before = s;
    assert_int_equal(nd_degrade_set(&s, cases[i].key, cases[i].value), -1);
    assert_error_has(cases[i].part);
    assert_error_has(cases[i].key);
    assert_memory_equal(&s, &before, sizeof s);
  }
  nd_degrade_settings rain = chosen("rain", "layers=2");
  assert_int_equal(nd_degrade_set(&rain, "layers", "2.7"), -1); /* two were drawn */
  assert_error_has("2.7 is no whole number");
  set(&s, "iso_min", "6400");
  assert_int_equal(nd_degrade_check(&s), -1);
  assert_error_has("iso_min 6400 is above iso_max 1600");
  float rgb[3] = {0};
  nd_rng rng = nd_rng_make(1, 1, 1, ND_RANDOM_TEST);
  assert_int_equal(nd_degrade_apply(&s, rgb, 1, 1, &rng), -1);
}

/* ---- Gaussian ---- */

static void gaussian_noise_has_its_level_and_no_correlation(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("gaussian", "");
  set(&s, "sigma", "25");
  g_autofree float *rgb = flat(SIDE, 0.5f);
  degrade(&s, rgb, SIDE, 0);
  stats channel = measure(rgb, VALUES, 1), pixel = measure(rgb, VALUES, 3),
        row = measure(rgb, VALUES, 3 * SIDE);
  assert_true(fabs(channel.mean - 0.5) < 4 * 25 / 255.0 / sqrt(VALUES));
  assert_true(fabs(sqrt(channel.variance) * 255 / 25 - 1) < 0.015);
  assert_true(fabs(channel.neighbour) < 0.02 && fabs(pixel.neighbour) < 0.02 && fabs(row.neighbour) < 0.02);
}

static void gaussian_levels_are_uniform_over_patches(void **state) {
  (void)state;
  enum { PATCHES = 200 };
  nd_degrade_settings s = chosen("gaussian", "");
  double mean = 0, squares = 0, low = 1e9, high = 0;
  for (int i = 0; i < PATCHES; i++) {
    float rgb[32 * 32 * 3] = {0};
    nd_rng rng = nd_rng_make(3, (uint64_t)i, 0, ND_RANDOM_DEGRADE);
    assert_int_equal(nd_degrade_apply(&s, rgb, 32, 32, &rng), 0);
    double sigma = sqrt(measure(rgb, 32 * 32 * 3, 1).variance) * 255;
    mean += sigma / PATCHES, squares += sigma * sigma / PATCHES;
    low = fmin(low, sigma), high = fmax(high, sigma);
  }
  assert_true(fabs(mean - 37.5) < 4 * 75 / sqrt(12.0 * PATCHES));
  assert_true(fabs(sqrt(squares - mean * mean) - 75 / sqrt(12)) < 3);
  assert_true(low >= 0 && low < 3 && high > 72 && high < 79);
}

static void gaussian_clips_only_when_told(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("gaussian", "");
  set(&s, "sigma", "75");
  g_autofree float *free_range = flat(SIDE, 0.1f), *clipped = flat(SIDE, 0.1f);
  degrade(&s, free_range, SIDE, 0);
  set(&s, "clip", "true");
  degrade(&s, clipped, SIDE, 0);
  int below = 0;
  for (int i = 0; i < VALUES; i++) {
    below += free_range[i] < 0;
    assert_true(clipped[i] == fminf(fmaxf(free_range[i], 0), 1));
  }
  assert_true(below > VALUES / 5); /* P(N(0.1, 0.29) < 0) = 0.37 */
}

/* ---- Camera, by stages ---- */

static void sensor_levels_are_those_published(void **state) {
  (void)state;
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  double shot, read, shot_a, read_a;
  assert_string_equal(nd_sensor_name(0), "pixel");
  nd_sensor_noise(0, 800, &rng, &shot, &read); /* Google Pixel at ISO 800: 0.001764, 0.000012 */
  assert_true(fabs(shot / 0.001764 - 1) < 1e-9 && fabs(read / 0.000012 - 1) < 1e-9);
  nd_sensor_noise(0, 800 * sqrt(2), &rng, &shot, &read); /* halfway to 1600 */
  assert_true(fabs(shot / sqrt(0.001764 * 0.003519) - 1) < 1e-9);
  assert_true(fabs(read / sqrt(0.000012 * 0.000045) - 1) < 1e-9);
  nd_sensor_noise(0, 6400, &rng, &shot, &read);
  assert_true(fabs(shot / (2 * 0.007029) - 1) < 1e-9 && fabs(read / (4 * 0.000179) - 1) < 1e-9);
  for (int sensor = 0; strcmp(nd_sensor_name(sensor), "dnd"); sensor++)
    for (double iso = 50; iso < 20000; iso *= 1.3) {
      nd_sensor_noise(sensor, iso, &rng, &shot, &read);
      nd_sensor_noise(sensor, iso * 1.3, &rng, &shot_a, &read_a);
      assert_true(shot > 0 && read > 0 && shot_a > shot && read_a >= read);
    }
}

static void dnd_levels_follow_the_fit(void **state) {
  (void)state;
  enum { DRAWS = 4000 };
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  int dnd = 0;
  while (strcmp(nd_sensor_name(dnd), "dnd"))
    dnd++;
  assert_null(nd_sensor_name(dnd + 1));
  double mean = 0, residual = 0, squares = 0;
  for (int i = 0; i < DRAWS; i++) {
    double shot, read;
    nd_sensor_noise(dnd, 100, &rng, &shot, &read);
    assert_true(shot >= 0.0001 && shot <= 0.012);
    double off = log(read) - 2.18 * log(shot) - 1.20;
    mean += log(shot) / DRAWS, residual += off / DRAWS, squares += off * off / DRAWS;
  }
  assert_true(fabs(mean - (log(0.0001) + log(0.012)) / 2) < 0.1);
  assert_true(fabs(residual) < 0.02 && fabs(sqrt(squares) - 0.26) < 0.02);
}

static void raw_noise_has_the_variance_of_the_model(void **state) {
  (void)state;
  enum { N = 60000 };
  static const double cases[][3] = {/* level, shot, read */
                                    {0.5, 0.007, 0.0002}, {0.1, 0.007, 0.0002},   {0.02, 0.007, 0.0002},
                                    {0, 0.007, 0.0002},   {0.3, 0.0002, 0.00001}, {0.05, 0.02, 0},
                                    {0.4, 0, 0.001}};
  g_autofree float *raw = g_new(float, N);
  for (size_t c = 0; c < G_N_ELEMENTS(cases); c++) {
    double level = cases[c][0], expected = cases[c][1] * level + cases[c][2];
    nd_rng rng = nd_rng_make(1, c, 0, ND_RANDOM_TEST);
    for (int i = 0; i < N; i++)
      raw[i] = (float)level;
    nd_sensor_expose(raw, N, cases[c][1], cases[c][2], &rng);
    stats s = measure(raw, N, 1);
    assert_true(fabs(s.mean - level) < 4 * sqrt(expected / N));
    assert_true(fabs(s.variance / expected - 1) < 0.04);
    assert_true(fabs(s.neighbour) < 0.02);
  }
}

static void raw_saturates_above_and_keeps_negatives(void **state) {
  (void)state;
  float raw[2000];
  for (int i = 0; i < 2000; i++)
    raw[i] = i < 1000 ? 1.0f : 0.0f;
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_sensor_expose(raw, 2000, 0.01, 0.001, &rng);
  int white = 0, negative = 0;
  for (int i = 0; i < 2000; i++) {
    assert_true(raw[i] <= 1);
    white += i < 1000 && raw[i] == 1;
    negative += i >= 1000 && raw[i] < 0;
  }
  assert_in_range(white, 400, 600);
  assert_in_range(negative, 400, 600);
}

static void colours_are_inverted_and_keep_white(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 50; i++) {
    nd_rng rng = nd_rng_make(1, i, 0, ND_RANDOM_TEST);
    nd_camera_colour c = nd_camera_colour_draw(i > 0, i > 0, &rng);
    assert_true(c.gains[0] >= 1.9f && c.gains[0] <= 2.4f && c.gains[1] == 1);
    assert_true(c.gains[2] >= 1.5f && c.gains[2] <= 1.9f);
    for (int r = 0; r < 3; r++) {
      assert_true(fabsf(c.to_camera[r][0] + c.to_camera[r][1] + c.to_camera[r][2] - 1) < 1e-5f);
      assert_true(c.to_camera[r][r] > 0.4f); /* each channel sees most of its own colour */
      for (int k = 0; k < 3; k++) {
        float product = 0;
        for (int j = 0; j < 3; j++)
          product += c.from_camera[r][j] * c.to_camera[j][k];
        assert_true(fabsf(product - (r == k)) < 1e-5f);
      }
    }
  }
}

static void colours_are_random_only_when_told(void **state) {
  (void)state;
  nd_rng a = nd_rng_make(1, 1, 0, ND_RANDOM_TEST), b = nd_rng_make(1, 2, 0, ND_RANDOM_TEST), a2 = a, b2 = b;
  nd_camera_colour fixed_a = nd_camera_colour_draw(false, false, &a);
  nd_camera_colour fixed_b = nd_camera_colour_draw(false, false, &b);
  nd_camera_colour drawn_a = nd_camera_colour_draw(true, true, &a2),
                   drawn_b = nd_camera_colour_draw(true, true, &b2);
  assert_memory_equal(&fixed_a, &fixed_b, sizeof fixed_a);
  assert_true(drawn_a.gains[0] != drawn_b.gains[0] && drawn_a.to_camera[0][0] != drawn_b.to_camera[0][0]);
  assert_memory_equal(&a, &a2, sizeof a); /* the draws are made all the same */
}

static void tone_curves_are_known_and_inverse(void **state) {
  (void)state;
  float known[] = {0.5f, 0.18f, 0.18f};
  nd_tone_apply(nd_tone_to_linear(false), known, 1);
  nd_tone_apply(nd_tone_to_display(false), known + 1, 1);
  nd_tone_apply(nd_tone_to_display(true), known + 2, 1);
  assert_true(fabsf(known[0] - 0.2140411f) < 1e-5f);
  assert_true(fabsf(known[1] - 0.4613561f) < 1e-5f);
  assert_true(fabsf(known[2] - 0.4421522f) < 1e-4f); /* s = 0.4613561: 3 s^2 - 2 s^3 */
  for (int contrast = 0; contrast < 2; contrast++)
    for (int i = -10; i <= 1010; i++) {
      float x = (float)i / 1000;
      nd_tone_apply(nd_tone_to_linear(contrast), &x, 1);
      nd_tone_apply(nd_tone_to_display(contrast), &x, 1);
      assert_true(fabsf(x - fminf(fmaxf((float)i / 1000, 0), 1)) < 5e-4f);
    }
}

/* Figure 2 of Malvar et al., times 8: what is estimated, at which place. */
static const float green_at_red_or_blue[25] = {0, 0,  -1, 0, 0, 0, 0, 2, 0, 0,  -1, 2, 4,
                                               2, -1, 0,  0, 2, 0, 0, 0, 0, -1, 0,  0};
static const float along_the_row[25] = {0, 0,  0.5f, 0,  0, 0,  -1, 0, -1, 0,    -1, 4, 5,
                                        4, -1, 0,    -1, 0, -1, 0,  0, 0,  0.5f, 0,  0};
static const float along_the_column[25] = {0, 0,    -1, 0,  0, 0,  -1, 4, -1, 0,  0.5f, 0, 5,
                                           0, 0.5f, 0,  -1, 4, -1, 0,  0, 0,  -1, 0,    0};
static const float at_the_opposite[25] = {0, 0,     -1.5f, 0, 0, 0, 2, 0, 2, 0,     -1.5f, 0, 6,
                                          0, -1.5f, 0,     2, 0, 2, 0, 0, 0, -1.5f, 0,     0};

static const float *kernel_for(int y, int x, int channel) {
  bool even_row = y % 2 == 0, even_column = x % 2 == 0;
  if (even_row != even_column) { /* green */
    if (channel == 1)
      return NULL;
    return even_row == (channel == 0) ? along_the_row : along_the_column;
  }
  if (channel == 1)
    return green_at_red_or_blue;
  return even_row == (channel == 0) ? NULL : at_the_opposite;
}

static int mirror(int i, int n) {
  return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

static void demosaicing_agrees_with_the_papers_kernels(void **state) {
  (void)state;
  enum { H = 7, W = 10 };
  float raw[H * W], rgb[H * W * 3];
  nd_rng rng = nd_rng_make(1, 0, 0, ND_RANDOM_TEST);
  nd_rng_fill_normal(&rng, raw, H * W);
  assert_int_equal(nd_demosaic(raw, H, W, rgb), 0);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++)
      for (int c = 0; c < 3; c++) {
        const float *kernel = kernel_for(y, x, c);
        float expected = kernel ? 0 : raw[y * W + x];
        for (int k = 0; kernel && k < 25; k++)
          expected += kernel[k] / 8 * raw[mirror(y + k / 5 - 2, H) * W + mirror(x + k % 5 - 2, W)];
        assert_true(fabsf(rgb[(y * W + x) * 3 + c] - expected) < 1e-5f);
      }
}

static void demosaicing_takes_pictures_of_any_size(void **state) {
  (void)state;
  for (int height = 1; height < 5; height++)
    for (int width = 1; width < 5; width++) {
      float raw[16], rgb[48];
      for (int i = 0; i < 16; i++)
        raw[i] = 0.25f;
      assert_int_equal(nd_demosaic(raw, height, width, rgb), 0);
      for (int i = 0; i < height * width * 3; i++)
        assert_true(fabsf(rgb[i] - 0.25f) < 1e-6f);
    }
}

/* ---- Camera, whole ---- */

static nd_degrade_settings quiet_camera(void) {
  nd_degrade_settings s = chosen("camera", "");
  set(&s, "noise", "false");
  set(&s, "quality", "0");
  set(&s, "quantize", "false");
  return s;
}

static void without_noise_the_camera_returns_the_picture(void **state) {
  (void)state;
  nd_degrade_settings s = quiet_camera();
  for (int tone = 0; tone < 2; tone++) {
    set(&s, "tone_curve", tone ? "true" : "false");
    g_autofree float *clean = smooth(), *out = smooth();
    degrade(&s, out, SIDE, 1);
    assert_true(psnr(clean, out) > 45);
  }
}

/* Red beside blue is the hardest edge for a mosaic; it may not be felt more than the kernels' reach away. */
static void an_edge_is_felt_only_nearby(void **state) {
  (void)state;
  nd_degrade_settings s = quiet_camera();
  g_autofree float *clean = g_new(float, VALUES), *out = g_new(float, VALUES);
  for (int i = 0; i < VALUES; i++)
    clean[i] = (i / 3 % SIDE < SIDE / 2) == (i % 3 == 0) ? 0.6f : 0.35f;
  memcpy(out, clean, VALUES * sizeof *out);
  degrade(&s, out, SIDE, 1);
  float near = 0;
  for (int i = 0; i < VALUES; i++) {
    int distance = i / 3 % SIDE - SIDE / 2;
    if (distance >= -3 && distance < 3)
      near = fmaxf(near, fabsf(out[i] - clean[i]));
    else
      assert_true(fabsf(out[i] - clean[i]) < 1e-3f);
  }
  assert_true(near > 0.01f);
}

static double linear_green_variance(const nd_degrade_settings *s, double level) {
  double sum = 0;
  for (uint64_t step = 0; step < 4; step++) {
    g_autofree float *rgb = flat(SIDE, (float)level), *green = g_new(float, PIXELS);
    nd_tone_apply(nd_tone_to_display(false), rgb, VALUES);
    degrade(s, rgb, SIDE, step);
    nd_tone_apply(nd_tone_to_linear(false), rgb, VALUES);
    for (int i = 0; i < PIXELS; i++)
      green[i] = rgb[3 * i + 1];
    sum += measure(green, PIXELS, 1).variance;
  }
  return sum / 4;
}

/* Every step from the sensor to linear RGB is linear, so variance stays affine in the light. */
static void camera_noise_grows_with_the_light(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  set(&s, "quality", "0");
  set(&s, "quantize", "false");
  set(&s, "tone_curve", "false");
  set(&s, "white_balance", "fixed");
  set(&s, "ccm", "fixed");
  set(&s, "iso", "400");
  set(&s, "exposure", "0.5");
  double low = linear_green_variance(&s, 0.15), middle = linear_green_variance(&s, 0.3),
         high = linear_green_variance(&s, 0.6);
  assert_true(low > 0 && middle > 1.5 * low);
  assert_true(fabs((high - middle) / (middle - low) - 2) < 0.15);
}

static void camera_noise_is_correlated(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  set(&s, "quality", "0");
  g_autofree float *rgb = flat(SIDE, 0.5f);
  degrade(&s, rgb, SIDE, 0);
  for (int c = 0; c < 3; c++) {
    g_autofree float *plane = g_new(float, PIXELS);
    for (int i = 0; i < PIXELS; i++)
      plane[i] = rgb[3 * i + c];
    assert_true(measure(plane, PIXELS, 1).neighbour > 0.15);
    assert_true(measure(plane, PIXELS, SIDE).neighbour > 0.15);
    assert_true(fabs(measure(plane, PIXELS, 8).neighbour) < 0.05);
  }
}

static void camera_pictures_are_files_of_8_bits(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  for (int jpeg = 0; jpeg < 2; jpeg++) {
    if (!jpeg)
      set(&s, "quality", "0");
    else
      set(&s, "quality", "80");
    g_autofree float *rgb = smooth();
    degrade(&s, rgb, SIDE, 5);
    for (int i = 0; i < VALUES; i++) {
      assert_true(rgb[i] >= 0 && rgb[i] <= 1);
      assert_true(fabsf(rgb[i] * 255 - (float)byte_of(rgb[i])) < 1e-3f);
    }
  }
}

static void jpeg_loses_more_at_lower_quality(void **state) {
  (void)state;
  nd_degrade_settings s = quiet_camera();
  g_autofree float *none = smooth(), *fine = smooth(), *coarse = smooth();
  degrade(&s, none, SIDE, 1);
  set(&s, "quality", "95");
  degrade(&s, fine, SIDE, 1);
  set(&s, "quality", "20");
  degrade(&s, coarse, SIDE, 1);
  double at_95 = psnr(none, fine), at_20 = psnr(none, coarse);
  assert_true(at_95 > 38 && at_95 < 60);
  assert_true(at_20 > 25 && at_20 < at_95 - 3);
}

static void camera_is_a_function_of_its_generator(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  g_autofree float *a = smooth(), *b = smooth(), *other = smooth();
  degrade(&s, a, SIDE, 1);
  degrade(&s, b, SIDE, 1);
  degrade(&s, other, SIDE, 2);
  assert_memory_equal(a, b, VALUES * sizeof *a);
  assert_true(psnr(a, other) < 40);
}

static void the_standard_camera_is_a_phone_at_night(void **state) {
  (void)state;
  nd_degrade_settings s = chosen("camera", "");
  g_autofree float *clean = smooth();
  double mean = 0;
  for (uint64_t step = 0; step < 16; step++) {
    g_autofree float *rgb = smooth();
    degrade(&s, rgb, SIDE, step);
    mean += psnr(clean, rgb) / 16;
  }
  assert_true(mean > 20 && mean < 26);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(settings_are_found_set_and_described),
      cmocka_unit_test(every_degradation_is_documented_and_its_defaults_are_valid),
      cmocka_unit_test(wrong_settings_are_named),
      cmocka_unit_test(gaussian_noise_has_its_level_and_no_correlation),
      cmocka_unit_test(gaussian_levels_are_uniform_over_patches),
      cmocka_unit_test(gaussian_clips_only_when_told),
      cmocka_unit_test(sensor_levels_are_those_published),
      cmocka_unit_test(dnd_levels_follow_the_fit),
      cmocka_unit_test(raw_noise_has_the_variance_of_the_model),
      cmocka_unit_test(raw_saturates_above_and_keeps_negatives),
      cmocka_unit_test(colours_are_inverted_and_keep_white),
      cmocka_unit_test(colours_are_random_only_when_told),
      cmocka_unit_test(tone_curves_are_known_and_inverse),
      cmocka_unit_test(demosaicing_agrees_with_the_papers_kernels),
      cmocka_unit_test(demosaicing_takes_pictures_of_any_size),
      cmocka_unit_test(without_noise_the_camera_returns_the_picture),
      cmocka_unit_test(an_edge_is_felt_only_nearby),
      cmocka_unit_test(camera_noise_grows_with_the_light),
      cmocka_unit_test(camera_noise_is_correlated),
      cmocka_unit_test(camera_pictures_are_files_of_8_bits),
      cmocka_unit_test(jpeg_loses_more_at_lower_quality),
      cmocka_unit_test(camera_is_a_function_of_its_generator),
      cmocka_unit_test(the_standard_camera_is_a_phone_at_night),
  };
  if (nd_image_start())
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
