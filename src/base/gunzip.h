/* What a gzip file holds, read at any place: nothing is unpacked to a disk. */
#ifndef ND_GUNZIP_H
#define ND_GUNZIP_H

#include "base/base.h"

typedef struct nd_gunzip nd_gunzip;

int nd_gunzip_open(const char *path, nd_gunzip **out);
void nd_gunzip_close(nd_gunzip *g); /* NULL is fine */
/* Up to n bytes from `at` on, counted in what is unpacked; *got is less at the end alone. Going on from where
 * the last call ended is fast, going back costs what a few megabytes cost. For one thread at a time. Error:
 * damaged, or cut short; each part's checksum is compared when its end is first passed. */
int nd_gunzip_read(nd_gunzip *g, uint64_t at, void *to, size_t n, size_t *got);

#endif
