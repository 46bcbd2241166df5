#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_all(int fd, const char *bytes, size_t n) {
  while (n) {
    ssize_t done = write(fd, bytes, n);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return -1;
    bytes += done;
    n -= (size_t)done;
  }
  return fsync(fd);
}

/* Makes the rename itself durable; file systems without directory sync are no reason to fail. */
static void sync_folder(const char *path) {
  g_autofree char *folder = g_path_get_dirname(path);
  int fd = open(folder, O_RDONLY | O_DIRECTORY);
  if (fd >= 0) {
    (void)!fsync(fd);
    close(fd);
  }
}

int nd_file_write_atomic(const char *path, const void *bytes, size_t n) {
  g_autofree char *temporary = g_strdup_printf("%s.%d.tmp", path, (int)getpid());
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0)
    return nd_fail("cannot write '%s': %s", path, strerror(errno));
  int failed = write_all(fd, bytes, n), cause = errno;
  if (close(fd) && !failed)
    failed = -1, cause = errno;
  if (!failed && rename(temporary, path))
    failed = -1, cause = errno;
  if (failed) {
    unlink(temporary);
    return nd_fail("cannot write '%s': %s", path, strerror(cause));
  }
  sync_folder(path);
  return 0;
}
