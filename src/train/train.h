/* Training: a recipe and a run folder in, a trained model out.
 *
 * The run folder holds recipe.yaml (all values), log.csv (a line every output.log_every steps),
 * validation.csv, events.out.tfevents.noiseda (the same for TensorBoard), crop-N.png (of the last
 * validation), curve.svg, model.safetensors (the restoration network, averaged weights), best.safetensors
 * (the same at the best validation), checkpoint-STEP.safetensors (everything, to resume) and manifest.json
 * (which checkpoint is the last). Checkpoints appear whole or not at all. One process at a time has
 * the folder, by a lock on its file `lock`.
 */
#ifndef ND_TRAIN_H
#define ND_TRAIN_H

#include "adapt/adapt.h"
#include "image/image.h"
#include "train/group.h"
#include "train/recipe.h"

#include <glib.h>

typedef struct nd_train_report {
  uint64_t step, steps;                 /* done, wanted */
  double loss, restoration;             /* means since the last report, over steps not skipped */
  double diffusion, positive, negative; /* NaN where the mode has none */
  double alpha, gradient_norm, learning_rate;
  uint64_t skipped;         /* steps of the whole run whose loss or gradient was not finite */
  double images_per_second; /* training pairs */
  double seconds_left;
  double wait_share; /* of the time, spent waiting for data: 0..1 */
} nd_train_report;

enum { ND_CROPS = 3 };
typedef struct nd_validation {
  double psnr, ssim; /* means over the pictures */
  int pictures;
  int crop_count;
  nd_image crops[ND_CROPS]; /* to look at: input, restored, target side by side; the receiver frees them */
} nd_validation;

/* What training.memory leaves for all that is counted (nd_mem_used); 0: it says nothing. */
size_t nd_train_room(const nd_recipe *recipe);

enum { ND_PROFILE_WARM_UP = 3 };

typedef struct nd_train_hooks {
  void *context;
  nd_group *group; /* the processes that run this together; NULL: one alone. Rank 0 alone writes and calls
                      progress, validate and validated */
  void (*progress)(const nd_train_report *report, void *context); /* may be NULL */
  /* Restores the validation pictures with these weights (params has the prefix ND_SCOPE_RESTORATION), in
   * nd_train_room; may be NULL when the recipe validates nothing. */
  int (*validate)(const nd_net *restoration, nd_params *params, const float *values, nd_validation *out,
                  void *context);
  void (*validated)(uint64_t step, const nd_validation *result, void *context); /* may be NULL */
  bool (*stop)(void *context); /* asked between steps: true saves and returns; may be NULL */
  /* How many steps to record, after ND_PROFILE_WARM_UP others; 0: none. `profiled` is called once with what
   * was recorded: fewer steps, or none, when the run ends before. */
  int profile_steps;
  void (*profiled)(nd_profile *profile, void *context);
  const char *resumed_by; /* what goes on with a run that failed, as its message says; NULL: --resume */
} nd_train_hooks;

/* Starts a run in folder (made when missing; it must not hold a run already). */
int nd_train_start(nd_recipe *recipe, const char *folder, const nd_train_hooks *hooks);
/* Continues the run in folder from its last checkpoint (from the first step when there is none yet), with the
 * recipe kept there and `overrides` (one without an assignment at the end; may be NULL) over it. The weights
 * become the same bytes as without the interruption. */
int nd_train_resume(const char *folder, const nd_recipe_override *overrides, const nd_train_hooks *hooks);
/* The recipe of the run in folder, with overrides (as of nd_train_resume) over it; to be cleared. Error: one
 * of them changes what a run keeps, as its networks. */
int nd_train_recipe_of(const char *folder, const nd_recipe_override *overrides, nd_recipe *out);

/* The run in folder as one self-contained HTML page; the caller's, g_free. NULL and an error: it is no run.
 */
char *nd_train_report_page(const char *folder);

