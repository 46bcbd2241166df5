/* What the files of NIQE share. */
#ifndef ND_NIQE_PRIVATE_H
#define ND_NIQE_PRIVATE_H

#include "image/niqe.h"

enum { ND_NIQE_SCALE_FEATURES = ND_NIQE_FEATURES / 2 };

/* ---- niqe_features.c ----
 * The numbers of one square block of normalised brightness; not a number where the block has no contrast:
 * shape and width of a generalised Gaussian, then for the products of neighbours in each of four directions
 * shape, mean, left and right width of an asymmetric one. */
void nd_niqe_features(const double *block, int side, double out[ND_NIQE_SCALE_FEATURES]);

/* ---- niqe_blocks.c ---- */
typedef struct nd_niqe_blocks {
  size_t count;
  double (*features)[ND_NIQE_FEATURES];
  double *sharpness; /* mean local deviation at full size, on the scale 0 to 255 */
} nd_niqe_blocks;
/* The blocks of a picture (nd_niqe_measure); none where it is too small. Owned by the caller. */
int nd_niqe_blocks_of(const float *rgb, int height, int width, nd_niqe_blocks *out);
void nd_niqe_blocks_free(nd_niqe_blocks *blocks);

/* ---- niqe_model.c ---- */
/* Mean and covariance (n - 1) of rows all of whose numbers are finite; returns how many of them there are. */
size_t nd_niqe_statistics(const double (*rows)[ND_NIQE_FEATURES], size_t count, nd_niqe_model *out);
/* matrix becomes its lower Cholesky factor; -1, without a message: it is not positive definite. */
int nd_niqe_factor(double matrix[ND_NIQE_FEATURES][ND_NIQE_FEATURES]);

#endif
