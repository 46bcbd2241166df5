/* One run folder belongs to one process at a time. */
#include "train/trainer-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Whoever has the lock wrote down who it is. */
static int taken(const char *folder, int fd) {
  char who[128] = "";
  ssize_t n = pread(fd, who, sizeof who - 1, 0);
  g_strchomp(who);
  return nd_fail("the run folder '%s' is in use by another training (%s); one folder holds one run at a time",
                 folder, n > 0 ? who : "it does not say which");
}

static void sign(int fd) {
  g_autofree char *who = g_strdup_printf("process %d on %s\n", (int)getpid(), g_get_host_name());
  if (ftruncate(fd, 0) || pwrite(fd, who, strlen(who), 0) < 0)
    nd_log(ND_LOG_WARNING, "cannot write who holds the run folder: %s", strerror(errno));
}

/* A process that was killed left its unfinished files. */
static void sweep(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));)
    if (g_str_has_suffix(name, ".tmp")) {
      g_autofree char *path = g_build_filename(folder, name, NULL);
      g_unlink(path);
    }
}

int nd_run_lock(const char *folder, int *fd) {
  g_autofree char *path = g_build_filename(folder, "lock", NULL);
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (*fd < 0)
    return nd_fail("cannot write into the run folder: '%s': %s", path, strerror(errno));
  if (!flock(*fd, LOCK_EX | LOCK_NB)) {
    sign(*fd);
    sweep(folder);
    return 0;
  }
  if (errno != EWOULDBLOCK) { /* some network file systems have no locks */
    nd_log(ND_LOG_WARNING, "'%s' cannot be locked (%s): see to it that one process alone uses this folder",
           path, strerror(errno));
    return 0;
  }
  taken(folder, *fd);
  nd_run_unlock(*fd);
  *fd = -1;
  return -1;
}

/* The file stays: removing it would let two processes hold locks on two files of this name. */
void nd_run_unlock(int fd) {
  if (fd >= 0)
    close(fd);
}
