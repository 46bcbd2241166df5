/* What `noiseda restore` says while it works: a bar on a terminal, lines, or JSON. */
#ifndef ND_RESTORE_REPORT_H
#define ND_RESTORE_REPORT_H

#include "cli/restore_jobs.h"
#include "cli/results.h"

typedef struct nd_restore_report {
  gboolean json, quiet;
  bool planning;        /* nothing is restored, only said what would be */
  bool stdout_is_taken; /* a picture goes there */
  bool full;            /* nothing more can be written: the rest is left */
  int total;
  nd_cli_tally tally; /* done: restored */
  int64_t begun;      /* the picture, nd_clock */
  int width, height;  /* of it; 0: not known */
  int index;          /* of it, from 1 */
  const char *name;
} nd_restore_report;

void nd_restore_report_begin(nd_restore_report *r, const nd_restore_job *job);
/* Of the picture's tiles, so many are done. */
void nd_restore_report_tiles(const nd_restore_report *r, int done, int tiles);
/* The picture is restored, skipped since its result exists, or failed with nd_error. */
void nd_restore_report_restored(nd_restore_report *r, const nd_restore_job *job);
void nd_restore_report_skipped(nd_restore_report *r, const nd_restore_job *job);
void nd_restore_report_failed(nd_restore_report *r, const nd_restore_job *job);
/* It would be restored in so many tiles. */
void nd_restore_report_planned(nd_restore_report *r, const nd_restore_job *job, int tiles);
void nd_restore_report_end(const nd_restore_report *r);

#endif
