/* Groups of processes, whatever they talk through: who started us, and what all have to agree on. */
#include "train/group-private.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* How many processes the launcher says it started; each sets some of these. The last is Slurm's own, which it
 * also sets where no MPI is asked for. */
static int launched(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE",
                                      "SLURM_STEP_NUM_TASKS"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    const char *text = g_getenv(names[i]);
    if (text)
      return atoi(text);
  }
  return 1;
}

int nd_group_open(nd_group **out) {
  *out = NULL;
  int size = launched();
  return size > 1 ? nd_group_join(size, out) : 0;
}

int nd_group_any(nd_group *group, bool here, bool *any) {
  double count = here;
  *any = here;
  int failed = nd_group_sum(group, &count, 1);
  *any = count > 0;
  return failed;
}

/* The lowest process for which here is true, by a table with one number a process. */
static int lowest(nd_group *group, bool here, int *rank) {
  int size = nd_group_size(group);
  g_autofree double *table = g_new0(double, size);
  table[nd_group_rank(group)] = here;
  if (nd_group_sum(group, table, size))
    return -1;
  for (*rank = 0; *rank < size && !(table[*rank] > 0);)
    ++*rank;
  return 0;
}

/* The message of process `rank`, to all: as numbers, since sums are what there is from any process. */
static int share_message(nd_group *group, int rank) {
  enum { BYTES = 1024 };
  bool mine = nd_group_rank(group) == rank;
  g_autofree char *text = g_strdup(nd_error());
  double letters[BYTES] = {0};
  char message[BYTES + 1] = {0};
  for (int i = 0; mine && i < BYTES && text[i]; i++)
    letters[i] = (unsigned char)text[i];
  if (nd_group_sum(group, letters, BYTES))
    return -1;
  for (int i = 0; i < BYTES; i++)
    message[i] = (char)letters[i];
  nd_fail("%s", message);
  return rank ? nd_fail_in("process %d of %d", rank, nd_group_size(group)) : -1;
}

int nd_group_check(nd_group *group, int failed) {
  if (!group)
    return failed ? -1 : 0;
  bool any;
  int rank;
  if (nd_group_any(group, failed != 0, &any))
    return -1;
  if (!any)
    return 0;
  return lowest(group, failed != 0, &rank) ? -1 : share_message(group, rank);
}
