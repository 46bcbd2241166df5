/* POSIX.1-1988 (ustar) and -2001 (pax: "path" and "size"), and what GNU tar adds: long names, sizes in base
 * 256. libarchive goes through an archive once from its beginning; pictures are read in any order, twice at
 * times. */
#include "base/tar_archive.h"

#include "base/gunzip.h"

#include <glib.h>
#include <string.h>

enum { BLOCK = 512, TEXT_MAX = 1 << 20, ENTRIES_MAX = 8 << 20 };
enum { NAME = 0, SIZE = 124, SUM = 148, TYPE = 156, MAGIC = 257, PREFIX = 345 };

typedef struct entry {
  char *name;
  uint64_t at, size;
} entry;

struct nd_tar {
  GMappedFile *file; /* or, NULL: */
  nd_gunzip *packed;
  GArray *entries;
  GMutex lock;
};

static void entry_clear(void *p) {
  g_free(((entry *)p)->name);
}

/* ---- Bytes ---- */
static int read_plain(GMappedFile *file, uint64_t at, void *to, size_t n, size_t *got) {
  uint64_t size = g_mapped_file_get_length(file);
  *got = at < size ? (size_t)MIN(n, size - at) : 0;
  if (*got)
    memcpy(to, g_mapped_file_get_contents(file) + at, *got);
  return 0;
}

static int read_at(nd_tar *t, uint64_t at, void *to, size_t n, size_t *got) {
  return t->file ? read_plain(t->file, at, to, n, got) : nd_gunzip_read(t->packed, at, to, n, got);
}

static int read_all(nd_tar *t, uint64_t at, void *to, size_t n) {
  size_t got;
  if (read_at(t, at, to, n, &got))
    return -1;
  return got == n ? 0 : nd_fail("it is cut short: it ends after %" G_GUINT64_FORMAT " bytes", at + got);
}

/* ---- Heads ---- */
typedef struct head {
  unsigned char block[BLOCK];
  char *name;          /* of the pax or GNU entry before; NULL: the block's own */
  uint64_t size, next; /* next: where the head behind this entry is */
  bool sized;          /* size is that of a pax entry before */
} head;

static bool octal(const unsigned char *text, size_t n, uint64_t *out) {
  size_t i = 0;
  *out = 0;
  while (i < n && text[i] == ' ')
    i++;
  size_t first = i;
  for (; i < n && text[i] >= '0' && text[i] <= '7'; i++)
    *out = *out << 3 | (uint64_t)(text[i] - '0');
  return i > first;
}

/* With the highest bit set the rest is binary. */
static bool number(const unsigned char *text, size_t n, uint64_t *out) {
  if (!(*text & 0x80))
    return octal(text, n, out);
  *out = *text & 0x3f;
  for (size_t i = 1; i < n; i++) {
    if (*out >> 55)
      return false;
    *out = *out << 8 | text[i];
  }
  return true;
}

static bool sum_is_right(const unsigned char *block) {
  uint64_t said, sum = 0;
  for (int i = 0; i < BLOCK; i++)
    sum += i >= SUM && i < SUM + 8 ? ' ' : block[i];
  return octal(block + SUM, 8, &said) && said == sum;
}

static bool is_empty(const unsigned char *block) {
  for (int i = 0; i < BLOCK; i++)
    if (block[i])
      return false;
  return true;
}

static char *own_name(const unsigned char *block) {
  const char *text = (const char *)block;
  g_autofree char *name = g_strndup(text + NAME, 100), *prefix = g_strndup(text + PREFIX, 155);
  bool posix = !memcmp(text + MAGIC, "ustar\0", 6); /* GNU's has other things in place of the prefix */
  return posix && *prefix ? g_strconcat(prefix, "/", name, NULL) : g_strdup(name);
}

/* "17 path=some/name\n" and so on: the length is that of the whole record. */
static int read_records(char *text, size_t n, head *h) {
  for (char *end = text + n; text < end;) {
    char *rest;
    guint64 length = g_ascii_strtoull(text, &rest, 10);
    if (length < 5 || length > (guint64)(end - text) || *rest != ' ' || rest >= text + length ||
        text[length - 1] != '\n')
      return nd_fail("one of its pax heads is damaged");
    text[length - 1] = 0;
    if (g_str_has_prefix(rest + 1, "path=")) {
      g_free(h->name);
      h->name = g_strdup(rest + 6);
    } else if (g_str_has_prefix(rest + 1, "size=")) {
      h->size = g_ascii_strtoull(rest + 6, NULL, 10);
      h->sized = true;
    }
    text += length;
  }
  return 0;
}

/* An entry that tells of the next one. */
static int read_text(nd_tar *t, uint64_t at, uint64_t size, char type, head *h) {
  if (size > TEXT_MAX)
    return nd_fail("it has a name of %" G_GUINT64_FORMAT " bytes", size);
  g_autofree char *text = g_malloc0(size + 1);
  if (read_all(t, at, text, size))
    return -1;
  if (type == 'x')
    return read_records(text, size, h);
  g_free(h->name);
  h->name = g_steal_pointer(&text);
  return 0;
}

static void add_entry(nd_tar *t, head *h, uint64_t at, uint64_t size) {
  g_autofree char *name = h->name ? g_strdup(h->name) : own_name(h->block);
  const char *from = name;
  while (g_str_has_prefix(from, "./"))
    for (from += 2; *from == '/';)
      from++;
  bool file = h->block[TYPE] == '0' || h->block[TYPE] == 0 || h->block[TYPE] == '7';
  if (!file || !*from || g_str_has_suffix(from, "/"))
    return;
  entry e = {g_strdup(from), at, size};
  g_array_append_val(t->entries, e);
}

