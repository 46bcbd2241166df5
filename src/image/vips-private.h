/* What the files around libvips share. */
#ifndef ND_VIPS_PRIVATE_H
#define ND_VIPS_PRIVATE_H

#include "image/image.h"

#include <vips/vips.h>

/* libvips collects its error text in one place for all threads. nd_vips_run calls attempt among others that
 * run at the same time; when that fails, once more with nobody else inside, so that the text is about this
 * picture alone. attempt returns 0, or -1 after nd_fail, and must be fit to be called twice. */
typedef int (*nd_vips_attempt)(void *context, bool alone);
int nd_vips_run(nd_vips_attempt attempt, void *context);
/* "cannot <what> '<name>': <libvips' text on one line>"; returns -1. */
int nd_vips_fail(const char *what, const char *name);

/* The JPEG reader says at its end, in the thread that closes the picture, what it swallowed on the way.
 * Returns the text since the last call on this thread, NULL when there was none; the caller's, g_free. */
char *nd_vips_take_warning(void);

typedef struct nd_format {
  const char *name, *endings[2];
  bool deep, alpha; /* can hold 16 bits, transparency */
  int longest_side; /* in pixels; 0: no limit of its own */
  bool (*starts)(const unsigned char *head, size_t n);
  int (*load)(VipsSource *source, VipsImage **out, ...);
  int (*encode)(VipsImage *image, int quality, void **bytes, size_t *size);
} nd_format;
#define ND_FORMATS "PNG, JPEG, TIFF and WebP"
/* NULL when no format has such an ending (any case), or such first bytes. */
const nd_format *nd_format_named(const char *path);
const nd_format *nd_format_starting(const unsigned char *head, size_t n);

/* nd_image.meta is a VipsImage without pixels that carries what describes the picture but not its pixels:
 * EXIF, XMP, IPTC, ICC profile, text, resolution. Not the embedded thumbnail: it shows the unrestored
 * picture. */
void *nd_meta_new(VipsImage *from);
/* XMP has an orientation of its own: says upright, once the pixels are. */
void nd_meta_set_upright(void *meta);
/* The same pixels with the metadata on them; a profile that is not for such pixels stays behind. */
int nd_meta_apply(void *meta, VipsImage *bare, VipsInterpretation interpretation, VipsImage **out);
void nd_meta_free(void *meta); /* NULL is fine */

#endif
