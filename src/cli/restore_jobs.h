/* What `noiseda restore` is to do: which picture becomes which file. */
#ifndef ND_RESTORE_JOBS_H
#define ND_RESTORE_JOBS_H

#include "cli/cli.h"
#include "data/data.h"

#define ND_STANDARD_STREAM "-"

typedef struct nd_restore_wish {
  char **in;          /* files, sets, patterns, "-"; NULL at the end */
  const char *right;  /* the right views of in[0], a file or a set; NULL: there is one view */
  const char *out;    /* a folder, a file, "-"; NULL: beside each input, with a suffix */
  const char *format; /* "png", "jpeg", "tiff", "webp"; NULL: as the output's name says, or the input's */
} nd_restore_wish;

typedef struct nd_restore_job {
  char *in, *out;
  const nd_set *set; /* NULL: in is a file, or a stream; else picture `index` of the set, and in its label */
  size_t index;
  struct nd_restore_job *right; /* where the right view is: its in, set and index; NULL: there is one view */
  char *error;                  /* known before: a folder without pictures; NULL: none */
} nd_restore_job;

/* nd_restore_job, freed with the array. NULL and an error: the wish cannot be met, or two pictures would
 * become one file. */
GPtrArray *nd_restore_jobs(const nd_restore_wish *wish);

#endif
