/* The processes that train one network together; this process is one of them.
 *
 * NULL stands for a process alone everywhere: rank 0 of 1, and every function does nothing and succeeds. All
 * but the questions (a const group) are collective: every process calls them, in the same order, from its
 * main thread. One that fails because another process is gone leaves the group broken: only close it then.
 */
#ifndef ND_TRAIN_GROUP_H
#define ND_TRAIN_GROUP_H

#include "base/base.h"

typedef struct nd_group nd_group;

/* NULL where the program was started alone; then MPI is not even initialised. An error when mpirun or srun
 * started several processes that cannot talk: built without MPI, or by a launcher that this MPI does not
 * know. */
int nd_group_open(nd_group **out);
/* Leaves the group. A broken one ends here with all its processes, as an error of the whole job. */
void nd_group_close(nd_group *group);
bool nd_group_broken(const nd_group *group);

int nd_group_rank(const nd_group *group); /* 0 .. size - 1 */
int nd_group_size(const nd_group *group); /* processes */
/* Processors for this process: its share of its machine, or fewer where it is bound to fewer. 0: alone, all.
 */
int nd_group_threads(const nd_group *group);

/* How many of them share this machine's memory, this one included. */
int nd_group_neighbours(const nd_group *group);

/* Every process has the same bits afterwards, in each of these. */
int nd_group_sum(nd_group *group, double *x, int n);
int nd_group_broadcast(nd_group *group, void *bytes, size_t n); /* from rank 0 */
/* Sums x over the processes in the background, until nd_group_finish; x is left alone until then. */
int nd_group_begin_sum(nd_group *group, float *x, size_t n);
/* Lets sums that were begun make progress; not collective. */
int nd_group_poll(nd_group *group);
int nd_group_finish(nd_group *group);

/* Makes failure common: -1 everywhere, with the message of the lowest process that failed, if any did. */
int nd_group_check(nd_group *group, int failed);
/* Whether it is so for any process. */
int nd_group_any(nd_group *group, bool here, bool *any);

#endif
