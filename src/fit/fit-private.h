/* What fitting is made of, apart for the tests. */
#ifndef ND_FIT_PRIVATE_H
#define ND_FIT_PRIVATE_H

#include "fit/fit.h"

/* ---- statistics.c: of one patch -----------------------------------------------------------------------
 */
enum { ND_FIT_BRIGHTNESS = 2 + 3 + 4 + 8, ND_FIT_STATISTICS = ND_FIT_BRIGHTNESS + 2 * 4 };
/* rgb: size x size x 3. out: mean and logarithm of the deviation of brightness; its second differences at
 * lags of 1, 2, 4, 8 pixels: detail of the lags below 8 against 8, then how unequal their directions are,
 * then which way (row against column, diagonal against diagonal). colour: eight more, the detail of both
 * colour differences. Returns how many. */
int nd_fit_statistics(const float *rgb, int size, bool colour, float *out);

/* ---- patches.c: patches of a set, and their statistics ------------------------------------------------
 */
typedef struct nd_fit_patches {
  int count, side; /* of the patches, and pixels a side with what is around */
  size_t pictures; /* that they are of */
  float *rgb;      /* count x side x side x 3 */
} nd_fit_patches;
/* `count` patches spread evenly over the pictures of a set that are large enough. */
int nd_fit_patches_read(const char *set, int count, int side, uint64_t seed, nd_purpose purpose,
                        nd_fit_patches *out);
void nd_fit_patches_free(nd_fit_patches *patches);

/* A table of count statistics of each kind, every kind sorted: values[kind * count + i]. */
typedef struct nd_fit_table {
  int kinds, count;
  float *values; /* the caller's, g_free */
} nd_fit_table;
/* degradation NULL: as they are. The i-th patch is degraded from the i-th stream of the seed, so that
 * settings are compared with equal draws. patch_size: the middle that is looked at. */
int nd_fit_tabulate(const nd_fit_patches *patches, const nd_degrade_settings *degradation,
                    const nd_fit_settings *settings, nd_fit_table *out);
/* Mean over the kinds of the distance between a and b, of equal counts, in deviations of b. */
double nd_fit_distance(const nd_fit_table *a, const nd_fit_table *b);

/* ---- search.c: which settings -------------------------------------------------------------------------
 */
/* What is to be made small, < 0: it could not be told, with the error. */
typedef double (*nd_fit_cost)(const nd_degrade_settings *settings, void *context);
/* fixed[k]: the k-th value of the degradation stays as it is. Leaves the best settings in best and returns
 * their cost, < 0 on error. */
double nd_fit_search(nd_degrade_settings *best, const bool *fixed, int tries, uint64_t seed, nd_fit_cost cost,
                     void *context);

#endif
