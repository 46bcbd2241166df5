/* How the noise-prediction error grows as the condition is corrupted (METHOD, "The idea"). */
#include "diffusion/diffusion.h"

#include <math.h>

typedef struct buffers {
  float *y, *noise, *predicted, *condition, *level;
} buffers;

static int buffers_new(const nd_predictor *p, buffers *b) {
  size_t count = nd_predictor_pixels(p) * 3 * sizeof(float);
  b->y = nd_mem_alloc(count, "probe");
  b->noise = nd_mem_alloc(count, "probe");
  b->predicted = nd_mem_alloc(count, "probe");
  b->condition = nd_mem_alloc(2 * count, "probe");
  b->level = nd_mem_alloc((size_t)nd_predictor_pictures(p) * sizeof(float), "probe");
  return b->y && b->noise && b->predicted && b->condition && b->level ? 0 : -1;
}

static void buffers_free(buffers *b) {
  nd_mem_free(b->y);
  nd_mem_free(b->noise);
  nd_mem_free(b->predicted);
  nd_mem_free(b->condition);
  nd_mem_free(b->level);
}

/* Both conditions: clean + sigma N(0, 1), drawn apart. */
static void corrupt(const float *clean, size_t pixels, double sigma, nd_rng *r, float *condition) {
  for (size_t i = 0; i < pixels; i++)
    for (int k = 0; k < 6; k++)
      condition[6 * i + (size_t)k] = clean[3 * i + (size_t)(k % 3)] + (float)(sigma * nd_rng_normal(r));
}

static void diffuse(const nd_predictor *p, const nd_schedule *s, const float *clean, nd_levels levels,
                    nd_rng *r, buffers *b) {
  size_t per_picture = nd_predictor_pixels(p) * 3 / (size_t)nd_predictor_pictures(p);
  for (int n = 0; n < nd_predictor_pictures(p); n++) {
    double g = nd_schedule_draw(s, r, levels);
    b->level[n] = (float)g;
    size_t at = (size_t)n * per_picture;
    nd_rng_fill_normal(r, b->noise + at, per_picture);
    for (size_t i = at; i < at + per_picture; i++)
      b->y[i] = (float)(sqrt(g) * (double)clean[i] + sqrt(1 - g) * (double)b->noise[i]);
  }
}

int nd_probe(nd_predictor *p, const nd_schedule *s, const float *clean, double sigma, int draws,
             nd_levels levels, uint64_t seed, double *error) {
  buffers b = {0};
  size_t pixels = nd_predictor_pixels(p);
  int failed = buffers_new(p, &b);
  double sum = 0;
  for (int k = 0; k < draws && !failed; k++) {
    nd_rng level_draws = nd_rng_make(seed, (uint64_t)k, 0, ND_RANDOM_LEVEL);
    nd_rng noises = nd_rng_make(seed, (uint64_t)k, 0, ND_RANDOM_DEGRADE);
    diffuse(p, s, clean, levels, &level_draws, &b);
    corrupt(clean, pixels, sigma, &noises, b.condition);
    nd_predict_noise(p, b.y, b.level, b.condition, b.predicted);
    for (size_t i = 0; i < pixels * 3; i++)
      sum += pow((double)b.predicted[i] - (double)b.noise[i], 2);
  }
  *error = sum / (double)(pixels * 3) / draws;
  buffers_free(&b);
  return failed;
}
