/* The objectives: source, paired, unpaired (METHOD, "One training step"), and the baselines they are compared
 * with: noise2void, dann and more, a file each. */
#ifndef ND_ADAPT_H
#define ND_ADAPT_H

#include "diffusion/diffusion.h"

/* The networks' parameters carry these prefixes, as in a Noise-DA checkpoint. */
#define ND_SCOPE_RESTORATION "RestorationNet"
#define ND_SCOPE_DIFFUSION "denoise_fn"
#define ND_SCOPE_TRANSLATOR "translator"
#define ND_SCOPE_DOMAIN "domain_classifier"

typedef enum nd_mode {
  ND_MODE_SOURCE,
  ND_MODE_PAIRED,
  ND_MODE_UNPAIRED,
  ND_MODE_NOISE2VOID, /* beside the pairs, real photos with a blind spot */
  ND_MODE_GRAFT,      /* beside the pairs, what R takes off real photos, put on the clean pictures */
  ND_MODE_TRANSLATE,  /* beside the pairs, the same translated into pictures of the real kind */
  ND_MODE_DANN,       /* beside the pairs, a domain classifier with gradient reversal */
  ND_MODE_TEACHER /* beside the pairs, real photos with more damage, restored as R's average restores them */
} nd_mode;

/* Whether the mode trains a diffusion network. */
static inline bool nd_mode_diffuses(nd_mode mode) {
  return mode == ND_MODE_PAIRED || mode == ND_MODE_UNPAIRED;
}

/* What becomes of the negatives' values in the diffusion network; positives, losses and masks are the same.
 */
typedef enum nd_negatives {
  ND_NEGATIVES_KEPT,  /* in one pass with the positives */
  ND_NEGATIVES_AGAIN, /* computed again in the backward pass: less memory, a sixth more work there */
  ND_NEGATIVES_JUDGED /* no gradient passes through them, which is exact where the contrast has no slope: a
                         third less work */
} nd_negatives;

typedef enum nd_restoration_loss {
  ND_LOSS_CHARBONNIER, /* mean of sqrt(d^2 + 1e-6), the method's */
  ND_LOSS_L1,          /* mean of |d|, to within 1e-6 */
  ND_LOSS_MSE
} nd_restoration_loss;

typedef struct nd_objective_settings {
  nd_mode mode;
  nd_restoration_loss restoration_loss;
  bool residual; /* restored = x + R(x); else R(x) */
  bool shuffle;  /* channel shuffling, step 3 */
  bool contrast; /* residual-swapping contrast, step 4; paired mode only */
  nd_negatives negatives;
  float margin;                       /* of the contrast, 0.1 */
  bool detach_synthetic, detach_real; /* no gradient through that condition */
  bool weigh_conditions;              /* alpha weighs what of the diffusion loss's gradient passes through the
                                         conditions, not that loss: the diffusion network then learns at one
                                         pace, however alpha grows (Adam divides by gradients of long ago) */
  float keep_means; /* paired, unpaired: weight, beside the diffusion loss, of the real photos' coarse
                       brightness and colours being kept; 0: none */
  float graft;      /* paired, unpaired: the graft's loss for one of the diffusion; 0: none */
  bool graft_given; /* the damage that is grafted comes with the batch; else it is what R takes off */
  float graft_min, graft_max; /* by how much what R takes off is multiplied */
  int graft_stride;           /* 2: it is what is taken off the pictures of every second pixel; 1: off all */
} nd_objective_settings;
nd_objective_settings nd_objective_defaults(void); /* the release's */

/* The tensors of a training graph; ND_NONE where the mode has none. Pictures n,p,p,3, synthetic and real
 * n,p,p,channels; the rest n,1,1,1 or one number. */
typedef struct nd_objective {
  nd_objective_settings settings;
  int n, patch_size, channels;                       /* channels: what R takes */
  nd_tensor synthetic, clean, real, reference;       /* pictures in */
  nd_tensor noise, level, signal_scale, noise_scale; /* eps, g, sqrt(g), sqrt(1 - g) in */
  nd_tensor shuffle, shuffle_negative, alpha;        /* masks (0 or 1) and the weight of L_dif in */
  nd_tensor strength;                                /* graft of what R takes off: n,1,1,1 in */
  nd_tensor damage; /* any other graft: what is added to the clean pictures, in; teacher: to the real ones */
  nd_tensor taught; /* teacher: the real pictures as it restores them, in */
  nd_tensor blind, mask; /* noise2void: real with pixels hidden in, and where (n,p,p,1) */
  nd_tensor loss, loss_restoration, loss_diffusion, loss_positive, loss_negative; /* out; loss_diffusion: of a
                                                                                    baseline, its own */
  nd_tensor restored_synthetic, restored_real;                                    /* out */
} nd_objective;

/* Whether the mode can be trained with a network that takes two views of a picture: those of source, paired,
 * unpaired and dann restore what is there, the others put damage on single pictures, or hide it there. */
bool nd_mode_takes_views(nd_mode mode);

/* Appends the whole objective (forward) to g; diffusion may be NULL in source mode. Errors stay in g. */
void nd_objective_build(nd_graph *g, const nd_objective_settings *s, const nd_net *restoration,
                        const nd_net *diffusion, int n, int patch_size, nd_objective *out);

/* Whether the contrast has a slope at these means: max(0, positive - negative + margin), as the graph
 * computes it. False where there is none. */
bool nd_objective_contrast_active(const nd_objective *o, float positive, float negative);

/* Writes noise, levels and masks (noise2void: of the real pictures that are in the plan by then) for the
 * samples first_sample ... of a step; all are functions of (seed, step, sample). */
void nd_objective_draw(const nd_objective *o, nd_plan *plan, const nd_schedule *schedule, nd_levels levels,
                       uint64_t seed, uint64_t step, uint32_t first_sample);

/* The weight of the diffusion loss: alpha = lambda (2 / (1 + exp(-5 p)) - 1), p = min(step / ramp_steps, 1);
 * lambda where ramp_steps is 0. */
double nd_adapt_alpha(double lambda, uint64_t step, uint64_t ramp_steps);

#endif
