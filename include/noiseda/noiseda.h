/* noiseda: restoration of pictures with a trained model, on the CPU. Link with `pkg-config --cflags --libs
 * noiseda`.
 *
 *   noiseda_model *model = noiseda_model_open("denoise");
 *   noiseda_picture p = {pixels, width, height, 3, NOISEDA_UINT8, 0};
 *   if (!model || noiseda_restore(model, &p, &p, NULL))
 *     fprintf(stderr, "%s\n", noiseda_error());
 *   noiseda_model_close(model);
 *
 * Functions that fail return NULL or -1 and leave a message for this thread; none prints or exits. All may be
 * called from several threads at once, with one model too. Each call shares its work among the processors; of
 * calls at the same time one has the helpers, the others work alone.
 */
#ifndef NOISEDA_H
#define NOISEDA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NOISEDA_API __attribute__((visibility("default")))
#else
#define NOISEDA_API
#endif

/* ---- Models ---- */
typedef struct noiseda_model noiseda_model;

/* Reads a model file (safetensors) or a checkpoint of PyTorch, or, of a name without folder or ending
 * ("denoise"), the model that is installed by that name (docs/restoring.md); the file is not used any more
 * afterwards. NULL on failure. The caller's: noiseda_model_close. */
NOISEDA_API noiseda_model *noiseda_model_open(const char *path_or_name);
/* No call may be using it, nor use it later. NULL is fine. */
NOISEDA_API void noiseda_model_close(noiseda_model *model);

/* What it is; texts live as long as the model. Neither model nor key may be NULL. */
NOISEDA_API const char *noiseda_model_network(const noiseda_model *model);  /* "unet" */
NOISEDA_API const char *noiseda_model_settings(const noiseda_model *model); /* "width=64;depth=4" */
NOISEDA_API size_t noiseda_model_weights(const noiseda_model *model);       /* how many numbers it learned */
/* How many views of a picture it takes: 1, or 2 of a dual-pixel sensor. Since 1.2 of the interface. */
NOISEDA_API int noiseda_model_views(const noiseda_model *model);
/* What the file says of itself under this key ("noiseda.step", "noiseda.recipe"); NULL: nothing. */
NOISEDA_API const char *noiseda_model_metadata(const noiseda_model *model, const char *key);

/* ---- Restoring ---- */
/* Results are cut off at the ends of the range, and rounded to nearest. */
typedef enum noiseda_type {
  NOISEDA_UINT8,  /* 0 to 255 */
  NOISEDA_UINT16, /* 0 to 65535, in the machine's byte order */
  NOISEDA_FLOAT   /* 32 bits, 0 to 1; colours that are not finite are refused */
} noiseda_type;

/* Pixels of the caller's: sRGB (or grey of the same curve), channels interleaved, rows from the top, at any
 * address. This struct never grows. */
typedef struct noiseda_picture {
  void *data;        /* the first pixel of the first row */
  int width, height; /* any from 1 x 1 */
  int channels;      /* 1: grey, 2: grey and alpha, 3: RGB, 4: RGBA; alpha is copied, from type to type */
  noiseda_type type;
  ptrdiff_t stride; /* bytes from one row to the next, negative where rows go upwards, at least those of a row
                       either way; 0: rows touch */
} noiseda_picture;

/* Called after each tile (or step of a large picture's way down), on the thread that called; done goes from 1
 * to tiles. Anything but 0 stops: the call fails, after the last tile too. */
typedef int (*noiseda_progress)(int done, int tiles, void *context);

/* How what stands between the network's layers is kept. */
typedef enum noiseda_precision {
  NOISEDA_FP32,
  NOISEDA_BF16 /* half the memory, and faster; as NOISEDA_FP32 on processors without bf16 instructions */
} noiseda_precision;

/* Begin with NOISEDA_OPTIONS: later versions add fields behind these, and know by size which are there. */
typedef struct noiseda_options {
  size_t size;
  double strength; /* 0..1: how much of the correction is applied; of two views, to their mean */
  size_t memory;   /* bytes for the network's buffers of one call, 0: 1 GiB; larger pictures go in tiles, and
                      where it is too little for those the call fails, and says how much more they need */
  noiseda_progress progress;   /* or NULL */
  void *context;               /* given to progress */
  noiseda_precision precision; /* since 1.1 of the interface */
  /* Since 1.2, for a model that takes two views of a dual-pixel sensor (noiseda_model_views): the right view
   * of the call's `from`, which is the left one; of the same size, of any type and channels. NULL: there is
   * one view. Error: not as many as the model takes. */
  const noiseda_picture *right; /* of noiseda_restore */
  const char *right_file;       /* of noiseda_restore_file */
} noiseda_options;
#define NOISEDA_OPTIONS                                                                                      \
  { sizeof(noiseda_options), 1.0, 0, NULL, NULL, NOISEDA_FP32, NULL, NULL }

/* Restores `from` into `to`, of the same size and channels; types and strides may differ, and both may be the
 * same memory if type and stride are equal too. options may be NULL: the default. On failure `to` is
 * untouched. */
NOISEDA_API int noiseda_restore(noiseda_model *model, const noiseda_picture *from, const noiseda_picture *to,
                                const noiseda_options *options);

/* Restores a file into a file: PNG, JPEG, TIFF, WebP, 8 or 16 bit as the input where the format can; the
 * input by its first bytes, the result by the name's ending, JPEG and WebP of quality 95 (or nothing lost,
 * where a WebP file lost nothing). Pixels are turned upright by EXIF; metadata are kept but for a thumbnail
 * in them, and for captions of IPTC in WebP; alpha but in JPEG. A file that exists is replaced, once the new
 * one is whole, also `from` itself; on failure it is as it was. Starts libvips, whose concurrency becomes 1
 * in this process; a child that is forked later restores no files. */
NOISEDA_API int noiseda_restore_file(noiseda_model *model, const char *from, const char *to,
                                     const noiseda_options *options);

/* ---- The rest ---- */
/* How many threads a call uses, 256 at most; 0 or less: one a processor, the default. Of the process, not of
 * a call: it holds for calls that begin afterwards. */
NOISEDA_API void noiseda_set_threads(int threads);

/* The message of the call that failed last on this thread; "" when none did. Means nothing after one
 * that succeeded. The library's, valid until the next call on this thread. */
NOISEDA_API const char *noiseda_error(void);

/* "0.1.0", of the library that runs. */
NOISEDA_API const char *noiseda_version(void);

#ifdef __cplusplus
}
#endif

#endif
