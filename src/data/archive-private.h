/* Archives of either kind, zip or tar, as numbered files. */
#ifndef ND_ARCHIVE_PRIVATE_H
#define ND_ARCHIVE_PRIVATE_H

#include "base/base.h"

typedef struct nd_archive nd_archive;

bool nd_archive_named(const char *path);        /* .zip, .tar, .tar.gz, .tgz, .gz */
bool nd_archive_named_unread(const char *path); /* of a kind that is not read, or a part of one */
/* Error: it is broken, or has an entry that leads out of it. */
int nd_archive_open(const char *path, nd_archive **out);
void nd_archive_close(nd_archive *archive);
const char *nd_archive_path(const nd_archive *archive);
int64_t nd_archive_count(const nd_archive *archive);
const char *nd_archive_name(const nd_archive *archive, int64_t index);
bool nd_archive_size(const nd_archive *archive, int64_t index, uint64_t *size); /* false: it cannot be told */
/* Thread-safe. *bytes is the caller's, nd_mem_free. */
int nd_archive_read(const nd_archive *archive, int64_t index, size_t limit, void **bytes, size_t *size);

#endif
