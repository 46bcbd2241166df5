/* Pictures in and out (libvips), colour, metadata, quality metrics. */
#ifndef ND_IMAGE_H
#define ND_IMAGE_H

#include "base/base.h"

/* A picture in memory. data: height x width x channels floats, interleaved, nominally [0, 1] (0 = black,
 * 1 = the largest value of the file's format). channels: 1 (grey) or 3 (RGB). alpha: height x width in [0,
 * 1], NULL when the file had none. bits: 8 or 16, what the file held. meta: EXIF, ICC profile, resolution,
 * kept from the file for nd_image_save; NULL for a picture made in memory. Owned by the caller:
 * nd_image_free. */
typedef struct nd_image {
  int width, height, channels, bits;
  float *data, *alpha;
  void *meta;
} nd_image;

/* Must run once before any other call of this room (starts libvips, single-threaded operations: this library
 * does its own threading). */
int nd_image_start(void);

/* Reads PNG, JPEG, TIFF, WebP, 8 or 16 bit. EXIF orientation is applied to the pixels (and reset in meta).
 * CMYK and palette pictures become RGB. Error: names the file, what was found, what would help; out zeroed.
 */
int nd_image_load(const char *path, nd_image *out);
/* The same, always 3 channels (grey repeated), no alpha, no meta: what training wants. */
int nd_image_load_rgb(const char *path, nd_image *out);
/* Reads only the header. */
int nd_image_size(const char *path, int *width, int *height);
int nd_image_new(int width, int height, int channels, nd_image *out); /* zeroed pixels, 8 bits */
void nd_image_free(nd_image *image);

typedef struct nd_save_options {
  int bits;    /* 8 or 16; 0: as image->bits where the format can, else 8 */
  int quality; /* JPEG and WebP, 1..100; 0: 95 */
} nd_save_options;

/* Writes by the path's extension (.png .jpg .jpeg .tif .tiff .webp), values clamped to [0, 1] and rounded to
 * nearest; meta and alpha kept where the format can. Written to a temporary name beside path and renamed.
 * options may be NULL. */
int nd_image_save(const char *path, const nd_image *image, const nd_save_options *options);
/* The same into memory (format: ".png", ".jpg", ...); *bytes is the caller's, g_free. */
int nd_image_encode(const nd_image *image, const char *format, const nd_save_options *options, void **bytes,
                    size_t *size);
int nd_image_decode(const void *bytes, size_t size, const char *name, nd_image *out);
/* True when the file name ends in a picture format this build reads (any case). */
bool nd_image_named(const char *path);

/* ---- Metrics ------------------------------------------------------------------------------------------
 * a, b: dense height x width x channels, range [0, 1]. round_to_8_bits compares what an 8-bit file would
 * hold. rgb protocol = scikit-image: PSNR over all values with data_range 1; SSIM (Wang et al. 2004) per
 * channel, averaged: 7x7 uniform window, sample covariance, K1 0.01, K2 0.03, borders of 3 cropped from the
 * mean (structural_similarity's defaults with channel_axis). gaussian: sigma 1.5, 11x11 window, population
 * covariance (MATLAB's ssim and scikit-image with gaussian_weights=True, use_sample_covariance=False). */
typedef struct nd_metric_options {
  bool round_to_8_bits;
  bool gaussian;
} nd_metric_options;
double nd_psnr(const float *a, const float *b, int height, int width, int channels, nd_metric_options o);
/* -1.0 and an error when the picture is smaller than the window. */
double nd_ssim(const float *a, const float *b, int height, int width, int channels, nd_metric_options o);

#endif
