/* Groups of processes over MPI: the only file that includes mpi.h. */
#include "train/group-private.h"

#include <glib.h>
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

struct nd_group {
  int rank, size, threads, neighbours;
  bool broken;
  GArray *running; /* MPI_Request: sums that were begun */
};

static int failed_call(nd_group *g, int code, const char *what) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length;
  g->broken = true;
  MPI_Error_string(code, text, &length);
  return nd_fail(
      "process %d of %d cannot %s: %s; another process may have died. The last checkpoint is intact: "
      "'noiseda train --resume' goes on from it",
      g->rank, g->size, what, text);
}

static int count_neighbours(void) {
  MPI_Comm here;
  int neighbours = 1;
  if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here) == MPI_SUCCESS) {
    MPI_Comm_size(here, &neighbours);
    MPI_Comm_free(&here);
  }
  return neighbours;
}

/* Several processes of this machine share its processors, unless the launcher bound each to its own. */
static int processors(const nd_group *g) {
  cpu_set_t set;
  int all = (int)sysconf(_SC_NPROCESSORS_ONLN);
  int bound = sched_getaffinity(0, sizeof set, &set) ? all : CPU_COUNT(&set),
      share = MAX(1, all / g->neighbours);
  if (bound < share && nd_group_rank(g) == 0)
    nd_log(
        ND_LOG_WARNING,
        "each process is bound to %d of its machine's %d processors and has %d for itself; 'mpirun --bind-to "
        "none' lets it use them",
        bound, all, share);
  return MIN(share, bound);
}

int nd_group_join(int size, nd_group **out) {
  /* A process that waits gives way: rank 0 may be using all processors for a validation meanwhile. */
  g_setenv("OMPI_MCA_mpi_yield_when_idle", "1", FALSE);
  /* Open MPI's own choice for sums in place sends all data up and down a tree, log N times what is needed. */
  g_setenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm", "3", FALSE);
  int level, found = 1;
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
    return nd_fail("cannot start MPI");
  MPI_Comm_size(MPI_COMM_WORLD, &found);
  if (found != size) {
    MPI_Finalize();
    return nd_fail(
        "the launcher started %d processes, but MPI sees %d; start them with mpirun, or with srun --mpi=pmix",
        size, found);
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  nd_group *g = g_new0(nd_group, 1);
  g->size = size;
  MPI_Comm_rank(MPI_COMM_WORLD, &g->rank);
  g->neighbours = count_neighbours();
  g->threads = processors(g);
  g->running = g_array_new(FALSE, FALSE, sizeof(MPI_Request));
  *out = g;
  return 0;
}

void nd_group_close(nd_group *g) {
  if (!g)
    return;
  if (g->broken)
    MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Finalize();
  g_array_free(g->running, TRUE);
  g_free(g);
}

bool nd_group_broken(const nd_group *g) {
  return g && g->broken;
}

int nd_group_rank(const nd_group *g) {
  return g ? g->rank : 0;
}

int nd_group_size(const nd_group *g) {
  return g ? g->size : 1;
}

int nd_group_neighbours(const nd_group *g) {
  return g ? g->neighbours : 1;
}

int nd_group_threads(const nd_group *g) {
  return g ? g->threads : 0;
}

int nd_group_sum(nd_group *g, double *x, int n) {
  if (!g)
    return 0;
  int code = MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return code == MPI_SUCCESS ? 0 : failed_call(g, code, "sum with the others");
}

int nd_group_broadcast(nd_group *g, void *bytes, size_t n) {
  enum { PIECE = 1 << 28 };
  for (size_t at = 0; g && at < n; at += PIECE) {
    int count = (int)MIN(PIECE, n - at),
        code = MPI_Bcast((char *)bytes + at, count, MPI_BYTE, 0, MPI_COMM_WORLD);
    if (code != MPI_SUCCESS)
      return failed_call(g, code, "share the weights");
  }
  return 0;
}

int nd_group_begin_sum(nd_group *g, float *x, size_t n) {
  enum { PIECE = 1 << 28 };
  for (size_t at = 0; g && at < n; at += PIECE) {
    MPI_Request request;
    int count = (int)MIN(PIECE, n - at),
        code = MPI_Iallreduce(MPI_IN_PLACE, x + at, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
    if (code != MPI_SUCCESS)
      return failed_call(g, code, "sum gradients");
    g_array_append_val(g->running, request);
  }
  return 0;
}

int nd_group_poll(nd_group *g) {
  int done;
  if (!g || !g->running->len)
    return 0;
  int code =
      MPI_Testall((int)g->running->len, (MPI_Request *)(void *)g->running->data, &done, MPI_STATUSES_IGNORE);
  return code == MPI_SUCCESS ? 0 : failed_call(g, code, "sum gradients");
}

int nd_group_finish(nd_group *g) {
  if (!g)
    return 0;
  int code = MPI_Waitall((int)g->running->len, (MPI_Request *)(void *)g->running->data, MPI_STATUSES_IGNORE);
  g_array_set_size(g->running, 0);
  return code == MPI_SUCCESS ? 0 : failed_call(g, code, "sum gradients");
}
