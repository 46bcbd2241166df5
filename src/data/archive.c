/* Archives of either kind, zip or tar. */
#include "data/archive-private.h"

#include "base/tar_archive.h"
#include "base/zip_archive.h"

#include <glib.h>
#include <string.h>

enum { ENTRIES_MAX = 8 << 20 };

struct nd_archive {
  nd_zip *zip; /* one of both */
  nd_tar *tar;
  char *path;
};

static bool ends_in(const char *path, const char *const *endings) {
  g_autofree char *low = g_ascii_strdown(path, -1);
  for (; *endings; endings++)
    if (g_str_has_suffix(low, *endings))
      return true;
  return false;
}

static bool is_zip(const char *path) {
  return ends_in(path, (const char *const[]){".zip", NULL});
}

/* Rain100L and Rain100H are published as tar archives that end in .gz alone. */
bool nd_archive_named(const char *path) {
  return is_zip(path) || ends_in(path, (const char *const[]){".tar", ".tgz", ".gz", NULL});
}

bool nd_archive_named_unread(const char *path) {
  return ends_in(path, (const char *const[]){".xz", ".bz2", ".tbz", ".tbz2", ".txz", ".zst", ".rar", ".7z",
                                             ".z01", ".zip.00", ".zip.001", NULL});
}

static bool leads_out(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  return path[0] == '/' || strchr(path, '\\') || g_strv_contains((const char *const *)parts, "..");
}

static int check_entries(const nd_archive *a) {
  int64_t n = nd_archive_count(a);
  if (n > ENTRIES_MAX)
    return nd_fail("archive '%s' has more than %d entries", a->path, ENTRIES_MAX);
  for (int64_t i = 0; i < n; i++) {
    const char *name = nd_archive_name(a, i);
    if (!name || leads_out(name))
      return nd_fail(
          "archive '%s' has an entry '%s', whose path leads out of it: it is not as it was published",
          a->path, name ? name : "");
  }
  return 0;
}

static int open_either(nd_archive *a) {
  bool zip = is_zip(a->path);
  if (!(zip ? nd_zip_open(a->path, &a->zip) : nd_tar_open(a->path, &a->tar)))
    return 0;
  nd_fail_in("cannot read archive '%s'", a->path);
  return nd_fail_and("was it cut short, or is it one part of several? Parts are joined first (%s)",
                     zip ? "zip -s 0 FIRST.zip --out whole.zip, or cat x.zip.* > x.zip"
                         : "cat x.tar.* > x.tar");
}

int nd_archive_open(const char *path, nd_archive **out) {
  nd_archive *a = g_new0(nd_archive, 1);
  a->path = g_strdup(path);
  int failed = open_either(a) || check_entries(a);
  *out = failed ? NULL : a;
  if (failed)
    nd_archive_close(a);
  return failed ? -1 : 0;
}

void nd_archive_close(nd_archive *a) {
  nd_zip_close(a->zip);
  nd_tar_close(a->tar);
  g_free(a->path);
  g_free(a);
}

const char *nd_archive_path(const nd_archive *a) {
  return a->path;
}

int64_t nd_archive_count(const nd_archive *a) {
  return a->zip ? nd_zip_count(a->zip) : nd_tar_count(a->tar);
}

const char *nd_archive_name(const nd_archive *a, int64_t index) {
  return a->zip ? nd_zip_name(a->zip, index) : nd_tar_name(a->tar, index);
}

bool nd_archive_size(const nd_archive *a, int64_t index, uint64_t *size) {
  if (a->zip)
    return !nd_zip_size(a->zip, index, size);
  *size = nd_tar_size(a->tar, index);
  return true;
}

int nd_archive_read(const nd_archive *a, int64_t index, size_t limit, void **bytes, size_t *size) {
  int failed = a->zip ? nd_zip_read(a->zip, index, limit, bytes, size)
                      : nd_tar_read(a->tar, index, limit, bytes, size);
  return failed ? nd_fail_in("archive '%s'", a->path) : 0;
}
