/* What the ways to talk have to provide besides group.h: group_mpi.c, and group_alone.c where there is no
 * MPI. */
#ifndef ND_TRAIN_GROUP_PRIVATE_H
#define ND_TRAIN_GROUP_PRIVATE_H

#include "train/group.h"

/* For size > 1 processes as the launcher says. */
int nd_group_join(int size, nd_group **out);

#endif
