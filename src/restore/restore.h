/* Using a restoration network: pictures of any size, a part after the other where they are large, and how
 * well it does. */
#ifndef ND_RESTORE_H
#define ND_RESTORE_H

#include "data/data.h"
#include "image/image.h"
#include "image/niqe.h"
#include "restore/lpips.h"
#include "weights/model.h"

/* Stands between the stem and the ending of a photo's name in its result's. */
#define ND_RESTORED_SUFFIX "_restored"

typedef struct nd_restorer nd_restorer;

typedef struct nd_restorer_settings {
  size_t memory; /* bytes the network's buffers may take; larger pictures are slid over, or tiled. 0: 1 GiB */
  int tile;      /* not 0: in tiles of this side in pixels, overlap included, and not otherwise */
  bool residual; /* restored = x + R(x); else R(x) */
  double strength;     /* 0..1: how much of the correction is applied; of two views, to their mean */
  nd_dtype dtype;      /* of activations */
  nd_profile *profile; /* records the runs; NULL: none. It must outlive the restorer */
} nd_restorer_settings;
/* A network's buffers in less are of no use: tiles would hardly be larger than their overlap. */
enum { ND_RESTORER_LEAST_MEMORY = 16 << 20 };
nd_restorer_settings nd_restorer_defaults(void); /* 1 GiB, no tile given, residual, strength 1 */

/* Parameters are found under scope ("" or ND_SCOPE_RESTORATION). net, params and values must outlive it. */
int nd_restorer_new(const nd_net *net, nd_params *params, const char *scope, const float *values,
                    nd_restorer_settings settings, nd_restorer **out);
/* The same for a model, whose `residual` stands in place of the settings'. The model must outlive it. */
int nd_restorer_of_model(const nd_model *model, nd_restorer_settings settings, nd_restorer **out);
void nd_restorer_free(nd_restorer *r); /* NULL is fine */
/* For pictures from now on: `all` bytes less what weights, pictures and whatever else is counted
 * (nd_mem_used) have taken by now. */
void nd_restorer_fit_memory(nd_restorer *r, size_t all);
/* How many bytes more the last picture takes, if it failed for want of them; else 0. */
size_t nd_restorer_lacking(const nd_restorer *r);

/* Tiles, or steps of the way down. false: stop; the run fails. */
typedef bool (*nd_tile_progress)(int done, int tiles, void *context);
/* in: height x width x nd_net_channels in [0, 1], any size; out: height x width x 3; they may be the same
 * where both have 3. Its parts see what the network sees, so the result is that of the whole picture up to
 * rounding. Not clamped. progress may be NULL. Not for several threads at once on one restorer. */
int nd_restorer_run(nd_restorer *r, const float *in, int height, int width, float *out,
                    nd_tile_progress progress, void *context);
/* The same in what `all` bytes leave (nd_restorer_fit_memory), and in more where the picture takes more:
 * *beyond becomes that, if it was less. */
int nd_restorer_run_within(nd_restorer *r, size_t all, const float *in, int height, int width, float *out,
                           size_t *beyond);
/* The same on a picture, in place: grey stays grey, alpha and metadata stay, values are clamped to [0, 1].
 * right: the right view, where the network takes two and the image is the left one; else NULL. */
int nd_restorer_run_image(nd_restorer *r, nd_image *image, const nd_image *right, nd_tile_progress progress,
                          void *context);

/* The same on rasters of one size (image.h), for pictures larger than memory. */
int nd_restorer_run_raster(nd_restorer *r, const nd_raster *in, const nd_raster *right, nd_raster *out,
                           nd_tile_progress progress, void *context);
/* The same on a picture given by rows: n pixels of row y from column x on, got as n x nd_net_channels floats
 * and put as n x 3. Rows are read more than once, also after parts of them were written: out must not be in.
 * -1 ends the run. */
typedef struct nd_picture {
  int height, width;
  int (*get)(void *context, int y, int x, int n, float *pixels);
  int (*put)(void *context, int y, int x, int n, const float *rgb);
  void *context;
} nd_picture;
int nd_restorer_run_picture(nd_restorer *r, const nd_picture *picture, nd_tile_progress progress,
                            void *context);
/* In how many tiles or steps a picture would go, with the memory there is now. */
int nd_restorer_count_tiles(nd_restorer *r, int height, int width, int *tiles);

/* ---- Evaluation ---- */
/* What is measured, in the order of the table in metrics.c. */
typedef enum nd_metric { ND_PSNR, ND_SSIM, ND_LPIPS, ND_NIQE, ND_METRICS } nd_metric;

typedef struct nd_score {
  char *name;
  double result[ND_METRICS], input[ND_METRICS]; /* of the unrestored input: nd_views_photo; 0: not measured */
} nd_score;

typedef struct nd_scores {
  const nd_protocol *protocol; /* NULL: there was no truth */
  bool measured[ND_METRICS];   /* set by nd_evaluate */
  int count, total;            /* how many pictures could be measured, of how many */
  size_t beyond;               /* bytes more than nd_evaluation.memory that some picture needed */
  nd_score *at;
  nd_score mean; /* over those that could be measured (none: not a number); without a name */
} nd_scores;

typedef struct nd_evaluation {
  const nd_protocol *protocol;
  nd_lpips *lpips;           /* NULL: not measured */
  const nd_niqe_model *niqe; /* NULL: not measured */
  size_t limit;              /* only so many pictures; 0: all */
  size_t memory; /* what is counted (nd_mem_used) takes no more while pictures are restored, unless one needs
                    it; 0: the restorer's settings say how much */
  /* Told of each picture that cannot be measured, and the rest goes on; nd_error says why. NULL: the first
   * ends it. */
  void (*failed)(const char *name, void *context);
  void *context;
} nd_evaluation;

typedef struct nd_metric_kind {
  const char *name, *key;      /* "PSNR"; "psnr", in JSON and tables */
  const char *title;           /* of a report's table, where it has `digits` decimals */
  int width, decimals, digits; /* the first two: in a line of noiseda eval */
  bool needs_truth, lower_is_better;
  bool (*wanted)(const nd_evaluation *e);
  /* NULL: pictures of any size will do. */
  int (*check_size)(const nd_evaluation *e, int height, int width);
  /* Of rgb, height x width x 3 in [0, 1] of p's size, for the input or the result of p, into its place in
   * out, which is by nd_metric. NULL: the one before measures this, too. */
  int (*measure)(const nd_evaluation *e, const nd_pair *p, const float *rgb, double out[ND_METRICS]);
} nd_metric_kind;
extern const nd_metric_kind nd_metrics[ND_METRICS];
/* Whether the pictures are large enough for what is to be measured of them, before that takes hours. */
int nd_evaluation_check(const nd_evaluation *e, const nd_pairs *pairs);
/* Restores each input and compares with its target, where it has one. r NULL: the inputs are the results. */
int nd_evaluate(nd_restorer *r, const nd_evaluation *e, const nd_pairs *pairs, nd_scores *out);
/* The same of a model file (NULL: the inputs are the results) on the pairs of two folders. */
int nd_evaluate_model(const char *model, const nd_evaluation *e, const nd_pair_source *source,
                      nd_scores *out);
/* Of a set of photos for which there is no truth: e->niqe alone. right: the right views of a set of left
 * ones; NULL: there is one view. */
int nd_evaluate_photos(const char *model, const nd_evaluation *e, const char *set, const char *right,
                       nd_scores *out);
void nd_scores_free(nd_scores *s);

#endif
