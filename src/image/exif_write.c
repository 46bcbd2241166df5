/* Directories of TIFF, written: as a block of EXIF, or into a TIFF file that is there. */
#include "image/exif-private.h"

#include <string.h>

enum { LARGEST_BLOCK = 65500 }; /* a segment of JPEG, with its marker, is below 64 KiB */

/* What goes behind the bytes that are there. */
typedef struct writer {
  nd_tiff_form form;
  uint64_t base;        /* where `out` will stand */
  size_t largest_value; /* larger ones are left out */
  GByteArray *out;
} writer;

static void put_bytes(void *to, size_t bytes, bool big_endian, uint64_t value) {
  unsigned char *b = to;
  for (size_t i = 0; i < bytes; i++, value >>= 8)
    b[big_endian ? bytes - 1 - i : i] = (unsigned char)value;
}

static void put_number(GByteArray *to, size_t bytes, nd_tiff_form form, uint64_t value) {
  unsigned char word[8];
  put_bytes(word, bytes, form.big_endian, value);
  g_byte_array_append(to, word, (guint)bytes);
}

/* Offsets of TIFF are even. */
static uint64_t here(writer *w) {
  if ((w->base + w->out->len) % 2)
    g_byte_array_append(w->out, (const guint8 *)"", 1);
  return w->base + w->out->len;
}

/* The bytes in front that are no numbers, whatever the type says: all of IPTC's; UserComment names its code,
 * and only Unicode has an order of bytes. */
static size_t text_in_front(const nd_exif_entry *e, size_t *size) {
  if (e->tag == ND_TAG_IPTC)
    return e->size;
  if (e->tag != 0x9286 || e->size < 8 || e->size % 2 || memcmp(e->value, "UNICODE", 8))
    return 0;
  *size = 2;
  return 8;
}

static void put_value(GByteArray *to, const nd_exif_entry *e, bool from_big_endian, nd_tiff_form form) {
  size_t numbers, size = nd_tiff_type_size(e->type, &numbers), front = text_in_front(e, &size);
  g_byte_array_append(to, e->value, (guint)front);
  for (size_t i = front; i < e->size; i += size)
    put_number(to, size, form, nd_number_in((const char *)e->value + i, size, from_big_endian));
}

static void put_entry(writer *w, GByteArray *entries, const nd_exif_entry *e, bool from_big_endian) {
  size_t offset_size = w->form.big ? 8 : 4, pad = offset_size - MIN(e->size, offset_size);
  put_number(entries, 2, w->form, e->tag);
  put_number(entries, 2, w->form, e->type);
  put_number(entries, offset_size, w->form, e->count);
  if (e->size <= offset_size) {
    put_value(entries, e, from_big_endian, w->form);
    g_byte_array_append(entries, (const guint8 *)"\0\0\0\0\0\0\0", (guint)pad);
  } else {
    put_number(entries, offset_size, w->form, here(w));
    put_value(w->out, e, from_big_endian, w->form);
  }
}

static void put_pointer(writer *w, GByteArray *entries, unsigned tag, uint64_t at) {
  unsigned char word[8];
  size_t size = w->form.big ? 8 : 4;
  put_bytes(word, size, w->form.big_endian, at);
  put_entry(w, entries,
            &(nd_exif_entry){.tag = (uint16_t)tag,
                             .type = w->form.big ? ND_TIFF_IFD8 : ND_TIFF_LONG,
                             .count = 1,
                             .value = word,
                             .size = size},
            w->form.big_endian);
}

static bool has_tag(const GByteArray *entries, nd_tiff_form form, unsigned tag) {
  for (size_t i = 0; i < entries->len; i += nd_tiff_entry_size(form))
    if (nd_number_in(entries->data + i, 2, form.big_endian) == tag)
      return true;
  return false;
}

static bool fits(const writer *w, const nd_exif_entry *e) {
  return e->size <= w->largest_value && (w->form.big || e->type < ND_TIFF_LONG8 || e->type > ND_TIFF_IFD8);
}

/* Those that `entries` has not yet. */
static void put_entries(writer *w, GByteArray *entries, const nd_exif *exif, int directory) {
  for (guint i = 0; i < exif->of[directory]->len; i++) {
    const nd_exif_entry *e = &g_array_index(exif->of[directory], nd_exif_entry, i);
    if (fits(w, e) && !has_tag(entries, w->form, e->tag))
      put_entry(w, entries, e, exif->big_endian);
  }
}

static int by_tag(const void *a, const void *b, void *form) {
  bool big_endian = ((const nd_tiff_form *)form)->big_endian;
  return (int)nd_number_in(a, 2, big_endian) - (int)nd_number_in(b, 2, big_endian);
}

/* Where it stands then. */
static uint64_t put_directory(writer *w, GByteArray *entries, uint64_t next) {
  size_t step = nd_tiff_entry_size(w->form), n = entries->len / step;
  uint64_t at = here(w);
  g_qsort_with_data(entries->data, (gint)n, step, by_tag, &w->form);
  put_number(w->out, w->form.big ? 8 : 2, w->form, n);
  g_byte_array_append(w->out, entries->data, entries->len);
  put_number(w->out, w->form.big ? 8 : 4, w->form, next);
  return at;
}

