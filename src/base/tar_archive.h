/* Tar archives, plain or packed by gzip. Nothing is unpacked to a disk; entries are read into memory, whole.
 */
#ifndef ND_TAR_ARCHIVE_H
#define ND_TAR_ARCHIVE_H

#include "base/base.h"

typedef struct nd_tar nd_tar;

/* Reads all heads, of a packed one all bytes. */
int nd_tar_open(const char *path, nd_tar **out);
void nd_tar_close(nd_tar *tar); /* NULL is fine */
/* Of plain files alone: folders, links and devices are passed over. */
int64_t nd_tar_count(const nd_tar *tar);
const char *nd_tar_name(const nd_tar *tar,
                        int64_t index); /* as the archive has it, without "./"; the archive's */
uint64_t nd_tar_size(const nd_tar *tar, int64_t index);
/* An entry of up to `limit` bytes. Thread-safe. *bytes is the caller's, nd_mem_free, and has one byte more
 * than *size. */
int nd_tar_read(nd_tar *tar, int64_t index, size_t limit, void **bytes, size_t *size);

#endif
