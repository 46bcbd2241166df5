/* What the files of the public interface share. */
#ifndef ND_API_PRIVATE_H
#define ND_API_PRIVATE_H

#include "image/image.h"
#include "noiseda/noiseda.h"

/* 0, or -1 and an error about `which` ("from"). */
int nd_caller_check(const noiseda_picture *p, const char *which);
/* Into floats of 1 or 3 channels, all of them finite, and alpha; the caller's, nd_image_free. */
int nd_caller_read(const noiseda_picture *p, nd_image *out);
/* Back into p, of the image's size and channels; clamped and rounded to nearest. */
void nd_caller_write(const nd_image *image, const noiseda_picture *p);

#endif
