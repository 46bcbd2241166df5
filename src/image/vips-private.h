/* What the files around libvips share. */
#ifndef ND_VIPS_PRIVATE_H
#define ND_VIPS_PRIVATE_H

#include "image/exif-private.h"
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
  bool exif_apart;  /* libvips does not carry its EXIF: exif-private.h does */
  bool iptc;        /* can hold captions and keywords */
  int longest_side; /* in pixels; 0: no limit of its own */
  bool (*starts)(const unsigned char *head, size_t n);
  int (*load)(VipsSource *source, VipsImage **out, ...);
  int (*write)(VipsImage *image, int quality, VipsTarget *to); /* 0: the usual quality */
  void (*mark)(VipsImage *image, VipsSource *source); /* what libvips does not say of it; NULL: nothing */
} nd_format;
enum { ND_SAVE_QUALITY = 95 };
#define ND_FORMATS "PNG, JPEG, TIFF and WebP"
/* NULL when no format has such an ending (any case), or such first bytes. */
const nd_format *nd_format_named(const char *path);
const nd_format *nd_format_starting(const unsigned char *head, size_t n);
/* The one that libvips read a picture from. */
const nd_format *nd_format_read(VipsImage *image);

/* ---- webp.c -------------------------------------------------------------------------------------------
 * Marks a picture whose WebP file lost nothing. What it is restored to loses nothing either, if it is WebP
 * and no quality is asked for. */
void nd_webp_mark(VipsImage *image, VipsSource *source);
bool nd_webp_is_mark(const char *field);
int nd_webp_write(VipsImage *image, int quality, VipsTarget *to);

/* ---- png.c --------------------------------------------------------------------------------------------
 * Gives a picture whose gamma or primaries are other than sRGB's, as its chunks have them, a profile that
 * says so; unless it has one. Says how many frames an animation has. */
void nd_png_mark(VipsImage *image, VipsSource *source);

/* png_text.c. Texts become chunks with all of their keywords, and the picture's IPTC records and Photoshop
 * blocks one of them. */
int nd_png_write(VipsImage *image, int quality, VipsTarget *to);
/* Makes of such a text among nd_image.meta what JPEG has. */
void nd_png_take_records(VipsImage *meta);
/* What a tEXt chunk, or a compressed one (zTXt), holds, if libvips does not read it. */
void nd_png_take_latin(VipsImage *image, const char *chunk, size_t n, bool compressed);

/* ---- jpeg.c -------------------------------------------------------------------------------------------
 * Says how many pictures the file holds, previews aside. */
void nd_jpeg_mark(VipsImage *image, VipsSource *source);
/* jpeg_end.c: nd_image_check_end; bytes NULL: of the file `name`. */
int nd_jpeg_check_end(const char *name, const void *bytes, size_t size);

/* ---- iptc.c -------------------------------------------------------------------------------------------
 * Gives a picture that is about to be written, and is nobody else's, its Photoshop fields as JPEG holds them,
 * with IPTC's records among them, or else as TIFF does, without; whichever it was read from. Thumbnails go.
 */
void nd_iptc_fit(VipsImage *image, bool jpeg);
/* The blocks, records among them, of such a picture; NULL: there are none; the caller's. */
GByteArray *nd_iptc_blocks(VipsImage *image);
/* The reverse; they may also be records alone. False: they are neither. */
bool nd_iptc_put_blocks(VipsImage *image, const GByteArray *blocks);
/* The records alone; NULL: there are none; meta may be NULL; the caller's. */
GByteArray *nd_iptc_records(void *meta);

/* Where decoded pictures go. */
typedef struct nd_pixel_sink {
  /* Called first: the header is known, grey or RGB, of 8 or 16 bits, with 1 to 4 bands, of which an even
   * number means that the last is alpha. width, height: of the upright picture. */
  int (*begin)(void *to, VipsImage *image, int width, int height);
  /* n pixels of row y from column x on, of the upright picture: n x bands samples. In any order. */
  int (*part)(void *to, int y, int x, int n, const void *pixels);
  void (*end)(void *to, void *meta); /* all is well; meta is the sink's */
  void (*drop)(void *to);            /* it is not */
} nd_pixel_sink;
/* 8 or 16 bits to [0, 1]. */
void nd_samples_to_floats(const void *from, size_t n, bool deep, float *to);
/* The nearest, of values clamped to [0, 1]. */
void nd_floats_to_samples(const float *from, size_t n, bool deep, void *to);
/* bytes NULL: the file `name`. */
int nd_pixels_read(const char *name, const void *bytes, size_t size, const nd_pixel_sink *sink, void *to);

/* Pixels to be written: 8 or 16 bits, interleaved, alpha last. */
typedef struct nd_written_pixels {
  int width, height, bands;
  bool deep;
  const void *memory; /* NULL: in the file of this descriptor */
  int descriptor;
  void *meta; /* or NULL */
} nd_written_pixels;
/* The format for a name, and options that it can keep; NULL and an error: none. */
const nd_format *nd_format_for(const char *path, int width, int height, const nd_save_options *options);
/* The bits a file of this format will have, when the picture has some. */
bool nd_format_deep(const nd_format *format, const nd_save_options *options, int bits);
int nd_save_quality(const nd_save_options *options); /* NULL is fine */
int nd_pixels_save(const char *path, const nd_written_pixels *p, const nd_format *format, int quality);
/* Into memory: *bytes is the caller's, g_free. name is for messages. */
int nd_pixels_encode(const char *name, const nd_written_pixels *p, const nd_format *format, int quality,
                     void **bytes, size_t *size);

/* nd_image.meta is a VipsImage without pixels that carries what describes the picture but not its pixels:
 * EXIF, XMP, IPTC, ICC profile, text, resolution. Not the embedded thumbnail: it shows the unrestored
 * picture. */
void *nd_meta_new(VipsImage *from);
void nd_meta_set_exif(void *meta, const nd_exif *exif);
void nd_meta_set_iptc(void *meta, const GByteArray *records); /* NULL: there are none */
nd_exif *nd_meta_exif(void *meta); /* NULL: there is none; meta may be NULL; the caller's */
/* Rows became columns: so did what is known of how dense they are. */
void nd_meta_lay_down(void *meta);
/* XMP has an orientation of its own: says upright, once the pixels are. */
void nd_meta_set_upright(void *meta);
/* The same pixels with the metadata on them; a profile that is not for such pixels stays behind. */
int nd_meta_apply(void *meta, VipsImage *bare, VipsInterpretation interpretation, VipsImage **out);
void nd_meta_free(void *meta); /* NULL is fine */

#endif
