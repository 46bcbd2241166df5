/* Sets as they are published become plain folders that recipes read. docs/data.md */
#ifndef ND_DATA_PREPARE_H
#define ND_DATA_PREPARE_H

#include "base/base.h"

typedef enum nd_task { ND_TASK_DENOISE, ND_TASK_DERAIN, ND_TASK_DEBLUR } nd_task;
const char *nd_task_name(int task); /* NULL past the last */

typedef struct nd_prepare_settings {
  nd_task task;
  char *const *from; /* folders, archives (zip, tar), single files; NULL at the end */
  char *const *only; /* sets to take, by name; NULL: all that are found */
  const char *out;   /* OUT/SET/PART/{input,right,target,clean,real}/... and OUT/manifest.tsv */
  int patch_size;    /* pictures for training with a longer side are cut; 0: none is */
  int stride;        /* from patch to patch, at most patch_size */
  bool dry_run;      /* only tell what was found */
  /* After each picture or pair; may be NULL. Called by one thread at a time. */
  void (*progress)(size_t done, size_t total, void *context);
  void *context;
} nd_prepare_settings;

typedef struct nd_prepared_group {
  char *folder;                        /* "gopro/train" */
  const char *role;                    /* "pairs", "right", "clean" or "real" */
  size_t found, made, skipped, failed; /* pictures or pairs; of arrays, arrays */
  size_t files;                        /* written now */
} nd_prepared_group;

typedef struct nd_prepared {
  size_t count;
  nd_prepared_group *groups;
  char **findings; /* what could not be read or has no partner, a line each; NULL at the end */
} nd_prepared;

/* Reads nothing twice: a picture whose results are all there, as the manifest has them, is skipped. Pictures,
 * lists and archives that cannot be read are findings. Errors: nothing known was found (says what was, and
 * what is known), other settings than OUT was made with, files that cannot be written. */
int nd_prepare(const nd_prepare_settings *settings, nd_prepared *out);
void nd_prepared_free(nd_prepared *prepared);

#endif
