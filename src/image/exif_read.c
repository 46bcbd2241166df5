/* Directories of TIFF, read. The file may be a stranger's: every offset and count is checked. */
#include "image/exif-private.h"

#include <string.h>
#include <unistd.h>

enum { MOST_ENTRIES = 4096, LARGEST_VALUE = 1 << 20 };

static int fetch(const nd_tiff_bytes *file, uint64_t at, void *to, size_t n) {
  if (at > file->size || n > file->size - at)
    return -1;
  if (file->memory) {
    memcpy(to, (const char *)file->memory + at, n);
    return 0;
  }
  for (size_t done = 0; done < n;) {
    ssize_t k = pread(file->descriptor, (char *)to + done, n - done, (off_t)(at + done));
    if (k <= 0)
      return -1;
    done += (size_t)k;
  }
  return 0;
}

uint64_t nd_number_in(const void *from, size_t bytes, bool big_endian) {
  const unsigned char *b = from;
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++)
    value = value << 8 | b[big_endian ? i : bytes - 1 - i];
  return value;
}

size_t nd_tiff_type_size(unsigned type, size_t *numbers) {
  /* BYTE ASCII SHORT LONG RATIONAL SBYTE UNDEFINED SSHORT SLONG SRATIONAL FLOAT DOUBLE IFD - - LONG8 SLONG8
   * IFD8 */
  static const unsigned char sizes[] = {0, 1, 1, 2, 4, 4, 1, 1, 2, 4, 4, 4, 8, 4, 0, 0, 8, 8, 8};
  *numbers = type == 5 || type == 10 ? 2 : 1;
  return type < G_N_ELEMENTS(sizes) ? sizes[type] : type == 129; /* UTF-8, of Exif 3.0 */
}

size_t nd_tiff_entry_size(nd_tiff_form form) {
  return form.big ? 20 : 12;
}

int nd_tiff_open(const nd_tiff_bytes *file, nd_tiff_form *form, uint64_t *first) {
  unsigned char head[16];
  if (fetch(file, 0, head, 8) || (memcmp(head, "II", 2) && memcmp(head, "MM", 2)))
    return -1;
  form->big_endian = head[0] == 'M';
  uint64_t version = nd_number_in(head + 2, 2, form->big_endian);
  if (version != 42 && version != 43)
    return -1;
  form->big = version == 43;
  if (form->big && fetch(file, 0, head, 16))
    return -1;
  *first =
      form->big ? nd_number_in(head + 8, 8, form->big_endian) : nd_number_in(head + 4, 4, form->big_endian);
  return 0;
}

int nd_tiff_directory_at(const nd_tiff_bytes *file, nd_tiff_form form, uint64_t at, nd_tiff_directory *out) {
  unsigned char word[8];
  size_t count_size = form.big ? 8 : 2, offset_size = form.big ? 8 : 4;
  if (fetch(file, at, word, count_size))
    return -1;
  uint64_t count = nd_number_in(word, count_size, form.big_endian);
  if (!count || count > MOST_ENTRIES)
    return -1;
  size_t n = (size_t)count * nd_tiff_entry_size(form);
  out->entries = g_byte_array_set_size(g_byte_array_new(), (guint)n);
  out->next = 0;
  if (fetch(file, at + count_size, out->entries->data, n)) {
    g_byte_array_unref(out->entries);
    return -1;
  }
  if (!fetch(file, at + count_size + n, word, offset_size))
    out->next = nd_number_in(word, offset_size, form.big_endian);
  return 0;
}

/* The tags of IFD0 that say something about the picture; the others tell how a file stores it. */
static bool describes(unsigned tag) {
  switch (tag) {
  case 0x010e: /* ImageDescription */
  case 0x010f: /* Make */
  case 0x0110: /* Model */
  case 0x011a: /* XResolution */
  case 0x011b: /* YResolution */
  case 0x0128: /* ResolutionUnit */
  case 0x0131: /* Software */
  case 0x0132: /* DateTime */
  case 0x013b: /* Artist */
  case 0x013c: /* HostComputer */
  case 0x4746: /* Rating */
  case 0x4749: /* RatingPercent */
  case 0x8298: /* Copyright */
    return true;
  default:
    return tag >= 0x9c9b && tag <= 0x9c9f; /* XPTitle ... XPSubject */
  }
}

/* entry: of nd_tiff_entry_size. -1: it makes no sense. */
static int read_entry(const nd_tiff_bytes *file, nd_tiff_form form, const unsigned char *entry,
                      nd_exif_entry *out) {
  size_t offset_size = form.big ? 8 : 4, numbers;
  out->tag = (uint16_t)nd_number_in(entry, 2, form.big_endian);
  out->type = (uint16_t)nd_number_in(entry + 2, 2, form.big_endian);
  out->count = nd_number_in(entry + 4, offset_size, form.big_endian);
  size_t size = nd_tiff_type_size(out->type, &numbers) * numbers;
  if (!size || !out->count || out->count > LARGEST_VALUE / size)
    return -1;
  out->size = (size_t)out->count * size;
  const unsigned char *value = entry + 4 + offset_size;
  out->value = g_malloc(out->size);
  if (out->size <= offset_size)
    memcpy(out->value, value, out->size);
  else if (fetch(file, nd_number_in(value, offset_size, form.big_endian), out->value, out->size)) {
    g_free(out->value);
    return -1;
  }
  return 0;
}

