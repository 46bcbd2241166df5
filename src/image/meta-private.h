/* What is kept of a file besides its pixels. */
#ifndef ND_META_PRIVATE_H
#define ND_META_PRIVATE_H

#include "image/image.h"

#include <vips/vips.h>

/* Turns libvips' error text into one line of ours; returns -1. */
int nd_vips_fail(const char *what, const char *path);

/* image->meta is a 1 x 1 VipsImage that carries the metadata (EXIF, ICC, XMP, resolution). */
VipsImage *nd_meta_of(VipsImage *image);

#endif
