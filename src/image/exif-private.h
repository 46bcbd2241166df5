/* EXIF of TIFF files, which libvips does not carry. An EXIF block is itself a small TIFF file
 * (Exif 2.32, section 4.5), so the same directories are read out of either and written into either. */
#ifndef ND_EXIF_PRIVATE_H
#define ND_EXIF_PRIVATE_H

#include "base/base.h"

#include <glib.h>

/* The bytes of a TIFF file, classic or BigTIFF, of either byte order. */
typedef struct nd_tiff_bytes {
  const void *memory; /* NULL: in the file of descriptor */
  int descriptor;
  uint64_t size;
} nd_tiff_bytes;

enum { ND_EXIF_IFD0, ND_EXIF_EXIF, ND_EXIF_GPS, ND_EXIF_INTEROPERABILITY, ND_EXIF_DIRECTORIES };

typedef struct nd_exif_entry {
  uint16_t tag, type;
  uint64_t count;
  void *value; /* in the file's byte order */
  size_t size;
} nd_exif_entry;

typedef struct nd_exif {
  bool big_endian;
  GArray *of[ND_EXIF_DIRECTORIES]; /* nd_exif_entry; of IFD0 only what describes the picture */
} nd_exif;

/* NULL where there is none. Entries that make no sense are left out. The caller's, nd_exif_free. */
nd_exif *nd_exif_read(const nd_tiff_bytes *file);
/* The same out of a block, with "Exif\0\0" in front or without. */
nd_exif *nd_exif_unpack(const void *block, size_t n);
void nd_exif_free(nd_exif *exif); /* NULL is fine */
/* Where the EXIF directory says how large the picture is, it is corrected. */
void nd_exif_set_size(nd_exif *exif, int width, int height);
/* Adds IPTC's records for a TIFF file; *exif NULL: to a new one. */
void nd_exif_put_iptc(nd_exif **exif, const GByteArray *records);
/* As JPEG, PNG and WebP hold it, "Exif\0\0" in front, below 64 KiB: the largest values are left out for that.
 * The caller's, g_free. */
void *nd_exif_pack(const nd_exif *exif, size_t *n);

/* What makes a TIFF file without EXIF one with it: `tail` put behind it, `head` over its first bytes. */
typedef struct nd_exif_addition {
  GByteArray *head, *tail; /* the caller's, g_byte_array_unref; NULL on error */
} nd_exif_addition;
/* An entry that the file's first directory has already stays as it is. -1: it is no TIFF file, or too large
 * for its offsets. */
int nd_exif_add(const nd_exif *exif, const nd_tiff_bytes *file, nd_exif_addition *out);

/* ---- The forms of TIFF, for the two files behind this header ---- */
enum { ND_TIFF_LONG = 4, ND_TIFF_LONG8 = 16, ND_TIFF_IFD8 = 18 };
enum { ND_TAG_EXIF = 0x8769, ND_TAG_GPS = 0x8825, ND_TAG_INTEROPERABILITY = 0xa005 };
enum { ND_TAG_COMPRESSION = 259, ND_TAG_COLOURS = 262, ND_TAG_IPTC = 33723 };
typedef struct nd_tiff_form {
  bool big_endian, big; /* big: BigTIFF */
} nd_tiff_form;
typedef struct nd_tiff_directory {
  GByteArray *entries; /* each of nd_tiff_entry_size */
  uint64_t next;
} nd_tiff_directory;
int nd_tiff_open(const nd_tiff_bytes *file, nd_tiff_form *form, uint64_t *first); /* -1: none; no message */
int nd_tiff_directory_at(const nd_tiff_bytes *file, nd_tiff_form form, uint64_t at, nd_tiff_directory *out);
/* The first number of an entry of the first directory; 0: it has none, or is no TIFF file. */
uint64_t nd_tiff_number(const nd_tiff_bytes *file, unsigned tag);
/* What such an entry holds, as it stands in the file; NULL: nothing. The caller's. */
GByteArray *nd_tiff_value(const nd_tiff_bytes *file, unsigned tag);
size_t nd_tiff_entry_size(nd_tiff_form form);
/* Of the type's numbers, and how many of them make one value; 0: unknown. */
size_t nd_tiff_type_size(unsigned type, size_t *numbers);
/* What so many bytes are as one number, in whatever kind of file. */
uint64_t nd_number_in(const void *from, size_t bytes, bool big_endian);

#endif