/* A directory below another, behind a pointer among `above`. */
static void put_below(writer *w, GByteArray *above, unsigned tag, const nd_exif *exif, int directory) {
  g_autoptr(GByteArray) entries = g_byte_array_new();
  if (has_tag(above, w->form, tag))
    return;
  if (directory == ND_EXIF_EXIF)
    put_below(w, entries, ND_TAG_INTEROPERABILITY, exif, ND_EXIF_INTEROPERABILITY);
  put_entries(w, entries, exif, directory);
  if (entries->len)
    put_pointer(w, above, tag, put_directory(w, entries, 0));
}

/* All directories, the first of which has `entries` already; where that stands then. */
static uint64_t put_all(writer *w, GByteArray *entries, const nd_exif *exif, uint64_t next) {
  put_entries(w, entries, exif, ND_EXIF_IFD0);
  put_below(w, entries, ND_TAG_EXIF, exif, ND_EXIF_EXIF);
  put_below(w, entries, ND_TAG_GPS, exif, ND_EXIF_GPS);
  return put_directory(w, entries, next);
}

void nd_exif_set_size(nd_exif *exif, int width, int height) {
  GArray *entries = exif->of[ND_EXIF_EXIF];
  for (guint i = 0; i < entries->len; i++) {
    nd_exif_entry *e = &g_array_index(entries, nd_exif_entry, i);
    if (e->tag != 0xa002 && e->tag != 0xa003) /* PixelXDimension, PixelYDimension */
      continue;
    e->type = ND_TIFF_LONG;
    e->count = 1;
    e->value = g_realloc(e->value, e->size = 4);
    put_bytes(e->value, 4, exif->big_endian, (uint64_t)(e->tag == 0xa002 ? width : height));
  }
}

static void put_head(GByteArray *to, nd_tiff_form form, uint64_t first) {
  g_byte_array_append(to, (const guint8 *)(form.big_endian ? "MM" : "II"), 2);
  put_number(to, 2, form, form.big ? 43 : 42);
  if (form.big) {
    put_number(to, 2, form, 8); /* bytes of an offset */
    put_number(to, 2, form, 0);
  }
  put_number(to, form.big ? 8 : 4, form, first);
}

int nd_exif_add(const nd_exif *exif, const nd_tiff_bytes *file, nd_exif_addition *out) {
  writer w = {.base = file->size, .largest_value = SIZE_MAX};
  uint64_t first;
  nd_tiff_directory raw;
  *out = (nd_exif_addition){0};
  if (nd_tiff_open(file, &w.form, &first) || nd_tiff_directory_at(file, w.form, first, &raw))
    return nd_fail("it is no TIFF file that EXIF could be put into");
  w.out = out->tail = g_byte_array_new();
  first = put_all(&w, raw.entries, exif, raw.next);
  g_byte_array_unref(raw.entries);
  if (!w.form.big && w.base + w.out->len > UINT32_MAX) {
    g_clear_pointer(&out->tail, g_byte_array_unref);
    return nd_fail("with EXIF it would be larger than 4 GiB, which its offsets cannot say");
  }
  out->head = g_byte_array_new();
  put_head(out->head, w.form, first);
  return 0;
}

/* The size of the largest value that is no larger than `limit`. */
static size_t largest_value(const nd_exif *exif, size_t limit) {
  size_t largest = 0;
  for (int d = 0; d < ND_EXIF_DIRECTORIES; d++)
    for (guint i = 0; i < exif->of[d]->len; i++) {
      size_t size = g_array_index(exif->of[d], nd_exif_entry, i).size;
      largest = size <= limit ? MAX(largest, size) : largest;
    }
  return largest;
}

static GByteArray *pack_up_to(const nd_exif *exif, size_t limit) {
  enum { FRONT = 6, HEAD = 8 };
  g_autoptr(GByteArray) entries = g_byte_array_new();
  GByteArray *block = g_byte_array_new();
  writer w = {
      .form.big_endian = exif->big_endian, .base = HEAD, .largest_value = limit, .out = g_byte_array_new()};
  uint64_t first = put_all(&w, entries, exif, 0);
  g_byte_array_append(block, (const guint8 *)"Exif\0", FRONT);
  put_head(block, w.form, first);
  g_byte_array_append(block, w.out->data, w.out->len);
  g_byte_array_unref(w.out);
  return block;
}

void *nd_exif_pack(const nd_exif *exif, size_t *n) {
  size_t limit = SIZE_MAX;
  GByteArray *block = pack_up_to(exif, limit);
  while (block->len > LARGEST_BLOCK && (limit = largest_value(exif, limit))) {
    g_byte_array_unref(block);
    block = pack_up_to(exif, --limit);
  }
  *n = block->len;
  return g_byte_array_free(block, FALSE);
}
