/* What mat.c is made of. */
#ifndef ND_MAT_PRIVATE_H
#define ND_MAT_PRIVATE_H

#include "data/set-private.h"

/* ---- mat_check.c ---- */
/* Is it a .mat file of the kind that is read; with all, is it whole and undamaged (that reads all of it)?
 * called: in messages. */
int nd_mat_check(const char *path, const char *called, bool all);

#endif
