/* What the files that prepare sets share. */
#ifndef ND_PREPARE_PRIVATE_H
#define ND_PREPARE_PRIVATE_H

#include "data/layout-private.h"
#include "data/manifest-private.h"

#include <glib.h>

/* What is written into. */
typedef struct nd_prepare_work {
  const nd_prepare_settings *settings;
  nd_manifest *manifest;
  GMutex lock; /* of what follows */
  char *stop;  /* why nothing more can be written; NULL: it can */
} nd_prepare_work;

/* ---- prepare_found.c; any thread ---- */
/* Whether all that it becomes is there already. */
bool nd_prepare_is_done(const nd_prepare_work *w, const nd_found *f);
/* Writes what is not there yet, and adds to files how many that were. A file that cannot be written also sets
 * w->stop. */
int nd_prepare_found(nd_prepare_work *w, const nd_found *f, size_t *files);

/* ---- prepare_repeated.c -------------------------------------------------------------------------------
 * Of nd_found that would become one file the first stays. Where others are other pictures, nothing of their
 * folder is taken, and a finding tells. */
void nd_prepare_drop_repeated(GPtrArray *found, GPtrArray *findings);
/* The same of those that would replace, or add to, what other pictures became in an earlier run. */
void nd_prepare_drop_others(GPtrArray *found, const nd_manifest *manifest, GPtrArray *findings);

#endif
