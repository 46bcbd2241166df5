/* The figures of `noiseda eval`, with how they were taken. */
#ifndef ND_EVAL_REPORT_H
#define ND_EVAL_REPORT_H

#include "restore/restore.h"

#include <glib.h>

typedef struct nd_eval_how {
  bool model;                /* the inputs were restored, and their figures are shown too */
  const char *lpips, *niqe;  /* which features, which model of pristine photos; NULL: not measured */
  const GPtrArray *failures; /* nd_eval_failure; of pictures that could not be measured */
} nd_eval_how;

typedef struct nd_eval_failure {
  char *name, *error;
} nd_eval_failure;
/* Of a picture that failed with nd_error. */
nd_eval_failure *nd_eval_failure_new(const char *name);
void nd_eval_failure_free(gpointer failure);

void nd_eval_print_text(const nd_scores *s, const nd_eval_how *how);
void nd_eval_print_json(const nd_scores *s, const nd_eval_how *how);

#endif