/* How far the run in folder is: the step of its last checkpoint; 0 where it has none. */
uint64_t nd_train_step_of(const char *folder);
/* Whether folder holds what a run saved: a checkpoint or a manifest, readable or not. */
bool nd_checkpoint_exists(const char *folder);
/* Floating-point operations of one step of a recipe that was checked. */
int nd_train_step_flops(const nd_recipe *recipe, double *out);
/* What a run writes down, by column; lines of older versions may have fewer. */
#define ND_LOG_CSV "log.csv"
#define ND_VALIDATION_CSV "validation.csv"
enum { ND_JOURNAL_STEP }; /* of both */
enum {
  ND_LOGGED_LOSS = ND_JOURNAL_STEP + 1,
  ND_LOGGED_RESTORATION,
  ND_LOGGED_DIFFUSION,
  ND_LOGGED_POSITIVE,
  ND_LOGGED_NEGATIVE,
  ND_LOGGED_ALPHA,
  ND_LOGGED_GRADIENT_NORM,
  ND_LOGGED_IMAGES_PER_SECOND,
  ND_LOGGED_WAIT_SHARE,
  ND_LOGGED_SKIPPED,
  ND_LOGGED_LEARNING_RATE,
  ND_LOGGED_COLUMNS,
  ND_LOGGED_ALWAYS = ND_LOGGED_SKIPPED /* so many columns are there in every version's */
};
enum {
  ND_VALIDATED_PSNR = ND_JOURNAL_STEP + 1,
  ND_VALIDATED_SSIM,
  ND_VALIDATED_PICTURES,
  ND_VALIDATED_COLUMNS
};
/* Calls fn on every line's first `wanted` numbers of such a file; no such file has no lines. */
typedef void (*nd_journal_line)(const double *x, void *context);
void nd_journal_each(const char *folder, const char *name, int wanted, nd_journal_line fn, void *context);
/* Steps and another column of such a file, where that is finite and the line has `columns`. */
typedef struct nd_points {
  GArray *x, *y; /* of double */
  int column;
} nd_points;
/* column: one of the first `columns`. */
nd_points nd_journal_points(const char *folder, const char *name, int columns, int column);
void nd_points_free(nd_points *points);

/* The networks that a recipe describes. The caller frees both; *diffusion is NULL in modes without one. */
int nd_train_networks(const nd_recipe *recipe, nd_net **restoration, nd_net **diffusion);

/* The noise schedule that a recipe describes, the caller's, and which of its levels are drawn. */
int nd_recipe_schedule(const nd_recipe *recipe, nd_schedule **out);
nd_levels nd_recipe_levels(const nd_recipe *recipe);

/* The networks of a checkpoint with their averaged weights, to look at what they learned. Parameters carry
 * the prefixes ND_SCOPE_*. */
typedef struct nd_trained {
  nd_recipe recipe;
  nd_net *restoration, *diffusion; /* diffusion: NULL in modes without one */
  nd_params *params;
  float *values;
  uint64_t step;
} nd_trained;
/* path: a checkpoint, or a run folder (its last one). */
int nd_trained_load(const char *path, nd_trained **out);
/* 0, or -1 and an error that names the path: its mode has no diffusion network. */
int nd_trained_check_diffusion(const nd_trained *t, const char *path);
void nd_trained_free(nd_trained *t); /* NULL is fine */

/* Where the diffusion loss pushes the restored real photos: means over patches. */
typedef struct nd_direction_found {
  double cosine, error; /* of a step down the loss with the way from the restored photo to its truth: -1
                           (away) to 1; and the standard error */
  double real_share; /* of the lengths of both conditions' gradients; where it goes to 0, the loss no longer
                        looks at the real photos */
  double slope;      /* root mean square over a patch of the loss's gradient by the restored real photo, that
                        of the mean absolute difference being 1: adapt.lambda times it pulls against the pairs */
  double loss;       /* of the predicted noise */
} nd_direction_found;
/* t: of a mode that diffuses. photos: real ones and their truth. `batches` of the recipe's size. */
int nd_direction(nd_trained *t, const nd_pair_source *photos, nd_levels levels, int batches, uint64_t seed,
                 nd_direction_found *out);

#endif