/* The last of a directory's entries of that tag. False: there is none. */
static bool find_entry(const nd_tiff_bytes *file, nd_tiff_form form, const nd_tiff_directory *directory,
                       unsigned tag, nd_exif_entry *out) {
  size_t step = nd_tiff_entry_size(form);
  for (size_t i = directory->entries->len; i >= step; i -= step) {
    const unsigned char *entry = directory->entries->data + i - step;
    if (nd_number_in(entry, 2, form.big_endian) == tag && !read_entry(file, form, entry, out))
      return true;
  }
  return false;
}

/* Of the first directory. */
static bool find_first(const nd_tiff_bytes *file, unsigned tag, nd_exif_entry *out, nd_tiff_form *form) {
  nd_tiff_directory directory;
  uint64_t at;
  if (nd_tiff_open(file, form, &at) || nd_tiff_directory_at(file, *form, at, &directory))
    return false;
  bool found = find_entry(file, *form, &directory, tag, out);
  g_byte_array_unref(directory.entries);
  return found;
}

uint64_t nd_tiff_number(const nd_tiff_bytes *file, unsigned tag) {
  nd_tiff_form form;
  nd_exif_entry e;
  size_t numbers;
  if (!find_first(file, tag, &e, &form))
    return 0;
  uint64_t value = nd_number_in(e.value, MIN(8, nd_tiff_type_size(e.type, &numbers)), form.big_endian);
  g_free(e.value);
  return value;
}

GByteArray *nd_tiff_value(const nd_tiff_bytes *file, unsigned tag) {
  nd_tiff_form form;
  nd_exif_entry e;
  return find_first(file, tag, &e, &form) ? g_byte_array_new_take(e.value, e.size) : NULL;
}

/* The directory that a tag of another one leads to; none is met twice, so a file cannot lead in circles. */
static int directory_behind(int directory, unsigned tag) {
  if (directory == ND_EXIF_IFD0)
    return tag == ND_TAG_EXIF ? ND_EXIF_EXIF : tag == ND_TAG_GPS ? ND_EXIF_GPS : 0;
  return directory == ND_EXIF_EXIF && tag == ND_TAG_INTEROPERABILITY ? ND_EXIF_INTEROPERABILITY : 0;
}

static void read_directory(nd_exif *exif, const nd_tiff_bytes *file, nd_tiff_form form, uint64_t at,
                           int directory) {
  nd_tiff_directory raw;
  if (exif->of[directory]->len || nd_tiff_directory_at(file, form, at, &raw))
    return;
  size_t step = nd_tiff_entry_size(form);
  for (size_t i = 0; i < raw.entries->len; i += step) {
    nd_exif_entry e;
    if (read_entry(file, form, raw.entries->data + i, &e))
      continue;
    int behind = directory_behind(directory, e.tag);
    if (behind)
      read_directory(exif, file, form, nd_number_in(e.value, MIN(e.size, 8), form.big_endian), behind);
    if (behind || (directory == ND_EXIF_IFD0 && !describes(e.tag)))
      g_free(e.value);
    else
      g_array_append_val(exif->of[directory], e);
  }
  g_byte_array_unref(raw.entries);
}

static void free_value(void *entry) {
  g_free(((nd_exif_entry *)entry)->value);
}

/* More than the resolution, which libvips carries by itself. */
static bool says_something(const nd_exif *exif) {
  for (guint i = 0; i < exif->of[ND_EXIF_IFD0]->len; i++) {
    unsigned tag = g_array_index(exif->of[ND_EXIF_IFD0], nd_exif_entry, i).tag;
    if (tag != 0x011a && tag != 0x011b && tag != 0x0128)
      return true;
  }
  return exif->of[ND_EXIF_EXIF]->len || exif->of[ND_EXIF_GPS]->len;
}

static nd_exif *exif_new(bool big_endian) {
  nd_exif *exif = g_new0(nd_exif, 1);
  exif->big_endian = big_endian;
  for (int i = 0; i < ND_EXIF_DIRECTORIES; i++) {
    exif->of[i] = g_array_new(FALSE, FALSE, sizeof(nd_exif_entry));
    g_array_set_clear_func(exif->of[i], free_value);
  }
  return exif;
}

nd_exif *nd_exif_read(const nd_tiff_bytes *file) {
  nd_tiff_form form;
  uint64_t first;
  if (nd_tiff_open(file, &form, &first))
    return NULL;
  nd_exif *exif = exif_new(form.big_endian);
  read_directory(exif, file, form, first, ND_EXIF_IFD0);
  bool useful = says_something(exif);
  if (!useful)
    nd_exif_free(exif);
  return useful ? exif : NULL;
}

/* Of the type that most programs write and read: numbers of four bytes, which they are not. */
void nd_exif_put_iptc(nd_exif **exif, const GByteArray *records) {
  size_t n = ((size_t)records->len + 3) / 4;
  nd_exif_entry e = {ND_TAG_IPTC, ND_TIFF_LONG, n, g_malloc0(4 * n), 4 * n};
  memcpy(e.value, records->data, records->len);
  if (!*exif)
    *exif = exif_new(false);
  g_array_append_val((*exif)->of[ND_EXIF_IFD0], e);
}

nd_exif *nd_exif_unpack(const void *block, size_t n) {
  size_t skip = n >= 6 && !memcmp(block, "Exif\0\0", 6) ? 6 : 0;
  nd_tiff_bytes bytes = {.memory = (const char *)block + skip, .size = n - skip};
  return nd_exif_read(&bytes);
}

void nd_exif_free(nd_exif *exif) {
  if (!exif)
    return;
  for (int i = 0; i < ND_EXIF_DIRECTORIES; i++)
    g_array_unref(exif->of[i]);
  g_free(exif);
}
