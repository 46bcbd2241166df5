/* noiseda: restoration of pictures with a trained model, on the CPU. Link with `pkg-config --libs noiseda`.
 *
 *   noiseda_model *model = noiseda_model_open("model.safetensors");
 *   if (!model || noiseda_restore(model, rgb, height, width, rgb, NULL))
 *     fprintf(stderr, "%s\n", noiseda_error());
 *   noiseda_model_close(model);
 *
 * Functions that fail return NULL or -1 and leave a message for this thread; none prints or exits. One model
 * serves one thread at a time; open it once for each thread that restores. The work inside is shared among
 * all processors.
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

typedef struct noiseda_model noiseda_model;

/* All zero is the default. */
typedef struct noiseda_options {
  double less;   /* 0..1: how much of the correction to leave out; 0: the full correction */
  size_t memory; /* bytes that all buffers of noiseda may take, 0: 1 GiB; larger pictures go in overlapping tiles */
} noiseda_options;

/* Reads a model file (safetensors) or a checkpoint of PyTorch. NULL on failure. The caller's: noiseda_model_close. */
NOISEDA_API noiseda_model *noiseda_model_open(const char *path);
NOISEDA_API void noiseda_model_close(noiseda_model *model); /* NULL is fine */

/* Restores rgb, height x width x 3 interleaved floats, sRGB in [0, 1], any size from 1 x 1. out has the same
 * layout and may be rgb itself; values are clamped to [0, 1]. options may be NULL. 0, or -1 and out is not to
 * be used. */
NOISEDA_API int noiseda_restore(noiseda_model *model, const float *rgb, int height, int width, float *out,
                                const noiseda_options *options);

/* How many threads all calls together use; 0: one a processor. */
NOISEDA_API void noiseda_set_threads(int threads);

/* The last failure on this thread, "" when there was none; valid until the next call on this thread. */
NOISEDA_API const char *noiseda_error(void);

/* "0.1.0" */
NOISEDA_API const char *noiseda_version(void);

#ifdef __cplusplus
}
#endif

#endif
