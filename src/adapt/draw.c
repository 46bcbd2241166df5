/* The random part of a training step: noise, levels, shuffles, each a function of (seed, step, sample). */
#include "adapt/adapt-private.h"

#include <math.h>

static void draw_noise(const nd_objective *o, nd_plan *plan, uint64_t seed, uint64_t step, uint32_t sample,
                       int i) {
  size_t count = (size_t)o->patch_size * (size_t)o->patch_size * 3;
  nd_rng r = nd_rng_make(seed, step, sample, ND_RANDOM_NOISE);
  nd_rng_fill_normal(&r, nd_plan_tensor(plan, o->noise) + (size_t)i * count, count);
}

static void draw_sample(const nd_objective *o, nd_plan *plan, const nd_schedule *schedule, nd_levels levels,
                        uint64_t seed, uint64_t step, uint32_t first_sample, int i) {
  uint32_t sample = first_sample + (uint32_t)i;
  draw_noise(o, plan, seed, step, sample, i);
  nd_rng r = nd_rng_make(seed, step, sample, ND_RANDOM_LEVEL);
  double g = nd_schedule_draw(schedule, &r, levels);
  nd_plan_tensor(plan, o->level)[i] = (float)g;
  nd_plan_tensor(plan, o->signal_scale)[i] = (float)sqrt(g);
  nd_plan_tensor(plan, o->noise_scale)[i] = (float)sqrt(1 - g);
  r = nd_rng_make(seed, step, sample, ND_RANDOM_SHUFFLE);
  nd_plan_tensor(plan, o->shuffle)[i] = o->settings.shuffle ? (float)nd_rng_below(&r, 2) : 0;
  if (o->shuffle_negative < 0)
    return;
  r = nd_rng_make(seed, step, sample, ND_RANDOM_SHUFFLE_NEGATIVE);
  nd_plan_tensor(plan, o->shuffle_negative)[i] = o->settings.shuffle ? (float)nd_rng_below(&r, 2) : 0;
}

static void hide_pixels(const nd_objective *o, nd_plan *plan, uint64_t seed, uint64_t step,
                        uint32_t first_sample, int i) {
  size_t pixels = (size_t)o->patch_size * (size_t)o->patch_size, at = (size_t)i * pixels;
  nd_rng r = nd_rng_make(seed, step, first_sample + (uint32_t)i, ND_RANDOM_NOISE);
  nd_noise2void_hide(nd_plan_tensor(plan, o->real) + 3 * at, o->patch_size, &r,
                     nd_plan_tensor(plan, o->blind) + 3 * at, nd_plan_tensor(plan, o->mask) + at);
}

static void draw_strengths(const nd_objective *o, nd_plan *plan, uint64_t seed, uint64_t step,
                           uint32_t first_sample) {
  float least = o->settings.graft_min, span = o->settings.graft_max - least;
  for (int i = 0; i < o->n; i++) {
    nd_rng r = nd_rng_make(seed, step, first_sample + (uint32_t)i, ND_RANDOM_LEVEL);
    nd_plan_tensor(plan, o->strength)[i] = least + span * (float)nd_rng_uniform(&r);
  }
}

void nd_objective_draw(const nd_objective *o, nd_plan *plan, const nd_schedule *schedule, nd_levels levels,
                       uint64_t seed, uint64_t step, uint32_t first_sample) {
  if (o->strength >= 0)
    draw_strengths(o, plan, seed, step, first_sample);
  for (int i = 0; i < o->n; i++)
    if (o->settings.mode == ND_MODE_NOISE2VOID)
      hide_pixels(o, plan, seed, step, first_sample, i);
    else if (o->settings.mode == ND_MODE_TRANSLATE)
      draw_noise(o, plan, seed, step, first_sample + (uint32_t)i, i);
    else if (nd_mode_diffuses(o->settings.mode))
      draw_sample(o, plan, schedule, levels, seed, step, first_sample, i);
}
