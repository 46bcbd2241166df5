/* Archives, through libzip. */
#include "data/tree-private.h"

#include <string.h>
#include <zip.h>

enum { ENTRIES_MAX = 8 << 20, ENTRY_BYTES_MAX = 512 << 20 };

struct nd_zip {
  char *path;
  zip_t *zip;
  GMutex lock; /* libzip's archives are for one thread at a time */
};

int nd_zip_open(const char *path, nd_zip **out) {
  int code;
  *out = NULL;
  zip_t *zip = zip_open(path, ZIP_RDONLY, &code);
  if (!zip) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    nd_fail("cannot read archive '%s': %s; was it cut short, or is it one part of several? Parts are joined "
            "first "
            "(zip -s 0 FIRST.zip --out whole.zip, or cat x.zip.* > x.zip)",
            path, zip_error_strerror(&error));
    zip_error_fini(&error);
    return -1;
  }
  nd_zip *z = *out = g_new0(nd_zip, 1);
  z->path = g_strdup(path);
  z->zip = zip;
  g_mutex_init(&z->lock);
  return 0;
}

void nd_zip_close(nd_zip *zip) {
  if (!zip)
    return;
  zip_discard(zip->zip);
  g_mutex_clear(&zip->lock);
  g_free(zip->path);
  g_free(zip);
}

static bool leads_out(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  return path[0] == '/' || strchr(path, '\\') || g_strv_contains((const char *const *)parts, "..");
}

static bool is_left_out(const char *path) {
  return path[0] == '.' || strstr(path, "/.") || g_str_has_prefix(path, "__MACOSX/") ||
         g_str_has_suffix(path, "/");
}

int nd_zip_list(nd_zip *zip, int (*fn)(void *context, const char *path, guint64 index), void *context) {
  zip_int64_t n = zip_get_num_entries(zip->zip, 0);
  if (n > ENTRIES_MAX)
    return nd_fail("archive '%s' has more than %d entries", zip->path, ENTRIES_MAX);
  for (zip_int64_t i = 0; i < n; i++) {
    const char *path = zip_get_name(zip->zip, (zip_uint64_t)i, 0);
    if (!path || leads_out(path))
      return nd_fail(
          "archive '%s' has an entry '%s', whose path leads out of it: it is not as it was published",
          zip->path, path ? path : "");
    if (!is_left_out(path) && fn(context, path, (guint64)i))
      return -1;
  }
  return 0;
}

/* All of it, to the end, where libzip compares the checksum. */
static int read_whole(zip_file_t *entry, char *out, size_t n) {
  char more;
  for (size_t done = 0; done < n;) {
    zip_int64_t got = zip_fread(entry, out + done, n - done);
    if (got <= 0)
      return -1;
    done += (size_t)got;
  }
  return zip_fread(entry, &more, 1) == 0 ? 0 : -1;
}

static int read_entry(nd_zip *z, guint64 index, void **bytes, size_t *size) {
  zip_stat_t stat;
  if (zip_stat_index(z->zip, index, 0, &stat) || !(stat.valid & ZIP_STAT_SIZE))
    return nd_fail("archive '%s' is damaged", z->path);
  if (stat.size > ENTRY_BYTES_MAX)
    return nd_fail("'%s' in '%s' has %" G_GUINT64_FORMAT " bytes when unpacked; up to %d are read", stat.name,
                   z->path, (guint64)stat.size, ENTRY_BYTES_MAX);
  *size = stat.size;
  if (!(*bytes = nd_mem_alloc(*size + 1, stat.name)))
    return -1;
  zip_file_t *entry = zip_fopen_index(z->zip, index, 0);
  int failed = entry ? read_whole(entry, *bytes, *size) : -1;
  if (entry)
    zip_fclose(entry);
  return failed ? nd_fail("'%s' in '%s' cannot be unpacked: it is damaged, cut short or encrypted", stat.name,
                          z->path)
                : 0;
}

int nd_zip_read(nd_zip *zip, guint64 index, void **bytes, size_t *size) {
  *bytes = NULL;
  g_mutex_lock(&zip->lock);
  int failed = read_entry(zip, index, bytes, size);
  g_mutex_unlock(&zip->lock);
  if (failed) {
    nd_mem_free(*bytes);
    *bytes = NULL;
  }
  return failed;
}
