#include "base/zip_archive.h"

#include <glib.h>
#include <zip.h>

struct nd_zip {
  zip_t *zip;
  GMutex lock; /* libzip's archives are for one thread at a time */
};

static nd_zip *keep(zip_t *zip) {
  nd_zip *z = g_new0(nd_zip, 1);
  z->zip = zip;
  g_mutex_init(&z->lock);
  return z;
}

int nd_zip_open(const char *path, nd_zip **out) {
  int code;
  zip_t *zip = zip_open(path, ZIP_RDONLY, &code);
  *out = zip ? keep(zip) : NULL;
  if (zip)
    return 0;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  nd_fail("%s", zip_error_strerror(&error));
  zip_error_fini(&error);
  return -1;
}

int nd_zip_open_bytes(const void *bytes, size_t n, nd_zip **out) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(bytes, n, 0, &error);
  zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
  *out = zip ? keep(zip) : NULL;
  if (!zip) {
    nd_fail("%s", zip_error_strerror(&error));
    zip_source_free(source);
  }
  zip_error_fini(&error);
  return zip ? 0 : -1;
}

void nd_zip_close(nd_zip *z) {
  if (!z)
    return;
  zip_discard(z->zip);
  g_mutex_clear(&z->lock);
  g_free(z);
}

int64_t nd_zip_count(const nd_zip *z) {
  return zip_get_num_entries(z->zip, 0);
}

const char *nd_zip_name(const nd_zip *z, int64_t index) {
  return zip_get_name(z->zip, (zip_uint64_t)index, 0);
}

int64_t nd_zip_find(const nd_zip *z, const char *name) {
  return zip_name_locate(z->zip, name, 0);
}

static int size_of(nd_zip *z, int64_t index, uint64_t *size) {
  zip_stat_t stat;
  if (zip_stat_index(z->zip, (zip_uint64_t)index, 0, &stat) || !(stat.valid & ZIP_STAT_SIZE))
    return nd_fail("entry %" G_GINT64_FORMAT " of the archive is damaged", index);
  *size = stat.size;
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

/* No memory is taken for what an entry claims before that is within the limit. */
static int read_entry(nd_zip *z, int64_t index, size_t limit, void **bytes, size_t *size) {
  uint64_t claimed = 0;
  if (size_of(z, index, &claimed))
    return -1;
  const char *name = nd_zip_name(z, index);
  if (claimed > limit)
    return nd_fail("entry '%s' has %" G_GUINT64_FORMAT " bytes when unpacked; up to %zu are read", name,
                   claimed, limit);
  *size = claimed;
  if (!(*bytes = nd_mem_alloc(*size + 1, name)))
    return -1;
  zip_file_t *entry = zip_fopen_index(z->zip, (zip_uint64_t)index, 0);
  int failed = entry ? read_whole(entry, *bytes, *size) : -1;
  if (entry)
    zip_fclose(entry);
  return failed
             ? nd_fail("entry '%s' cannot be unpacked: it is damaged, cut short, encrypted, or packed by a "
                       "method that is not known here",
                       name)
             : 0;
}

int nd_zip_size(nd_zip *z, int64_t index, uint64_t *size) {
  g_mutex_lock(&z->lock);
  int failed = size_of(z, index, size);
  g_mutex_unlock(&z->lock);
  return failed;
}

int nd_zip_read(nd_zip *z, int64_t index, size_t limit, void **bytes, size_t *size) {
  *bytes = NULL;
  g_mutex_lock(&z->lock);
  int failed = read_entry(z, index, limit, bytes, size);
  g_mutex_unlock(&z->lock);
  if (failed) {
    nd_mem_free(*bytes);
    *bytes = NULL;
  }
  return failed;
}
