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

/* Must run before any other call of this room; again does nothing. Starts libvips, quiet and single-threaded:
 * this library does its own threading. All functions here may be called from several threads at once. */
int nd_image_start(void);

/* Reads PNG, JPEG, TIFF, WebP, 8 or 16 bit, known by their first bytes, whatever the name. EXIF orientation
 * is applied to the pixels (and reset in meta). CMYK and palette pictures become RGB; other pixels stay as
 * they are, their ICC profile is carried along. Of a file of several pictures the first is read, with a
 * warning to nd_log. Error: names the file, what was found, what would help; out zeroed. A truncated or
 * damaged file is an error, never half a picture. */
int nd_image_load(const char *path, nd_image *out);
/* The same, always 3 channels (grey repeated), no alpha, no meta: what training wants. */
int nd_image_load_rgb(const char *path, nd_image *out);
/* Reads only the header; the size of the upright picture. An error too where its kind of pixels is not read.
 */
int nd_image_size(const char *path, int *width, int *height);
/* What a header does not tell: that a JPEG was cut off. -1 and what reading it would say then; other formats
 * pass. Goes through all of the file, which takes little, since nothing is decoded. */
int nd_image_check_end(const char *path);
/* Reads only the header; true where EXIF orientation turns or mirrors the pixels; false where there is none.
 */
bool nd_image_turned(const char *path);
/* The same of a file in memory; name is for messages. */
int nd_image_measure(const void *bytes, size_t size, const char *name, int *width, int *height);
int nd_image_new(int width, int height, int channels, nd_image *out); /* zeroed pixels, 8 bits */
void nd_image_free(nd_image *image);
int nd_image_widen(nd_image *image);   /* 3 channels, grey repeated; on error as it was */
void nd_image_narrow(nd_image *image); /* 1 channel, the first */
/* Makes the longer side at most `side` pixels, by libvips' Lanczos filter; alpha and meta are dropped. */
int nd_image_shrink(nd_image *image, int side);

typedef struct nd_save_options {
  int bits; /* 8 or 16 (an error where the format cannot); 0: as image->bits where the format can, else 8 */
  int quality; /* JPEG and WebP, 1..100; 0: 95, or nothing lost where a WebP file lost nothing */
} nd_save_options;

/* Writes by the path's extension (.png .jpg .jpeg .tif .tiff .webp), values clamped to [0, 1] (not a number:
 * 0) and rounded to nearest. Alpha is kept where the format can, else left out. Of meta: EXIF,
 * XMP, IPTC, resolution, PNG's text, and the ICC profile if it is for such pixels; not the embedded
 * thumbnail. Written to a temporary name beside path and renamed: on error path is as it was. options may be
 * NULL. */
int nd_image_save(const char *path, const nd_image *image, const nd_save_options *options);
/* The same into memory (format: ".png", ".jpg", ...); *bytes is the caller's, g_free; NULL on error. */
int nd_image_encode(const nd_image *image, const char *format, const nd_save_options *options, void **bytes,
                    size_t *size);
/* The same as nd_image_load from memory; name is for messages. */
int nd_image_decode(const void *bytes, size_t size, const char *name, nd_image *out);
/* BMP, which nothing else reads, of a file in memory: RGB without alpha. */
bool nd_bmp_starts(const void *bytes, size_t size);
int nd_bmp_decode(const void *bytes, size_t size, const char *name, nd_image *out);
/* ---- Rasters ------------------------------------------------------------------------------------------
 * Pictures of any size, as the samples that a file holds: in memory, or beyond `limit` bytes in a temporary
 * file (in TMPDIR, else /var/tmp). What is read and written, and the errors, are those of nd_image_load and
 * nd_image_save. One thread at a time for each. */
typedef struct nd_raster nd_raster;
typedef struct nd_raster_shape {
  int width, height, channels, bits; /* 1 (grey) or 3; 8 or 16 */
  bool alpha;
  const char *ending; /* ".png", ...: of the format that it was read from */
} nd_raster_shape;

/* bytes NULL: the file `path`; else size bytes in memory, and path is for messages. */
int nd_raster_load(const char *path, const void *bytes, size_t size, size_t limit, nd_raster **out);
/* A copy in memory, of the image's bits and without metadata. */
int nd_raster_of(const nd_image *image, nd_raster **out);
/* An empty one of the same size and metadata, of the bits and with the alpha that the file `path` will have.
 */
int nd_raster_new_for(const nd_raster *like, const char *path, const nd_save_options *options,
                      nd_raster **out);
