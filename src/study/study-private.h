/* What the files of this room share. */
#ifndef ND_STUDY_PRIVATE_H
#define ND_STUDY_PRIVATE_H

#include "study/study.h"

/* The file, and the overrides of nd_study_load, into *out, which has its defaults. */
int nd_study_read(const char *path, const char *const *overrides, nd_study *out);
/* Where the scores of a run on a test are kept: "DIR/runs/NAME/scores-TEST.csv"; the caller's. */
char *nd_study_scores_path(const nd_study_run *run, const nd_study_test *test, const char *dir);
/* The pictures of a test. */
int nd_study_open_test(const nd_study_test *test, nd_pairs **out);
/* Whether pictures of a test have a truth to be compared with. */
bool nd_study_has_truth(const nd_study_test *test);
/* Adds crops to a validation. On error those there are stay, the receiver's to free. */
int nd_validator_crops(nd_restorer *restorer, const nd_pairs *pairs, nd_validation *out);

int nd_study_scores_save(const char *path, const nd_scores *scores);
int nd_study_scores_load(const char *path, nd_scores *out);

/* "source" of a study as an index; -1: none. */
static inline int nd_study_source(const nd_study *s) {
  return nd_study_variant_of(s, s->source);
}
static inline int nd_study_oracle(const nd_study *s) {
  return nd_study_variant_of(s, s->oracle);
}

#endif