static int read_head(nd_tar *t, uint64_t at, head *h) {
  uint64_t size;
  if (!sum_is_right(h->block) || !number(h->block + SIZE, 12, &size))
    return nd_fail(at ? "it is damaged: there is no head of an entry after %" G_GUINT64_FORMAT " bytes"
                      : "it is no tar archive",
                   at);
  char type = (char)h->block[TYPE];
  bool tells = type == 'x' || type == 'L';
  if (!tells && h->sized)
    size = h->size;
  if (size > G_MAXINT64 - at - 2 * BLOCK)
    return nd_fail("it is damaged: an entry claims %" G_GUINT64_FORMAT " bytes", size);
  h->next = at + BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
  if (tells)
    return read_text(t, at + BLOCK, size, type, h);
  if (type == 'g' || type == 'K') /* for all of them, or a link's */
    return 0;
  add_entry(t, h, at + BLOCK, size);
  g_clear_pointer(&h->name, g_free);
  h->sized = false;
  return 0;
}

/* What is behind the last head: of a packed archive the checksum is there. From a place before that on it
 * would not be compared. */
static int pass_to_end(nd_tar *t, uint64_t at) {
  g_autofree char *rest = g_malloc(1 << 16);
  size_t got = 1;
  int failed = 0;
  for (; t->packed && got && !failed; at += got)
    failed = nd_gunzip_read(t->packed, at, rest, 1 << 16, &got);
  return failed;
}

/* An archive ends with empty blocks, or just so. */
static int read_heads(nd_tar *t) {
  head h = {.next = 0};
  uint64_t at = 0, last = 0; /* last: the end of the entry that was read last */
  int failed = 0;
  for (size_t got = BLOCK; !failed; at = last = h.next) {
    if ((failed = read_at(t, at, h.block, BLOCK, &got)))
      break;
    if (at && ((got == BLOCK && is_empty(h.block)) || !got))
      break;
    if (got < BLOCK)
      failed = nd_fail(at ? "it is cut short" : "it is no tar archive");
    else if (!(failed = read_head(t, at, &h)) && t->entries->len > ENTRIES_MAX)
      failed = nd_fail("it has more than %d entries", ENTRIES_MAX);
  }
  g_free(h.name);
  uint64_t size = t->file ? g_mapped_file_get_length(t->file) : G_MAXUINT64;
  if (!failed && last > size)
    failed = nd_fail("it is cut short: %" G_GUINT64_FORMAT " bytes are missing", last - size);
  return failed ? -1 : pass_to_end(t, at + BLOCK);
}

/* ---- The archive ---- */
static int open_bytes(nd_tar *t, const char *path) {
  g_autoptr(GError) error = NULL;
  if (!(t->file = g_mapped_file_new(path, FALSE, &error)))
    return nd_fail("%s", error->message);
  const char *bytes = g_mapped_file_get_contents(t->file);
  if (g_mapped_file_get_length(t->file) < 2 || memcmp(bytes, "\x1f\x8b", 2) != 0)
    return 0;
  g_clear_pointer(&t->file, g_mapped_file_unref);
  return nd_gunzip_open(path, &t->packed);
}

int nd_tar_open(const char *path, nd_tar **out) {
  nd_tar *t = g_new0(nd_tar, 1);
  g_mutex_init(&t->lock);
  t->entries = g_array_new(FALSE, TRUE, sizeof(entry));
  g_array_set_clear_func(t->entries, entry_clear);
  int failed = open_bytes(t, path) || read_heads(t);
  *out = failed ? NULL : t;
  if (failed)
    nd_tar_close(t);
  return failed ? -1 : 0;
}

void nd_tar_close(nd_tar *t) {
  if (!t)
    return;
  g_clear_pointer(&t->file, g_mapped_file_unref);
  nd_gunzip_close(t->packed);
  g_array_unref(t->entries);
  g_mutex_clear(&t->lock);
  g_free(t);
}

int64_t nd_tar_count(const nd_tar *t) {
  return t->entries->len;
}

static const entry *entry_at(const nd_tar *t, int64_t index) {
  return &g_array_index(t->entries, entry, index);
}

const char *nd_tar_name(const nd_tar *t, int64_t index) {
  return entry_at(t, index)->name;
}

uint64_t nd_tar_size(const nd_tar *t, int64_t index) {
  return entry_at(t, index)->size;
}

int nd_tar_read(nd_tar *t, int64_t index, size_t limit, void **bytes, size_t *size) {
  const entry *e = entry_at(t, index);
  *bytes = NULL;
  if (e->size > limit)
    return nd_fail("entry '%s' has %" G_GUINT64_FORMAT " bytes; up to %zu are read", e->name, e->size, limit);
  *size = e->size;
  if (!(*bytes = nd_mem_alloc(*size + 1, e->name)))
    return -1;
  g_mutex_lock(&t->lock);
  int failed = read_all(t, e->at, *bytes, *size);
  g_mutex_unlock(&t->lock);
  if (!failed)
    return 0;
  nd_mem_free(*bytes);
  *bytes = NULL;
  return nd_fail_in("entry '%s'", e->name);
}