void nd_raster_free(nd_raster *r); /* NULL is fine */
const nd_raster_shape *nd_raster_shape_of(const nd_raster *r);
/* n pixels of row y from column x on, as n x 3 floats in [0, 1], grey three times; alpha: n, or NULL. */
int nd_raster_get(const nd_raster *r, int y, int x, int n, float *rgb, float *alpha);
/* Row y as it is: width x 3 samples of the raster's bits, grey three times. */
int nd_raster_get_samples(const nd_raster *r, int y, void *rgb);
/* The same as nd_raster_get into it, clamped and rounded; grey takes the mean; alpha may be NULL where the
 * raster has none. */
int nd_raster_put(nd_raster *r, int y, int x, int n, const float *rgb, const float *alpha);
int nd_raster_save(const char *path, const nd_raster *r, const nd_save_options *options);
/* Into memory, as nd_image_encode. */
int nd_raster_encode(const nd_raster *r, const char *format, const nd_save_options *options, void **bytes,
                     size_t *size);

/* ---- Two views ---------------------------------------------------------------------------------------
 * What the left and the right halves of a dual-pixel sensor's pixels see, as 6 channels: the left view's RGB,
 * then the right one's (views.c).
 */
/* left, right: pixels x 3; out: pixels x 6. */
void nd_views_join(const float *left, const float *right, size_t pixels, float *out);
/* The picture without views: of 6 channels the mean of both views, which is about what the same sensor gives
 * when it adds its halves up; 3 channels are that picture. rgb: pixels x 3, not x. */
void nd_views_photo(const float *x, size_t pixels, int channels, float *rgb);

/* The usual ending (".png", ".jpg", ...) of the format that a file's first bytes tell, whatever its name;
 * NULL: it is none that is read. */
const char *nd_image_ending(const char *path);
/* True when the file name ends in a picture format this build reads (any case). */
bool nd_image_named(const char *path);
/* True for names of pictures in formats that are not read: BMP, HEIC, a camera's raw files and others. */
bool nd_image_named_foreign(const char *path);
/* Error: a picture of that name cannot be written, which should be known before there is one. */
int nd_image_check_name(const char *path);

/* ---- Colour -------------------------------------------------------------------------------------------
 */
/* Y of Y'CbCr as MATLAB's rgb2ycbcr has it (ITU-R BT.601), what deraining papers measure on:
 * (16 + 65.481 R + 128.553 G + 24.966 B) / 255, in [16/255, 235/255]. rgb: pixels x 3, y: pixels.
 * round_to_8_bits: rgb and then Y as 8 bits hold them, which is rgb2ycbcr of a uint8 picture. */
void nd_luma_y(const float *rgb, size_t pixels, bool round_to_8_bits, float *y);

/* ---- Metrics ------------------------------------------------------------------------------------------
 * a, b: dense height x width x channels (1 or 3), range [0, 1]. The result does not depend on the number of
 * threads. Where a value is not a number, nor is the result.
 *
 * PSNR: over all values, with a peak of 1; infinite when equal. scikit-image and MATLAB agree on it.
 * SSIM (Wang et al. 2004), K1 0.01, K2 0.03, by default as scikit-image's structural_similarity with
 * channel_axis has it: per channel, averaged; 7 x 7 uniform window, sample covariance, borders of 3 left out
 * of the mean. */
typedef struct nd_metric_options {
  bool round_to_8_bits; /* both clamped and rounded to what an 8-bit file would hold */
  bool gaussian; /* SSIM: window 11 x 11 of sigma 1.5, population covariance, borders of 5 left out: Wang's
                    ssim_index.m, and scikit-image with gaussian_weights=True, use_sample_covariance=False */
  bool matlab; /* SSIM: MATLAB's ssim(a, b): the same window, but the borders replicated and in the mean, and
                  an RGB picture taken for a volume, filtered across its channels too. SIDD's protocol. */
} nd_metric_options;
double nd_psnr(const float *a, const float *b, int height, int width, int channels, nd_metric_options o);
/* Fails when pictures of that size are smaller than the window. */
int nd_ssim_check_size(int height, int width, nd_metric_options o);
/* -1.0 and an error then. */
double nd_ssim(const float *a, const float *b, int height, int width, int channels, nd_metric_options o);

/* How papers report the two, by name; the texts are for whoever reads the figures. docs/metrics.md */
typedef struct nd_protocol {
  const char *name, *channels, *window, *border, *source;
  bool luma; /* on the Y of YCbCr */
  nd_metric_options options;
} nd_protocol;
const nd_protocol *nd_protocol_at(int index);          /* NULL past the last */
const nd_protocol *nd_protocol_find(const char *name); /* NULL: none; the error lists the names */
/* a, b: height x width x 3 in [0, 1]. */
int nd_protocol_measure(const nd_protocol *p, const float *a, const float *b, int height, int width,
                        double *psnr, double *ssim);

#endif
