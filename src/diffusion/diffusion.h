/* Noise schedules, the forward process, the reverse process (sampler). */
#ifndef ND_DIFFUSION_H
#define ND_DIFFUSION_H

#include "net/net.h"

/* beta_1 .. beta_T and what follows from them; index 0 is t = 1's neighbour below: gamma[t] is the product of
 * (1 - beta) of the first t + 1 entries, t = 0 .. steps - 1 (Ho et al. 2020; continuous level: Chen et al.
 * 2021, WaveGrad). */
typedef struct nd_schedule {
  int steps;
  double *beta, *gamma; /* steps of each */
} nd_schedule;

/* kind: linear, quad, warmup10, warmup50, const, jsd, cosine. steps: 2 .. 100000; 0 < beta_start <= beta_end
 * < 1 (jsd and cosine do not use them). */
int nd_schedule_new(const char *kind, int steps, double beta_start, double beta_end, nd_schedule **out);
void nd_schedule_free(nd_schedule *s);      /* NULL is fine */
const char *const *nd_schedule_kinds(void); /* NULL at the end */

/* Which noise levels are drawn: t in {t_min .. t_max}, 1 <= t_min <= t_max <= steps - 1. With t_power 1 it is
 * uniform; else the place in that range is a uniform number to that power, so that more than 1 prefers levels
 * of little noise, less than 1 those of much. */
typedef struct nd_levels {
  int t_min, t_max;
  double t_power;
} nd_levels;
/* A noise level for a sample: t, then g uniform in [gamma_t, gamma_(t-1)] (METHOD, step 2). */
double nd_schedule_draw(const nd_schedule *s, nd_rng *r, nd_levels levels);

/* ---- The diffusion network, ready to run ----------------------------------------------------------------
 */
typedef struct nd_predictor nd_predictor;
/* n pictures of height x width (multiples of nd_net_multiple). values: a buffer laid out as params; both must
 * outlive the predictor. Parameters are looked up under scope ("denoise_fn"; "" for none). */
int nd_predictor_new(const nd_net *net, nd_params *params, const char *scope, const float *values, int n,
                     int height, int width, nd_predictor **out);
void nd_predictor_free(nd_predictor *p);
int nd_predictor_pictures(const nd_predictor *p);  /* n */
size_t nd_predictor_pixels(const nd_predictor *p); /* of all n pictures */
/* The noise that the network sees in y (n,h,w,3) at the levels (n) with the condition (n,h,w,6). */
void nd_predict_noise(nd_predictor *p, const float *y, const float *level, const float *condition,
                      float *noise);

/* The reverse process from pure noise, conditioned on two images stacked on channels (n,h,w,6), along a
 * respaced schedule of `steps` of s's levels (steps <= s->steps): at each, y0 from the predicted noise,
 * clamped to [0, 1], then the posterior of the forward process (Ho et al. 2020, eq. 6-7; levels as in SR3,
 * Saharia et al. 2021). Draws are functions of seed. out: n,h,w,3. progress may be NULL. */
typedef void (*nd_sampler_progress)(int step, int steps, void *context);
int nd_sample(nd_predictor *p, const nd_schedule *s, int steps, const float *condition, uint64_t seed,
              float *out, nd_sampler_progress progress, void *context);
/* One reverse step, for tests and for nd_sample: y at level gamma to y at level gamma_before (1 at the end),
 * given the noise predicted and fresh draws z, count values each; y is overwritten. */
void nd_reverse_step(float *y, const float *noise, const float *z, size_t count, double gamma,
                     double gamma_before);

/* ---- Probe: the observation that the method starts from -------------------------------------------------
 */
/* Mean squared error of the predicted noise when both conditions are the clean pictures plus Gaussian noise
 * of the given standard deviation. clean: n,h,w,3, the predictor's n. The mean over `draws` draws of (level,
 * noise), which are the same for every sigma. */
int nd_probe(nd_predictor *p, const nd_schedule *s, const float *clean, double sigma, int draws,
             nd_levels levels, uint64_t seed, double *error);

#endif
