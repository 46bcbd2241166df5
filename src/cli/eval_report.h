/* The figures of `noiseda eval`, with how they were taken. */
#ifndef ND_EVAL_REPORT_H
#define ND_EVAL_REPORT_H

#include "restore/restore.h"

typedef struct nd_eval_how {
  bool model;               /* the inputs were restored, and their figures are shown too */
  const char *lpips, *niqe; /* which features, which model of pristine photos; NULL: not measured */
} nd_eval_how;

void nd_eval_print_text(const nd_scores *s, const nd_eval_how *how);
void nd_eval_print_json(const nd_scores *s, const nd_eval_how *how);

#endif
