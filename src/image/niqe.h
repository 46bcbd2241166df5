/* NIQE, a measure of photos that needs no truth: how far the statistics of a picture's blocks lie from those
 * of pristine photos (Mittal, Soundararajan, Bovik, "Making a 'completely blind' image quality analyzer",
 * IEEE Signal Processing Letters 2013). Smaller is better. docs/metrics.md */
#ifndef ND_NIQE_H
#define ND_NIQE_H

#include <stddef.h>

/* Blocks of 96 x 96 pixels; what is left over at the right and at the bottom is not looked at. A block's
 * numbers: 18 at full size, 18 at half size. */
enum { ND_NIQE_BLOCK = 96, ND_NIQE_FEATURES = 36 };

/* Mean and covariance of the blocks of pristine photos; the covariance is symmetric and positive definite. */
typedef struct nd_niqe_model {
  double mean[ND_NIQE_FEATURES], covariance[ND_NIQE_FEATURES][ND_NIQE_FEATURES];
} nd_niqe_model;

/* The one that comes with the program: docs/metrics.md names the photos. */
void nd_niqe_standard(nd_niqe_model *out);
/* A text file of 37 x 36 numbers with blanks or commas between: the mean, then the rows of the covariance.
 * Lines that start with # or // are left out. Errors name the file and what is wrong. */
int nd_niqe_model_read(const char *path, nd_niqe_model *out);
/* Writes such a file, after a line of text. */
int nd_niqe_model_write(const char *path, const nd_niqe_model *model, const char *text);

/* Fails when a picture of that size has fewer than two blocks, with contrast or without. */
int nd_niqe_check_size(int height, int width);
/* rgb: height x width x 3 in [0, 1], rounded to 8 bits first. Blocks without contrast (a burnt-out sky) are
 * left out; an error where fewer than two others are left. Does not depend on the number of threads. */
int nd_niqe_measure(const nd_niqe_model *model, const float *rgb, int height, int width, double *out);

/* Fitting a model: add photos, then finish. */
typedef struct nd_niqe_fit nd_niqe_fit;
nd_niqe_fit *nd_niqe_fit_new(void);
/* Takes the photo's sharp blocks: those whose mean local deviation is above 3/4 of that of the sharpest.
 * *taken: how many; 0 of a photo smaller than a block. */
int nd_niqe_fit_add(nd_niqe_fit *fit, const float *rgb, int height, int width, size_t *taken);
/* An error where the blocks are too few, or too much alike, for a covariance. */
int nd_niqe_fit_finish(const nd_niqe_fit *fit, nd_niqe_model *out);
void nd_niqe_fit_free(nd_niqe_fit *fit); /* NULL is fine */

#endif
