/* Zip archives, read by libzip. Nothing is unpacked to a disk; entries are read into memory, whole. */
#ifndef ND_ZIP_ARCHIVE_H
#define ND_ZIP_ARCHIVE_H

#include "base/base.h"

typedef struct nd_zip nd_zip;

int nd_zip_open(const char *path, nd_zip **out);
/* An archive in memory, which must outlive *out. */
int nd_zip_open_bytes(const void *bytes, size_t n, nd_zip **out);
void nd_zip_close(nd_zip *zip); /* NULL is fine */
int64_t nd_zip_count(const nd_zip *zip);
/* The entry's path, as the archive has it; NULL: it cannot be told. The archive's. */
const char *nd_zip_name(const nd_zip *zip, int64_t index);
int64_t nd_zip_find(const nd_zip *zip, const char *name); /* -1: there is none */
/* Bytes when unpacked, as the archive claims; nothing is read. */
int nd_zip_size(nd_zip *zip, int64_t index, uint64_t *size);
/* An entry of up to `limit` bytes, compared with its checksum. Thread-safe. *bytes is the caller's,
 * nd_mem_free, and has one byte more than *size. Error: it is larger, damaged, encrypted, or packed by a
 * method unknown. */
int nd_zip_read(nd_zip *zip, int64_t index, size_t limit, void **bytes, size_t *size);

#endif
