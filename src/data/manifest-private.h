/* Which files of prepared data came from where. */
#ifndef ND_MANIFEST_PRIVATE_H
#define ND_MANIFEST_PRIVATE_H

#include "base/base.h"

typedef struct nd_manifest nd_manifest;
/* Takes up OUT/manifest.tsv, or begins it; lines of sources that lack a piece are dropped. */
int nd_manifest_open(const char *out, nd_manifest **result);
void nd_manifest_close(nd_manifest *manifest); /* NULL is fine */
/* Are all pieces of that source there, of the sizes that the manifest has? unit: what they share, below OUT:
 * the folder of an array's, else the name without "-00000-00000" and ending. */
bool nd_manifest_has(const nd_manifest *manifest, const char *source, const char *unit);

/* What the file `output` (below OUT) was made of when the manifest was opened, and its bytes; NULL: it was
 * not there. */
const char *nd_manifest_source_of(const nd_manifest *manifest, const char *output, uint64_t *bytes);
/* Some source other than `source` of files in that folder (below OUT), when the manifest was opened; NULL:
 * none. */
const char *nd_manifest_other_source(const nd_manifest *manifest, const char *folder, const char *source);

typedef struct nd_manifest_line {
  const char *output, *source; /* output: below OUT */
  int x, y, width, height;     /* of the source */
  int pieces;                  /* files that are made of the source under that name */
} nd_manifest_line;
/* Writes the file, whole or not at all, and then its line. Thread-safe. */
int nd_manifest_write(nd_manifest *manifest, const nd_manifest_line *line, const void *bytes, size_t size);

#endif
